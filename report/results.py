"""Finished runs, read from their folders and grouped into settings; results.csv.

settings = settings_of(read_results(runs, identity_for, data.digest))
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from console.options import SETTINGS
from records.files import read_json, write_csv
from records.runs import read_history, why_not_tested, why_not_trained
from report.comparison import wilson
from studies.plan import BASE_STUDY, Run


@dataclass(frozen=True)
class Result:
    """A finished run: its records train.json and test.json, its history, float (epochs, 5)."""

    run: Run
    train: dict
    test: dict
    history: np.ndarray

    @property
    def accuracy(self) -> float:
        return self.test["correct"] / self.test["test_images"]

    @property
    def last_accuracy(self) -> float:
        return self.test["last_correct"] / self.test["test_images"]

    @property
    def valid_accuracy(self) -> float:
        """Validation accuracy at the kept epoch; 0 if no epoch could be kept."""
        kept = self.train["kept_epoch"]
        return float(self.history[kept - 1, 4]) if kept else 0.0


@dataclass(frozen=True)
class Setting:
    """All finished runs of one setting, one a seed; `label` names it within its study.

    `key` holds its settings but the seed, (name, value): another study's setting with the same
    key is the same.
    """

    study: str
    label: str
    key: tuple
    results: list[Result]

    @property
    def changed(self) -> str:
        return self.results[0].run.changed

    @property
    def name(self) -> str:
        return f"{self.changed} {self.label}"

    @property
    def accuracies(self) -> list[float]:
        return [result.accuracy for result in self.results]

    @property
    def diverged(self) -> list[Result]:
        return [result for result in self.results if result.train["diverged"]]

    def mean(self, value_of: Callable[[Result], float]) -> float:
        """The mean over its runs."""
        return fmean(map(value_of, self.results))


def read_results(
    runs: list[Run], identity_for: Callable[[dict], dict], images: str
) -> list[Result]:
    """Every run that is finished and up to date.

    `identity_for(settings)` is what a finished training must have, `images` the images' digest.
    """
    results = []
    for run in runs:
        places = (run.result, run.weight)
        unfinished = why_not_trained(*places, identity_for(run.settings))
        if not unfinished and not why_not_tested(*places, images):
            records = (read_json(run.result / f"{name}.json") for name in ("train", "test"))
            results.append(Result(run, *records, np.array(read_history(run.result))))
    return results


def settings_of(results: list[Result]) -> list[Setting]:
    """The results by study and setting, in the order of the studies, the base first."""
    groups: dict[tuple, list[Result]] = {}
    for result in results:
        run = result.run
        label = "base" if run.study == BASE_STUDY else str(run.value)
        key = tuple(setting for setting in run.settings.items() if setting[0] != "seed")
        groups.setdefault((run.study, label, key), []).append(result)
    return [Setting(*names, group) for names, group in groups.items()]


def write_results_csv(path: Path, results: list[Result]) -> None:
    """Write every run with its settings, accuracies, times and places."""
    rows = [csv_row(result) for result in results]
    write_csv(path, list(rows[0]) if rows else [], [list(row.values()) for row in rows])


def csv_row(result: Result) -> dict:
    """A run's line of results.csv, by column."""
    run, train, test = result.run, result.train, result.test
    low, high = wilson(test["correct"], test["test_images"])
    shares = {
        "test_accuracy": result.accuracy, "test_low": low, "test_high": high,
        "last_test_accuracy": result.last_accuracy,
        "valid_accuracy": result.valid_accuracy if train["kept_epoch"] else float("nan"),
        "last_valid_accuracy": result.history[-1, 4], "last_train_accuracy": result.history[-1, 3],
    }  # fmt: skip
    return {
        "study": run.study, "setting": str(run.value).replace(".", "_"),
        **{name: run.settings[name] for name in ("seed", *SETTINGS)},
        "diverged": train["diverged"], "kept_epoch": train["kept_epoch"],
        **{name: f"{share:.6f}" for name, share in shares.items()},
        "train_seconds": train["seconds"], "test_seconds": test["seconds"],
        "result": f"result/{run.name}", "weight": f"weights/{run.name}/weight.pth",
    }  # fmt: skip
