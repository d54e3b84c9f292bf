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

from measure import PROJECT, print_machine

from runs import read_json
from sources import open_source
from sweep import ONE_THREAD

READ = "import sys; from dataset import load_data; load_data(sys.argv[1], int(sys.argv[2]))"
EPOCHS = 2
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


def run(commands: list[list[str]], cache: Path) -> tuple[float, list[float]]:
    """Run programs side by side: seconds, and the highest memory of each."""
    environment = {**os.environ, **ONE_THREAD, "XDG_CACHE_HOME": str(cache)}
    started = time.perf_counter()
    running = [
        subprocess.Popen(own, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)
        for own in commands
    ]
    highest = [0.0] * len(running)
    while any(process.poll() is None for process in running):
        highest = [max(old, own_memory(own)) for old, own in zip(highest, running, strict=True)]
        time.sleep(0.02)
    if any(process.returncode for process in running):
        raise SystemExit("a program failed")
    return time.perf_counter() - started, highest


def measure(images: Path, count: int, image_size: int, work: Path) -> None:
    """Read and train on one folder at one size, and print a line."""
    cache = work / f"cache_{image_size}"
    seconds, (reading,) = run([[sys.executable, "-c", READ, str(images), str(image_size)]], cache)

    def train(job: int) -> list[str]:
        out = work / f"out_{job}"
        arguments = ["--data", str(images), "--image_size", str(image_size), "--fresh"]
        arguments += ["--epochs", str(EPOCHS), "--img_path", str(out)]
        return [sys.executable, "train.py", *arguments, "--weight_path", str(out / "w.pth")]

    _, (one,) = run([train(0)], cache)
    epoch = read_json(work / "out_0" / "train.json")["seconds"] / EPOCHS
    _, both = run([train(0), train(1)], cache)
    trained_on = 0.8 * count  # a fifth is for the test
    print(
        ROW.format(
            count, image_size, f"{1e3 * seconds / count:.2f} ms", f"{reading:.0f} MB",
            f"{1e3 * epoch / trained_on:.3f} ms", f"{one:.0f} MB", f"{sum(both):.0f} MB",
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
    print("\nall times are for one image: once to read it, once an epoch to train on it")
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
            measure(work / "images", count, image_size, work)


if __name__ == "__main__":
    main()
