"""Student's t, the ratio of two variances, the binomial law: chances and quantiles of numbers.

    t_quantile(0.05, degrees=5)      # 2.57: |t| exceeds it with this chance
    at_least(8, images=8, share=0.5) # 0.004: the chance that guessing is right at all of 8 images

scipy has all of this, but is not worth its installation; the tests compare with it.
"""

import functools
import math
from statistics import NormalDist

NORMAL = NormalDist()
MANY = 10**7  # degrees of freedom of a variance that is as good as known


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


def chi_squared_quantile(p: float, degrees: int) -> float:
    """The sum of so many squared normal numbers that is exceeded with the chance p."""
    return degrees * f_quantile(p, degrees, MANY)


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


def at_least(correct: int, images: int, share: float) -> float:
    """The chance that so many or more images are right if each is with the chance `share`."""
    if correct <= 0:
        return 1.0
    if correct > images:
        return 0.0
    return beta_share(share, correct, images - correct + 1)


def wilson(correct: float, count: int) -> tuple[float, float]:
    """95 % interval of a share, both ends from 0 to 1 (Wilson 1927, JASA 22:209)."""
    z_squared = NORMAL.inv_cdf(0.975) ** 2
    share = correct / count
    middle = (correct + z_squared / 2) / (count + z_squared)
    spread = share * (1 - share) / count + z_squared / (4 * count**2)
    half = math.sqrt(z_squared * spread) / (1 + z_squared / count)
    return max(0.0, middle - half), min(1.0, middle + half)
