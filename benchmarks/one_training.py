"""One training: seconds of an epoch beside the report's way, and the share of peak arithmetic.

    python benchmarks/one_training.py --data FOLDER [--image_size 32] [--rounds 3]

FOLDER has train/ and test/. The report's way runs here, train.py as the program it is, timed by
its own record: training, validation and checkpoint. Medians and ratios of ways run in turn.
"""

import argparse
from functools import partial

import torch
import tutorial
from measure import epoch_seconds, in_turn, parse, parser, print_machine, print_ratios, timed

from dataset import Data, load_data

CHANNELS, HIDDEN = (8, 24, 48), 64  # of model.py
EPOCHS = 3  # of each training of train.py
MATRIX = 2048  # rows and columns of the matrix product whose rate is the peak


def operations(data: Data) -> float:
    """Floating-point operations of an epoch: a product and a sum count as two.

    Of each training image forward, gradient of the weights, and, but for the first layer,
    gradient of the input; of each validation image forward.
    """
    total, before, size = 0.0, 3, data.images.shape[1]
    train, valid = len(data.splits["train"]), len(data.splits["valid"])
    for width in CHANNELS:
        passes = (3 if before != 3 else 2) * train + valid
        total += passes * 2 * 9 * before * width * size**2
        before, size = width, size // 2
    return total + (3 * train + valid) * 2 * (before * 16 * HIDDEN + HIDDEN * 2)


def print_epochs(options: argparse.Namespace, data: Data) -> None:
    """Seconds of an epoch beside the report's way."""
    cores = torch.get_num_threads()
    train = partial(epoch_seconds, options.data, options.image_size, EPOCHS)
    report = timed(tutorial.epoch_of(data, CHANNELS))
    report()  # warms up
    ways = {
        f"the report's way, {cores} threads": report,
        "train.py, 1 thread": partial(train, 1),
        f"train.py, {cores} threads": partial(train, cores),
    }
    print_ratios("an epoch, 8-24-48", in_turn(ways, options.rounds))


def print_rate(options: argparse.Namespace, data: Data) -> None:
    """Operations a second of train.py on one thread, and their share of a matrix product's."""
    torch.set_num_threads(1)
    matrix = torch.randn(MATRIX, MATRIX)
    ways = {
        "train.py": partial(epoch_seconds, options.data, options.image_size, EPOCHS, 1),
        "matrix product": timed(lambda: matrix @ matrix),
    }
    medians = in_turn(ways, options.rounds)
    rate = operations(data) / medians["train.py"] / 1e9
    peak = 2 * MATRIX**3 / medians["matrix product"] / 1e9
    product = f"a {MATRIX} x {MATRIX} float32 matrix product"
    print(f"\nan epoch on one thread beside {product}, batch 32")
    print(f"  {rate:.1f} of {peak:.1f} GFLOP/s, {100 * rate / peak:.0f} %")


def main() -> None:
    options = parse(parser(__doc__ or "", image_size=32, rounds=3), rounds=1)
    data = load_data(options.data, options.image_size)
    print_machine()
    print_epochs(options, data)
    print_rate(options, data)


if __name__ == "__main__":
    main()
