"""Which network: accuracies of candidates at the base setting and at learning rate 0.001.

    python benchmarks/networks.py --data FOLDER [--image_size 32] [--epochs 80]

Trains every candidate of the README's table, and 16-32-64 with dropout 0.5, one after another, and
prints the operations that an image takes in training, and training, validation and test accuracy
after 20, 40 and 80 epochs (of the last weights). Five minutes and more for each on one core.
"""

import argparse

import torch
from batches import Images, score_all
from measure import print_machine
from one_training import Ours, operations

from dataset import load_data
from model import CNN

CANDIDATES = [  # channels, dropout, hidden
    ((8, 16, 32), 0.25, 64),
    ((8, 16, 32), 0.4, 64),
    ((8, 16, 32), 0.5, 64),
    ((8, 16, 32), 0.5, 128),
    ((8, 24, 48), 0.5, 64),
    ((12, 24, 48), 0.5, 64),
    ((16, 32, 64), 0.5, 64),
]
SHOWN = (20, 40, 80)


def measure_candidate(
    images: Images, candidate: tuple, learning_rate: float, epochs: int, seed: int = 0
) -> None:
    """Train one candidate and print a line for each epoch that is shown."""
    channels, dropout, hidden = candidate
    torch.manual_seed(seed)
    own = Ours(images, CNN(channels, hidden, dropout), learning_rate)
    test = images.splits["test"]
    for epoch in range(1, epochs + 1):
        _, train_accuracy = own.train(1000 * seed + epoch)
        _, valid_accuracy = own.validate()
        if epoch in SHOWN or epoch == epochs:
            scores = score_all(own.model, images, test)
            accuracy = (scores.argmax(1) == images.targets[test]).double().mean().item()
            print(
                f"{channels} dropout {dropout} hidden {hidden} rate {learning_rate} epoch {epoch}: "
                f"train {train_accuracy:.3f} valid {valid_accuracy:.3f} test {100 * accuracy:.1f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=80)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = Images(load_data(options.data, options.image_size), torch.device("cpu"))
    print_machine()
    for candidate in CANDIDATES:
        channels, _, hidden = candidate
        count = operations(channels, options.image_size, hidden) / 1e6
        print(f"{channels} hidden {hidden}: {count:.1f} million operations for a training image")
        measure_candidate(images, candidate, 0.01, options.epochs)
        measure_candidate(images, candidate, 0.001, min(20, options.epochs))


if __name__ == "__main__":
    main()
