"""Every setting held against the base: what differs beyond the noise of training.

    rows = compare_with_base({"base": [0.75, 0.76], "0.1": [0.6]}, "base")
    rows["0.1"].beyond_noise

The base is fixed beforehand, so nothing is picked by looking. Only numbers come in: shares of
test images that are right, one for each seed.
"""

import bisect
import functools
import math
from collections.abc import Iterable
from statistics import fmean, median, stdev, variance
from typing import NamedTuple

ALPHA = 0.05  # of all answers in which no setting differs, the share that names one
FAR = 3.0  # times the median scatter, or a third of it: such a setting is left out of the pool
NOISIER = 1.5  # times the pooled variance: such a setting is judged by its own
POWER = 0.8  # share of studies in which a difference "would be seen"


class Row(NamedTuple):
    """A setting against the base, in shares; `low` and `high` hold for all rows at once (95 %)."""

    difference: float
    low: float
    high: float
    p: float
    beyond_noise: bool

    @property
    def verdict(self) -> str:
        word = "better" if self.difference > 0 else "worse"
        return word if self.beyond_noise else "not told apart"


def points(difference: float) -> str:
    """A difference of shares for a reader, in points: -0.012 -> −1.2."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def mean_of(shares: list[float]) -> str:
    """The mean over seeds for a reader, of several with their deviation: 75.6% ± 1.8."""
    spread = f" ± {100 * stdev(shares):.1f}" if len(shares) > 1 else ""
    return f"{fmean(shares):.1%}{spread}"


class Noise(NamedTuple):
    """A variance of test accuracies between seeds, and the degrees of freedom it is known with."""

    variance: float
    degrees: int


def compare_with_base(accuracies: dict[str, list[float]], base: str) -> dict[str, Row]:
    """Test every setting against `base`, whose name is one of `accuracies`.

    Differences of means by Student's t with the pooled variance (`noise_of`), p corrected over
    all settings by Holm's method (1979, Scand. J. Stat. 6:65), intervals by Bonferroni's.
    ValueError where the noise cannot be known: no setting has two seeds that differ.
    """
    pool, tests = pooled_noise(accuracies.values()), {}
    for name in accuracies.keys() - {base}:
        difference = fmean(accuracies[name]) - fmean(accuracies[base])
        error, degrees = standard_error(accuracies[name], accuracies[base], pool)
        half = t_quantile(ALPHA / (len(accuracies) - 1), degrees) * error
        tests[name] = t_test(difference / error, degrees), difference, half
    rows, highest = {}, 0.0
    for rank, name in enumerate(sorted(tests, key=tests.get)):
        p, difference, half = tests[name]
        highest = max(highest, min(1.0, (len(tests) - rank) * p))
        rows[name] = as_row(difference, half, highest)
    return {name: rows[name] for name in accuracies if name != base}


def as_row(difference: float, half: float, p: float) -> Row:
    """A row whose interval, clipped to possible differences, agrees with its corrected p.

    Holm's test is a little sharper than Bonferroni's intervals: where it alone names a difference,
    the interval ends at zero.
    """
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    if p < ALPHA:
        low, high = (max(0.0, low), high) if difference > 0 else (low, min(0.0, high))
    return Row(difference, low, high, p, p < ALPHA)


# --- noise -----------------------------------------------------------------------------------


def pooled_noise(samples: Iterable[list[float]]) -> Noise:
    """The variance between seeds, pooled over all settings that have at least two.

    Left out are settings whose standard deviation is more than FAR times the median one or less
    than a FAR-th of it: those that learned with some seeds only would widen it for all others,
    those that learned with none would narrow it. ValueError if there is no noise to be known.
    """
    noises = [Noise(variance(sample), len(sample) - 1) for sample in samples if len(sample) > 1]
    scatters = [math.sqrt(noise.variance) for noise in noises]
    if not any(scatters):
        why = "the seeds of a setting do not differ" if noises else "no setting has two seeds"
        raise ValueError(why)
    middle = median(filter(None, scatters))
    usual = [noise for noise in noises if 1 / FAR <= math.sqrt(noise.variance) / middle <= FAR]
    degrees = sum(noise.degrees for noise in usual)
    return Noise(sum(noise.variance * noise.degrees for noise in usual) / degrees, degrees)


def noise_of(sample: list[float], pool: Noise) -> Noise:
    """The noise by which a setting is judged: the pooled one, or its own if that is larger.

    A setting that scatters more than the others must not profit from their variance.
    """
    if len(sample) > 1 and variance(sample) > NOISIER * pool.variance:
        return Noise(variance(sample), len(sample) - 1)
    return pool


def standard_error(sample: list[float], base: list[float], pool: Noise) -> tuple[float, int]:
    """Standard error of the difference of two means, and its degrees of freedom.

    Two different variances: Welch (1938, Biometrika 29:350) and Satterthwaite, rounded down.
    """
    one, other = noise_of(sample, pool), noise_of(base, pool)
    first, second = one.variance / len(sample), other.variance / len(base)
    degrees = pool.degrees
    if one != pool or other != pool:
        parts = first**2 / one.degrees + second**2 / other.degrees
        degrees = max(1, math.floor((first + second) ** 2 / parts))
    return math.sqrt(first + second), degrees


# --- what could have been seen ---------------------------------------------------------------


def named_from(noise: Noise, seeds: int, base_seeds: int, comparisons: int) -> float:
    """The smallest difference of two measured means that is named, even alone, in such a study."""
    error = math.sqrt(noise.variance * (1 / seeds + 1 / base_seeds))
    return t_quantile(ALPHA / comparisons, noise.degrees) * error


def seen_from(noise: Noise, seeds: int, base_seeds: int, comparisons: int) -> float:
    """The smallest true difference that is named in a share POWER of studies of this size."""
    error = math.sqrt(noise.variance * (1 / seeds + 1 / base_seeds))
    margin = t_quantile(2 * (1 - POWER), noise.degrees) * error
    return named_from(noise, seeds, base_seeds, comparisons) + margin


def seeds_to_see(difference: float, noise: Noise, base_seeds: int, comparisons: int) -> int:
    """How many seeds of every setting, up to 1000, let a true difference of this size be seen."""

    def is_seen(seeds: int) -> bool:
        base = max(seeds, base_seeds, 2)
        planned = Noise(noise.variance, comparisons * (seeds - 1) + base - 1)
        return seen_from(planned, seeds, base, comparisons) <= difference

    return 1 + bisect.bisect_left(range(1, 1000), True, key=is_seen)


# --- distributions ---------------------------------------------------------------------------


def t_test(t: float, degrees: int) -> float:
    """Two-sided p of Student's t.

    Exact for whole degrees: finite sums (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
    """
    angle, odd = math.atan2(abs(t), math.sqrt(degrees)), degrees % 2
    cosine = math.cos(angle)
    term = total = cosine if odd else 1.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    inside = math.sin(angle) * (total if degrees > 1 else 0.0)
    return max(0.0, 1 - (2 / math.pi * (angle + inside) if odd else inside))


@functools.cache
def t_quantile(p: float, degrees: int) -> float:
    """The t whose two-sided p is the one given, from 0 to 1: by bisection of its arc tangent."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_test(math.tan(middle), degrees) > p else (low, middle)
    return math.tan((low + high) / 2)


def wilson(correct: float, count: int) -> tuple[float, float]:
    """95 % interval of a share, both ends from 0 to 1 (Wilson 1927, JASA 22:209)."""
    z2, share = 1.959963984540054**2, correct / count
    middle = (correct + z2 / 2) / (count + z2)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)
