"""What stands on the page, decided here as plain values; page.html words it.

page = contents(folder, found, data)
templates().get_template("page.html").render(page=page, status=status)
"""

import shlex
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from dataset import Data
from images.sources import SHAPES
from report.answer import Answer
from report.citation import Citation, citation
from report.comparison import Mean
from report.differences import MOST, furthest, study_name
from report.examples import Count, MistakesView, counts_of, examples_of, view_of_mistakes
from report.findings import Finding, answer_findings, study_findings
from report.grids import grid_findings, is_grid
from report.links import Part, links_of, parts_of
from report.noise import FAR, NOISIER
from report.pictures import Picture, curves_of, panels_of, picture_of_answer, picture_of_map
from report.results import Result, Setting
from report.study import LEGEND
from report.summary import Cells, SummaryRow, cells_of
from report.words import sentence, span
from studies.settings import BASE_STUDY

COMPARABLE = ("cifar10",)  # data on which the course report's accuracies say something


class Found(NamedTuple):
    """What the finished runs say: by run, by setting, by study, held against the base."""

    results: list[Result]
    studies: dict[str, list[Setting]]
    answer: Answer
    rows: list[SummaryRow]

    @property
    def base_study(self) -> list[Setting]:
        """The base setting again and again; empty if no run of it is finished."""
        return self.studies.get(BASE_STUDY, [])

    @property
    def changes(self) -> list[list[Setting]]:
        """The settings of each study but that of the base."""
        others = []
        for study, settings in self.studies.items():
            if study != BASE_STUDY:
                others.append(settings)
        return others


class SweepStatus(NamedTuple):
    """How many trainings are done of all, how many this call still does; what failed."""

    done: int
    trainings: int
    to_do: int
    failed: list[str]


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


class TableRow(NamedTuple):
    """A row of the table of all settings, and the part of the page that it links to."""

    cells: Cells
    anchor: str


class RunTimes(NamedTuple):
    """One line of the table of times."""

    run: str
    train_seconds: str
    test_seconds: str
    finished: str


class Page(NamedTuple):
    """All that the page holds once a run is finished."""

    lead: list[Part]
    told: list[list[Part]]
    answer_picture: Picture | None
    left_out: int
    close: float
    far: float
    noisier: float
    classes: list[str]
    table: list[TableRow]
    one_class: list[str]
    base: BaseView | None
    course_report: bool
    studies: list[StudyView]
    source: str
    is_drawn: bool
    side: int
    counts: list[Count]
    notes: list[str]
    warnings: list[str]
    examples: dict[str, list[str]]
    network: list[dict[str, Any]]
    parameters: str
    machine: str
    threads: int
    times: list[RunTimes]
    commands: list[str]
    mistakes: MistakesView
    citation: Citation


def contents(folder: Path, found: Found, data: Data) -> Page:
    """Everything that the page shows, as plain values."""
    results, studies, answer, rows = found
    links = links_of(studies)
    sentences = [sentence(finding) for finding in answer_findings(answer)]
    paragraphs = [parts_of(text, links) for text in sentences]
    changes: list[Setting] = []
    for changed in found.changes:
        changes += changed
    answer_picture = None
    if answer.rows:
        answer_picture = picture_of_answer(folder, rows)
    train = results[0].train
    cited = citation(results, rows, data)
    return Page(
        lead=paragraphs[0],
        told=paragraphs[1:],
        answer_picture=answer_picture,
        left_out=left_out_of(changes),
        close=answer.close,
        far=FAR,
        noisier=NOISIER,
        classes=list(data.classes),
        table=table_of(rows),
        one_class=[one_class_words(row) for row in rows if row.one_class],
        base=view_of_base(folder, found.base_study),
        course_report=data.source in COMPARABLE,
        studies=[view_of_study(folder, changed, found) for changed in found.changes],
        source=data.source,
        is_drawn=data.source == SHAPES,
        side=data.images.shape[1],
        counts=counts_of(data),
        notes=list(data.notes),
        warnings=list(data.warnings),
        examples=examples_of(data),
        network=train["network"],
        parameters=cited.parameters,
        machine=f"{cited.versions}, {train['identity']['device']}; {train['machine']}",
        threads=train["identity"]["threads"],
        times=[time_of(result) for result in results],
        commands=commands_of(results),
        mistakes=mistakes_to_show(answer, data),
        citation=cited,
    )


# --- all settings ----------------------------------------------------------------------------


def by_study(settings: list[Setting]) -> dict[str, list[Setting]]:
    """Settings by the study they belong to, in their order."""
    studies: dict[str, list[Setting]] = {}
    for setting in settings:
        studies.setdefault(setting.study, []).append(setting)
    return studies


def left_out_of(settings: list[Setting]) -> int:
    """How many of these settings pictures have no room for."""
    return max(0, len(settings) - MOST)


def table_of(rows: list[SummaryRow]) -> list[TableRow]:
    """The table of all settings: each links to its study, the base to its noise."""
    table = []
    for row in rows:
        study = row.setting.study
        anchor = "noise" if study == BASE_STUDY else study
        table.append(TableRow(cells_of(row), anchor))
    return table


def one_class_words(row: SummaryRow) -> str:
    """A setting that predicts one class for every image, with how many of its seeds do."""
    seeds = len(row.setting.results)
    if row.one_class == seeds:
        return row.name
    return f"{row.name} ({row.one_class} of {seeds} seeds)"


def mistakes_to_show(answer: Answer, data: Data) -> MistakesView:
    """Mistakes of the setting to use; of the first one where no setting learned."""
    if answer.use is None:
        return view_of_mistakes(answer.settings[0], data, is_to_use=False)
    return view_of_mistakes(answer.use, data, is_to_use=True)


# --- one study -------------------------------------------------------------------------------


def view_of_study(folder: Path, settings: list[Setting], found: Found) -> StudyView:
    """All that the page shows of one study."""
    study = settings[0].study
    drawn = furthest(settings, found.answer)
    return StudyView(
        anchor=study,
        name=study_name(study),
        settings=[view_of_setting(folder.parent, setting, found.answer) for setting in drawn],
        map=map_in(folder / study, settings, found.answer),
        panels=panels_in(folder / study, settings),
        found=sentences_of(settings, found),
        left_out=left_out_of(settings),
    )


def sentences_of(settings: list[Setting], found: Found) -> list[list[Part]]:
    """What a study found, in sentences that link to the other studies."""
    links = {}
    for pattern, study in links_of(found.studies).items():
        if study != settings[0].study:
            links[pattern] = study
    sentences = []
    for finding in findings_of(settings, found.answer):
        sentences.append(parts_of(sentence(finding), links))
    return sentences


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


def map_in(folder: Path, settings: list[Setting], answer: Answer) -> Picture | None:
    """The heat map of a grid."""
    if not is_grid(settings):
        return None
    return picture_of_map(folder / "heatmap.png", settings, answer)


def panels_in(folder: Path, settings: list[Setting]) -> list[Picture]:
    """The panels of a study; none of a grid whose curves are too many to be told apart."""
    if is_grid(settings) and len(settings) > LEGEND:
        return []
    study = settings[0].study
    return panels_of(folder / "comparison.png", study, f"{study_name(study)}: ")


def view_of_base(folder: Path, study: list[Setting]) -> BaseView | None:
    """All that the page shows of the base setting's seeds."""
    if not study:
        return None
    accuracies = study[0].accuracies
    deviation = ""
    if len(accuracies) > 1:
        deviation = f"{100 * stdev(accuracies):.1f}"
    path = folder / BASE_STUDY / "comparison.png"
    return BaseView(
        accuracies=[f"{accuracy:.1%}" for accuracy in accuracies],
        mean=f"{fmean(accuracies):.1%}",
        deviation=deviation,
        panels=panels_of(path, BASE_STUDY, "base setting: "),
    )


# --- one setting -----------------------------------------------------------------------------


def view_of_setting(out: Path, setting: Setting, answer: Answer) -> SettingView:
    """All that the page shows of one setting in its study."""
    results = setting.results
    kept = []
    for result in results:
        if result.train["kept_epoch"]:
            kept.append(result.train["kept_epoch"])
    diverged = [result.train["epochs"] for result in setting.diverged]
    valid = ""
    if setting.valid_accuracy is not None:
        valid = f"{setting.valid_accuracy:.1%}"
    return SettingView(
        label=setting.label,
        pictures=curves_of(out, setting),
        score=score_of(answer.means[setting.key]),
        last=score_of(answer.last_means[setting.key]),
        kept=epochs_from_to(kept),
        valid=valid,
        unkept=len(results) - len(kept),
        seeds=len(results),
        diverged=len(diverged),
        diverged_at=epochs_from_to(diverged),
    )


def epochs_from_to(epochs: list[int]) -> str:
    """Name the epochs from the first to the last; empty where there is none."""
    return span(min(epochs), max(epochs)) if epochs else ""


def score_of(mean: Mean) -> Score:
    """Mean and deviation over seeds, with the interval where the noise is known."""
    text = f"{mean.mean:.1%}"
    if mean.deviation is not None:
        text = f"{text} ± {100 * mean.deviation:.1f}"
    if mean.low is None or mean.high is None:
        return Score(mean.seeds, text, "", "")
    return Score(mean.seeds, text, f"{100 * mean.low:.1f}", f"{100 * mean.high:.1f}")


# --- what was run ----------------------------------------------------------------------------


def time_of(result: Result) -> RunTimes:
    """The times of one run."""
    train_seconds = f"{result.train['seconds']:.0f} s"
    test_seconds = f"{result.test['seconds']:.1f} s"
    return RunTimes(result.run.name, train_seconds, test_seconds, result.test["finished"])


def commands_of(results: list[Result]) -> list[str]:
    """The commands of every training and its test, those of shared ones once."""
    commands: dict[str, None] = {}
    for result in results:
        commands[shlex.join(result.train["command"])] = None
        commands[shlex.join(result.test["command"])] = None
    return list(commands)
