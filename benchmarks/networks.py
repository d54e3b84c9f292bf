"""Which network: accuracies of candidates at the base setting and at learning rate 0.001.

    python benchmarks/networks.py --data FOLDER [--image_size 32] [--epochs 80]

Trains every candidate of the table in docs/network.md one after another, and
prints the operations that an image takes in training, and training, validation and test accuracy
after 20, 40 and 80 epochs (of the last weights). Five minutes and more for each on one core.
"""

import torch
from measure import parse, parser, print_machine
from one_training import Ours, operations

from dataset import load_data
from model import CNN
from training.batches import Images, loss_and_accuracy, score_all, seed_of

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


def print_candidate(images: Images, candidate: tuple, learning_rate: float, epochs: int) -> None:
    """Train one candidate as train.py does with seed 0; a line for each epoch that is shown."""
    channels, dropout, hidden = candidate
    torch.manual_seed(seed_of(0, 0))
    ours = Ours(images, CNN(channels, hidden, dropout), learning_rate)
    test = images.splits["test"]
    for epoch in range(1, epochs + 1):
        ours.epoch()
        if epoch in SHOWN or epoch == epochs:
            row = ours.state.history[-1]
            scores = score_all(ours.model, images, test)
            _, tested = loss_and_accuracy(ours.loss_function, scores, images, test)
            print(
                f"{channels} dropout {dropout} hidden {hidden} rate {learning_rate} epoch {epoch}: "
                f"train {row.train_accuracy:.3f} valid {row.valid_accuracy:.3f} "
                f"test {100 * tested:.1f}",
                flush=True,
            )


def main() -> None:
    options = parse(parser(__doc__, image_size=32, epochs=80), epochs=1)
    torch.set_num_threads(1)
    images = Images(load_data(options.data, options.image_size), torch.device("cpu"))
    print_machine()
    for candidate in CANDIDATES:
        channels, _, hidden = candidate
        count = operations(channels, options.image_size, hidden) / 1e6
        print(f"{channels} hidden {hidden}: {count:.1f} million operations for a training image")
        print_candidate(images, candidate, 0.01, options.epochs)
        print_candidate(images, candidate, 0.001, min(20, options.epochs))


if __name__ == "__main__":
    main()
