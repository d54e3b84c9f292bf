"""What every benchmark here shares: the project on the path, fair timing, the machine's name.

Timings drift, so things are compared in one run, in turn, and ratios of medians count. With
--smoke a benchmark does the smallest run that shows that it works, on images made for it.
"""

import argparse
import atexit
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

Name = TypeVar("Name", bound=Hashable)  # of a way that is timed

SMOKE_IMAGES = {"train": 20, "test": 8}  # of each class
LEFT_OUT = ("result", "weights", "data", "tests", "benchmarks", "__pycache__", ".*")


# --- options ---------------------------------------------------------------------------------


def parser(
    description: str, data: str | None = None, **whole_numbers: int
) -> argparse.ArgumentParser:
    """The options of a benchmark by their defaults; without one, --data must be given."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--data", default=data, help="images (default: %(default)s)")
    for name, default in whole_numbers.items():
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument(
        "--smoke", action="store_true", help="the smallest run that shows it works"
    )
    return options


def parse(
    options_parser: argparse.ArgumentParser, **smallest: int | list[int]
) -> argparse.Namespace:
    """Read the command line; with --smoke the numbers are the `smallest`, the images made here."""
    options = options_parser.parse_args()
    if options.smoke:
        options.data = str(smoke_images())
        for name, number in smallest.items():
            setattr(options, name, number)
    if options.data is None:
        options_parser.error("--data names the folder of images to measure on")
    return options


def smoke_images() -> Path:
    """A folder of small dark and light pictures, train/ and test/, removed at the end."""
    import numpy as np
    from PIL import Image

    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    random = np.random.default_rng(0)
    for part, count in SMOKE_IMAGES.items():
        for name, brightness in (("dark", 60), ("light", 160)):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(brightness, brightness + 60, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


# --- timing ----------------------------------------------------------------------------------


def timed(way: Callable[[], object]) -> Callable[[], float]:
    """A function that calls `way` and gives the seconds that it took."""

    def seconds() -> float:
        started = time.perf_counter()
        way()
        return time.perf_counter() - started

    return seconds


def in_turn(ways: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, float]:
    """Median of the seconds that each way gives, the ways taking turns; prints every round."""
    seconds: dict[Name, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
        last = [f"{of_way[-1]:.2f}" for of_way in seconds.values()]
        print("in turn:", ", ".join(last), flush=True)
    return {name: statistics.median(of_way) for name, of_way in seconds.items()}


def print_ratios(title: str, medians: dict[str, float]) -> None:
    """Print medians, and how many times longer than the last way each takes."""
    print(f"\n{title}")
    reference = list(medians.values())[-1]
    for name, seconds in medians.items():
        print(f"  {name:44} {seconds:8.3f} s   {seconds / reference:6.2f} times the last")


# --- programs and the machine ----------------------------------------------------------------


def copy_project(folder: Path, **constants: object) -> Path:
    """Copy the project, with other values of these constants at the top of my_script.py."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    script = folder / "my_script.py"
    text = script.read_text()
    for name, value in constants.items():
        parts = re.split(rf"^{name} = (?:{{.*?^}}|[^#\n]*)", text, maxsplit=1, flags=re.M | re.S)
        if len(parts) != 2:
            raise SystemExit(f"my_script.py holds no {name}")
        text = f"{parts[0]}{name} = {value!r}  {parts[1]}"
    script.write_text(text)
    return folder


def run_program(command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with these variables beside the environment's."""
    environment = {**os.environ, **more}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{ended.stdout}{ended.stderr}")
    return ended


def train_command(data: str, image_size: int, epochs: int, out: Path) -> list[str]:
    """train.py, with its results in `out`."""
    command = [sys.executable, str(PROJECT / "train.py"), "--data", data, "--fresh"]
    command += ["--image_size", str(image_size), "--epochs", str(epochs)]
    return [*command, "--img_path", str(out), "--weight_path", str(out / "w.pth")]


def epoch_seconds(data: str, image_size: int, epochs: int, threads: int) -> float:
    """Seconds of an epoch of train.py by its record, in the mean of so many."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        run_program(train_command(data, image_size, epochs, out), OMP_NUM_THREADS=str(threads))
        record = json.loads((out / "train.json").read_text())
    return record["seconds"] / epochs


def print_machine() -> None:
    """Print what a figure is worth nothing without."""
    import torch

    from console.cores import machine

    print(f"{machine()}, Python {platform.python_version()}, ", end="")
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {date.today()}")
