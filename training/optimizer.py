"""The step of SGD with momentum, with the interface of torch.optim.

    optimizer = SGD(model.parameters(), learning_rate=0.01)
    loss.backward(); optimizer.step(); optimizer.zero_grad()

Adam and most others of torch.optim can take its place in train.py. torch's own SGD imports its
compiler when first used, 1.6 s that every one of a sweep's trainings would wait.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class SGD:
    """v ← 0.9 v + g, w ← w − η v, from v = 0: as torch.optim.SGD(momentum=0.9) does."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, momentum: float = 0.9
    ) -> None:
        self.parameters = list(parameters)
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocities = [torch.zeros_like(parameter) for parameter in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for parameter, velocity in zip(self.parameters, self.velocities, strict=True):
            if parameter.grad is not None:
                torch.add(parameter.grad, velocity, alpha=self.momentum, out=velocity)
                parameter.sub_(velocity, alpha=self.learning_rate)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, list[Tensor]]:
        """What a checkpoint has to hold."""
        return {"velocities": self.velocities}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Go on from a checkpoint."""
        for velocity, saved in zip(self.velocities, state["velocities"], strict=True):
            velocity.copy_(saved)


Optimizer = SGD | torch.optim.Optimizer
