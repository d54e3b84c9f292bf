"""Images decoded once, split once, kept in a cache that every run maps into memory.

from dataset import load_data
data = load_data("photos", image_size=64)
data.images[data.splits["train"]]          # uint8 (n, 64, 64, 3)
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from console.errors import InputError
from images.cache import BLOCK, building, cache_folder, decode_into, open_images
from images.decode import decode_or_reason, left_out
from images.folders import ENDINGS, PARTS, Item, Source, pictures_in
from images.sources import BUILT_IN, open_source
from records.files import digest_of, file_digest, read_json, write_json
from records.sources import PROJECT

HANDED = "CNN_DECODED_IMAGES"  # set for children, which then need not look at every file
HELD_OUT = 0.2  # share of a class that becomes valid, and test where there is none
SPLIT_SEED = 0  # one split for every run, so that runs are compared on the same images


@dataclass(frozen=True)
class Data:
    """Decoded images, mapped from the cache.

    `images` is uint8 (N, H, W, 3), `targets` int64 (N,), `splits` maps train, valid and test
    to int64 indices; `mean` and `std` are those of the training images' channels, of values
    from 0 to 1. `digest` changes with any image, class or split. `folder` is that of the cache.
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
        cached = open_cache(folder, image_size)
        return cached or build_cache(folder, source, image_size, skip_bad_images)
    except OSError as error:
        error.filename = f"{folder.parent} (the cache of decoded images)"
        raise


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
        items, bad = decode_into(work / "images", source.items(), image_size)
        notes = left_out(bad, skip_bad_images)
        images = open_images(work / "images", len(items), image_size)
        write_json(work / "index.json", make_index(source, items, images, notes))
    return open_cache(folder, image_size)


def open_cache(folder: Path, image_size: int) -> Data | None:
    """Images that an earlier run has decoded; None if they are not all there."""
    was_there, index = folder.exists(), read_json(folder / "index.json")
    images = open_images(folder / "images", len(index["names"]), image_size) if index else None
    if images is None:
        if was_there:  # it appears whole or not at all, so it has been damaged
            shutil.rmtree(folder, ignore_errors=True)
            refuse_foreign(folder)
        return None
    targets = np.array(index.pop("targets"), dtype=np.int64)
    splits = {part: np.array(at, dtype=np.int64) for part, at in index.pop("splits").items()}
    return Data(images, targets, splits, folder=folder, **index)


def refuse_foreign(folder: Path) -> None:
    """InputError if a cache can neither be read nor removed, since another user made it."""
    if folder.exists():
        remedy = "have its owner make it readable, or name a folder of your own: XDG_CACHE_HOME"
        raise InputError(f"{folder} (decoded images) cannot be read; {remedy}")


def load_pictures(places: list[Path], weight: dict, skip_bad: bool) -> Data:
    """A user's own pictures, prepared as in the training that made a weight file.

    InputError that names the bad ones, unless they are to be skipped and some are good.
    """
    paths = [path for place in places for path in pictures_in(place)]
    decoded = [(path, decode_or_reason(path, weight["image_size"])) for path in paths]
    good = [(name, pixels) for name, pixels in decoded if not isinstance(pixels, str)]
    bad = [f"{name} ({reason})" for name, reason in decoded if isinstance(reason, str)]
    notes = left_out(bad, skip_bad and len(good) > 0)
    names, images = zip(*good, strict=True)
    targets, splits = np.zeros(len(names), np.int64), {"test": np.arange(len(names))}
    of_weight = {key: weight[key] for key in ("classes", "mean", "std")}
    return Data(np.stack(images), targets, splits, names=list(names), warnings=notes, **of_weight)


def make_index(source: Source, items: list[Item], images: np.ndarray, notes: list[str]) -> dict:
    """Everything about decoded images, uint8 (N, H, W, 3), but their pixels, as plain values."""
    names = [item.name for item in items]
    targets = np.array([item.target for item in items], dtype=np.int64)
    parts = split(np.array([item.part for item in items]), targets, source)
    splits = {part: np.flatnonzero(parts == part).tolist() for part in PARTS}
    mean, std = channel_statistics(images, splits["train"])
    digests = [digest_of(image.tobytes()) for image in images]
    notes = notes + leak_warning(names, digests, parts)
    return {
        "source": source.name, "classes": source.classes, "names": names, "warnings": notes,
        "targets": targets.tolist(), "splits": splits, "mean": mean, "std": std,
        "digest": digest_of([digests, source.classes, targets.tolist(), parts.tolist(), mean, std]),
    }  # fmt: skip


def split(parts: np.ndarray, targets: np.ndarray, source: Source) -> np.ndarray:
    """Assign every image to train, valid or test, each class by itself (stratified).

    Images that come with a part keep it; without valid, 20 % of train is held out; without
    any parts, 60 / 20 / 20 %. InputError if a class has too few images for that.
    """
    assigned = parts.astype(object)
    random = np.random.default_rng(SPLIT_SEED)
    for target, name in enumerate(source.classes):
        members = np.flatnonzero(targets == target)
        unsplit = random.permutation(members[parts[members] == ""])
        held_out = max(1, round(HELD_OUT * len(unsplit)))
        assigned[unsplit] = "train"
        assigned[unsplit[:held_out]] = "test"
        assigned[unsplit[held_out : 2 * held_out]] = "valid"
        if not len(unsplit) and not (assigned[members] == "valid").any():
            train = random.permutation(members[assigned[members] == "train"])
            assigned[train[: max(1, round(HELD_OUT * len(train)))]] = "valid"
        for part in PARTS:
            if not (assigned[members] == part).any():
                few = f"has no readable image for {part}, and {len(members)} in all"
                raise InputError(f"class {name} of {source.name} {few}; add some ({ENDINGS})")
    return assigned


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


def leak_warning(names: list[str], digests: list[str], parts: np.ndarray) -> list[str]:
    """Warn of the same picture, pixel for pixel at this size, in two splits."""
    copies: dict[str, list[int]] = {}
    for number, digest in enumerate(digests):
        copies.setdefault(digest, []).append(number)
    leaks = [same for same in copies.values() if len(set(parts[same])) > 1]
    shown = [" = ".join(f"{names[n]} ({parts[n]})" for n in same[:3]) for same in leaks[:3]]
    return [f"same pixels in several splits ({len(leaks)}): {'; '.join(shown)}"] if leaks else []


def describe(data: Data) -> str:
    """Say in a few lines what images there are: counts by class and split, warnings."""
    width = max(7, *(len(name) for name in data.classes))
    rows = {part: np.bincount(data.targets[at]) for part, at in data.splits.items()}
    lines = [f"images: {data.source}, {data.images.shape[1]} x {data.images.shape[2]} pixels"]
    for part, row in {"": data.classes, **rows}.items():
        lines.append(f"  {part:5}" + "".join(f"  {value:>{width}}" for value in row))
    return "\n".join(lines + [f"warning: {note}" for note in data.warnings])
