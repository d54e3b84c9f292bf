"""Images decoded once, split once, kept in a cache that every run maps into memory.

    from dataset import load_data
    data = load_data("photos", image_size=64)
    data.images[data.splits["train"]]          # uint8 (n, 64, 64, 3)

The cache lies in $XDG_CACHE_HOME/cnn_experiments (~/.cache by default), one folder for each
content: names, sizes and times of the files, image size, and this module's own source.
It can be deleted at any time.
"""

import contextlib
import hashlib
import io
import mmap
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runs import PROJECT, InputError, file_digest, read_json, write_json
from screen import Progress
from sources import PARTS, Item, Source, open_source, stamp_of

HELD_OUT = 0.2  # share of a class that becomes valid, and test where there is none
SPLIT_SEED = 0  # one split for every run, so that runs are compared on the same images
BLOCK = 512  # images decoded before they are written: what bounds the memory
ABANDONED_SECONDS = 86400  # a cache that has been under way for longer was killed
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

    InputError if the source is wrong, or images are broken and `skip_bad_images` is false.
    """
    source = open_source(data, download_folder)
    own = file_digest(PROJECT / "dataset.py")
    key = stamp_of([source.name, source.stamp, image_size, skip_bad_images, own])
    folder = cache_folder() / key[:32]
    if not is_whole(folder, image_size):
        shutil.rmtree(folder, ignore_errors=True)
        build_cache(source, image_size, skip_bad_images, folder)
    return open_cache(folder, source.name, image_size)


def is_whole(folder: Path, image_size: int) -> bool:
    """Whether a cache is there, with all its images."""
    count = len(read_json(folder / "index.json").get("names", []))
    try:
        return count > 0 and (folder / "images").stat().st_size == count * image_size**2 * 3
    except OSError:
        return False


def cache_folder() -> Path:
    """The folder of all decoded images."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cnn_experiments"


def open_cache(folder: Path, source: str, image_size: int) -> Data:
    """Map decoded images into memory; pages are shared between processes."""
    index = read_json(folder / "index.json")
    shape = (len(index["names"]), image_size, image_size, 3)
    with (folder / "images").open("rb") as file:
        # Read-only: a mapping that could be written to is refused if it is larger than memory.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)  # reading ahead drops pages where memory is short
    images = np.frombuffer(mapped, np.uint8).reshape(shape)
    splits = {part: np.array(index["splits"][part], dtype=np.int64) for part in PARTS}
    return Data(
        source,
        tuple(index["classes"]),
        index["names"],
        images,
        np.array(index["targets"], dtype=np.int64),
        splits,
        *(index[key] for key in ("mean", "std", "digest", "skipped", "warnings")),
    )


# --- building --------------------------------------------------------------------------------


def build_cache(source: Source, image_size: int, skip_bad: bool, folder: Path) -> None:
    """Decode a source into a folder that appears complete or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(".building-*"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        kept, digests, bad = decode_into(work / "images", source.items(), image_size)
        if bad and not skip_bad:
            raise InputError(bad_files_message(bad))
        index = make_index(source, kept, digests, bad)
        index["digest"] = stamp_of([image_size, index["digest"]])
        index["mean"], index["std"] = channel_statistics(
            work / "images", image_size, index["splits"]["train"]
        )
        write_json(work / "index.json", index)
        try:
            work.rename(folder)
        except OSError:
            if not is_whole(folder, image_size):  # else another process was faster
                raise
    except OSError as error:
        error.filename = error.filename or str(folder.parent)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def decode_into(
    path: Path, items: list[Item], image_size: int
) -> tuple[list[Item], list[str], list[tuple[str, str]]]:
    """Decode items on all cores into one file of uint8 (H, W, 3) images, one after another.

    Returns the items that could be decoded, the digests of their bytes, and (name, reason) of
    those that could not. Memory holds one block of images, however many there are.
    """
    kept, digests, bad = [], [], []
    progress = Progress()
    with path.open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool, quiet_pillow():
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            decoded = pool.map(lambda item: decode_or_reason(item, image_size), block)
            for item, (image, digest_or_reason) in zip(block, decoded, strict=True):
                if image is None:
                    bad.append((item.name, digest_or_reason))
                else:
                    file.write(image.tobytes())
                    kept.append(item)
                    digests.append(digest_or_reason)
            progress.show(f"decoding images: {start + len(block)} of {len(items)}")
        file.flush()
        os.fsync(file.fileno())
    progress.clear()
    return kept, digests, bad


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Leave out Pillow's warnings: what it can read is used, what it cannot is listed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode_or_reason(item: Item, image_size: int) -> tuple[np.ndarray | None, str]:
    """Decode one item: the image and the digest of its bytes, or None and what is wrong."""
    if isinstance(item.content, np.ndarray):
        return resize_array(item.content, image_size), digest_of(item.content.tobytes())
    try:
        content = item.content.read_bytes()
        if not content:
            return None, "empty file"
        return decode(content, image_size), digest_of(content)
    except Exception as error:  # Pillow raises almost anything on broken files
        return None, " ".join(str(error).split())[:100] or type(error).__name__


def digest_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def resize_array(image: np.ndarray, image_size: int) -> np.ndarray:
    """Bring a uint8 (H, W, 3) image to image_size by image_size."""
    from PIL import Image

    if image.shape[:2] == (image_size, image_size):
        return image
    return np.asarray(Image.fromarray(image).resize((image_size, image_size), Image.BILINEAR))


def decode(content: bytes, image_size: int) -> np.ndarray:
    """Decode an image file into uint8 (image_size, image_size, 3); any Pillow error if broken.

    JPEGs are decoded at the smallest of their scales that is not below the size wanted.
    Pictures are turned upright, transparency becomes white, of several frames the first counts.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as image:
        image.draft(None, (image_size, image_size))
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits: convert() would clip instead of scale
            image = Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        image = image.convert("RGB").resize((image_size, image_size), Image.BILINEAR)
        return np.asarray(image)


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


def make_index(
    source: Source, items: list[Item], digests: list[str], bad: list[tuple[str, str]]
) -> dict:
    """Everything about the decoded images but their pixels, as plain values."""
    targets = np.array([item.target for item in items], dtype=np.int64)
    parts = np.array([item.part for item in items])
    splits = split(parts, targets, source)
    part_of = np.empty(len(items), dtype=object)
    for part, indices in splits.items():
        part_of[indices] = part
    names = [item.name for item in items]
    notes = [leak_warning(names, digests, part_of), balance_warning(source, targets, splits)]
    if bad:
        notes.append(bad_files_note(bad))
    return {
        "classes": source.classes,
        "names": names,
        "targets": targets.tolist(),
        "splits": {part: indices.tolist() for part, indices in splits.items()},
        "digest": stamp_of([source.classes, targets.tolist(), part_of.tolist(), digests]),
        "skipped": len(bad),
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
                    f"class {name} of {source.name} has only {len(own)} readable images, "
                    f"none for {part}; add some"
                )
    return {part: np.flatnonzero(assigned == part) for part in PARTS}


def channel_statistics(
    path: Path, image_size: int, indices: list[int]
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over some images, of values from 0 to 1."""
    total = np.zeros(3, dtype=np.int64)  # integers: exact in any order
    squares = np.zeros(3, dtype=np.int64)
    wanted = np.zeros(path.stat().st_size // (image_size * image_size * 3), dtype=bool)
    wanted[indices] = True
    with path.open("rb") as file:  # read, not mapped: mapped pages would count as memory
        for start in range(0, len(wanted), BLOCK):
            block = np.fromfile(file, np.uint8, BLOCK * image_size * image_size * 3)
            block = block.reshape(-1, image_size * image_size, 3)[wanted[start : start + BLOCK]]
            values = block.astype(np.uint32)
            total += values.sum((0, 1), dtype=np.int64)
            squares += (values * values).sum((0, 1), dtype=np.int64)
    count = len(indices) * image_size * image_size
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean * mean, 1.0))  # one grey level at least
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
