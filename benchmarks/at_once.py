"""Cores: one training on all of them, or one training on each with one thread.

    python benchmarks/at_once.py --data FOLDER [--image_size 32] [--rounds 3] [--epochs 8]

Trainings are train.py's own, in programs of their own; the ways take turns.
"""

import argparse
import os
import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import environment, in_turn, parser, print_machine, print_ratios, train_command

from records.files import read_json


def seconds_an_epoch(trainings: int, threads: int, options: argparse.Namespace) -> float:
    """Seconds in which one epoch gets done, all trainings counted."""
    with TemporaryDirectory() as folder:
        outs = [Path(folder, str(number)) for number in range(trainings)]
        running = [
            subprocess.Popen(
                train_command(options, out), stdout=subprocess.DEVNULL, env=environment(threads)
            )
            for out in outs
        ]
        statuses = [process.wait() for process in running]
        if any(statuses):
            raise SystemExit("a training failed")
        slowest = max(read_json(out / "train.json")["seconds"] for out in outs)
    return slowest / (options.epochs * trainings)


def main() -> None:
    options = parser(__doc__, image_size=32, rounds=3, epochs=8).parse_args()
    print_machine()
    cores = os.cpu_count()
    ways = {
        f"{cores} at once, {cores} threads each": partial(seconds_an_epoch, cores, cores, options),
        f"one, {cores} threads": partial(seconds_an_epoch, 1, cores, options),
        "one, one thread": partial(seconds_an_epoch, 1, 1, options),
        f"{cores} at once, one thread each": partial(seconds_an_epoch, cores, 1, options),
    }
    print_ratios("seconds in which an epoch gets done", in_turn(ways, options.rounds))


if __name__ == "__main__":
    main()
