"""Finished runs of many seeds, by setting: trained by my_script.py, read from its files.

    runs = train_replicas("shapes", 32, Path("replicas/shapes"), base_seeds=40, seeds=8)

They are ordinary runs: what is finished is not trained again. Their seeds start at FIRST_SEED,
so that nobody has looked at them while settings and rules were chosen.
"""

import sys
from pathlib import Path

import measure  # noqa: F401 (puts the project on the path)

import my_script
from records.files import read_csv
from report.results import Result, read_result
from studies.settings import BASE_STUDY, run_of

FIRST_SEED = 200


def train_replicas(data: str, image_size: int, out: Path, base_seeds: int, seeds: int) -> None:
    """Train the base setting with `base_seeds` seeds, every other one with `seeds`."""
    my_script.BASE_SEEDS, my_script.FIRST_SEED = base_seeds, FIRST_SEED
    sys.argv = ["my_script.py", "--data", data, "--image_size", str(image_size)]
    sys.argv += ["--out", str(out), "--seeds", str(seeds)]
    if my_script.main():
        raise SystemExit("a run failed")


def read_replicas(out: Path) -> dict[str, list[Result]]:
    """The results in an --out folder: "base", then settings by study/setting, by seed."""
    replicas: dict[str, list[Result]] = {}
    for row in read_csv(out / "result" / "results.csv"):
        base = row["study"] == BASE_STUDY
        folder = row["result"].removeprefix(f"result/{row['study']}/")
        seed = {"seed": int(row["seed"])}
        run = run_of(out, row["study"], folder, changed={}, settings=seed)
        name = "base" if base else f"{row['study']}/{row['setting']}"
        replicas.setdefault(name, []).append(read_result(run))
    return replicas


def is_base(results: list[Result], base: list[Result]) -> bool:
    """Whether a study's setting is the base: then its weights are the base's."""
    return results[0].train["weight_sha256"] == base[0].train["weight_sha256"]
