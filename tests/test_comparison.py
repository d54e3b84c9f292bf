"""Every setting against the base: scipy is the oracle, seeded draws are the judge."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from report import noise
from report.comparison import (
    ALIKE,
    BETTER,
    FIRST_LOOK,
    LATER_LOOK,
    LEAST_SEEDS,
    OPEN,
    SEEMS,
    WORSE,
    Comparison,
    compare_sweeps,
    compare_with_base,
    found_from,
    next_seeds,
    next_seeds_of_base,
)
from report.noise import ADDED, NOISIER, UNEQUAL, Noise, noise_of, noise_of_images, pooled_noise

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


def test_a_base_of_one_seed_is_judged_by_the_noise_of_the_others():
    row = compare_with_base({"base": [0.75], "a": SIX}, "base")["a"]
    assert row.high - row.difference == pytest.approx(half_of_one(FIRST_LOOK))


@pytest.mark.parametrize("seeds", [1, 2])
def test_nothing_is_said_against_a_base_of_fewer_than_three_seeds(seeds):
    row = compare_with_base({"base": [0.2, 0.21][:seeds], "a": SIX}, "base")["a"]
    assert row.verdict == OPEN


def test_several_seeds_against_a_base_of_one_are_no_single_seed():
    row = compare_with_base({"base": [0.75], "a": SIX}, "base")["a"]
    assert not row.is_single


@pytest.mark.parametrize(
    ("shift", "close", "verdict"),
    [
        (0.05, 0.02, BETTER),
        (-0.05, 0.02, WORSE),
        (0.001, 0.02, ALIKE),
        (0.001, 0.012, OPEN),
        (0.012, 0.02, OPEN),
        (0.05, 0.2, BETTER),
    ],
)
def test_a_setting_is_better_worse_alike_or_open(shift, close, verdict):
    rows = compare_with_base({"base": SIX, "a": shifted(shift)}, "base", close)
    assert rows["a"].verdict == verdict


def with_seeds(*shares: float) -> dict[str, Comparison]:
    """A setting "a" of these seeds beside ten that equal the base."""
    accuracies = {"base": SIX, "a": list(shares)}
    for number in range(10):
        accuracies[str(number)] = SIX[: len(shares)]
    return compare_with_base(accuracies, "base")


@pytest.mark.parametrize("shares", [(0.6,), (0.6, 0.616)])
def test_nothing_is_better_or_worse_on_fewer_than_three_seeds(shares):
    assert with_seeds(*shares)["a"].verdict == OPEN


def test_nothing_is_as_good_on_fewer_than_three_seeds():
    assert compare_with_base({"base": SIX, "a": SIX[:2]}, "base", close=0.5)["a"].verdict == OPEN


def test_a_large_difference_is_named_with_the_third_seed():
    assert with_seeds(0.6, 0.616, 0.608)["a"].verdict == WORSE


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_setting_seems_to_differ_beyond_the_99_percent_of_the_base(factor, count):
    error = SCATTER * math.sqrt(1 / count + 1 / 6)
    shift = factor * stats.t.isf(SEEMS / 2, 5) * error
    assert with_seeds(*[MEAN + shift] * count)["a"].seems == (factor > 1)


def test_what_has_three_seeds_does_not_seem_to_differ():
    assert not with_seeds(0.6, 0.616, 0.608)["a"].seems


def beside_another(shift: float, of_other: float) -> Comparison:
    """The row of a setting of this shift, beside one other, by the base's noise."""
    accuracies = {"base": SIX, "a": shifted(shift), "other": shifted(of_other)}
    return compare_with_base(accuracies, "base")["a"]


def test_a_setting_that_differs_leaves_the_others_a_larger_part_as_by_holm():
    error = SCATTER * math.sqrt(1 / 3)
    shift = 1.01 * stats.t.isf(LATER_LOOK / 2, 15) * error
    assert not beside_another(shift, of_other=0.0).named
    assert beside_another(shift, of_other=0.3).named


def test_the_interval_of_what_is_not_named_is_corrected_over_all():
    half = stats.t.isf(LATER_LOOK / 4, 15) * SCATTER * math.sqrt(1 / 3)
    assert beside_another(0.0, of_other=0.3).high == pytest.approx(half)


def test_settings_that_are_to_come_count_in_the_correction():
    row = compare_with_base({"base": SIX, "a": SIX}, "base", planned=11)["a"]
    expected = stats.t.isf(LATER_LOOK / 11 / 2, 10) * SCATTER * math.sqrt(1 / 3)
    assert row.high == pytest.approx(expected)


def test_an_interval_ends_at_100_points():
    rows = compare_with_base({"base": [0.1, 0.9, 0.5], "a": [0.0, 0.1, 0.2]}, "base")
    assert rows["a"].low == -1


# --- who gets more trainings -----------------------------------------------------------------


def row_of(seeds: int, verdict: str = OPEN, seems: bool = False) -> Comparison:
    return Comparison(seeds, 0.0, -0.1, 0.1, verdict, seems)


@pytest.mark.parametrize("seeds", [1, 2])
def test_what_seems_to_differ_gets_three_seeds(seeds):
    assert next_seeds(row_of(seeds, seems=True), until_known=False) == LEAST_SEEDS


@pytest.mark.parametrize("row", [row_of(1), row_of(3), row_of(3, WORSE)], ids=str)
def test_what_does_not_seem_to_differ_gets_no_more_seeds(row):
    assert next_seeds(row, until_known=False) == row.seeds


@pytest.mark.parametrize(("seeds", "then"), [(1, 3), (3, 4), (4, 6), (5, 6), (6, 10), (10, 10)])
def test_until_it_is_known_a_setting_goes_on_to_the_next_look(seeds, then):
    assert next_seeds(row_of(seeds), until_known=True) == then


@pytest.mark.parametrize("verdict", [BETTER, WORSE, ALIKE])
def test_what_is_known_gets_no_more_seeds(verdict):
    assert next_seeds(row_of(3, verdict), until_known=True) == 3


def test_the_base_gets_half_as_many_seeds_again_as_a_setting():
    assert [next_seeds_of_base(6, most) for most in (3, 4, 6, 10)] == [6, 6, 9, 15]


# --- two sweeps ------------------------------------------------------------------------------


def test_two_sweeps_of_one_setting_are_compared_by_welch():
    there = shifted(0.05, times=3)
    row = compare_sweeps({"a": SIX}, {"a": there})["a"]
    interval = stats.ttest_ind(SIX, there, equal_var=False).confidence_interval(1 - LATER_LOOK)
    assert (row.low, row.high) == pytest.approx(tuple(interval), rel=0.05)  # degrees are whole


def test_a_noisy_sweep_does_not_make_the_other_ones_noise_larger():
    here = {"a": SIX, "b": shifted(0.01)}
    rows = compare_sweeps(here, {"a": SIX, "b": shifted(0.0, times=5)})
    calm = compare_sweeps(here, {"a": SIX, "b": SIX})
    assert rows["a"].low == pytest.approx(calm["a"].low, rel=0.4)


# --- new images ------------------------------------------------------------------------------


def test_what_the_choice_of_images_adds_makes_the_interval_wider():
    of_images = {"a": Noise(0.01**2, 1999)}
    row = compare_with_base({"base": SIX, "a": SIX}, "base", of_images=of_images)["a"]
    variance = SCATTER**2 / 3
    both = variance + 0.01**2
    degrees = math.floor(both**2 / (variance**2 / 10 + 0.01**4 / 1999))
    assert row.high == pytest.approx(stats.t.isf(LATER_LOOK / 2, degrees) * math.sqrt(both))


def drawn_answers(random: np.random.Generator, spread: float, seeds: int) -> np.ndarray:
    """Whether 400 new images are right with each seed, bool (2, seeds, images): base, setting.

    Images differ in how hard they are, and by `spread` in what the setting changes of that.
    """
    easiness = random.uniform(0.3, 0.9, 400)
    change = spread * random.choice([-1, 1], 400)
    shares = np.stack([easiness, np.clip(easiness + change, 0, 1)])
    return random.random((2, seeds, 400)) < shares[:, None]


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seeds", [3, 6])
def test_the_noise_of_images_and_of_seeds_is_the_scatter_over_new_ones_of_both(spread, seeds):
    random = np.random.default_rng(0)
    differences, told = [], []
    for _ in range(600):
        base, setting = drawn_answers(random, spread, seeds)
        of_seeds = sum(one.mean(axis=1).var(ddof=1) / seeds for one in (base, setting))
        differences.append(setting.mean() - base.mean())
        told.append(of_seeds + noise_of_images(setting, base).variance)
    assert np.mean(told) == pytest.approx(np.var(differences), rel=0.2)


def test_settings_that_get_the_same_images_right_have_no_noise_of_images():
    correct = np.random.default_rng(0).random((3, 100)) < 0.7
    assert noise_of_images(correct, correct).variance == 0


# --- noise -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [[0.5] * 3, [0.5, 0.5, 0.5001], [0.5, 0.9, 0.1], [0.4, 0.8, 0.5]])
def test_seeds_that_did_not_learn_neither_widen_nor_narrow_the_others_intervals(lost):
    others = [SIX, shifted(0.01)[:3], shifted(-0.02)[:3]]
    assert pooled_noise([*others, lost]) == pooled_noise(others)


def test_a_noisier_setting_is_judged_by_its_own_noise_steadied_as_welch_does():
    noisy = shifted(0.04, times=5)
    rows = compare_with_base({"base": SIX, "a": shifted(0.0), "noisy": noisy}, "base")
    variance = (5 * np.var(noisy, ddof=1) + ADDED * SCATTER**2) / (5 + ADDED)
    own_part = variance / 6  # of the variance of the difference
    base_part = SCATTER**2 / 6
    both = own_part + base_part
    degrees = both**2 / ((own_part**2 + base_part**2) / (5 + ADDED))  # by Satterthwaite
    half = stats.t.isf(LATER_LOOK / 2 / 2, math.floor(degrees)) * math.sqrt(both)
    assert rows["noisy"].high - rows["noisy"].difference == pytest.approx(half)


@pytest.mark.parametrize("times", [1.5, 2, 3, 6])
def test_settings_scatter_unequally_by_bartletts_test(times):
    samples = [SIX, shifted(0.0, times=times), shifted(0.1)[:4]]
    expected = stats.bartlett(*samples).pvalue < UNEQUAL
    assert pooled_noise(samples).is_unequal == expected


def test_where_settings_scatter_unequally_none_is_taken_to_be_calmer_than_the_pool():
    samples = [SIX, shifted(0.0, times=2.9), shifted(0.0, times=2.9)]
    pool = pooled_noise(samples)
    assert noise_of(SIX, pool) == (pool.noise.variance, 5 + ADDED)


@pytest.mark.parametrize(("factor", "is_noisier"), [(0.99, False), (1.01, True)])
def test_a_setting_is_noisier_only_by_an_f_test_against_the_others(factor, is_noisier):
    times = math.sqrt(stats.f.isf(NOISIER, 5, 5))
    noisy = shifted(0.0, times=factor * times)
    pool = pooled_noise([SIX, noisy])
    assert noise.is_noisier(noise.own_noise(noisy), pool) == is_noisier


@pytest.mark.parametrize(("samples", "why"), [([[0.5]], "two seeds"), ([[0.5] * 6], "not differ")])
def test_where_no_noise_can_be_known_it_is_refused(samples, why):
    with pytest.raises(ValueError, match=why):
        pooled_noise(samples)


# --- promises, by drawing --------------------------------------------------------------------

DRAWS = 300
LIMIT = 0.05 + 3 * math.sqrt(0.05 * 0.95 / DRAWS)
NOISES = [{}, {"a": 3}, {"base": 2}, {"base": 5}, {"base": 0.3}, dict.fromkeys("abc", 3)]  # times


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
@pytest.mark.parametrize("times", NOISES)
def test_answers_without_a_difference_name_one_in_at_most_5_percent(seeds, times):
    assert share_named(seeds, times) <= LIMIT


def test_without_a_noise_of_its_own_a_noisier_setting_would_be_named(monkeypatch):
    monkeypatch.setattr(noise, "NOISIER", 1e-9)
    monkeypatch.setattr(noise, "UNEQUAL", 1e-9)
    assert share_named(3, {"a": 5}) > LIMIT, "else the check above could not fail"


@pytest.fixture(scope="module")
def odd_answers() -> list[dict[str, Comparison]]:
    """Rows of random accuracies on two test images or on a thousand, of one to six seeds."""
    random, answers = np.random.default_rng(2), []
    for images in [2] * 100 + [1000] * 50:
        accuracies = {"differing": [0.0, 0.5, 0.25]}
        for number in range(random.integers(2, 8)):
            seeds = 3 if number == 0 else random.integers(1, 7)
            counts = random.integers(0, images + 1, seeds)
            accuracies[str(number)] = (counts / images).tolist()
        answers.append(compare_with_base(accuracies, "0"))
    return answers


def test_the_difference_of_a_row_lies_within_its_interval(odd_answers):
    for rows in odd_answers:
        for row in rows.values():
            assert row.low < row.difference < row.high


def test_a_row_is_named_where_it_has_three_seeds_and_its_interval_excludes_0(odd_answers):
    for rows in odd_answers:
        for row in rows.values():
            assert row.named == (row.seeds >= 3 and (row.low > 0 or row.high < 0))


@pytest.mark.parametrize(("seeds", "others"), [(3, 2), (3, 11), (6, 11)])
def test_a_true_difference_of_the_size_that_is_told_is_found_in_80_percent(seeds, others):
    random, times_named = np.random.default_rng(3), 0
    for _ in range(DRAWS):
        degrees = 5 + others * (seeds - 1)
        known = 0.01**2 * random.chisquare(degrees) / degrees  # in another study of this kind
        true = found_from(Noise(known, degrees), seeds, 6, others)
        accuracies = {"base": random.normal(0.75, 0.01, 6).tolist()}
        accuracies["better"] = random.normal(0.75 + true, 0.01, seeds).tolist()
        for number in range(others - 1):
            accuracies[str(number)] = random.normal(0.75, 0.01, seeds).tolist()
        rows = compare_with_base(accuracies, "base")
        times_named += rows["better"].named
    assert 0.8 - 0.07 < times_named / DRAWS < 0.8 + 0.12


@pytest.mark.parametrize("degrees", [1, 4, 5])
def test_a_size_is_told_where_only_the_base_or_less_is_pooled(degrees):
    assert 0 < found_from(Noise(0.01**2, degrees), 2, 6, 1) < math.inf
