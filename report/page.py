"""Finished runs -> pictures, results.csv and the report as one HTML file.

    Report(out, runs, data, identity_for).write(open_runs=0)

Only files are read: the report can be rebuilt at any time without training. The page is the
template page.html beside this file, with its style.css inside.
"""

import base64
import io
import shlex
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from dataset import Data
from records.files import read_csv, write_text
from report import figures
from report.comparison import named_from, wilson
from report.findings import (
    Answer,
    Guessing,
    deviation,
    environment,
    failed,
    make_answer,
    percent,
    sentences,
)
from report.results import Result, Setting, read_results, settings_of, write_results_csv
from studies.plan import BASE_STUDY, Run

EXAMPLES = 12  # of each class on the sheet of examples
MISTAKES = 24


class Report:
    """The results of all studies in one folder, and the document about them."""

    def __init__(
        self, out: Path, runs: list[Run], data: Data, identity_for: Callable[[dict], dict]
    ) -> None:
        self.runs, self.data, self.identity_for = runs, data, identity_for
        self.folder, self.path = out / "result", out / "result" / "report.html"
        valid = np.bincount(data.targets[data.splits["valid"]], minlength=2)
        self.guessing = Guessing(valid.max() / valid.sum(), valid.sum())

    def write(self, open_runs: int, failed_runs: Sequence[str] = ()) -> list[str]:
        """Read what is finished; write results.csv, pictures and page; the answer's sentences."""
        results = read_results(self.runs, self.identity_for, self.data.digest)
        write_results_csv(self.folder / "results.csv", results)
        settings = settings_of(results)
        studies = {study: list(own) for study, own in groupby(settings, lambda own: own.study)}
        answer = make_answer(settings)
        draw_all(self.folder, studies, answer, self.data.classes)
        lost = failed(settings, self.guessing)
        told = {"answer": answer, "guessing": self.guessing, "failed": lost}
        answered = sentences("answer.txt", **told)
        found = {study: sentences("study.txt", settings=own, **told)
                 for study, own in studies.items()}  # fmt: skip
        page = environment(autoescape=True)
        page.filters |= {"picture": picture, "score": score, "tile": tile, "shell": shlex.join}
        page.globals |= {"examples": examples, "mistakes": mistakes, "bincount": np.bincount}
        text = page.get_template("page.html").render(
            report=self, open_runs=open_runs, failed_runs=failed_runs, results=results,
            base=studies.pop(BASE_STUDY, [None])[0], studies=studies, answer=answer,
            answered=answered, found=found, pictures=figures.PICTURES,
            style=Path(__file__).with_name("style.css").read_text(encoding="utf-8"),
        )  # fmt: skip
        write_text(self.path, text)
        return answered


def draw_all(
    folder: Path, studies: dict[str, list[Setting]], answer: Answer, classes: list[str]
) -> None:
    """Draw what is missing or shows something else than the results that are there."""
    compared = {}
    for study, settings in studies.items():
        for setting in settings:
            places = [result.run.result for result in setting.results]
            for place in places:
                figures.draw_curves(place)
                figures.draw_confusion_matrix(place, classes)
            if len(places) > 1 and study != BASE_STUDY:
                figures.draw_curves(places[0].parent, places)
        curves = {own.label: [run.history.tolist() for run in own.results] for own in settings}
        rows = {own.label: answer.rows.get(own.key) for own in settings}
        rows = {} if study == BASE_STUDY or not answer.rows else rows
        accuracies = [100 * accuracy for own in settings for accuracy in own.accuracies]
        path = folder / study / "comparison.png"
        figures.draw_study(path, curves, list(rows.values()), accuracies)
        compared |= {study: rows} if rows else {}
    if compared:
        figures.draw_answer(folder / "answer.png", compared, named_from(*answer.size))


# --- words and pictures for the template -----------------------------------------------------


def score(accuracies: list[float], images: int) -> str:
    """A mean accuracy with its deviation, and the interval that the test images allow."""
    mean, spread = fmean(accuracies), f" ± {100 * deviation(accuracies):.1f}"
    low, high = (f"{100 * end:.1f}" for end in wilson(mean * images, images))
    return f"{percent(mean)}{spread * (len(accuracies) > 1)}, 95% interval {low} to {high}"


def picture(png: Path | bytes) -> str:
    """A PNG as a data URI, for a page that is one file."""
    content = png if isinstance(png, bytes) else png.read_bytes()
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def tile(pixels: np.ndarray) -> str:
    """A small image, uint8 (H, W, 3), as a data URI."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return picture(file.getvalue())


def examples(data: Data, target: int) -> np.ndarray:
    """Training images of a class, evenly spread over the folder: uint8 (n, H, W, 3)."""
    train = data.splits["train"][data.targets[data.splits["train"]] == target]
    return data.images[train[:: -(-len(train) // EXAMPLES)]]


def mistakes(result: Result, data: Data) -> list[tuple[str, str, np.ndarray]]:
    """The test images that a run got wrong and was surest of: name, answer, pixels."""
    rows = zip(read_csv(result.run.result / "predictions.csv"), data.splits["test"], strict=True)
    wrong = [(row, index) for row, index in rows if row["predicted_class"] != row["true_class"]]
    surest = sorted(wrong, key=lambda own: -float(own[0]["probability"]))[:MISTAKES]
    return [
        (
            row["file"],
            f"{row['predicted_class']} {float(row['probability']):.0%}",
            data.images[index],
        )
        for row, index in surest
    ]
