"""Cores: one training on all of them, one on each, or one training shared by two processes.

    python benchmarks/cores.py --data FOLDER [--image_size 32] [--rounds 3] [--epochs 8]
                               [--neighbours 0 1 2] [--sizes 32 64 128]

Trainings are train.py's own, in programs of their own; the ways take turns. A training that
processes share draws other random numbers, so its accuracies are printed beside the others.
Then one training, on one thread and on one for each core, at every size, beside so many programs
that keep a core busy: larger images are trained for fewer epochs, --epochs being those at 32
pixels. console/cores.py chooses a training's threads by that table.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
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


@contextlib.contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """Have so many programs compute without end beside what is measured."""
    endless = [sys.executable, "-c", "while True: pass"]
    programs = [subprocess.Popen(endless) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def print_threads(options: argparse.Namespace, cores: int) -> None:
    """Print what one training takes on one thread and on all cores, quiet and beside others."""
    print("\none training, seconds an epoch: pixels, busy programs beside it, threads")
    for image_size in options.sizes:
        epochs = max(1, round(options.epochs * (32 / image_size) ** 2))
        training = argparse.Namespace(data=options.data, image_size=image_size, epochs=epochs)
        train = partial(seconds_an_epoch, training, 1)
        for neighbours in options.neighbours:
            ways = {"1": partial(train, 1), f"{cores}": partial(train, cores)}
            with busy_programs(neighbours):
                medians = in_turn(ways, options.rounds)
            for threads, seconds in medians.items():
                print(f"{image_size:>8} {neighbours:>4} {threads:>4} {seconds:8.3f} s", flush=True)


def accuracy(out: Path) -> float:
    """Validation accuracy at the kept epoch, percent."""
    kept = read_record(out / "train.json")["kept_epoch"]
    return 100 * read_history(out)[kept - 1].valid_accuracy


def print_ways(options: argparse.Namespace, cores: int) -> None:
    """Print in what time an epoch gets done: several trainings at once, and one in several ways."""
    train = partial(seconds_an_epoch, options)
    ways = {
        f"{cores} at once, {cores} threads each": partial(train, cores, cores),
        "one, two processes of one thread": partial(train, 1, 1, processes=2),
        f"one, {cores} threads": partial(train, 1, cores),
        "one, one thread": partial(train, 1, 1),
        f"{cores} at once, one thread each": partial(train, cores, 1),
    }
    print_ratios("seconds in which an epoch gets done", in_turn(ways, options.rounds))


def main() -> None:
    options_parser = parser(__doc__, image_size=32, rounds=3, epochs=8)
    options_parser.add_argument("--neighbours", type=int, nargs="*", default=[0, 1, 2])
    options_parser.add_argument("--sizes", type=int, nargs="*", default=[32, 64, 128])
    options = parse(options_parser, rounds=1, epochs=1, neighbours=[1], sizes=[32])
    print_machine()
    cores = os.cpu_count() or 1
    print_ways(options, cores)
    print_threads(options, cores)


if __name__ == "__main__":
    main()
