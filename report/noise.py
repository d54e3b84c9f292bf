"""The noise of a study: how much accuracies scatter over new trainings, and over new images.

    pool = pooled_noise([[0.75, 0.76, 0.74], [0.81, 0.79, 0.80]])
    noise_of([0.81, 0.79, 0.80], pool).variance

Samples are shares of test images that are right, one for each seed. docs/comparison.md says why
noise is pooled as it is.
"""

import math
from collections.abc import Iterable
from statistics import fmean, median_low
from typing import NamedTuple

import numpy as np

from report.distributions import chi_squared_quantile, f_quantile

FAR = 3.0  # times the median scatter, or a third of it: such a setting is left out of the pool
NOISIER = 0.05  # p of an F test below which a setting is judged by its own variance
UNEQUAL = 0.1  # p of Bartlett's test below which settings are taken to scatter unequally
WILD = 7.0  # times the median scatter, or a part of it: such a setting is left out of that test
ADDED = 2  # degrees of the pooled noise that are mixed into a setting's own variance


class Noise(NamedTuple):
    """A variance, and the degrees of freedom that it is known with."""

    variance: float
    degrees: int


class Pool(NamedTuple):
    """The noise of all settings whose variance lies from `smallest` to `largest`.

    `is_unequal`: the settings scatter unequally, so that none may borrow the others' calm.
    """

    noise: Noise
    smallest: float
    largest: float
    is_unequal: bool


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
    usual = without_odd_ones(noises, FAR)
    degrees = sum(noise.degrees for noise in usual)
    squares = sum(squares_of(noise) for noise in usual)
    variances = [noise.variance for noise in usual]
    noise = Noise(squares / degrees, degrees)
    return Pool(noise, min(variances), max(variances), are_unequal(without_odd_ones(noises, WILD)))


def own_noise(sample: list[float]) -> Noise:
    """The noise of one setting with several seeds, as its own seeds show it."""
    mean = fmean(sample)
    squares = sum((share - mean) ** 2 for share in sample)
    return Noise(squares / (len(sample) - 1), len(sample) - 1)


def squares_of(noise: Noise) -> float:
    """The sum of squared deviations that a variance is known from."""
    return noise.variance * noise.degrees


def without_odd_ones(noises: list[Noise], times: float) -> list[Noise]:
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
        if 1 / times <= ratio <= times:
            usual.append(noise)
    return usual


def are_unequal(noises: list[Noise]) -> bool:
    """Whether equal noise would differ less (Bartlett 1937, Proc. R. Soc. A 160:268)."""
    others = len(noises) - 1
    if others < 1:
        return False
    degrees = sum(noise.degrees for noise in noises)
    pooled = sum(squares_of(noise) for noise in noises) / degrees
    statistic = degrees * math.log(pooled)
    inverse = -1 / degrees
    for noise in noises:
        statistic -= noise.degrees * math.log(noise.variance)
        inverse += 1 / noise.degrees
    correction = 1 + inverse / (3 * others)
    return statistic / correction > chi_squared_quantile(UNEQUAL, others)


def noise_of(sample: list[float], pool: Pool) -> Noise:
    """The noise by which a setting is judged: the pooled one, or its own if that is larger.

    A setting that scatters more than the others (F test) must not profit from their calm; where
    settings scatter unequally none may, and none is taken to be calmer than the pool.
    """
    if len(sample) == 1:
        return pool.noise
    noise = own_noise(sample)
    if is_noisier(noise, pool):
        return steadied(noise, pool)
    if pool.is_unequal:
        own = steadied(noise, pool)
        return Noise(max(own.variance, pool.noise.variance), own.degrees)
    return pool.noise


def is_noisier(noise: Noise, pool: Pool) -> bool:
    """Whether a setting scatters more than the others in the pool, by an F test."""
    others = noise_of_others(noise, pool)
    limit = f_quantile(NOISIER, noise.degrees, others.degrees)
    return noise.variance > limit * others.variance


def noise_of_others(noise: Noise, pool: Pool) -> Noise:
    """The pooled noise without that of one setting; with it, where it is the only one."""
    is_pooled = pool.smallest <= noise.variance <= pool.largest
    degrees = pool.noise.degrees - noise.degrees
    if not is_pooled or degrees == 0:
        return pool.noise
    squares = squares_of(pool.noise) - squares_of(noise)
    return Noise(squares / degrees, degrees)


def steadied(noise: Noise, pool: Pool) -> Noise:
    """A setting's own noise, known from few seeds, with ADDED degrees of the pooled one."""
    degrees = noise.degrees + ADDED
    squares = squares_of(noise) + pool.noise.variance * ADDED
    return Noise(squares / degrees, degrees)


def added_up(parts: list[Noise]) -> Noise:
    """The variance of a sum of independent parts (Satterthwaite 1946, Biometrics 2:110)."""
    if len(parts) == 1:
        return parts[0]
    variance = sum(part.variance for part in parts)
    spread = sum(part.variance**2 / part.degrees for part in parts)
    return Noise(variance, max(1, math.floor(variance**2 / spread)))


# --- new images ------------------------------------------------------------------------------


def noise_of_images(correct: np.ndarray, base_correct: np.ndarray) -> Noise:
    """The variance that the drawing of test images gives to a setting's difference from the base.

    Both are bool (seeds, images), of the same images in one order. Image by image the shares of
    right seeds differ; what of this is left beyond the scatter of seeds on an image belongs to the
    images, and other images of the kind would give another difference.
    """
    differences = correct.mean(axis=0) - base_correct.mean(axis=0)
    images = len(differences)
    of_seeds = variance_of_mean(correct) + variance_of_mean(base_correct)
    variance = differences.var(ddof=1) - of_seeds.mean()
    return Noise(max(0.0, float(variance)) / images, images - 1)


def variance_of_mean(correct: np.ndarray) -> np.ndarray:
    """The variance of each image's share of right seeds, as the seeds show it, float (images,).

    A single seed shows none: then all differences are taken to be the images' own.
    """
    seeds, images = correct.shape
    if seeds == 1:
        return np.zeros(images)
    return correct.var(axis=0, ddof=1) / seeds
