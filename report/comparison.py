"""Every setting held against the base: what differs beyond noise, and what only seems to.

    rows = compare_with_base({"base": [0.75, 0.76], "0.1": [0.6, 0.61, 0.58]}, "base")
    rows["0.1"].verdict

The base is fixed beforehand, so nothing is picked by looking. Only numbers come in: shares of
test images that are right, one for each seed. docs/comparison.md says why the rule is as it is.
"""

import math
from collections.abc import Hashable, Mapping
from statistics import fmean
from typing import NamedTuple, TypeVar

from report.distributions import MANY, NORMAL, f_quantile, t_quantile
from report.noise import Noise, added_up, noise_of, own_noise, pooled_noise

BETTER, WORSE, ALIKE, OPEN = "better", "worse", "as good", "too close to tell"
SAME = "the same weights"  # as the base's, bit for bit: nothing is compared
LEAST_SEEDS = 3  # trainings of a setting before anything is said of it
SEEMS = 0.01  # how often fewer trainings of a setting that equals the base seem to differ from it
LOOKS = (3, 4, 6, 10)  # numbers of seeds at which --until looks
MOST_SEEDS = LOOKS[-1]
# How often an answer without any difference names one, at one look: with three seeds, and with
# any other number. All LOOKS together stay below 5 %.
FIRST_LOOK, LATER_LOOK = 0.016, 0.021
SMALL = 0.02  # settings that are known to be this close to the base are alike
POWER = 0.8  # share of studies in which a difference "would be found"

Name = TypeVar("Name", bound=Hashable)  # of a setting: a text, or a Setting.key


class Comparison(NamedTuple):
    """A setting against the base, in shares.

    `low` and `high` are the ends of an interval of the difference that holds for all settings at
    once. `seems`: it has too few seeds for a verdict, and they lie so far from the base's that it
    should get more.
    """

    seeds: int
    difference: float
    low: float
    high: float
    verdict: str
    seems: bool

    @property
    def named(self) -> bool:
        """Whether it differs from the base beyond noise."""
        return self.verdict in (BETTER, WORSE)

    @property
    def is_single(self) -> bool:
        """Whether it rests on one training: then its noise is lent by the others."""
        return self.seeds == 1


class Difference(NamedTuple):
    """A setting against another one before anything is said of it.

    `error` is the squared standard error of the difference of means. `seeds` are the setting's,
    `fewest` those of the one of the two that has fewer.
    """

    seeds: int
    fewest: int
    difference: float
    error: Noise
    seems: bool

    def row(self, comparisons: int, close: float) -> Comparison:
        """What it says as one of so many comparisons; its interval ends at possible differences."""
        p = share_of_look(self.fewest) / comparisons
        half = t_quantile(p, self.error.degrees) * math.sqrt(self.error.variance)
        low, high = max(-1.0, self.difference - half), min(1.0, self.difference + half)
        verdict = OPEN
        if self.fewest >= LEAST_SEEDS:
            verdict = verdict_of(low, high, close)
        return Comparison(
            seeds=self.seeds,
            difference=self.difference,
            low=low,
            high=high,
            verdict=verdict,
            seems=self.seems,
        )


# --- the rule --------------------------------------------------------------------------------


def compare_with_base(
    accuracies: Mapping[Name, list[float]],
    base: Name,
    close: float = SMALL,
    of_images: Mapping[Name, Noise] | None = None,
    planned: int = 0,
) -> dict[Name, Comparison]:
    """Hold every setting against `base`, whose name is one of `accuracies`.

    `of_images` is the variance of each difference that comes from the choice of test images
    (report.noise.noise_of_images), `planned` the number of settings if more are to come. A
    setting is better or worse where its interval leaves out zero, alike where the interval lies
    within `close`, else open; with fewer than LEAST_SEEDS it is open. ValueError where the noise
    cannot be known: no setting has two seeds that differ.
    """
    pool = pooled_noise(accuracies.values())
    base_noise = noise_of(accuracies[base], pool)
    differences = {}
    for name, sample in accuracies.items():
        if name == base:
            continue
        noise = noise_of(sample, pool)
        parts = [of_mean(noise, sample), of_mean(base_noise, accuracies[base])]
        if noise == base_noise == pool.noise:  # one source, known as well as the pool
            parts = [Noise(parts[0].variance + parts[1].variance, noise.degrees)]
        parts += parts_of_images(name, of_images)
        differences[name] = difference_between(sample, accuracies[base], parts)
    return judged(differences, max(planned, len(differences)), close)


def compare_sweeps(
    here: Mapping[Name, list[float]],
    there: Mapping[Name, list[float]],
    of_images: Mapping[Name, Noise] | None = None,
) -> dict[Name, Comparison]:
    """Hold every setting of one sweep against the same setting of another, by the same rule.

    Each sweep has noise of its own, and the test is Welch's (1938, Biometrika 29:350).
    ValueError where the noise of one cannot be known.
    """
    pool, pool_there = pooled_noise(here.values()), pooled_noise(there.values())
    differences = {}
    for name, sample in here.items():
        noise, noise_there = noise_of(sample, pool), noise_of(there[name], pool_there)
        parts = [of_mean(noise, sample), of_mean(noise_there, there[name])]
        parts += parts_of_images(name, of_images)
        differences[name] = difference_between(sample, there[name], parts)
    return judged(differences, len(differences), SMALL)


def of_mean(noise: Noise, sample: list[float]) -> Noise:
    """The variance of a mean over seeds."""
    return Noise(noise.variance / len(sample), noise.degrees)


def parts_of_images(name: Name, of_images: Mapping[Name, Noise] | None) -> list[Noise]:
    """What the choice of test images adds, if it is known and adds anything."""
    if of_images is None or of_images[name].variance == 0:
        return []
    return [of_images[name]]


def difference_between(sample: list[float], base: list[float], parts: list[Noise]) -> Difference:
    """A setting's difference from what it is held against, with an error of these parts."""
    return Difference(
        seeds=len(sample),
        fewest=min(len(sample), len(base)),
        difference=fmean(sample) - fmean(base),
        error=added_up(parts),
        seems=seems_to_differ(sample, base),
    )


def judged(
    differences: dict[Name, Difference], comparisons: int, close: float
) -> dict[Name, Comparison]:
    """The rows of all differences, corrected over all comparisons.

    What is named is so in Holm's steps (1979, Scand. J. Stat. 6:65): it is taken out of the count,
    and the others are looked at again as one of those that are left. Its interval is that of its
    step; those of the others are corrected over all.
    """
    named: dict[Name, Comparison] = {}
    while True:
        more = dict(named)
        for name, difference in differences.items():
            if name not in named:
                row = difference.row(comparisons - len(named), close)
                if row.named:
                    more[name] = row
        if len(more) == len(named):
            break
        named = more
    rows = {}
    for name, difference in differences.items():
        rows[name] = named.get(name) or difference.row(comparisons, close)
    return rows


def share_of_look(seeds: int) -> float:
    """The part of the 5 % that is spent on the look at a setting with so many seeds."""
    if seeds <= LEAST_SEEDS:
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
    return math.sqrt(own_noise(sample).variance)


# --- who gets more trainings -----------------------------------------------------------------


def seems_to_differ(sample: list[float], base: list[float]) -> bool:
    """Whether a setting of too few trainings lies outside what the base's own seeds allow.

    By the base's noise alone: it is the same before and after other settings get more trainings.
    """
    if len(sample) >= LEAST_SEEDS or len(base) < LEAST_SEEDS:
        return False
    noise = own_noise(base)
    error = math.sqrt(noise.variance * (1 / len(sample) + 1 / len(base)))
    distance = abs(fmean(sample) - fmean(base))
    return distance > t_quantile(SEEMS, noise.degrees) * error


def next_seeds(row: Comparison, until_known: bool) -> int:
    """How many trainings a setting is to have; as many as it has if no more are needed.

    What seems to differ gets LEAST_SEEDS. With `until_known` everything does, and what is open
    goes on to the next of LOOKS.
    """
    if row.seeds < LEAST_SEEDS:
        return LEAST_SEEDS if row.seems or until_known else row.seeds
    if until_known and row.verdict == OPEN:
        return min((look for look in LOOKS if look > row.seeds), default=row.seeds)
    return row.seeds


def next_seeds_of_base(base_seeds: int, most_seeds: int) -> int:
    """How many trainings of the base a setting of so many needs: each serves all comparisons."""
    return max(base_seeds, 3 * most_seeds // 2)


# --- for a reader ----------------------------------------------------------------------------


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


# --- what could have been found --------------------------------------------------------------


def found_from(
    noise: Noise, seeds: int, base_seeds: int, comparisons: int, of_images: float = 0.0
) -> float:
    """About the smallest true difference that is named in a share POWER of studies of this size.

    Not from the measured deviation, which is too small in every other study, but from its upper
    limit. A setting of fewer than LEAST_SEEDS has to seem to differ first. `of_images` is the
    variance that the choice of test images adds.
    """
    limit = upper_limit(noise)
    beyond = NORMAL.inv_cdf(POWER)
    trained = max(seeds, LEAST_SEEDS)
    error = math.sqrt(limit * (1 / trained + 1 / base_seeds) + of_images)
    t = t_quantile(share_of_look(trained) / comparisons, noise.degrees + trained - seeds)
    size = (t + beyond) * error
    if seeds < LEAST_SEEDS:
        first_error = math.sqrt(limit * (1 / seeds + 1 / base_seeds) + of_images)
        size = max(size, (t_quantile(SEEMS, noise.degrees) + beyond) * first_error)
    return size


def upper_limit(noise: Noise) -> float:
    """The variance that is exceeded by the true one in one study of five."""
    return noise.variance / f_quantile(POWER, noise.degrees, MANY)
