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
import tempfile
import time
from pathlib import Path

from measure import PROJECT, environment, print_machine, train_command
from runs import read_json
from sources import open_source

READ = """
import sys, time
from dataset import load_data
started = time.perf_counter()
load_data(sys.argv[1], int(sys.argv[2]))
print(time.perf_counter() - started)
"""
ROW = "{:>8} {:>6} {:>10} {:>10} {:>12} {:>14} {:>14}"


def repeat(paths: list[Path], count: int, root: Path) -> None:
    """Two class folders of `count` links to the given images."""
    for number in range(count):
        folder = root / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        source = paths[number % len(paths)]
        os.link(source, folder / f"{number}{source.suffix}")


def own_memory(process: subprocess.Popen) -> float:
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
        subprocess.Popen(own, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True)
        for own in commands
    ]
    highest = [0.0] * len(running)
    while any(process.poll() is None for process in running):
        highest = [max(old, own_memory(own)) for old, own in zip(highest, running, strict=True)]
        time.sleep(0.02)
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("a program failed")
    return said[0], highest


def print_case(images: Path, count: int, image_size: int, work: Path) -> None:
    """Read and train on one folder at one size, and print a line."""
    cache = work / f"cache_{image_size}"
    said, (reading,) = run([[sys.executable, "-c", READ, str(images), str(image_size)]], cache)
    options = argparse.Namespace(data=images, image_size=image_size, epochs=2)
    trainings = [train_command(options, work / f"out_{job}", "--fresh") for job in range(2)]
    _, (one,) = run(trainings[:1], cache)
    epoch = read_json(work / "out_0" / "train.json")["seconds"] / options.epochs
    _, both = run(trainings, cache)
    print(
        ROW.format(
            count, image_size, f"{1e3 * float(said) / count:.2f} ms", f"{reading:.0f} MB",
            f"{1e3 * epoch / (0.6 * count):.3f} ms", f"{one:.0f} MB", f"{sum(both):.0f} MB",
        ),
        flush=True,
    )  # fmt: skip
    shutil.rmtree(cache)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10000, 100000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128])
    options = parser.parse_args()
    print_machine()
    print("\ntimes are for one image: to read it; an epoch's (with validation), by training images")
    print(ROW.format("images", "pixels", "to read", "memory", "to train", "one training", "two"))
    items = open_source(options.data, Path("data")).items()
    fixed = options.counts[0]
    cases = [(count, options.sizes[0]) for count in options.counts]
    cases += [(options.counts[len(options.counts) // 2], size) for size in options.sizes[1:]]
    for count, image_size in cases:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            local = [Path(shutil.copy(item.content, work / f"{number}{item.content.suffix}"))
                     for number, item in enumerate(items[:fixed])]  # fmt: skip
            repeat(local, count, work / "images")
            print_case(work / "images", count, image_size, work)


if __name__ == "__main__":
    main()
