"""Finished runs -> pictures, results.csv and the report as one HTML file.

    write_report(out, runs, data, identity_of, open_runs=0, failed=[])

Only files are read: the report can be rebuilt at any time without training. The page is the
template page.html beside this file, with its style.css inside.
"""

import base64
import io
import shlex
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from dataset import Data
from records.files import read_csv, write_text
from report import figures
from report.comparison import SMALL
from report.findings import Answer, answer_findings, make_answer, study_findings
from report.results import (
    Result,
    Setting,
    read_results,
    settings_of,
    write_accuracies,
    write_results_csv,
)
from report.rules import Chance
from report.words import say, templates
from studies.settings import BASE_STUDY, Run

EXAMPLES = 12  # of each class on the sheet of examples
MISTAKES = 24


def write_report(
    out: Path,
    runs: list[Run],
    data: Data,
    identity_of: Callable,
    open_runs: int,
    failed: list[str],
    close: float = SMALL,
) -> list[str]:
    """Read what is finished; write results.csv, pictures and report.html; the answer's sentences.

    `identity_of(settings)` is what a finished training must have, `failed` names failed runs;
    settings known to be as `close` to the base, a share, are alike.
    """
    folder = out / "result"
    results = read_results(runs, identity_of, data.digest)
    write_results_csv(folder / "results.csv", results)
    settings = settings_of(results)
    for setting in settings:
        write_accuracies(setting)
    studies = {study: list(group) for study, group in groupby(settings, lambda s: s.study)}
    answer = make_answer(settings, chance_of(data), close)
    draw_all(folder, studies, answer, data.classes)
    answered = say(answer_findings(answer))
    text = templates().get_template("page.html").render(
        folder=folder, runs=runs, results=results, data=data, open_runs=open_runs,
        failed_runs=failed, answer=answer, answered=answered, pictures=figures.PICTURES,
        base=studies.pop(BASE_STUDY, [None])[0], studies=studies, picture=picture, shlex=shlex,
        examples=examples, mistakes=mistakes, say=say,
        study_findings=study_findings, bincount=np.bincount,
    )  # fmt: skip
    write_text(folder / "report.html", text)
    return [*answered, f"report: {folder / 'report.html'}"]


def chance_of(data: Data) -> Chance:
    """What guessing the larger class reaches on the validation and the test images."""
    numbers: list[float] = []
    for part in ("valid", "test"):
        counts = np.bincount(data.targets[data.splits[part]], minlength=2)
        numbers += [float(counts.max() / counts.sum()), int(counts.sum())]
    return Chance(*numbers)


def draw_all(folder: Path, studies: dict, answer: Answer, classes: list[str]) -> None:
    """Draw what is missing or may show something else than the results that are there."""
    for study, settings in studies.items():
        for setting in settings:
            draw_setting(setting, classes)
        figures.draw_study(folder / study / "comparison.png", settings, answer.rows)
    if answer.rows:
        changes = {study: studies[study] for study in studies if study != BASE_STUDY}
        figures.draw_answer(folder / "answer.png", changes, answer.rows)


def draw_setting(setting: Setting, classes: list[str]) -> None:
    """Draw every run of a setting, and the curves of its seeds together."""
    folders = [result.run.result for result in setting.results]
    for folder in folders:
        figures.draw_curves(folder)
        figures.draw_confusion_matrix(folder, classes)
    if len(folders) > 1 and setting.study != BASE_STUDY:
        figures.draw_curves(folders[0].parent, folders)


# --- pictures for the template ---------------------------------------------------------------


def picture(image: Path | np.ndarray) -> str:
    """A PNG file, or pixels, uint8 (H, W, 3), as a data URI, for a page that is one file."""
    file = io.BytesIO()
    if isinstance(image, Path):
        file.write(image.read_bytes())
    else:
        Image.fromarray(image).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def examples(data: Data, target: int) -> np.ndarray:
    """Training images of a class, evenly spread over the folder: uint8 (n, H, W, 3)."""
    train = data.splits["train"][data.targets[data.splits["train"]] == target]
    return data.images[train[:: -(-len(train) // EXAMPLES)]]


def mistakes(result: Result, data: Data) -> list[tuple[dict, np.ndarray]]:
    """The test images that a run got wrong and was surest of: rows of predictions.csv, pixels."""
    rows = zip(read_csv(result.run.result / "predictions.csv"), data.splits["test"], strict=True)
    wrong = [(row, index) for row, index in rows if row["predicted_class"] != row["true_class"]]
    surest = sorted(wrong, key=lambda pair: -float(pair[0]["probability"]))[:MISTAKES]
    return [(row, data.images[index]) for row, index in surest]
