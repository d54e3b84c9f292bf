"""Many made-up answers at once, in arrays, judged by the rule of the report.

    judged = judge(accuracies, seeds)      # accuracies (answers, 1 + settings, seeds)

The base comes first. tests/test_benchmarks_rule.py holds this copy of the rule against it.
"""

from collections.abc import Callable
from typing import NamedTuple

import measure  # noqa: F401 (puts the project on the path)
import numpy as np

from report.comparison import (
    ADDED,
    FAR,
    FIRST_LOOK,
    LATER_LOOK,
    NOISIER,
    f_quantile,
    t_quantile,
)

BASE_SEEDS = 6
CHUNK = 5000  # answers at a time: they stay in the processor's cache


class Judged(NamedTuple):
    """Differences from the base and half their intervals, float (answers, settings).

    `known` are the degrees of the pooled noise, (answers,).
    """

    difference: np.ndarray
    error: np.ndarray
    half: np.ndarray
    known: np.ndarray

    @property
    def named(self) -> np.ndarray:
        return np.abs(self.difference) > self.half

    def is_alike(self, close: float) -> np.ndarray:
        return ~self.named & (np.abs(self.difference) + self.half <= close)


def judge(accuracies: np.ndarray, seeds: np.ndarray) -> Judged:
    """Hold every setting of every answer against its base.

    `accuracies` is float (answers, 1 + settings, most seeds), `seeds` int (answers, 1 + settings):
    how many of them are finished.
    """
    counted = np.arange(accuracies.shape[2]) < seeds[:, :, None]
    means = (accuracies * counted).sum(2) / seeds
    squares = ((accuracies - means[:, :, None]) ** 2 * counted).sum(2)
    degrees = seeds - 1
    variances = squares / np.maximum(degrees, 1)
    pooled, known, is_pooled = pool(variances, degrees)
    own = is_own(variances, degrees, pooled, known, is_pooled)
    mixed = variances * degrees + ADDED * pooled[:, None]
    own_known = np.maximum(degrees + ADDED, 1)
    noise = np.where(own, mixed / own_known, pooled[:, None])
    noise_known = np.where(own, own_known, known[:, None])
    parts = noise / seeds
    error = np.sqrt(parts[:, 1:] + parts[:, :1])
    sizes = parts**2 / noise_known
    welch = np.floor(error**4 / (sizes[:, 1:] + sizes[:, :1]))
    is_welch = own[:, 1:] | own[:, :1]
    error_known = np.where(is_welch, np.maximum(welch, 1), known[:, None]).astype(int)
    half = critical(error_known, seeds[:, 1:]) * error
    return Judged(means[:, 1:] - means[:, :1], error, half, known)


def pool(variances: np.ndarray, degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pooled variance, its degrees, and which settings are in it."""
    scatters = np.sqrt(variances)
    weights = degrees * (variances > 0)
    order = np.argsort(scatters, axis=1)
    reached = np.take_along_axis(weights, order, axis=1).cumsum(1)
    middle_place = (2 * reached >= reached[:, -1:]).argmax(1)
    middle = np.take_along_axis(scatters, order, axis=1)[np.arange(len(order)), middle_place]
    relative = scatters / middle[:, None] * (degrees > 0)
    is_pooled = (relative >= 1 / FAR) & (relative <= FAR)
    known = (degrees * is_pooled).sum(1)
    return (variances * degrees * is_pooled).sum(1) / known, known, is_pooled


def is_own(
    variances: np.ndarray,
    degrees: np.ndarray,
    pooled: np.ndarray,
    known: np.ndarray,
    is_pooled: np.ndarray,
) -> np.ndarray:
    """Whether each setting is judged by its own variance."""
    whole, whole_known = pooled[:, None], known[:, None]
    others_known = whole_known - degrees * is_pooled
    others = whole * whole_known - variances * degrees * is_pooled
    others = np.where(others_known > 0, others / np.maximum(others_known, 1), whole)
    others_known = np.where(others_known > 0, others_known, whole_known)
    several = degrees > 0
    limit = by_pairs(NOISIER, np.maximum(degrees, 1), others_known)
    return several & (variances > limit * others)


def by_pairs(p: float, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The F quantile of p for arrays of degrees."""
    codes, places = np.unique(first * 100_000 + second, return_inverse=True)
    quantiles = [f_quantile(p, code // 100_000, code % 100_000) for code in codes.tolist()]
    return np.array(quantiles)[places].reshape(first.shape)


def critical(known: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The critical values of t for arrays of degrees and of seeds."""
    comparisons = known.shape[1]
    degrees, places = np.unique(known, return_inverse=True)
    values = []
    for share in (FIRST_LOOK, LATER_LOOK):
        quantiles = [t_quantile(share / comparisons, number) for number in degrees.tolist()]
        values.append(np.array(quantiles)[places].reshape(known.shape))
    return np.where(seeds == 1, *values)


# --- draws -----------------------------------------------------------------------------------

Noise = Callable[[np.random.Generator, tuple[int, int, int]], np.ndarray]


def normal(random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Normal noise with a standard deviation of 1."""
    return random.normal(size=shape)


def heavy_tailed(random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Student's t with three degrees, with a standard deviation of 1."""
    return random.standard_t(3, size=shape) / np.sqrt(3)


def replicas(accuracies: list[float]) -> Noise:
    """Noise drawn with replacement from real trainings, moved and scaled to deviation 1."""
    values = np.array(accuracies)
    values = (values - values.mean()) / values.std(ddof=1)

    def draw(random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
        return random.choice(values, size=shape)

    return draw


def equal_seeds(answers: int, settings: int, seeds: int) -> np.ndarray:
    """So many seeds of every setting, BASE_SEEDS or more of the base: (answers, 1 + settings)."""
    counts = np.full((answers, 1 + settings), seeds)
    counts[:, 0] = max(seeds, BASE_SEEDS)
    return counts
