"""What every benchmark here shares: the project on the path, fair timing, the machine's name.

Timings drift, so two things are compared in one run, in turn, and ratios of medians count.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))


def parser(
    description: str, data: str | None = None, **whole_numbers: int
) -> argparse.ArgumentParser:
    """The options of a benchmark by their defaults; without one, --data must be given."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--data", required=data is None, default=data)
    for name, default in whole_numbers.items():
        options.add_argument(f"--{name}", type=int, default=default)
    return options


def in_turn(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median of the seconds that each way gives, the ways taking turns; prints every round."""
    times = []
    for _ in range(rounds):
        times.append([way() for way in ways.values()])
        print("in turn:", ", ".join(f"{seconds:.2f}" for seconds in times[-1]), flush=True)
    return dict(zip(ways, map(statistics.median, zip(*times, strict=True)), strict=True))


def alternate(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run every way once to warm up, then in turn; median seconds of each."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if round_number:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def print_ratios(title: str, medians: dict[str, float], unit: str = "s") -> None:
    """Print medians, and how many times longer than the last way each takes."""
    print(f"\n{title}")
    *_, reference = medians.values()
    for name, seconds in medians.items():
        print(f"  {name:44} {seconds:8.3f} {unit}   {seconds / reference:6.2f} times the last")


def train_command(options: argparse.Namespace, out: Path, *more: str) -> list[str]:
    """train.py on a benchmark's --data, --image_size and --epochs, with its results in `out`."""
    command = [sys.executable, str(PROJECT / "train.py")]
    for name in ("data", "image_size", "epochs"):
        command += [f"--{name}", str(getattr(options, name))]
    return [*command, "--img_path", str(out), "--weight_path", str(out / "w.pth"), *more]


def environment(threads: int, **more: str) -> dict[str, str]:
    """The environment of a child program with this many threads."""
    from studies.children import ONE_THREAD

    return {**os.environ, **dict.fromkeys(ONE_THREAD, str(threads)), **more}


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
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
