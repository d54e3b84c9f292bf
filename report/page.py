"""Finished runs -> pictures, tables and the report as one HTML file.

    write_report(out, runs, data, trainings, to_do=0, failed=[])

Only files are read: the report can be rebuilt at any time without training. What stands on the
page is decided here as plain values; page.html words it, with style.css inside.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dataset import Data
from images.sources import SHAPES
from records.files import write_text
from records.sources import PROJECT
from report.answer import Answer, answer_of_runs
from report.differences import answer_entries, draw_answer, held_in, title_of
from report.examples import examples_of, mistakes_of
from report.figures import CONFUSION_MATRIX, PICTURES, Look, draw_confusion_matrix, draw_curves
from report.findings import (
    Finding,
    answer_findings,
    details_of,
    headline,
    rules_of,
    study_lines,
    warnings_of,
)
from report.grids import grid_findings
from report.heatmap import draw_heat_map, map_of
from report.noise import FAR, NOISIER, UNEQUAL
from report.results import (
    Result,
    Setting,
    folder_of_setting,
    results_of,
    settings_of,
    studies_of,
    write_accuracies,
    write_results_csv,
)
from report.roc import draw_roc
from report.studied import study_findings
from report.study import LEGEND, draw_study, look_of
from report.summary import Summary, summarize, write_summary
from report.words import say, sentence, templates
from studies.plan import Training
from studies.settings import Run, key_of
from studies.store import sources_path
from training.settings import CALIBRATED, GOES_ON
from training.tried import SAME_START

COMPARABLE = ("cifar10",)  # data on which the course report's accuracies say something
# The panels of a study, each a PNG: its file's name, and what it shows.
PANELS = {"accuracy": "validation accuracy", "loss": "validation loss", "roc": "ROC curves"}


class SweepStatus(NamedTuple):
    """How many trainings are done of all, how many this call still does; what failed."""

    done: int
    trainings: int
    to_do: int
    failed: list[str]


class Study(NamedTuple):
    """What the page shows of a study: settings, pictures, what was found.

    `panels` are the names of its pictures, with what they show.
    """

    settings: list[Setting]
    panels: dict[str, str]
    sentences: list[str]


def write_report(
    out: Path,
    runs: list[Run],
    data: Data,
    trainings: Iterable[Training],
    to_do: int,
    failed: list[str],
    until: float | None = None,
) -> list[str]:
    """Read what is finished; write tables, pictures and report.html; the answer's sentences.

    `to_do` trainings are still to be done, `failed` names what failed; settings known to be as
    close to the base as `until` says, in points, are alike. Figures for print are drawn once
    nothing is to be done.
    """
    folder = out / "result"
    results = results_of(out, runs, trainings)
    settings = settings_of(results)
    answer = answer_of_runs(settings, runs, data, until)
    summaries = summarize(answer, data.classes)
    write_results_csv(folder / "results.csv", results)
    for setting in settings:
        write_accuracies(setting)
    write_summary(folder, summaries, data)
    draw_pictures(folder, settings, answer, data.classes, for_print=to_do == 0)
    done = count_trainings([result.run for result in results])
    values: dict[str, Any] = {"answer": None}
    if results:
        values = page_values(folder, settings, answer, summaries, data)
    values["status"] = SweepStatus(done, count_trainings(runs), to_do, failed)
    write_text(folder / "report.html", templates().get_template("page.html").render(values))
    findings = answer_findings(answer, data.title)
    return [*say(findings), f"report: {folder / 'report.html'}"]


def count_trainings(runs: list[Run]) -> int:
    """How many trainings runs come to: those of the same settings and seed are one."""
    return len({(key_of(run.settings), run.settings["seed"]) for run in runs})


# --- pictures --------------------------------------------------------------------------------


def draw_pictures(
    folder: Path, settings: list[Setting], answer: Answer, classes: list[str], for_print: bool
) -> None:
    """Draw what is missing or shows something else than the results that are there."""
    held = held_in(answer)
    for of_study in studies_of(settings):
        for setting in of_study:
            draw_setting(setting, look_of(setting, of_study), classes, for_print)
        study = folder / of_study[0].study
        draw_study(study, of_study, held, for_print)
        draw_roc(study / "roc.png", of_study, classes, for_print)
        if of_study[0].is_of_grid:
            draw_heat_map(study / "heatmap.png", map_of(of_study, answer), for_print)
    if answer.rows:
        varied = [setting for setting in settings if not setting.is_base]
        entries = answer_entries(varied, held)
        draw_answer(folder / "answer.png", entries, title_of(answer.base), for_print)


def draw_setting(setting: Setting, look: Look, classes: list[str], for_print: bool) -> None:
    """Draw every run of a setting, and in its own folder the curves of all its seeds.

    Curves are drawn below the study, whose settings share their axes.
    """
    together = folder_of_setting(setting)
    for result in setting.results:
        draw_confusion_matrix(result.folder, classes)
        if setting.is_base or result.view != together:
            draw_curves(result.view, [result.folder])
    if not setting.is_base:
        folders = [result.folder for result in setting.results]
        draw_curves(together, folders, look, for_print)


# --- the page --------------------------------------------------------------------------------


def page_values(
    folder: Path, settings: list[Setting], answer: Answer, summaries: list[Summary], data: Data
) -> dict[str, Any]:
    """Everything that the page shows, by the names that page.html has for it."""
    varied = [setting for setting in settings if not setting.is_base]
    results = [result for setting in settings for result in setting.results]
    mistaken = answer.guess or answer.settings[0]
    return {
        "folder": folder,
        "data": data,
        "source": data.title,
        "answer": answer,
        "summaries": summaries,
        "results": results,
        "lead": say(headline(answer, data.title)),
        "warnings": [*say(warnings_of(answer)), *data.warnings],
        "lines": study_lines(answer),
        "details": say(details_of(answer)),
        "one_class": [summary for summary in summaries if summary.one_class],
        "studies": [study_of(of_study, answer) for of_study in studies_of(varied)],
        "rules": sentence(rules_of(answer)),
        "mistaken": mistaken,
        "mistakes": mistakes_of(mistaken.results[0], data),
        "examples": examples_of(data),
        "counts": counts_of(data),
        "commands": commands_of(results),
        "command": shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": commit_of(PROJECT),
        "sources": sources_of(folder, results[0]),
        "citation": citation_in(PROJECT),
        "python": sys.version.split()[0],
        "computing": computing_seconds(results),
        "is_comparable": data.source in COMPARABLE,
        "is_drawn": data.source == SHAPES,
        "calibrated": CALIBRATED,
        "curves": PICTURES,
        "panels_of_base": PANELS,
        "confused": confused_of(summaries),
        "confusion_matrix": CONFUSION_MATRIX,
        "far": FAR,
        "noisier": NOISIER,
        "unequal": UNEQUAL,
        "same_start": SAME_START,
    }


def confused_of(summaries: list[Summary]) -> list[Summary]:
    """The first setting, which is the base if that is finished, and the least like it in recall.

    A setting that predicts one class is not the second: a warning says that of it.
    """
    first = summaries[0]
    others = [summary for summary in summaries[1:] if not summary.one_class]
    others.sort(key=lambda summary: recall_gap(summary, first))
    return [first, *others[-1:]]


def recall_gap(summary: Summary, base: Summary) -> float:
    """The larger difference of a class's recall."""
    pairs = zip(summary.of_classes, base.of_classes, strict=True)
    return max(abs(one.recall - of_base.recall) for one, of_base in pairs)


def study_of(settings: list[Setting], answer: Answer) -> Study:
    """What the page shows of one study; no curves of a grid that are too many to be told apart."""
    panels = PANELS
    if settings[0].is_of_grid and len(settings) > LEGEND:
        panels = {}
    return Study(settings, panels, say(findings_of(settings, answer)))


def findings_of(settings: list[Setting], answer: Answer) -> list[Finding]:
    """What a study found; the setting that is the base is judged by all seeds of the base."""
    if settings[0].is_of_grid:
        return grid_findings(settings, answer)
    return study_findings([answer.whole(setting) for setting in settings], answer)


def computing_seconds(results: list[Result]) -> float:
    """How long all trainings and tests took; the time of one holds that of what it went on from."""
    trainings: dict[tuple, float] = {}
    tests: dict[tuple, float] = {}
    for result in results:
        settings = dict(result.run.settings)
        tests[key_of(settings), result.seed] = result.test["seconds"]
        if GOES_ON:
            settings["epochs"] = 0
        chain = (key_of(settings), result.seed)
        trainings[chain] = max(trainings.get(chain, 0.0), result.train["seconds"])
    return sum(trainings.values()) + sum(tests.values())


def counts_of(data: Data) -> dict[str, list[int]]:
    """How many images of each class each part holds."""
    counts = {}
    for part, indices in data.splits.items():
        counts[part] = np.bincount(data.targets[indices], minlength=2).tolist()
    return counts


def commands_of(results: list[Result]) -> list[str]:
    """The commands of every training and its test, those of shared ones once."""
    commands: dict[str, None] = {}
    for result in results:
        commands[shlex.join(result.train["command"])] = None
        commands[shlex.join(result.test["command"])] = None
    return list(commands)


def sources_of(folder: Path, result: Result) -> str:
    """The archive of the code that trained and tested, from the page on; empty if there is none."""
    decides = result.train["identity"] | result.test["identity"]
    path = sources_path(folder.parent, decides)
    return path.relative_to(folder).as_posix() if path.exists() else ""


def commit_of(folder: Path) -> str:
    """The commit of a folder, and whether files differ from it; empty without one, or git."""
    if not (folder / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty= with changes"]
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""


def citation_in(folder: Path) -> dict[str, str]:
    """What CITATION.cff in a folder says in quotes, by its name; nothing without that file."""
    path = folder / "CITATION.cff"
    if not path.is_file():
        return {}
    return dict(re.findall(r'(\w+): "(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE))
