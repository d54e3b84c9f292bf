"""Learned or not, by the binomial law: said seldom wrongly, and not at all of too few images."""

import numpy as np
import pytest
from scipy import stats

from report.rules import Learned, guess_bound, learned_from, most_failed

YES, NO, UNKNOWN = Learned.YES, Learned.NO, Learned.UNKNOWN


@pytest.mark.parametrize("images", [1, 7, 12, 24, 100, 350, 2000])
def test_guessing_is_taken_for_learning_in_at_most_2_5_percent(images):
    chances = stats.binom.pmf(range(images + 1), images, 0.5)
    said = [learned_from(correct, images, 0.5) == YES for correct in range(images + 1)]
    assert chances @ said <= 0.025


@pytest.mark.parametrize("right", [0.6, 0.8])
@pytest.mark.parametrize("images", [1, 7, 12, 24, 100, 350, 2000])
def test_learning_is_taken_for_guessing_in_at_most_2_5_percent(images, right):
    chances = stats.binom.pmf(range(images + 1), images, right)
    said = [learned_from(correct, images, 0.5) == NO for correct in range(images + 1)]
    assert chances @ said <= 0.025


@pytest.mark.parametrize("correct", range(6))
def test_five_images_never_show_that_a_training_learned(correct):
    assert learned_from(correct, 5, 0.5) != YES


def test_six_images_show_it_if_all_are_right():
    assert learned_from(6, 6, 0.5) == YES


@pytest.mark.parametrize(("correct", "answer"), [(1100, YES), (1000, NO), (24, NO)])
def test_many_images_tell(correct, answer):
    assert learned_from(correct, 2000, 0.5) == answer


def test_the_best_of_many_looks_has_to_be_better():
    assert learned_from(17, 24, 0.5, looks=20) == UNKNOWN
    assert learned_from(24, 24, 0.5, looks=20) == YES


@pytest.mark.parametrize("looks", [1, 20])
@pytest.mark.parametrize("images", [8, 100, 2000])
def test_the_bound_of_guessing_is_the_most_that_is_not_beyond_it(images, looks):
    bound = round(guess_bound(0.5, images, looks) * images)
    chances = looks * stats.binom.sf(np.arange(-1, images + 1), images, 0.5)
    assert chances[bound] >= 0.025
    assert bound == images or chances[bound + 1] < 0.025


@pytest.mark.parametrize(
    ("answers", "is_so"),
    [([YES, NO], False), ([YES, NO, NO], True), ([YES, NO, UNKNOWN], False), ([NO], True)],
)
def test_most_trainings_failed_where_more_than_half_did(answers, is_so):
    assert most_failed(answers) == is_so
