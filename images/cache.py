"""Decoded images on disk: made once, complete or not there, mapped into memory by every run.

    cached = open_or_decode(open_source("photos"), 64, skip_bad_images=False, group=False)
    cached.images                        # uint8 (N, 64, 64, 3)

They lie in $XDG_CACHE_HOME/cnn_experiments (~/.cache by default) and can be deleted at any time.
"""

import mmap
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from console.errors import InputError
from images.decode import decode_into
from images.folders import Source
from images.index import make_index
from records.files import (
    Damaged,
    digest_of,
    file_digest,
    read_record,
    remove_abandoned,
    replacing,
    write_record,
)
from records.places import cache_folder

INDEX = "index.json"  # is written last: with it the images are whole


class Cached(NamedTuple):
    """Decoded images, mapped: uint8 (N, H, W, 3), and what is known of them beside their pixels."""

    folder: Path
    images: np.ndarray
    values: dict[str, Any]


def folder_for(source: Source, image_size: int, skip_bad_images: bool, group: bool) -> Path:
    """Where a source's images lie decoded: another place whenever they or the decoding change."""
    decided_by = [source.name, source.stamp, image_size, skip_bad_images, group, PIL.__version__]
    decided_by += map(file_digest, sorted(Path(__file__).parent.glob("*.py")))
    return cache_folder() / digest_of(decided_by)[:32]


def open_or_decode(source: Source, image_size: int, skip_bad_images: bool, group: bool) -> Cached:
    """Open a source's images, decoding them only if no earlier run has.

    InputError if images are broken and `skip_bad_images` is false; OSError if the cache cannot
    be written.
    """
    folder = folder_for(source, image_size, skip_bad_images, group)
    try:
        cached = open_cache(folder, image_size)
        if cached is None:
            build_cache(folder, source, image_size, skip_bad_images, group)
            cached = read_cache(folder, image_size)
    except Damaged as error:  # just after it was written
        remedy = "check the disk, or name another folder: XDG_CACHE_HOME"
        raise InputError(f"{folder} (decoded images): {error}; {remedy}") from None
    except OSError as error:
        error.filename = f"{folder.parent} (decoded images; or set XDG_CACHE_HOME)"
        raise
    return cached


def open_cache(folder: Path, image_size: int) -> Cached | None:
    """Images that an earlier run has decoded; None if there are none, or, told, damaged ones."""
    if not (folder / INDEX).exists():
        return None
    try:
        return read_cache(folder, image_size)
    except (Damaged, FileNotFoundError, PermissionError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():  # another user made it
            remedy = "have its owner make it readable, or name a folder of your own: XDG_CACHE_HOME"
            raise InputError(f"{folder} (decoded images) cannot be read; {remedy}") from None
        note = f"decoding again, since decoded images are damaged: {folder} ({error})"
        print(note, file=sys.stderr)
    return None


def read_cache(folder: Path, image_size: int) -> Cached:
    """Decoded images as they were written; Damaged or OSError if they are not."""
    values = read_record(folder / INDEX)
    if file_digest(folder / "images") != values.pop("pixels"):
        raise Damaged("its pixels are not as they were written")
    images = open_images(folder / "images", len(values["names"]), image_size)
    return Cached(folder, images, values)


def open_images(path: Path, count: int, image_size: int) -> np.ndarray:
    """Map decoded images into memory: uint8 (N, H, W, 3)."""
    shape = (count, image_size, image_size, 3)
    if count == 0:  # there is no mapping of nothing
        return np.empty(shape, np.uint8)
    # Read-only: a mapping that could be written to is refused if it is larger than memory.
    images = np.memmap(path, np.uint8, "r", shape=shape)
    if isinstance(images.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        images.base.madvise(mmap.MADV_RANDOM)  # reading ahead drops pages where memory is short
    return images


def build_cache(
    folder: Path, source: Source, image_size: int, skip_bad_images: bool, group: bool
) -> None:
    """Decode and split a source's images, for this and every later run; the index comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent.iterdir())
    with replacing(folder / "images") as unfinished:
        decoded = decode_into(unfinished, source.items(), image_size, skip_bad_images)
        images = open_images(unfinished, len(decoded.items), image_size)
        index = make_index(source, decoded, images, group)
        index["pixels"] = file_digest(unfinished)
    write_record(folder / INDEX, index)
