"""Time for an image and memory, as a folder grows and as images grow.

    python benchmarks/growth.py --data FOLDER [--counts 1000 10000 100000] [--sizes 32 64 128]

Folders of any size are made by linking FOLDER's images again and again under other names. Each
is read once and trained on by train.py: one training, then two at once, each on one thread.
Memory is the highest seen while a program runs: its own (anonymous) pages, which add up over
programs, beside pages of the decoded images, which all programs share and the system may drop.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import PROJECT, environment, parse, parser, print_machine, train_command

from images.sources import open_source
from records.files import read_json

READ = """
import sys, time
from dataset import load_data
started = time.perf_counter()
load_data(sys.argv[1], int(sys.argv[2]))
print(time.perf_counter() - started)
"""
ROW = "{:>8} {:>6} {:>10} {:>10} {:>12} {:>14} {:>14}"


def repeat(paths: list[str], count: int, root: Path) -> None:
    """Two class folders of `count` links to copies of the given images."""
    copies = [Path(shutil.copy(path, root.with_name(f"{number}{Path(path).suffix}")))
              for number, path in enumerate(paths)]  # fmt: skip
    for number in range(count):
        folder = root / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        source = copies[number % len(copies)]
        os.link(source, folder / f"{number}{source.suffix}")


def private_memory(process: subprocess.Popen) -> float:
    """A program's own pages now, MB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def run(commands: list[list[str]], cache: Path) -> tuple[str, list[float]]:
    """Run programs side by side: what the first printed, and the highest memory of each."""
    variables = environment(1, XDG_CACHE_HOME=str(cache))
    running = [
        subprocess.Popen(command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True)
        for command in commands
    ]
    highest = [0.0] * len(running)
    while any(process.poll() is None for process in running):
        highest = list(map(max, highest, map(private_memory, running)))
        time.sleep(0.02)
    printed = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("a program failed")
    return printed[0], highest


def print_case(images: Path, count: int, image_size: int) -> None:
    """Read and train on one folder at one size, and print a line."""
    cache, outs = images.with_name("cache"), [images.with_name(f"out_{job}") for job in range(2)]
    seconds, (reading,) = run([[sys.executable, "-c", READ, str(images), str(image_size)]], cache)
    options = argparse.Namespace(data=images, image_size=image_size, epochs=2)
    trainings = [train_command(options, out, "--fresh") for out in outs]
    _, (one,) = run(trainings[:1], cache)
    record = read_json(outs[0] / "train.json")
    _, both = run(trainings, cache)
    epoch = record["seconds"] / options.epochs / record["train_images"]
    print(
        ROW.format(
            count, image_size, f"{1e3 * float(seconds) / count:.2f} ms", f"{reading:.0f} MB",
            f"{1e3 * epoch:.3f} ms", f"{one:.0f} MB", f"{sum(both):.0f} MB",
        ),
        flush=True,
    )  # fmt: skip


def main() -> None:
    options_parser = parser(__doc__)
    options_parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10000, 100000])
    options_parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128])
    options = parse(options_parser)
    counts, sizes = options.counts, options.sizes
    print_machine()
    print("\ntimes are for one image: to read it; an epoch's (with validation), by training images")
    print(ROW.format("images", "pixels", "to read", "memory", "to train", "one training", "two"))
    paths = [item.image for item in open_source(options.data).items()]
    cases = [(count, sizes[0]) for count in counts]
    cases += [(counts[len(counts) // 2], size) for size in sizes[1:]]
    for count, image_size in cases:
        with TemporaryDirectory() as folder:
            repeat(paths[: counts[0]], count, Path(folder, "images"))
            print_case(Path(folder, "images"), count, image_size)


if __name__ == "__main__":
    main()
