"""A finished run, read from its files and checked: what was written, or why it is not that.

    status = training_status(Path("result"), Path("weights/weight.pth"), identity)
    if status.stage is Stage.DONE:
        print(read_trained(Path("result")).history)

Every reader of a run's records comes through here: nothing else believes a file.
"""

import json
import math
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from records.files import (
    DIGEST,
    Damaged,
    check_record,
    digest_of,
    file_digest,
    load_json,
    parse_csv,
    read_file,
    read_record,
)
from records.runs import (
    DONE,
    HISTORY,
    MISSING,
    Change,
    Epoch,
    Layer,
    Stage,
    Status,
    is_finite,
    kept_epoch,
    parse_history,
    test_identity,
    what_changed,
)
from records.sources import sources

PREDICTION_COLUMNS = ("file", "true_class", "predicted_class", "probability")
TRAIN_RECORD, TEST_RECORD = "train.json", "test.json"
ACCURACIES, PREDICTIONS = "acc.txt", "predictions.csv"
BEGUN = "archive/begun.json"  # in a checkpoint: a zip archive of which torch fills one folder
# The values that a record must hold; others may stand beside them.
TRAIN_FORM: dict[str, type] = {
    "identity": dict,
    "command": list,
    "network": list,
    "train_images": int,
    "kept_epoch": int,
    "epochs": int,
    "diverged": bool,
    "seconds": float,
    "machine": str,
    "weight_sha256": str,
    "history_sha256": str,
}
TEST_FORM: dict[str, type] = {
    "identity": dict,
    "command": list,
    "seconds": float,
    "test_images": int,
    "correct": int,
    "last_correct": int,
    "finished": str,
    "acc_sha256": str,
    "predictions_sha256": str,
}
TEST_DIGESTS = {ACCURACIES: "acc_sha256", PREDICTIONS: "predictions_sha256"}


class Trained(NamedTuple):
    """A finished training: its record train.json, and the rows of its history."""

    record: dict[str, Any]
    history: list[Epoch]


# --- whether a run is finished ---------------------------------------------------------------


def training_status(result: Path, weight: Path, identity: dict[str, Any]) -> Status:
    """Whether a folder holds a finished training with this identity."""
    path = result / TRAIN_RECORD
    try:
        values = load_json(path)
        if changes := changes_since(older_identity(values), identity):
            return Status(Stage.CHANGED, changes=changes)
        record = check_record(path, values)
        if changes := what_changed(record["identity"], identity):
            return Status(Stage.CHANGED, changes=changes)
        if file_digest(weight) != record["weight_sha256"]:
            return Status(Stage.INCOMPLETE, files=[weight.name])
        history = content_or_nothing(result / HISTORY)
        if digest_of(history) != record["history_sha256"]:
            return Status(Stage.OVERWRITTEN)
        check_training(record, parse_history(history))
    except FileNotFoundError:
        return MISSING
    except (Damaged, OSError) as error:
        return Status(Stage.DAMAGED, damage=str(error))
    return DONE


def older_identity(values: dict[str, Any]) -> dict[str, Any]:
    """The identity in a record of a version that wrote no digests; empty if it is none."""
    identity = values.get("identity")
    if DIGEST in values or not isinstance(identity, dict):
        return {}
    return identity


def changes_since(older: dict[str, Any], identity: dict[str, Any]) -> list[Change]:
    """In what an older version's record differs from what is asked for; empty if there is none."""
    return what_changed(older, identity) if older else []


def test_status(result: Path, weight: Path, images: str) -> Status:
    """Whether a folder holds a finished test of these weights."""
    try:
        from training.settings import ALSO_DECIDE  # until callers hand it on

        record = read_record(result / TEST_RECORD)
        asked = test_identity(file_digest(weight), images, sources("test.py", ALSO_DECIDE))
        if changes := what_changed(record["identity"], asked):
            return Status(Stage.CHANGED, changes=changes)
        contents = contents_of_test(result)
        if wrong := not_of_record(record, contents):
            return Status(Stage.INCOMPLETE, files=wrong)
        check_test(record, contents)
    except FileNotFoundError:
        return MISSING
    except (Damaged, OSError) as error:
        return Status(Stage.DAMAGED, damage=str(error))
    return DONE


# --- what an unfinished run holds ------------------------------------------------------------


class Begun(NamedTuple):
    """What decides the result of a training that was begun, and how many epochs it has."""

    identity: dict[str, Any]
    epochs: int


def read_begun(checkpoint: Path) -> Begun | None:
    """What a checkpoint tells without torch; None if there is none, or a damaged one."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            values = json.loads(archive.read(BEGUN))
        return Begun(dict(values["identity"]), int(values["epochs"]))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


# --- what a finished run holds ---------------------------------------------------------------


def read_trained(folder: Path) -> Trained:
    """Read a finished training; Damaged if its record and history are not what was written.

    FileNotFoundError if there is none.
    """
    record = read_record(folder / TRAIN_RECORD)
    content = content_or_nothing(folder / HISTORY)
    if digest_of(content) != record["history_sha256"]:
        raise Damaged(f"{HISTORY} is not that of {TRAIN_RECORD}")
    history = parse_history(content)
    check_training(record, history)
    return Trained(record, history)


def check_training(record: dict[str, Any], history: list[Epoch]) -> None:
    """Damaged if a training's record does not agree with its history."""
    agreement = {
        "epochs": record["epochs"] == len(history),
        "kept_epoch": record["kept_epoch"] == kept_epoch(history),
        "diverged": record["diverged"] == (not is_finite(history[-1])),
        "train_images": record["train_images"] > 0,
        "network": all(map(is_layer, record["network"])),
        "seconds": 0 <= record["seconds"] < math.inf,
    }
    refuse_disagreement(TRAIN_RECORD, record, agreement)


def is_layer(values: object) -> bool:
    """Whether a record's values are those of a layer; --against reads lists of before, too."""
    return isinstance(values, (dict, list)) and len(values) == len(Layer._fields)


class Made(NamedTuple):
    """What made the training in a folder, its identity, and the digest of the weights it left."""

    identity: dict[str, Any]
    weight_digest: str


def made_in(folder: Path) -> Made | None:
    """What made the finished training in a folder; None if there is none, or a damaged one.

    Also by the record of a version that wrote no digests, of which no more is believed.
    """
    path = folder / TRAIN_RECORD
    try:
        values = load_json(path)
        identity = older_identity(values)
        if not identity:
            record = check_record(path, values)
            return Made(record["identity"], record["weight_sha256"])
    except (Damaged, OSError):
        return None
    weight_digest = values.get("weight_sha256")
    if not isinstance(weight_digest, str) or not weight_digest:
        return None
    return Made(identity, weight_digest)


def recorded(folder: Path) -> dict[str, Any]:
    """The record of a training as it was written; empty if there is none such."""
    try:
        return read_record(folder / TRAIN_RECORD)
    except (Damaged, OSError):
        return {}


def read_tested(folder: Path) -> dict[str, Any]:
    """The record of a finished test; Damaged if its files are not what was written.

    FileNotFoundError if there is none.
    """
    record = read_record(folder / TEST_RECORD)
    contents = contents_of_test(folder)
    if wrong := not_of_record(record, contents):
        raise Damaged(f"{', '.join(wrong)} is not that of {TEST_RECORD}")
    check_test(record, contents)
    return record


def contents_of_test(folder: Path) -> dict[str, bytes]:
    """The bytes of what a test leaves beside its record, by the file's name."""
    return {name: content_or_nothing(folder / name) for name in TEST_DIGESTS}


def not_of_record(record: dict[str, Any], contents: dict[str, bytes]) -> list[str]:
    """The files of a test that are not those whose digests its record holds."""
    wrong = []
    for name, content in contents.items():
        if digest_of(content) != record[TEST_DIGESTS[name]]:
            wrong.append(name)
    return wrong


def check_test(record: dict[str, Any], contents: dict[str, bytes]) -> None:
    """Damaged if a test's record does not agree with the files beside it."""
    rows = parse_predictions(contents[PREDICTIONS])
    right = sum(row["predicted_class"] == row["true_class"] for row in rows)
    agreement = {
        "test_images": record["test_images"] == len(rows),
        "correct": record["correct"] == right,
        "last_correct": 0 <= record["last_correct"] <= len(rows),
        "seconds": 0 <= record["seconds"] < math.inf,
    }
    refuse_disagreement(TEST_RECORD, record, agreement)
    if contents[ACCURACIES] != accuracies_text(record).encode():
        raise Damaged(f"{ACCURACIES} is not that of {TEST_RECORD}")


def read_predictions(folder: Path) -> list[dict[str, str]]:
    """Read predictions.csv; Damaged if it is not that, FileNotFoundError if there is none."""
    return parse_predictions(read_file(folder / PREDICTIONS))


def parse_predictions(content: bytes) -> list[dict[str, str]]:
    """The rows of predictions.csv, one of PREDICTION_COLUMNS for each test image; or Damaged."""
    rows = parse_csv(PREDICTIONS, content, PREDICTION_COLUMNS)
    for number, row in enumerate(rows, start=1):
        if not is_share(row["probability"]):
            text = row["probability"]
            raise Damaged(f"{PREDICTIONS}, row {number}: a probability of {text!r}")
    if not rows:
        raise Damaged(f"{PREDICTIONS} has no rows")
    return rows


def content_or_nothing(path: Path) -> bytes:
    """The bytes of a file; none if it is no file or cannot be read."""
    try:
        return read_file(path)
    except (Damaged, OSError):
        return b""


def is_share(text: str) -> bool:
    """Whether a text is a number from 0 to 1, or nan."""
    try:
        value = float(text)
    except ValueError:
        return False
    return 0 <= value <= 1 or math.isnan(value)


def accuracies_text(record: dict[str, Any]) -> str:
    """The text of acc.txt: the test accuracy of the kept weights and of the last ones."""
    kept = 100 * record["correct"] / record["test_images"]
    last = 100 * record["last_correct"] / record["test_images"]
    return f"Test accuracy: {kept:.4f}%\nLast epoch: {last:.4f}%\n"


# --- checks ----------------------------------------------------------------------------------


def refuse_disagreement(name: str, record: dict[str, Any], agreement: dict[str, bool]) -> None:
    """Damaged if a value of a record does not agree with the others or the files beside it."""
    for key, agrees in agreement.items():
        if not agrees:
            raise Damaged(f"{name}: {key} cannot be {record[key]!r}")
