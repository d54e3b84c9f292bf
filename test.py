"""One test: weights and images -> accuracy, predictions and a confusion matrix.

    python test.py --weight_path weights/weight.pth
    python test.py --weight_path weights/weight.pth --predict my_cat.jpg holiday/

The weight file knows the images it was trained beside; their test split is used. Writes
acc.txt, predictions.csv, confusion_matrix.png and test.json to --img_path. With --predict it
prints class, probability and file for pictures of the user's own instead.
"""

from console.errors import InputError, answer_at_once, before_imports, printable, run_program

if __name__ == "__main__":
    before_imports()

from argparse import Namespace

from console.options import Option, parse, path, shared_options, whole_number
from records.sources import loaded_sources, sources
from training.settings import ALSO_DECIDE, CALIBRATED


def parse_options(arguments: list[str] | None = None) -> Namespace:
    """Read the command line, or these `arguments`; InputError if they are wrong."""
    size = "images scored at once (default: 256 of 32 x 32 pixels, fewer of larger ones)"
    pictures = "print class and probability of these pictures and folders (default: none)"
    names = ("weight_path", "img_path", "data", "skip_bad_images", "device", "no_pictures")
    known = shared_options(names)
    known["batch_size"] = Option(whole_number(1), None, size)
    known["predict"] = Option(path, None, pictures, is_list=True)
    purpose = "Test weights on the test images, or predict pictures of your own."
    return parse(purpose, known, arguments)


def begin() -> None:
    """Read the command line and the code before packages load."""
    parse_options()
    sources("test.py", ALSO_DECIDE)


if __name__ == "__main__":
    answer_at_once(begin)  # what follows takes seconds to load

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dataset import Data, describe, load_data, load_pictures
from images.sources import image_folder
from images.values import scale_warning
from records.files import write_csv, write_record, write_text
from records.finished import PREDICTION_COLUMNS, accuracies_text
from records.places import check_weight_path, refuse_among_images
from records.runs import ACCURACIES, PREDICTIONS, TEST_RECORD, test_identity
from training.archives import Values
from training.batches import Images, score_all
from training.files import load_weight, model_of
from training.network import memory_format_of
from training.processes import choose_device, choose_threads


class Prediction(NamedTuple):
    """The class that has the higher score, and its softmax probability."""

    target: int
    probability: float


class Scored(NamedTuple):
    """Scores of the test images, float32 (n, 2), and how many of their classes are right."""

    scores: Tensor
    correct: int


def main(arguments: list[str] | None = None) -> int:
    """Test or predict as the command line says, or these `arguments`."""
    options = parse_options(arguments)
    weight = load_weight(options.weight_path)
    code = loaded_sources("test.py", ALSO_DECIDE)
    device = choose_device(options.device)
    choose_threads(weight["image_size"])
    if options.predict:
        data = load_pictures(options.predict, weight, options.skip_bad_images)
        predict(data, weight, device, options.batch_size)
        return 0
    started = time.monotonic()
    check_weight_path(options.weight_path)
    source = options.data or weight["data"]
    refuse_among_images(image_folder(source), img_path=options.img_path)
    data = load_test_data(source, weight, options.skip_bad_images)
    print(describe(data))
    written = test(data, weight, device, options.batch_size, options.img_path)
    if not options.no_pictures:
        from report.figures import draw_confusion_matrix  # here: it takes a second to import

        draw_confusion_matrix(options.img_path, data.classes)
    words = sys.argv[1:] if arguments is None else arguments
    record = {
        "identity": test_identity(weight["sha256"], data.digest, code),
        "command": [sys.executable, __file__, *words],
        "seconds": round(time.monotonic() - started, 3),
        **written,
        "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    write_record(options.img_path / TEST_RECORD, record)
    print(accuracies_text(record), end="")
    return 0


def test(
    data: Data, weight: Values, device: torch.device, batch_size: int | None, folder: Path
) -> Values:
    """Score the test images with the last and the kept weights; what of it is written where."""
    images = Images(data, device, memory_format_of(weight["network"]["channels_last"]))
    last = score_with("last", weight, images, batch_size)
    kept = score_with("kept", weight, images, batch_size)
    counts = {
        "test_images": len(data.splits["test"]),
        "larger_class": int(images.one_hot[images.splits["test"]].sum(0).max()),
        "correct": kept.correct,
        "last_correct": last.correct,
    }
    rows = prediction_rows(data, kept.scores)
    return {
        **counts,
        "acc_sha256": write_text(folder / ACCURACIES, accuracies_text(counts)),
        "predictions_sha256": write_csv(folder / PREDICTIONS, PREDICTION_COLUMNS, rows),
    }


def score_with(name: str, weight: Values, images: Images, batch_size: int | None) -> Scored:
    """Score the test images with the "kept" or the "last" weights."""
    model = model_of(weight, name, images.device)
    indices = images.splits["test"]
    scores = score_all(model, images, indices, batch_size)
    is_right = scores.argmax(1) == images.targets[indices]
    if name == "last":  # of a training that diverged: no number tells nothing
        is_right &= ~scores.isnan().any(1)
    return Scored(scores, int(is_right.sum()))


def prediction_rows(data: Data, scores: Tensor) -> list[tuple[str, str, str, str]]:
    """Rows of predictions.csv: file, true class, predicted class, probability."""
    rows = []
    for index, prediction in zip(data.splits["test"], predictions(scores), strict=True):
        true_class = data.classes[data.targets[index]]
        predicted_class = data.classes[prediction.target]
        probability = f"{prediction.probability:.6f}"
        rows.append((data.names[index], true_class, predicted_class, probability))
    return rows


def load_test_data(source: str, weight: Values, skip_bad_images: bool) -> Data:
    """The images of a source, prepared as in training; InputError if they are of other classes."""
    skip_bad_images = skip_bad_images or weight["skip_bad_images"]
    data = load_data(source, weight["image_size"], skip_bad_images, weight["group"])
    if list(data.classes) != weight["classes"]:
        classes = f"{data.source} holds the classes {', '.join(data.classes)}"
        known = f"but the weight file knows {', '.join(weight['classes'])}"
        raise InputError(f"{classes}, {known}; name the images it was trained for with --data")
    warnings = data.warnings + scale_warning(data.scales, weight["scales"])
    return replace(data, mean=weight["mean"], std=weight["std"], warnings=warnings)


def predictions(scores: Tensor) -> list[Prediction]:
    """The prediction of each row of scores, float (n, 2)."""
    targets = scores.argmax(1)
    probabilities = scores.softmax(1).gather(1, targets[:, None])[:, 0]
    pairs = zip(targets.tolist(), probabilities.tolist(), strict=True)
    return [Prediction(target, probability) for target, probability in pairs]


def predict(data: Data, weight: Values, device: torch.device, batch_size: int | None) -> None:
    """Print class, probability and file for every picture."""
    model = model_of(weight, "kept", device)
    images = Images(data, device, memory_format_of(weight["network"]["channels_last"]))
    scores = score_all(model, images, data.splits["test"], batch_size)
    width = max(map(len, data.classes))
    for name, prediction in zip(data.names, predictions(scores), strict=True):
        predicted_class = printable(data.classes[prediction.target])
        print(f"{predicted_class:{width}}  {prediction.probability:.4f}  {name}")
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    for warning in data.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if weight["loss_function"] not in CALIBRATED:
        note = "gives no calibrated probability; the number is the softmax of the raw scores"
        print(f"note: {printable(weight['loss_function'])} {note}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
