"""A user's folder of images: which files, which class, which split.

source = folder_source(Path("photos"))   # scans; decodes nothing yet
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from console.errors import InputError, printable
from images.layout import Layout, find_layout
from images.walk import Folder, passed_over
from images.words import PARTS
from records.files import digest_of

if TYPE_CHECKING:
    import numpy as np  # --help and a plan need none


class Item(NamedTuple):
    """One image before decoding: `part` is empty where the split is ours to make.

    `folder` is the one below its class that it lies in, if any.
    """

    name: str
    part: str
    target: int
    image: "str | np.ndarray"  # a file, or uint8 (H, W, 3)
    folder: str = ""


class Source(NamedTuple):
    """Two classes of images, by name; `items` lists them when they are to be decoded.

    `stamp` changes whenever the images do; empty where only a change of the code changes them.
    `notes` say what the folders were taken for, and what is not read.
    """

    name: str
    classes: tuple[str, str]
    items: Callable[[], list[Item]]
    stamp: str = ""
    notes: tuple[str, ...] = ()


def folder_source(folder: Path, group: bool = False) -> Source:
    """Scan a folder, laid out in one of the ways of images/layout.py.

    InputError if it is laid out otherwise. `group` as in find_layout.
    """
    layout = find_layout(folder, group)
    shared = {name: shared_folder(layout, name) for name in layout.classes}
    items = []
    inside = len(str(folder / "_")) - 1
    for part in ("", *PARTS):
        if part not in layout.files:
            continue
        for target, name in enumerate(layout.classes):
            pictures = layout.files[part][name]
            above = os.path.join(pictures.root, shared[name], "")
            for path in pictures.paths:
                item_name = printable(path[inside:].replace(os.sep, "/"))
                below, _, is_deeper = path[len(above) :].partition(os.sep)
                deeper = printable(below) if is_deeper else ""
                items.append(Item(item_name, part, target, path, deeper))
    first, second = map(printable, layout.classes)
    return Source(
        name=str(folder.resolve()),
        classes=(first, second),
        items=lambda: items,
        stamp=stamp_of(items),
        notes=tuple(layout.notes),
    )


def shared_folder(layout: Layout, class_name: str) -> str:
    """The folder below a class's own in which all its pictures lie, images for one; mostly none."""
    folders: set[str] = set()
    for classes in layout.files.values():
        folders |= classes[class_name].folders
    return os.path.commonpath(folders)


def stamp_of(items: list[Item]) -> str:
    """Digest of files' names, classes, sizes and times of change; OSError if one is missing.

    tar and rsync set the time of the content (mtime); that of the entry (ctime) no tool sets.
    """
    stamps = []
    for name, part, target, path, _ in items:
        if not isinstance(path, str):  # of pixels that are in memory nothing can change
            continue
        state = state_of(path)
        size_and_times = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        stamps.append((name, part, target, *size_and_times))
    return digest_of(stamps)


def state_of(path: str) -> os.stat_result:
    """Size and times of a file; of a link that leads nowhere, those of the link."""
    try:
        return os.stat(path)
    except OSError:
        return os.lstat(path)


def pictures_in(paths: list[Path]) -> tuple[list[str], list[str]]:
    """Pictures named, and all those in the folders named, and what is passed over there.

    InputError if there are none.
    """
    pictures = []
    folders: list[Folder] = []
    for path in paths:
        files = [str(path)]
        if path.is_dir():
            files = Folder(path).all_pictures()
            folders += Folder(path).below()
        if not files or not path.exists():
            problem = f"{path} is not there or holds no images"
            raise InputError(f"{problem}; name pictures or their folder")
        pictures += files
    return pictures, passed_over(folders, pictures)
