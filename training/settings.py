"""What a training is told, and what else decides its result: the place for settings of your own.

    "dropout": Option(float, 0.5, "share of features dropped"),     # in SETTINGS
    "augment": switch(False, "flip images"),

train.py then takes --dropout and --augment. What CNN of model.py takes by that name it gets.
"""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

from console.errors import InputError
from console.options import (  # noqa: F401 (some are for settings of your own)
    OPTIONS,
    Option,
    Reader,
    filled,
    positive_float,
    switch,
    value_text,
    whole_number,
)

SETTINGS: dict[str, Option] = {  # a study may vary each of them
    "epochs": Option(whole_number(1), 20, "passes over the training images"),
    "batch_size": Option(whole_number(1), 32, "images in one step"),
    "learning_rate": Option(positive_float, 0.01, "step size of SGD"),
    "loss_function": Option(filled, "CrossEntropyLoss", "what is minimised, a name in losses.py"),
}
# What else your model.py, losses.py or train.py read and a result depends on: files, named from
# the project's folder ("prior.npy"), and environment variables ("$VARIANT").
ALSO_DECIDE: list[str] = []
# Whether a longer training goes on from the checkpoint of a shorter one; False where a result
# depends on the number of epochs asked for, as under a cosine schedule.
GOES_ON = True
CALIBRATED = ("CrossEntropyLoss",)  # losses that make the softmax of scores a probability

# Names of other options, of what stands beside the settings in records, and in results.csv.
TAKEN = (
    "help",
    "start_from",
    "try_out",
    "images",
    "threads",
    "processes",
    "study",
    "setting",
    "result",
    "weight",
    "diverged",
    "kept_epoch",
    "copy_of",
    "test_accuracy",
    "test_low",
    "test_high",
    "last_test_accuracy",
    "valid_accuracy",
    "last_valid_accuracy",
    "last_train_accuracy",
    "train_seconds",
    "test_seconds",
)


def check_settings() -> None:
    """InputError if a setting has a name that something else has, or that is none."""
    for name, option in SETTINGS.items():
        place = f"{name!r} in SETTINGS of training/settings.py"
        if name in OPTIONS or name in TAKEN:
            raise InputError(f"{place} is the name of something else already; give it another")
        if option.read is bool and option.action is None:
            raise InputError(f"{place} reads any text as True; use switch(False, ...) for it")
        if not name.isidentifier():
            raise InputError(f"{place} is no name; use letters, digits and _")


def is_value(name: str, value: object) -> bool:
    """Whether train.py reads a value of a setting from its command line as it is."""
    option = SETTINGS[name]
    if option.action:
        return isinstance(value, bool)
    if not option.is_list:
        return reads(option.read, value)
    if not isinstance(value, list) or not value:
        return False
    return all(reads(option.read, member) for member in value)


def reads(read: Callable[[str], Any], value: object) -> bool:
    """Whether a reader gets a value back from its text."""
    try:
        return bool(read(str(value)) == value)
    except (ArgumentTypeError, ValueError):
        return False


def option_words(name: str, value: object) -> list[str]:
    """The words of a command line that give a setting its value."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list):
        return [f"--{name}", *map(str, value)]
    return [f"--{name}", str(value)]


def as_key(value: object) -> object:
    """A value that can stand in a key and in a table: a list or a switch as its text."""
    return value_text(value) if isinstance(value, (bool, list)) else value
