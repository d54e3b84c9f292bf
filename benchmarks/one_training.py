"""One training: seconds of an epoch beside the report's way, and the share of peak arithmetic.

    python benchmarks/one_training.py --data FOLDER [--image_size 32] [--rounds 3]

FOLDER has train/ and test/. Prints medians and ratios of ways run in turn in this one run.
"""

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import tutorial
from measure import parse, parser, print_machine, print_ratios, warmed_up

import train
from dataset import Data, load_data
from losses import LOSSES
from model import CNN
from training.batches import Images
from training.files import State, write_checkpoint
from training.optimizer import SGD

NETWORKS = ((8, 24, 48), (16, 32, 64), (32, 64, 128))
MATRIX = 2048  # rows and columns of the matrix product whose rate is the peak


class Ours:
    """The epochs of train.py for a network, with the random numbers of seed 0."""

    def __init__(self, images: Images, model: CNN, learning_rate: float = 0.01) -> None:
        self.images, self.model = images, model.to(memory_format=torch.channels_last)
        self.loss_function = LOSSES["CrossEntropyLoss"]
        optimizer = SGD(model.parameters(), learning_rate, momentum=0.9)
        self.state = State(self.model, optimizer, self.loss_function)

    def epoch(self) -> None:
        train.train_epoch(self.state, self.images, batch_size=32, seed=0)

    def save(self, folder: Path) -> None:
        """What an epoch leaves on disk: the checkpoint and the history."""
        write_checkpoint(self.state, {}, Namespace(weight_path=folder / "w.pth", img_path=folder))


def operations(channels: tuple[int, ...], image_size: int, hidden: int = 64) -> float:
    """Floating-point operations to train on one image: a product and a sum count as two.

    Forward, gradient of the weights, and, but for the first layer, gradient of the input.
    """
    total, before, size = 0.0, 3, image_size
    for layer, width in enumerate(channels):
        total += (3 if layer else 2) * 2 * 9 * before * width * size**2
        before, size = width, size // 2
    return total + 3 * 2 * (before * 16 * hidden + hidden * 2)


def multiply(matrix: torch.Tensor) -> None:
    """Three products, which last long enough to be timed."""
    for _ in range(3):
        matrix @ matrix


def print_epochs(data: Data, images: Images, rounds: int) -> None:
    """Seconds of an epoch beside the report's way, and of a checkpoint beside an epoch."""
    ours, cores = Ours(images, CNN()), torch.get_num_threads()
    ways = {"the report's way": tutorial.epoch_of(data, NETWORKS[0]), "train.py": ours.epoch}
    print_ratios(f"an epoch, 8-24-48, {cores} threads", warmed_up(ways, rounds))
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        saving: dict[str, Callable[[], object]] = {
            "a checkpoint": partial(ours.save, Path(folder)),
            "train.py": ours.epoch,
        }
        print_ratios("an epoch, 8-24-48, 1 thread", warmed_up(saving, rounds))
    torch.set_num_threads(cores)


def print_rates(images: Images, image_size: int, rounds: int) -> None:
    """Operations a second of an epoch, and their share of a matrix product's."""
    product = f"a {MATRIX} x {MATRIX} float32 matrix product"
    print(f"\nan epoch's share of the rate of {product}, batch 32")
    matrix = torch.randn(MATRIX, MATRIX)
    validated = len(images.splits["valid"]) / 3  # forward alone
    count = len(images.splits["train"]) + validated
    for threads in (1, torch.get_num_threads()):
        torch.set_num_threads(threads)
        for channels in NETWORKS:
            ours = Ours(images, CNN(channels))
            rates: dict[str, Callable[[], object]] = {
                "epoch": ours.epoch,
                "matrix product": partial(multiply, matrix),
            }
            medians = warmed_up(rates, rounds)
            rate = operations(channels, image_size) * count / medians["epoch"]
            peak = 3 * 2 * MATRIX**3 / medians["matrix product"]
            shown = "-".join(map(str, channels))
            print(f"  {shown:10} {threads} threads  {medians['training']:6.2f} s", end="  ")
            print(f"{rate / 1e9:6.1f} of {peak / 1e9:6.1f} GFLOP/s  {100 * rate / peak:3.0f}%")


def main() -> None:
    options = parse(parser(__doc__, image_size=32, rounds=3), rounds=1)
    data = load_data(options.data, options.image_size)
    images = Images(data, torch.device("cpu"))
    print_machine()
    print_epochs(data, images, options.rounds)
    print_rates(images, options.image_size, options.rounds)


if __name__ == "__main__":
    main()
