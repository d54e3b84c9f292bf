"""What it costs to compare with checksums all that a training reads, beside one of its epochs.

    python benchmarks/digests.py [--data shapes] [--image_size 32] [--rounds 7]

Prints medians of ways run in turn in this one run, on one thread.
"""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from measure import PROJECT, parse, parser, print_machine, warmed_up
from one_training import Ours

from dataset import Data, load_data
from model import CNN
from records.files import digest_of, file_digest
from records.finished import recorded, test_status, training_status
from records.runs import checkpoint_path
from training.batches import Images
from training.files import refuse_damaged


def train_and_test(data: str, image_size: int, out: Path) -> None:
    """Leave a finished run of one epoch."""
    places = ["--data", data, "--weight_path", str(out / "w.pth"), "--img_path", str(out)]
    size = ["--image_size", str(image_size), "--epochs", "1"]
    for program, more in (("train.py", size), ("test.py", [])):
        command = [sys.executable, str(PROJECT / program), *places, *more, "--no_pictures"]
        subprocess.run(command, check=True, capture_output=True)


def check_file(path: Path) -> None:
    """What is done before a number of a weight file or checkpoint is used."""
    content = path.read_bytes()
    refuse_damaged(content)
    digest_of(content)


def ways_of(data: Data, out: Path, epoch: Callable[[], None]) -> dict[str, Callable[[], object]]:
    """What is timed, by its name."""
    weight = out / "w.pth"
    identity = recorded(out)["identity"]
    pixels = data.folder / "images"
    return {
        "an epoch": epoch,
        "decoded images, when a program starts": partial(file_digest, pixels),
        "a weight file, when it is read": partial(check_file, weight),
        "a checkpoint, when it is read": partial(check_file, checkpoint_path(weight)),
        "the records of a training": partial(training_status, out, weight, identity),
        "the records of a test": partial(test_status, out, weight, data.digest),
    }


def print_costs(medians: dict[str, float]) -> None:
    """Milliseconds of each, and their share of an epoch."""
    epoch = medians["an epoch"]
    for name, seconds in medians.items():
        percent = 100 * seconds / epoch
        print(f"  {name:40} {1000 * seconds:8.1f} ms  {percent:6.2f} % of an epoch")


def main() -> None:
    smallest = {"image_size": 16, "rounds": 1}
    options = parse(parser(__doc__, data="shapes", image_size=32, rounds=7), **smallest)
    torch.set_num_threads(1)
    data = load_data(options.data, options.image_size)
    epoch = Ours(Images(data, torch.device("cpu")), CNN()).epoch
    print_machine()
    with TemporaryDirectory() as folder:
        out = Path(folder)
        train_and_test(options.data, options.image_size, out)
        size = (data.folder / "images").stat().st_size / 1e6
        print(f"{len(data.names)} images, decoded {size:.0f} MB")
        print_costs(warmed_up(ways_of(data, out, epoch), options.rounds))


if __name__ == "__main__":
    main()
