"""Image files into pixels: every common kind, and what is wrong with the rest.

pixels, note = decode_or_reason(item, image_size=64)
"""

import hashlib
import io
import textwrap

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from images.folders import Item

NAMED_FILES = 20  # bad files named in a message; the rest is a count


def decode_or_reason(item: Item, image_size: int) -> tuple[np.ndarray | None, str]:
    """Decode one item: uint8 (image_size, image_size, 3) and the digest of its bytes.

    None and what is wrong where it cannot be decoded.
    """
    try:
        if isinstance(item.image, np.ndarray):
            encoded = item.image.tobytes()
            pixels = resized(Image.fromarray(item.image), image_size)
        else:
            encoded = item.image.read_bytes()
            pixels = decode(encoded, image_size) if encoded else None
        digest = hashlib.blake2b(encoded, digest_size=16).hexdigest()
        return pixels, digest if encoded else "empty file"
    except UnidentifiedImageError:
        return None, "not an image"
    except Exception as error:  # Pillow raises almost anything on broken files
        return None, textwrap.shorten(str(error), 100, placeholder=" …") or type(error).__name__


def decode(encoded: bytes, image_size: int) -> np.ndarray:
    """Decode an image file into uint8 (image_size, image_size, 3); any Pillow error if broken.

    JPEGs are decoded at the smallest of their scales that is not below the size wanted.
    Pictures are turned upright, transparency becomes white, of several frames the first counts.
    """
    with Image.open(io.BytesIO(encoded)) as image:
        image.draft(None, (image_size, image_size))
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits: convert() would clip instead of scale
            image = Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
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
