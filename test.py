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
from functools import partial

from console.options import Option, parse, path, shared_options, whole_number
from records.sources import loaded_sources, sources
from training.settings import ALSO_DECIDE, CALIBRATED


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    size = "images scored at once (default: 256 of 32 x 32 pixels, fewer of larger ones)"
    pictures = "print class and probability of these pictures and folders (default: none)"
    names = ("weight_path", "img_path", "data", "skip_bad_images", "device", "no_pictures")
    known = shared_options(names)
    known["batch_size"] = Option(whole_number(1), None, size)
    known["predict"] = Option(path, None, pictures, is_list=True)
    return parse("Test weights on the test images, or predict pictures of your own.", known)


if __name__ == "__main__":
    read_code = partial(sources, "test.py", ALSO_DECIDE)
    answer_at_once(parse_options, read_code)  # what follows takes seconds to load

import sys
import time
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dataset import Data, describe, load_data, load_pictures
from images.sources import image_folder
from images.values import scale_warning
from records.files import write_csv, write_record, write_text
from records.finished import PREDICTION_COLUMNS, accuracies_text
from records.places import check_weight_path, refuse_among_images
from records.runs import test_identity
from training.batches import Images, score_all
from training.files import Values, changed_sources, load_weight, model_of
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


def main() -> int:
    options = parse_options()
    weight = load_weight(options.weight_path)
    code = loaded_sources("test.py", ALSO_DECIDE)
    device = choose_device(options.device)
    choose_threads(weight["image_size"])
    changed = changed_sources(weight)
    if changed:
        since = f"note: since {options.weight_path} was trained"
        print(f"{since}, {printable(changed)}", file=sys.stderr)
    if options.predict:
        predict(options, weight, device)
    else:
        test(options, weight, device, code)
    return 0


def test(options: Namespace, weight: Values, device: torch.device, code: dict[str, Any]) -> None:
    """Score the test images with the last and the kept weights; write what came of it."""
    started = time.monotonic()
    data = load_test_data(options, weight)
    print(describe(data))
    images = Images(data, device, memory_format_of(weight["network"]))
    last = score_with("last", weight, images, options.batch_size)
    kept = score_with("kept", weight, images, options.batch_size)
    counts = {
        "test_images": len(data.splits["test"]),
        "correct": kept.correct,
        "last_correct": last.correct,
    }
    text = accuracies_text(counts)
    rows = prediction_rows(data, kept.scores)
    folder = options.img_path
    accuracies_digest = write_text(folder / "acc.txt", text)
    predictions_digest = write_csv(folder / "predictions.csv", PREDICTION_COLUMNS, rows)
    if not options.no_pictures:
        from report.figures import draw_confusion_matrix  # here: it takes a second to import

        draw_confusion_matrix(folder, data.classes)
    record = {
        "identity": test_identity(weight["sha256"], data.digest, code),
        "command": [sys.executable, *sys.argv],
        "seconds": round(time.monotonic() - started, 3),
        **counts,
        "acc_sha256": accuracies_digest,
        "predictions_sha256": predictions_digest,
        "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    write_record(folder / "test.json", record)
    print(text, end="")


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


def load_test_data(options: Namespace, weight: Values) -> Data:
    """The images named by the user or the weight file, prepared as in training."""
    check_weight_path(options.weight_path, options.img_path)
    source = options.data or weight["data"]
    refuse_among_images(image_folder(source), img_path=options.img_path)
    skip_bad_images = options.skip_bad_images or weight["skip_bad_images"]
    data = load_data(source, weight["image_size"], skip_bad_images)
    if list(data.classes) != weight["classes"]:
        known = f"but {options.weight_path} knows {', '.join(weight['classes'])}"
        classes = f"{data.source} holds the classes {', '.join(data.classes)}"
        raise InputError(f"{classes}, {known}; name the images it was trained for with --data")
    warnings = data.warnings + scale_warning(data.scales, weight.get("scales", {}))
    return replace(data, mean=weight["mean"], std=weight["std"], warnings=warnings)


def predictions(scores: Tensor) -> list[Prediction]:
    """The prediction of each row of scores, float (n, 2)."""
    targets = scores.argmax(1)
    probabilities = scores.softmax(1).gather(1, targets[:, None])[:, 0]
    pairs = zip(targets.tolist(), probabilities.tolist(), strict=True)
    return [Prediction(target, probability) for target, probability in pairs]


def predict(options: Namespace, weight: Values, device: torch.device) -> None:
    """Print class, probability and file for every picture named or in a named folder."""
    data = load_pictures(options.predict, weight, options.skip_bad_images)
    model = model_of(weight, "kept", device)
    images = Images(data, device, memory_format_of(weight["network"]))
    scores = score_all(model, images, data.splits["test"], options.batch_size)
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
