"""One training on one and on two processes: accuracies with dropout on, and the speed-up.

    python benchmarks/several_processes.py [--data shapes] [--epochs 20] [--seeds 3]

Trains with train.py alone (one thread) and under torchrun, seed by seed, in turn.
"""

import statistics
import subprocess
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import environment, parser, print_machine, train_command

from records.files import read_json
from records.runs import read_history


def train(processes: int, options: Namespace, seed: int) -> tuple[float, float]:
    """Validation accuracy, percent, at the kept epoch, and seconds an epoch."""
    with TemporaryDirectory() as folder:
        python, *program = train_command(options, Path(folder), "--seed", str(seed))
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command = [python, *(launcher if processes > 1 else []), *program]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(threads=1))
        record, history = read_json(Path(folder, "train.json")), read_history(Path(folder))
    return 100 * history[record["kept_epoch"] - 1][4], record["seconds"] / options.epochs


def main() -> None:
    options = parser(__doc__, "shapes", image_size=32, epochs=20, seeds=3).parse_args()
    print_machine()
    trained = [[train(processes, options, seed) for processes in (1, 2)]
               for seed in range(options.seeds)]  # fmt: skip
    medians = []
    for processes, results in enumerate(zip(*trained, strict=True), start=1):
        accuracies, seconds = zip(*results, strict=True)
        medians.append(statistics.median(seconds))
        shown = ", ".join(f"{accuracy:.1f}" for accuracy in accuracies)
        words = f"validation accuracy {shown} %, {medians[-1]:.2f} s an epoch"
        print(f"{processes} at once: {words}")
    print(f"speed-up: {medians[0] / medians[1]:.2f}")


if __name__ == "__main__":
    main()
