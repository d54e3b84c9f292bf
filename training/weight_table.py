"""What a weight file and a checkpoint hold: the name of every value, and what it has to be.

    what_is_wrong(WEIGHT_VALUES, values)      # "mean is not 3 numbers from 0 to 1"

A file may come from anybody. So all of it is looked at before anything is built from it: an
image size decides how much memory a network takes, a text which folder is read.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from console.options import OPTIONS, positive_float, whole_number
from training.network import PROBES
from training.settings import SETTINGS, is_value, reads

CHANNELS = 3
Fits = Callable[[Any], bool]


class Value(NamedTuple):
    """What a value has to be: in words, and whether one is that."""

    meaning: str
    fits: Fits


def what_is_wrong(table: Mapping[str, Value], values: dict[str, Any]) -> str:
    """Name a value that is not there, or is not what it has to be; empty if all are."""
    for name, value in table.items():
        if name not in values or not value.fits(values[name]):
            return f"{name} is not {value.meaning}"
    return ""


# --- kinds of values -------------------------------------------------------------------------


def is_text(value: Any) -> bool:
    """Whether a value is a text that says something; one with a zero byte can be no path."""
    return isinstance(value, str) and value != "" and "\0" not in value


def is_any_number(value: Any) -> bool:
    """Whether a value is a number; NaN is one."""
    return type(value) in (int, float)


def is_share(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    return is_any_number(value) and 0 <= value <= 1


def is_plain(value: Any) -> bool:
    """Whether a value is a text, a number, a switch, nothing, or a list of them."""
    members = value if isinstance(value, list) else [value]
    return all(isinstance(member, (str, int, float, type(None))) for member in members)


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of which each member has its own place in the file."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized:
        return False
    return value.nbytes <= value.untyped_storage().nbytes()


def is_tensor_of_numbers(value: Any) -> bool:
    """Whether a value is a tensor without NaN, which only weights that diverged have."""
    return is_tensor(value) and not bool(value.isnan().any())


def list_of(fits: Fits, count: int) -> Fits:
    """What tells whether a value is a list of so many values that fit."""

    def fit(value: Any) -> bool:
        return isinstance(value, list) and len(value) == count and all(map(fits, value))

    return fit


def mapping_of(fits: Fits) -> Fits:
    """What tells whether a value holds values that fit, by name."""

    def fit(value: Any) -> bool:
        if not isinstance(value, dict) or not all(map(is_text, value)):
            return False
        return all(map(fits, value.values()))

    return fit


# --- values that belong together ---------------------------------------------------------------


def is_scale(value: Any) -> bool:
    """Whether a value is what becomes black and what becomes white."""
    return list_of(is_any_number, 2)(value) and -math.inf < value[0] < value[1] < math.inf


def are_arguments(value: Any) -> bool:
    """Whether a value is arguments of CNN: settings as train.py takes them, and an image size."""
    if not mapping_of(is_plain)(value):
        return False
    if "image_size" in value and not SIZE.fits(value["image_size"]):
        return False
    return all(is_value(name, value[name]) for name in SETTINGS if name in value)


def is_network(value: Any) -> bool:
    """Whether a value is what describe_network of training/network.py gives."""
    return isinstance(value, dict) and not what_is_wrong(NETWORK_VALUES, value)


# --- the tables ------------------------------------------------------------------------------


COUNT = Value("a whole number from 0", partial(reads, whole_number(0)))
SIZE = Value("an image size of train.py", partial(reads, OPTIONS["image_size"].read))
SWITCH = Value("True or False", lambda value: isinstance(value, bool))
TEXT = Value("a text", is_text)
DIVISOR = partial(reads, positive_float)

NETWORK_VALUES = {
    "arguments": Value("arguments of CNN by name", are_arguments),
    "seed": COUNT,
    "image_size": SIZE,
    "channels_last": SWITCH,
}
WEIGHT_VALUES = {
    "kept": Value("weights by name, without NaN", mapping_of(is_tensor_of_numbers)),
    "last": Value("weights by name", mapping_of(is_tensor)),
    "kept_epoch": COUNT,
    "epochs": COUNT,
    "image_size": SIZE,
    "classes": Value("the names of two classes", list_of(is_text, 2)),
    "mean": Value(f"{CHANNELS} numbers from 0 to 1", list_of(is_share, CHANNELS)),
    "std": Value(f"{CHANNELS} numbers above 0", list_of(DIVISOR, CHANNELS)),
    "scales": Value("black and white of kinds of values", mapping_of(is_scale)),
    "data": TEXT,
    "skip_bad_images": SWITCH,
    "group": SWITCH,
    "loss_function": TEXT,
    "network": Value("the description of a network", is_network),
    "scores": Value(f"{PROBES} pairs of numbers", list_of(list_of(is_any_number, 2), PROBES)),
}
CHECKPOINT_VALUES = {
    "identity": Value("what decides a training, by name", mapping_of(is_plain)),
    "epoch": COUNT,
    "state": Value("a training's state, by name", mapping_of(lambda _: True)),
}
