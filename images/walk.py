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
    """Counts what is not read: files by their ending, folders by their name."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.folders: Counter[str] = Counter()

    def file(self, name: str, why: str = "") -> None:
        """Count a file that is no picture, or a picture with the reason why it is not read."""
        ending = ending_of(name) or "without ending"
        self.files[f"{why} {ending}".strip()] += 1

    def notes(self) -> list[str]:
        """One line that tells what was passed over, or none."""
        texts = []
        for description, count in self.files.most_common(NAMED_KINDS):
            texts.append(f"{count} {printable(description)}")
        for name, count in self.folders.most_common(NAMED_KINDS):
            times = f" ({count} times)" if count > 1 else ""
            texts.append(f"folder {printable(name)}{times}")
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
        entered = []
        for name in sorted(subfolders):
            if is_tool_folder(name):
                passed.folders[name] += 1
            else:
                entered.append(name)
        subfolders[:] = entered  # which os.walk enters next
        for name in sorted(names):
            if is_read(name, passed):
                yield os.path.join(folder, name)


def is_read(name: str, passed: PassedOver) -> bool:
    """Whether a file is a picture to be read; counts it if not."""
    if not is_picture(name):
        passed.file(name)
        return False
    if name.startswith("."):
        passed.file(name, "hidden")
        return False
    return True


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
