"""Image files into pixels: every kind that Pillow reads, and what is wrong with the rest.

pixels = decode_or_reason("cat.jpg", image_size=64)   # or, as text, why there are none
"""

import contextlib
import logging
import os
import stat
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from console.errors import InputError
from images.jpeg import ends_early
from images.values import FLOAT, UPPER, WHOLE, Deep, Extent

NAMED_FILES = 20  # bad files named in a message; the rest is a count
HUGE = 2**25  # pixels of a picture that is shrunk strip by strip: 128 MB as Pillow keeps them
AT_ONCE = 2**26  # pixels of all the pictures that are decoded at once
FEW = 64  # a picture of less than this part of AT_ONCE does not wait
STRIP = 2**22  # pixels of a strip
START_OF_JPEG = b"\xff\xd8"
ORIENTATION, BITS, COLOURS, SAMPLE_FORMAT = 0x0112, 258, 262, 339  # tags of TIFF and Exif
UNSIGNED, SIGNED = (1,), (2,)  # values of SAMPLE_FORMAT
WHITE_IS_ZERO = 0  # a value of COLOURS
Convert = Callable[[Image.Image], Image.Image]


class PixelBudget:
    """Lets pictures be decoded at once while they are small together, a huge one alone."""

    def __init__(self, pixels: int) -> None:
        self.all = pixels
        self.free = pixels
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def share(self, pixels: int) -> Iterator[None]:
        """Wait until so many pixels are free, and take them for the block; a few need not wait."""
        if pixels < self.all // FEW:
            yield
            return
        taken = min(pixels, self.all)
        with self.changed:
            self.changed.wait_for(lambda: self.free >= taken)
            self.free -= taken
        try:
            yield
        finally:
            with self.changed:
                self.free += taken
                self.changed.notify_all()


BUDGET = PixelBudget(AT_ONCE)


def decode_or_reason(picture: str | np.ndarray, image_size: int) -> np.ndarray | Deep | str:
    """Decode a file, or resize uint8 (H, W, 3): uint8 (image_size, image_size, 3).

    Pictures of more than 8 bits come as values that are still to be scaled. Where a file
    cannot be decoded, what is wrong with it.
    """
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
    logger = logging.getLogger("PIL")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def open_picture(picture: str | np.ndarray) -> Image.Image:
    """Open a file, or uint8 (H, W, 3)."""
    if isinstance(picture, str):
        return open_file(picture)
    return Image.fromarray(picture)


def open_file(path: str) -> Image.Image:
    """Open a file; OSError if it is none, such as a pipe, from which reading could wait for ever.

    A JPEG that is too large for Pillow is opened too, since a reduced one will be decoded;
    but not a progressive one, which is in memory whole.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("a pipe or device, not a file")
    try:
        return Image.open(path)
    except Image.DecompressionBombError:
        with Path(path).open("rb") as file:
            if file.read(2) != START_OF_JPEG:
                raise
        image = JpegImageFile(path)
        if image.info.get("progressive"):
            image.close()
            raise
        return image


def decode(image: Image.Image, image_size: int) -> np.ndarray | Deep:
    """Bring an opened image to uint8 (image_size, image_size, 3); any Pillow error if broken.

    JPEGs are decoded at the smallest of their scales that is not below the size wanted.
    Pictures are turned upright, transparency becomes white, of several frames the first counts.
    """
    image.draft(None, (image_size, image_size))
    pixels = image.width * image.height
    most = 2 * (Image.MAX_IMAGE_PIXELS or pixels)
    if pixels > most:
        raise OSError(f"{pixels:,} pixels to be decoded, more than {most:,}")
    is_upper = keeps_upper_bits(image)  # before it is loaded
    with BUDGET.share(pixels):
        image.load()
        if isinstance(image, JpegImageFile) and ends_early(image, image_size):
            raise OSError("cut short: data are missing before its end marker")
        if is_deep(image):
            return decode_deep(image, image_size)
        small = converted(image, image_size, in_colour)
    values = resized(small, image, image_size)
    if is_upper:
        highest = int(np.asarray(small).max())  # before it was resized
        extent = Extent(UPPER, 0, highest, is_whole=True)
        return Deep(values.astype(np.float32), extent)
    return values


def converted(image: Image.Image, image_size: int, convert: Convert) -> Image.Image:
    """Convert an image; a huge one strip by strip, each made smaller at once."""
    factor = min(image.size) // (2 * image_size)
    if image.width * image.height <= HUGE or factor < 2:
        return convert(image)
    rows = factor * max(1, STRIP // (image.width * factor))
    strips = []
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        strip = image.crop((0, top, image.width, bottom))
        strips.append(convert(strip).reduce(factor))
    return stacked(strips)


def stacked(strips: list[Image.Image]) -> Image.Image:
    """Strips of an image, one below the other."""
    height = sum(strip.height for strip in strips)
    whole = Image.new(strips[0].mode, (strips[0].width, height))
    top = 0
    for strip in strips:
        whole.paste(strip, (0, top))
        top += strip.height
    return whole


def in_colour(image: Image.Image) -> Image.Image:
    """An image in RGB, with white where it is transparent."""
    if is_transparent(image):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode == "RGB":  # a copy of it takes time
        return image
    return image.convert("RGB")


def is_transparent(image: Image.Image) -> bool:
    """Whether an image has an alpha channel, a palette with one, or a transparent colour."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return True
    return image.palette is not None and image.palette.mode.endswith("A")


def resized(small: Image.Image, image: Image.Image, image_size: int) -> np.ndarray:
    """Turn a converted image upright, as Exif says, and resize it."""
    orientation = image.getexif().get(ORIENTATION, 1)
    if orientation != 1:
        small.getexif()[ORIENTATION] = orientation
        small = ImageOps.exif_transpose(small)
    shape = (image_size, image_size)
    if small.size != shape:
        small = small.resize(shape, Image.Resampling.BILINEAR)
    return np.asarray(small)


# --- more than 8 bits ------------------------------------------------------------------------


def is_deep(image: Image.Image) -> bool:
    """Whether an image's values are not 0 to 255."""
    return image.mode.startswith("I") or image.mode == "F" or is_signed(image)


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


def decode_deep(image: Image.Image, image_size: int) -> Deep:
    """Bring a grey image of more than 8 bits to the size wanted, its values as they are.

    ValueError if some are no numbers.
    """
    extents = []
    white_is_zero = tag(image, COLOURS) == WHITE_IS_ZERO

    def as_floats(strip: Image.Image) -> Image.Image:
        values = np.asarray(strip)
        if is_signed(image):
            values = values.view(np.int8)
        elif image.mode == "I" and is_unsigned_32(image):
            values = values.view(np.uint32)
        extents.append(extent_of(values, white_is_zero))
        return Image.fromarray(values.astype(np.float32))

    small = converted(image, image_size, as_floats)
    grey = resized(small, image, image_size)[..., None]
    values = np.broadcast_to(grey, (image_size, image_size, 3))
    return Deep(values, extent_of_all(extents))


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


def extent_of_all(strips: list[Extent]) -> Extent:
    """Kind and range of an image from those of its strips."""
    return strips[0]._replace(
        low=min(strip.low for strip in strips),
        high=max(strip.high for strip in strips),
        is_whole=all(strip.is_whole for strip in strips),
    )


def is_unsigned_32(image: Image.Image) -> bool:
    """Whether an image has 32 bits without sign, which Pillow reads as if they had one."""
    return tag(image, BITS) == (32,) and tag(image, SAMPLE_FORMAT) in (UNSIGNED, None)


def tag(image: Image.Image, number: int) -> object:
    """The value of a TIFF file's tag; None if there is none."""
    return getattr(image, "tag_v2", {}).get(number)


# --- what cannot be read ---------------------------------------------------------------------


def left_out(bad: list[str], skip: bool) -> list[str]:
    """Warn of images that are left out, the first of them named; InputError if none may be."""
    if not bad:
        return []
    names = ", ".join(bad[:NAMED_FILES])
    if len(bad) > NAMED_FILES:
        names += f" and {len(bad) - NAMED_FILES} more"
    unreadable = f"unreadable images ({len(bad)}): {names}"
    if not skip:
        remedy = "mend or remove them, or leave them out: --skip_bad_images"
        raise InputError(f"{unreadable}; {remedy}")
    return [f"left out {unreadable}"]
