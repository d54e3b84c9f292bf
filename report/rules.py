"""The rules by which one training is read: whether it learned, how it ended.

    end_of(result, chance), overfits(result)

Each judges a single seed. What is said of a setting is in how many of its seeds it is so.
docs/comparison.md says how often each is wrong.
"""

import math
from bisect import bisect_left
from enum import Enum
from functools import cache, partial
from typing import NamedTuple

from report.curves import falls, noise_of_curve, rises
from report.distributions import at_least
from report.results import Result, Setting

# How often guessing is taken for learning, or learning for guessing, by one kind of images.
GUESSES = 0.025
TEST_LOOKS = 2  # at the test images: with the kept weights, and with the last ones
NEAR = 0.10  # above the share of guessing: what stays below it did not learn
OVERFIT_GAP = 0.05  # of a loss that rose: training accuracy so far above validation accuracy
LEAST_EPOCHS = 5  # so that a fifth of them is one
UNSTABLE = 0.25  # of its mean that the validation loss scatters from epoch to epoch


class Learned(Enum):
    """What so many right images say, in the report's words."""

    YES = "learned"
    NO = "did not learn"
    UNKNOWN = "too few images to tell"


class End(Enum):
    """How a training ended, in the report's words."""

    DIVERGED = "diverged"
    NOT_LEARNED = Learned.NO.value
    UNKNOWN = Learned.UNKNOWN.value
    SHORT = "too short to tell"
    UNSTABLE = "unstable"
    IMPROVING = "still improving"
    OVERFITTED = "overfitted"
    CONVERGED = "converged"


class Chance(NamedTuple):
    """What guessing reaches: the share of the larger class, of so many images of each part."""

    valid_share: float
    valid_images: int
    test_share: float
    test_images: int

    def valid_bound(self, epochs: int) -> float:
        """The highest validation accuracy that guessing may reach at the best of its epochs."""
        return guess_bound(self.valid_share, self.valid_images, epochs)

    def test_bound(self) -> float:
        """The highest test accuracy that guessing may reach."""
        return guess_bound(self.test_share, self.test_images, TEST_LOOKS)


# --- learning or guessing --------------------------------------------------------------------


def is_beyond_guessing(correct: int, images: int, share: float, looks: int = 1) -> bool:
    """Whether guessing, right with the chance `share`, has so many right at its best look.

    By the binomial law, in a share GUESSES of trainings that do guess.
    """
    return at_least(correct, images, share) * looks < GUESSES


def is_near_guessing(correct: int, images: int, share: float) -> bool:
    """Whether a training that is right NEAR more often than guessing has more right than that.

    By the binomial law, in all but a share GUESSES of such trainings.
    """
    better = min(1.0, share + NEAR)
    return 1 - at_least(correct + 1, images, better) < GUESSES


def learned_from(correct: int, images: int, share: float, looks: int = 1) -> Learned:
    """What so many right images say of a training; few images may not tell."""
    if is_beyond_guessing(correct, images, share, looks):
        return Learned.YES
    if is_near_guessing(correct, images, share):
        return Learned.NO
    return Learned.UNKNOWN


def most_failed(answers: list[Learned]) -> bool:
    """Whether more than half of the trainings did not learn."""
    return 2 * answers.count(Learned.NO) > len(answers)


@cache
def guess_bound(share: float, images: int, looks: int) -> float:
    """The highest accuracy that is not beyond guessing."""
    beyond = partial(is_beyond_guessing, images=images, share=share, looks=looks)
    return (bisect_left(range(images + 1), True, key=beyond) - 1) / images


def learned_in_validation(result: Result, chance: Chance) -> Learned:
    """Whether a training learned, by the validation images: at its best epoch, or the kept one."""
    if result.train["diverged"] or result.valid_accuracy is None:
        return Learned.NO
    images, share = chance.valid_images, chance.valid_share
    epochs = len(result.history)
    best = round(float(result.valid_accuracies.max()) * images)
    if is_beyond_guessing(best, images, share, epochs):
        return Learned.YES
    kept = round(result.valid_accuracy * images)
    if is_near_guessing(kept, images, share):
        return Learned.NO
    return Learned.UNKNOWN


def learned_in_test(result: Result, chance: Chance) -> Learned:
    """Whether a training learned, by the test images: with the kept weights, or the last ones."""
    best = max(result.accuracy, result.last_accuracy)
    correct = round(best * chance.test_images)
    return learned_from(correct, chance.test_images, chance.test_share, TEST_LOOKS)


def has_learned(result: Result, chance: Chance) -> Learned:
    """Whether a training learned: images of one kind say so, and those of the other do not deny."""
    answers = (learned_in_validation(result, chance), learned_in_test(result, chance))
    for answer in (Learned.NO, Learned.YES):
        if answer in answers:
            return answer
    return Learned.UNKNOWN


def seeds_that(setting: Setting, chance: Chance, answer: Learned) -> int:
    """Of how many seeds of a setting it is so that they learned, or did not, or cannot be told."""
    return sum(has_learned(result, chance) == answer for result in setting.results)


def failed(setting: Setting, chance: Chance) -> bool:
    """Whether a setting did not learn with any of its seeds."""
    return seeds_that(setting, chance, Learned.NO) == len(setting.results)


def tests_at_chance(setting: Setting, chance: Chance) -> bool:
    """Whether most seeds of a setting do on the test images as guessing does."""
    return most_failed([learned_in_test(result, chance) for result in setting.results])


def is_choosable(setting: Setting, chance: Chance) -> bool:
    """Whether a setting may be the one to use, by the validation images alone."""
    return not most_failed([learned_in_validation(result, chance) for result in setting.results])


# --- curves ----------------------------------------------------------------------------------


def gap(result: Result) -> float:
    """Training accuracy above validation accuracy in the last epoch."""
    last = result.history[-1]
    return last.train_accuracy - last.valid_accuracy


def overfits(result: Result) -> bool:
    """Whether the loss rose after its minimum beyond noise, and the accuracies came apart.

    A diverged training says nothing about it.
    """
    if result.train["diverged"]:
        return False
    return rises(result.valid_losses) and gap(result) > OVERFIT_GAP


def updates(setting: Setting) -> int:
    """How many steps a training of this setting took."""
    first = setting.results[0]
    batches = math.ceil(first.train["train_images"] / first.run.settings["batch_size"])
    return batches * len(first.history)


# --- the end of a training -------------------------------------------------------------------


def end_of(result: Result, chance: Chance) -> End:
    """How a training ended."""
    if result.train["diverged"]:
        return End.DIVERGED
    answer = has_learned(result, chance)
    if answer != Learned.YES:
        return End(answer.value)
    if len(result.history) < LEAST_EPOCHS:
        return End.SHORT
    if is_unstable(result, chance):
        return End.UNSTABLE
    if overfits(result):
        return End.OVERFITTED
    if falls(result.valid_losses):
        return End.IMPROVING
    return End.CONVERGED


def is_unstable(result: Result, chance: Chance) -> bool:
    """Whether a training lost what it had learned, or its loss goes up and down widely."""
    fifth = len(result.history) // 5
    last = float(result.valid_accuracies[-fifth:].mean())
    correct = round(last * chance.valid_images)
    if is_near_guessing(correct, chance.valid_images, chance.valid_share):
        return True
    losses = result.valid_losses
    return noise_of_curve(losses) > UNSTABLE * float(losses.mean())


def ends_of(setting: Setting, chance: Chance) -> dict[End, int]:
    """How the trainings of a setting ended, and how many of them so."""
    counts: dict[End, int] = {}
    for result in setting.results:
        end = end_of(result, chance)
        counts[end] = counts.get(end, 0) + 1
    return counts
