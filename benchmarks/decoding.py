"""Reading folders: time beside Pillow in a loop, and memory and time as a folder grows.

    python benchmarks/decoding.py --data FOLDER [--image_size 64] [--counts 2000 20000]

The larger folders are made by linking FOLDER's images again and again under other names.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import PROJECT, alternate, print_machine, print_ratios
from PIL import Image

from dataset import decode_into
from sources import open_source

CHILD = """
import sys, time
from dataset import load_data

def peak():  # of this program alone, which getrusage() mixes with that of its parent
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

started, before = time.perf_counter(), peak()
data = load_data(sys.argv[1], int(sys.argv[2]))
print(len(data.names), time.perf_counter() - started, before, peak())
"""


def pillow_loop(paths: list[Path], image_size: int) -> np.ndarray:
    """Open and resize one after another."""
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB").resize((image_size, image_size))))
    return np.stack(images)


def repeat(paths: list[Path], count: int, root: Path) -> None:
    """Two class folders of `count` links to the given images."""
    for number in range(count):
        folder = root / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        source = paths[number % len(paths)]
        try:
            os.link(source, folder / f"{number}{source.suffix}")
        except OSError:  # another file system
            shutil.copy(source, folder / f"{number}{source.suffix}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+", default=[2000, 20000])
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
    print("\nas a folder grows: images, seconds, microseconds an image, peak memory")
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            local = [Path(shutil.copy(path, Path(folder) / f"{i}{path.suffix}"))
                     for i, path in enumerate(paths[:500])]  # fmt: skip
            repeat(local, count, Path(folder) / "images")
            environment = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
            arguments = [sys.executable, "-c", CHILD, f"{folder}/images", str(options.image_size)]
            answer = subprocess.run(
                arguments, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE
            )
            number, seconds, before, peak = map(float, answer.stdout.split())
            print(
                f"  {number:7.0f} {seconds:7.1f} s {1e6 * seconds / number:6.0f} us "
                f"{peak:6.0f} MB ({before:.0f} MB before reading)"
            )


if __name__ == "__main__":
    main()
