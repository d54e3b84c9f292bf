"""Cores: one training on all of them, one on each, or one training shared by two processes.

    python benchmarks/cores.py --data FOLDER [--image_size 32] [--rounds 3] [--epochs 8]

Trainings are train.py's own, in programs of their own; the ways take turns. A training that
processes share draws other random numbers, so its accuracies are printed beside the others.
"""

import argparse
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import environment, in_turn, parse, parser, print_machine, print_ratios, train_command

from records.files import read_record
from records.runs import read_history


def seconds_an_epoch(
    options: argparse.Namespace, trainings: int, threads: int, processes: int = 1
) -> float:
    """Seconds in which one epoch gets done, all trainings counted."""
    with TemporaryDirectory() as folder:
        outs = [Path(folder, str(number)) for number in range(trainings)]
        running = [start(options, out, threads, processes) for out in outs]
        statuses = [program.wait() for program in running]
        if any(statuses):
            raise SystemExit("a training failed")
        slowest = max(read_record(out / "train.json")["seconds"] for out in outs)
        accuracies = [f"{accuracy(out):.1f} %" for out in outs]
    print(f"  validation accuracy {', '.join(accuracies)}", flush=True)
    return slowest / (options.epochs * trainings)


def start(
    options: argparse.Namespace, out: Path, threads: int, processes: int
) -> subprocess.Popen[bytes]:
    """Start a training, under torchrun where several processes share it."""
    command = train_command(options, out)
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command = [sys.executable, *launcher, *command[1:]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment(threads))


def accuracy(out: Path) -> float:
    """Validation accuracy at the kept epoch, percent."""
    kept = read_record(out / "train.json")["kept_epoch"]
    return 100 * read_history(out)[kept - 1][4]


def main() -> None:
    options = parse(parser(__doc__, image_size=32, rounds=3, epochs=8), rounds=1, epochs=1)
    print_machine()
    cores = os.cpu_count() or 1
    train = partial(seconds_an_epoch, options)
    ways = {
        f"{cores} at once, {cores} threads each": partial(train, cores, cores),
        "one, two processes of one thread": partial(train, 1, 1, processes=2),
        f"one, {cores} threads": partial(train, 1, cores),
        "one, one thread": partial(train, 1, 1),
        f"{cores} at once, one thread each": partial(train, cores, 1),
    }
    print_ratios("seconds in which an epoch gets done", in_turn(ways, options.rounds))


if __name__ == "__main__":
    main()
