"""Finished runs, grouped into settings; results.csv.

settings = settings_of(results_of(out, runs, trainings))
"""

import functools
import math
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from records.files import write_csv, write_text
from records.finished import larger_class_line, read_predictions
from records.runs import ACCURACIES, Epoch
from report.distributions import wilson
from studies.plan import Training, training_key
from studies.settings import BASE_STUDY, PREFIX, Run, folder_of, key_of
from training.settings import SETTINGS, as_key


class Result(NamedTuple):
    """A finished run: where its files lie, its records train.json and test.json, its history.

    `folder` is that in the store, `view` its copy below its study, where its curves are drawn.
    """

    run: Run
    folder: Path
    view: Path
    train: dict
    test: dict
    history: list[Epoch]

    @property
    def accuracy(self) -> float:
        """Test accuracy of the kept weights, a share."""
        return self.test["correct"] / self.test["test_images"]

    @property
    def last_accuracy(self) -> float:
        """Test accuracy of the last epoch's weights, a share."""
        return self.test["last_correct"] / self.test["test_images"]

    @property
    def valid_accuracy(self) -> float | None:
        """Validation accuracy at the kept epoch; None if no epoch's weights could be kept."""
        kept = self.train["kept_epoch"]
        return self.history[kept - 1].valid_accuracy if kept else None

    @property
    def seed(self) -> int:
        return self.run.settings["seed"]

    @property
    def digest(self) -> str:
        """That of its predictions."""
        return self.test["predictions_sha256"]

    @property
    def valid_losses(self) -> np.ndarray:
        """Validation loss after every epoch, float (epochs,)."""
        return np.array([epoch.valid_loss for epoch in self.history])

    @property
    def valid_accuracies(self) -> np.ndarray:
        """Validation accuracy after every epoch, float (epochs,)."""
        return np.array([epoch.valid_accuracy for epoch in self.history])


class Setting(NamedTuple):
    """All finished runs of one setting, one a seed.

    `varied` holds what its study varies, by name; nothing of the base. `key` holds its settings
    but the seed, (name, value): another study's setting with the same key is the same.
    """

    study: str
    varied: dict[str, Any]
    key: tuple
    results: list[Result]

    @property
    def is_base(self) -> bool:
        return self.study == BASE_STUDY

    @property
    def is_of_grid(self) -> bool:
        """Whether its study varies several settings at once."""
        return len(self.varied) > 1

    @property
    def what(self) -> str:
        """What its study varies, for a reader: loss function and learning rate."""
        return " and ".join(map(words_of, self.varied))

    @property
    def label(self) -> str:
        """What it is called within its study."""
        if self.is_base:
            return "base"
        return ", ".join(map(str, self.varied.values()))

    @property
    def name(self) -> str:
        """What it is called where its study is not named: learning rate 0.1."""
        if self.is_base:
            return "the base"
        return ", ".join(f"{words_of(name)} {value}" for name, value in self.varied.items())

    @property
    def seeds(self) -> list[int]:
        return [result.seed for result in self.results]

    @property
    def accuracies(self) -> list[float]:
        return [result.accuracy for result in self.results]

    @property
    def accuracy(self) -> float:
        """Mean test accuracy of the kept weights."""
        return fmean(self.accuracies)

    @property
    def larger_class(self) -> float:
        """The share of the larger class of the test images, the accuracy of always saying it."""
        test = self.results[0].test
        return test.get("larger_class", 0) / test["test_images"]  # an older sweep does not tell

    @property
    def last_accuracies(self) -> list[float]:
        return [result.last_accuracy for result in self.results]

    @property
    def kept_epochs(self) -> list[int]:
        """The epochs whose weights were kept, of the seeds that kept any."""
        kept_epochs = [result.train["kept_epoch"] for result in self.results]
        return [epoch for epoch in kept_epochs if epoch]

    @property
    def valid_accuracy(self) -> float | None:
        """Mean validation accuracy of the kept weights; None if no seed kept any."""
        kept = []
        for result in self.results:
            if result.valid_accuracy is not None:
                kept.append(result.valid_accuracy)
        return fmean(kept) if kept else None

    @property
    def diverged_runs(self) -> list[Result]:
        return [result for result in self.results if result.train["diverged"]]


def words_of(name: str) -> str:
    """A setting's name for a reader: batch_size -> batch size."""
    return name.replace("_", " ")


def study_name(study: str) -> str:
    """The name of a study for a reader: Change_batch_size -> batch size."""
    return words_of(study.removeprefix(PREFIX))


# --- where files lie -------------------------------------------------------------------------


def results_of(out: Path, runs: list[Run], trainings: Iterable[Training]) -> list[Result]:
    """The result of every run whose training is finished; `out` is the sweep's folder."""
    finished = {}
    for training in trainings:
        if training.is_finished:
            finished[training_key(training.settings)] = training
    results = []
    for run in runs:
        key = training_key(run.settings)
        if key in finished:
            training = finished[key]
            result = Result(
                run=run,
                folder=training.place.result,
                view=out / "result" / run.name,
                train=training.trained.record,
                test=training.tested.record,
                history=training.trained.history,
            )
            results.append(result)
    return results


@functools.cache  # by the predictions' digest: a report is written again and again
def correct_images(folder: Path, _digest: str) -> np.ndarray:
    """Which test images a run gets right, bool (images,)."""
    rows = read_predictions(folder)
    return np.array([row["predicted_class"] == row["true_class"] for row in rows])


def folder_of_setting(setting: Setting) -> Path:
    """Where what is of all seeds of a setting lies: above their folders, if each has its own."""
    first = setting.results[0]
    if first.view.name.startswith("seed_"):
        return first.view.parent
    return first.view


# --- settings --------------------------------------------------------------------------------


def settings_of(results: list[Result]) -> list[Setting]:
    """The results, in the order of the studies, by setting."""
    settings = []
    for (study, key), group in groupby(results, study_and_key):
        of_setting = list(group)
        varied = {}
        if study != BASE_STUDY:
            for name, value in of_setting[0].run.varied.items():
                varied[name] = as_key(value)
        settings.append(Setting(study, varied, key, of_setting))
    return settings


def study_and_key(result: Result) -> tuple[str, tuple]:
    """What the results of one setting in one study have in common."""
    return result.run.study, key_of(result.run.settings)


def studies_of(settings: list[Setting]) -> list[list[Setting]]:
    """The settings of each study, in their order."""
    return [list(group) for _, group in groupby(settings, lambda setting: setting.study)]


# --- tables ----------------------------------------------------------------------------------


def write_accuracies(setting: Setting) -> None:
    """Where each seed has a folder of its own, write acc.txt of them all to the setting's."""
    folder = folder_of_setting(setting)
    if folder == setting.results[0].view:
        return
    text = f"Test accuracy: {mean_and_deviation(setting.accuracies)}\n"
    text += f"Last epoch: {mean_and_deviation(setting.last_accuracies)}\n"
    text += f"mean ± standard deviation of {len(setting.results)} seeds:\n"
    for result in setting.results:
        shares = f"{100 * result.accuracy:.4f}%, last epoch {100 * result.last_accuracy:.4f}%"
        text += f"seed {result.seed}: {shares}\n"
    if min(setting.accuracies + setting.last_accuracies) <= setting.larger_class:
        text += larger_class_line(setting.larger_class)
    write_text(folder / ACCURACIES, text)


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
        key = training_key(result.run.settings)
        trained = trained_by.setdefault(key, result.run)
        copy_of = ""
        if trained is not result.run:
            copy_of = trained.name
        rows.append(columns_of_run(result, copy_of))
    write_table(path, rows)


def write_table(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows by column, whose names are those of the first row."""
    columns: list[str] = []
    if rows:
        columns = list(rows[0])
    lines = [list(row.values()) for row in rows]
    write_csv(path, columns, lines)


def columns_of_run(result: Result, copy_of: str) -> dict[str, object]:
    """A run's line of results.csv, by column."""
    run, train, test = result.run, result.train, result.test
    values: dict[str, object] = {"study": run.study, "setting": folder_of(run.varied)}
    for name in ("seed", *SETTINGS):
        values[name] = as_key(run.settings[name])
    values["copy_of"] = copy_of
    values["diverged"] = train["diverged"]
    values["kept_epoch"] = train["kept_epoch"]
    for name, share in shares_by_column(result).items():
        values[name] = f"{share:.6f}"
    values["train_seconds"] = train["seconds"]
    values["test_seconds"] = test["seconds"]
    values["result"] = f"result/{run.name}"
    values["weight"] = f"weights/{run.name}/weight.pth"
    return values


def shares_by_column(result: Result) -> dict[str, float]:
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
