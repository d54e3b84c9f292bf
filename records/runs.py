"""One run: the names of its files, its history, and what decides its result.

    changes = what_changed(record["identity"], identity(settings, data.digest, code, "cpu", 1))

A finished run may be used again only while its identity stays the same.
"""

import functools
import importlib.metadata
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from records.files import Damaged, parse_csv
from records.sources import CODE_ENDINGS, digests_of

HISTORY, LOG = "history.csv", "log.txt"
ACCURACIES, PREDICTIONS = "acc.txt", "predictions.csv"
TRAIN_RECORD, TEST_RECORD = "train.json", "test.json"
RUN_FILES = (HISTORY, LOG, ACCURACIES, PREDICTIONS, TEST_RECORD, TRAIN_RECORD)  # records last
WEIGHT = "weight.pth"  # of a run of a sweep
SHOWN = 4  # changes


class Epoch(NamedTuple):
    """A row of history.csv: means over the images, after an epoch of a training."""

    epoch: int
    train_loss: float
    valid_loss: float
    train_accuracy: float
    valid_accuracy: float


HISTORY_COLUMNS = Epoch._fields


def checkpoint_path(weight: Path) -> Path:
    """The checkpoint that belongs to a weight file."""
    return weight.with_name(f"{weight.stem}_checkpoint.pth")


def read_history(folder: Path) -> list[Epoch]:
    """Read a run's history.csv, a row for each epoch.

    OSError if there is none, Damaged if it is no history.
    """
    rows = parse_csv(HISTORY, (folder / HISTORY).read_bytes(), HISTORY_COLUMNS)
    history = []
    for number, row in enumerate(rows, start=1):
        try:
            values = [float(value) for value in row.values()]
        except ValueError:
            raise Damaged(f"{HISTORY}, row {number}: a value is no number") from None
        if values[0] != number:
            raise Damaged(f"{HISTORY}, row {number}: epoch {values[0]:g}")
        history.append(Epoch(number, *values[1:]))
    check_history(history)
    return history


def check_history(history: list[Epoch]) -> None:
    """Damaged if rows of history.csv are no history of a training."""
    if not history:
        raise Damaged(f"{HISTORY} has no epochs")
    for row in history:
        for accuracy in (row.train_accuracy, row.valid_accuracy):
            if not 0 <= accuracy <= 1:
                raise Damaged(f"{HISTORY}, row {row.epoch}: an accuracy is not from 0 to 1")
    for row in history[:-1]:
        if not is_finite(row):
            raise Damaged(f"{HISTORY} goes on after it diverged")


def is_finite(row: Epoch) -> bool:
    """Whether an epoch's losses are numbers: else the training has diverged."""
    return math.isfinite(row.train_loss) and math.isfinite(row.valid_loss)


def kept_epoch(history: Sequence[Epoch]) -> int:
    """The epoch with the lowest validation loss; 0, the initial weights, if none is finite."""
    kept = 0
    lowest = math.inf
    for row in history:
        if is_finite(row) and row.valid_loss < lowest:
            kept = row.epoch
            lowest = row.valid_loss
    return kept


# --- what decides a result -------------------------------------------------------------------


def identity(
    settings: dict, images: str, code: dict, device: str, threads: int, processes: int = 1
) -> dict:
    """All that decides the result of a training, as plain values that can be compared.

    `settings` holds those of SETTINGS and the seed; `images` is the digest of the
    decoded images with their classes and splits; `code` comes from records.sources.
    """
    computed_on = {"device": device, "threads": threads, "processes": processes}
    return {**settings, "images": images, **computed_on, **versions(), **code}


def test_identity(weight: str, images: str, code: dict) -> dict:
    """All that decides the result of a test; `weight` is the digest of the weight file."""
    return {"weight.pth": weight, "images": images, **code}


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute."""
    of_packages = {"Python version": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for name in ("torch", "numpy"):
        of_packages[f"{name} version"] = importlib.metadata.version(name)
    return of_packages


class Change(NamedTuple):
    """Something that decides a result and is no longer what it was; None where it is not there."""

    name: str
    old: object
    new: object

    def __str__(self) -> str:
        if self.name == "images":
            return "images, their size or split changed since this run"
        if "." in self.name:  # a file, of which the values are digests
            return f"{self.name} changed since this run"
        return f"{self.name} was {self.old}, is {self.new}"


def what_changed(old: dict, new: dict, ignore: tuple[str, ...] = ()) -> list[Change]:
    """List in what two identities differ; empty if in nothing that counts.

    Modules that only the old one names were imported in a way that no reader sees; they are
    compared as they are now.
    """
    unseen = [name for name in old if name.endswith(CODE_ENDINGS) and name not in new]
    new = {**new, **digests_of(unseen)}
    changes = []
    for name in {**new, **old}:
        change = Change(name, old.get(name), new.get(name))
        if name not in ignore and change.old != change.new:
            changes.append(change)
    return changes


def list_changes(changes: Sequence[Change]) -> str:
    """Say in a few words what changed."""
    shown = [str(change) for change in changes[:SHOWN]]
    if len(changes) > SHOWN:  # another version of the program
        shown.append(f"{len(changes) - SHOWN} more")
    return ", ".join(shown)
