"""The rules by which runs are read, and the answer: every setting held against the base.

    answer = make_answer(settings_of(results))
    sentences("answer.txt", answer=answer, guessing=guessing)

The sentences stand in the templates answer.txt and study.txt beside this file, one a line.
"""

import functools
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import jinja2
import numpy as np

from report import comparison
from report.comparison import Noise, Row
from report.results import Result, Setting

OVERFIT_RISE = 0.10  # the validation loss rises by more than this share after its minimum ...
OVERFIT_GAP = 0.05  # ... while training accuracy is more than this above validation accuracy
UNSTABLE = 0.2  # of its range that the validation loss goes up and down between two epochs
STILL_FALLING = 0.1  # fall of the validation loss over the last fifth, of its range, that counts
SMALL = 0.02  # a difference of this size: how many seeds would show it?


# --- rules -----------------------------------------------------------------------------------


def swing_of(losses: np.ndarray) -> float:
    """Mean absolute change of a curve from epoch to epoch; 0 for a single epoch."""
    finite = losses[np.isfinite(losses)]
    return float(np.abs(np.diff(finite)).mean()) if len(finite) > 1 else 0.0


def up_and_down(losses: np.ndarray) -> float:
    """Mean movement between epochs beyond the net change, as a share of the curve's range."""
    net = abs(losses[-1] - losses[0]) / (len(losses) - 1)
    return float((swing_of(losses) - net) / (np.ptp(losses) or np.inf))


def swing(setting: Setting) -> float:
    """Mean absolute change of the validation loss from epoch to epoch, over the seeds."""
    return setting.mean(lambda result: swing_of(result.history[:, 2]))


def rise(setting: Setting) -> float:
    """Share by which the validation loss at the end exceeds its minimum, over the seeds."""
    return setting.mean(lambda run: run.history[-1, 2] / (run.history[:, 2].min() or np.inf) - 1)


def gap(setting: Setting) -> float:
    """Training accuracy above validation accuracy in the last epoch, over the seeds."""
    return setting.mean(lambda result: result.history[-1, 3] - result.history[-1, 4])


def overfits(setting: Setting) -> bool:
    """Whether the loss rose after its minimum and the accuracies came apart, in the mean.

    A diverged training says nothing about it.
    """
    return not setting.diverged and rise(setting) > OVERFIT_RISE and gap(setting) > OVERFIT_GAP


class Guessing(NamedTuple):
    """The share of the larger class among the validation images, and how many these are."""

    share: float
    images: int

    def explains(self, accuracy: float) -> bool:
        """Whether always guessing one class may score so, 97.5 % of the time."""
        error = math.sqrt(self.share * (1 - self.share) / self.images)
        return accuracy <= self.share + 1.96 * error


def convergence(result: Result, guessing: Guessing) -> str:
    """How a training ended: diverged, did not learn, unstable, still improving, converged."""
    losses, accuracies = result.history[:, 2], result.history[:, 4]
    fifth = len(losses) // 5
    if result.train["diverged"]:
        return "diverged"
    if guessing.explains(accuracies.max()):
        return "did not learn"
    if not fifth:
        return "too short to tell"
    if guessing.explains(accuracies[-fifth:].mean()) or up_and_down(losses) > UNSTABLE:
        return "unstable"
    before, last = losses[-2 * fifth : -fifth].mean(), losses[-fifth:].mean()
    return "still improving" if before - last > STILL_FALLING * np.ptp(losses) else "converged"


def ends_of(setting: Setting, guessing: Guessing) -> dict[str, int]:
    """How the trainings of a setting ended, and how many of them so."""
    return Counter(convergence(result, guessing) for result in setting.results)


def failed(settings: list[Setting], guessing: Guessing) -> list[Setting]:
    """Those settings that learned with no seed."""
    bad = {"diverged", "did not learn"}
    return [setting for setting in settings if set(ends_of(setting, guessing)) <= bad]


def updates(setting: Setting) -> int:
    """How many steps a training of this setting took."""
    first = setting.results[0]
    return -(-first.train["train_images"] // first.run.settings["batch_size"]) * len(first.history)


def order_of_swings(settings: list[Setting]) -> str:
    """Whether curves swing less with larger batches: with "every" step, in the "whole", "not"."""
    values = list(map(swing, sorted(settings, key=lambda setting: setting.results[0].run.value)))
    if all(after < before for before, after in pairwise(values)):
        return "every"
    return "whole" if values[-1] < values[0] else "not"


# --- the answer ------------------------------------------------------------------------------


@dataclass
class Answer:
    """Every other setting against the base: rows by `Setting.key`.

    `problem` says why nothing can be compared; then there are no rows and no noise.
    """

    base: Setting | None
    others: list[Setting]
    rows: dict[tuple, Row] = field(default_factory=dict)
    noise: Noise | None = None
    problem: str = ""

    @property
    def settings(self) -> list[Setting]:
        return [self.base, *self.others] if self.base else self.others

    @property
    def size(self) -> tuple[Noise, int, int, int]:
        """Noise, seeds of the setting that has the fewest, seeds of the base, comparisons."""
        seeds = min(len(setting.results) for setting in self.others)
        return self.noise, seeds, len(self.base.results), len(self.rows)

    @property
    def best(self) -> Setting:
        """The setting with the highest validation accuracy; the test images have no say."""
        return max(self.settings, key=lambda setting: setting.mean(lambda run: run.valid_accuracy))


def make_answer(settings: list[Setting]) -> Answer:
    """Hold every setting against the base, those that several studies share once."""
    unique = {setting.key: setting for setting in reversed(settings)}
    base = settings[0] if settings and settings[0].label == "base" else None
    others = [setting for setting in settings if unique[setting.key] is setting is not base]
    if not base or not others:
        return Answer(base, others, problem="Too few settings are finished to be compared.")
    accuracies = {setting.key: setting.accuracies for setting in (base, *others)}
    try:
        rows = comparison.compare_with_base(accuracies, base.key)
        return Answer(base, others, rows, comparison.pooled_noise(accuracies.values()))
    except ValueError as error:
        return Answer(base, others, problem=str(error))


# --- words -----------------------------------------------------------------------------------


def sentences(template: str, **values: object) -> list[str]:
    """Fill a template of sentences, one a line."""
    text = templates().get_template(template).render(**values)
    return [line.strip() for line in text.splitlines() if line.strip()]


@functools.cache
def templates() -> jinja2.Environment:
    """Templates beside this file, with the rules, thresholds and words that they speak of."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html"]),  # the others hold sentences, no markup
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words_of = {"mean": fmean, "percent": percent, "points": points, "words": words, "span": span}
    environment.filters |= words_of
    environment.globals |= {"rules": globals(), "comparison": comparison, "mean": fmean}
    return environment


def percent(share: float, digits: int = 1) -> str:
    """A share for a reader: 0.756 -> 75.6%."""
    return f"{100 * share:.{digits}f}%"


def points(difference: float) -> str:
    """A difference of shares for a reader: -0.012 -> −1.2."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def words(names: list[str]) -> str:
    """Join names the way a sentence does."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def span(epochs: list[int]) -> str:
    """Name the epochs from the first to the last of several seeds."""
    first, last = min(epochs), max(epochs)
    return f"epoch {first}" if first == last else f"epochs {first} to {last}"


def deviation(shares: list[float]) -> float:
    """Standard deviation between seeds; 0 for a single one."""
    return stdev(shares) if len(shares) > 1 else 0.0
