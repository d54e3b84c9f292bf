"""What a trial tells of a training without refusing it: it may be meant.

notes = doubts_about_weights(model, before) + doubts_about_scores(scores)
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.tried import SAME_START

SHOWN = 3  # names in a note
SUM_TOLERANCE = 1e-4  # of scores that a softmax makes sum to 1, in float32


def doubts_about_weights(model: nn.Module, before: Mapping[str, Tensor]) -> list[str]:
    """Which tensors stayed as they were `before`, and which layers are no part of the network."""
    weights = dict(model.named_parameters())
    still = []
    for name, weight in weights.items():
        if name not in before or torch.equal(weight, before[name]):
            still.append(name)
    notes = []
    if still:
        moved = f"{len(weights) - len(still)} of {len(weights)} tensors of the network are trained"
        notes.append(f"{moved}; not: {shortened(still)}")
    outside = layers_outside(model)
    if outside:
        remedy = "nn.ModuleList or nn.ModuleDict makes them so"
        notes.append(f"layers in {shortened(outside)} are no part of the network; {remedy}")
    return notes


def shortened(names: list[str]) -> str:
    """The first of some names, and how many there are more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def layers_outside(model: nn.Module) -> list[str]:
    """Plain lists, tuples and dictionaries that hold layers: torch does not see these."""
    names = []
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            values = value.values() if isinstance(value, dict) else value
            is_plain = isinstance(value, (list, tuple, dict)) and not name.startswith("_")
            if is_plain and any(isinstance(layer, nn.Module) for layer in values):
                names.append(f"{path}.{name}".lstrip("."))
    return names


def doubts_about_start(first: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Whether trainings of two seeds begin with the same weights."""
    if first.keys() != other.keys():
        return []
    is_same = all(torch.equal(weight, other[name]) for name, weight in first.items())
    return [SAME_START] if is_same else []


def doubts_about_scores(scores: Tensor) -> list[str]:
    """Whether scores (N, 2) are a softmax's, which losses of classes take themselves."""
    scores = scores.detach().float()
    sums = scores.sum(dim=1)
    is_share = bool(((scores >= 0) & (scores <= 1)).all())
    if is_share and torch.allclose(sums, torch.ones_like(sums), atol=SUM_TOLERANCE):
        remedy = "leave out the softmax: CrossEntropyLoss and FocalLoss take raw scores"
        return [f"the scores of an image sum to 1; {remedy}"]
    return []
