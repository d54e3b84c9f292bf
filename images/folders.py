"""A user's folder of images: which files, which class, which split.

source = folder_source(Path("photos"))   # scans; decodes nothing yet
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from console.errors import InputError
from records.files import digest_of

PARTS = ("train", "valid", "test")
# Any other file (Thumbs.db, .DS_Store, notes) is not meant as an image.
ENDINGS = ".jpg .jpeg .jfif .png .gif .bmp .webp .tif .tiff .ppm .pgm .pbm"


class Item(NamedTuple):
    """One image before decoding: `part` is empty where the split is ours to make."""

    name: str
    part: str
    target: int
    image: str | np.ndarray  # a file, or uint8 (H, W, 3)


class Source(NamedTuple):
    """Two classes of images, by name; `items` lists them when they are to be decoded.

    `stamp` changes whenever the images do; empty where only a change of the code changes them.
    """

    name: str
    classes: tuple[str, str]
    items: Callable[[], list[Item]]
    stamp: str = ""


def folder_source(folder: Path) -> Source:
    """Scan a folder: train/ and test/ (and valid/), or two class folders to be split here.

    InputError if it is laid out otherwise.
    """
    parts = [part for part in PARTS if (folder / part).is_dir()]
    if parts and not {"train", "test"} <= set(parts):
        remedy = "put train and test there, or just the two class folders"
        raise InputError(f"{folder} holds {' and '.join(parts)} only; {remedy}")
    roots = {part: folder / part for part in parts} or {"": folder}
    classes = class_names(list(roots.values()))
    items, inside = [], len(str(folder / "_")) - 1
    for part, root in roots.items():
        for target, name in enumerate(classes):
            for path in image_files(root / name):
                shown = as_text(path[inside:].replace(os.sep, "/"))
                items.append(Item(shown, part, target, path))
    names = tuple(map(as_text, classes))
    return Source(str(folder.resolve()), names, lambda: items, stamp_of(items))


def as_text(name: str) -> str:
    """Escape the bytes of a file's name that are no text, which matplotlib cannot draw."""
    return os.fsencode(name).decode(errors="backslashreplace")


def stamp_of(items: list[Item]) -> str:
    """Digest of files' names, classes, sizes and times of change; OSError if one is missing.

    tar and rsync set the time of the content (mtime); that of the entry (ctime) no tool sets.
    """
    stamps = []
    for name, part, target, path in items:
        state = state_of(path)
        times = (state.st_mtime_ns, state.st_ctime_ns)
        stamps.append((name, part, target, state.st_size, *times))
    return digest_of(stamps)


def state_of(path: str) -> os.stat_result:
    """Size and times of a file, in one call to the system; of a link that leads nowhere its own."""
    try:
        return os.stat(path)
    except OSError:
        return os.lstat(path)


def class_names(roots: list[Path]) -> list[str]:
    """Name the two class folders, the same in every root, in the order of their names."""
    first: list[str] = []
    for root in roots:
        folders = (child.name for child in root.iterdir() if child.is_dir())
        names = sorted(name for name in folders if not name.startswith((".", "__")))
        if len(names) != 2:
            shown = ", ".join(names[:5] + ["…"] * (len(names) > 5)) or "name the folder above?"
            listed = f"{len(names)} class folder{'s' * (len(names) != 1)} ({shown})"
            raise InputError(f"{root} holds {listed}; a binary classifier needs exactly 2")
        first = first or names
        if names != first:
            both = f"{roots[0]} holds {', '.join(first)}, {root} holds {', '.join(names)}"
            raise InputError(f"class folders differ: {both}; give both the same names")
    return first


def image_files(root: Path) -> Iterator[str]:
    """Walk a class folder, nested ones too, in a fixed order; hidden files are passed over.

    A folder that links lead to more than once, a loop of them for one, counts once.
    """
    seen, endings = set(), tuple(ENDINGS.split())
    for folder, subfolders, names in os.walk(root, onerror=raise_error, followlinks=True):
        place = os.path.realpath(folder)
        subfolders[:] = [] if place in seen else sorted(subfolders)
        names = [] if place in seen else sorted(names)
        seen.add(place)
        for name in names:
            if name.lower().endswith(endings) and not name.startswith("."):
                yield os.path.join(folder, name)


def raise_error(error: OSError) -> None:
    """A folder that cannot be listed is an error, not an empty folder."""
    raise error


def pictures_in(path: Path) -> list[str]:
    """A picture itself, or all pictures in a folder; InputError if there are none."""
    pictures = list(image_files(path)) if path.is_dir() else [str(path)]
    if not pictures or not path.exists():
        raise InputError(f"{path} is not there or holds no images; name pictures or their folder")
    return pictures
