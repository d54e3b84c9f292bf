"""The losses against their formulas in float64 numpy."""

import re

import numpy as np
import pytest
import torch

from losses import LOSSES, one_hot

NAMES = ("CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss")
every_loss = pytest.mark.parametrize("name", NAMES)


def formula(name: str, scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss and its gradient, written out by hand in float64."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    p = powers / powers.sum(1, keepdims=True)
    true = (p * y).sum(1, keepdims=True)
    outer = (1 - true) ** 2 - 2 * (1 - true) * true * np.log(true)
    error, size = scores - y, np.abs(scores - y)
    values, slopes = {
        "CrossEntropyLoss": (-np.log(true), p - y),
        "FocalLoss": (-((1 - true) ** 2) * np.log(true), outer * (p - y)),
        "L1Loss": (size, np.sign(error)),
        "MSELoss": (error**2, 2 * error),
        "SmoothL1Loss": (np.where(size < 1, error**2 / 2, size - 0.5), error.clip(-1, 1)),
    }[name]
    return values.mean(), slopes / values.size


@every_loss
def test_loss_and_gradient_agree_with_the_formula(name):
    assert tuple(LOSSES) == NAMES
    random = np.random.default_rng(0)
    scores = torch.tensor(random.normal(0, 2, (50, 2)), requires_grad=True)
    targets = one_hot(torch.tensor(random.integers(0, 2, 50))).double()
    loss = LOSSES[name](scores, targets)
    loss.backward()
    value, gradient = formula(name, scores.detach().numpy(), targets.numpy())
    assert loss.shape == () and loss.item() == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(scores.grad.numpy(), gradient, rtol=1e-6, atol=1e-12)


@every_loss
@pytest.mark.parametrize("scores", [[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [0.0, 0.0]])
def test_extreme_scores_give_finite_losses_and_gradients(name, scores):
    scores = torch.tensor([scores, scores[::-1]], dtype=torch.float32, requires_grad=True)
    loss = LOSSES[name](scores, one_hot(torch.tensor([0, 0])))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(scores.grad).all()


SHAPES = [(4,), (4, 1), (1, 2), (5, 2), (2, 4), (4, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@every_loss
def test_targets_of_another_shape_are_an_error_that_says_it(name, shape):
    with pytest.raises(ValueError, match=re.escape(f"not (4, 2) and {shape}")):
        LOSSES[name](torch.zeros(4, 2), torch.zeros(shape))


@every_loss
def test_scores_of_three_classes_are_an_error_that_says_their_shape(name):
    with pytest.raises(ValueError, match=r"not \(4, 3\) and \(4, 3\)"):
        LOSSES[name](torch.zeros(4, 3), torch.zeros(4, 3))


def test_targets_are_float32_rows():
    rows = one_hot(torch.tensor([0, 1, 1]))
    assert rows.dtype == torch.float32 and rows.tolist() == [[1, 0], [0, 1], [0, 1]]


def test_class_numbers_of_another_shape_are_an_error_that_says_it():
    with pytest.raises(ValueError, match=r"\(N,\), not \(3, 2\)"):
        one_hot(torch.zeros(3, 2, dtype=torch.int64))
