"""The losses against their formulas in float64 numpy."""

import numpy as np
import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from losses import LOSSES, one_hot

NAMES = ("CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss")


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def formula(name: str, scores: np.ndarray, y: np.ndarray) -> float:
    """The loss written out in float64."""
    p, error = softmax(scores), np.abs(scores - y)
    values = {
        "CrossEntropyLoss": lambda: -(y * np.log(p)).sum(1),
        "FocalLoss": lambda: -((1 - p) ** 2 * y * np.log(p)).sum(1),
        "L1Loss": lambda: error,
        "MSELoss": lambda: error**2,
        "SmoothL1Loss": lambda: np.where(error < 1, error**2 / 2, error - 0.5),
    }
    return float(values[name]().mean())


def gradient(name: str, scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The formula's gradient, worked out by hand."""
    count, p, error = len(scores), softmax(scores), scores - y
    if name == "CrossEntropyLoss":
        return (p - y) / count
    if name == "FocalLoss":
        true = (p * y).sum(1, keepdims=True)
        outer = 2 * (1 - true) * true * np.log(true) - (1 - true) ** 2
        return outer * (y - p) / count
    slopes = {"L1Loss": np.sign(error), "MSELoss": 2 * error, "SmoothL1Loss": error.clip(-1, 1)}
    return slopes[name] / (2 * count)


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(0)
    scores = torch.tensor(random.normal(0, 2, (50, 2)), requires_grad=True)
    return scores, one_hot(torch.tensor(random.integers(0, 2, 50))).double()


def test_the_five_losses_are_in_the_table():
    assert tuple(LOSSES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradient_agree_with_the_formula(name, case):
    scores, targets = case
    loss = LOSSES[name](scores, targets)
    loss.backward()
    numbers = scores.detach().numpy(), targets.numpy()
    assert loss.shape == ()
    assert loss.item() == pytest.approx(formula(name, *numbers), rel=1e-6)
    np.testing.assert_allclose(scores.grad.numpy(), gradient(name, *numbers), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scores", [[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [0.0, 0.0]])
def test_extreme_scores_give_finite_losses_and_gradients(name, scores):
    scores = torch.tensor([scores, scores[::-1]], dtype=torch.float32, requires_grad=True)
    loss = LOSSES[name](scores, one_hot(torch.tensor([0, 0])))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(scores.grad).all()


def test_focal_loss_is_torchvisions_where_the_definitions_meet(case):
    # With two classes, softmax is a sigmoid of the difference of the scores.
    scores, targets = case
    logits, true = scores[:, 1] - scores[:, 0], targets[:, 1]
    expected = sigmoid_focal_loss(logits, true, alpha=-1, gamma=2, reduction="mean")
    assert LOSSES["FocalLoss"](scores, targets).item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 2), (5, 2), (2, 4)])
def test_targets_of_another_shape_are_an_error_that_says_the_shapes(name, shape):
    with pytest.raises(ValueError, match=r"\(4, 2\).*" + str(shape).replace("(", r"\(")[:-1]):
        LOSSES[name](torch.zeros(4, 2), torch.zeros(shape))


def test_one_hot_targets_are_float32_rows():
    rows = one_hot(torch.tensor([0, 1, 1]))
    assert rows.dtype == torch.float32
    assert rows.tolist() == [[1, 0], [0, 1], [0, 1]]
    with pytest.raises(ValueError, match=r"\(N,\), not \(3, 2\)"):
        one_hot(torch.zeros(3, 2, dtype=torch.int64))


def test_smooth_l1_and_mse_differ_once_an_error_passes_one():
    target = one_hot(torch.tensor([0]))
    near, far = torch.tensor([[0.5, 0.5]]), torch.tensor([[4.0, 0.0]])
    mse, smooth = LOSSES["MSELoss"], LOSSES["SmoothL1Loss"]
    assert smooth(near, target) == pytest.approx(mse(near, target).item() / 2)
    assert smooth(far, target) < mse(far, target) / 2
