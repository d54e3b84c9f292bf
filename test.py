"""One test: weights and images -> accuracy, predictions and a confusion matrix.

    python test.py --weight_path weights/weight.pth
    python test.py --weight_path weights/weight.pth --predict my_cat.jpg holiday/

The weight file knows the images it was trained beside; their test split is used. Writes
acc.txt, predictions.csv, confusion_matrix.png and test.json to --img_path. With --predict it
prints class, probability and file for pictures of the user's own instead.
"""

from console.errors import InputError, answer_at_once, before_imports, run_program

if __name__ == "__main__":
    before_imports()

from argparse import Namespace

from console.options import parse, path, whole_number


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    size = "images scored at once (default: 256 of 32 x 32 pixels, fewer of larger ones)"
    pictures = "print class and probability of these pictures and folders (default: none)"
    return parse(
        "Test weights on the test images, or predict pictures of your own.",
        *("weight_path", "img_path", "data", "skip_bad_images", "device", "no_pictures"),
        batch_size=(whole_number(1), None, size),
        predict=([path], None, pictures),
    )


if __name__ == "__main__":
    answer_at_once(parse_options)  # what follows takes seconds to load

import sys
import time
from dataclasses import replace

import torch
from torch import Tensor

from dataset import Data, describe, load_data, load_pictures
from images.values import scale_warning
from records.files import write_csv, write_record, write_text
from records.finished import PREDICTION_COLUMNS, accuracies
from records.places import refuse_among_images
from records.runs import test_identity
from records.sources import imported_sources
from training.batches import Images, score_all
from training.files import changed_sources, load_weight, model_of
from training.network import memory_format_of
from training.processes import choose_device, choose_threads


def main() -> int:
    options = parse_options()
    weight = load_weight(options.weight_path)
    code = imported_sources("test.py")
    device = choose_device(options.device)
    choose_threads(weight["image_size"])
    if changed := changed_sources(weight):
        print(f"note: since {options.weight_path} was trained, {changed}", file=sys.stderr)
    if options.predict:
        predict(options, weight, device)
    else:
        test(options, weight, device, code)
    return 0


def test(options: Namespace, weight: dict, device: torch.device, code: dict) -> None:
    """Score the test images with the last and the kept weights; write what came of it."""
    started = time.monotonic()
    data = load_test_data(options, weight)
    print(describe(data))
    images = Images(data, device, memory_format_of(weight["network"]))
    indices = data.splits["test"]
    correct = {}
    for name in ("last", "kept"):  # the kept ones last: their scores are written below
        model = model_of(weight, name, device)
        scores = score_all(model, images, indices, options.batch_size)
        right = scores.argmax(1) == images.targets[indices]
        if name == "last":  # of a training that diverged: no number tells nothing
            right &= ~scores.isnan().any(1)
        correct[name] = int(right.sum())
    rows = [
        (data.names[index], data.classes[data.targets[index]], data.classes[predicted], f"{p:.6f}")
        for index, (predicted, p) in zip(indices, predictions(scores), strict=True)
    ]
    counts = {
        "test_images": len(indices), "correct": correct["kept"], "last_correct": correct["last"],
    }  # fmt: skip
    text = accuracies(counts)
    accuracies_digest = write_text(options.img_path / "acc.txt", text)
    predictions_path = options.img_path / "predictions.csv"
    predictions_digest = write_csv(predictions_path, PREDICTION_COLUMNS, rows)
    if not options.no_pictures:
        from report.figures import draw_confusion_matrix  # here: it takes a second to import

        draw_confusion_matrix(options.img_path, data.classes)
    record = {
        "identity": test_identity(weight["sha256"], data.digest, code),
        "command": [sys.executable, *sys.argv], "seconds": round(time.monotonic() - started, 3),
        **counts, "acc_sha256": accuracies_digest, "predictions_sha256": predictions_digest,
        "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
    }  # fmt: skip
    write_record(options.img_path / "test.json", record)
    print(text, end="")


def load_test_data(options: Namespace, weight: dict) -> Data:
    """The images named by the user or the weight file, prepared as in training."""
    refuse_among_images(options.data or weight["data"], img_path=options.img_path)
    skip = options.skip_bad_images or weight["skip_bad_images"]
    data = load_data(options.data or weight["data"], weight["image_size"], skip)
    if list(data.classes) != weight["classes"]:
        known = f"but {options.weight_path} knows {', '.join(weight['classes'])}"
        classes = f"{data.source} holds the classes {', '.join(data.classes)}"
        raise InputError(f"{classes}, {known}; name the images it was trained for with --data")
    warnings = [*data.warnings, *scale_warning(data.scales, weight.get("scales", {}))]
    return replace(data, mean=weight["mean"], std=weight["std"], warnings=warnings)


def predictions(scores: Tensor) -> list[tuple[int, float]]:
    """Predicted class and its softmax probability for each row of scores, float (n, 2)."""
    probabilities, predicted = scores.softmax(1), scores.argmax(1)
    chosen = probabilities.gather(1, predicted[:, None])[:, 0]
    return list(zip(predicted.tolist(), chosen.tolist(), strict=True))


def predict(options: Namespace, weight: dict, device: torch.device) -> None:
    """Print class, probability and file for every picture named or found in a named folder."""
    data = load_pictures(options.predict, weight, options.skip_bad_images)
    model = model_of(weight, "kept", device)
    images = Images(data, device, memory_format_of(weight["network"]))
    scores = score_all(model, images, data.splits["test"], options.batch_size)
    width = max(map(len, data.classes))
    for name, (predicted, probability) in zip(data.names, predictions(scores), strict=True):
        print(f"{data.classes[predicted]:{width}}  {probability:.4f}  {name}")
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    for warning in data.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if weight["loss_function"] != "CrossEntropyLoss":
        note = "gives no calibrated probability; the number is the softmax of the raw scores"
        print(f"note: {weight['loss_function']} {note}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
