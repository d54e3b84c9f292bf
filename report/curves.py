"""What a curve of losses says beyond its own noise: numbers in, numbers and verdicts out.

    rises(losses)      # whether the loss ends above its minimum
    falls(losses)      # whether it still falls at the end

A curve goes up and down between epochs, the more so the smaller the validation set. So its end and
its minimum are means over a fifth of the epochs, and only what goes beyond noise counts.
"""

import math

import numpy as np

from report.distributions import t_quantile

ERROR = 0.045  # of curves that are flat but for noise, the share of which something is said


def swing_of(losses: np.ndarray) -> float:
    """Mean absolute change of a curve from epoch to epoch; 0 for a single epoch."""
    finite = losses[np.isfinite(losses)]
    if len(finite) < 2:
        return 0.0
    return float(np.abs(np.diff(finite)).mean())


def noise_of_curve(losses: np.ndarray) -> float:
    """The standard deviation of a curve about its trend: from differences of differences.

    What is linear over three epochs has none; independent noise has six times its variance.
    """
    return float(np.sqrt(np.mean(np.diff(losses, 2) ** 2) / 6))


def rise_of(losses: np.ndarray) -> float:
    """Share by which a curve ends above its minimum, both smoothed; infinite above zero."""
    smooth = smoothed(losses)
    if smooth[-1] == smooth.min():
        return 0.0
    if smooth.min() == 0:
        return math.inf
    return float(smooth[-1] / smooth.min() - 1)


def rises(losses: np.ndarray) -> bool:
    """Whether a curve ends above its minimum beyond noise; never with fewer than five epochs.

    The minimum is the lowest of many places, which overlap: they count as twice as many as those
    that do not.
    """
    fifth = len(losses) // 5
    if fifth == 0:
        return False
    smooth = smoothed(losses)
    places = 2 * (len(losses) // fifth - 1)
    return bool(smooth[-1] - smooth.min() > limit(losses, 2 * ERROR / places))


def falls(losses: np.ndarray) -> bool:
    """Whether a curve's last fifth lies below the one before beyond noise."""
    fifth = len(losses) // 5
    if fifth == 0:
        return False
    smooth = smoothed(losses)
    return bool(smooth[-1 - fifth] - smooth[-1] > limit(losses, 2 * ERROR))


def smoothed(losses: np.ndarray) -> np.ndarray:
    """Means over a fifth of the epochs, from the first ones to the last ones."""
    window = max(1, len(losses) // 5)
    return np.convolve(losses, np.full(window, 1 / window), mode="valid")


def limit(losses: np.ndarray, p: float) -> float:
    """What the difference of two means over a fifth of the epochs exceeds by chance.

    `p` is two-sided. The noise is known with about half as many degrees as it has differences.
    """
    fifth = len(losses) // 5
    degrees = max(1, (len(losses) - 2) // 2)
    return t_quantile(p, degrees) * noise_of_curve(losses) * math.sqrt(2 / fifth)
