"""Images decoded once, split once, kept in a cache that every run maps into memory.

    from dataset import load_data
    data = load_data("photos", image_size=64)
    data.images[data.splits["train"]]          # uint8 (n, 64, 64, 3)

The cache lies in $XDG_CACHE_HOME/cnn_experiments (~/.cache by default), one folder for each
content: names, sizes and times of the files, image size, Pillow's version, this module's source.
It can be deleted at any time.
"""

import contextlib
import hashlib
import io
import mmap
import os
import shutil
import tempfile
import textwrap
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError

from runs import PROJECT, InputError, file_digest, read_json, write_json
from screen import Progress
from sources import PARTS, Item, Source, open_source, stamp_of

HELD_OUT = 0.2  # share of a class that becomes valid, and test where there is none
SPLIT_SEED = 0  # one split for every run, so that runs are compared on the same images
BLOCK = 512  # images decoded before they are written: what bounds the memory
ABANDONED_SECONDS = 600  # a cache that has not grown for so long was left by a kill
NAMED_FILES = 20  # bad files named in a message; the rest is a count
UNBALANCED = 1.5  # from this ratio of the classes on, plain accuracy misleads


@dataclass(frozen=True)
class Data:
    """Decoded images, mapped from the cache.

    `images` is uint8 (N, H, W, 3), `targets` int64 (N,), `splits` maps train, valid and test
    to int64 indices; `mean` and `std` are those of the training images' channels, of values
    from 0 to 1. `digest` changes with any image, class or split.
    """

    source: str
    classes: tuple[str, str]
    names: list[str]
    images: np.ndarray
    targets: np.ndarray
    splits: dict[str, np.ndarray]
    mean: list[float]
    std: list[float]
    digest: str
    skipped: int
    warnings: list[str]


def load_data(
    data: str,
    image_size: int,
    skip_bad_images: bool = False,
    download_folder: Path = Path("data"),
) -> Data:
    """Open a source's images, decoding them only if no earlier run has.

    InputError if the source is wrong, or images are broken and `skip_bad_images` is false;
    OSError if the cache cannot be written.
    """
    source = open_source(data, download_folder)
    own = file_digest(PROJECT / "dataset.py")
    key = stamp_of([source.name, source.stamp, image_size, skip_bad_images, own, PIL.__version__])
    folder = cache_folder() / key[:32]
    try:
        found = open_cache(folder, source.name, image_size)
        if not found:
            build_cache(source, image_size, skip_bad_images, folder)
            found = open_cache(folder, source.name, image_size)
    except OSError as error:
        error.filename = f"{folder.parent} (the cache of decoded images)"
        raise
    if not found:
        raise InputError(f"{folder} was removed by another program; run the same command again")
    return found


def cache_folder() -> Path:
    """The folder of all decoded images."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cnn_experiments"


def open_cache(folder: Path, source: str, image_size: int) -> Data | None:
    """Map decoded images into memory, shared between processes; None if they are not all there."""
    index = read_json(folder / "index.json")
    if not index:
        return None
    shape = (len(index["names"]), image_size, image_size, 3)
    try:
        # Read-only: a mapping that could be written to is refused if it is larger than memory.
        images = np.memmap(folder / "images", np.uint8, "r", shape=shape)
    except (FileNotFoundError, ValueError):
        return None
    if hasattr(mmap, "MADV_RANDOM"):
        images.base.madvise(mmap.MADV_RANDOM)  # reading ahead drops pages where memory is short
    return Data(
        source=source,
        classes=tuple(index["classes"]),
        images=images,
        targets=np.array(index["targets"], dtype=np.int64),
        splits={part: np.array(own, dtype=np.int64) for part, own in index["splits"].items()},
        **{key: index[key] for key in ("names", "mean", "std", "digest", "skipped", "warnings")},
    )


# --- building --------------------------------------------------------------------------------


def build_cache(source: Source, image_size: int, skip_bad: bool, folder: Path) -> None:
    """Decode a source into a folder that appears complete or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(".building-*"):
        with contextlib.suppress(OSError):  # it may just have become a cache
            grown = max(path.stat().st_mtime for path in (left, *left.iterdir()))
            if time.time() - grown > ABANDONED_SECONDS:
                shutil.rmtree(left)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        decoded = decode_into(work / "images", source.items(), image_size)
        if decoded.bad and not skip_bad:
            raise InputError(bad_files_message(decoded.bad))
        write_json(work / "index.json", make_index(source, decoded, image_size))
        if not (work / "images").is_file():
            raise InputError(f"{work} was removed by another program; run the same command again")
        try:
            work.rename(folder)
        except OSError:
            if not open_cache(folder, source.name, image_size):  # else another was faster
                shutil.rmtree(folder, ignore_errors=True)
                work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


class Decoded(NamedTuple):
    """What is known of decoded images beside their pixels.

    Of each: its item, the digest of its file's bytes, and the sums and sums of squares of its
    channels, uint64 (2, 3). `bad` are (name, reason) of those that could not be decoded, `digest`
    is that of all pixels.
    """

    items: list[Item]
    digests: list[str]
    moments: list[np.ndarray]
    bad: list[tuple[str, str]]
    digest: str


def decode_into(path: Path, items: list[Item], image_size: int) -> Decoded:
    """Decode items on all cores into one file of uint8 (H, W, 3) images, one after another.

    Memory holds one block of images, however many there are.
    """
    kept, digests, moments, bad, all_pixels = [], [], [], [], hashlib.sha256()
    progress = Progress()

    def work(item: Item) -> tuple:
        image, note = decode_or_reason(item, image_size)
        return (b"", None, note) if image is None else (image.tobytes(), moments_of(image), note)

    with (
        path.open("wb") as file,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # Pillow's: what it cannot read is listed
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            for item, (pixels, own_moments, note) in zip(block, pool.map(work, block), strict=True):
                if pixels:
                    file.write(pixels)
                    all_pixels.update(pixels)
                    moments.append(own_moments)
                    kept.append(item)
                    digests.append(note)
                else:
                    bad.append((item.name, note))
            progress.show(f"decoding images: {start + len(block)} of {len(items)}")
        file.flush()
        os.fsync(file.fileno())
    progress.clear()
    return Decoded(kept, digests, moments, bad, all_pixels.hexdigest())


def moments_of(image: np.ndarray) -> np.ndarray:
    """Sums and sums of squares, uint64 (2, 3), of the channels of a uint8 (H, W, 3) image."""
    channels = image.reshape(-1, 3).T.astype(np.uint32, order="C")  # so sums run along memory
    return np.stack([channels.sum(1), (channels * channels).sum(1)])


def decode_or_reason(item: Item, image_size: int) -> tuple[np.ndarray | None, str]:
    """Decode one item: the image and the digest of its bytes, or None and what is wrong."""
    if isinstance(item.content, np.ndarray):
        pixels = resized(Image.fromarray(item.content), image_size)
        return pixels, digest_of(item.content.tobytes())
    try:
        content = item.content.read_bytes()
        if not content:
            return None, "empty file"
        return decode(content, image_size), digest_of(content)
    except UnidentifiedImageError:
        return None, "not an image"
    except Exception as error:  # Pillow raises almost anything on broken files
        return None, textwrap.shorten(str(error), 100, placeholder=" …") or type(error).__name__


def digest_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def decode(content: bytes, image_size: int) -> np.ndarray:
    """Decode an image file into uint8 (image_size, image_size, 3); any Pillow error if broken.

    JPEGs are decoded at the smallest of their scales that is not below the size wanted.
    Pictures are turned upright, transparency becomes white, of several frames the first counts.
    """
    with Image.open(io.BytesIO(content)) as image:
        image.draft(None, (image_size, image_size))
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits: convert() would clip instead of scale
            image = Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))
        if "A" in image.mode.upper() or "transparency" in image.info:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return resized(image, image_size)


def resized(image: Image.Image, image_size: int) -> np.ndarray:
    """Bring a Pillow image to uint8 (image_size, image_size, 3)."""
    shape = (image_size, image_size)
    return np.asarray(image.convert("RGB").resize(shape, Image.Resampling.BILINEAR))


def bad_files_message(bad: list[tuple[str, str]]) -> str:
    """Name the bad files, the first of them in full."""
    named = ", ".join(f"{name} ({reason})" for name, reason in bad[:NAMED_FILES])
    more = f" and {len(bad) - NAMED_FILES} more" if len(bad) > NAMED_FILES else ""
    count = "1 file is no readable image" if len(bad) == 1 else f"{len(bad)} files are no images"
    return f"{count}: {named}{more}; mend or remove them, or leave them out: --skip_bad_images"


def bad_files_note(bad: list[tuple[str, str]]) -> str:
    """Say how many bad files are left out, and name the first."""
    files = "1 unreadable file" if len(bad) == 1 else f"{len(bad)} unreadable files, first"
    return f"left out {files}: {bad[0][0]} ({bad[0][1]})"


def make_index(source: Source, decoded: Decoded, image_size: int) -> dict:
    """Everything about the decoded images but their pixels, as plain values."""
    targets = np.array([item.target for item in decoded.items], dtype=np.int64)
    parts = np.array([item.part for item in decoded.items])
    splits = split(parts, targets, source)
    part_of = np.empty(len(targets), dtype=object)
    for part, indices in splits.items():
        part_of[indices] = part
    names = [item.name for item in decoded.items]
    notes = [
        leak_warning(names, decoded.digests, part_of), balance_warning(source, targets, splits),
    ]  # fmt: skip
    if decoded.bad:
        notes.append(bad_files_note(decoded.bad))
    mean, std = channel_statistics(np.array(decoded.moments)[splits["train"]], image_size**2)
    return {
        "classes": source.classes,
        "names": names,
        "targets": targets.tolist(),
        "splits": {part: indices.tolist() for part, indices in splits.items()},
        "mean": mean,
        "std": std,
        "digest": stamp_of([decoded.digest, source.classes, targets.tolist(), part_of.tolist()]),
        "skipped": len(decoded.bad),
        "warnings": [note for note in notes if note],
    }


def split(parts: np.ndarray, targets: np.ndarray, source: Source) -> dict[str, np.ndarray]:
    """Assign every image to train, valid or test, each class by itself (stratified).

    Images that come with a part keep it; without valid, 20 % of train is held out; without
    any parts, 60 / 20 / 20 %. InputError if a class has too few images for that.
    """
    assigned = parts.astype(object)
    random = np.random.default_rng(SPLIT_SEED)
    for target, name in enumerate(source.classes):
        own = np.flatnonzero(targets == target)
        unsplit = random.permutation(own[parts[own] == ""])
        held_out = max(1, round(HELD_OUT * len(unsplit)))
        assigned[unsplit] = "train"
        assigned[unsplit[:held_out]] = "test"
        assigned[unsplit[held_out : 2 * held_out]] = "valid"
        if not len(unsplit) and not (assigned[own] == "valid").any():
            train = random.permutation(own[assigned[own] == "train"])
            assigned[train[: max(1, round(HELD_OUT * len(train)))]] = "valid"
        for part in PARTS:
            if not (assigned[own] == part).any():
                raise InputError(
                    f"class {name} of {source.name} has no readable image for {part}, "
                    f"and {len(own)} in all; add some"
                )
    return {part: np.flatnonzero(assigned == part) for part in PARTS}


def channel_statistics(moments: np.ndarray, pixels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, of values from 0 to 1.

    `moments`, uint64 (n, 2, 3), are the sums and sums of squares of n images of `pixels` pixels.
    """
    mean, square = moments.sum(0) / (len(moments) * pixels)
    std = np.sqrt(np.maximum(square - mean * mean, 1.0))  # one grey level at least
    return (mean / 255).tolist(), (std / 255).tolist()


# --- what a user should know -----------------------------------------------------------------


def leak_warning(names: list[str], digests: list[str], part_of: np.ndarray) -> str:
    """Warn of the same picture, byte for byte, in two splits."""
    seen: dict[str, list[int]] = {}
    for number, digest in enumerate(digests):
        seen.setdefault(digest, []).append(number)
    leaks = [own for own in seen.values() if len({part_of[number] for number in own}) > 1]
    if not leaks:
        return ""
    shown = "; ".join(
        " = ".join(f"{names[number]} ({part_of[number]})" for number in own[:3])
        for own in leaks[:3]
    )
    count = "1 picture is" if len(leaks) == 1 else f"{len(leaks)} pictures are"
    return f"{count} in more than one split, byte for byte: {shown}"


def balance_warning(source: Source, targets: np.ndarray, splits: dict[str, np.ndarray]) -> str:
    """Warn of one class far larger than the other: plain accuracy misleads then."""
    counts = np.bincount(targets, minlength=2)
    large = int(counts.argmax())
    ratio = counts.max() / counts.min()
    if ratio <= UNBALANCED:
        return ""
    share = np.mean(targets[splits["test"]] == large)
    return (
        f"{source.classes[large]} has {ratio:.1f} times the images of "
        f"{source.classes[1 - large]}: always answering {source.classes[large]} would score "
        f"{100 * share:.1f}% on test (the majority share)"
    )


def describe(data: Data) -> str:
    """Say in a few lines what images there are: counts by class and split, warnings."""
    width = max(7, *(len(name) for name in data.classes))
    head = "".join(f"  {name:>{width}}" for name in data.classes)
    lines = [f"images: {data.source}, {data.images.shape[1]} x {data.images.shape[2]} pixels"]
    lines.append(f"  {'':5}{head}")
    for part, indices in data.splits.items():
        counts = np.bincount(data.targets[indices], minlength=2)
        lines.append(f"  {part:5}" + "".join(f"  {count:>{width}}" for count in counts))
    return "\n".join(lines + [f"warning: {note}" for note in data.warnings])
