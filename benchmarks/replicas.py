"""Finished runs of many seeds, by setting: trained by my_script.py, read from its files.

    train_replicas("shapes", 32, Path("replicas/shapes"), base_seeds=40, seeds=8)
    results = read_replicas(Path("replicas/shapes"))[key(learning_rate=0.1)]

They are ordinary runs: what is finished is not trained again. Their seeds start at FIRST_SEED,
so that nobody has looked at them while settings and rules were chosen.
"""

import csv
import sys
from pathlib import Path

import measure  # noqa: F401 (puts the project on the path)

import my_script
from my_script import BASE
from report.results import Result, read_result
from studies.settings import Studies, key_of, run_of

FIRST_SEED = 200
READ = {"epochs": int, "batch_size": int, "learning_rate": float, "loss_function": str}

Key = tuple  # of a setting, as studies.settings.key_of gives it
Results = dict[Key, list[Result]]  # one for every seed, the first seed first


def key(**changed: object) -> Key:
    """The key of the base setting with something changed."""
    return key_of({**BASE, **changed})


def train_replicas(
    data: str,
    image_size: int,
    out: Path,
    base_seeds: int,
    seeds: int,
    studies: Studies = my_script.STUDIES,
) -> None:
    """Train the base setting with `base_seeds` seeds, every other one with `seeds`."""
    my_script.BASE_SEEDS, my_script.FIRST_SEED = base_seeds, FIRST_SEED
    my_script.STUDIES = dict(studies)
    sys.argv = ["my_script.py", "--data", data, "--image_size", str(image_size)]
    sys.argv += ["--out", str(out), "--seeds", str(seeds)]
    if my_script.main():
        raise SystemExit("a run failed")


def read_replicas(out: Path) -> Results:
    """The results in an --out folder, by setting; what several studies share stands there once."""
    replicas: dict[Key, dict[int, Result]] = {}
    table = (out / "result" / "results.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(table.splitlines()):
        seed = int(row["seed"])
        settings = {name: read(row[name]) for name, read in READ.items()}
        settings["seed"] = seed
        folder = row["result"].removeprefix(f"result/{row['study']}/")
        run = run_of(out, row["study"], folder, changed={}, settings=settings)
        of_setting = replicas.setdefault(key_of(settings), {})
        of_setting.setdefault(seed, read_result(run))
    return {setting: list(by_seed.values()) for setting, by_seed in replicas.items()}
