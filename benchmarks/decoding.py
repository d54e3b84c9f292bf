"""Reading folders: time beside Pillow in a loop.

    python benchmarks/decoding.py --data FOLDER [--image_size 64] [--rounds 3]

The two ways take turns.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from measure import alternate, print_machine, print_ratios
from PIL import Image
from sources import open_source

from dataset import decode_into


def pillow_loop(paths: list[Path], image_size: int) -> np.ndarray:
    """Open and resize one after another."""
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB").resize((image_size, image_size))))
    return np.stack(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print_machine()
    items = open_source(options.data, Path("data")).items()
    paths = [item.content for item in items]
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "Pillow in one loop": lambda: pillow_loop(paths, options.image_size),
            "dataset.py": lambda: decode_into(Path(folder) / "images", items, options.image_size),
        }
        title = f"{len(paths)} images at {options.image_size} pixels"
        print_ratios(title, alternate(ways, options.rounds))


if __name__ == "__main__":
    main()
