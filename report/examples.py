"""Images inside the page, as data URIs: examples of each class, and those taken for another.

for mistake in mistakes_of(result, data): print(mistake.file)
"""

import base64
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from dataset import Data
from records.finished import read_predictions
from report.results import Result

EXAMPLES = 8  # of each class on the sheet of examples
MISTAKES = 20  # two rows of a wide window


class Mistake(NamedTuple):
    """A test image that was taken for the other class: its place among all images, its file."""

    place: int
    file: str
    true_class: str
    predicted_class: str
    probability: float


def examples_of(data: Data) -> dict[str, np.ndarray]:
    """Where training images of each class stand in the data, evenly spread over the folder."""
    examples = {}
    indices = data.splits["train"]
    for target, name in enumerate(data.classes):
        members = indices[data.targets[indices] == target]
        places = np.linspace(0, len(members) - 1, min(EXAMPLES, len(members))).astype(int)
        examples[name] = members[places]
    return examples


def mistakes_of(result: Result, data: Data) -> list[Mistake]:
    """The mistakes of a run, those it was surest of first."""
    mistakes = []
    predictions = read_predictions(result.folder)
    for row, index in zip(predictions, data.splits["test"], strict=True):
        classes = row["true_class"], row["predicted_class"]
        if classes[0] != classes[1]:
            mistakes.append(Mistake(index, row["file"], *classes, float(row["probability"])))
    mistakes.sort(key=lambda mistake: -mistake.probability)
    return mistakes[:MISTAKES]


def image_uri(pixels: np.ndarray) -> str:
    """An image, uint8 (H, W, 3), as text that a page can hold."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return data_uri(file.getvalue())


def file_uri(path: Path) -> str:
    """A PNG file as text that a page can hold; OSError if there is none."""
    return data_uri(path.read_bytes())


def data_uri(png: bytes) -> str:
    """A PNG as text that a page can hold."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
