"""How time and memory grow: with the images of a folder, and with the settings of a sweep.

    python benchmarks/growth.py --data FOLDER [--image_size 32] [--counts 1000 10000 100000]
                                [--settings 30 120]

Folders of any size are made by linking FOLDER's images again and again under other names. Each is
read once, read again from the cache, and trained on for two epochs on one thread. Memory is the
highest seen of a program's own (anonymous) pages; pages of the decoded images are shared by all
programs, and the system may drop them.

Then sweeps of so many settings, each trained for one epoch on 40 small pictures: seconds of
my_script.py to plan all of it, to do it, to report again, and to find nothing to do.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import (
    PROJECT,
    copy_project,
    parse,
    parser,
    print_machine,
    run_program,
    smoke_images,
    timed,
    train_command,
)

PICTURES = {".jpg", ".jpeg", ".png"}
EPOCHS = 2
READ = """
import sys, time
from dataset import load_data
for _ in range(2):
    started = time.perf_counter()
    load_data(sys.argv[1], int(sys.argv[2]))
    print(time.perf_counter() - started)
"""
CALLS = (["--dry_run"], [], ["--collect"], [])  # plan, do, report again, nothing to do


def print_row(*cells: object) -> None:
    """A line of a table."""
    print("".join(f"{cell:>16}" for cell in cells), flush=True)


# --- images ----------------------------------------------------------------------------------


def repeat(source: Path, count: int, folder: Path) -> None:
    """Two class folders of `count` links to copies of the first thousand images of a folder."""
    copies = []
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() in PICTURES and len(copies) < 1000:
            copy = folder.with_name(f"{len(copies)}{path.suffix}")
            copies.append(shutil.copy(path, copy))
    for number in range(count):
        copy = copies[number % len(copies)]
        of_class = folder / ("cat", "dog")[number % 2]
        of_class.mkdir(parents=True, exist_ok=True)
        os.link(copy, of_class / f"{number}{copy.suffix}")


def own_memory(process: subprocess.Popen[str]) -> float:
    """A program's own pages now, MB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    for line in lines:
        if line.startswith("RssAnon"):
            kilobytes = line.split()[1]
            return int(kilobytes) / 1024
    return 0.0


def run_watched(command: list[str], cache: Path) -> tuple[str, float]:
    """Run a program on one thread: what it printed, and its highest memory, MB."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)}
    highest = 0.0
    process = subprocess.Popen(
        command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True
    )
    while process.poll() is None:
        highest = max(highest, own_memory(process))
        time.sleep(0.02)
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit("a program failed")
    return printed, highest


def print_images(options: argparse.Namespace, count: int) -> None:
    """Read and train on a folder of so many images, and print a line."""
    with TemporaryDirectory() as folder:
        images, cache, out = (Path(folder, name) for name in ("images", "cache", "out"))
        repeat(Path(options.data), count, images)
        command = [sys.executable, "-c", READ, str(images), str(options.image_size)]
        printed, of_reading = run_watched(command, cache)
        read, again = map(float, printed.split())
        command = train_command(str(images), options.image_size, EPOCHS, out)
        _, of_training = run_watched(command, cache)
        record = json.loads((out / "train.json").read_text())
    epoch = record["seconds"] / EPOCHS / record["train_images"]
    milliseconds = [f"{1000 * seconds:.3f} ms" for seconds in (read / count, again / count, epoch)]
    print_row(count, *milliseconds, f"{of_reading:.0f} MB", f"{of_training:.0f} MB")


# --- settings --------------------------------------------------------------------------------


def print_settings(count: int) -> None:
    """Plan, do and report on a sweep of so many settings, and print a line."""
    rates = [round(0.01 + number * 1e-6, 6) for number in range(count)]
    base = {"epochs": 1, "batch_size": 32, "learning_rate": 0.01}
    base["loss_function"] = "CrossEntropyLoss"
    studies = {"Change_learning_rate": rates}
    with TemporaryDirectory() as folder:
        project = copy_project(Path(folder, "project"), BASE=base, BASE_SEEDS=2, STUDIES=studies)
        command = [sys.executable, str(project / "my_script.py"), "--data", str(smoke_images())]
        seconds = []
        for more in CALLS:
            call = timed(lambda more=more: run_program([*command, *more], XDG_CACHE_HOME=folder))
            seconds.append(f"{call():.1f} s")
    print_row(count, *seconds)


def main() -> None:
    options_parser = parser(__doc__ or "", image_size=32)
    options_parser.add_argument("--counts", type=int, nargs="*", default=[1000, 10000, 100000])
    options_parser.add_argument("--settings", type=int, nargs="*", default=[30, 120])
    options = parse(options_parser, counts=[20], settings=[2])
    print_machine()
    print_row("images", "to read, each", "again, each", "an epoch, each", "reading", "training")
    for count in options.counts:
        print_images(options, count)
    print_row("settings", "to plan", "to do", "report again", "nothing to do")
    for count in options.settings:
        print_settings(count)


if __name__ == "__main__":
    main()
