"""The network of model.py: built for a training, and built again from what a weight file tells.

    network = describe_network(settings, images)
    model = build_network(network, device)

The description holds plain values, and is part of every weight file. The same description
builds the same network, random constants outside its state_dict included.
"""

import contextlib
import copy
import inspect
import itertools
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from console.errors import InputError, is_out_of_memory
from console.options import did_you_mean
from losses import Loss
from records.sources import PROJECT
from training.batches import Images, seed_all
from training.settings import SETTINGS

ROOMS = ("console", "records", "images", "training", "studies", "report")
PROBES = 2  # images whose scores tell one network from another


class BrokenCode(InputError):
    """Code of the user's own that raises an exception."""


@contextlib.contextmanager
def blaming(part: str) -> Iterator[None]:
    """Turn what code of the user's own raises into one line: the part, what, file and line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error):  # no fault of that code
            raise
        what = f"{type(error).__name__}: {error}{line_in_project(error)}"
        raise BrokenCode(f"{part} fails: {what}; mend it") from None


def line_in_project(error: Exception) -> str:
    """The innermost line of the user's own files that an exception went through, in brackets."""
    line = ""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if PROJECT not in path.parents:
            continue
        path = path.relative_to(PROJECT)
        if path.parts[0] not in ROOMS:
            line = f" ({path}, line {frame.lineno})"
    return line


def network_class() -> Callable[..., nn.Module]:
    """CNN of model.py; InputError if there is none."""
    with blaming("model.py"):
        from model import CNN  # here: what goes wrong in a user's file is to be one line
    return CNN


def describe_network(settings: Namespace, images: Images) -> dict[str, Any]:
    """Plain values that rebuild the network of a training.

    `arguments` are the settings, and the image size, that CNN's constructor takes by name.
    """
    seed_all(settings.seed, 0)  # model.py may draw random numbers when it is imported
    constructor = network_class()
    with blaming("model.py's CNN"):
        parameters = inspect.signature(constructor).parameters
    known = vars(settings) | {"image_size": images.size}
    arguments = {}
    for name in (*SETTINGS, "image_size"):
        if name in parameters:
            arguments[name] = known[name]
    return {
        "arguments": arguments,
        "seed": settings.seed,
        "image_size": images.size,
        "channels_last": images.memory_format == torch.channels_last,
    }


def build_network(network: dict[str, Any], device: torch.device) -> nn.Module:
    """A new network with its initial weights, drawn from the training's seed.

    InputError if model.py has no such network.
    """
    seed_all(network["seed"], 0)
    constructor = network_class()
    seed_all(network["seed"], 0)  # again: importing model.py may have drawn some
    arguments = ", ".join(f"{name}={value!r}" for name, value in network["arguments"].items())
    with blaming(f"model.py's CNN({arguments})"):
        if isinstance(constructor, nn.Module):
            raise TypeError("it is a network, not what makes one; write def CNN(): return ...")
        model = constructor(**network["arguments"])
        if not isinstance(model, nn.Module):
            raise TypeError(f"it gives {type(model).__name__}, not a torch.nn.Module")
        give_shapes(model, network["image_size"])
        model = model.to(device)
        return model.to(memory_format=memory_format_of(network["channels_last"]))


def memory_format_of(channels_last: bool) -> torch.memory_format:
    """How images lie in memory."""
    return torch.channels_last if channels_last else torch.contiguous_format


@torch.no_grad()
def give_shapes(model: nn.Module, image_size: int) -> None:
    """Have weights whose shapes are known only after a first image take those of a size."""
    values = itertools.chain(model.parameters(), model.buffers())
    if any(map(nn.parameter.is_lazy, values)):
        model.eval()(torch.zeros(2, 3, image_size, image_size))


def loss_of(name: str, device: torch.device) -> Loss:
    """The loss of a name, as new; InputError if losses.py has none."""
    from losses import LOSSES  # here: a trial imports it anew

    if name not in LOSSES:
        meant = did_you_mean(name, LOSSES)
        raise InputError(f"no loss is called {name!r}; losses.py has {', '.join(LOSSES)}{meant}")
    if isinstance(LOSSES[name], type):
        remedy = f"write {LOSSES[name].__name__}() in losses.py"
        raise InputError(f"the loss {name} is a class, not what it makes; {remedy}")
    loss_function = copy.deepcopy(LOSSES[name])  # some have weights, which training changes
    if isinstance(loss_function, nn.Module):
        loss_function.to(device)
    return loss_function


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights and buffers, copied to the CPU."""
    copied = {}
    for name, value in model.state_dict().items():
        copied[name] = value.detach().cpu().clone()
    return copied


@torch.no_grad()
def probe_scores(model: nn.Module, network: dict[str, Any], device: torch.device) -> Tensor:
    """Scores, float32 (PROBES, 2) on the CPU, that tell a network with its weights from another.

    The inputs are the same everywhere, and the random numbers too, which some networks draw
    also when they are tested.
    """
    size = network["image_size"]
    values = torch.arange(PROBES * 3 * size * size, device=device) % 17
    inputs = (values / 8 - 1).reshape(PROBES, 3, size, size)
    inputs = inputs.contiguous(memory_format=memory_format_of(network["channels_last"]))
    seed_all(network["seed"], 0)
    scores = model.eval()(inputs)
    return scores.float().cpu()


@torch.no_grad()
def layers_of(model: nn.Module, images: Images) -> list[dict[str, Any]]:
    """The layers that have parameters, in the order in which a network first uses them.

    Each as a record tells it: name, text, shape (its output of one image), number of parameters.
    Their test of one image must give two scores; ValueError if it does not.
    """
    layers: dict[nn.Module, dict[str, Any]] = {}
    counted: set[int] = set()  # parameters that layers share are those of the first one
    names = {}
    for name, module in model.named_modules():
        if module._parameters:
            names[module] = name or "CNN"

    def note(module: nn.Module, _: tuple[Any, ...], output: object) -> None:
        text = f"{type(module).__name__}({module.extra_repr()})"
        shape = list(output.shape[1:]) if isinstance(output, Tensor) else []
        count = 0
        for values in module.parameters(recurse=False):
            if id(values) not in counted:
                counted.add(id(values))
                count += values.numel()
        layer = {"name": names[module], "text": text, "shape": shape, "parameters": count}
        layers.setdefault(module, layer)

    hooks = [module.register_forward_hook(note) for module in names]
    one_image = images.splits["valid"][:1]
    scores = model.eval()(images.inputs(one_image))
    if not isinstance(scores, Tensor) or scores.shape != (1, 2):
        told = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"CNN of model.py gives {told} for one image, not two scores, (1, 2)")
    for hook in hooks:
        hook.remove()
    return list(layers.values())
