"""The rules by which one training is read: what its curves say, how it ended.

    convergence(result, chance), overfits(result)

Each judges a single seed. What is said of a setting is in how many of its seeds it is so.
"""

import math
from enum import Enum
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from report.results import Result, Setting

OVERFIT_RISE = 0.10  # the validation loss rises by more than this share after its minimum ...
OVERFIT_GAP = 0.05  # ... while training accuracy is more than this above validation accuracy
UNSTABLE = 0.2  # of its range that the validation loss goes up and down between two epochs
STILL_FALLING = 0.1  # fall of the validation loss over the last fifth, of its range, that counts


class End(Enum):
    """How a training ended, in the report's words."""

    DIVERGED = "diverged"
    NOT_LEARNED = "did not learn"
    SHORT = "too short to tell"
    UNSTABLE = "unstable"
    IMPROVING = "still improving"
    CONVERGED = "converged"


UNLEARNED = (End.DIVERGED, End.NOT_LEARNED)


class Chance(NamedTuple):
    """What guessing reaches: the share of the larger class, of so many images of each part."""

    valid_share: float
    valid_images: int
    test_share: float
    test_images: int

    def valid_bound(self, epochs: int) -> float:
        """The validation accuracy that guessing exceeds, at the best of its epochs, in 2.5 %."""
        return guess_bound(self.valid_share, self.valid_images, epochs)

    def test_bound(self) -> float:
        """The test accuracy that guessing exceeds in 2.5 %."""
        return guess_bound(self.test_share, self.test_images, 1)


def guess_bound(share: float, images: int, looks: int) -> float:
    """The accuracy that the best of so many looks at guessing exceeds in 2.5 %: normal law."""
    deviations = NormalDist().inv_cdf(1 - 0.025 / looks)
    return min(1.0, share + deviations * math.sqrt(share * (1 - share) / images))


# --- curves ----------------------------------------------------------------------------------


def swing_of(losses: np.ndarray) -> float:
    """Mean absolute change of a curve from epoch to epoch; 0 for a single epoch."""
    finite = losses[np.isfinite(losses)]
    if len(finite) < 2:
        return 0.0
    return float(np.abs(np.diff(finite)).mean())


def valid_swing(result: Result) -> float:
    """Mean absolute change of the validation loss from epoch to epoch."""
    return swing_of(result.valid_losses)


def up_and_down(losses: np.ndarray) -> float:
    """Mean movement between epochs beyond the net change, as a share of the curve's range."""
    net = abs(losses[-1] - losses[0]) / (len(losses) - 1)
    extent = np.ptp(losses)
    if extent == 0:
        return 0.0
    return float((swing_of(losses) - net) / extent)


def rise(result: Result) -> float:
    """Share by which the validation loss at the end exceeds its minimum; infinite above zero."""
    losses = result.valid_losses
    last, lowest = losses[-1], losses.min()
    if last == lowest:
        return 0.0
    if lowest == 0:
        return math.inf
    return float(last / lowest - 1)


def gap(result: Result) -> float:
    """Training accuracy above validation accuracy in the last epoch."""
    last = result.history[-1]
    return last.train_accuracy - last.valid_accuracy


def overfits(result: Result) -> bool:
    """Whether the loss rose after its minimum and the accuracies came apart.

    A diverged training says nothing about it.
    """
    if result.train["diverged"]:
        return False
    return rise(result) > OVERFIT_RISE and gap(result) > OVERFIT_GAP


def updates(setting: Setting) -> int:
    """How many steps a training of this setting took."""
    first = setting.results[0]
    batches = math.ceil(first.train["train_images"] / first.run.settings["batch_size"])
    return batches * len(first.history)


# --- the end of a training -------------------------------------------------------------------


def convergence(result: Result, chance: Chance) -> End:
    """How a training ended."""
    losses, accuracies = result.valid_losses, result.valid_accuracies
    fifth = len(losses) // 5
    if result.train["diverged"]:
        return End.DIVERGED
    if is_at_chance(result, chance):
        return End.NOT_LEARNED
    if fifth == 0:
        return End.SHORT
    if accuracies[-fifth:].mean() <= chance.valid_bound(1) or up_and_down(losses) > UNSTABLE:
        return End.UNSTABLE
    fall = losses[-2 * fifth : -fifth].mean() - losses[-fifth:].mean()
    if fall > STILL_FALLING * np.ptp(losses):
        return End.IMPROVING
    return End.CONVERGED


def is_at_chance(result: Result, chance: Chance) -> bool:
    """Whether guessing reaches as much: in validation at every epoch, or in both tests."""
    if not is_above_chance_in_validation(result, chance):
        return True
    best_test = max(result.accuracy, result.last_accuracy)
    return best_test <= chance.test_bound()


def is_above_chance_in_validation(result: Result, chance: Chance) -> bool:
    """Whether an epoch's validation accuracy exceeds what guessing may reach."""
    accuracies = result.valid_accuracies
    return accuracies.max() > chance.valid_bound(len(accuracies))


def ends_at_chance(result: Result, chance: Chance) -> bool:
    """Whether the last epoch's weights do not test above what guessing reaches."""
    return result.last_accuracy <= chance.test_bound()


def ends_of(setting: Setting, chance: Chance) -> dict[End, int]:
    """How the trainings of a setting ended, and how many of them so."""
    counts: dict[End, int] = {}
    for result in setting.results:
        end = convergence(result, chance)
        counts[end] = counts.get(end, 0) + 1
    return counts


def is_choosable(setting: Setting, chance: Chance) -> bool:
    """Whether a seed of a setting learned, by the validation images alone."""
    for result in setting.results:
        if not result.train["diverged"] and is_above_chance_in_validation(result, chance):
            return True
    return False


def learned(setting: Setting, chance: Chance) -> int:
    """In how many of its seeds a setting learned."""
    return sum(convergence(result, chance) not in UNLEARNED for result in setting.results)
