"""The losses against their formulas in float64 numpy."""

import re
from typing import NamedTuple

import numpy as np
import pytest
import torch

from losses import LOSSES, one_hot


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


# The losses and their gradients by hand, in float64: means over the images, or over all entries.


def cross_entropy(scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    p = softmax(scores)
    true = (p * y).sum(1)
    return -np.log(true).mean(), (p - y) / len(y)


def focal(scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    p = softmax(scores)
    true = (p * y).sum(1)
    values = -((1 - true) ** 2) * np.log(true)
    outer = (1 - true) ** 2 - 2 * (1 - true) * true * np.log(true)
    return values.mean(), outer[:, None] * (p - y) / len(y)


def l1(scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    errors = scores - y
    return np.abs(errors).mean(), np.sign(errors) / y.size


def mse(scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    errors = scores - y
    return (errors**2).mean(), 2 * errors / y.size


def smooth_l1(scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    errors = scores - y
    sizes = np.abs(errors)
    values = np.where(sizes < 1, errors**2 / 2, sizes - 0.5)
    return values.mean(), errors.clip(-1, 1) / y.size


FORMULAS = {
    "CrossEntropyLoss": cross_entropy,
    "FocalLoss": focal,
    "L1Loss": l1,
    "MSELoss": mse,
    "SmoothL1Loss": smooth_l1,
}
every_loss = pytest.mark.parametrize("name", FORMULAS)


def test_these_are_the_losses():
    assert tuple(LOSSES) == tuple(FORMULAS)


class Computed(NamedTuple):
    """A loss of 50 images and its gradient, and what they are by the formula."""

    loss: torch.Tensor
    gradient: np.ndarray
    expected_loss: float
    expected_gradient: np.ndarray


@pytest.fixture(params=FORMULAS)
def computed(request) -> Computed:
    random = np.random.default_rng(0)
    scores = torch.tensor(random.normal(0, 2, (50, 2)), requires_grad=True)
    targets = one_hot(torch.tensor(random.integers(0, 2, 50))).double()
    loss = LOSSES[request.param](scores, targets)
    loss.backward()
    formula = FORMULAS[request.param]
    expected_loss, expected_gradient = formula(scores.detach().numpy(), targets.numpy())
    return Computed(loss, scores.grad.numpy(), expected_loss, expected_gradient)


def test_a_loss_is_one_number(computed):
    assert computed.loss.shape == ()


def test_a_loss_is_that_of_its_formula(computed):
    assert computed.loss.item() == pytest.approx(computed.expected_loss, rel=1e-6)


def test_a_gradient_is_that_of_its_formula(computed):
    expected = computed.expected_gradient
    np.testing.assert_allclose(computed.gradient, expected, rtol=1e-6, atol=1e-12)


EXTREME = pytest.mark.parametrize("row", [[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [0.0, 0.0]])


def extreme_scores(row: list[float]) -> torch.Tensor:
    return torch.tensor([row, row[::-1]], dtype=torch.float32, requires_grad=True)


@every_loss
@EXTREME
def test_extreme_scores_give_finite_losses(name, row):
    loss = LOSSES[name](extreme_scores(row), one_hot(torch.tensor([0, 0])))
    assert torch.isfinite(loss)


@every_loss
@EXTREME
def test_extreme_scores_give_finite_gradients(name, row):
    scores = extreme_scores(row)
    LOSSES[name](scores, one_hot(torch.tensor([0, 0]))).backward()
    assert torch.isfinite(scores.grad).all()


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


def test_targets_are_a_row_for_each_image():
    rows = one_hot(torch.tensor([0, 1, 1]))
    assert rows.tolist() == [[1, 0], [0, 1], [0, 1]]


def test_targets_are_float32():
    assert one_hot(torch.tensor([0, 1, 1])).dtype == torch.float32


def test_class_numbers_of_another_shape_are_an_error_that_says_it():
    with pytest.raises(ValueError, match=r"\(N,\), not \(3, 2\)"):
        one_hot(torch.zeros(3, 2, dtype=torch.int64))
