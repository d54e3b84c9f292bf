"""What a trial tells of a training without refusing it: it may be meant.

notes = doubts_about_weights(before, after) + doubts_about_scores(scores)
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from console.errors import InputError

SHOWN = 3  # names in a note
SUM_TOLERANCE = 1e-4  # of scores that a softmax makes sum to 1, in float32


def doubts_about_weights(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> list[str]:
    """Which weights did not move in a training; InputError if none did."""
    still = [name for name, weight in before.items() if torch.equal(weight, after[name])]
    if len(still) == len(before):
        remedy = "mend backward(), step() or the optimizer in train.py, the loss or the network"
        raise InputError(f"a step of train.py teaches nothing: no weight has moved; {remedy}")
    if not still:
        return []
    trained = f"{len(before) - len(still)} of {len(before)} tensors are trained"
    return [f"{trained}; not: {shortened(still)}"]


def doubts_about_layers(model: nn.Module) -> list[str]:
    """Which layers are no part of the network: torch does not see those in plain lists."""
    outside = layers_outside(model)
    if not outside:
        return []
    remedy = "nn.ModuleList or nn.ModuleDict makes them so"
    return [f"layers in {shortened(outside)} are no part of the network; {remedy}"]


def shortened(names: list[str]) -> str:
    """The first of some names, and how many there are more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def layers_outside(model: nn.Module) -> list[str]:
    """The names of plain lists, tuples and dictionaries that hold layers."""
    names = []
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            values = value.values() if isinstance(value, dict) else value
            is_plain = isinstance(value, (list, tuple, dict)) and not name.startswith("_")
            if is_plain and any(isinstance(layer, nn.Module) for layer in values):
                names.append(f"{path}.{name}".lstrip("."))
    return names


def doubts_about_scores(scores: Tensor) -> list[str]:
    """Whether scores (N, 2) are a softmax's, which losses of classes take themselves."""
    scores = scores.detach().float()
    sums = scores.sum(dim=1)
    is_share = bool(((scores >= 0) & (scores <= 1)).all())
    if is_share and torch.allclose(sums, torch.ones_like(sums), atol=SUM_TOLERANCE):
        remedy = "leave out the softmax: CrossEntropyLoss and FocalLoss take raw scores"
        return [f"the scores of an image sum to 1; {remedy}"]
    return []
