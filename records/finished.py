"""Reads what a run has left and judges it: what was asked for, or why it is not that.

    trained = read_training(Path("result"), Path("weights/weight.pth"), identity)
    if trained.status == DONE:
        print(trained.history)

Nothing else believes a file of a run. What a digest covers is as it was written.
"""

import enum
import json
from pathlib import Path
from typing import Any, NamedTuple

from records.files import (
    Damaged,
    file_digest,
    open_unpacked,
    parse_csv,
    read_record,
)
from records.runs import (
    ACCURACIES,
    HISTORY,
    PREDICTIONS,
    TEST_RECORD,
    TRAIN_RECORD,
    Epoch,
    list_changes,
    read_history,
    what_changed,
)

PREDICTION_COLUMNS = ("file", "true_class", "predicted_class", "probability")
BEGUN = "archive/begun.json"  # in a checkpoint: a zip archive of which torch fills one folder


class Stage(enum.Enum):
    """How far a training, or a test, has come in a run's folder."""

    DONE = enum.auto()
    MISSING = enum.auto()  # never done, or its record is lost
    INTERRUPTED = enum.auto()  # begun, and stopped after Status.epochs
    REPEATED = enum.auto()  # there, but something else, damaged, or asked for anew


class Status(NamedTuple):
    """How a training, or a test, stands in a run's folder, and why it is to be done."""

    stage: Stage
    why: str
    epochs: int = 0


DONE, MISSING = Status(Stage.DONE, "done already"), Status(Stage.MISSING, "not done yet")


class Judged(NamedTuple):
    """A training or a test as it was judged; of one that is done its record.

    `history` is that of a training.
    """

    status: Status
    record: dict[str, Any]
    history: list[Epoch]


def not_done(status: Status = MISSING) -> Judged:
    """A training or a test that is not done."""
    return Judged(status, {}, [])


# --- a record and its files ------------------------------------------------------------------


def judge(path: Path, identity: dict[str, Any] | None, written: dict[str, Path]) -> Judged:
    """Read a record and judge it; what it holds is given only if it stands for work that is done.

    `written` are the files that go with it, by the key of their digest. Without an `identity` any
    record is taken whose files are whole.
    """
    try:
        record = read_record(path)
        if identity is not None:
            changes = what_changed(record["identity"], identity)
            if changes:
                return not_done(Status(Stage.REPEATED, list_changes(changes)))
        wrong = [file.name for key, file in written.items() if file_digest(file) != record[key]]
    except FileNotFoundError:
        return not_done()
    except KeyError as error:  # whole, but the record of something else
        lacking = f"damaged record: {path.name} lacks {error}"
        return not_done(Status(Stage.REPEATED, lacking))
    except (Damaged, OSError) as error:
        return not_done(Status(Stage.REPEATED, f"damaged record: {error}"))
    if wrong:
        why = f"{', '.join(wrong)} is missing or changed since this run"
        return not_done(Status(Stage.REPEATED, why))
    return Judged(DONE, record, [])


# --- a training ------------------------------------------------------------------------------


def read_training(result: Path, weight: Path, identity: dict[str, Any] | None) -> Judged:
    """Read the training in a folder and judge it; without an `identity` any that is whole."""
    written = {"weight_sha256": weight, "history_sha256": result / HISTORY}
    judged = judge(result / TRAIN_RECORD, identity, written)
    if judged.status == DONE:
        return judged._replace(history=read_history(result))
    return judged


class Begun(NamedTuple):
    """What decides the result of a training that was begun, and how many epochs it has."""

    identity: dict[str, Any]
    epochs: int


def read_begun(checkpoint: Path) -> Begun | None:
    """What a checkpoint tells without torch; None if there is none, or a damaged one."""
    try:
        with open_unpacked(checkpoint) as archive:
            values = json.loads(archive.read(BEGUN))
        return Begun(dict(values["identity"]), int(values["epochs"]))
    except Exception:  # a damaged archive raises almost anything; train.py names it
        return None


# --- a test ----------------------------------------------------------------------------------


def read_test(result: Path, identity: dict[str, Any] | None) -> Judged:
    """Read the test in a folder and judge it; without an `identity` any that is whole."""
    written = {"acc_sha256": result / ACCURACIES, "predictions_sha256": result / PREDICTIONS}
    return judge(result / TEST_RECORD, identity, written)


def read_predictions(folder: Path) -> list[dict[str, str]]:
    """The rows of predictions.csv; Damaged if it is not that, OSError if there is none."""
    return parse_csv(PREDICTIONS, (folder / PREDICTIONS).read_bytes(), PREDICTION_COLUMNS)


def accuracies_text(record: dict[str, Any]) -> str:
    """The text of acc.txt: the test accuracy of the kept weights and of the last ones.

    A third line tells the share of the larger class, if one of them does not exceed it.
    """
    kept = record["correct"] / record["test_images"]
    last = record["last_correct"] / record["test_images"]
    larger = record["larger_class"] / record["test_images"]
    text = f"Test accuracy: {100 * kept:.4f}%\nLast epoch: {100 * last:.4f}%\n"
    if min(kept, last) <= larger:
        text += larger_class_line(larger)
    return text


def larger_class_line(share: float) -> str:
    """The line of acc.txt that tells what an accuracy has to exceed."""
    return f"Larger class: {100 * share:.4f}%, the accuracy of always saying it\n"
