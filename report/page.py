"""Finished runs -> pictures, tables and the report as one HTML file.

    write_report(out, runs, data, trainings, to_do=0, failed=[])

Only files are read: the report can be rebuilt at any time without training. What stands on the
page is decided in contents.py; page.html words it, with style.css inside.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dataset import Data
from records.files import write_text
from report.answer import make_answer
from report.comparison import SMALL
from report.contents import Found, SweepStatus, by_study, contents
from report.differences import answer_entries, draw_answer, entries_of, furthest
from report.figures import draw_confusion_matrix, draw_curves
from report.findings import answer_findings
from report.grids import is_grid
from report.heatmap import draw_heat_map, map_of
from report.results import (
    Result,
    Setting,
    folder_of_seeds,
    results_of,
    settings_of,
    write_accuracies,
    write_results_csv,
)
from report.rules import Chance
from report.study import draw_study
from report.summary import summarize, write_summary
from report.words import say, templates
from studies.plan import Training
from studies.settings import Run, key_of

ANSWER_TITLE = "Test accuracy: points from the base"


def write_report(
    out: Path,
    runs: list[Run],
    data: Data,
    trainings: Iterable[Training],
    to_do: int,
    failed: list[str],
    close: float = SMALL,
) -> list[str]:
    """Read what is finished; write tables, pictures and report.html; the answer's sentences.

    `to_do` trainings are still to be done, `failed` names what failed; settings known to be as
    `close` to the base, a share, are alike. Figures for print are drawn once nothing is to be
    done.
    """
    folder = out / "result"
    results = results_of(runs, trainings)
    write_results_csv(folder / "results.csv", results)
    found = find(results, data, close)
    for settings in found.studies.values():
        for setting in settings:
            write_accuracies(out, setting)
    write_summary(folder, found.rows, data.classes)
    draw_all(folder, found, data.classes, for_print=to_do == 0)
    done = count_trainings([result.run for result in results])
    status = SweepStatus(done, count_trainings(runs), to_do, failed)
    page = contents(folder, found, data) if results else None
    text = templates().get_template("page.html").render(page=page, status=status)
    write_text(folder / "report.html", text)
    return [*say(answer_findings(found.answer)), f"report: {folder / 'report.html'}"]


def count_trainings(runs: list[Run]) -> int:
    """How many trainings runs come to: those of the same settings and seed are one."""
    trainings = set()
    for run in runs:
        trainings.add((key_of(run.settings), run.settings["seed"]))
    return len(trainings)


def find(results: list[Result], data: Data, close: float) -> Found:
    """Group finished runs, and hold every setting against the base."""
    settings = settings_of(results)
    answer = make_answer(settings, chance_of(data), close)
    return Found(results, by_study(settings), answer, summarize(answer, data.classes))


def chance_of(data: Data) -> Chance:
    """What guessing the larger class reaches on the validation and the test images."""
    valid = np.bincount(data.targets[data.splits["valid"]], minlength=2)
    test = np.bincount(data.targets[data.splits["test"]], minlength=2)
    return Chance(
        valid_share=float(valid.max() / valid.sum()),
        valid_images=int(valid.sum()),
        test_share=float(test.max() / test.sum()),
        test_images=int(test.sum()),
    )


def draw_all(folder: Path, found: Found, classes: list[str], for_print: bool) -> None:
    """Draw what is missing or shows something else than the results that are there."""
    for study, settings in found.studies.items():
        for setting in settings:
            draw_setting(folder.parent, setting, classes)
        drawn = furthest(settings, found.answer)
        entries = entries_of(drawn, found.answer)
        draw_study(folder / study, drawn, entries, for_print)
        if is_grid(settings):
            draw_heat_map(folder / study / "heatmap.png", map_of(settings, found.answer))
    if found.answer.rows:
        entries = answer_entries(found.studies, found.answer)
        draw_answer(folder / "answer.png", entries, ANSWER_TITLE, for_print)


def draw_setting(out: Path, setting: Setting, classes: list[str]) -> None:
    """Draw every run of a setting, and the curves of its seeds together."""
    folders = [result.folder for result in setting.results]
    for folder in folders:
        draw_curves(folder)
        draw_confusion_matrix(folder, classes)
    together = folder_of_seeds(out, setting)
    if together is not None and len(folders) > 1:
        draw_curves(together, folders)
