"""Finished runs, read from their folders and grouped into settings; results.csv.

settings = settings_of(results_of(runs, trainings))
"""

import math
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np

from console.options import value_text
from records.files import write_csv, write_text
from records.runs import Epoch
from report.distributions import wilson
from studies.plan import Training, training_key
from studies.settings import BASE_STUDY, Run, folder_of, key_of
from training.settings import SETTINGS, as_key


class Result(NamedTuple):
    """A finished run: its records train.json and test.json, its history, epoch by epoch.

    Then shares: test accuracy of the kept and of the last weights, validation accuracy at the
    kept epoch; None if no epoch's weights could be kept.
    """

    run: Run
    folder: Path
    train: dict
    test: dict
    history: list[Epoch]
    accuracy: float
    last_accuracy: float
    valid_accuracy: float | None

    @property
    def valid_losses(self) -> np.ndarray:
        """Validation loss after every epoch, float (epochs,)."""
        return np.array([epoch.valid_loss for epoch in self.history])

    @property
    def valid_accuracies(self) -> np.ndarray:
        """Validation accuracy after every epoch, float (epochs,)."""
        return np.array([epoch.valid_accuracy for epoch in self.history])


class Setting(NamedTuple):
    """All finished runs of one setting, one a seed; `label` names it within its study.

    `key` holds its settings but the seed, (name, value): another study's setting with the same
    key is the same.
    """

    study: str
    changed: str
    label: str
    key: tuple
    results: list[Result]

    @property
    def accuracies(self) -> list[float]:
        return [result.accuracy for result in self.results]

    @property
    def valid_accuracy(self) -> float | None:
        """Mean validation accuracy of the kept weights; None if no seed kept any."""
        kept = []
        for result in self.results:
            if result.valid_accuracy is not None:
                kept.append(result.valid_accuracy)
        if not kept:
            return None
        return fmean(kept)

    @property
    def diverged(self) -> list[Result]:
        return [result for result in self.results if result.train["diverged"]]


def result_of(run: Run, training: Training) -> Result:
    """What a run of a finished training came to."""
    train, test = training.trained.record, training.tested.record
    history = list(training.trained.history)
    return Result(
        run=run,
        folder=training.place.result,
        train=train,
        test=test,
        history=history,
        accuracy=test["correct"] / test["test_images"],
        last_accuracy=test["last_correct"] / test["test_images"],
        valid_accuracy=valid_accuracy_at(train["kept_epoch"], history),
    )


def valid_accuracy_at(epoch: int, history: list[Epoch]) -> float | None:
    """Validation accuracy after an epoch, from 1; None for 0, the initial weights."""
    if epoch == 0:
        return None
    return history[epoch - 1].valid_accuracy


def results_of(runs: list[Run], trainings: Iterable[Training]) -> list[Result]:
    """The result of every run whose training is finished."""
    finished = {}
    for training in trainings:
        if training.is_finished:
            finished[training_key(training.settings)] = training
    results = []
    for run in runs:
        key = training_key(run.settings)
        if key in finished:
            results.append(result_of(run, finished[key]))
    return results


def settings_of(results: list[Result]) -> list[Setting]:
    """The results, in the order of the studies, by setting."""
    settings = []
    for _, group in groupby(results, study_and_key):
        settings.append(setting_of(list(group)))
    return settings


def study_and_key(result: Result) -> tuple[str, tuple]:
    """What the results of one setting in one study have in common."""
    return result.run.study, key_of(result.run.settings)


def setting_of(results: list[Result]) -> Setting:
    """The setting that runs of one study and one key belong to."""
    run = results[0].run
    label = ", ".join(map(value_text, run.varied.values()))
    if run.study == BASE_STUDY:
        label = "base"
    return Setting(
        study=run.study,
        changed=", ".join(run.varied),
        label=label,
        key=key_of(run.settings),
        results=results,
    )


def folder_of_seeds(out: Path, setting: Setting) -> Path | None:
    """The folder of a study's setting above those of its seeds; None if it has none."""
    place = Path(setting.results[0].run.name)
    if setting.study == BASE_STUDY or not place.name.startswith("seed_"):
        return None
    return out / "result" / place.parent


def write_accuracies(out: Path, setting: Setting) -> None:
    """Where each seed has a folder of its own, write acc.txt of them all to the setting's."""
    folder = folder_of_seeds(out, setting)
    if folder is None:
        return
    last = [result.last_accuracy for result in setting.results]
    lines = [
        f"Test accuracy: {mean_and_deviation(setting.accuracies)}",
        f"Last epoch: {mean_and_deviation(last)}",
        f"mean ± standard deviation of {len(last)} seeds:",
    ]
    for result in setting.results:
        shares = f"{100 * result.accuracy:.4f}%, last epoch {100 * result.last_accuracy:.4f}%"
        lines.append(f"seed {result.run.settings['seed']}: {shares}")
    write_text(folder / "acc.txt", "\n".join(lines) + "\n")


def mean_and_deviation(shares: list[float]) -> str:
    """Mean and standard deviation in percent; of one share no deviation is known."""
    mean = f"{100 * fmean(shares):.4f}%"
    if len(shares) < 2:
        return mean
    return f"{mean} ± {100 * stdev(shares):.4f}%"


def write_results_csv(path: Path, results: list[Result]) -> None:
    """Write every run with its settings, accuracies, times and places.

    `copy_of` names the run whose training it shares; it is empty for that run itself.
    """
    trained_by: dict[tuple, Run] = {}  # the first run of each training
    rows = []
    for result in results:
        key = tuple(map(as_key, result.run.settings.values()))
        trained = trained_by.setdefault(key, result.run)
        copy_of = ""
        if trained is not result.run:
            copy_of = trained.name
        rows.append(csv_row(result, copy_of))
    write_table(path, rows)


def write_table(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows by column, whose names are those of the first row."""
    columns: list[str] = []
    if rows:
        columns = list(rows[0])
    lines = [list(row.values()) for row in rows]
    write_csv(path, columns, lines)


def csv_row(result: Result, copy_of: str) -> dict[str, object]:
    """A run's line of results.csv, by column."""
    run, train, test = result.run, result.train, result.test
    values: dict[str, object] = {"study": run.study, "setting": folder_of(run.varied)}
    for name in ("seed", *SETTINGS):
        values[name] = as_key(run.settings[name])
    values["copy_of"] = copy_of
    values["diverged"] = train["diverged"]
    values["kept_epoch"] = train["kept_epoch"]
    for name, share in shares_of(result).items():
        values[name] = f"{share:.6f}"
    values["train_seconds"] = train["seconds"]
    values["test_seconds"] = test["seconds"]
    values["result"] = f"result/{run.name}"
    values["weight"] = f"weights/{run.name}/weight.pth"
    return values


def shares_of(result: Result) -> dict[str, float]:
    """A run's accuracies by column, those of the test with their 95 % interval."""
    low, high = wilson(result.test["correct"], result.test["test_images"])
    valid = math.nan
    if result.valid_accuracy is not None:
        valid = result.valid_accuracy
    return {
        "test_accuracy": result.accuracy,
        "test_low": low,
        "test_high": high,
        "last_test_accuracy": result.last_accuracy,
        "valid_accuracy": valid,
        "last_valid_accuracy": result.history[-1].valid_accuracy,
        "last_train_accuracy": result.history[-1].train_accuracy,
    }
