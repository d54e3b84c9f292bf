"""Where images come from: a folder of the user's, a public data set, or drawn shapes.

    from sources import open_source
    source = open_source("photos", Path("data"))   # scans; decodes and draws nothing yet

A source lists its items and carries a stamp that changes whenever its images do.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from runs import PROJECT, InputError, file_digest

DOWNLOADED = ("pets", "cifar10")
BUILT_IN = ("shapes", *DOWNLOADED)
SMALL = ("shapes", "cifar10")  # sources whose images have 32 pixels by nature
PARTS = ("train", "valid", "test")
# Any other file (Thumbs.db, .DS_Store, notes) is not meant as an image.
ENDINGS = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm"),
)
PETS_FOLDER, CIFAR_FOLDER = "oxford-iiit-pet", "cifar-10-batches-py"  # torchvision's names


class Item(NamedTuple):
    """One image before decoding: `part` is empty where the split is ours to make."""

    name: str
    part: str
    target: int
    content: Path | np.ndarray  # a file, or uint8 (H, W, 3)


class Source(NamedTuple):
    """Two classes of images, by name; `items` lists them when they are to be decoded."""

    name: str
    classes: tuple[str, str]
    stamp: str
    items: Callable[[], list[Item]]


def default_source(folder: Path) -> str:
    """Name the source used when the user names none: data/ if it holds images, else shapes."""
    has_own = folder.is_dir() and any(
        child.suffix.lower() in ENDINGS
        or (child.is_dir() and child.name not in (PETS_FOLDER, CIFAR_FOLDER))
        for child in folder.iterdir()
    )
    return str(folder) if has_own else "shapes"


def default_image_size(data: str) -> int:
    """Side in pixels that images of this source get unless the user says otherwise."""
    return 32 if data in SMALL else 64


def open_source(data: str, download_folder: Path) -> Source:
    """Find out what images a source holds; public sets are downloaded first where needed.

    InputError if the folder is missing or laid out otherwise, or nothing could be fetched.
    """
    if data == "shapes":
        return shapes_source()
    if data == "pets":
        return pets_source(download_folder)
    if data == "cifar10":
        return cifar10_source(download_folder)
    return folder_source(Path(data))


def stamp_of(parts: list) -> str:
    """Condense plain values into a stamp."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


# --- folders ---------------------------------------------------------------------------------


def folder_source(folder: Path) -> Source:
    """Scan a folder: train/ and test/ (and valid/), or two class folders to be split here."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder; --data takes a folder of images or one of: "
            + ", ".join(BUILT_IN)
        )
    parts = [part for part in PARTS if (folder / part).is_dir()]
    if parts and not {"train", "test"} <= set(parts):
        missing = "test" if "train" in parts else "train"
        raise InputError(
            f"{folder} holds {' and '.join(parts)} but no {missing} folder; add one, "
            "or put just the two class folders there"
        )
    roots = {part: folder / part for part in parts} or {"": folder}
    classes = class_names(roots)
    items, stamps = [], []
    for part, root in roots.items():
        for target, name in enumerate(classes):
            found = list(image_files(root / name))
            if not found:
                raise InputError(
                    f"{root / name} holds no images ({' '.join(ENDINGS)}); put some there"
                )
            for path, state in found:
                shown = as_text(path.relative_to(folder).as_posix())
                items.append(Item(shown, part, target, path))
                stamps.append((shown, state.st_size, state.st_mtime_ns))
    classes = tuple(map(as_text, classes))
    return Source(str(folder.resolve()), classes, stamp_of([classes, stamps]), lambda: items)


def as_text(name: str) -> str:
    """Escape the bytes of a file's name that are no text."""
    return os.fsencode(name).decode(errors="backslashreplace")


def class_names(roots: dict[str, Path]) -> tuple[str, str]:
    """Name the two class folders, the same in every part, in the order of their names."""
    names_by_root = {}
    for root in roots.values():
        names_by_root[root] = sorted(
            child.name
            for child in root.iterdir()
            if child.is_dir() and not child.name.startswith((".", "__"))
        )
    for root, names in names_by_root.items():
        if not names and next(image_files(root), None):
            raise InputError(f"{root} holds pictures but no class folders; name the folder above")
        if len(names) != 2:
            listed = f" ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})" if names else ""
            raise InputError(
                f"{root} holds {len(names)} class folder{'s' * (len(names) != 1)}{listed}; "
                "a binary classifier needs exactly 2"
            )
    first, *others = names_by_root.items()
    for root, names in others:
        if names != first[1]:
            raise InputError(
                f"class folders differ: {first[0]} holds {', '.join(first[1])}, "
                f"{root} holds {', '.join(names)}; give both the same names"
            )
    return tuple(first[1])


def image_files(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Walk a class folder, nested ones too, in a fixed order; hidden files are passed over.

    A folder that links lead to more than once, a loop of them for one, counts once.
    """
    seen = set()
    for folder, subfolders, names in os.walk(root, onerror=raise_error, followlinks=True):
        place = os.path.realpath(folder)
        subfolders[:] = [] if place in seen else sorted(subfolders)
        names = [] if place in seen else sorted(names)
        seen.add(place)
        for name in names:
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                path = Path(folder, name)
                yield path, path.stat() if path.exists() else path.lstat()


def raise_error(error: OSError) -> None:
    """A folder that cannot be listed is an error, not an empty folder."""
    raise error


# --- public data sets ------------------------------------------------------------------------


def pets_source(download_folder: Path) -> Source:
    """Oxford-IIIT Pet, cat against dog, with its own trainval/test split.

    Parkhi et al. 2012, https://www.robots.ox.ac.uk/~vgg/data/pets/. Lines of its lists read
    "image class species breed"; species 1 is cat, 2 is dog.
    """
    root = download_folder / PETS_FOLDER
    lists = {"train": root / "annotations" / "trainval.txt", "test": root / "annotations/test.txt"}
    if not all(path.is_file() for path in lists.values()) or not (root / "images").is_dir():
        download("OxfordIIITPet", download_folder, "split", "trainval")
    items = []
    try:
        for part, path in lists.items():
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.strip() and not line.startswith("#"):
                    image, _, species, _ = line.split()
                    picture = root / "images" / f"{image}.jpg"
                    items.append(Item(picture.name, part, int(species) - 1, picture))
        stamps = [(name, part, target, *size_and_time(path)) for name, part, target, path in items]
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename} is missing; remove {root} and run again, which downloads it anew"
        ) from None
    return Source("pets", ("cat", "dog"), stamp_of(stamps), lambda: items)


def cifar10_source(download_folder: Path) -> Source:
    """CIFAR-10's cats and dogs (Krizhevsky 2009), with its own train/test split."""
    root = download_folder / CIFAR_FOLDER
    if not (root / "test_batch").is_file():
        download("CIFAR10", download_folder, "train", True)
    stamps = [(path.name, *size_and_time(path)) for path in sorted(root.iterdir())]
    return Source(
        "cifar10", ("cat", "dog"), stamp_of(stamps), partial(cifar10_items, download_folder)
    )


def cifar10_items(download_folder: Path) -> list[Item]:
    """Read cats and dogs out of CIFAR-10's ten classes."""
    items = []
    for part, is_train in (("train", True), ("test", False)):
        dataset = download("CIFAR10", download_folder, "train", is_train)
        wanted = {dataset.class_to_idx["cat"]: 0, dataset.class_to_idx["dog"]: 1}
        for number, label in enumerate(dataset.targets):
            if label in wanted:
                name = f"{part}/{number:05d}"
                items.append(Item(name, part, wanted[label], dataset.data[number]))
    return items


def download(name: str, folder: Path, option: str, value: str | bool) -> object:
    """Open one of torchvision's data sets, which downloads what is missing and checks it."""
    import torchvision  # here, since it takes seconds and few runs need it

    try:
        return getattr(torchvision.datasets, name)(folder, **{option: value}, download=True)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"cannot fetch {name} into {folder}: {error}; connect this machine to a network, "
            "copy the files there from one that is, or name a folder of your own with --data"
        ) from None


def size_and_time(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change of a file; OSError if it is missing."""
    state = path.stat()
    return (state.st_size, state.st_mtime_ns)


# --- drawn images ----------------------------------------------------------------------------


def shapes_source() -> Source:
    """Images drawn by the program: nothing to download, hard in the way photographs are."""
    from shapes import CLASSES

    stamp = file_digest(PROJECT / "shapes.py")
    return Source("shapes", CLASSES, stamp, shapes_items)


def shapes_items() -> list[Item]:
    """Draw every image."""
    from shapes import draw_all

    return [
        Item(f"{part}/{number:05d}", part, target, image)
        for part, number, target, image in draw_all()
    ]
