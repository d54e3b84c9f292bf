"""Decoded images on disk: made once, complete or not there, mapped into memory by every run.

    with building(folder) as work:
        good, bad = decode_into(work / "images", source.items(), image_size=64)

They lie in $XDG_CACHE_HOME/cnn_experiments (~/.cache by default) and can be deleted at any time.
"""

import contextlib
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

import numpy as np

from console.cores import usable_cores
from console.progress import Progress
from images.decode import decode_or_reason
from images.folders import Item

BLOCK = 512  # images decoded before they are written: what bounds the memory
ABANDONED_SECONDS = 86400  # no decoding takes a day: such a folder was left by a kill


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
            if time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(old)
    holder = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    work = holder / "decoded"  # readable as the user's other files are, which mkdtemp's are not
    work.mkdir()
    try:
        yield work
        with contextlib.suppress(OSError):  # another program was faster
            work.rename(folder)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def decode_into(path: Path, items: list[Item], image_size: int) -> tuple[list[Item], list[str]]:
    """Decode items on all cores into one file of uint8 (H, W, 3) images, one after another.

    Returns the items in that file, and those that could not be decoded as "name (reason)".
    Memory holds one block of images, however many there are.
    """
    good, bad, progress = [], [], Progress()
    decode = partial(decode_or_reason, image_size=image_size)
    silence, pool = warnings.catch_warnings(), ThreadPoolExecutor(usable_cores())
    with path.open("wb") as file, pool, silence:
        warnings.simplefilter("ignore")  # Pillow's: what it cannot read is listed
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            decoded = pool.map(decode, [item.image for item in block])
            for item, pixels in zip(block, decoded, strict=True):
                if isinstance(pixels, str):
                    bad.append(f"{item.name} ({pixels})")
                else:
                    file.write(pixels)
                    good.append(item)
            progress.show(f"decoding images: {start + len(block)} of {len(items)}")
        file.flush()
        os.fsync(file.fileno())
    progress.clear()
    return good, bad
