"""One row for each setting: the table of the page, summary.csv, summary.md and summary.tex.

rows = summarize(answer, data.classes)
write_summary(Path("result"), rows, data.classes)
"""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np

from records.files import write_text
from records.finished import read_predictions
from report.answer import Answer, name_of
from report.comparison import Comparison, bound, deviation_of, points
from report.results import Setting, write_table
from report.rules import ends_of
from report.words import VERDICTS, templates
from training.settings import SETTINGS

DASH = "–"  # where there is no value
TEX = {letter: f"\\{letter}" for letter in "&%$#_{}"}
TEX |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
TEX |= {"−": "$-$", "–": "--", "×": "$\\times$", "±": "$\\pm$"}
TEX |= {"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}"}


class Recognition(NamedTuple):
    """How the two classes were told apart: recall of each, area under the ROC curve.

    None where the test images do not hold the class, or only one of the two.
    """

    recalls: list[float | None]
    auc: float | None
    predicts_one_class: bool


class Cells(NamedTuple):
    """A setting's row for a reader, as texts; a dash where there is no value."""

    setting: str
    seeds: str
    accuracy: str
    difference: str
    verdict: str
    last_accuracy: str
    recalls: list[str]
    auc: str
    ended: str


class SummaryRow(NamedTuple):
    """All of a setting in one row; shares are means over its seeds.

    `comparison` is None for the base and where nothing can be compared; `ends` counts how its
    trainings ended; `one_class` counts the seeds that predict the same class for every image.
    """

    name: str
    setting: Setting
    accuracy: float
    deviation: float | None
    comparison: Comparison | None
    last_accuracy: float
    recalls: list[float | None]
    auc: float | None
    ends: dict[str, int]
    one_class: int

    @property
    def ended(self) -> str:
        """How the trainings ended: converged; or converged 5, diverged 1."""
        if len(self.ends) == 1:
            [end] = self.ends
            return end
        counts = [f"{end} {count}" for end, count in self.ends.items()]
        return ", ".join(counts)


# --- how the classes were told apart ---------------------------------------------------------


def recognition(predictions: list[dict[str, str]], classes: list[str]) -> Recognition:
    """Recalls and AUC from the rows of a run's predictions.csv."""
    true_classes = [row["true_class"] for row in predictions]
    predicted_classes = [row["predicted_class"] for row in predictions]
    is_second = np.array(true_classes) == classes[1]
    chose_second = np.array(predicted_classes) == classes[1]
    probability = np.array([float(row["probability"]) for row in predictions])
    scores = np.where(chose_second, probability, 1 - probability)
    recalls = [share_of(~chose_second, ~is_second), share_of(chose_second, is_second)]
    one_class = len(set(predicted_classes)) < len(set(true_classes))
    return Recognition(recalls, area_under_roc(scores, is_second), one_class)


def share_of(hits: np.ndarray, members: np.ndarray) -> float | None:
    """The share of members that are hits, both bool (n,); None without members."""
    if not members.any():
        return None
    return float(hits[members].mean())


def area_under_roc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """The chance that a positive image scores above another one; a tie counts half.

    `scores` is float (n,), `positive` bool (n,); None if all are of one kind. Mann and Whitney
    (1947, Ann. Math. Stat. 18:50).
    """
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        return None
    _, positions, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(ties) - (ties - 1) / 2  # tied scores share the mean of their ranks
    lowest_sum = count * (count + 1) / 2
    above = ranks[positions][positive].sum() - lowest_sum
    return float(above / (count * others))


# --- rows ------------------------------------------------------------------------------------


def summarize(answer: Answer, classes: list[str]) -> list[SummaryRow]:
    """A row for every setting, the base first and once."""
    return [summarize_setting(setting, answer, classes) for setting in answer.settings]


def summarize_setting(setting: Setting, answer: Answer, classes: list[str]) -> SummaryRow:
    """The row of one setting."""
    of_runs = []
    for result in setting.results:
        predictions = read_predictions(result.folder)
        of_runs.append(recognition(predictions, classes))
    ends = {}
    for end, count in ends_of(setting, answer.chance).items():
        ends[end.value] = count
    return SummaryRow(
        name=name_of(setting),
        setting=setting,
        accuracy=fmean(setting.accuracies),
        deviation=deviation_of(setting.accuracies),
        comparison=answer.rows.get(setting.key),
        last_accuracy=fmean(result.last_accuracy for result in setting.results),
        recalls=mean_recalls(of_runs),
        auc=mean_or_none([recognised.auc for recognised in of_runs]),
        ends=ends,
        one_class=sum(recognised.predicts_one_class for recognised in of_runs),
    )


def mean_recalls(of_runs: list[Recognition]) -> list[float | None]:
    """The recall of each class, the mean over runs."""
    means = []
    for target in (0, 1):
        recalls = [recognised.recalls[target] for recognised in of_runs]
        means.append(mean_or_none(recalls))
    return means


def mean_or_none(values: list[float | None]) -> float | None:
    """The mean; None if a value is missing."""
    known: list[float] = []
    for value in values:
        if value is None:
            return None
        known.append(value)
    return fmean(known)


# --- words -----------------------------------------------------------------------------------


def cells_of(row: SummaryRow) -> Cells:
    """A setting's row as texts: accuracies in percent, differences in points."""
    accuracy = bare_percent(row.accuracy)
    if row.deviation is not None:
        accuracy = f"{accuracy} ± {bare_percent(row.deviation)}"
    difference = verdict = auc = DASH
    if row.comparison:
        difference = difference_of(row.comparison)
        verdict = VERDICTS[row.comparison.verdict]
    if row.auc is not None:
        auc = f"{row.auc:.3f}"
    return Cells(
        setting=row.name,
        seeds=str(len(row.setting.results)),
        accuracy=accuracy,
        difference=difference,
        verdict=verdict,
        last_accuracy=bare_percent(row.last_accuracy),
        recalls=[bare_percent(recall) for recall in row.recalls],
        auc=auc,
        ended=row.ended,
    )


def difference_of(row: Comparison) -> str:
    """A difference with its interval, in points: −1.2 (−3.0 to +0.6)."""
    return f"{points(row.difference)} ({bound(row.low)} to {bound(row.high)})"


def bare_percent(share: float | None) -> str:
    """A share in percent, without the sign; a dash if there is none."""
    if share is None:
        return DASH
    return f"{100 * share:.1f}"


# --- files -----------------------------------------------------------------------------------


def write_summary(folder: Path, rows: list[SummaryRow], classes: list[str]) -> None:
    """Write summary.csv with all digits, summary.md and summary.tex for a text."""
    write_table(folder / "summary.csv", [csv_row(row, classes) for row in rows])
    write_text_table(folder / "summary.md", rows, classes, markdown)
    write_text_table(folder / "summary.tex", rows, classes, tex)


def write_text_table(
    path: Path, rows: list[SummaryRow], classes: list[str], escape: Callable[[str], str]
) -> None:
    """Write all rows in another language, by the template of the same name."""
    escaped_rows = []
    for row in rows:
        cells = cells_of(row)
        escaped_rows.append(escaped(cells, escape))
    escaped_classes = [escape(name) for name in classes]
    template = templates().get_template(path.name)
    write_text(path, template.render(rows=escaped_rows, classes=escaped_classes))


def escaped(cells: Cells, escape: Callable[[str], str]) -> Cells:
    """The same texts, safe in another language."""
    return Cells(
        setting=escape(cells.setting),
        seeds=escape(cells.seeds),
        accuracy=escape(cells.accuracy),
        difference=escape(cells.difference),
        verdict=escape(cells.verdict),
        last_accuracy=escape(cells.last_accuracy),
        recalls=[escape(recall) for recall in cells.recalls],
        auc=escape(cells.auc),
        ended=escape(cells.ended),
    )


def csv_row(row: SummaryRow, classes: list[str]) -> dict[str, object]:
    """A setting's line of summary.csv, by column; empty where there is no value."""
    key = dict(row.setting.key)
    values: dict[str, object] = {"setting": row.name}
    for name in SETTINGS:
        values[name] = key[name]
    values["seeds"] = len(row.setting.results)
    values["test_accuracy"] = digits(row.accuracy)
    values["standard_deviation"] = digits(row.deviation)
    values |= dict.fromkeys(("difference", "low", "high", "verdict"), "")
    if row.comparison:
        values["difference"] = digits(row.comparison.difference)
        values["low"] = digits(row.comparison.low)
        values["high"] = digits(row.comparison.high)
        values["verdict"] = VERDICTS[row.comparison.verdict]
    values["last_test_accuracy"] = digits(row.last_accuracy)
    for name, recall in zip(classes, row.recalls, strict=True):
        values[f"recall_{name}"] = digits(recall)
    values["auc"] = digits(row.auc)
    values["ended"] = row.ended
    return values


def digits(share: float | None) -> str:
    """A share with six digits; empty if there is none."""
    if share is None:
        return ""
    return f"{share:.6f}"


def markdown(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def tex(text: str) -> str:
    """Text for LaTeX with pdflatex; letters beyond Latin-1 become question marks."""
    letters = []
    for letter in text:
        if letter in TEX:
            letters.append(TEX[letter])
        elif letter.isprintable() and ord(letter) < 256:
            letters.append(letter)
        else:
            letters.append("?")
    return "".join(letters)
