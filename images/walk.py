"""A folder of images as it lies on the disk: its pictures, and what is passed over.

folder = Folder("photos/cat")
paths = folder.all_pictures()
print(passed_over([folder], paths))
"""

import functools
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from console.errors import printable
from images.words import composed, first_word, kind_of, masks_among

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
NAMED_KINDS = 15  # of files and folders that a line names


class Folder:
    """A folder, which is listed once, when it is first asked for what lies in it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @cached_property
    def entries(self) -> list[os.DirEntry[str]]:
        """All that lies here, in a fixed order; OSError if it cannot be listed."""
        return sorted(os.scandir(self.path), key=lambda entry: entry.name)

    @cached_property
    def folders(self) -> dict[str, "Folder"]:
        """The folders here by name, without hidden ones and those of tools."""
        folders = {}
        for entry in self.entries:
            if entry.is_dir() and not is_tool_folder(entry.name):
                folders[entry.name] = Folder(entry.path)
        return folders

    @cached_property
    def picture_files(self) -> dict[str, str]:
        """Paths of all files here by name that are pictures by their ending."""
        files = {}
        for entry in self.entries:
            if is_picture(entry.name) and not entry.is_dir():
                files[entry.name] = entry.path
        return files

    @cached_property
    def masks(self) -> set[str]:
        """Names of the pictures here that are masks of others."""
        return masks_among(list(self.picture_files))

    @cached_property
    def pictures(self) -> dict[str, str]:
        """Paths of the pictures here by name, without hidden ones and masks."""
        pictures = {}
        for name, path in self.picture_files.items():
            if name not in self.masks and not name.startswith("."):
                pictures[name] = path
        return pictures

    @cached_property
    def words(self) -> dict[str, list[str]]:
        """Paths of the pictures here by the first word of their name."""
        words: dict[str, list[str]] = {}
        for name, path in self.pictures.items():
            words.setdefault(first_word(name), []).append(path)
        return words

    def class_names(self) -> list[str]:
        """Names of the classes that may lie here, in order: of folders, or words."""
        names = self.folders or self.words
        return sorted(map(composed, names))

    def has_classes(self) -> bool:
        """Whether two classes lie here, as folders or as words that file names begin with."""
        names = self.class_names()
        return len(names) == 2 and "" not in names

    def entered(self) -> list["Folder"]:
        """The folders here whose pictures are read, too: not those of masks beside pictures."""
        kinds = {name: kind_of(name) for name in self.folders}
        if not self.picture_files and "picture" not in kinds.values():
            return list(self.folders.values())
        return [folder for name, folder in self.folders.items() if kinds[name] != "mask"]

    def below(self, seen: set[str] | None = None) -> Iterator["Folder"]:
        """This folder and those that are entered from it, one that links lead to twice once."""
        seen = set() if seen is None else seen
        real_path = os.path.realpath(self.path)
        if real_path not in seen:
            seen.add(real_path)
            yield self
            for folder in self.entered():
                yield from folder.below(seen)

    def all_pictures(self) -> list[str]:
        """Paths of the pictures here and in folders below, in a fixed order."""
        return [path for folder in self.below() for path in folder.pictures.values()]


def passed_over(
    folders: Iterable[Folder], read: Collection[str], apart: Collection[str] = ()
) -> list[str]:
    """One line that tells what lies in folders, or below, and is not read; or none.

    `read` are paths of pictures, `apart` those of folders that are not looked into. Files are
    counted by their ending, with the first of those whose ending does not say enough.
    """
    files: Counter[str] = Counter()
    names: Counter[str] = Counter()
    examples: dict[str, str] = {}
    is_read = set(read).__contains__
    for folder in folders:
        entered = {str(inner.path) for inner in folder.entered()} - set(apart)
        for entry in folder.entries:
            if is_read(entry.path) or entry.path in entered:
                continue
            if entry.is_dir():
                names[printable(entry.name)] += 1
            else:
                what = what_it_is(entry.name, folder)
                files[what] += 1
                if not what.startswith("."):
                    examples.setdefault(what, f" ({printable(entry.name)})")
    texts = [f"{count} {what}{examples.get(what, '')}" for what, count in files.most_common()]
    for name, count in names.most_common():
        times = f" ({count} times)" if count > 1 else ""
        texts.append(f"folder {name}{times}")
    if len(texts) > NAMED_KINDS:
        texts[NAMED_KINDS:] = [f"{len(texts) - NAMED_KINDS} kinds more"]
    return [f"passed over: {', '.join(texts)}"] if texts else []


def what_it_is(name: str, folder: Folder) -> str:
    """What a file is that is not read, by its ending."""
    ending = printable(ending_of(name)) or "without ending"
    if not is_picture(name):
        return ending
    if name.startswith("."):
        return f"hidden {ending}"
    return f"mask {ending}" if name in folder.masks else f"loose {ending}"


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
