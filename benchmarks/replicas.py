"""Finished trainings of many seeds, by setting: trained by my_script.py, read from its files.

    train_replicas("shapes", 32, Path("replicas/shapes"), base_seeds=40, seeds=8)
    trainings = read_replicas(Path("replicas/shapes"))[key(learning_rate=0.1)]

They are ordinary runs: what is finished is not trained again. Their seeds start at FIRST_SEED,
so that nobody has looked at them while settings and rules were chosen.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from measure import copy_project

from my_script import BASE, STUDIES
from report.results import correct_images

FIRST_SEED = 200
READ = {"epochs": int, "batch_size": int, "learning_rate": float, "loss_function": str}

Key = tuple  # of a setting: (name, value) of each


class Training(NamedTuple):
    """A finished training: its history by epoch, its records, shares of right images.

    `correct` says which test images are right, bool (images,), in one order for all trainings.
    `valid_accuracy` is that of the kept weights, 0 where none were kept.
    """

    history: np.recarray
    train: dict
    test: dict
    correct: np.ndarray
    accuracy: float
    last_accuracy: float
    valid_accuracy: float

    @property
    def valid_losses(self) -> np.ndarray:
        return self.history.valid_loss

    @property
    def valid_accuracies(self) -> np.ndarray:
        return self.history.valid_accuracy


Trainings = dict[Key, list[Training]]  # one for every seed, the first seed first


def key(**changed: object) -> Key:
    """The key of the base setting with something changed."""
    return tuple({**BASE, **changed}.items())


def train_replicas(
    data: str, image_size: int, out: Path, base_seeds: int, seeds: int, studies: dict = STUDIES
) -> None:
    """Train the base setting with `base_seeds` seeds, every other one with `seeds`."""
    constants = {"BASE_SEEDS": base_seeds, "FIRST_SEED": FIRST_SEED, "STUDIES": studies}
    with TemporaryDirectory() as folder:
        project = copy_project(Path(folder, "project"), **constants)
        command = [sys.executable, str(project / "my_script.py"), "--data", data]
        command += ["--image_size", str(image_size), "--out", str(out), "--seeds", str(seeds)]
        if subprocess.run(command).returncode:
            raise SystemExit("a run failed")


def read_replicas(out: Path) -> Trainings:
    """The trainings in an --out folder, by setting; what studies share stands there once."""
    by_seed: dict[Key, dict[int, Training]] = {}
    with (out / "result" / "results.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            settings = {name: read(row[name]) for name, read in READ.items()}
            of_setting = by_seed.setdefault(key(**settings), {})
            of_setting.setdefault(int(row["seed"]), read_training(row, out / row["result"]))
    return {setting: list(seeds.values()) for setting, seeds in by_seed.items()}


def read_training(row: dict[str, str], folder: Path) -> Training:
    """A line of results.csv, with the history and the records in its folder."""
    history = np.genfromtxt(folder / "history.csv", delimiter=",", names=True, ndmin=1)
    return Training(
        history=history.view(np.recarray),
        train=json.loads((folder / "train.json").read_text()),
        test=json.loads((folder / "test.json").read_text()),
        correct=correct_images(folder, row["result"]),
        accuracy=float(row["test_accuracy"]),
        last_accuracy=float(row["last_test_accuracy"]),
        valid_accuracy=float(np.nan_to_num(float(row["valid_accuracy"]))),
    )
