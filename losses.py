"""One-hot targets and the five losses, one table from name to loss.

    from losses import LOSSES, one_hot
    loss = LOSSES["FocalLoss"](scores, one_hot(targets))

Every loss takes `scores` (raw outputs of the network) and `one_hot` (targets), both float
tensors of shape (N, 2), and returns a scalar tensor. The two that need probabilities take
the softmax of the scores themselves; the other three compare the raw scores with the targets.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
FOCAL_GAMMA = 2.0  # the value Lin et al. 2017 found best


def one_hot(targets: Tensor) -> Tensor:
    """Turn class numbers 0 and 1, int64 (N,), into float32 targets (N, 2).

    ValueError on another shape, RuntimeError on another number.
    """
    if targets.ndim != 1:
        raise ValueError(f"targets must have shape (N,), not {tuple(targets.shape)}")
    return F.one_hot(targets, 2).to(torch.float32)


def cross_entropy_loss(scores: Tensor, one_hot: Tensor) -> Tensor:
    """Mean over the N images of −Σ yᵢ log pᵢ, p = softmax(scores); ValueError on bad shapes."""
    check_shapes(scores, one_hot)
    return F.cross_entropy(scores, one_hot)


def focal_loss(scores: Tensor, one_hot: Tensor) -> Tensor:
    """Mean over the N images of −Σ (1−pᵢ)^γ yᵢ log pᵢ; ValueError on bad shapes.

    p = softmax(scores) and γ = 2; Lin et al. 2017, "Focal Loss for Dense Object Detection",
    equation 4. With two classes 1−pᵢ is the other class's probability, which keeps its digits
    where pᵢ is close to 1.
    """
    check_shapes(scores, one_hot)
    log_p = F.log_softmax(scores, dim=1)
    p_of_other_class = log_p.flip(1).exp()
    weighted = p_of_other_class**FOCAL_GAMMA * one_hot * log_p
    return -weighted.sum(1).mean()


def l1_loss(scores: Tensor, one_hot: Tensor) -> Tensor:
    """Mean over the N×2 entries of |s − y|; ValueError on bad shapes."""
    check_shapes(scores, one_hot)
    return F.l1_loss(scores, one_hot)


def mse_loss(scores: Tensor, one_hot: Tensor) -> Tensor:
    """Mean over the N×2 entries of (s − y)²; ValueError on bad shapes."""
    check_shapes(scores, one_hot)
    return F.mse_loss(scores, one_hot)


def smooth_l1_loss(scores: Tensor, one_hot: Tensor) -> Tensor:
    """Mean over the N×2 entries of (s − y)²/2 where |s − y| < 1, else |s − y| − 1/2.

    Girshick 2015, "Fast R-CNN", equation 3. ValueError on bad shapes.
    """
    check_shapes(scores, one_hot)
    return F.smooth_l1_loss(scores, one_hot)


def check_shapes(scores: Tensor, one_hot: Tensor) -> None:
    """Refuse anything but two (N, 2) tensors: broadcasting would give a wrong loss silently."""
    if scores.ndim != 2 or scores.shape[1] != 2 or scores.shape != one_hot.shape:
        shapes = f"{tuple(scores.shape)} and {tuple(one_hot.shape)}"
        raise ValueError(f"scores and one_hot must both have shape (N, 2), not {shapes}")


LOSSES: dict[str, Loss] = {
    "CrossEntropyLoss": cross_entropy_loss,
    "FocalLoss": focal_loss,
    "L1Loss": l1_loss,
    "MSELoss": mse_loss,
    "SmoothL1Loss": smooth_l1_loss,
}
