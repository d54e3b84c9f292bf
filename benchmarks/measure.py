"""What every benchmark here shares: the project on the path, fair timing, the machine's name.

Timings drift, so things are compared in one run, in turn, and ratios of medians count. Benchmarks
that read their options here have --smoke: the smallest run that shows that they work, mostly on
images made for it.
"""

import argparse
import atexit
import os
import platform
import shutil
import statistics
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


def image_files(data: str) -> list[str]:
    """The pictures of a folder, by path."""
    from images.sources import open_source

    return [str(item.image) for item in open_source(data).items()]


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


def warmed_up(ways: Mapping[Name, Callable[[], object]], rounds: int) -> dict[Name, float]:
    """Call every way once, for caches and lazy set-up, then time them in turn."""
    for way in ways.values():
        way()
    return in_turn({name: timed(way) for name, way in ways.items()}, rounds)


def print_ratios(title: str, medians: dict[str, float], unit: str = "s") -> None:
    """Print medians, and how many times longer than the last way each takes."""
    print(f"\n{title}")
    reference = list(medians.values())[-1]
    for name, seconds in medians.items():
        print(f"  {name:44} {seconds:8.3f} {unit}   {seconds / reference:6.2f} times the last")


# --- programs and the machine ----------------------------------------------------------------


def train_command(options: argparse.Namespace, out: Path, *more: str) -> list[str]:
    """train.py on a benchmark's --data, --image_size and --epochs, with its results in `out`."""
    command = [sys.executable, str(PROJECT / "train.py")]
    for name in ("data", "image_size", "epochs"):
        command += [f"--{name}", str(getattr(options, name))]
    return [*command, "--img_path", str(out), "--weight_path", str(out / "w.pth"), *more]


def environment(threads: int) -> dict[str, str]:
    """The environment of a child program with this many threads."""
    from studies.children import ONE_THREAD

    return {**os.environ, **dict.fromkeys(ONE_THREAD, str(threads))}


def print_machine() -> None:
    """Print what a figure is worth nothing without."""
    import torch

    cores, version = os.cpu_count(), platform.python_version()
    print(f"{processor()}, {cores} cores, {platform.system()}, Python {version}, ", end="")
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {date.today()}")


def processor() -> str:
    """The processor's name, where Linux or the platform tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()
