"""Every setting against the base: scipy is the oracle, seeded draws are the judge."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy import special, stats

from report import comparison
from report.comparison import (
    ALIKE,
    BETTER,
    FIRST_LOOK,
    LATER_LOOK,
    OPEN,
    WORSE,
    Comparison,
    Noise,
    compare_with_base,
    found_from,
    mean_with_interval,
    pooled_noise,
)

SIX = [0.741, 0.752, 0.748, 0.763, 0.757, 0.744]  # a base of six seeds
MEAN = np.mean(SIX)
SCATTER = np.std(SIX, ddof=1)


def shifted(shift: float, times: float = 1.0) -> list[float]:
    """The base's seeds moved, and perhaps scattering `times` as much."""
    return [MEAN + shift + times * (share - MEAN) for share in SIX]


def half_of_one(share: float) -> float:
    """Half of the interval of a single seed against six of the base, which alone tell the noise."""
    error = SCATTER * math.sqrt(1 + 1 / 6)
    return stats.t.isf(share / 2, 5) * error


# --- distributions ---------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [*range(1, 12), 29, 30, 99, 100, 199, 200])
def test_students_t_is_scipys(degrees):
    for p in np.logspace(-8, math.log10(0.99), 30):
        expected = stats.t.isf(p / 2, degrees)
        assert comparison.t_quantile(p, degrees) == pytest.approx(expected, rel=1e-6)


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
        quantile = comparison.f_quantile(ratio.p, ratio.first, ratio.second)
        assert quantile == pytest.approx(ratio.value)


def test_the_test_of_a_ratio_of_two_variances_is_scipys(ratios):
    for ratio in ratios:
        p = comparison.f_test(ratio.value, ratio.first, ratio.second)
        assert p == pytest.approx(ratio.p)


@pytest.mark.parametrize("x", [0.0, 1e-3, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("a", [0.5, 3, 150])
@pytest.mark.parametrize("b", [0.5, 3, 150])
def test_the_incomplete_beta_function_is_scipys(x, a, b):
    expected = special.betainc(a, b, x)
    assert comparison.beta_share(x, a, b) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("correct", "count"),
    [(0, 1), (1, 1), (0, 7), (2, 7), (7, 7), (0, 200), (66, 200), (200, 200)],
)
def test_wilsons_interval_is_scipys(correct, count):
    expected = stats.binomtest(correct, count).proportion_ci(method="wilson")
    assert comparison.wilson(correct, count) == pytest.approx((expected.low, expected.high))


# --- the rule --------------------------------------------------------------------------------


class Pair(NamedTuple):
    """The seeds of a setting, and its row against the base."""

    seeds: list[float]
    row: Comparison


SHIFTS = [-0.03, -0.002, 0.0, 0.011, 0.02, 0.2]


@pytest.fixture(params=itertools.product(SHIFTS, (6, 4)), ids=str)
def pair(request) -> Pair:
    """A setting with the base's noise, moved, of as many seeds or fewer."""
    shift, count = request.param
    seeds = [share + shift for share in SIX[:count]]
    rows = compare_with_base({"base": SIX, "other": seeds}, "base")
    return Pair(seeds, rows["other"])


def test_a_difference_is_that_of_the_means(pair):
    assert pair.row.difference == pytest.approx(np.mean(pair.seeds) - MEAN)


def test_two_settings_of_equal_noise_have_the_interval_of_the_t_test(pair):
    interval = stats.ttest_ind(pair.seeds, SIX).confidence_interval(1 - LATER_LOOK)
    assert (pair.row.low, pair.row.high) == pytest.approx(tuple(interval))


def test_two_settings_of_equal_noise_are_told_apart_by_the_t_test(pair):
    expected = stats.ttest_ind(pair.seeds, SIX)
    assert pair.row.named == (expected.pvalue < LATER_LOOK)


@pytest.fixture
def singles() -> dict[str, Comparison]:
    """Rows of four settings with a seed each."""
    accuracies = {"d": [0.70], "base": SIX, "a": [0.75], "c": [0.77], "b": [0.735]}
    return compare_with_base(accuracies, "base")


def test_rows_come_in_the_order_of_the_input(singles):
    assert list(singles) == ["d", "a", "c", "b"]


def test_single_seeds_are_judged_by_the_bases_noise_corrected_as_by_bonferroni(singles):
    half = half_of_one(FIRST_LOOK / 4)
    for name, share in {"d": 0.70, "a": 0.75, "c": 0.77, "b": 0.735}.items():
        row, middle = singles[name], share - MEAN
        assert (row.low, row.high) == pytest.approx((middle - half, middle + half))


def test_single_seeds_are_marked_so(singles):
    assert all(row.is_single for row in singles.values())


def test_single_seeds_have_no_deviation(singles):
    assert {row.deviation for row in singles.values()} == {None}


def test_a_base_of_one_seed_is_judged_by_the_noise_of_the_others():
    row = compare_with_base({"base": [0.75], "a": SIX}, "base")["a"]
    assert row.high - row.difference == pytest.approx(half_of_one(LATER_LOOK))


def test_several_seeds_against_a_base_of_one_are_no_single_seed():
    row = compare_with_base({"base": [0.75], "a": SIX}, "base")["a"]
    assert not row.is_single


@pytest.mark.parametrize(
    ("shift", "close", "verdict"),
    [
        (0.05, 0.02, BETTER),
        (-0.05, 0.02, WORSE),
        (0.001, 0.02, ALIKE),
        (0.001, 0.015, OPEN),
        (0.012, 0.02, OPEN),
        (0.05, 0.2, BETTER),
    ],
)
def test_a_setting_is_better_worse_alike_or_open(shift, close, verdict):
    rows = compare_with_base({"base": SIX, "a": shifted(shift)}, "base", close)
    assert rows["a"].verdict == verdict


@pytest.mark.parametrize("seeds", [(0.6,), (0.6, 0.616), (0.6, 0.616, 0.608)])
def test_a_second_seed_does_not_take_a_large_difference_back(seeds):
    base = [0.755, 0.760, 0.765, 0.752, 0.768, 0.758]
    accuracies = {"base": base, "a": list(seeds)}
    for number in range(10):
        accuracies[str(number)] = base[: len(seeds)]
    rows = compare_with_base(accuracies, "base")
    assert rows["a"].verdict == WORSE


# --- noise -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [[0.5] * 3, [0.5, 0.5, 0.5001], [0.5, 0.9, 0.1], [0.4, 0.8, 0.5]])
def test_seeds_that_did_not_learn_neither_widen_nor_narrow_the_others_intervals(lost):
    others = {"base": SIX, "a": shifted(0.01)[:3], "b": shifted(-0.02)[:3]}
    with_one = compare_with_base(others | {"lost": [0.5]}, "base")
    rows = compare_with_base(others | {"lost": lost}, "base")
    for name in ("a", "b"):
        assert rows[name].low == pytest.approx(with_one[name].low)
        assert rows[name].high == pytest.approx(with_one[name].high)


def test_a_noisier_setting_is_judged_by_its_own_noise_steadied_as_welch_does():
    noisy = shifted(0.04, times=5)
    rows = compare_with_base({"base": SIX, "a": shifted(0.0), "noisy": noisy}, "base")
    added = comparison.ADDED
    variance = (5 * np.var(noisy, ddof=1) + added * SCATTER**2) / (5 + added)
    own_part = variance / 6  # of the variance of the difference
    base_part = SCATTER**2 / 6
    both = own_part + base_part
    degrees = both**2 / (own_part**2 / (5 + added) + base_part**2 / 10)  # by Satterthwaite
    half = stats.t.isf(LATER_LOOK / 2 / 2, math.floor(degrees)) * math.sqrt(both)
    assert rows["noisy"].high - rows["noisy"].difference == pytest.approx(half)


@pytest.mark.parametrize(("factor", "is_noisier"), [(0.99, False), (1.01, True)])
def test_a_setting_is_noisier_only_by_an_f_test_against_the_others(factor, is_noisier):
    times = math.sqrt(stats.f.isf(0.05, 5, 5))
    noisy = shifted(0.0, times=factor * times)
    pool = pooled_noise([SIX, noisy])
    noise = comparison.noise_of(noisy, pool)
    assert (noise != pool.noise) == is_noisier


@pytest.mark.parametrize(("samples", "why"), [([[0.5]], "two seeds"), ([[0.5] * 6], "not differ")])
def test_where_no_noise_can_be_known_it_is_refused(samples, why):
    with pytest.raises(ValueError, match=why):
        pooled_noise(samples)


# --- means -----------------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_students_over_its_seeds():
    mean = mean_with_interval(SIX, pooled_noise([SIX]))
    expected = stats.t.interval(0.95, 5, np.mean(SIX), SCATTER / math.sqrt(6))
    assert (mean.low, mean.high) == pytest.approx(expected)


def test_the_interval_of_seeds_that_scatter_widely_is_wide():
    wide = shifted(0.0, times=8)
    mean = mean_with_interval(wide, pooled_noise([SIX, shifted(0.0), wide]))
    error = 8 * SCATTER / math.sqrt(6)
    assert mean.high - mean.low > 4 * error


def test_a_single_seed_has_an_interval_lent_by_the_others():
    mean = mean_with_interval([0.7], pooled_noise([SIX]))
    assert mean.high - mean.mean == pytest.approx(stats.t.isf(0.025, 5) * SCATTER)


def test_a_single_seed_has_no_deviation():
    assert mean_with_interval([0.7], pooled_noise([SIX])).deviation is None


def test_without_a_noise_a_mean_has_no_interval():
    assert mean_with_interval([0.7], None).low is None


# --- promises, by drawing --------------------------------------------------------------------

DRAWS = 300
LIMIT = 0.05 + 3 * math.sqrt(0.05 * 0.95 / DRAWS)
NOISIER = [{}, {"a": 3}, {"base": 2}, {"base": 5}]  # times the others' scatter


def share_named(seeds: int, times: dict[str, float]) -> float:
    """Share of drawn answers, without any difference, that name a setting."""
    random, count = np.random.default_rng(0), 0
    sizes = {"base": 6} | dict.fromkeys("abcdef", seeds)
    for _ in range(DRAWS):
        accuracies = {}
        for name, size in sizes.items():
            scatter = 0.01 * times.get(name, 1)
            accuracies[name] = random.normal(0.75, scatter, size).tolist()
        rows = compare_with_base(accuracies, "base")
        count += any(row.named for row in rows.values())
    return count / DRAWS


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("times", NOISIER)
def test_answers_without_a_difference_name_one_in_at_most_5_percent(seeds, times):
    assert share_named(seeds, times) <= LIMIT


# A single seed cannot show that its setting is noisier.
@pytest.mark.parametrize("times", [{}, {"base": 5}])
def test_answers_of_single_seeds_name_one_in_at_most_5_percent(times):
    assert share_named(1, times) <= LIMIT


def test_without_a_noise_of_its_own_a_noisier_setting_would_be_named(monkeypatch):
    monkeypatch.setattr(comparison, "NOISIER", 0.0)
    assert share_named(3, {"a": 5}) > LIMIT, "else the check above could not fail"


@pytest.fixture(scope="module")
def odd_answers() -> list[dict[str, Comparison]]:
    """Rows of random accuracies on two test images or on a thousand, of one to six seeds."""
    random, answers = np.random.default_rng(2), []
    for images in [2] * 100 + [1000] * 50:
        accuracies = {"differing": [0.0, 0.5]}
        for number in range(random.integers(2, 8)):
            seeds = random.integers(1, 7)
            counts = random.integers(0, images + 1, seeds)
            accuracies[str(number)] = (counts / images).tolist()
        answers.append(compare_with_base(accuracies, "0"))
    return answers


def test_the_difference_of_a_row_lies_within_its_interval(odd_answers):
    for rows in odd_answers:
        for row in rows.values():
            assert row.low < row.difference < row.high


def test_a_row_is_named_where_its_interval_excludes_0(odd_answers):
    for rows in odd_answers:
        for row in rows.values():
            assert row.named == (row.low > 0 or row.high < 0)


@pytest.mark.parametrize(("seeds", "others"), [(1, 2), (3, 2), (6, 11)])
def test_a_true_difference_of_the_size_that_is_told_is_found_in_80_percent(seeds, others):
    random, times_named = np.random.default_rng(3), 0
    degrees = 5 + others * (seeds - 1)
    true = found_from(Noise(0.01**2, degrees), seeds, 6, others)
    for _ in range(DRAWS):
        accuracies = {"base": random.normal(0.75, 0.01, 6).tolist()}
        accuracies["better"] = random.normal(0.75 + true, 0.01, seeds).tolist()
        for number in range(others - 1):
            accuracies[str(number)] = random.normal(0.75, 0.01, seeds).tolist()
        rows = compare_with_base(accuracies, "base")
        times_named += rows["better"].named
    assert times_named / DRAWS == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize("degrees", [1, 4, 5])
def test_a_size_is_told_where_only_the_base_or_less_is_pooled(degrees):
    assert 0 < found_from(Noise(0.01**2, degrees), 2, 6, 1) < math.inf
