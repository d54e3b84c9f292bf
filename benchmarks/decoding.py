"""Reading folders: time beside Pillow in a loop.

    python benchmarks/decoding.py --data FOLDER [--image_size 64] [--rounds 3]

The two ways take turns.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measure import image_files, parse, parser, print_machine, print_ratios, warmed_up
from PIL import Image

from images.cache import decode_into
from images.sources import open_source


def pillow_loop(paths: list[str], image_size: int) -> np.ndarray:
    """Open and resize one after another."""
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB").resize((image_size, image_size))))
    return np.stack(images)


def main() -> None:
    options = parse(parser(__doc__, image_size=64, rounds=3), rounds=1)
    print_machine()
    items = open_source(options.data).items()
    paths = image_files(options.data)
    with TemporaryDirectory() as folder:
        ways = {
            "Pillow in one loop": lambda: pillow_loop(paths, options.image_size),
            "images/cache.py": lambda: decode_into(
                Path(folder, "images"), items, options.image_size
            ),
        }
        title = f"{len(paths)} images at {options.image_size} pixels"
        print_ratios(title, warmed_up(ways, options.rounds))


if __name__ == "__main__":
    main()
