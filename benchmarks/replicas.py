"""Finished trainings of many seeds, by setting: trained by my_script.py, read from its store.

    train_replicas("shapes", 32, Path("replicas/shapes"), base_seeds=40, seeds=8)
    trainings = read_replicas(Path("replicas/shapes"))[key(learning_rate=0.1)]

They are ordinary runs: what is finished is not trained again. Their seeds start at FIRST_SEED,
so that nobody has looked at them while settings and rules were chosen.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import copy_project

from my_script import BASE, STUDIES
from report.results import Result, results_of
from studies.settings import Run, key_of
from studies.view import shown

FIRST_SEED = 200

Key = tuple  # of a setting: (name, value) of each


Trainings = dict[Key, list[Result]]  # one for every seed, the first seed first


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
    """The trainings that an --out folder shows, by setting, each once."""
    trainings = sorted(shown(out), key=lambda training: training.settings["seed"])
    runs = [Run("", {}, training.settings, "") for training in trainings]
    by_setting: Trainings = {}
    for result in results_of(out, runs, trainings):
        by_setting.setdefault(key_of(result.run.settings), []).append(result)
    return by_setting
