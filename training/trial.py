"""One small step before a training: do network and loss do what is asked of them?

    layers = try_out(CNN(), LOSSES["MSELoss"], image_size=64, batch_size=32)
    python -m training.trial auto 64 32 L1Loss MSELoss

As a program it answers my_script.py, which does not import torch: it prints the device.
"""

import contextlib
import copy
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from console.errors import InputError, run_program
from losses import LOSSES, Loss, one_hot
from model import CNN
from training.processes import choose_device


def main() -> int:
    device_name, image_size, batch_size, *losses = sys.argv[1:]
    device = choose_device(device_name)
    for name in losses:
        try_out(CNN().to(device), known_loss(name), int(image_size), int(batch_size))
    print(device)
    return 0


def known_loss(name: str) -> Loss:
    """The loss of a name; InputError if losses.py has none."""
    if name not in LOSSES:
        choices = ", ".join(LOSSES)
        raise InputError(f"--loss_function: invalid choice: {name!r} (losses.py has {choices})")
    return LOSSES[name]


def try_out(model: nn.Module, loss_function: Loss, image_size: int, batch_size: int) -> list[list]:
    """Score two black images, and learn from them in a copy: the model keeps its weights.

    Gives the layers that have parameters: name, form, output shape of one image, parameter
    count. InputError if the network takes no such images or gives no two scores for each, or
    the loss is nothing to learn from.
    """
    layers: list[list] = []

    def note(layer: nn.Module, _: tuple, output: Tensor) -> None:
        count = sum(values.numel() for values in layer.parameters(recurse=False))
        form = f"{type(layer).__name__}({layer.extra_repr()})"
        shape = list(output.shape[1:]) if isinstance(output, Tensor) else []
        layers.append([names[layer] or "CNN", form, shape, count])

    names = {layer: name for name, layer in model.named_modules() if layer._parameters}
    hooks = [layer.register_forward_hook(note) for layer in names]
    images = torch.zeros(2, 3, image_size, image_size, device=next(model.parameters()).device)
    with blaming(f"model.py's CNN at --image_size {image_size}, --batch_size {batch_size}"):
        with torch.no_grad():
            scores = model.eval()(images)  # also gives lazy layers their shapes
        for hook in hooks:
            hook.remove()
        if tuple(scores.shape) != (2, 2):
            raise ValueError(f"it gives {tuple(scores.shape)}, not two scores for each")
        scores = copy.deepcopy(model).train()(images[:batch_size])
    with blaming(f"{getattr(loss_function, '__name__', loss_function)} of losses.py"):
        loss_function(scores, one_hot(torch.arange(len(scores)).to(scores.device))).backward()
    return layers


@contextlib.contextmanager
def blaming(part: str) -> Iterator[None]:
    """Turn whatever a part of the user's own raises into an InputError that names the part."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{part} fails: {type(error).__name__}: {error}; mend it") from None


if __name__ == "__main__":
    run_program(main)
