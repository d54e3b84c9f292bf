"""Images decoded once, split once, kept in a cache that every run maps into memory.

from dataset import load_data
data = load_data("photos", image_size=64)
data.images[data.splits["train"]]          # uint8 (n, 64, 64, 3)
"""

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from console.errors import InputError, printable
from images.cache import Cached, folder_for, open_cache, open_or_decode
from images.decode import decode_into
from images.folders import Item, pictures_in
from images.sources import BUILT_IN, open_source
from images.values import Scales

HANDED = "CNN_DECODED_IMAGES"  # set for children, which then need not look at every file


@dataclass(frozen=True)
class Data:
    """Decoded images, mapped from the cache.

    `images` is uint8 (N, H, W, 3), `targets` int64 (N,), `splits` maps train, valid and test
    to int64 indices; `mean` and `std` are those of the training images' channels, of values
    from 0 to 1. `digest` changes with any image, class or split. `folder` is that of the cache.
    `scales` are those of values of more than 8 bits. `notes` say what folders were taken for,
    `warnings` what may be wrong. With `group` pictures of one source stay in one split.
    """

    images: np.ndarray
    targets: np.ndarray
    splits: dict[str, np.ndarray]
    classes: list[str]
    names: list[str]
    mean: list[float]
    std: list[float]
    source: str = ""
    digest: str = ""
    warnings: list[str] = field(default_factory=list)
    folder: Path | None = None
    notes: list[str] = field(default_factory=list)
    scales: Scales = field(default_factory=dict)
    group: bool = False

    @property
    def title(self) -> str:
        """What a reader calls the source."""
        return printable(Path(self.source).name)

    def larger_class(self, part: str) -> float:
        """The share of the larger class in a split: the accuracy of always saying it."""
        counts = np.bincount(self.targets[self.splits[part]])
        return float(counts.max() / counts.sum())


def load_data(
    name: str, image_size: int, skip_bad_images: bool = False, group: bool = False
) -> Data:
    """Open a source's images, decoding them only if no earlier run has.

    With `group`, pictures whose names begin alike, or that lie in one folder below their class,
    stay in one split.

    InputError if the source is wrong, or images are broken and `skip_bad_images` is false;
    OSError if the cache cannot be written.
    """
    handed = handed_folder(name, image_size, skip_bad_images, group)
    if handed is not None:
        cached = open_cache(handed, image_size)
        if cached is not None:
            return data_of(cached, notes=())
    source = open_source(name, group)
    return data_of(open_or_decode(source, image_size, skip_bad_images, group), source.notes)


def data_of(cached: Cached, notes: Iterable[str]) -> Data:
    """Decoded images as programs use them; `notes` are of files that are not in the cache."""
    values = dict(cached.values)  # named as the fields are
    values["notes"] = [*notes, *values["notes"]]
    values["targets"] = np.array(values["targets"], dtype=np.int64)
    splits = {}
    for part, numbers in values["splits"].items():
        splits[part] = np.array(numbers, dtype=np.int64)
    values["splits"] = splits
    return Data(images=cached.images, folder=cached.folder, **values)


def hand_over(
    data: Data, image_size: int, skip_bad_images: bool, group: bool = False
) -> dict[str, str]:
    """What spares a child program the scan of the images: a variable of its environment."""
    handed = [data.source, image_size, skip_bad_images, group, str(data.folder)]
    return {HANDED: json.dumps(handed)}


def handed_folder(name: str, image_size: int, skip_bad_images: bool, group: bool) -> Path | None:
    """Where the program that started this one found these images; None if it handed nothing."""
    if HANDED not in os.environ:
        return None
    source = name
    if name not in BUILT_IN:
        source = str(Path(name).resolve())
    *images, folder = json.loads(os.environ[HANDED])
    return Path(folder) if images == [source, image_size, skip_bad_images, group] else None


def has_changed(
    data: Data, name: str, image_size: int, skip_bad_images: bool, group: bool = False
) -> bool:
    """Whether a source holds other images than those that were loaded."""
    try:
        source = open_source(name, group)
        return folder_for(source, image_size, skip_bad_images, group) != data.folder
    except (InputError, OSError):
        return True


def load_pictures(paths: list[Path], weight: dict[str, Any], skip_bad: bool) -> Data:
    """A user's own pictures, prepared as in the training that made a weight file.

    InputError that names the bad ones, unless they are to be skipped and some are good.
    """
    pictures, notes = pictures_in(paths)
    items = [Item(printable(path), "test", 0, path) for path in pictures]
    size = weight["image_size"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "images")
        decoded = decode_into(file, items, size, skip_bad, weight.get("scales"))
        if not decoded.items:
            raise InputError(f"{decoded.warnings[0]}; none is left, name others")
        images = np.fromfile(file, np.uint8).reshape(-1, size, size, 3)
    return Data(
        images=images,
        targets=np.zeros(len(images), np.int64),
        splits={"test": np.arange(len(images))},
        classes=weight["classes"],
        names=[item.name for item in decoded.items],
        mean=weight["mean"],
        std=weight["std"],
        warnings=decoded.warnings,
        notes=notes + decoded.notes,
    )


def describe(data: Data) -> str:
    """Say in a few lines what images there are: counts by class and split, warnings."""
    width = max(7, *map(len, data.classes))
    _, height, length, _ = data.images.shape
    lines = [f"images: {printable(data.source)}, squeezed to {height} x {length} pixels"]
    for note in data.notes:
        lines.append(f"  {note}")
    lines.append(table_line("", data.classes, width))
    for part, indices in data.splits.items():
        counts = np.bincount(data.targets[indices])
        lines.append(table_line(part, counts, width))
    for warning in data.warnings:
        lines.append(f"warning: {warning}")
    return "\n".join(lines)


def table_line(part: str, values: Iterable[object], width: int) -> str:
    """A line of the table of images: a split, and a value for each class."""
    line = f"  {part:5}"
    for value in values:
        line += f"  {value!s:>{width}}"
    return line
