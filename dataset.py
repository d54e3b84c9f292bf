"""Images decoded once, split once, kept in a cache that every run maps into memory.

from dataset import load_data
data = load_data("photos", image_size=64)
data.images[data.splits["train"]]          # uint8 (n, 64, 64, 3)
"""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from console.errors import InputError, printable
from images.cache import BLOCK, Decoded, building, cache_folder, decode_into, open_images
from images.copies import copy_notes, near_copy_notes
from images.decode import decode_or_reason, left_out, silence
from images.folders import Source, pictures_in
from images.layout import PARTS
from images.sources import BUILT_IN, open_source
from images.values import Deep, Scales, scale_notes, scales_of, to_bytes
from images.walk import ENDINGS, PassedOver
from records.files import Damaged, digest_of, file_digest, read_record, write_record
from records.sources import PROJECT

HANDED = "CNN_DECODED_IMAGES"  # set for children, which then need not look at every file
HELD_OUT = 0.2  # share of a class that becomes valid, and test where there is none
NAMED_EMPTY = 5  # images of a single colour that a message names
SPLIT_SEED = 0  # one split for every run, so that runs are compared on the same images
INDEX_FORM: dict[str, type] = {  # what index.json holds, beside decoded images
    "source": str,
    "classes": list,
    "names": list,
    "warnings": list,
    "targets": list,
    "splits": dict,
    "mean": list,
    "std": list,
    "digest": str,
    "pixels": str,
    "notes": list,
    "scales": dict,
}


@dataclass(frozen=True)
class Data:
    """Decoded images, mapped from the cache.

    `images` is uint8 (N, H, W, 3), `targets` int64 (N,), `splits` maps train, valid and test
    to int64 indices; `mean` and `std` are those of the training images' channels, of values
    from 0 to 1. `digest` changes with any image, class or split. `folder` is that of the cache.
    `scales` are those of values of more than 8 bits. `notes` say what folders were taken for,
    `warnings` what may be wrong.
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


def load_data(name: str, image_size: int, skip_bad_images: bool = False) -> Data:
    """Open a source's images, decoding them only if no earlier run has.

    InputError if the source is wrong, or images are broken and `skip_bad_images` is false;
    OSError if the cache cannot be written.
    """
    handed = handed_folder(name, image_size, skip_bad_images)
    if handed is not None:
        data = open_cache(handed, image_size)
        if data is not None:
            return data
    source = open_source(name)
    folder = folder_for(source, image_size, skip_bad_images)
    try:
        data = open_cache(folder, image_size)
        if data is None:
            data = build_cache(folder, source, image_size, skip_bad_images)
    except Damaged as error:  # just after it was written
        remedy = "check the disk, or name another folder: XDG_CACHE_HOME"
        raise InputError(f"{folder} (decoded images): {error}; {remedy}") from None
    except OSError as error:
        error.filename = f"{folder.parent} (decoded images; or set XDG_CACHE_HOME)"
        raise
    return replace(data, notes=[*source.notes, *data.notes])  # of files that are not in the cache


def folder_for(source: Source, image_size: int, skip_bad_images: bool) -> Path:
    """Where a source's images lie decoded: another place whenever they or the decoding change."""
    code = [PROJECT / "dataset.py"]
    code += sorted((PROJECT / "images").glob("*.py"))
    decided_by = [source.name, source.stamp, image_size, skip_bad_images, PIL.__version__]
    decided_by += map(file_digest, code)
    return cache_folder() / digest_of(decided_by)[:32]


def hand_over(data: Data, image_size: int, skip_bad_images: bool) -> dict[str, str]:
    """What spares a child program the scan of the images: a variable of its environment."""
    values = {
        "images": [data.source, image_size, skip_bad_images],
        "folder": str(data.folder),
    }
    return {HANDED: json.dumps(values)}


def handed_folder(name: str, image_size: int, skip_bad_images: bool) -> Path | None:
    """Where the program that started this one found these images; None if it handed nothing."""
    if HANDED not in os.environ:
        return None
    handed = json.loads(os.environ[HANDED])
    source = name
    if name not in BUILT_IN:
        source = str(Path(name).resolve())
    if handed["images"] != [source, image_size, skip_bad_images]:
        return None
    return Path(handed["folder"])


def has_changed(data: Data, name: str, image_size: int, skip_bad_images: bool) -> bool:
    """Whether a source holds other images than those that were loaded."""
    try:
        source = open_source(name)
        folder = folder_for(source, image_size, skip_bad_images)
    except (InputError, OSError):
        return True
    return folder != data.folder


def build_cache(folder: Path, source: Source, image_size: int, skip_bad_images: bool) -> Data:
    """Decode and split a source's images, for this and every later run."""
    with building(folder) as unfinished:
        path = unfinished / "images"
        decoded = decode_into(path, source.items(), image_size)
        warnings = left_out(decoded.bad, skip_bad_images)
        images = open_images(path, len(decoded.items), image_size)
        if images is None:  # there is no mapping of nothing
            images = np.empty((0, image_size, image_size, 3), np.uint8)
        index = make_index(source, decoded, images, warnings)
        index["pixels"] = file_digest(path)
        write_record(unfinished / "index.json", index)
    return read_cache(folder, image_size)


def open_cache(folder: Path, image_size: int) -> Data | None:
    """Images that an earlier run has decoded; None if there are none, or, told, damaged ones."""
    if not folder.exists():
        return None
    try:
        return read_cache(folder, image_size)
    # It was renamed into place whole: a file that is missing is damage.
    except (Damaged, FileNotFoundError, PermissionError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        refuse_foreign(folder)
        note = f"decoding again, since decoded images are damaged: {folder} ({error})"
        print(note, file=sys.stderr)
    return None


def read_cache(folder: Path, image_size: int) -> Data:
    """Decoded images as they were written; Damaged or OSError if they are not."""
    index = read_record(folder / "index.json")
    check_index(index)
    if file_digest(folder / "images") != index["pixels"]:
        raise Damaged("its pixels are not as they were written")
    images = open_images(folder / "images", len(index["names"]), image_size)
    if images is None:
        raise Damaged("there are more or fewer images than names")
    splits = {}
    for part, numbers in index["splits"].items():
        splits[part] = np.array(numbers, dtype=np.int64)
    return Data(
        images=images,
        targets=np.array(index["targets"], dtype=np.int64),
        splits=splits,
        classes=index["classes"],
        names=index["names"],
        mean=index["mean"],
        std=index["std"],
        source=index["source"],
        digest=index["digest"],
        warnings=index["warnings"],
        folder=folder,
        notes=index["notes"],
        scales=index["scales"],
    )


def check_index(index: dict[str, Any]) -> None:
    """Damaged if what is known of decoded images does not fit together."""
    count = len(index["names"])
    targets = index["targets"]
    fits = {
        "classes": len(index["classes"]) == 2,
        "targets": len(targets) == count and set(targets) == {0, 1},
        "splits": is_split(index["splits"], count),
        "mean": is_of_channels(index["mean"]),
        "std": is_of_channels(index["std"]) and min(index["std"]) > 0,
    }
    for name, is_right in fits.items():
        if not is_right:
            raise Damaged(f"{name} of index.json is not that of {count} images")


def is_of_channels(values: list[float]) -> bool:
    """Whether there is a value from 0 to 1 for each of three channels."""
    return len(values) == 3 and all(0 <= value <= 1 for value in values)


def is_split(splits: dict[str, list[int]], count: int) -> bool:
    """Whether each of `count` images is in one of train, valid and test."""
    numbers = []
    for part in splits.values():
        numbers += part
    return set(splits) == set(PARTS) and sorted(numbers) == list(range(count))


def refuse_foreign(folder: Path) -> None:
    """InputError if a cache can neither be read nor removed, since another user made it."""
    if folder.exists():
        remedy = "have its owner make it readable, or name a folder of your own: XDG_CACHE_HOME"
        raise InputError(f"{folder} (decoded images) cannot be read; {remedy}")


class Pictures(NamedTuple):
    """A user's own pictures, decoded, and what is wrong with the others."""

    names: list[str]
    decoded: list[np.ndarray | Deep]
    bad: list[str]


def load_pictures(paths: list[Path], weight: dict[str, Any], skip_bad: bool) -> Data:
    """A user's own pictures, prepared as in the training that made a weight file.

    InputError that names the bad ones, unless they are to be skipped and some are good.
    """
    passed = PassedOver()
    pictures = decode_pictures(pictures_in(paths, passed), weight["image_size"])
    names = pictures.names
    warnings = left_out(pictures.bad, skip_bad and len(names) > 0)
    extents = {}
    for name, picture in zip(names, pictures.decoded, strict=True):
        if isinstance(picture, Deep):
            extents[name] = picture.extent
    scales = scales_of(extents, known=weight.get("scales"))
    images = []
    for picture in pictures.decoded:
        if isinstance(picture, Deep):
            picture = to_bytes(picture, scales)
        images.append(picture)
    return Data(
        images=np.stack(images),
        targets=np.zeros(len(names), np.int64),
        splits={"test": np.arange(len(names))},
        classes=weight["classes"],
        names=names,
        mean=weight["mean"],
        std=weight["std"],
        warnings=warnings,
        notes=passed.notes() + scale_notes(extents, scales),
    )


def decode_pictures(paths: list[str], image_size: int) -> Pictures:
    """Decode files one after another."""
    pictures = Pictures([], [], [])
    with silence():
        for path in paths:
            name = printable(path)
            decoded = decode_or_reason(path, image_size)
            if isinstance(decoded, str):
                pictures.bad.append(f"{name} ({decoded})")
            else:
                pictures.names.append(name)
                pictures.decoded.append(decoded)
    return pictures


def make_index(
    source: Source, decoded: Decoded, images: np.ndarray, warnings: list[str]
) -> dict[str, Any]:
    """Everything about decoded images, uint8 (N, H, W, 3), but their pixels, as plain values."""
    names = [item.name for item in decoded.items]
    targets = np.array([item.target for item in decoded.items], dtype=np.int64)
    given_parts = np.array([item.part for item in decoded.items])
    digests = [digest_of(image.tobytes()) for image in images]
    parts = split(given_parts, targets, digests, source)
    splits = {part: np.flatnonzero(parts == part).tolist() for part in PARTS}
    statistics = channel_statistics(images, splits["train"])
    classes = [source.classes[target] for target in targets]
    warnings = list(warnings)
    warnings += single_colour_warning(names, images)
    warnings += copy_notes(names, digests, parts, classes)
    if not source.drawn:
        warnings += near_copy_notes(names, images, parts)
    decided_by = [digests, source.classes, targets.tolist(), parts.tolist(), *statistics]
    return {
        "source": source.name,
        "classes": source.classes,
        "names": names,
        "warnings": warnings,
        "notes": decoded.notes,
        "scales": decoded.scales,
        "targets": targets.tolist(),
        "splits": splits,
        "mean": statistics.mean,
        "std": statistics.std,
        "digest": digest_of(decided_by),
    }


def single_colour_warning(names: list[str], images: np.ndarray) -> list[str]:
    """Warn of images, uint8 (N, H, W, 3), of one single colour: nothing can be learnt there."""
    empty = []
    for name, image in zip(names, images, strict=True):
        colour = image[0, 0]
        if (image[-1, -1] == colour).all() and (image == colour).all():  # the first is quick
            empty.append(name)
    if not empty:
        return []
    examples = ", ".join(empty[:NAMED_EMPTY])
    return [f"one single colour ({len(empty)} of {len(names)}): {examples}"]


def split(parts: np.ndarray, targets: np.ndarray, digests: list[str], source: Source) -> np.ndarray:
    """Assign every image to train, valid or test, each class by itself (stratified).

    Images that come with a part keep it; without valid, 20 % of train is held out; without
    any parts, 60 / 20 / 20 %. Copies, of equal digests, stay together. InputError if a class
    has too few images for that.
    """
    assigned = parts.astype(object)
    random = np.random.default_rng(SPLIT_SEED)
    part_of_copies: dict[str, str] = {}
    for target, name in enumerate(source.classes):
        members = np.flatnonzero(targets == target)
        divided = members[parts[members] == ""]
        held_out_parts = ["test", "valid"]
        if len(divided) == 0 and not (assigned[members] == "valid").any():
            divided = members[assigned[members] == "train"]
            held_out_parts = ["valid"]
        order = random.permutation(divided)
        digests_in_order = [digests[number] for number in order]
        assigned[order] = hold_out(held_out_parts, digests_in_order, part_of_copies)
        refuse_few(assigned[members], f"class {name} of {source.name}")
    return assigned


def refuse_few(parts: np.ndarray, class_name: str) -> None:
    """InputError if one of train, valid and test has no image of a class."""
    for part in PARTS:
        if not (parts == part).any():
            few = f"has no readable image for {part}, and {len(parts)} in all"
            remedy = f"add some, other than copies ({' '.join(ENDINGS)} …)"
            raise InputError(f"{class_name} {few}; {remedy}")


def hold_out(parts: list[str], digests: list[str], part_of_copies: dict[str, str]) -> list[str]:
    """Put the first fifth of some images into the first part, and so on; the others are train.

    Images of equal digests, copies, go where the first of them goes, of other classes too, as
    `part_of_copies` remembers. So a part takes what still has room there, and one picture with
    its copies in any case.
    """
    counts = Counter(digests)
    fifth = max(1, round(HELD_OUT * len(digests)))
    size = max(fifth, min(counts.values(), default=0))
    room = dict.fromkeys(parts, size)
    for digest, count in counts.items():
        if digest not in part_of_copies:
            part_of_copies[digest] = part_with_room(room, count)
        part = part_of_copies[digest]
        if part in room:
            room[part] -= count
    return [part_of_copies[digest] for digest in digests]


def part_with_room(room: dict[str, int], count: int) -> str:
    """The first part with room for a picture and its copies; train if there is none."""
    for part, images in room.items():
        if images >= count:
            return part
    return "train"


class Statistics(NamedTuple):
    """Mean and standard deviation of each channel, of values from 0 to 1."""

    mean: list[float]
    std: list[float]


def channel_statistics(images: np.ndarray, indices: list[int]) -> Statistics:
    """Statistics of some images, of uint8 (N, H, W, 3).

    Sums of whole numbers are exact in any order.
    """
    total = np.zeros(3, np.uint64)
    squares = np.zeros(3, np.uint64)
    for start in range(0, len(indices), BLOCK):
        block = images[indices[start : start + BLOCK]].reshape(-1, 3)
        channels = block.T.astype(np.uint32, order="C")  # so that sums run along memory
        total += channels.sum(1)
        squares += (channels * channels).sum(1)
    pixels = len(indices) * images[0, ..., 0].size
    mean = total / pixels
    variance = squares / pixels - mean * mean
    std = np.sqrt(np.maximum(variance, 1.0))  # one grey level at least
    return Statistics((mean / 255).tolist(), (std / 255).tolist())


def describe(data: Data) -> str:
    """Say in a few lines what images there are: counts by class and split, warnings."""
    width = max(7, *map(len, data.classes))
    _, height, length, _ = data.images.shape
    lines = [f"images: {printable(data.source)}, {height} x {length} pixels"]
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
