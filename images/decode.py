"""Image files into pixels: every common kind, and what is wrong with the rest.

pixels = decode_or_reason("cat.jpg", image_size=64)   # or, as text, why there are none
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from console.errors import InputError

NAMED_FILES = 20  # bad files named in a message; the rest is a count


def decode_or_reason(picture: str | np.ndarray, image_size: int) -> np.ndarray | str:
    """Decode a file, or resize uint8 (H, W, 3): uint8 (image_size, image_size, 3).

    Where it cannot be decoded, what is wrong with it.
    """
    try:
        read = Image.open if isinstance(picture, str) else Image.fromarray
        with read(picture) as image:
            return decode(image, image_size)
    except UnidentifiedImageError:
        return "not an image" if Path(picture).stat().st_size else "empty file"
    except Exception as error:  # Pillow raises almost anything on broken files
        return str(error) or type(error).__name__


def decode(image: Image.Image, image_size: int) -> np.ndarray:
    """Bring an opened image to uint8 (image_size, image_size, 3); any Pillow error if broken.

    JPEGs are decoded at the smallest of their scales that is not below the size wanted.
    Pictures are turned upright, transparency becomes white, of several frames the first counts.
    """
    shape = (image_size, image_size)
    image.draft(None, shape)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits: convert() would clip instead of scale
        image = Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB").resize(shape, Image.Resampling.BILINEAR))


def left_out(bad: list[str], skip: bool) -> list[str]:
    """Warn of images that are left out, the first of them named; InputError if none may be."""
    if not bad:
        return []
    more = f" and {len(bad) - NAMED_FILES} more" if len(bad) > NAMED_FILES else ""
    unreadable = f"unreadable images ({len(bad)}): {', '.join(bad[:NAMED_FILES])}{more}"
    if not skip:
        raise InputError(f"{unreadable}; mend or remove them, or leave them out: --skip_bad_images")
    return [f"left out {unreadable}"]
