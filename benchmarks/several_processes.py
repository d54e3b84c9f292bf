"""One training on one and on two processes: accuracies with dropout on, and the speed-up.

    python benchmarks/several_processes.py [--data shapes] [--epochs 20] [--seeds 3]

Trains with train.py alone (one thread) and under torchrun, seed by seed, in turn.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import PROJECT, print_machine

from runs import read_history, read_json


def train(processes: int, options: argparse.Namespace, seed: int, out: Path) -> tuple[float, float]:
    """Validation accuracy, percent, at the kept epoch, and seconds an epoch."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    arguments = [str(PROJECT / "train.py"), "--data", options.data, "--seed", str(seed)]
    arguments += ["--epochs", str(options.epochs), "--img_path", str(out)]
    arguments += ["--weight_path", str(out / "w.pth")]
    command = [sys.executable, *(launcher if processes > 1 else []), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    record = read_json(out / "train.json")
    accuracy = read_history(out)[record["kept_epoch"] - 1][4]
    return 100 * accuracy, record["seconds"] / options.epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print_machine()
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for seed in range(options.seeds):
        for processes, results in found.items():
            with tempfile.TemporaryDirectory() as folder:
                results.append(train(processes, options, seed, Path(folder)))
    for processes, results in found.items():
        accuracies = ", ".join(f"{accuracy:.1f}" for accuracy, _ in results)
        seconds = statistics.median(seconds for _, seconds in results)
        print(f"{processes} at once: validation accuracy {accuracies} %, {seconds:.2f} s an epoch")
    alone, together = (statistics.median(s for _, s in results) for results in found.values())
    print(f"speed-up: {alone / together:.2f}")


if __name__ == "__main__":
    main()
