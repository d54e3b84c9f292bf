"""One training on one and on two processes: accuracies with dropout on, and the speed-up.

    python benchmarks/several_processes.py [--data shapes] [--epochs 20] [--seeds 3]

Trains with train.py alone (one thread) and under torchrun, seed by seed, in turn.
"""

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path

from measure import environment, print_machine, train_command
from runs import read_history, read_json


def train(processes: int, options: argparse.Namespace, seed: int, out: Path) -> tuple[float, float]:
    """Validation accuracy, percent, at the kept epoch, and seconds an epoch."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    python, *program = train_command(options, out, "--seed", str(seed))
    command = [python, *(launcher if processes > 1 else []), *program]
    subprocess.run(command, check=True, capture_output=True, env=environment(threads=1))
    record = read_json(out / "train.json")
    accuracy = read_history(out)[record["kept_epoch"] - 1][4]
    return 100 * accuracy, record["seconds"] / options.epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--image_size", type=int, default=32)
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
