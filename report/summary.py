"""One line for each setting: the table of the page, summary.csv, summary.md and summary.tex.

summaries = summarize(answer, data.classes)
write_summary(Path("result"), summaries, data)
"""

from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np

from dataset import Data
from records.files import write_text
from records.finished import read_predictions
from report.answer import Answer
from report.comparison import Comparison, deviation_of
from report.results import Setting, write_table
from report.rules import ends_of
from report.words import ended, templates, verdict_word
from training.settings import SETTINGS


class OfClass(NamedTuple):
    """How one class is recognised, in shares; precision is None where no image is taken for it.

    Recall is of its images, precision of those taken for it; F1 is their harmonic mean.
    """

    recall: float
    precision: float | None
    f1: float


class Recognition(NamedTuple):
    """How the two classes were told apart: each of them, and the area under the ROC curve."""

    of_classes: list[OfClass]
    auc: float
    predicts_one_class: bool


class Summary(NamedTuple):
    """All that is known of one setting; shares are means over its seeds.

    `comparison` is None for the base and where nothing can be compared; `one_class` counts the
    seeds that predict the same class for every image; `ends` counts how its trainings ended.
    Where the images are not there, `of_classes` is empty.
    """

    setting: Setting
    comparison: Comparison | None
    of_classes: list[OfClass]
    auc: float
    one_class: int
    ends: dict[str, int]

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes."""
        return fmean(one.recall for one in self.of_classes)

    @property
    def seconds(self) -> float:
        """The mean time of its trainings."""
        return fmean(result.train["seconds"] for result in self.setting.results)


# --- how the classes were told apart ---------------------------------------------------------


def recognition(predictions: list[dict[str, str]], classes: list[str]) -> Recognition:
    """How the classes were told apart, from the rows of a run's predictions.csv."""
    true_classes = [row["true_class"] for row in predictions]
    predicted_classes = [row["predicted_class"] for row in predictions]
    chose_second = np.array(predicted_classes) == classes[1]
    scores, is_second = scores_of(predictions, classes)
    of_classes = [of_class(~chose_second, ~is_second), of_class(chose_second, is_second)]
    one_class = len(set(predicted_classes)) < len(set(true_classes))
    return Recognition(of_classes, area_under_roc(scores, is_second), one_class)


def scores_of(
    predictions: list[dict[str, str]], classes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores for the second class, float (n,), and which images are of it, bool (n,)."""
    scores = []
    for row in predictions:
        probability = float(row["probability"])
        scores.append(probability if row["predicted_class"] == classes[1] else 1 - probability)
    is_second = [row["true_class"] == classes[1] for row in predictions]
    return np.array(scores), np.array(is_second)


def of_class(taken: np.ndarray, members: np.ndarray) -> OfClass:
    """How a class is recognised whose `members` were `taken` for it, both bool (n,)."""
    hits = taken & members
    return OfClass(
        recall=float(hits.sum() / members.sum()),
        precision=float(hits.sum() / taken.sum()) if taken.any() else None,
        f1=float(2 * hits.sum() / (taken.sum() + members.sum())),
    )


def area_under_roc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The chance that a positive image scores above another one; a tie counts half.

    `scores` is float (n,), `positive` bool (n,), both kinds in it. Mann and Whitney (1947,
    Ann. Math. Stat. 18:50).
    """
    count = int(positive.sum())
    others = len(positive) - count
    _, positions, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(ties) - (ties - 1) / 2  # tied scores share the mean of their ranks
    lowest_sum = count * (count + 1) / 2
    above = ranks[positions][positive].sum() - lowest_sum
    return float(above / (count * others))


# --- lines -----------------------------------------------------------------------------------


def summarize(answer: Answer, classes: list[str]) -> list[Summary]:
    """A line for every setting, the base first and once."""
    return [summarize_setting(setting, answer, classes) for setting in answer.settings]


def summarize_setting(setting: Setting, answer: Answer, classes: list[str]) -> Summary:
    """The line of one setting."""
    recognised = []
    for result in setting.results:
        recognised.append(recognition(read_predictions(result.folder), classes))
    ends = ends_of(setting, answer.chance)
    of_classes = []
    for target in range(len(classes)):
        of_seeds = [one.of_classes[target] for one in recognised]
        of_classes.append(mean_of_seeds(of_seeds))
    return Summary(
        setting=setting,
        comparison=answer.rows.get(setting.key),
        of_classes=of_classes,
        auc=fmean(one.auc for one in recognised),
        one_class=sum(one.predicts_one_class for one in recognised),
        ends={end.value: count for end, count in ends.items()},
    )


def mean_of_seeds(of_seeds: list[OfClass]) -> OfClass:
    """How a class is recognised in the mean; precision is None where that of a seed is."""
    precisions = [one.precision for one in of_seeds if one.precision is not None]
    is_known = len(precisions) == len(of_seeds)
    return OfClass(
        recall=fmean(one.recall for one in of_seeds),
        precision=fmean(precisions) if is_known else None,
        f1=fmean(one.f1 for one in of_seeds),
    )


# --- files -----------------------------------------------------------------------------------


def write_summary(folder: Path, summaries: list[Summary], data: Data) -> None:
    """Write summary.csv with all digits, summary.md and summary.tex for a text."""
    lines = [columns_of(summary, data.classes) for summary in summaries]
    write_table(folder / "summary.csv", lines)
    values = {
        "summaries": summaries,
        "classes": data.classes,
        "images": len(data.splits["test"]),
        "source": data.title,
    }
    for name in ("summary.md", "summary.tex"):
        write_text(folder / name, templates().get_template(name).render(values))


def columns_of(summary: Summary, classes: list[str]) -> dict[str, object]:
    """A setting's line of summary.csv, by column, in percent; empty where there is no value."""
    key = dict(summary.setting.key)
    values: dict[str, object] = {"setting": summary.setting.name}
    for name in SETTINGS:
        values[name] = key[name]
    values["seeds"] = len(summary.setting.results)
    values["test_accuracy_percent"] = in_percent(summary.setting.accuracy)
    values["standard_deviation_points"] = in_percent(deviation_of(summary.setting.accuracies))
    row = summary.comparison
    values["difference_points"] = in_percent(row.difference if row else None)
    values["low_points"] = in_percent(row.low if row else None)
    values["high_points"] = in_percent(row.high if row else None)
    values["verdict"] = verdict_word(row) if row else ""
    values["last_test_accuracy_percent"] = in_percent(fmean(summary.setting.last_accuracies))
    values["larger_class_percent"] = in_percent(summary.setting.larger_class)
    if summary.of_classes:
        values["balanced_accuracy_percent"] = in_percent(summary.balanced_accuracy)
        for measure in OfClass._fields:
            for name, one in zip(classes, summary.of_classes, strict=True):
                values[f"{measure}_{name}_percent"] = in_percent(getattr(one, measure))
        values["auc"] = f"{summary.auc:.6f}"
    values["ended"] = ended(summary.ends)
    values["train_seconds"] = f"{summary.seconds:.1f}"
    return values


def in_percent(share: float | None) -> str:
    """A share in percent, or a difference in points, with four digits; empty if there is none."""
    return "" if share is None else f"{100 * share:.4f}"
