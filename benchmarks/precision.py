"""Does --precision bfloat16 change what is learned? The same trainings at both precisions.

    python benchmarks/precision.py [--data shapes] [--epochs 20] [--seeds 6]

Trains and tests with train.py and test.py, one training per core with one thread each.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from measure import PROJECT, environment, print_machine, train_command
from runs import read_json


def train_and_test(options: argparse.Namespace, precision: str, seed: int, out: Path) -> list:
    """Test accuracy in percent of the kept and of the last weights, and seconds an epoch."""
    train = train_command(options, out, "--precision", precision, "--seed", str(seed))
    test = [sys.executable, str(PROJECT / "test.py"), "--precision", precision]
    test += ["--img_path", str(out), "--weight_path", str(out / "w.pth")]
    for command in (train, test):
        subprocess.run(command, env=environment(1), check=True, stdout=subprocess.DEVNULL)
    tested, trained = read_json(out / "test.json"), read_json(out / "train.json")
    accuracies = [
        100 * tested[name] / tested["test_images"] for name in ("correct", "last_correct")
    ]
    return [*accuracies, trained["seconds"] / options.epochs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args()
    print_machine()
    cases = [(name, seed) for seed in range(options.seeds) for name in ("float32", "bfloat16")]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(train_and_test, options, name, seed, Path(folder, f"{name}_{seed}"))
            for name, seed in cases
        ]
        found = np.array([job.result() for job in jobs]).reshape(options.seeds, 2, 3)
    for number, name in enumerate(("float32", "bfloat16")):
        kept, last, seconds = found[:, number].T
        print(
            f"{name:9} test {kept.mean():.1f} ± {kept.std(ddof=1):.1f} %, last epoch "
            f"{last.mean():.1f} ± {last.std(ddof=1):.1f} %, {np.median(seconds):.2f} s an epoch"
        )
    for number, name in enumerate(("kept weights", "last epoch")):
        change = found[:, 1, number] - found[:, 0, number]
        error = change.std(ddof=1) / math.sqrt(options.seeds)
        print(
            f"bfloat16 less float32, {name}: {change.mean():+.1f} points, "
            f"standard error {error:.1f}"
        )


if __name__ == "__main__":
    main()
