"""One training: seconds of an epoch beside the report's way, and the share of peak arithmetic.

    python benchmarks/one_training.py --data FOLDER [--image_size 32] [--rounds 3]

FOLDER has train/ and test/. Prints medians and ratios of ways run in turn in this one run.
"""

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import tutorial
from batches import Images, shuffled_batches
from measure import alternate, print_machine, print_ratios
from torch import nn

import train
from dataset import load_data
from losses import LOSSES
from model import CNN

NETWORKS = ((8, 24, 48), (16, 32, 64), (32, 64, 128))


class Ours:
    """The epochs of train.py for a network, in any number of threads."""

    def __init__(
        self, images: Images, model: CNN, learning_rate: float = 0.01, precision: str = "float32"
    ) -> None:
        self.images, self.model = images, model.to(memory_format=torch.channels_last)
        momenta = [torch.zeros_like(own) for own in model.parameters()]
        self.state = train.State(model, momenta, train.copy_of(model))
        self.options = argparse.Namespace(
            batch_size=32, learning_rate=learning_rate, precision=precision
        )
        self.loss = LOSSES["CrossEntropyLoss"]
        self.step = train.make_step(self.state, images, self.loss, self.options)

    def train(self, seed: int = 0) -> tuple[float, float]:
        random = torch.Generator().manual_seed(seed)
        batches = shuffled_batches(self.images.splits["train"], self.options.batch_size, random)
        return train.train_one_epoch(self.model, self.step, self.loss, self.images, batches)

    def validate(self) -> tuple[float, float]:
        return train.validate(self.model, self.loss, self.images, self.options.precision)

    def epoch(self) -> None:
        self.train()
        self.validate()

    def save(self, folder: Path) -> None:
        """What an epoch leaves on disk: the checkpoint and the history."""
        places = argparse.Namespace(weight_path=folder / "weight.pth", img_path=folder)
        train.write_checkpoint(self.state, places, {})


def operations(channels: tuple, image_size: int, hidden: int = 64) -> float:
    """Floating-point operations to train on one image: a product and a sum count as two.

    Forward, gradient of the weights, and, but for the first layer, gradient of the input.
    """
    total, before, size = 0.0, 3, image_size
    for layer, width in enumerate(channels):
        total += (3 if layer else 2) * 2 * 9 * before * width * size**2
        before, size = width, size // 2
    return total + 3 * 2 * (before * 16 * hidden + hidden * 2)


def matrix_rate() -> float:
    """Floating-point operations a second of a 2048 x 2048 float32 matrix product."""
    matrix = torch.randn(2048, 2048)
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(3):
        matrix @ matrix
    return 3 * 2 * 2048**3 / (time.perf_counter() - started)


def rates(own: Ours, work: float, rounds: int) -> tuple[float, float]:
    """Operations a second in training and in the matrix product, taken in turn: medians."""
    own.train()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        own.train()
        found.append((work / (time.perf_counter() - started), matrix_rate()))
    training, product = zip(*found, strict=True)
    return statistics.median(training), statistics.median(product)


def report_way(data, channels: tuple):
    """One epoch of the report's way as a function."""
    size = data.images.shape[1]
    model, optimizer = tutorial.make(channels, size)
    criterion, loaders = nn.CrossEntropyLoss(), tutorial.loaders(data, 32)
    return lambda: tutorial.epoch(model, optimizer, criterion, *loaders)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data = load_data(options.data, options.image_size)
    images = Images(data, torch.device("cpu"))
    count = len(data.splits["train"])
    print_machine()
    cores = torch.get_num_threads()
    ways = {
        "the report's way": report_way(data, NETWORKS[0]),
        "train.py": Ours(images, CNN()).epoch,
    }
    print_ratios(f"an epoch, 8-24-48, {cores} threads", alternate(ways, options.rounds))
    torch.set_num_threads(1)
    own, half = Ours(images, CNN()), Ours(images, CNN(), precision="bfloat16")
    with TemporaryDirectory() as folder:
        ways = {
            "bfloat16": half.epoch,
            "a checkpoint": lambda: own.save(Path(folder)),
            "float32": own.epoch,
        }
        print_ratios("an epoch, 8-24-48, 1 thread", alternate(ways, options.rounds))
    print("\nshare of a 2048 x 2048 float32 matrix product's rate, training part, batch 32")
    for threads in (1, cores):
        torch.set_num_threads(threads)
        for channels in NETWORKS:
            work = operations(channels, options.image_size) * count
            rate, peak = rates(Ours(images, CNN(channels)), work, options.rounds)
            name = "-".join(map(str, channels))
            print(
                f"  {name:10} {threads} threads  {work / rate:6.2f} s  {rate / 1e9:6.1f} of "
                f"{peak / 1e9:6.1f} GFLOP/s  {100 * rate / peak:3.0f}%"
            )


if __name__ == "__main__":
    main()
