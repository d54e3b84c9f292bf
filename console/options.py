"""The command-line options that the programs share, in one table, and how values are read.

options = parse("What the program does.", *SETTINGS, "seed", jobs=(whole_number(1), 2, "…"))
"""

import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from console.errors import InputError
from console.nearest import did_you_mean


@dataclass(frozen=True, eq=False)  # argparse keeps them in tables: by identity
class Reader:
    """Reads an option's text as a `kind` of value that `fits`.

    `short` stands for the value in --help; `names` are the values there are, where they are few.
    """

    kind: Callable[[str], object]
    fits: Callable[[object], bool]
    meaning: str
    short: str = "VALUE"
    names: Collection[str] = ()

    def __call__(self, text: str) -> object:
        """The value; ArgumentTypeError if the text is none."""
        value = self.read(text)
        if value is None:
            raise ArgumentTypeError(f"{text!r} is not {self.meaning}{self.hint(text)}")
        return value

    def read(self, text: str) -> object | None:
        """The value; None if the text is none."""
        try:
            value = self.kind(text)
        except ValueError:
            return None
        return value if self.fits(value) else None

    def hint(self, text: str) -> str:
        """Say what was probably meant, if anything."""
        with_point = text.replace(",", ".")
        if with_point != text and self.read(with_point) is not None:
            return f"; write {with_point}, with a decimal point"
        return did_you_mean(text, self.names)


Option = tuple[Callable | list[Callable], object, str]


def whole_number(least: int, most: int = 2**31 - 1) -> Reader:
    """A reader of whole numbers from `least` to `most`."""
    fits = range(least, most + 1).__contains__
    return Reader(int, fits, f"a whole number from {least} to {most}", "N")


def one_of(names: Collection[str]) -> Reader:
    """A reader of names of which there are few."""
    return Reader(str, names.__contains__, f"one of {', '.join(names)}", "NAME", names)


positive_float = Reader(float, lambda value: 0 < value <= 3.4e38, "a finite number above 0", "X")
precision = Reader(float, lambda value: 0 < value < 100, "points of accuracy, 0 to 100", "POINTS")
filled = Reader(str, bool, "a name: it is empty", "NAME")  # it comes from a variable not set
path = Reader(lambda text: text and Path(text), bool, "a path: it is empty", "PATH")

SETTINGS: dict[str, Option] = {  # what a training is told, and a study may change
    "epochs": (whole_number(1), 20, "passes over the training images"),
    "batch_size": (whole_number(1), 32, "images in one step"),
    "learning_rate": (positive_float, 0.01, "step size of SGD"),
    "loss_function": (filled, "CrossEntropyLoss", "what is minimised, a name in losses.py"),
}
# What else your model.py, losses.py or train.py read and a result depends on: files, named from
# the project's folder ("prior.npy"), and environment variables ("$VARIANT").
ALSO_DECIDE: list[str] = []
# How a value is read (bool: a switch, in SETTINGS also with --no-; in a list: one value or more),
# its default, its meaning. Where the default is None, the meaning tells it.
PROGRAM_OPTIONS: dict[str, Option] = {
    "seed": (whole_number(0), 0, "start of all random numbers"),
    "weight_path": (path, "weights/weight.pth", "weight file"),
    "img_path": (path, "result", "folder for the results"),
    "no_pictures": (bool, False, "draw nothing; my_script.py draws later"),
    "fresh": (bool, False, "train again even where a run could be reused"),
    "data": (filled, None, "a folder with train/ and test/ (and valid/), with just two class "
             "folders, or with files cat.0.jpg, dog.0.jpg; or shapes (drawn by the "
             "program: synthetic, for trying it out), pets, cifar10 (torchvision downloads them "
             "to data/); default: data/ if it holds images, else shapes; for test.py the "
             "images that the weights were trained beside"),
    "skip_bad_images": (bool, False, "leave unreadable image files out instead of stopping"),
    "image_size": (whole_number(16, 2048), None, "side in pixels to which images are brought, "
                   "from 16 (default: 64; 32 for shapes and cifar10)"),
    "device": (filled, "auto", "auto (a CUDA GPU if there is one), cpu, cuda, cuda:1, mps; a CPU's "
               "threads: one below 64 pixels and in a sweep, else one for each 2,048 pixels of an "
               "image, no more than there are cores; or what OMP_NUM_THREADS says"),
}  # fmt: skip


OPTIONS = {**PROGRAM_OPTIONS, **SETTINGS}
# Names of other options, of what stands beside the settings in records, and in results.csv.
TAKEN = ("help", "start_from", "try_out", "images", "threads", "processes")
TAKEN += ("study", "setting", "result", "weight", "diverged", "kept_epoch")


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


def parse(description: str, *shared: str, **more: Option) -> Namespace:
    """Read the command line: options that are shared, by name, and a program's own.

    InputError if it is wrong. --help explains every option with its default. A dash in an
    option's name is read as the underscore that stands there.
    """
    check_settings()
    parser = Parser(description=description, allow_abbrev=False)
    options = {name: OPTIONS[name] for name in shared} | more
    for name, option in options.items():
        add(parser, name, option)
    words = [with_underscores(word, options) for word in sys.argv[1:]]
    values, unknown = parser.parse_known_args(words)
    if unknown:
        meant = what_was_meant(unknown[0], options)
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
    return values


def add(parser: Parser, name: str, option: Option) -> None:
    """Have a parser know an option."""
    read, default, meaning = option
    if default is not None:
        meaning = f"{meaning} (default: {value_text(default)})"
    if read is bool:
        action = BooleanOptionalAction if name in SETTINGS else "store_true"
        parser.add_argument(f"--{name}", action=action, default=default, help=meaning)
        return
    count = None
    if isinstance(read, list):
        read, count = read[0], "+"
    short = getattr(read, "short", "VALUE")
    form = {"type": read, "nargs": count, "default": default, "metavar": short}
    parser.add_argument(f"--{name}", help=meaning, **form)


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
    kinds = {
        "weight_path": word.endswith(".pth"),
        "data": Path(word).is_dir(),
        "predict": Path(word).is_file(),
    }
    for name, fits in kinds.items():
        if fits and name in options:
            return f"; did you mean --{name} {word}?"
    return ""


# --- values of settings ----------------------------------------------------------------------


def is_value(name: str, value: object) -> bool:
    """Whether train.py reads a value of a setting from its command line as it is."""
    read = SETTINGS[name][0]
    if read is bool:
        return isinstance(value, bool)
    if isinstance(read, list):
        return isinstance(value, list) and value != [] and all(reads(read[0], v) for v in value)
    return reads(read, value)


def reads(read: Callable, value: object) -> bool:
    """Whether a reader gets a value back from its text."""
    try:
        return read(str(value)) == value
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
