"""The store: one folder for every training, named by all that decides it before it starts.

    name = name_of(identity)            # e20-bs32-lr0_01-FocalLoss-s0-3f9a2c1b04
    place = place_of(out, name)

Other settings, images, code or seeds are other names. So nothing is ever in the way of anything,
and whatever is edited, renamed or asked for again, what is finished is there.
"""

import re
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

from console.errors import InputError
from console.options import value_text
from records.files import digest_of, replacing
from records.lock import TRAINING_LOCK, locked
from records.runs import WEIGHT, checkpoint_path
from records.sources import PROJECT, is_changed
from studies.settings import RUNS
from training.settings import SETTINGS

DIGITS = 10  # of the digest: among a million trainings two are alike once in two studies
LONGEST = 80  # letters of a name before its digest; some file systems end at 143
BYTES_IN_MB = 1e6


class Place(NamedTuple):
    """Where a training's files lie: its folder of results, its weights, its checkpoint."""

    result: Path
    weight: Path
    checkpoint: Path


# --- names -----------------------------------------------------------------------------------


def name_of(identity: dict[str, Any]) -> str:
    """The folder of a training: its settings and seed for a reader, then a digest.

    The digest is of all that decides it but the epochs, which stand in front: so trainings that
    go on from one another have it in common. It holds small letters and digits, so no two names
    differ in case alone.
    """
    words = [f"e{identity['epochs']}"]
    for name in SETTINGS:
        if name != "epochs":
            words.append(word_of(name, identity[name]))
    legible = re.sub(r"[^A-Za-z0-9_+-]", "_", "-".join(words))
    decides = dict(sorted(identity.items()))
    del decides["epochs"]
    return f"{legible[:LONGEST]}-s{identity['seed']}-{digest_of(decides)[:DIGITS]}"


def word_of(name: str, value: object) -> str:
    """A setting as a word of a name: lr0_01, FocalLoss, augment, w8-24-48."""
    if isinstance(value, bool):
        return name if value else f"no_{name}"
    if isinstance(value, str):
        return value
    initials = "".join(word[:1] for word in name.split("_"))
    return f"{initials}{value_text(value)}"


def epochs_of_name(name: str) -> int:
    """The epochs that a name begins with; 0 if it is no name of a training."""
    match = re.match(r"e(\d+)-.*-[0-9a-f]+$", name)
    return int(match.group(1)) if match else 0


def chain_of_name(name: str) -> str:
    """What trainings that go on from one another have in common: the digest."""
    return name.rpartition("-")[2]


# --- places ----------------------------------------------------------------------------------


def place_of(out: Path, name: str) -> Place:
    """Where a training lies, by its name."""
    weight = out / "weights" / RUNS / name / WEIGHT
    return Place(out / "result" / RUNS / name, weight, checkpoint_path(weight))


def stored_names(out: Path) -> list[str]:
    """The names of all trainings in the store, finished or begun."""
    names = set()
    for folder in (out / "result" / RUNS, out / "weights" / RUNS):
        if folder.is_dir():
            names |= {path.name for path in folder.iterdir() if epochs_of_name(path.name)}
    return sorted(names)


def folders_of(out: Path, name: str) -> list[Path]:
    """The folders of a training: of its results and of its weights."""
    place = place_of(out, name)
    return [place.result, place.weight.parent]


# --- the code that trained ---------------------------------------------------------------------


def sources_path(out: Path, decides: Mapping[str, Any]) -> Path:
    """The archive of the code among what decides trainings and tests, named by what it means."""
    code = {name: decides[name] for name in sorted(decides) if name.endswith(".py")}
    return out / "result" / RUNS / f"sources-{digest_of(code)[:DIGITS]}.zip"


def keep_sources(out: Path, decides: Mapping[str, Any]) -> None:
    """Keep this code beside its trainings, once; not code that was saved since it was read."""
    path = sources_path(out, decides)
    names = [name for name in sorted(decides) if name.endswith(".py")]
    if path.exists() or any(map(is_changed, names)):
        return
    with replacing(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(PROJECT / name, name)


# --- what nothing asks for -------------------------------------------------------------------


def describe_kept(out: Path, names: list[str]) -> list[str]:
    """One line on what the store holds besides, and how much; nothing if there is nothing."""
    if not names:
        return []
    count = "1 training" if len(names) == 1 else f"{len(names)} trainings"
    size = 0
    for name in names:
        size += sum(map(bytes_in, folders_of(out, name)))
    remedy = "python my_script.py --tidy removes them"
    return [f"kept from before: {count}, {size / BYTES_IN_MB:.1f} MB ({remedy})"]


def bytes_in(folder: Path) -> int:
    """How many bytes the files in a folder have."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def remove_other_sources(out: Path, decides: Mapping[str, Any]) -> None:
    """Remove archives of other code."""
    path = sources_path(out, decides)
    for other in path.parent.glob("sources-*.zip"):
        if other != path:
            other.unlink()


def remove(out: Path, name: str) -> bool:
    """Remove a training from the store; False if a program is at work on it."""
    place = place_of(out, name)
    lock_of_weight = place.weight.with_name(f".{WEIGHT}{TRAINING_LOCK}")
    try:
        with ExitStack() as held:
            for lock in (lock_of_weight, place.result / TRAINING_LOCK):
                if lock.parent.is_dir():
                    held.enter_context(locked(lock))
            for folder in folders_of(out, name):
                if folder.is_dir():
                    shutil.rmtree(folder)
    except InputError:  # another process holds it
        return False
    return True
