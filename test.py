"""One test: weights and images -> accuracy, predictions and a confusion matrix.

    python test.py --weight_path weights/weight.pth
    python test.py --weight_path weights/weight.pth --predict my_cat.jpg holiday/

The weight file knows the images it was trained beside; their test split is used. Writes
acc.txt, predictions.csv, confusion_matrix.png and test.json to --img_path. With --predict it
prints class, probability and file for pictures of the user's own instead, and, with --csv,
writes the same as a table.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from batches import Images, choose_device, score_all
from checkpoints import load_weight
from dataset import Data, bad_files_message, bad_files_note, decode_or_reason, describe, load_data
from model import CNN
from options import (
    Parser,
    add_data_options,
    add_device_options,
    add_place_options,
    place,
    whole_number,
)
from runs import (
    InputError,
    machine,
    run_program,
    test_identity,
    write_csv,
    write_json,
    write_text,
)
from sources import BUILT_IN, Item, image_files

COLUMNS = ("file", "true_class", "predicted_class", "probability")


def main() -> int:
    options = parse_options()
    started = time.monotonic()
    weight = load_weight(options.weight_path)
    device = choose_device(options.device)
    if options.predict:
        predict(options, weight, device)
        return 0
    data = load_test_data(options, weight)
    print(describe(data))
    images = Images(data, device)
    indices = images.splits["test"]
    scores = {
        name: score_all(
            model_of(weight, name, device), images, indices, options.precision, options.batch_size
        ).cpu()
        for name in ("kept", "last")
    }
    targets = torch.from_numpy(data.targets[data.splits["test"]])
    accuracies = {name: accuracy(own, targets) for name, own in scores.items()}
    write_results(options, data, scores["kept"], accuracies)
    write_json(
        options.img_path / "test.json",
        {
            "identity": test_identity(options.weight_path, data.digest),
            "command": [sys.executable, *sys.argv],
            "test_images": len(targets),
            "correct": round(accuracies["kept"] * len(targets)),
            "last_correct": round(accuracies["last"] * len(targets)),
            "majority_share": float(np.bincount(targets).max() / len(targets)),
            "seconds": round(time.monotonic() - started, 3),
            "machine": machine(),
            "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
        },
    )
    print(accuracy_text(accuracies), end="")
    return 0


def parse_options() -> argparse.Namespace:
    """Read the command line; InputError if it is wrong."""
    parser = Parser("Test weights on the test images, or predict pictures of your own.")
    add = parser.add_argument
    add_place_options(parser)
    add(
        "--batch_size",
        type=whole_number,
        help="images scored at once (default: 256 of 32 x 32 pixels, fewer of larger ones)",
    )
    add_data_options(parser, without="the images that the weights were trained beside")
    add_device_options(parser)
    add(
        "--predict",
        nargs="+",
        type=place,
        metavar="FILE",
        help="print class and probability of these pictures (a folder: all in it) instead",
    )
    add("--csv", type=place, metavar="FILE", help="with --predict: write the same as a table")
    options = parser.parse_args()
    if options.csv and not options.predict:
        parser.error("--csv goes with --predict")
    return options


def model_of(weight: dict, name: str, device: torch.device) -> nn.Module:
    """The CNN with the kept or the last weights of a weight file."""
    model = CNN()
    model.load_state_dict(weight[name])
    return model.to(device, memory_format=torch.channels_last)


def load_test_data(options: argparse.Namespace, weight: dict) -> Data:
    """The images named by the user or the weight file, prepared as in training."""
    source = options.data
    data = load_data(
        source or weight["data"],
        weight["image_size"],
        options.skip_bad_images or weight["skip_bad_images"],
        options.download_folder if source in BUILT_IN else Path(weight["download_folder"]),
    )
    if list(data.classes) != weight["classes"]:
        raise InputError(
            f"{data.source} holds the classes {', '.join(data.classes)}, but "
            f"{options.weight_path} knows {', '.join(weight['classes'])}; "
            "name the images it was trained for with --data"
        )
    data.mean[:], data.std[:] = weight["mean"], weight["std"]
    return data


# --- results ---------------------------------------------------------------------------------


def accuracy(scores: Tensor, targets: Tensor) -> float:
    """Share of images whose larger score is that of their class."""
    return (scores.argmax(1) == targets).double().mean().item()


def accuracy_text(accuracies: dict[str, float]) -> str:
    """The content of acc.txt."""
    return (
        f"Test accuracy: {100 * accuracies['kept']:.4f}%\n"
        f"Last epoch: {100 * accuracies['last']:.4f}%\n"
    )


def write_results(
    options: argparse.Namespace, data: Data, scores: Tensor, accuracies: dict[str, float]
) -> None:
    """Write acc.txt, predictions.csv and confusion_matrix.png."""
    from plots import draw_confusion_matrix  # here: matplotlib takes a second to import

    indices = data.splits["test"].tolist()
    truth = [data.classes[data.targets[index]] for index in indices]
    names = [data.names[index] for index in indices]
    rows = [
        (name, true_class, data.classes[predicted], f"{probability:.6f}")
        for name, true_class, (predicted, probability) in zip(
            names, truth, predictions(scores), strict=True
        )
    ]
    write_text(options.img_path / "acc.txt", accuracy_text(accuracies))
    write_csv(options.img_path / "predictions.csv", COLUMNS, rows)
    draw_confusion_matrix(options.img_path, list(data.classes))


def predictions(scores: Tensor) -> list[tuple[int, float]]:
    """Predicted class and its softmax probability for each row of scores."""
    probabilities = scores.softmax(1)
    predicted = scores.argmax(1)
    chosen = probabilities.gather(1, predicted[:, None])[:, 0]
    return list(zip(predicted.tolist(), chosen.tolist(), strict=True))


# --- a user's own pictures -------------------------------------------------------------------


def predict(options: argparse.Namespace, weight: dict, device: torch.device) -> None:
    """Print class, probability and file for every picture named or found in a named folder."""
    paths = [path for named in options.predict for path in pictures_in(named)]
    pixels = decode_all(paths, weight["image_size"], options.skip_bad_images)
    paths = list(pixels)
    images = np.stack(list(pixels.values()))
    count = len(images)
    data = Data(
        "", tuple(weight["classes"]), [], images, np.zeros(count, dtype=np.int64), {},
        weight["mean"], weight["std"], "", 0, [],
    )  # fmt: skip
    scores = score_all(
        model_of(weight, "kept", device), Images(data, device),
        torch.arange(count, device=device), options.precision, options.batch_size,
    )  # fmt: skip
    rows = [
        (str(path), weight["classes"][predicted], f"{probability:.4f}")
        for path, (predicted, probability) in zip(paths, predictions(scores.cpu()), strict=True)
    ]
    width = max(map(len, weight["classes"]))
    for path, name, probability in rows:
        print(f"{name:{width}}  {probability}  {path}")
    if options.csv:
        write_csv(options.csv, ("file", "class", "probability"), rows)
    if weight["loss_function"] != "CrossEntropyLoss":
        print(
            f"note: {weight['loss_function']} gives no calibrated probability; "
            "the number is the softmax of the raw scores",
            file=sys.stderr,
        )


def pictures_in(path: Path) -> list[Path]:
    """A picture itself, or all pictures in a folder; InputError if there are none."""
    if not path.is_dir():
        if not path.exists():
            raise InputError(f"{path} is not there; --predict takes pictures and folders")
        return [path]
    found = [file for file, _ in image_files(path)]
    if not found:
        raise InputError(f"{path} holds no images; --predict takes pictures and folders of them")
    return found


def decode_all(paths: list[Path], image_size: int, skip_bad: bool) -> dict[Path, np.ndarray]:
    """Decode pictures; InputError that names the bad ones unless they are to be skipped."""
    decoded = {path: decode_or_reason(Item("", "", 0, path), image_size) for path in paths}
    bad = [(str(path), reason) for path, (image, reason) in decoded.items() if image is None]
    if bad and not (skip_bad and len(bad) < len(decoded)):
        raise InputError(bad_files_message(bad))
    if bad:
        print(f"warning: {bad_files_note(bad)}", file=sys.stderr)
    return {path: image for path, (image, _) in decoded.items() if image is not None}


if __name__ == "__main__":
    run_program(main)
