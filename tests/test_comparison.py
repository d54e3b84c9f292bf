"""Every setting against the base: scipy is the oracle, seeded draws are the judge."""

import itertools
import math
from operator import attrgetter

import numpy as np
import pytest
from scipy import stats

from report import comparison
from report.comparison import Noise, compare_with_base, named_from, seeds_to_see, seen_from

SIX = [0.741, 0.752, 0.748, 0.763, 0.757, 0.744]  # a base of six seeds
SCATTER = np.std(SIX, ddof=1)


def shifted(shift: float, times: float = 1.0) -> list[float]:
    """The base's seeds moved, and perhaps scattering `times` as much."""
    return [np.mean(SIX) + shift + times * (share - np.mean(SIX)) for share in SIX]


@pytest.mark.parametrize("degrees", [*range(1, 12), 29, 30, 99, 100, 199, 200])
def test_students_t_and_wilsons_interval_are_scipys(degrees):
    for p in np.logspace(-8, math.log10(0.99), 30):
        t = stats.t.isf(p / 2, degrees)
        assert comparison.t_test(-t, degrees) == pytest.approx(p, rel=1e-6)
        assert comparison.t_quantile(p, degrees) == pytest.approx(t, rel=1e-6)
    assert comparison.t_test(0.0, degrees) == pytest.approx(1)
    for correct in (0, degrees // 3, degrees):
        expected = stats.binomtest(correct, degrees).proportion_ci(method="wilson")
        assert comparison.wilson(correct, degrees) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("shift", [-0.03, -0.002, 0.0, 0.011, 0.012, 0.2])
@pytest.mark.parametrize("seeds", [6, 4])
def test_two_settings_of_equal_noise_are_compared_by_the_t_test(shift, seeds):
    other = [share + shift for share in SIX[:seeds]]
    expected = stats.ttest_ind(other, SIX)
    row = compare_with_base({"base": SIX, "other": other}, "base")["other"]
    assert row.difference == pytest.approx(np.mean(other) - np.mean(SIX))
    assert row.p == pytest.approx(expected.pvalue)
    assert (row.low, row.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert row.beyond_noise == (expected.pvalue < 0.05)


def test_single_seeds_against_six_of_the_base_are_corrected_as_by_holm_and_bonferroni():
    shares = {"d": 0.70, "base": 0.0, "a": 0.75, "c": 0.77, "b": 0.735}
    accuracies = {name: SIX if name == "base" else [share] for name, share in shares.items()}
    rows = compare_with_base(accuracies, "base")
    assert list(rows) == ["d", "a", "c", "b"], "in the order of the input"
    error = SCATTER * math.sqrt(1 + 1 / 6)
    plain = {name: 2 * stats.t.sf(abs(shares[name] - np.mean(SIX)) / error, 5) for name in rows}
    highest = 0.0
    for times, name in zip((4, 3, 2, 1), sorted(plain, key=plain.get), strict=True):
        highest = max(highest, min(1.0, times * plain[name]))
        assert rows[name].p == pytest.approx(highest)
    half = stats.t.isf(0.05 / 4 / 2, 5) * error
    for name in ("a", "c", "b"):
        ends = shares[name] - np.mean(SIX) - half, shares[name] - np.mean(SIX) + half
        assert (rows[name].low, rows[name].high) == pytest.approx(ends)
    assert [name for name, row in rows.items() if row.beyond_noise] == ["d"]
    row = compare_with_base({"base": [0.75], "a": SIX}, "base")["a"]  # the noise is that of "a"
    assert row.high - row.difference == pytest.approx(stats.t.isf(0.025, 5) * error)


def test_where_holm_alone_names_a_setting_its_interval_ends_at_zero():
    far, edge = np.mean(SIX) - 0.2, np.mean(SIX) + 2.8 * SCATTER * math.sqrt(7 / 6)
    row = compare_with_base({"base": SIX, "far": [far], "edge": [edge]}, "base")["edge"]
    assert row.beyond_noise and row.low == 0 < row.high


def test_p_is_never_more_generous_than_dunnetts_for_the_largest_difference_nor_far_stricter():
    random = np.random.default_rng(1)
    for seeds in (1, 3, 6) * 4:
        base, *others = random.normal(0.75, 0.01, (6, 6))
        others = [sample[:seeds] + 0.012 * k for k, sample in enumerate(others)]
        several = [base, *others] if seeds > 1 else [base]
        pool = comparison.pooled_noise([list(sample) for sample in several])
        if any(np.var(sample, ddof=1) > comparison.NOISIER * pool.variance for sample in several):
            continue  # Dunnett knows one noise for all
        accuracies = {"base": list(base)} | {str(k): list(row) for k, row in enumerate(others)}
        rows = compare_with_base(accuracies, "base").values()
        least = stats.dunnett(*others, control=base, random_state=0).pvalue.min()
        assert least - 1e-4 <= min(rows, key=attrgetter("p")).p <= min(1.0, 1.7 * least + 1e-4)


@pytest.mark.parametrize("lost", [[0.5] * 3, [0.5, 0.5, 0.5001], [0.5, 0.9, 0.1], [0.4, 0.8, 0.5]])
def test_seeds_that_did_not_learn_neither_widen_nor_narrow_the_others_intervals(lost):
    others = {"base": SIX, "a": shifted(0.01)[:3], "b": shifted(-0.02)[:3]}
    with_one = compare_with_base(others | {"lost": [0.5]}, "base")
    rows = compare_with_base(others | {"lost": lost}, "base")
    for name in ("a", "b"):
        assert rows[name][:3] == pytest.approx(with_one[name][:3])


def test_a_noisier_setting_is_judged_by_its_own_noise_as_welch_and_satterthwaite_do():
    noisy = shifted(0.04, times=5)
    rows = compare_with_base({"base": SIX, "a": shifted(0.0), "noisy": noisy}, "base")
    parts = [np.var(noisy, ddof=1) / 6, np.var(SIX, ddof=1) / 6]
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 5 + parts[1] ** 2 / 10)
    p = 2 * stats.t.sf(0.04 / math.sqrt(sum(parts)), math.floor(degrees))
    assert rows["noisy"].p == pytest.approx(min(1, 2 * p))


DRAWS = 300
LIMIT = 0.05 + 3 * math.sqrt(0.05 * 0.95 / DRAWS)
NOISIER = [{}, {"a": 3}, {"a": 5}, {"base": 2}, {"base": 5}]  # times the others' scatter


def share_named(seeds: int, times: dict[str, float]) -> float:
    """Share of drawn answers, without any difference, that name a setting."""
    random, count = np.random.default_rng(0), 0
    for _ in range(DRAWS):
        accuracies = {
            name: random.normal(0.75, 0.01 * times.get(name, 1), size).tolist()
            for name, size in {"base": 6, **dict.fromkeys("abcdef", seeds)}.items()
        }
        rows = compare_with_base(accuracies, "base")
        count += any(row.beyond_noise for row in rows.values())
    return count / DRAWS


# A single seed cannot show that its setting is noisier.
@pytest.mark.parametrize(
    ("seeds", "times"), [(1, {}), (1, {"base": 5}), *itertools.product((3, 6), NOISIER)]
)
def test_answers_without_a_difference_name_one_in_at_most_5_percent(seeds, times):
    assert share_named(seeds, times) <= LIMIT


def test_without_a_noise_of_its_own_a_noisier_setting_would_be_named(monkeypatch):
    monkeypatch.setattr(comparison, "NOISIER", math.inf)
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
            assert -1 <= row.low <= row.difference <= row.high <= 1
            assert 0 <= row.p <= 1 and row.beyond_noise == (row.p < 0.05)
            assert not (row.beyond_noise and row.low < 0 < row.high)


def test_a_measured_difference_is_named_from_the_size_that_is_told():
    least = named_from(Noise(SCATTER**2, 5), 1, 6, 2)
    for factor, verdict in ((0.99, "not told apart"), (1.01, "better")):
        accuracies = {"base": SIX, "a": [np.mean(SIX) + factor * least], "b": [np.mean(SIX)]}
        assert compare_with_base(accuracies, "base")["a"].verdict == verdict


def test_a_true_difference_of_the_size_that_is_told_is_seen_in_80_percent_of_studies():
    random, seen = np.random.default_rng(3), 0
    true = seen_from(Noise(0.01**2, 3 * 5), 6, 6, 2)
    assert seeds_to_see(true, Noise(0.01**2, 5), 6, 2) == 6, "the fewest"
    assert seeds_to_see(1.0, Noise(0.01**2, 5), 6, 2) == 1
    for _ in range(DRAWS):
        base, a, b = random.normal(0.75, 0.01, (3, 6)).tolist()
        accuracies = {"base": base, "a": [share + true for share in a], "b": b}
        seen += compare_with_base(accuracies, "base")["a"].beyond_noise
    assert seen / DRAWS == pytest.approx(0.8, abs=0.08)
