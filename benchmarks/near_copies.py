"""Near-copies: how many of changed pictures are found, and what is said to look alike.

    python benchmarks/near_copies.py --data FOLDER [--image_size 64] [--count 150]

Prints all pairs of the folder's images that the program says to look alike (look at them: which
are false alarms?), the time, and how many of `count` pictures are found after a known change.
"""

import io
import time
from collections.abc import Callable

import numpy as np
from measure import image_files, parse, parser, print_machine
from PIL import Image

from dataset import load_data
from images.copies import near_copies
from images.decode import decode_or_reason, in_colour

Change = Callable[[Image.Image], Image.Image]


def encoded(quality: int) -> Change:
    """Write as a JPEG of this quality, and read again."""

    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return change


def halved(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


def cropped(image: Image.Image) -> Image.Image:
    x, y = image.width // 20, image.height // 20
    return image.crop((x, y, image.width - x, image.height - y))


CHANGES: dict[str, Change] = {
    "JPEG of quality 50": encoded(50),
    "JPEG of quality 20": encoded(20),
    "half the size": halved,
    "flipped": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 90 degrees": lambda image: image.rotate(90, expand=True),
    "turned by 10 degrees": lambda image: image.rotate(10),
    "a twentieth cut off each side": cropped,
}


def found(paths: list[str], change: Change, image_size: int) -> int:
    """How many pictures look like themselves after a change, or are equal."""
    count = 0
    for path in paths:
        with Image.open(path) as image:
            picture = in_colour(image)
            both = [np.asarray(picture), np.asarray(change(picture))]
        images = np.stack([np.asarray(decode_or_reason(pixels, image_size)) for pixels in both])
        count += np.array_equal(images[0], images[1]) or bool(near_copies(images))
    return count


def main() -> None:
    options = parse(parser(__doc__, image_size=64, count=150), count=4)
    print_machine()
    data = load_data(options.data, options.image_size)
    started = time.process_time()
    pairs = near_copies(data.images)
    seconds = time.process_time() - started
    print(f"{len(pairs)} pairs of {len(data.names)}, {seconds:.2f} s (CPU)")
    for first, second in pairs:
        print(f"  {data.names[first]} = {data.names[second]}")
    paths = image_files(options.data)
    paths = paths[:: max(1, len(paths) // options.count)][: options.count]
    print(f"found, of {len(paths)}:")
    for name, change in CHANGES.items():
        print(f"  {name:30} {found(paths, change, options.image_size):5}")


if __name__ == "__main__":
    main()
