"""A finished run, read from its files and checked: what was written, or why it is not that.

    status = training_status(Path("result"), Path("weights/weight.pth"), identity)
    if status.stage is Stage.DONE:
        print(read_trained(Path("result")).history)

Every reader of a run's records comes through here: nothing else believes a file.
"""

import math
from pathlib import Path
from typing import NamedTuple

from records.files import DIGEST, Damaged, file_digest, read_csv, read_json, read_record
from records.runs import (
    DONE,
    MISSING,
    Epoch,
    Stage,
    Status,
    is_finite,
    kept_epoch,
    read_history,
    test_identity,
    what_changed,
)
from records.sources import sources

PREDICTION_COLUMNS = ("file", "true_class", "predicted_class", "probability")
# The values that a record must hold; others may stand beside them.
TRAIN_FORM = {
    "identity": dict, "command": list, "network": list, "train_images": int, "kept_epoch": int,
    "epochs": int, "diverged": bool, "seconds": float, "machine": str, "weight_sha256": str,
    "history_sha256": str,
}  # fmt: skip
TEST_FORM = {
    "identity": dict, "command": list, "seconds": float, "test_images": int, "correct": int,
    "last_correct": int, "finished": str, "acc_sha256": str, "predictions_sha256": str,
}  # fmt: skip
TEST_DIGESTS = {"acc.txt": "acc_sha256", "predictions.csv": "predictions_sha256"}


class Trained(NamedTuple):
    """A finished training: its record train.json and its history.csv."""

    record: dict
    history: list[Epoch]


class Tested(NamedTuple):
    """A finished test: its record test.json."""

    record: dict


# --- whether a run is finished ---------------------------------------------------------------


def training_status(result: Path, weight: Path, identity: dict) -> Status:
    """Whether a folder holds a finished training with this identity."""
    older = older_identity(result / "train.json")
    if older and (changes := what_changed(older, identity)):
        return Status(Stage.CHANGED, changes=changes)
    try:
        record = read_record(result / "train.json", TRAIN_FORM)
        if changes := what_changed(record["identity"], identity):
            return Status(Stage.CHANGED, changes=changes)
        if file_digest(weight) != record["weight_sha256"]:
            return Status(Stage.INCOMPLETE, files=[weight.name])
        if file_digest(result / "history.csv") != record["history_sha256"]:
            return Status(Stage.OVERWRITTEN)
        read_trained(result)
    except FileNotFoundError:
        return MISSING
    except (Damaged, OSError) as error:
        return Status(Stage.DAMAGED, damage=str(error))
    return DONE


def older_identity(path: Path) -> dict:
    """The identity in a record of a version that wrote no digests; empty if it is none."""
    record = read_json(path)
    identity = record.get("identity")
    return identity if isinstance(identity, dict) and DIGEST not in record else {}


def test_status(result: Path, weight: Path, images: str) -> Status:
    """Whether a folder holds a finished test of these weights."""
    try:
        record = read_record(result / "test.json", TEST_FORM)
        asked = test_identity(file_digest(weight), images, sources("test.py"))
        if changes := what_changed(record["identity"], asked):
            return Status(Stage.CHANGED, changes=changes)
        wrong = []
        for name, digest in TEST_DIGESTS.items():
            if file_digest(result / name) != record[digest]:
                wrong.append(name)
        if wrong:
            return Status(Stage.INCOMPLETE, files=wrong)
        read_tested(result)
    except FileNotFoundError:
        return MISSING
    except (Damaged, OSError) as error:
        return Status(Stage.DAMAGED, damage=str(error))
    return DONE


# --- what a finished run holds ---------------------------------------------------------------


def read_trained(folder: Path) -> Trained:
    """Read a finished training; Damaged if its record and history are not what was written.

    FileNotFoundError if there is none.
    """
    path, history_path = folder / "train.json", folder / "history.csv"
    record = read_record(path, TRAIN_FORM)
    if file_digest(history_path) != record["history_sha256"]:
        raise Damaged(f"{history_path.name} is not that of {path.name}")
    history = read_history(folder)
    agreement = {
        "epochs": record["epochs"] == len(history),
        "kept_epoch": record["kept_epoch"] == kept_epoch(history),
        "diverged": record["diverged"] == (not is_finite(history[-1])),
        "train_images": record["train_images"] > 0,
        "network": all(isinstance(row, list) and len(row) == 4 for row in record["network"]),
        "seconds": 0 <= record["seconds"] < math.inf,
    }
    refuse_disagreement(path, record, agreement)
    return Trained(record, history)


def recorded(folder: Path) -> dict:
    """The record of a training as it was written; empty if there is none such."""
    try:
        return read_record(folder / "train.json", TRAIN_FORM)
    except (Damaged, OSError):
        return {}


def read_tested(folder: Path) -> Tested:
    """Read a finished test; Damaged if its files are not what was written.

    FileNotFoundError if there is none.
    """
    path = folder / "test.json"
    record = read_record(path, TEST_FORM)
    for name, digest in TEST_DIGESTS.items():
        if file_digest(folder / name) != record[digest]:
            raise Damaged(f"{name} is not that of {path.name}")
    rows = read_predictions(folder)
    right = sum(row["predicted_class"] == row["true_class"] for row in rows)
    agreement = {
        "test_images": record["test_images"] == len(rows),
        "correct": record["correct"] == right,
        "last_correct": 0 <= record["last_correct"] <= len(rows),
        "seconds": 0 <= record["seconds"] < math.inf,
    }
    refuse_disagreement(path, record, agreement)
    if (folder / "acc.txt").read_bytes() != accuracies(record).encode():
        raise Damaged(f"acc.txt is not that of {path.name}")
    return Tested(record)


def read_predictions(folder: Path) -> list[dict[str, str]]:
    """Read predictions.csv: a row of PREDICTION_COLUMNS for each test image; Damaged if it is none.

    FileNotFoundError if there is none.
    """
    path = folder / "predictions.csv"
    rows = read_csv(path, PREDICTION_COLUMNS)
    for number, row in enumerate(rows, start=1):
        if not is_share(row["probability"]):
            raise Damaged(f"{path.name}, row {number}: a probability of {row['probability']!r}")
    if not rows:
        raise Damaged(f"{path.name} has no rows")
    return rows


def is_share(text: str) -> bool:
    """Whether a text is a number from 0 to 1, or nan."""
    try:
        value = float(text)
    except ValueError:
        return False
    return 0 <= value <= 1 or math.isnan(value)


def accuracies(record: dict) -> str:
    """The text of acc.txt: the test accuracy of the kept weights and of the last ones."""
    kept, last = (
        100 * record[name] / record["test_images"] for name in ("correct", "last_correct")
    )
    return f"Test accuracy: {kept:.4f}%\nLast epoch: {last:.4f}%\n"


# --- checks ----------------------------------------------------------------------------------


def refuse_disagreement(path: Path, record: dict, agreement: dict[str, bool]) -> None:
    """Damaged if a value of a record does not agree with the others or the files beside it."""
    for name, agrees in agreement.items():
        if not agrees:
            raise Damaged(f"{path.name}: {name} cannot be {record[name]!r}")
