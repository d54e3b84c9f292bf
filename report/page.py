"""Finished runs -> pictures, results.csv and the report as one HTML file.

    write_report(out, runs, data, identity_for, open_runs=0)

Only files are read: the report can be rebuilt at any time without training. The page is the
template page.html beside this file, with its style.css inside.
"""

import base64
import io
import shlex
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from dataset import Data
from records.files import read_csv, write_text
from report import figures, findings
from report.comparison import named_from, wilson
from report.results import Result, Setting, read_results, settings_of, write_results_csv
from studies.plan import BASE_STUDY, Run

EXAMPLES = 12  # of each class on the sheet of examples
MISTAKES = 24


def write_report(
    out: Path,
    runs: list[Run],
    data: Data,
    identity_for: Callable,
    open_runs: int,
    failed: list[str],
) -> list[str]:
    """Read what is finished; write results.csv, pictures and report.html; the answer's sentences.

    `identity_for(settings)` is what a finished training must have, `failed` names failed runs.
    """
    folder = out / "result"
    results = read_results(runs, identity_for, data.digest)
    write_results_csv(folder / "results.csv", results)
    settings = settings_of(results)
    studies = {study: list(group) for study, group in groupby(settings, lambda s: s.study)}
    answer = findings.make_answer(settings)
    draw_all(folder, studies, answer, data.classes)
    valid = np.bincount(data.targets[data.splits["valid"]])
    guessing = findings.Guessing(valid.max() / valid.sum(), valid.sum())
    told = {"answer": answer, "guessing": guessing, "results": results}
    told["failed"] = findings.failed(settings, guessing)
    answered = findings.sentences("answer.txt", **told)
    sentences = {study: findings.sentences("study.txt", settings=group, **told)
                 for study, group in studies.items()}  # fmt: skip
    base = studies.pop(BASE_STUDY, [None])[0]
    page = findings.templates()
    page.filters |= {"picture": picture, "score": score, "tile": tile, "shell": shlex.join}
    page.globals |= {"examples": examples, "mistakes": mistakes, "bincount": np.bincount}
    shown = {"folder": folder, "runs": runs, "data": data, "open_runs": open_runs, "base": base,
             "failed_runs": failed, "answered": answered, "study_sentences": sentences,
             "studies": studies, "pictures": figures.PICTURES}  # fmt: skip
    text = page.get_template("page.html").render(**told, **shown)
    write_text(folder / "report.html", text)
    return [*answered, f"report: {folder / 'report.html'}"]


def draw_all(folder: Path, studies: dict, answer: findings.Answer, classes: list[str]) -> None:
    """Draw what is missing or may show something else than the results that are there."""
    compared = {}
    for study, settings in studies.items():
        for setting in settings:
            draw_setting(setting, classes)
        curves = {each.label: [run.history for run in each.results] for each in settings}
        rows = {setting.label: answer.rows.get(setting.key) for setting in settings}
        if study != BASE_STUDY and answer.rows:
            compared[study] = rows
        accuracies = [100 * share for setting in settings for share in setting.accuracies]
        path = folder / study / "comparison.png"
        figures.draw_study(path, curves, list(compared.get(study, {}).values()), accuracies)
    if compared:
        figures.draw_answer(folder / "answer.png", compared, named_from(*answer.size))


def draw_setting(setting: Setting, classes: list[str]) -> None:
    """Draw every run of a setting, and the curves of its seeds together."""
    places = [result.run.result for result in setting.results]
    for place in places:
        figures.draw_curves(place)
        figures.draw_confusion_matrix(place, classes)
    if len(places) > 1 and setting.study != BASE_STUDY:
        figures.draw_curves(places[0].parent, places)


# --- numbers and pictures for the template ---------------------------------------------------


def score(accuracies: list[float], images: int) -> str:
    """A mean accuracy with its deviation, and the interval that the test images allow."""
    mean, spread = fmean(accuracies), f" ± {100 * findings.deviation(accuracies):.1f}"
    low, high = (f"{100 * end:.1f}" for end in wilson(mean * images, images))
    shown = f"{findings.percent(mean)}{spread * (len(accuracies) > 1)}"
    return f"{shown}, 95% interval {low} to {high}"


def picture(png: Path | bytes) -> str:
    """A PNG as a data URI, for a page that is one file."""
    png_bytes = png if isinstance(png, bytes) else png.read_bytes()
    return f"data:image/png;base64,{base64.b64encode(png_bytes).decode('ascii')}"


def tile(pixels: np.ndarray) -> str:
    """A small image, uint8 (H, W, 3), as a data URI."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return picture(file.getvalue())


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
