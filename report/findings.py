"""The rules by which runs are read, and the answer: every setting held against the base.

    answer = make_answer(settings_of(results), best_guess(0.5, 2000))
    sentences("answer.txt", answer=answer)

The sentences stand in the templates answer.txt and study.txt beside this file, one a line.
"""

import functools
import math
from collections import Counter
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import jinja2
import numpy as np

from report import comparison
from report.comparison import Noise, Row, points
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
    return fmean(swing_of(result.history[:, 2]) for result in setting.results)


def rise(setting: Setting) -> float:
    """Share by which the validation loss at the end exceeds its minimum, over the seeds."""
    losses = [result.history[:, 2] for result in setting.results]
    return fmean(curve[-1] / (curve.min() or np.inf) - 1 for curve in losses)


def gap(setting: Setting) -> float:
    """Training accuracy above validation accuracy in the last epoch, over the seeds."""
    return fmean(result.history[-1, 3] - result.history[-1, 4] for result in setting.results)


def overfits(setting: Setting) -> bool:
    """Whether the loss rose after its minimum and the accuracies came apart, in the mean.

    A diverged training says nothing about it.
    """
    return not setting.diverged and rise(setting) > OVERFIT_RISE and gap(setting) > OVERFIT_GAP


def best_guess(share: float, images: int) -> float:
    """The accuracy that always guessing one class, of this share, exceeds 2.5 % of the time."""
    return share + 1.96 * math.sqrt(share * (1 - share) / images)


def convergence(result: Result, guess: float) -> str:
    """How a training ended: diverged, did not learn, unstable, still improving, converged.

    Up to an accuracy of `guess` it may have learned nothing.
    """
    losses, accuracies = result.history[:, 2], result.history[:, 4]
    fifth = len(losses) // 5
    if result.train["diverged"]:
        return "diverged"
    if accuracies.max() <= guess:
        return "did not learn"
    if not fifth:
        return "too short to tell"
    if accuracies[-fifth:].mean() <= guess or up_and_down(losses) > UNSTABLE:
        return "unstable"
    before, last = losses[-2 * fifth : -fifth].mean(), losses[-fifth:].mean()
    return "still improving" if before - last > STILL_FALLING * np.ptp(losses) else "converged"


def ends_of(setting: Setting, guess: float) -> dict[str, int]:
    """How the trainings of a setting ended, and how many of them so."""
    return Counter(convergence(result, guess) for result in setting.results)


def updates(setting: Setting) -> int:
    """How many steps a training of this setting took."""
    first = setting.results[0]
    batches = math.ceil(first.train["train_images"] / first.run.settings["batch_size"])
    return batches * len(first.history)


# --- the answer ------------------------------------------------------------------------------


class Answer(NamedTuple):
    """Every setting against the base.

    `settings` has those that several studies share once, the base first; of those that learned
    with no seed, `failed` has the keys; `rows` is by key. `size` is the noise, the seeds of the
    setting that has the fewest, those of the base, and the number of comparisons. `problem` says
    why the noise is not known; then, and where too few are finished, there are no rows. `best` has
    the highest validation accuracy of those that learned; the test images have no say. Up to an
    accuracy of `guess` a training may have learned nothing.
    """

    settings: list[Setting]
    guess: float
    failed: list[tuple]
    rows: dict[tuple, Row]
    size: tuple[Noise, int, int, int] | None
    problem: str
    best: Setting | None


def make_answer(settings: list[Setting], guess: float) -> Answer:
    """Hold every setting against the base, which is the first if it is finished."""
    unique: dict[tuple, Setting] = {}
    for setting in settings:
        unique.setdefault(setting.key, setting)
    lost = {"diverged", "did not learn"}
    failed = [key for key, each in unique.items() if ends_of(each, guess).keys() <= lost]
    rows, size, problem = {}, None, ""
    if len(unique) > 1 and settings[0].label == "base":
        accuracies = {key: setting.accuracies for key, setting in unique.items()}
        try:
            rows = comparison.compare_with_base(accuracies, settings[0].key)
            base_seeds, *seeds = map(len, accuracies.values())
            noise = comparison.pooled_noise(accuracies.values())
            size = noise, min(seeds), base_seeds, len(rows)
        except ValueError as error:
            problem = str(error)
    best = setting_to_use(list(unique.values()), failed)
    return Answer(list(unique.values()), guess, failed, rows, size, problem, best)


def setting_to_use(settings: list[Setting], failed: list[tuple]) -> Setting | None:
    """The setting with the highest validation accuracy, of those that learned if there are any."""
    learned = [setting for setting in settings if setting.key not in failed]
    return max(learned or settings, key=worth, default=None)


def worth(setting: Setting) -> float:
    """Mean validation accuracy; a seed that kept no weights counts as always wrong."""
    return fmean(result.valid_accuracy or 0.0 for result in setting.results)


# --- words -----------------------------------------------------------------------------------


def sentences(template: str, **values: object) -> list[str]:
    """Fill a template of sentences, one a line."""
    lines = templates().get_template(template).render(values).splitlines()
    return [line.strip() for line in lines if line.strip()]


@functools.cache
def templates() -> jinja2.Environment:
    """Templates beside this file, with the rules, thresholds and words that they speak of."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    escape = jinja2.select_autoescape(["html"])  # the others hold sentences, no markup
    trim = {"trim_blocks": True, "lstrip_blocks": True}
    environment = jinja2.Environment(loader=loader, autoescape=escape, **trim)
    filters = (fmean, stdev, percent, points, span, swing)
    environment.filters |= {each.__name__: each for each in filters}
    environment.globals |= {"rules": globals(), "comparison": comparison}
    return environment


def percent(share: float, digits: int = 1) -> str:
    """A share for a reader: 0.756 -> 75.6%."""
    return f"{share:.{digits}%}"


def span(epochs: list[int]) -> str:
    """Name the epochs from the first to the last of several seeds."""
    first, last = min(epochs), max(epochs)
    return f"epoch {first}" if first == last else f"epochs {first} to {last}"
