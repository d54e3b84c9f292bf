"""The whole sweep beside the report's way: 15 settings, 380 epochs asked for.

    python benchmarks/whole_sweep.py --data FOLDER [--image_size 32]

Ours is my_script.py run for real, from nothing, with sharing and all its processes. The
report's way would take an hour: one epoch of each batch size is timed on a quarter of the
images and multiplied by 4 and by the epochs that the studies ask for; its tests and start-ups
count as nothing.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import tutorial
from measure import PROJECT, print_machine
from plan import all_runs
from torch import nn

from dataset import load_data
from my_script import BASE, STUDIES

SHARE = 0.25


def report_seconds(data, batch_size: int) -> float:
    """Seconds of an epoch in the report's way on all images, from a share of them."""
    model, optimizer = tutorial.make((8, 24, 48), data.images.shape[1])
    train, valid = tutorial.loaders(data, batch_size, SHARE)
    criterion = nn.CrossEntropyLoss()
    tutorial.epoch(model, optimizer, criterion, train, valid)
    started = time.perf_counter()
    tutorial.epoch(model, optimizer, criterion, train, valid)
    return (time.perf_counter() - started) / SHARE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=32)
    options = parser.parse_args()
    print_machine()
    data = load_data(options.data, options.image_size)
    runs = [run.settings for run in all_runs(STUDIES, BASE, Path(), 1)]
    seconds = {size: report_seconds(data, size) for size in {run["batch_size"] for run in runs}}
    slow = sum(run["epochs"] * seconds[run["batch_size"]] for run in runs)
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--data", options.data, "--image_size", str(options.image_size)]
        command = [sys.executable, str(PROJECT / "my_script.py"), *arguments, "--out", folder]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        ours = time.perf_counter() - started
    print(f"the report's way, {torch.get_num_threads()} threads: {slow:7.0f} s, by extrapolation")
    print(f"my_script.py, all processes:       {ours:7.0f} s, measured")
    print(f"ratio:                             {slow / ours:7.1f}")


if __name__ == "__main__":
    main()
