"""Every setting held against the base: what differs beyond the noise of training.

    rows = compare_with_base({"base": [0.75, 0.76], "0.1": [0.6]}, "base")
    rows["0.1"].verdict

The base is fixed beforehand, so nothing is picked by looking. Only numbers come in: shares of
test images that are right, one for each seed. docs/comparison.md says why the rule is as it is.
"""

import functools
import math
from collections.abc import Hashable, Iterable
from statistics import NormalDist, fmean, median_low, stdev, variance
from typing import NamedTuple, TypeVar

BETTER, WORSE, ALIKE, OPEN = "better", "worse", "as good", "too close to tell"
# How often an answer without any difference names one, at one look: with one seed of a setting,
# and with each seed that is added. All looks together stay below 5 %.
FIRST_LOOK, LATER_LOOK = 0.016, 0.009
MOST_SEEDS = 10  # that --until gives a setting; docs/comparison.md: what is false in so many looks
SMALL = 0.02  # settings that are known to be this close to the base are alike
FAR = 3.0  # times the median scatter, or a third of it: such a setting is left out of the pool
NOISIER = 0.05  # p of an F test below which a setting is judged by its own variance
ADDED = 2  # degrees of the pooled noise that are mixed into a setting's own variance
POWER = 0.8  # share of studies in which a difference "would be found"
NORMAL = NormalDist()

Name = TypeVar("Name", bound=Hashable)  # of a setting: a text, or a Setting.key


class Comparison(NamedTuple):
    """A setting against the base, in shares.

    `deviation` is that between seeds, None with a single one. `low` and `high` are the ends of
    an interval of the difference that holds for all settings, and all numbers of seeds, at once.
    """

    mean: float
    deviation: float | None
    seeds: int
    difference: float
    low: float
    high: float
    verdict: str

    @property
    def named(self) -> bool:
        """Whether it differs from the base beyond noise."""
        return self.verdict in (BETTER, WORSE)

    @property
    def is_single(self) -> bool:
        """Whether it rests on one training: then its noise is lent by the others."""
        return self.seeds == 1


class Mean(NamedTuple):
    """The mean of a setting over its seeds, with its 95 % interval, in shares.

    `deviation` is None with a single seed, `low` and `high` are None where no noise is known.
    """

    mean: float
    deviation: float | None
    seeds: int
    low: float | None
    high: float | None


class Noise(NamedTuple):
    """A variance of test accuracies between seeds, and the degrees of freedom it is known with."""

    variance: float
    degrees: int


class Error(NamedTuple):
    """The standard error of a difference, and the degrees of freedom it is known with."""

    size: float
    degrees: int


class Pool(NamedTuple):
    """The noise of all settings whose variance lies from `smallest` to `largest`."""

    noise: Noise
    smallest: float
    largest: float


def points(difference: float) -> str:
    """A difference of shares for a reader, in points: -0.012 -> −1.2."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def bound(end: float) -> str:
    """The end of an interval of differences, in points; none that leaves out zero ends at it."""
    return f"{100 * end:+.{digits_of_bound(end)}f}".replace("-", "−")


def digits_of_bound(end: float) -> int:
    """How many digits the end of an interval needs, in points, not to be rounded to zero."""
    size = abs(100 * end)
    if size < 1e-6 or size >= 0.05:  # what is below is an error of rounding
        return 1
    return math.ceil(-math.log10(size))


def mean_of(shares: list[float]) -> str:
    """The mean over seeds for a reader, of several with their deviation: 75.6% ± 1.8."""
    if len(shares) == 1:
        return f"{shares[0]:.1%}"
    return f"{fmean(shares):.1%} ± {100 * stdev(shares):.1f}"


# --- the rule --------------------------------------------------------------------------------


def compare_with_base(
    accuracies: dict[Name, list[float]], base: Name, close: float = SMALL
) -> dict[Name, Comparison]:
    """Hold every setting against `base`, whose name is one of `accuracies`.

    Differences of means by Student's t (`standard_error`), corrected over all settings by
    Bonferroni's method. A setting is better or worse where its interval leaves out zero, alike
    where the interval lies within `close`, else open. ValueError where the noise cannot be
    known: no setting has two seeds that differ.
    """
    pool = pooled_noise(accuracies.values())
    comparisons = len(accuracies) - 1
    rows = {}
    for name, sample in accuracies.items():
        if name != base:
            rows[name] = hold_against(sample, accuracies[base], pool, comparisons, close)
    return rows


def compare_sweeps(
    here: dict[Name, list[float]], there: dict[Name, list[float]], close: float = SMALL
) -> dict[Name, Comparison]:
    """Hold every setting of one sweep against the same setting of another, by the same rule.

    The noise is pooled over both. ValueError where it cannot be known.
    """
    pool = pooled_noise([*here.values(), *there.values()])
    rows = {}
    for name, sample in here.items():
        rows[name] = hold_against(sample, there[name], pool, len(here), close)
    return rows


def hold_against(
    sample: list[float], base: list[float], pool: Pool, comparisons: int, close: float
) -> Comparison:
    """One of so many comparisons: a setting against the one it is measured by."""
    mean = fmean(sample)
    seeds = len(sample)
    difference = mean - fmean(base)
    error = standard_error(sample, base, pool)
    p = share_of_look(seeds) / comparisons
    half = t_quantile(p, error.degrees) * error.size
    low = difference - half
    high = difference + half
    verdict = verdict_of(low, high, close)
    return Comparison(mean, deviation_of(sample), seeds, difference, low, high, verdict)


def share_of_look(seeds: int) -> float:
    """The part of the 5 % that is spent on the look at a setting with so many seeds."""
    if seeds == 1:
        return FIRST_LOOK
    return LATER_LOOK


def verdict_of(low: float, high: float, close: float) -> str:
    """What an interval of the difference from the base says."""
    if low > 0:
        return BETTER
    if high < 0:
        return WORSE
    if -close <= low and high <= close:
        return ALIKE
    return OPEN


def deviation_of(sample: list[float]) -> float | None:
    """The standard deviation between seeds, if there are several."""
    if len(sample) < 2:
        return None
    return stdev(sample)


def mean_with_interval(sample: list[float], pool: Pool | None) -> Mean:
    """The mean over seeds; its interval, from 0 to 1, is Student's t with the setting's noise."""
    mean = fmean(sample)
    deviation = deviation_of(sample)
    seeds = len(sample)
    if pool is None:
        return Mean(mean, deviation, seeds, None, None)
    noise = noise_of(sample, pool)
    error = math.sqrt(noise.variance / seeds)
    half = t_quantile(0.05, noise.degrees) * error
    return Mean(mean, deviation, seeds, low=max(0.0, mean - half), high=min(1.0, mean + half))


# --- noise -----------------------------------------------------------------------------------


def pooled_noise(samples: Iterable[list[float]]) -> Pool:
    """The variance between seeds, pooled over all settings that have at least two.

    Left out are settings whose standard deviation is more than FAR times the median one, each
    counted as often as it has degrees, or less than a FAR-th of it: those that learned with some
    seeds only would widen it for all others, those that learned with none would narrow it.
    ValueError if there is no noise to be known.
    """
    noises = []
    for sample in samples:
        if len(sample) > 1:
            noises.append(own_noise(sample))
    if not noises:
        raise ValueError("no setting has two seeds")
    usual = without_odd_ones(noises)
    degrees = sum(noise.degrees for noise in usual)
    squares = sum(squares_of(noise) for noise in usual)
    variances = [noise.variance for noise in usual]
    return Pool(Noise(squares / degrees, degrees), min(variances), max(variances))


def own_noise(sample: list[float]) -> Noise:
    """The noise of one setting with several seeds, as its own seeds show it."""
    return Noise(variance(sample), len(sample) - 1)


def squares_of(noise: Noise) -> float:
    """The sum of squared deviations that a variance is known from."""
    return noise.variance * noise.degrees


def without_odd_ones(noises: list[Noise]) -> list[Noise]:
    """Those whose standard deviation is near the median one. ValueError if all are zero."""
    deviations: list[float] = []
    for noise in noises:
        if noise.variance > 0:
            deviations += [math.sqrt(noise.variance)] * noise.degrees
    if not deviations:
        raise ValueError("the seeds of a setting do not differ")
    middle = median_low(deviations)
    usual = []
    for noise in noises:
        ratio = math.sqrt(noise.variance) / middle
        if 1 / FAR <= ratio <= FAR:
            usual.append(noise)
    return usual


def noise_of(sample: list[float], pool: Pool) -> Noise:
    """The noise by which a setting is judged: the pooled one, or its own if that is larger.

    A setting that scatters more than the others (F test) must not profit from their calm. Its
    own variance, known from few seeds, is steadied by ADDED degrees of the pooled one.
    """
    if len(sample) == 1:
        return pool.noise
    noise = own_noise(sample)
    others = noise_of_others(noise, pool)
    ratio = noise.variance / others.variance
    if f_test(ratio, noise.degrees, others.degrees) >= NOISIER:
        return pool.noise
    degrees = noise.degrees + ADDED
    squares = squares_of(noise) + pool.noise.variance * ADDED
    return Noise(squares / degrees, degrees)


def noise_of_others(noise: Noise, pool: Pool) -> Noise:
    """The pooled noise without that of one setting; with it, where it is the only one."""
    is_pooled = pool.smallest <= noise.variance <= pool.largest
    degrees = pool.noise.degrees - noise.degrees
    if not is_pooled or degrees == 0:
        return pool.noise
    squares = squares_of(pool.noise) - squares_of(noise)
    return Noise(squares / degrees, degrees)


def standard_error(sample: list[float], base: list[float], pool: Pool) -> Error:
    """Standard error of the difference of two means."""
    noise = noise_of(sample, pool)
    base_noise = noise_of(base, pool)
    return combined_error(noise, len(sample), base_noise, len(base), pool.noise)


def combined_error(
    noise: Noise, seeds: int, base_noise: Noise, base_seeds: int, pooled: Noise
) -> Error:
    """Standard error of a difference of two means over seeds.

    Two different variances: Welch (1938, Biometrika 29:350) and Satterthwaite, rounded down.
    """
    part = noise.variance / seeds
    base_part = base_noise.variance / base_seeds
    size = math.sqrt(part + base_part)
    if noise == base_noise == pooled:
        return Error(size, pooled.degrees)
    parts = part**2 / noise.degrees + base_part**2 / base_noise.degrees
    degrees = math.floor((part + base_part) ** 2 / parts)
    return Error(size, max(1, degrees))


# --- what could have been found --------------------------------------------------------------


class Case(NamedTuple):
    """How a comparison may turn out to be judged: in which share of studies, from which limit on.

    `limit` is the smallest difference that is named, both in pooled standard deviations.
    """

    share: float
    limit: float


def found_from(noise: Noise, seeds: int, base_seeds: int, comparisons: int) -> float:
    """The smallest true difference that is named in a share POWER of studies of this size.

    `noise` is taken for the true one, known anew in each study with as many degrees.
    """
    error = math.sqrt(1 / seeds + 1 / base_seeds)
    cases = cases_of(noise.degrees, seeds, base_seeds, comparisons)
    low = 0.0
    high = 3 * max(case.limit for case in cases) + 3 * error
    for _ in range(30):
        middle = (low + high) / 2
        if chance_to_find(middle, error, cases, noise.degrees) < POWER:
            low = middle
        else:
            high = middle
    return high * math.sqrt(noise.variance)


def cases_of(degrees: int, seeds: int, base_seeds: int, comparisons: int) -> list[Case]:
    """The ways to be judged of a setting that scatters as the others do.

    With several seeds a share NOISIER of settings, and of bases, looks noisier by chance.
    """
    p = share_of_look(seeds) / comparisons
    usual = Noise(1.0, degrees)

    def case(share: float, noise: Noise, base_noise: Noise) -> Case:
        error = combined_error(noise, seeds, base_noise, base_seeds, usual)
        return Case(share, t_quantile(p, error.degrees) * error.size)

    if seeds == 1:
        return [case(1.0, usual, usual)]
    noisy = noisier_by_chance(seeds, degrees)
    noisy_base = noisier_by_chance(base_seeds, degrees)
    return [
        case(1 - 2 * NOISIER, usual, usual),
        case(NOISIER, noisy, usual),
        case(NOISIER, usual, noisy_base),
    ]


def noisier_by_chance(seeds: int, degrees: int) -> Noise:
    """The noise of a setting that just looks noisier than a pool of variance 1."""
    own_degrees = seeds - 1
    degrees_of_others = max(1, degrees - own_degrees)
    variance = f_quantile(NOISIER, own_degrees, degrees_of_others)
    mixed_degrees = own_degrees + ADDED
    return Noise((variance * own_degrees + ADDED) / mixed_degrees, mixed_degrees)


def chance_to_find(difference: float, error: float, cases: list[Case], degrees: int) -> float:
    """The chance that a true difference is named, both in pooled standard deviations.

    The mean over what the pooled deviation, a chi variable, may turn out to be.
    """
    width = 5 / math.sqrt(2 * degrees)
    total = found = 0.0
    for step in range(-40, 61):
        deviation = 1 + width * step / 40
        if deviation <= 0:
            continue
        log_weight = (degrees - 1) * math.log(deviation) - degrees * (deviation**2 - 1) / 2
        weight = math.exp(log_weight)
        total += weight
        for case in cases:
            beyond = NORMAL.cdf((difference - case.limit * deviation) / error)
            found += weight * case.share * beyond
    return found / total


# --- distributions ---------------------------------------------------------------------------


def f_test(ratio: float, first: int, second: int) -> float:
    """The chance that a ratio of two equal variances, of so many degrees, exceeds this one."""
    return beta_share(second / (second + first * ratio), second / 2, first / 2)


@functools.cache
def f_quantile(p: float, first: int, second: int) -> float:
    """The ratio of variances that is exceeded with the chance p, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if beta_share(middle, second / 2, first / 2) < p:
            low = middle
        else:
            high = middle
    return second * (1 - high) / (first * high)


def t_quantile(p: float, degrees: int) -> float:
    """The t whose two-sided p is the one given: its square is a ratio of variances."""
    return math.sqrt(f_quantile(p, 1, degrees))


def beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, from 0 to 1.

    A continued fraction (Abramowitz and Stegun 1964, 26.5.8), by the method of Lentz (1976,
    Appl. Opt. 15:668).
    """
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # there the fraction converges slowly
        return 1 - beta_share(1 - x, b, a)
    tiny = 1e-300
    fraction, above, below = 1.0, 1.0, 0.0
    for step in range(1, 500):
        term = beta_term(step, x, a, b)
        below = 1 / (1 + term * below or tiny)
        above = 1 + term / above or tiny
        fraction *= above * below
        if abs(above * below - 1) < 1e-14:
            break
    log_front = a * math.log(x) + b * math.log1p(-x)
    log_front += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / (a * fraction)


def beta_term(step: int, x: float, a: float, b: float) -> float:
    """A numerator of the continued fraction, from step 1 on."""
    half = step // 2
    if step % 2 == 0:
        return half * (b - half) * x / ((a + step - 1) * (a + step))
    return -(a + half) * (a + b + half) * x / ((a + step - 1) * (a + step))


def wilson(correct: float, count: int) -> tuple[float, float]:
    """95 % interval of a share, both ends from 0 to 1 (Wilson 1927, JASA 22:209)."""
    z_squared = NORMAL.inv_cdf(0.975) ** 2
    share = correct / count
    middle = (correct + z_squared / 2) / (count + z_squared)
    spread = share * (1 - share) / count + z_squared / (4 * count**2)
    half = math.sqrt(z_squared * spread) / (1 + z_squared / count)
    return max(0.0, middle - half), min(1.0, middle + half)
