"""The step of SGD with momentum, with the interface of torch.optim.

    optimizer = SGD(model.parameters(), learning_rate=0.01)
    loss.backward(); optimizer.step(); optimizer.zero_grad()

Adam and most others of torch.optim can take its place in train.py, and torch's schedules of the
learning rate can be put on it. torch's own SGD imports its compiler when first used, 1.6 s that
every one of a sweep's trainings would wait.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class SGD(torch.optim.Optimizer):
    """v ← 0.9 v + g, w ← w − η v, from v = 0: as torch.optim.SGD(momentum=0.9) does.

    With a weight decay λ, g is the gradient plus λ w.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        # Not torch's __init__, which imports the compiler: the same attributes, set here.
        self.parameters = list(parameters)
        self.defaults = {"lr": learning_rate, "momentum": momentum, "weight_decay": weight_decay}
        self.param_groups = [{"params": self.parameters, **self.defaults}]
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)  # empty: see velocities
        self.velocities = list(map(torch.zeros_like, self.parameters))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Update every parameter that has a gradient; ValueError for a closure."""
        if closure is not None:
            raise ValueError("this SGD calls no closure; those of torch.optim do")
        group = self.param_groups[0]
        for parameter, velocity in zip(self.parameters, self.velocities, strict=True):
            gradient = parameter.grad
            if gradient is None:
                continue
            if group["weight_decay"]:
                gradient = gradient.add(parameter, alpha=group["weight_decay"])
            torch.add(gradient, velocity, alpha=group["momentum"], out=velocity)
            parameter.sub_(velocity, alpha=group["lr"])

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuse a second group: this step knows one; ValueError."""
        raise ValueError("this SGD has one group of parameters; torch.optim.SGD takes several")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to hold: velocities, and rates that may have changed."""
        group = dict(self.param_groups[0])
        del group["params"]
        return {"velocities": self.velocities, "group": group}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.param_groups[0].update(state["group"])
        for velocity, saved in zip(self.velocities, state["velocities"], strict=True):
            velocity.copy_(saved)


Optimizer = torch.optim.Optimizer
