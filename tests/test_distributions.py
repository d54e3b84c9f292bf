"""Distributions: scipy is the oracle."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special, stats

from report import distributions


@pytest.mark.parametrize("degrees", [*range(1, 12), 29, 30, 99, 100, 199, 200])
def test_students_t_is_scipys(degrees):
    for p in np.logspace(-8, math.log10(0.99), 30):
        expected = stats.t.isf(p / 2, degrees)
        assert distributions.t_quantile(p, degrees) == pytest.approx(expected, rel=1e-6)


class Ratio(NamedTuple):
    """A ratio of two variances that is exceeded with probability p, by their degrees."""

    p: float
    first: int
    second: int
    value: float


DEGREES = list(itertools.product((1, 2, 5, 11), (1, 2, 5, 27, 200)))


@pytest.fixture(params=DEGREES)
def ratios(request) -> list[Ratio]:
    """By scipy."""
    first, second = request.param
    return [Ratio(p, first, second, stats.f.isf(p, first, second)) for p in (0.001, 0.05, 0.5, 0.9)]


def test_the_quantile_of_a_ratio_of_two_variances_is_scipys(ratios):
    for ratio in ratios:
        quantile = distributions.f_quantile(ratio.p, ratio.first, ratio.second)
        assert quantile == pytest.approx(ratio.value)


@pytest.mark.parametrize("degrees", [1, 2, 11, 40])
@pytest.mark.parametrize("p", [0.001, 0.1, 0.8])
def test_the_quantile_of_a_sum_of_squares_is_scipys(p, degrees):
    quantile = distributions.chi_squared_quantile(p, degrees)
    assert quantile == pytest.approx(stats.chi2.isf(p, degrees), rel=1e-5)


@pytest.mark.parametrize("images", [1, 8, 24, 2000])
@pytest.mark.parametrize("share", [0.5, 0.6, 0.93])
def test_the_chance_of_so_many_right_images_or_more_is_scipys(share, images):
    for correct in {0, 1, images // 2, round(images * share), images}:
        expected = stats.binom.sf(correct - 1, images, share)
        assert distributions.at_least(correct, images, share) == pytest.approx(expected, abs=1e-12)


def test_more_right_images_than_there_are_have_no_chance():
    assert distributions.at_least(9, 8, 0.5) == 0


@pytest.mark.parametrize("x", [0.0, 1e-3, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("a", [0.5, 3, 150])
@pytest.mark.parametrize("b", [0.5, 3, 150])
def test_the_incomplete_beta_function_is_scipys(x, a, b):
    expected = special.betainc(a, b, x)
    assert distributions.beta_share(x, a, b) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("correct", "count"),
    [(0, 1), (1, 1), (0, 7), (2, 7), (7, 7), (0, 200), (66, 200), (200, 200)],
)
def test_wilsons_interval_is_scipys(correct, count):
    expected = stats.binomtest(correct, count).proportion_ci(method="wilson")
    assert distributions.wilson(correct, count) == pytest.approx((expected.low, expected.high))
