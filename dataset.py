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
from dataclasses import dataclass, field, replace
from pathlib import Path

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
INDEX_FORM = {
    "source": str, "classes": list, "names": list, "warnings": list, "targets": list,
    "splits": dict, "mean": list, "std": list, "digest": str, "pixels": str, "notes": list,
    "scales": dict,
}  # fmt: skip


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
    warnings: list[str] | tuple[()] = ()
    folder: Path | None = None
    notes: list[str] | tuple[()] = ()
    scales: Scales = field(default_factory=dict)


def load_data(name: str, image_size: int, skip_bad_images: bool = False) -> Data:
    """Open a source's images, decoding them only if no earlier run has.

    InputError if the source is wrong, or images are broken and `skip_bad_images` is false;
    OSError if the cache cannot be written.
    """
    handed = handed_folder(name, image_size, skip_bad_images)
    if handed and (cached := open_cache(handed, image_size)):
        return cached
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
        error.filename = f"{folder.parent} (the cache of decoded images)"
        raise
    return replace(data, notes=[*source.notes, *data.notes])  # of files that are not in the cache


def folder_for(source: Source, image_size: int, skip_bad_images: bool) -> Path:
    """Where a source's images lie decoded: another place whenever they or the decoding change."""
    code = [PROJECT / "dataset.py", *sorted((PROJECT / "images").glob("*.py"))]
    decoding = [image_size, skip_bad_images, PIL.__version__, *map(file_digest, code)]
    return cache_folder() / digest_of([source.name, source.stamp, *decoding])[:32]


def hand_over(data: Data, image_size: int, skip_bad_images: bool) -> dict[str, str]:
    """What spares a child program the scan of the images: a variable of its environment."""
    return {HANDED: json.dumps([data.source, image_size, skip_bad_images, str(data.folder)])}


def handed_folder(name: str, image_size: int, skip_bad_images: bool) -> Path | None:
    """Where the program that started this one found these images; None if it handed nothing."""
    handed = json.loads(os.environ.get(HANDED, "[]"))
    source = name if name in BUILT_IN else str(Path(name).resolve())
    if handed[:3] != [source, image_size, skip_bad_images]:
        return None
    return Path(handed[3])


def has_changed(data: Data, name: str, image_size: int, skip_bad_images: bool) -> bool:
    """Whether a source holds other images than those that were loaded."""
    try:
        return folder_for(open_source(name), image_size, skip_bad_images) != data.folder
    except (InputError, OSError):
        return True


def build_cache(folder: Path, source: Source, image_size: int, skip_bad_images: bool) -> Data:
    """Decode and split a source's images, for this and every later run."""
    with building(folder) as work:
        decoded = decode_into(work / "images", source.items(), image_size)
        warnings = left_out(decoded.bad, skip_bad_images)
        images = open_images(work / "images", len(decoded.items), image_size)
        if images is None:  # there is no mapping of nothing
            images = np.empty((0, image_size, image_size, 3), np.uint8)
        index = make_index(source, decoded, images, warnings)
        write_record(work / "index.json", {**index, "pixels": file_digest(work / "images")})
    return read_cache(folder, image_size)


def open_cache(folder: Path, image_size: int) -> Data | None:
    """Images that an earlier run has decoded; None if there are none, or, told, damaged ones."""
    if not folder.exists():
        return None
    try:
        return read_cache(folder, image_size)
    except (Damaged, FileNotFoundError, PermissionError) as error:  # it appeared whole
        shutil.rmtree(folder, ignore_errors=True)
        refuse_foreign(folder)
        note = f"decoding again, since decoded images are damaged: {folder} ({error})"
        print(note, file=sys.stderr)
    return None


def read_cache(folder: Path, image_size: int) -> Data:
    """Decoded images as they were written; Damaged or OSError if they are not."""
    index = read_record(folder / "index.json", INDEX_FORM)
    check_index(index)
    if file_digest(folder / "images") != index.pop("pixels"):
        raise Damaged("its pixels are not as they were written")
    images = open_images(folder / "images", len(index["names"]), image_size)
    if images is None:
        raise Damaged("there are more or fewer images than names")
    targets = np.array(index.pop("targets"), dtype=np.int64)
    splits = {part: np.array(at, dtype=np.int64) for part, at in index.pop("splits").items()}
    return Data(images, targets, splits, folder=folder, **index)


def check_index(index: dict) -> None:
    """Damaged if what is known of decoded images does not fit together."""
    count = len(index["names"])
    split = sorted(at for part in index["splits"].values() for at in part)
    fits = {
        "classes": len(index["classes"]) == 2,
        "targets": len(index["targets"]) == count and set(index["targets"]) == {0, 1},
        "splits": set(index["splits"]) == set(PARTS) and split == list(range(count)),
        "mean": len(index["mean"]) == 3 and all(0 <= mean <= 1 for mean in index["mean"]),
        "std": len(index["std"]) == 3 and all(0 < deviation <= 1 for deviation in index["std"]),
    }
    for name, is_right in fits.items():
        if not is_right:
            raise Damaged(f"{name} of index.json is not that of {count} images")


def refuse_foreign(folder: Path) -> None:
    """InputError if a cache can neither be read nor removed, since another user made it."""
    if folder.exists():
        remedy = "have its owner make it readable, or name a folder of your own: XDG_CACHE_HOME"
        raise InputError(f"{folder} (decoded images) cannot be read; {remedy}")


def load_pictures(places: list[Path], weight: dict, skip_bad: bool) -> Data:
    """A user's own pictures, prepared as in the training that made a weight file.

    InputError that names the bad ones, unless they are to be skipped and some are good.
    """
    passed = PassedOver()
    names: list[str] = []
    images: list[np.ndarray] = []
    bad: list[str] = []
    deep: dict[int, Deep] = {}
    with silence():
        for path in pictures_in(places, passed):
            pixels, name = decode_or_reason(path, weight["image_size"]), printable(path)
            if isinstance(pixels, str):
                bad.append(f"{name} ({pixels})")
                continue
            if isinstance(pixels, Deep):
                deep[len(names)] = pixels
                pixels = np.zeros(pixels.values.shape, np.uint8)  # until the scale is known
            names.append(name)
            images.append(pixels)
    warnings = left_out(bad, skip_bad and len(names) > 0)
    extents = {names[number]: picture.extent for number, picture in deep.items()}
    scales = scales_of(extents, known=weight.get("scales"))
    for number, picture in deep.items():
        images[number] = to_bytes(picture, scales)
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


def make_index(source: Source, decoded: Decoded, images: np.ndarray, warnings: list[str]) -> dict:
    """Everything about decoded images, uint8 (N, H, W, 3), but their pixels, as plain values."""
    names = [item.name for item in decoded.items]
    targets = np.array([item.target for item in decoded.items], dtype=np.int64)
    digests = [digest_of(image.tobytes()) for image in images]
    parts = split(np.array([item.part for item in decoded.items]), targets, digests, source)
    splits = {part: np.flatnonzero(parts == part).tolist() for part in PARTS}
    mean, std = channel_statistics(images, splits["train"])
    classes = [source.classes[target] for target in targets]
    return {
        "source": source.name,
        "classes": source.classes,
        "names": names,
        "warnings": [
            *warnings,
            *single_colour_warning(names, images),
            *copy_notes(names, digests, parts, classes),
            *near_copy_notes(names, images, parts),
        ],
        "notes": decoded.notes,
        "scales": decoded.scales,
        "targets": targets.tolist(),
        "splits": splits,
        "mean": mean,
        "std": std,
        "digest": digest_of([digests, source.classes, targets.tolist(), parts.tolist(), mean, std]),
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
    return [f"one single colour ({len(empty)} of {len(names)}): {', '.join(empty[:NAMED_EMPTY])}"]


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
        divided, held_out_parts = members[parts[members] == ""], ["test", "valid"]
        if not len(divided) and not (assigned[members] == "valid").any():
            divided, held_out_parts = members[assigned[members] == "train"], ["valid"]
        order = random.permutation(divided)
        assigned[order] = hold_out(held_out_parts, [digests[at] for at in order], part_of_copies)
        for part in PARTS:
            if not (assigned[members] == part).any():
                few = f"has no readable image for {part}, and {len(members)} in all"
                add = f"add some, other than copies ({' '.join(ENDINGS)} …)"
                raise InputError(f"class {name} of {source.name} {few}; {add}")
    return assigned


def hold_out(parts: list[str], digests: list[str], part_of_copies: dict[str, str]) -> list[str]:
    """Put the first fifth of some images into the first part, and so on; the rest is train.

    Images of equal digests, copies, go where the first of them goes, of other classes too, as
    `part_of_copies` remembers. So a part takes what still has room there, and one picture with
    its copies in any case.
    """
    copies = Counter(digests)
    size = max(1, round(HELD_OUT * len(digests)))
    room = dict.fromkeys(parts, max(size, min(copies.values(), default=0)))
    for digest, count in copies.items():
        if digest not in part_of_copies:
            fitting = [part for part in parts if room[part] >= count]
            part_of_copies[digest] = fitting[0] if fitting else "train"
        if part_of_copies[digest] in room:
            room[part_of_copies[digest]] -= count
    return [part_of_copies[digest] for digest in digests]


def channel_statistics(images: np.ndarray, indices: list[int]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, of values from 0 to 1, over some images.

    `images` is uint8 (N, H, W, 3); sums of whole numbers are exact in any order.
    """
    total, squares, pixels = 0, 0, len(indices) * images[0, ..., 0].size
    for start in range(0, len(indices), BLOCK):
        block = images[indices[start : start + BLOCK]].reshape(-1, 3)
        block = block.T.astype(np.uint32, order="C")  # so that sums run along memory
        total, squares = total + block.sum(1), squares + (block * block).sum(1)
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean * mean, 1.0))  # one grey level at least
    return (mean / 255).tolist(), (std / 255).tolist()


def describe(data: Data) -> str:
    """Say in a few lines what images there are: counts by class and split, warnings."""
    width = max(7, *(len(name) for name in data.classes))
    rows = {part: np.bincount(data.targets[at]) for part, at in data.splits.items()}
    size = f"{data.images.shape[1]} x {data.images.shape[2]} pixels"
    lines = [f"images: {printable(data.source)}, {size}"]
    lines += [f"  {note}" for note in data.notes]
    for part, row in {"": data.classes, **rows}.items():
        lines.append(f"  {part:5}" + "".join(f"  {value:>{width}}" for value in row))
    return "\n".join(lines + [f"warning: {note}" for note in data.warnings])
