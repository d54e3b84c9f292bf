"""Decoded images on disk: made once, complete or not there, mapped into memory by every run.

    with building(folder) as work:
        decoded = decode_into(work / "images", source.items(), image_size=64)

They lie in $XDG_CACHE_HOME/cnn_experiments (~/.cache by default) and can be deleted at any time.
"""

import contextlib
import hashlib
import mmap
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from console.progress import Progress
from images.decode import decode_or_reason
from images.folders import Item

BLOCK = 512  # images decoded before they are written: what bounds the memory
ABANDONED_SECONDS = 600  # a cache that has not grown for so long was left by a kill


def cache_folder() -> Path:
    """The folder of all decoded images."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cnn_experiments"


def open_images(path: Path, count: int, image_size: int) -> np.ndarray | None:
    """Map decoded images into memory, uint8 (N, H, W, 3); None if they are not all there."""
    try:
        # Read-only: a mapping that could be written to is refused if it is larger than memory.
        images = np.memmap(path, np.uint8, "r", shape=(count, image_size, image_size, 3))
    except (FileNotFoundError, ValueError):
        return None
    if hasattr(mmap, "MADV_RANDOM"):
        images.base.madvise(mmap.MADV_RANDOM)  # reading ahead drops pages where memory is short
    return images


@contextlib.contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Give a folder to fill; it becomes `folder` if the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(".building-*"):
        with contextlib.suppress(OSError):  # it may just have become a cache
            grown = max(path.stat().st_mtime for path in (old, *old.iterdir()))
            if time.time() - grown > ABANDONED_SECONDS:
                shutil.rmtree(old)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        yield work
        with contextlib.suppress(OSError):  # another program was faster
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


class Decoded(NamedTuple):
    """What is known of decoded images beside their pixels.

    The items that could be decoded, the digests of their files' bytes, (name, reason) of those
    that could not, and the digest of all pixels.
    """

    items: list[Item]
    digests: list[str]
    bad: list[tuple[str, str]]
    digest: str


def decode_into(path: Path, items: list[Item], image_size: int) -> Decoded:
    """Decode items on all cores into one file of uint8 (H, W, 3) images, one after another.

    Memory holds one block of images, however many there are.
    """
    good, digests, bad, all_pixels = [], [], [], hashlib.sha256()
    progress, decode = Progress(), partial(decode_or_reason, image_size=image_size)
    silence, pool = warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count())
    with path.open("wb") as file, pool, silence:
        warnings.simplefilter("ignore")  # Pillow's: what it cannot read is listed
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            for item, (pixels, note) in zip(block, pool.map(decode, block), strict=True):
                if pixels is None:
                    bad.append((item.name, note))
                else:
                    file.write(pixels)
                    all_pixels.update(pixels)
                    good.append(item)
                    digests.append(note)
            progress.show(f"decoding images: {start + len(block)} of {len(items)}")
        file.flush()
        os.fsync(file.fileno())
    progress.clear()
    return Decoded(good, digests, bad, all_pixels.hexdigest())
