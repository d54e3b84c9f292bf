"""Every setting against the base: scipy is the oracle, seeded draws are the judge."""

import itertools
import math

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
    Noise,
    compare_with_base,
    found_from,
    mean_with_interval,
    pooled_noise,
)

SIX = [0.741, 0.752, 0.748, 0.763, 0.757, 0.744]  # a base of six seeds
SCATTER = np.std(SIX, ddof=1)


def shifted(shift: float, times: float = 1.0) -> list[float]:
    """The base's seeds moved, and perhaps scattering `times` as much."""
    return [np.mean(SIX) + shift + times * (share - np.mean(SIX)) for share in SIX]


# --- distributions ---------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [*range(1, 12), 29, 30, 99, 100, 199, 200])
def test_students_t_is_scipys(degrees):
    for p in np.logspace(-8, math.log10(0.99), 30):
        t = stats.t.isf(p / 2, degrees)
        assert comparison.t_quantile(p, degrees) == pytest.approx(t, rel=1e-6)


@pytest.mark.parametrize("first", [1, 2, 5, 11])
@pytest.mark.parametrize("second", [1, 2, 5, 27, 200])
def test_the_ratio_of_two_variances_is_scipys(first, second):
    for p in (0.001, 0.05, 0.5, 0.9):
        ratio = stats.f.isf(p, first, second)
        assert comparison.f_quantile(p, first, second) == pytest.approx(ratio)
        assert comparison.f_test(ratio, first, second) == pytest.approx(p)


def test_the_incomplete_beta_function_is_scipys():
    for x, a, b in itertools.product((0.0, 1e-3, 0.3, 0.8, 1.0), (0.5, 3, 150), (0.5, 3, 150)):
        assert comparison.beta_share(x, a, b) == pytest.approx(special.betainc(a, b, x), abs=1e-12)


@pytest.mark.parametrize("count", [1, 7, 200])
def test_wilsons_interval_is_scipys(count):
    for correct in (0, count // 3, count):
        expected = stats.binomtest(correct, count).proportion_ci(method="wilson")
        assert comparison.wilson(correct, count) == pytest.approx((expected.low, expected.high))


# --- the rule --------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [-0.03, -0.002, 0.0, 0.011, 0.02, 0.2])
@pytest.mark.parametrize("seeds", [6, 4])
def test_two_settings_of_equal_noise_are_compared_by_the_t_test(shift, seeds):
    other = [share + shift for share in SIX[:seeds]]
    expected = stats.ttest_ind(other, SIX)
    row = compare_with_base({"base": SIX, "other": other}, "base")["other"]
    assert row.difference == pytest.approx(np.mean(other) - np.mean(SIX))
    interval = expected.confidence_interval(1 - LATER_LOOK)
    assert (row.low, row.high) == pytest.approx(tuple(interval))
    assert row.named == (expected.pvalue < LATER_LOOK)


def test_single_seeds_are_judged_by_the_bases_noise_corrected_as_by_bonferroni():
    shares = {"d": 0.70, "base": 0.0, "a": 0.75, "c": 0.77, "b": 0.735}
    accuracies = {name: SIX if name == "base" else [share] for name, share in shares.items()}
    rows = compare_with_base(accuracies, "base")
    assert list(rows) == ["d", "a", "c", "b"], "in the order of the input"
    half = stats.t.isf(FIRST_LOOK / 4 / 2, 5) * SCATTER * math.sqrt(1 + 1 / 6)
    for name, row in rows.items():
        middle = shares[name] - np.mean(SIX)
        assert (row.low, row.high) == pytest.approx((middle - half, middle + half))
        assert row.is_single
        assert row.deviation is None


def test_a_base_of_one_seed_is_judged_by_the_noise_of_the_others():
    row = compare_with_base({"base": [0.75], "a": SIX}, "base")["a"]
    half = stats.t.isf(LATER_LOOK / 2, 5) * SCATTER * math.sqrt(1 + 1 / 6)
    assert row.high - row.difference == pytest.approx(half)
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
    others = {str(k): base[: len(seeds)] for k in range(10)}
    rows = compare_with_base({"base": base, "a": list(seeds)} | others, "base")
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


def test_a_noisier_setting_is_judged_by_its_own_noise_steadied_as_welch_and_satterthwaite_do():
    noisy = shifted(0.04, times=5)
    rows = compare_with_base({"base": SIX, "a": shifted(0.0), "noisy": noisy}, "base")
    added = comparison.ADDED
    own = (5 * np.var(noisy, ddof=1) + added * SCATTER**2) / (5 + added)
    parts = [own / 6, SCATTER**2 / 6]
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / (5 + added) + parts[1] ** 2 / 10)
    half = stats.t.isf(LATER_LOOK / 2 / 2, math.floor(degrees)) * math.sqrt(sum(parts))
    assert rows["noisy"].high - rows["noisy"].difference == pytest.approx(half)


def test_a_setting_is_noisier_only_by_an_f_test_against_the_others():
    times = math.sqrt(stats.f.isf(0.05, 5, 5))
    for factor, is_noisier in ((0.99, False), (1.01, True)):
        noisy = shifted(0.0, times=factor * times)
        noise = comparison.noise_of(noisy, pooled_noise([SIX, noisy]))
        assert (noise != pooled_noise([SIX, noisy]).noise) == is_noisier


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
    assert mean.high - mean.low > 4 * SCATTER * 8 / math.sqrt(6)


def test_a_single_seed_has_an_interval_lent_by_the_others_and_no_deviation():
    mean = mean_with_interval([0.7], pooled_noise([SIX]))
    assert mean.deviation is None
    assert mean.high - mean.mean == pytest.approx(stats.t.isf(0.025, 5) * SCATTER)


def test_without_a_noise_a_mean_has_no_interval():
    assert mean_with_interval([0.7], None).low is None


# --- promises, by drawing --------------------------------------------------------------------

DRAWS = 300
LIMIT = 0.05 + 3 * math.sqrt(0.05 * 0.95 / DRAWS)
NOISIER = [{}, {"a": 3}, {"base": 2}, {"base": 5}]  # times the others' scatter


def share_named(seeds: int, times: dict[str, float]) -> float:
    """Share of drawn answers, without any difference, that name a setting."""
    random, count = np.random.default_rng(0), 0
    for _ in range(DRAWS):
        accuracies = {
            name: random.normal(0.75, 0.01 * times.get(name, 1), size).tolist()
            for name, size in {"base": 6, **dict.fromkeys("abcdef", seeds)}.items()
        }
        rows = compare_with_base(accuracies, "base")
        count += any(row.named for row in rows.values())
    return count / DRAWS


# A single seed cannot show that its setting is noisier.
@pytest.mark.parametrize(
    ("seeds", "times"), [(1, {}), (1, {"base": 5}), *itertools.product((3, 6), NOISIER)]
)
def test_answers_without_a_difference_name_one_in_at_most_5_percent(seeds, times):
    assert share_named(seeds, times) <= LIMIT


def test_without_a_noise_of_its_own_a_noisier_setting_would_be_named(monkeypatch):
    monkeypatch.setattr(comparison, "NOISIER", 0.0)
    assert share_named(3, {"a": 5}) > LIMIT, "else the check above could not fail"


def test_rows_are_sound_with_two_test_images_and_with_anything_else():
    random = np.random.default_rng(2)
    for images in [2] * 100 + [1000] * 50:
        counts = random.integers(1, 7, random.integers(2, 8))
        draws = [(random.integers(0, images + 1, n) / images).tolist() for n in counts]
        accuracies = {str(k): draw for k, draw in enumerate([[0.0, 0.5], *draws])}
        rows = compare_with_base(accuracies, "1")
        assert list(rows) == [name for name in accuracies if name != "1"]
        for row in rows.values():
            assert row.low < row.difference < row.high
            assert row.named == (row.low > 0 or row.high < 0)


@pytest.mark.parametrize(("seeds", "others"), [(1, 2), (3, 2), (6, 11)])
def test_a_true_difference_of_the_size_that_is_told_is_found_in_80_percent(seeds, others):
    random, found = np.random.default_rng(3), 0
    degrees = 5 + others * (seeds - 1)
    true = found_from(Noise(0.01**2, degrees), seeds, 6, others)
    for _ in range(DRAWS):
        base = random.normal(0.75, 0.01, 6).tolist()
        names = [str(number) for number in range(others)]
        samples = {name: random.normal(0.75, 0.01, seeds).tolist() for name in names}
        samples["0"] = [share + true for share in samples["0"]]
        found += compare_with_base({"base": base} | samples, "base")["0"].named
    assert found / DRAWS == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize("degrees", [1, 4, 5])
def test_a_size_is_told_where_only_the_base_or_less_is_pooled(degrees):
    assert 0 < found_from(Noise(0.01**2, degrees), 2, 6, 1) < math.inf
