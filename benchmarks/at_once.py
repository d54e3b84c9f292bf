"""Cores: one training on all of them, or one training on each with one thread.

    python benchmarks/at_once.py --data FOLDER [--image_size 32] [--rounds 3] [--epochs 8]

Trainings are train.py's own, in programs of their own; the ways take turns.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from measure import environment, print_machine, print_ratios, train_command
from runs import read_json


def seconds_an_epoch(
    trainings: int, threads: int, options: argparse.Namespace, folder: Path
) -> float:
    """Seconds in which one epoch gets done, all trainings counted."""
    commands = [
        train_command(options, folder / str(number), "--fresh") for number in range(trainings)
    ]
    running = [
        subprocess.Popen(own, stdout=subprocess.DEVNULL, env=environment(threads))
        for own in commands
    ]
    for process in running:
        process.wait()
    if any(process.returncode for process in running):
        raise SystemExit("a training failed")
    records = [read_json(folder / str(number) / "train.json") for number in range(trainings)]
    slowest = max(record["seconds"] for record in records)
    return slowest / (options.epochs * trainings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    print_machine()
    cores = os.cpu_count()
    ways = {
        f"{cores} at once, {cores} threads each": (cores, cores),
        f"one, {cores} threads": (1, cores),
        "one, one thread": (1, 1),
        f"{cores} at once, one thread each": (cores, 1),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for name, (trainings, threads) in ways.items():
                own = seconds_an_epoch(trainings, threads, options, Path(folder))
                times[name].append(own)
    medians = {name: statistics.median(own) for name, own in times.items()}
    print_ratios("seconds in which an epoch gets done", medians)


if __name__ == "__main__":
    main()
