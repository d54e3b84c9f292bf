"""What the page shows of the images: how many, examples of them, and those taken for others.

mistakes = view_of_mistakes(answer.use, data, is_to_use=True)
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from dataset import Data
from records.finished import read_predictions
from report.answer import name_of
from report.pictures import Picture, data_uri, picture, png_of
from report.results import Result, Setting
from training.settings import CALIBRATED

EXAMPLES = 12  # of each class on the sheet of examples
MISTAKES = 24


class Count(NamedTuple):
    """The images of one part: of each class, and the share of the larger one."""

    part: str
    classes: list[int]
    larger: str


class Mistake(NamedTuple):
    """A test image that was got wrong."""

    file: str
    source: str
    true_class: str
    predicted_class: str
    probability: float


class MistakesView(NamedTuple):
    """Mistakes of one run of a setting: of the one to use, if there is one."""

    is_to_use: bool
    setting: str
    seed: int
    wrong: int
    images: int
    loss_function: str
    is_calibrated: bool
    mistakes: list[Mistake]
    confusion: Picture


def counts_of(data: Data) -> list[Count]:
    """How many images of each class each part holds."""
    counts = []
    for part, indices in data.splits.items():
        count = np.bincount(data.targets[indices], minlength=2)
        larger = count.max() / count.sum()
        counts.append(Count(part, count.tolist(), f"{larger:.1%}"))
    return counts


def examples_of(data: Data) -> dict[str, list[str]]:
    """Training images of each class, evenly spread over the folder, as data URIs."""
    examples = {}
    indices = data.splits["train"]
    for target, name in enumerate(data.classes):
        members = indices[data.targets[indices] == target]
        step = -(-len(members) // EXAMPLES)
        examples[name] = [source_of(data, index) for index in members[::step]]
    return examples


def source_of(data: Data, index: int) -> str:
    """An image as a data URI."""
    return data_uri(png_of(Image.fromarray(data.images[index])))


def view_of_mistakes(setting: Setting, data: Data, is_to_use: bool) -> MistakesView:
    """The test images that the first run of a setting got wrong and was surest of."""
    result = setting.results[0]
    images = result.test["test_images"]
    loss_function = result.run.settings["loss_function"]
    path = result.folder / "confusion_matrix.png"
    return MistakesView(
        is_to_use=is_to_use,
        setting=name_of(setting),
        seed=result.run.settings["seed"],
        wrong=images - result.test["correct"],
        images=images,
        loss_function=loss_function,
        is_calibrated=loss_function in CALIBRATED,
        mistakes=mistakes_of(result, data),
        confusion=picture(path, "confusion-matrix", f"confusion matrix of {result.run.name}"),
    )


def mistakes_of(result: Result, data: Data) -> list[Mistake]:
    """The mistakes of a run, those it was surest of first."""
    wrong = []
    rows = read_predictions(result.folder)
    for row, index in zip(rows, data.splits["test"], strict=True):
        if row["predicted_class"] != row["true_class"]:
            wrong.append((float(row["probability"]), row, index))
    wrong.sort(key=lambda mistake: -mistake[0])
    mistakes = []
    for probability, row, index in wrong[:MISTAKES]:
        mistake = Mistake(
            file=row["file"],
            source=source_of(data, index),
            true_class=row["true_class"],
            predicted_class=row["predicted_class"],
            probability=probability,
        )
        mistakes.append(mistake)
    return mistakes
