"""What is said of a curve: beyond its own noise, and seldom where there is nothing."""

import math

import numpy as np
import pytest

from report.curves import falls, noise_of_curve, rise_of, rises, smoothed, swing_of

DRAWS = 1000
LIMIT = 0.05 + 3 * math.sqrt(0.05 * 0.95 / DRAWS)


def curves(shape: np.ndarray, noise: float) -> np.ndarray:
    """Curves of one shape with noise of their own, a share of the loss: (draws, epochs)."""
    random = np.random.default_rng(0)
    return shape * (1 + noise * random.normal(size=(DRAWS, len(shape))))


@pytest.mark.parametrize("epochs", [5, 6, 9, 10, 14, 20, 40, 80])
@pytest.mark.parametrize("rule", [rises, falls])
def test_a_flat_curve_rises_or_falls_in_at_most_5_percent(rule, epochs):
    assert np.mean([rule(curve) for curve in curves(np.ones(epochs), 0.08)]) <= LIMIT


def test_a_curve_like_that_of_80_epochs_on_shapes_rises():
    times = np.arange(80) / 80  # falls to 0.31 by epoch 20, rises to 0.94, and the louder
    shape = np.where(times < 0.25, 0.69 - 1.52 * times, 0.31 + 0.84 * (times - 0.25))
    assert np.mean([rises(curve) for curve in curves(shape, 0.12)]) >= 0.8


def test_a_curve_that_is_not_at_its_end_yet_falls():
    shape = 0.4 + 0.3 * np.exp(-np.arange(20) / 8)
    assert np.mean([falls(curve) for curve in curves(shape, 0.02)]) >= 0.8


@pytest.mark.parametrize("rule", [rises, falls])
def test_of_fewer_than_five_epochs_nothing_is_said(rule):
    assert not rule(np.array([0.5, 0.4, 0.9, 0.1]))


def test_the_noise_of_a_curve_is_that_about_its_trend():
    line = np.linspace(2, 1, 20000)
    curve = line + np.random.default_rng(0).normal(0, 0.05, 20000)
    assert noise_of_curve(curve) == pytest.approx(0.05, rel=0.02)


def test_a_smoothed_curve_holds_means_over_a_fifth_of_the_epochs():
    assert smoothed(np.arange(10.0)).tolist() == pytest.approx(np.arange(0.5, 9).tolist())


@pytest.mark.parametrize(
    ("losses", "rise"), [([1, 2], 1), ([2, 1], 0), ([1.0, 1.25], 0.25), ([0, 1], math.inf)]
)
def test_the_rise_of_a_curve_is_from_its_minimum_to_its_end(losses, rise):
    assert rise_of(np.array(losses, float)) == rise


def test_a_swing_is_the_mean_change_between_epochs():
    assert swing_of(np.array([1.0, 3.0, 2.0, math.nan])) == 1.5
