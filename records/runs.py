"""The record of one run: its files, what decides its result, whether it is finished.

    why = why_not_trained(Path("result"), Path("weights/weight.pth"), identity)

A finished run may be used again only while its identity stays the same.
"""

import functools
import importlib.metadata
import math
from operator import itemgetter
from pathlib import Path

from records.files import file_digest, read_csv, read_json

PROJECT = Path(__file__).resolve().parent.parent
# Folders that change no number; images does not either, since its pixels have a digest.
DECIDE_NOTHING = ("benchmarks", "console", "images", "report", "studies", "tests")
HISTORY_COLUMNS = ("epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
TEST_FILES = ("acc.txt", "predictions.csv")
RUN_FILES = ("history.csv", "log.txt", *TEST_FILES, "test.json", "train.json")  # records last
NOT_TRAINED = "not trained yet"
INTERRUPTED = "history.csv is missing or that of another training"


def checkpoint_path(weight: Path) -> Path:
    """The checkpoint that belongs to a weight file."""
    return weight.with_name(f"{weight.stem}_checkpoint.pth")


def read_history(folder: Path) -> list[list[float]]:
    """Read a run's history.csv: one row of HISTORY_COLUMNS for each epoch."""
    return [list(map(float, row.values())) for row in read_csv(folder / "history.csv")]


def is_finite(row: list[float]) -> bool:
    """Whether an epoch's losses are numbers: else the training has diverged."""
    return math.isfinite(row[1]) and math.isfinite(row[2])


def kept_epoch(history: list[list[float]]) -> int:
    """The epoch with the lowest validation loss; 0, the initial weights, if none is finite."""
    finite = [row for row in history if is_finite(row)]
    return int(min(finite, key=itemgetter(2))[0]) if finite else 0


# --- what decides a result -------------------------------------------------------------------


def identity(settings: dict, images: str, device: str, threads: int, processes: int = 1) -> dict:
    """All that decides the result of a training, as plain values that can be compared.

    `settings` holds those of console.options and the seed; `images` is the digest of the
    decoded images with their classes and splits.
    """
    computed_on = {"device": device, "threads": threads, "processes": processes}
    return {**settings, "images": images, **computed_on, **versions(), **sources("train.py")}


def test_identity(weight: Path, images: str) -> dict:
    """All that decides the result of a test."""
    return {"weight.pth": file_digest(weight), "images": images, **sources("test.py")}


@functools.cache
def versions() -> dict[str, str]:
    """Versions of the packages that compute."""
    return {f"{name} version": importlib.metadata.version(name) for name in ("torch", "numpy")}


@functools.cache  # as they were when this program started: they may be edited meanwhile
def sources(program: str) -> dict[str, str]:
    """Digests of all in the project that decides a program's result, a user's modules too."""
    skipped = {*DECIDE_NOTHING, "my_script.py", "train.py", "test.py"} - {program}
    paths = sorted([*PROJECT.glob("*.py"), *PROJECT.glob("*/*.py")])
    digests = {path.relative_to(PROJECT): file_digest(path) for path in paths}
    return {str(path): text for path, text in digests.items() if path.parts[0] not in skipped}


def what_changed(old: dict, new: dict, ignore: tuple[str, ...] = ()) -> str:
    """Say in a few words in what two identities differ; empty if in nothing that counts."""
    keys = [key for key in {**new, **old} if key not in ignore and old.get(key) != new.get(key)]
    digests = {"images"} | {key for key in keys if key.endswith(".py")}
    values = {key: f"was {old.get(key)}, is {new.get(key)}" for key in keys if key not in digests}
    return ", ".join(f"{key} {values.get(key, 'changed since this run')}" for key in keys)


# --- whether a run is finished ---------------------------------------------------------------


def why_not_trained(result: Path, weight: Path, identity: dict) -> str:
    """Say why a folder holds no finished training with this identity; empty if it does."""
    record = read_json(result / "train.json")
    if not record:
        return NOT_TRAINED
    if changed := what_changed(record.get("identity", {}), identity):
        return changed
    if file_digest(weight) != record.get("weight_sha256"):
        return f"{weight.name} is missing or changed since this run"
    same = file_digest(result / "history.csv") == record.get("history_sha256")
    return "" if same else INTERRUPTED


def why_not_tested(result: Path, weight: Path, images: str) -> str:
    """Say why a folder holds no finished test of these weights; empty if it does."""
    record = read_json(result / "test.json")
    if not record:
        return "not tested yet"
    missing = [f"{name} is missing" for name in TEST_FILES if not (result / name).is_file()]
    changed = what_changed(record.get("identity", {}), test_identity(weight, images))
    return changed or ", ".join(missing)
