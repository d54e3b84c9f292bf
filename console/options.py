"""The command-line options that the programs share, in one table, and how values are read.

known = shared_options([*SETTINGS, "seed"])
known["jobs"] = Option(whole_number(1), 2, "trainings at once")
options = parse("What the program does.", known)
"""

import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from console.errors import InputError
from console.nearest import did_you_mean


@dataclass(frozen=True, eq=False)  # argparse keeps them in tables: by identity
class Reader:
    """Reads an option's text: `convert` makes a value of it, which has to fit.

    `meaning` says what fits, `short` stands for the value in --help; `names` are the values there
    are, where they are few.
    """

    convert: Callable[[str], Any]
    fits: Callable[[Any], bool]
    meaning: str
    short: str = "VALUE"
    names: Collection[str] = ()

    def __call__(self, text: str) -> Any:
        """The value; ArgumentTypeError if the text is none."""
        value = self.read(text)
        if value is None:
            raise ArgumentTypeError(f"{text!r} is not {self.meaning}{self.hint(text)}")
        return value

    def read(self, text: str) -> Any:
        """The value; None if the text is none."""
        try:
            value = self.convert(text)
        except ValueError:
            return None
        return value if self.fits(value) else None

    def hint(self, text: str) -> str:
        """Say what was probably meant, if anything."""
        with_point = text.replace(",", ".")
        if with_point != text and self.read(with_point) is not None:
            return f"; write {with_point}, with a decimal point"
        return did_you_mean(text, self.names)


@dataclass(frozen=True)
class Option:
    """An option of the command line: what reads its text, its default, its meaning for --help.

    Where the default is None, the meaning tells it. `is_list`: one value or more. A switch has no
    text.
    """

    read: Callable[[str], Any]
    default: Any
    meaning: str
    is_list: bool = False
    is_switch: bool = False


def switch(default: bool, meaning: str) -> Option:
    """An option that is on or off; in SETTINGS it can be turned off too, with --no-."""
    return Option(bool, default, meaning, is_switch=True)


def whole_number(least: int, most: int = 2**31 - 1) -> Reader:
    """A reader of whole numbers from `least` to `most`."""

    def fits(value: int) -> bool:
        return least <= value <= most

    return Reader(int, fits, f"a whole number from {least} to {most}", "N")


def one_of(names: Collection[str]) -> Reader:
    """A reader of names of which there are few."""

    def fits(value: str) -> bool:
        return value in names

    return Reader(str, fits, f"one of {', '.join(names)}", "NAME", names)


def is_positive(value: float) -> bool:
    """Whether a number is above 0 and finite, also as float32."""
    return 0 < value <= 3.4e38


def is_precision(value: float) -> bool:
    """Whether a number can be a precision, in points of accuracy."""
    return 0 < value < 100


def is_filled(text: str) -> bool:
    """Whether a text says something: an empty one comes from a variable that is not set."""
    return text != ""


def path_of(text: str) -> Path:
    """A text as a path; ValueError if it is empty."""
    if not text:
        raise ValueError("empty")
    return Path(text)


def is_path(_: Path) -> bool:
    """Any path will do."""
    return True


positive_float = Reader(float, is_positive, "a finite number above 0", "X")
precision = Reader(float, is_precision, "points of accuracy, 0 to 100", "POINTS")
filled = Reader(str, is_filled, "a name: it is empty", "NAME")
path = Reader(path_of, is_path, "a path: it is empty", "PATH")

SETTINGS: dict[str, Option] = {  # what a training is told, and a study may change
    "epochs": Option(whole_number(1), 20, "passes over the training images"),
    "batch_size": Option(whole_number(1), 32, "images in one step"),
    "learning_rate": Option(positive_float, 0.01, "step size of SGD"),
    "loss_function": Option(filled, "CrossEntropyLoss", "what is minimised, a name in losses.py"),
}
CALIBRATED = ("CrossEntropyLoss",)  # losses that make the softmax of scores a probability
# What else your model.py, losses.py or train.py read and a result depends on: files, named from
# the project's folder ("prior.npy"), and environment variables ("$VARIANT").
ALSO_DECIDE: list[str] = []
OF_DATA = """a folder with train/ and test/ (and valid/), with just two class folders, or with files
cat.0.jpg, dog.0.jpg; or shapes (drawn by the program: synthetic, for trying it out), pets, cifar10
(torchvision downloads them to data/); default: data/ if it holds images, else shapes; for test.py
the images that the weights were trained beside"""
OF_IMAGE_SIZE = """side in pixels to which images are brought, from 16 (default: 64; 32 for shapes
and cifar10)"""
OF_DEVICE = """auto (a CUDA GPU if there is one), cpu, cuda, cuda:1, mps; a CPU's threads: one below
64 pixels and in a sweep, else one for each 2,048 pixels of an image, no more than there are cores;
or what OMP_NUM_THREADS says"""
PROGRAM_OPTIONS: dict[str, Option] = {
    "seed": Option(whole_number(0), 0, "start of all random numbers"),
    "weight_path": Option(path, "weights/weight.pth", "weight file"),
    "img_path": Option(path, "result", "folder for the results"),
    "no_pictures": switch(False, "draw nothing; my_script.py draws later"),
    "fresh": switch(False, "train again even where a run could be reused"),
    "data": Option(filled, None, OF_DATA),
    "skip_bad_images": switch(False, "leave unreadable image files out instead of stopping"),
    "group": switch(False, "keep pictures whose names begin alike (patients, videos) in one split"),
    "image_size": Option(whole_number(16, 2048), None, OF_IMAGE_SIZE),
    "device": Option(filled, "auto", OF_DEVICE),
}
OPTIONS: dict[str, Option] = {**PROGRAM_OPTIONS, **SETTINGS}
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
)


def check_settings() -> None:
    """InputError if a setting has a name that something else has, or that is none."""
    for name in SETTINGS:
        place = f"{name!r} in SETTINGS of console/options.py"
        if name in PROGRAM_OPTIONS or name in TAKEN:
            raise InputError(f"{place} is the name of something else already; give it another")
        if not name.isidentifier():
            raise InputError(f"{place} is no name; use letters, digits and _")


class Parser(ArgumentParser):
    """Reports a wrong option in a single line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see --help")


def shared_options(names: Iterable[str]) -> dict[str, Option]:
    """Options that several programs have, by name."""
    return {name: OPTIONS[name] for name in names}


def parse(description: str, options: dict[str, Option]) -> Namespace:
    """Read the command line.

    InputError if it is wrong. --help explains every option with its default. A dash in an
    option's name is read as the underscore that stands there.
    """
    check_settings()
    parser = Parser(description=description, allow_abbrev=False)
    for name, option in options.items():
        add_option(parser, name, option)
    words = [with_underscores(word, options) for word in sys.argv[1:]]
    values, unknown = parser.parse_known_args(words)
    if unknown:
        meant = what_was_meant(unknown[0], options)
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
    return values


def add_option(parser: Parser, name: str, option: Option) -> None:
    """Have a parser know an option."""
    flag = f"--{name}"
    default = option.default
    meaning = option.meaning
    if default is not None:
        meaning = f"{meaning} (default: {value_text(default)})"
    if option.is_switch and name in SETTINGS:  # a study may switch it off, too
        parser.add_argument(flag, action=BooleanOptionalAction, default=default, help=meaning)
    elif option.is_switch:
        parser.add_argument(flag, action="store_true", default=default, help=meaning)
    else:
        parser.add_argument(
            flag,
            type=option.read,
            nargs="+" if option.is_list else None,
            default=default,
            metavar=short_of(option.read),
            help=meaning,
        )


def short_of(read: Callable[[str], Any]) -> str:
    """What stands for an option's value in --help."""
    return read.short if isinstance(read, Reader) else "VALUE"


def with_underscores(word: str, options: Collection[str]) -> str:
    """A word of the command line; --dry-run, if that is --dry_run with dashes, as --dry_run."""
    name, equals, value = word.removeprefix("--").partition("=")
    name = name.replace("-", "_")
    if word.startswith("--") and name in options:
        return f"--{name}{equals}{value}"
    return word


def what_was_meant(word: str, options: Collection[str]) -> str:
    """Say which option an unknown word of the command line probably belongs to, if any."""
    if word.startswith("-"):
        return did_you_mean(word.partition("=")[0], [f"--{name}" for name in options])
    fitting = {
        "weight_path": word.endswith(".pth"),
        "data": Path(word).is_dir(),
        "predict": Path(word).is_file(),
    }
    for name, fits in fitting.items():
        if fits and name in options:
            return f"; did you mean --{name} {word}?"
    return ""


# --- values of settings ----------------------------------------------------------------------


def is_value(name: str, value: object) -> bool:
    """Whether train.py reads a value of a setting from its command line as it is."""
    option = SETTINGS[name]
    if option.is_switch:
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


def words_of(name: str, value: object) -> list[str]:
    """The words of a command line that give a setting its value."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list):
        return [f"--{name}", *map(str, value)]
    return [f"--{name}", str(value)]


def value_text(value: object) -> str:
    """A value for a reader, without spaces: 0.01, on, 8-24-48."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return "-".join(map(str, value))
    return str(value)


def as_key(value: object) -> object:
    """A value that can stand in a key and in a table: a list or a switch as its text."""
    return value_text(value) if isinstance(value, (bool, list)) else value
