"""The pictures below a folder, and what is passed over on the way.

passed = PassedOver()
for path in picture_files("photos/cat", passed): ...
print(passed.notes())
"""

import functools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from console.errors import printable
from images.words import kind_of, masks_among

# The most usual endings: they need no list of Pillow's, which takes 0.06 s to be made.
ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
# Documents, vector graphics, films, and what Pillow knows the name of but cannot read.
NO_PICTURES = ("PDF", "EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5")
# Thumbnails, copies and rubbish of cameras, disks and desktops; hidden ones begin with a dot.
TOOL_FOLDERS = (
    "__macosx",
    "__pycache__",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "lost+found",
    "system volume information",
)
NAMED_KINDS = 10  # how many kinds of files, and of folders, a line names


class PassedOver:
    """Counts what is not read: files by their ending, folders by their name.

    `first_names` are of files whose ending does not say enough.
    """

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.folders: Counter[str] = Counter()
        self.first_names: dict[str, str] = {}

    def file(self, name: str, why: str = "") -> None:
        """Count a file that is no picture, or a picture with the reason why it is not read."""
        ending = printable(ending_of(name))
        description = f"{why} {ending or 'without ending'}".strip()
        self.files[description] += 1
        if description != ending:
            self.first_names.setdefault(description, f" ({printable(name)})")

    def folder(self, name: str) -> None:
        """Count a folder."""
        self.folders[printable(name)] += 1

    def notes(self) -> list[str]:
        """One line that tells what was passed over, or none."""
        texts = []
        for description, count in self.files.most_common(NAMED_KINDS):
            texts.append(f"{count} {description}{self.first_names.get(description, '')}")
        for name, count in self.folders.most_common(NAMED_KINDS):
            times = f" ({count} times)" if count > 1 else ""
            texts.append(f"folder {name}{times}")
        if not texts:
            return []
        more = len(self.files) + len(self.folders) - len(texts)
        if more > 0:
            texts.append(f"{more} kinds more")
        return [f"passed over: {', '.join(texts)}"]


def picture_files(root: str, passed: PassedOver) -> Iterator[str]:
    """Walk a folder, nested ones too, in a fixed order; hidden files and folders are passed over.

    A folder that links lead to more than once, a loop of them for one, counts once.
    """
    seen = set()
    for folder, subfolders, names in os.walk(root, onerror=raise_error, followlinks=True):
        real_path = os.path.realpath(folder)
        if real_path in seen:
            subfolders.clear()
            continue
        seen.add(real_path)
        has_pictures = holds_pictures_by_name(subfolders, names)
        entered = []
        for name in sorted(subfolders):
            if is_tool_folder(name) or (has_pictures and kind_of(name) == "mask"):
                passed.folder(name)
            else:
                entered.append(name)
        subfolders[:] = entered  # which os.walk enters next
        masks = masks_among(names)
        for name in sorted(names):
            if is_read(name, passed, masks):
                yield os.path.join(folder, name)


def holds_pictures_by_name(subfolders: list[str], names: list[str]) -> bool:
    """Whether pictures lie in a folder, or in one below that is called images."""
    if any(kind_of(name) == "picture" for name in subfolders):
        return True
    return any(map(is_picture, names))


def is_read(name: str, passed: PassedOver, masks: set[str]) -> bool:
    """Whether a file is a picture to be read; counts it if not."""
    if not is_picture(name):
        passed.file(name)
    elif name.startswith("."):
        passed.file(name, "hidden")
    elif name in masks:
        passed.file(name, "mask")
    else:
        return True
    return False


def is_picture(name: str) -> bool:
    """Whether a file's ending is one of pictures that Pillow reads, in capitals or not."""
    return name.lower().endswith(ENDINGS) or ending_of(name) in endings_of_pillow()


def ending_of(name: str) -> str:
    """A file's ending with its dot, in small letters; empty if there is none."""
    return os.path.splitext(name)[1].lower()


@functools.cache
def endings_of_pillow() -> frozenset[str]:
    """Endings of all the pictures that the installed Pillow reads."""
    from PIL import Image  # here: it takes time, and --help needs none

    endings = set()
    for ending, kind in Image.registered_extensions().items():
        if kind in Image.OPEN and kind not in NO_PICTURES:
            endings.add(ending)
    return frozenset(endings)


def is_tool_folder(name: str) -> bool:
    """Whether a folder is hidden or holds what some tool keeps for itself."""
    return name.startswith(".") or name.lower() in TOOL_FOLDERS


def raise_error(error: OSError) -> None:
    """A folder that cannot be listed is an error, not an empty folder."""
    raise error


def holds_pictures(folder: Path) -> bool:
    """Whether a folder holds a picture at any depth."""
    return any(True for _ in picture_files(str(folder), PassedOver()))
