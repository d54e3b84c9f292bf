"""Image files into pixels: every kind that Pillow reads, and what is wrong with the rest.

pixels = decode_or_reason("cat.jpg", image_size=64)   # or, as text, why there are none
decoded = decode_into(Path("images"), items, image_size=64)   # all of a set, into one file
"""

import contextlib
import logging
import os
import stat
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from console.cores import usable_cores
from console.errors import InputError
from console.progress import Progress
from images.folders import Item
from images.values import (
    FLOAT,
    UPPER,
    WHOLE,
    Extent,
    Picture,
    Scales,
    narrow_warnings,
    scale_notes,
    scaled,
    scales_of,
)

NAMED_FILES = 20  # bad files named in a message; the rest is a count
BLOCK = 512  # images decoded before they are written: what bounds the memory
ORIENTATION, BITS, COLOURS, SAMPLE_FORMAT = 0x0112, 258, 262, 339  # tags of TIFF and Exif
UNSIGNED, SIGNED = (1,), (2,)  # values of SAMPLE_FORMAT
WHITE_IS_ZERO = 0  # a value of COLOURS
SEVERAL = ("TIFF", "GIF", "MPO", "PNG", "WEBP", "AVIF")  # kinds that hold stacks or films


def decode_or_reason(picture: str | np.ndarray, image_size: int) -> Picture | str:
    """Decode a file, or resize uint8 (H, W, 3); where that fails, what is wrong with it."""
    try:
        with open_picture(picture) as image:
            return decode(image, image_size)
    except UnidentifiedImageError:
        is_empty = isinstance(picture, str) and os.stat(picture).st_size == 0
        return "empty file" if is_empty else "not an image"
    except Exception as error:  # Pillow raises almost anything on broken files
        if is_fault_of_ours(error):
            raise
        return str(error) or type(error).__name__


def is_fault_of_ours(error: Exception) -> bool:
    """Whether this room's own code went wrong, say with another Pillow, and not a picture."""
    if not isinstance(error, (AttributeError, NameError)):
        return False
    *_, innermost = traceback.extract_tb(error.__traceback__)
    return Path(innermost.filename).parent == Path(__file__).parent


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep Pillow's warnings off the screen: what it cannot read is listed."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_picture(picture: str | np.ndarray) -> Image.Image:
    """Open a file, or uint8 (H, W, 3); OSError for a pipe, which could make us wait for ever."""
    if not isinstance(picture, str):
        return Image.fromarray(picture)
    if not stat.S_ISREG(os.stat(picture).st_mode):
        raise OSError("a pipe or device, not a file")
    return Image.open(picture)


def decode(image: Image.Image, image_size: int) -> Picture:
    """Bring an opened image to the size wanted; any Pillow error if broken.

    JPEGs are decoded at the smallest of their scales that is not below the size wanted.
    Pictures are turned upright and squeezed to a square, transparency becomes white, of several
    pictures in a file the first counts.
    """
    image.draft(None, (image_size, image_size))
    is_upper = keeps_upper_bits(image)  # before it is loaded
    image.load()
    if image.mode.startswith("I") or image.mode == "F" or is_signed(image):
        return decode_deep(image, image_size)
    coloured = in_colour(image)
    values = resized(coloured, image, image_size)
    if is_upper:
        highest = int(np.asarray(coloured).max())  # before it was resized
        extent = Extent(UPPER, 0, highest, is_whole=True)
        return Picture(values.astype(np.float32), extent, frames_in(image))
    return Picture(values, in_file=frames_in(image))


def frames_in(image: Image.Image) -> int:
    """How many pictures a decoded image's file holds; 1 where that cannot be read."""
    if image.format not in SEVERAL:  # the frames of a PSD are layers of one picture
        return 1
    with contextlib.suppress(Exception):  # Pillow raises almost anything on broken files
        return max(1, getattr(image, "n_frames", 1))
    return 1


def in_colour(image: Image.Image) -> Image.Image:
    """An image in RGB, with white where it is transparent."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode == "RGB":  # a copy of it takes time
        return image
    return image.convert("RGB")


def resized(converted: Image.Image, image: Image.Image, image_size: int) -> np.ndarray:
    """Turn what an image was converted to upright, as its Exif says, and resize it."""
    orientation = image.getexif().get(ORIENTATION, 1)
    if orientation != 1:
        converted.getexif()[ORIENTATION] = orientation
        converted = ImageOps.exif_transpose(converted)
    shape = (image_size, image_size)
    if converted.size != shape:
        converted = converted.resize(shape, Image.Resampling.BILINEAR)
    return np.asarray(converted)


# --- more than 8 bits ------------------------------------------------------------------------


def is_signed(image: Image.Image) -> bool:
    """Whether 8 bits are signed, which Pillow reads as if they were not."""
    return image.mode == "L" and tag(image, SAMPLE_FORMAT) == SIGNED


def keeps_upper_bits(image: Image.Image) -> bool:
    """Whether Pillow reads but the upper 8 of 16 bits a colour; asked before it is loaded."""
    if not isinstance(image, ImageFile) or image.format not in ("PNG", "TIFF", "SGI"):
        return False
    if image.mode.startswith("I"):
        return False
    return any(";16" in str(tile[3]) for tile in image.tile)


def decode_deep(image: Image.Image, image_size: int) -> Picture:
    """Bring a grey image of more than 8 bits to the size wanted, its values as they are.

    ValueError if some are no numbers.
    """
    values = np.asarray(image)
    if is_signed(image):
        values = values.view(np.int8)
    elif image.mode == "I" and is_unsigned_32(image):
        values = values.view(np.uint32)
    extent = extent_of(values, white_is_zero=tag(image, COLOURS) == WHITE_IS_ZERO)
    floats = Image.fromarray(values.astype(np.float32))
    grey = resized(floats, image, image_size)[..., None]
    values = np.broadcast_to(grey, (image_size, image_size, 3))
    return Picture(values, extent, frames_in(image))


def extent_of(values: np.ndarray, white_is_zero: bool) -> Extent:
    """Kind and range of an image's values; ValueError if some are no numbers."""
    low = float(values.min())
    high = float(values.max())
    if not np.isfinite(low + high):
        raise ValueError("values that are no numbers (NaN or infinite)")
    if values.dtype.kind != "f":
        return Extent(WHOLE, low, high, True, white_is_zero)
    is_whole = bool((values == np.floor(values)).all())
    return Extent(FLOAT, low, high, is_whole, white_is_zero)


def is_unsigned_32(image: Image.Image) -> bool:
    """Whether an image has 32 bits without sign, which Pillow reads as if they had one."""
    return tag(image, BITS) == (32,) and tag(image, SAMPLE_FORMAT) in (UNSIGNED, None)


def tag(image: Image.Image, number: int) -> object:
    """The value of a TIFF file's tag; None if there is none."""
    return getattr(image, "tag_v2", {}).get(number)


# --- all of a set ----------------------------------------------------------------------------


class Decoded(NamedTuple):
    """What a file of images holds: its items, and the scales of values of more than 8 bits.

    `notes` and `warnings` are what is to be said.
    """

    items: list[Item]
    scales: Scales
    notes: list[str]
    warnings: list[str]


def decode_into(
    path: Path, items: list[Item], image_size: int, skip_bad: bool, known: Scales | None = None
) -> Decoded:
    """Decode items on all cores into one file of uint8 (H, W, 3) images, one after another.

    Memory holds one block of images, however many there are. InputError if some cannot be read
    and `skip_bad` is false, or if values of more than 8 bits fit no rule; `known` are scales that
    hold for them in any case.
    """
    good: list[Item] = []
    bad: list[str] = []
    extents: dict[int, Extent] = {}
    several: list[int] = []
    with path.open("wb") as file, tempfile.TemporaryFile(dir=path.parent) as unscaled:
        for item, picture in decoded(items, image_size):
            if isinstance(picture, str):
                bad.append(f"{item.name} ({picture})")
                continue
            pixels = picture.values
            if picture.extent:
                extents[len(good)] = picture.extent
                unscaled.write(pixels.tobytes())
                pixels = np.zeros(pixels.shape, np.uint8)  # until the scale is known
            file.write(pixels.data)
            good.append(item)
            if picture.in_file > 1:
                several.append(picture.in_file)
        warnings = left_out(bad, skip_bad)
        by_name = {good[number].name: extent for number, extent in extents.items()}
        scales = scales_of(by_name, known)
        grey_levels = scale_into(file, unscaled, extents, scales, image_size)
    notes = scale_notes(by_name, scales)
    if several:
        files = "1 file holds" if len(several) == 1 else f"{len(several)} files hold"
        notes.append(f"{files} {sum(several)} pictures; the first of each is read")
    return Decoded(good, scales, notes, warnings + narrow_warnings(grey_levels, by_name, scales))


def decoded(items: list[Item], image_size: int) -> Iterator[tuple[Item, Picture | str]]:
    """Decode items on all cores and give them in their order, with pixels or what is wrong."""
    progress = Progress()
    decode = partial(decode_or_reason, image_size=image_size)
    with ThreadPoolExecutor(usable_cores()) as pool, silence():
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            pictures = pool.map(decode, [item.image for item in block])
            yield from zip(block, pictures, strict=True)
            progress.show(f"decoding images: {start + len(block)} of {len(items)}")
    progress.clear()


def left_out(bad: list[str], may_skip: bool) -> list[str]:
    """Warn of images that are left out, the first of them named; InputError if none may be."""
    if not bad:
        return []
    names = ", ".join(bad[:NAMED_FILES])
    if len(bad) > NAMED_FILES:
        names += f" and {len(bad) - NAMED_FILES} more"
    unreadable = f"unreadable images ({len(bad)}): {names}"
    if not may_skip:
        remedy = "mend or remove them, or leave them out: --skip_bad_images"
        raise InputError(f"{unreadable}; {remedy}")
    return [f"left out {unreadable}"]


def scale_into(
    file: BinaryIO,
    unscaled: BinaryIO,
    extents: dict[int, Extent],
    scales: Scales,
    image_size: int,
) -> dict[str, np.ndarray]:
    """Put pictures of more than 8 bits, by number, in their places among decoded images.

    Returns how often each of 256 grey levels occurs, by kind of values.
    """
    shape = (image_size, image_size, 3)
    count = image_size * image_size * 3
    grey_levels: dict[str, np.ndarray] = {}
    unscaled.seek(0)
    for number, extent in extents.items():
        values = np.frombuffer(unscaled.read(4 * count), np.float32).reshape(shape)
        pixels = scaled(values, extent, scales)
        counts = np.bincount(pixels.ravel(), minlength=256)
        grey_levels[extent.kind] = grey_levels.get(extent.kind, 0) + counts
        file.seek(number * count)
        file.write(pixels.data)
    return grey_levels
