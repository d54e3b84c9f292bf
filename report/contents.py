"""What stands on the page, decided here as plain values; page.html words it.

page = contents(folder, found, data)
templates().get_template("page.html").render(page=page)
"""

import base64
import io
import re
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from PIL import Image

from dataset import Data
from records.finished import read_predictions
from records.sources import PROJECT
from report.comparison import Mean
from report.figures import PANELS, PICTURES, Entry
from report.findings import (
    Answer,
    Finding,
    answer_findings,
    name_of,
    study_findings,
    words_of,
)
from report.grids import changed, grid_findings, is_grid
from report.heatmap import Cell
from report.results import Result, Setting
from report.summary import Cells, SummaryRow, cells_of, difference_of
from report.words import sentence, span
from studies.plan import counted
from studies.settings import BASE_STUDY, PREFIX

EXAMPLES = 12  # of each class on the sheet of examples
MISTAKES = 24
MOST = 60  # settings of a study, or of the answer, that pictures have room for
COMPARABLE = ("cifar10",)  # data on which the course report's accuracies say something


class Found(NamedTuple):
    """What the finished runs say: by run, by setting, by study, held against the base."""

    results: list[Result]
    studies: dict[str, list[Setting]]
    answer: Answer
    rows: list[SummaryRow]


class Part(NamedTuple):
    """A piece of a sentence, and the study that it links to, if it names a setting."""

    text: str
    anchor: str


class Picture(NamedTuple):
    """A picture inside the page: its bytes as a data URI, and the values it shows in words."""

    anchor: str
    alt: str
    source: str


class Score(NamedTuple):
    """A test accuracy over seeds with its 95 % interval, as texts; without one both are empty."""

    seeds: int
    mean: str
    low: str
    high: str


class SettingView(NamedTuple):
    """A setting in the table of its study.

    `kept` names the epochs whose weights were kept, with the validation accuracy there; it is
    empty where no seed kept any, `unkept` counts those seeds. `diverged` counts, `diverged_at`
    names the epochs.
    """

    label: str
    pictures: list[Picture]
    score: Score
    last: Score
    kept: str
    valid: str
    unkept: int
    seeds: int
    images: int
    diverged: int
    diverged_at: str


class StudyView(NamedTuple):
    """A study: its settings, its picture in panels, what was found; a grid has a heat map."""

    anchor: str
    name: str
    settings: list[SettingView]
    map: Picture | None
    panels: list[Picture]
    found: list[list[Part]]
    left_out: int


class BaseView(NamedTuple):
    """The base setting again and again; `deviation` is empty with one seed."""

    accuracies: list[str]
    mean: str
    deviation: str
    panels: list[Picture]


class Mistake(NamedTuple):
    """A test image that was got wrong."""

    file: str
    source: str
    true_class: str
    predicted_class: str
    probability: float


class MistakesView(NamedTuple):
    """Mistakes of one run of the setting to use; `calibrated` is whether its loss is one of p."""

    setting: str
    seed: int
    wrong: int
    images: int
    loss_function: str
    mistakes: list[Mistake]
    confusion: Picture


# --- from settings to views ------------------------------------------------------------------


def by_study(settings: list[Setting]) -> dict[str, list[Setting]]:
    """Settings by the study they belong to, in their order."""
    return {study: list(group) for study, group in groupby(settings, lambda each: each.study)}


def links_of(studies: dict[str, list[Setting]]) -> dict[str, str]:
    """What names a study's settings in a sentence, a pattern, and the study it links to."""
    links: dict[str, str] = {}
    for study, settings in studies.items():
        if study != BASE_STUDY:
            links[pattern_of(settings)] = study
    return links


def pattern_of(settings: list[Setting]) -> str:
    """Matches "batch size 16, 64 and 128", and "Batch size" where a sentence begins with it."""
    name = re.escape(words_of(settings[0].changed))
    longest_first = sorted((setting.label for setting in settings), key=len, reverse=True)
    label = rf"(?:{'|'.join(map(re.escape, longest_first))})(?![\w.]*\w)"
    start = rf"^{name}(?=:)"
    return rf"{start}|(?<!\w){name} {label}(?:(?:, | and ){label})*"


def parts_of(text: str, links: dict[str, str]) -> list[Part]:
    """A sentence cut into pieces, of which those that name settings have a link."""
    found = []
    for pattern, study in links.items():
        for match in re.finditer(pattern, text, re.IGNORECASE):
            found.append((match.start(), match.end(), study))
    parts, end = [], 0
    for start, stop, study in sorted(found):
        if start < end:  # inside what has its link already
            continue
        parts += [Part(text[end:start], ""), Part(text[start:stop], study)]
        end = stop
    return [part for part in [*parts, Part(text[end:], "")] if part.text]


def furthest(settings: list[Setting], answer: Answer) -> list[Setting]:
    """The settings that pictures have room for: those furthest from the base, in their order."""
    if len(settings) <= MOST:
        return settings
    distances = {}
    for setting in settings:
        row = answer.rows.get(setting.key)
        distances[setting.key] = abs(row.difference) if row else 1.0
    shown = set(sorted(distances, key=distances.__getitem__, reverse=True)[:MOST])
    return [setting for setting in settings if setting.key in shown]


def entries_of(settings: list[Setting], answer: Answer) -> list[Entry]:
    """What a picture of differences shows of settings; nothing where none is compared."""
    if not any(setting.key in answer.rows for setting in settings):
        return []
    base = answer.settings[0]
    entries = []
    for setting in settings:
        accuracy = fmean(base.accuracies) if setting.key == base.key else None
        entries.append(Entry(setting.label, answer.rows.get(setting.key), accuracy))
    return entries


def answer_entries(studies: dict[str, list[Setting]], answer: Answer) -> list[Entry]:
    """What the answer's picture shows: every study as a heading over its settings."""
    changes = {study: settings for study, settings in studies.items() if study != BASE_STUDY}
    together = [setting for settings in changes.values() for setting in settings]
    shown = furthest(together, answer)
    entries = []
    for study, settings in by_study(shown).items():
        entries.append(Entry(study_name(study)))
        entries += entries_of(settings, answer) or [Entry(each.label) for each in settings]
    return entries


def study_name(study: str) -> str:
    """The name of a study for a reader: Change_batch_size -> batch size."""
    return words_of(study.removeprefix(PREFIX))


def view_of_study(folder: Path, settings: list[Setting], found: Found) -> StudyView:
    """All that the page shows of one study."""
    study = settings[0].study
    name = study_name(study)
    shown = furthest(settings, found.answer)
    told = findings_of(settings, found.answer)
    links = {link: target for link, target in links_of(found.studies).items() if target != study}
    return StudyView(
        anchor=study,
        name=name,
        settings=[view_of_setting(setting, found.answer) for setting in shown],
        map=map_of(folder / study / "heatmap.png", settings, found.answer),
        panels=panels_of(folder / study / "comparison.png", study, f"{name}: "),
        found=[parts_of(sentence(finding), links) for finding in told],
        left_out=len(settings) - len(shown),
    )


def findings_of(settings: list[Setting], answer: Answer) -> list[Finding]:
    """What a study found, of one setting or of several at once."""
    if is_grid(settings):
        return grid_findings(settings, answer)
    return study_findings(with_base_seeds(settings, answer), answer)


def with_base_seeds(settings: list[Setting], answer: Answer) -> list[Setting]:
    """The settings of a study, of which the one that is the base has all seeds of the base."""
    whole = []
    for setting in settings:
        if answer.base is not None and setting.key == answer.base.key:
            setting = setting._replace(results=answer.base.results)
        whole.append(setting)
    return whole


def cells_of_map(settings: list[Setting], answer: Answer) -> list[Cell]:
    """What the heat map of a grid shows: the first setting downwards, the others to the right."""
    cells = []
    for setting in settings:
        row, *column = changed(setting).values()
        compared = answer.rows.get(setting.key)
        cell = Cell(
            row=str(row),
            column=", ".join(map(str, column)),
            accuracy=answer.means[setting.key].mean,
            verdict=compared.verdict if compared else "",
            is_base=answer.base is not None and setting.key == answer.base.key,
            learned=setting.key not in answer.failed,
        )
        cells.append(cell)
    return cells


def map_of(path: Path, settings: list[Setting], answer: Answer) -> Picture | None:
    """The heat map of a grid; its alternative text gives the values."""
    if not is_grid(settings):
        return None
    values = [f"{name_of(setting)} {answer.means[setting.key].mean:.1%}" for setting in settings]
    alt = f"Test accuracy of every combination: {'; '.join(values)}"
    return picture(path, f"{settings[0].study}-map", alt)


def view_of_setting(setting: Setting, answer: Answer) -> SettingView:
    """All that the page shows of one setting in its study."""
    results = setting.results
    images = results[0].test["test_images"]
    kept = [result.train["kept_epoch"] for result in results if result.train["kept_epoch"]]
    diverged = [result.train["epochs"] for result in setting.diverged]
    valid = setting.valid_accuracy
    return SettingView(
        label=setting.label,
        pictures=curves_of(setting),
        score=score_of(answer.means[setting.key]),
        last=score_of(answer.last_means[setting.key]),
        kept=span(min(kept), max(kept)) if kept else "",
        valid="" if valid is None else f"{valid:.1%}",
        unkept=len(results) - len(kept),
        seeds=len(results),
        images=images,
        diverged=len(diverged),
        diverged_at=span(min(diverged), max(diverged)) if diverged else "",
    )


def score_of(mean: Mean) -> Score:
    """Mean and deviation over seeds, with the interval where the noise is known."""
    text = f"{mean.mean:.1%}"
    if mean.deviation is not None:
        text = f"{text} ± {100 * mean.deviation:.1f}"
    if mean.low is None or mean.high is None:
        return Score(mean.seeds, text, "", "")
    return Score(mean.seeds, text, f"{100 * mean.low:.1f}", f"{100 * mean.high:.1f}")


def view_of_base(folder: Path, setting: Setting) -> BaseView:
    """All that the page shows of the base setting's seeds."""
    accuracies = setting.accuracies
    return BaseView(
        accuracies=[f"{accuracy:.1%}" for accuracy in accuracies],
        mean=f"{fmean(accuracies):.1%}",
        deviation=f"{100 * stdev(accuracies):.1f}" if len(accuracies) > 1 else "",
        panels=panels_of(
            folder / setting.study / "comparison.png", setting.study, "base setting: "
        ),
    )


# --- pictures --------------------------------------------------------------------------------


def data_uri(png: bytes) -> str:
    """A PNG as text that a page can hold."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def png_of(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def picture(path: Path, anchor: str, alt: str) -> Picture:
    """A PNG file as a picture of the page; OSError if there is none."""
    return Picture(anchor, alt, data_uri(path.read_bytes()))


def curves_of(setting: Setting) -> list[Picture]:
    """The two pictures of curves of a setting."""
    first = setting.results[0].run
    folder = first.result.parent if len(setting.results) > 1 else first.result
    pictures = []
    for name in PICTURES:
        anchor = f"{first.name}/{name}".replace("/", "-")
        alt = f"{words_of(name)} of {name_of(setting)}"
        pictures.append(picture(folder / f"{name}.png", anchor, alt))
    return pictures


def panels_of(path: Path, anchor: str, title: str) -> list[Picture]:
    """A study's picture cut into its three panels, which stand below each other on a phone."""
    shows = ("validation accuracy", "validation loss", "test accuracy")
    panels, left = [], 0.0
    with Image.open(path) as image:
        scale = image.width / sum(PANELS)
        for width, shown in zip(PANELS, shows, strict=True):
            box = (round(left * scale), 0, round((left + width) * scale), image.height)
            name = f"{anchor}-{shown.replace(' ', '-')}"
            panels.append(Picture(name, title + shown, data_uri(png_of(image.crop(box)))))
            left += width
    return panels


def picture_of_answer(folder: Path, rows: list[SummaryRow]) -> Picture:
    """The answer's picture; its alternative text gives the values."""
    compared = [row for row in rows if row.comparison]
    values = [f"{row.name} {difference_of(row.comparison)}" for row in compared]
    shown = "Differences of test accuracy from the base in points, with 95% intervals"
    return picture(folder / "answer.png", "answer-picture", f"{shown}: {'; '.join(values)}")


# --- images ----------------------------------------------------------------------------------


def examples_of(data: Data) -> dict[str, list[str]]:
    """Training images of each class, evenly spread over the folder, as data URIs."""
    examples = {}
    indices = data.splits["train"]
    for target, name in enumerate(data.classes):
        members = indices[data.targets[indices] == target]
        step = -(-len(members) // EXAMPLES)
        shown = data.images[members[::step]]
        examples[name] = [data_uri(png_of(Image.fromarray(pixels))) for pixels in shown]
    return examples


class Count(NamedTuple):
    """The images of one part: of each class, and the share of the larger one."""

    part: str
    classes: list[int]
    larger: str


def counts_of(data: Data) -> list[Count]:
    """How many images of each class each part holds."""
    counts = []
    for part, indices in data.splits.items():
        count = np.bincount(data.targets[indices], minlength=2)
        counts.append(Count(part, count.tolist(), f"{count.max() / count.sum():.1%}"))
    return counts


def view_of_mistakes(setting: Setting, data: Data) -> MistakesView:
    """The test images that the first run of a setting got wrong and was surest of."""
    result = setting.results[0]
    images = result.test["test_images"]
    path = result.run.result / "confusion_matrix.png"
    return MistakesView(
        setting=name_of(setting),
        seed=result.run.settings["seed"],
        wrong=images - result.test["correct"],
        images=images,
        loss_function=result.run.settings["loss_function"],
        mistakes=mistakes_of(result, data),
        confusion=picture(path, "confusion-matrix", f"confusion matrix of {result.run.name}"),
    )


def mistakes_of(result: Result, data: Data) -> list[Mistake]:
    """The mistakes of a run, those it was surest of first."""
    wrong = []
    rows = read_predictions(result.run.result)
    for row, index in zip(rows, data.splits["test"], strict=True):
        if row["predicted_class"] != row["true_class"]:
            wrong.append((float(row["probability"]), row, index))
    wrong.sort(key=lambda each: -each[0])
    mistakes = []
    for probability, row, index in wrong[:MISTAKES]:
        source = data_uri(png_of(Image.fromarray(data.images[index])))
        classes = row["true_class"], row["predicted_class"]
        mistakes.append(Mistake(row["file"], source, *classes, probability))
    return mistakes


# --- to cite ---------------------------------------------------------------------------------


class Citation(NamedTuple):
    """What a text needs to say about these trainings."""

    finished: str
    command: str
    commit: str
    images: str
    counts: list[str]
    classes: list[str]
    versions: str
    parameters: str
    settings: int
    has_grid: bool
    base_seeds: int
    seeds: str


def citation(results: list[Result], rows: list[SummaryRow], data: Data) -> Citation:
    """Date, command, program, data and versions, for a text."""
    train = results[0].train
    identity = train["identity"]
    packages = [f"{name} {identity[f'{name} version']}" for name in ("torch", "numpy")]
    seeds = [len(row.setting.results) for row in rows[1:]] or [len(rows[0].setting.results)]
    side = data.images.shape[1]
    return Citation(
        finished=max(result.test["finished"] for result in results),
        command=shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]),
        commit=commit_of(PROJECT),
        images=f"{Path(data.source).name}, {side} × {side} pixels",
        counts=[f"{len(indices):,} {part}" for part, indices in data.splits.items()],
        classes=list(data.classes),
        versions=f"Python {sys.version.split()[0]}, {', '.join(packages)}",
        parameters=f"{sum(layer[3] for layer in train['network']):,}",
        settings=len(rows) - 1,
        has_grid=any(is_grid([row.setting]) for row in rows[1:]),
        base_seeds=len(rows[0].setting.results),
        seeds=from_to(seeds),
    )


def from_to(seeds: list[int]) -> str:
    """The least and the greatest number of seeds: 6 seeds; or 1 to 6 seeds."""
    least, greatest = min(seeds), max(seeds)
    if least == greatest:
        return counted(least, "seed")
    return f"{least} to {greatest} seeds"


def commit_of(folder: Path) -> str:
    """The commit of a folder, with a plus where files differ from it; empty without one."""
    if not (folder / ".git").exists():
        return ""
    commit = git(folder, "rev-parse", "--short=12", "HEAD")
    changed = git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit} with changes" if commit and changed else commit


def git(folder: Path, *arguments: str) -> str:
    """What git prints; empty if it fails or is not there."""
    try:
        ended = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""


# --- the page --------------------------------------------------------------------------------


class Training(NamedTuple):
    """One line of the table of times."""

    run: str
    train_seconds: str
    test_seconds: str
    finished: str


class Status(NamedTuple):
    """How many trainings are done of all, how many this call still does; what failed."""

    done: int
    trainings: int
    to_do: int
    failed: list[str]


class Page(NamedTuple):
    """All that the page holds once a run is finished."""

    lead: list[Part]
    told: list[list[Part]]
    answer_picture: Picture | None
    left_out: int
    close: float
    classes: list[str]
    table: list[tuple[Cells, str]]
    one_class: list[str]
    base: BaseView | None
    course_report: bool
    studies: list[StudyView]
    source: str
    side: int
    counts: list[Count]
    notes: list[str]
    warnings: list[str]
    examples: dict[str, list[str]]
    network: list
    parameters: str
    machine: str
    threads: int
    times: list[Training]
    commands: list[str]
    mistakes: MistakesView
    citation: Citation


def contents(folder: Path, found: Found, data: Data) -> Page:
    """Everything that the page shows, as plain values."""
    results, studies, answer, rows = found
    links = links_of(studies)
    lead, *told = [parts_of(sentence(finding), links) for finding in answer_findings(answer)]
    changes = [settings for study, settings in studies.items() if study != BASE_STUDY]
    base = studies.get(BASE_STUDY, [None])[0]
    train = results[0].train
    identity = train["identity"]
    cited = citation(results, rows, data)
    return Page(
        lead=lead,
        told=told,
        answer_picture=picture_of_answer(folder, rows) if answer.rows else None,
        left_out=max(0, sum(map(len, changes)) - MOST),
        close=answer.close,
        classes=list(data.classes),
        table=[(cells_of(row), row.setting.study) for row in rows],
        one_class=[one_class_words(row) for row in rows if row.one_class],
        base=view_of_base(folder, base) if base else None,
        course_report=data.source in COMPARABLE,
        studies=[view_of_study(folder, settings, found) for settings in changes],
        source=data.source,
        side=data.images.shape[1],
        counts=counts_of(data),
        notes=list(data.notes),
        warnings=list(data.warnings),
        examples=examples_of(data),
        network=train["network"],
        parameters=cited.parameters,
        machine=f"{cited.versions}, {identity['device']}; {train['machine']}",
        threads=identity["threads"],
        times=[time_of(result) for result in results],
        commands=commands_of(results),
        mistakes=view_of_mistakes(answer.use or answer.settings[0], data),
        citation=cited,
    )


def one_class_words(row: SummaryRow) -> str:
    """A setting that predicts one class for every image, with how many of its seeds do."""
    seeds = len(row.setting.results)
    return row.name if row.one_class == seeds else f"{row.name} ({row.one_class} of {seeds} seeds)"


def time_of(result: Result) -> Training:
    """The times of one run."""
    train, test = result.train, result.test
    seconds = f"{train['seconds']:.0f} s", f"{test['seconds']:.1f} s"
    return Training(result.run.name, *seconds, test["finished"])


def commands_of(results: list[Result]) -> list[str]:
    """The commands of every training and its test, those of shared ones once."""
    commands: dict[str, None] = {}
    for result in results:
        commands[shlex.join(result.train["command"])] = None
        commands[shlex.join(result.test["command"])] = None
    return list(commands)
