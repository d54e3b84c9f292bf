"""Decoded images on disk: made once, complete or not there, mapped into memory by every run.

    with building(folder) as unfinished:
        decoded = decode_into(unfinished / "images", source.items(), image_size=64)

They lie in $XDG_CACHE_HOME/cnn_experiments (~/.cache by default) and can be deleted at any time.
"""

import contextlib
import ctypes
import functools
import mmap
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from console.cores import usable_cores
from console.errors import InputError
from console.progress import Progress
from images.decode import decode_or_reason, silence
from images.folders import Item
from images.values import Deep, Extent, Scales, scale_notes, scales_of, to_bytes

BLOCK = 512  # images decoded before they are written: what bounds the memory
ABANDONED_SECONDS = 86400  # no decoding takes a day: such a folder was left by a kill


class Decoded(NamedTuple):
    """What a file of images holds: its items, and those that are not in it, with the reason.

    `scales` is that of values of more than 8 bits, `notes` says how they were scaled.
    """

    items: list[Item]
    bad: list[str]
    scales: Scales
    notes: list[str]


def cache_folder() -> Path:
    """The folder of all decoded images; InputError if nothing tells where it is to be."""
    caches = os.environ.get("XDG_CACHE_HOME", "")
    if not caches:
        try:
            caches = str(Path.home() / ".cache")
        except RuntimeError:  # a container's user, who is in no list
            why = "you have no home folder here to keep decoded images in"
            raise InputError(f"{why}; set XDG_CACHE_HOME to a folder for them") from None
    return Path(caches, "cnn_experiments")


def open_images(path: Path, count: int, image_size: int) -> np.ndarray | None:
    """Map decoded images into memory, uint8 (N, H, W, 3); None if they are not all there."""
    try:
        # Read-only: a mapping that could be written to is refused if it is larger than memory.
        images = np.memmap(path, np.uint8, "r", shape=(count, image_size, image_size, 3))
    except (FileNotFoundError, ValueError):
        return None
    end_where_pages_are_lost()
    if isinstance(images.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        images.base.madvise(mmap.MADV_RANDOM)  # reading ahead drops pages where memory is short
    return images


@functools.cache  # the system keeps only its address
def end_where_pages_are_lost() -> Callable[[int], None]:
    """Have a mapped file that is cut short end the program in one line, not in SIGBUS alone.

    Handlers of the signal module would never run: Python calls them between its own steps, and
    the read that fails is tried again for ever.
    """

    def end(_: int) -> None:
        remedy = b"run the same command again, which decodes them again"
        os.write(2, b"error: decoded images were cut short while they were in use; " + remedy)
        os.write(2, b"\n")
        os._exit(2)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
    ctypes.CDLL(None).signal(signal.SIGBUS, handler)
    return handler


@contextlib.contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Give a folder to fill; it becomes `folder` if the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent)
    holder = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    unfinished = holder / "decoded"
    unfinished.mkdir()  # readable as the user's other files are, which mkdtemp's are not
    try:
        yield unfinished
        with contextlib.suppress(OSError):  # another program was faster
            unfinished.rename(folder)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed programs had begun to decode."""
    for old in folder.glob(".building-*"):
        with contextlib.suppress(OSError):  # it may just have become a cache
            if time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(old)


def decode_into(path: Path, items: list[Item], image_size: int) -> Decoded:
    """Decode items on all cores into one file of uint8 (H, W, 3) images, one after another.

    Memory holds one block of images, however many there are. InputError if values of more than
    8 bits fit no rule.
    """
    good: list[Item] = []
    bad: list[str] = []
    extents: dict[int, Extent] = {}
    with path.open("wb") as file, tempfile.TemporaryFile(dir=path.parent) as unscaled:
        for item, pixels in decoded(items, image_size):
            if isinstance(pixels, str):
                bad.append(f"{item.name} ({pixels})")
                continue
            if isinstance(pixels, Deep):
                extents[len(good)] = pixels.extent
                unscaled.write(pixels.values.tobytes())
                pixels = np.zeros(pixels.values.shape, np.uint8)  # until the scale is known
            file.write(pixels.data)
            good.append(item)
        by_name = {good[number].name: extent for number, extent in extents.items()}
        scales = scales_of(by_name)
        scale_into(file, unscaled, extents, scales, image_size)
        file.flush()
        os.fsync(file.fileno())
    return Decoded(good, bad, scales, scale_notes(by_name, scales))


def decoded(items: list[Item], image_size: int) -> Iterator[tuple[Item, np.ndarray | Deep | str]]:
    """Decode items on all cores and give them in their order, with pixels or what is wrong."""
    progress = Progress()
    decode = partial(decode_or_reason, image_size=image_size)
    with ThreadPoolExecutor(usable_cores()) as pool, silence():
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            pixels = pool.map(decode, [item.image for item in block])
            yield from zip(block, pixels, strict=True)
            progress.show(f"decoding images: {start + len(block)} of {len(items)}")
    progress.clear()


def scale_into(
    file: BinaryIO,
    unscaled: BinaryIO,
    extents: dict[int, Extent],
    scales: Scales,
    image_size: int,
) -> None:
    """Put pictures of more than 8 bits, by number, in their places among decoded images."""
    shape = (image_size, image_size, 3)
    count = image_size * image_size * 3
    unscaled.seek(0)
    for number, extent in extents.items():
        values = np.frombuffer(unscaled.read(4 * count), np.float32).reshape(shape)
        file.seek(number * count)
        file.write(to_bytes(Deep(values, extent), scales).data)
