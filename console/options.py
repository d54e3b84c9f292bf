"""The command-line options that the programs share, in one table, and how values are read.

known = shared_options(["seed", "data"])
known["jobs"] = Option(whole_number(1), 2, "trainings at once")
options = parse("What the program does.", known)
"""

import difflib
import sys
from argparse import Action, ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from console.errors import InputError

ALSO_CALLED = {"lr": "learningrate"}  # by most programs


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
        """The value; None if it does not fit."""
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

    Where the default is None, the meaning tells it. `is_list`: one value or more. What has an
    `action` of argparse has no text.
    """

    read: Callable[[str], Any]
    default: Any
    meaning: str
    is_list: bool = False
    action: str | type[Action] | None = None


def flag(meaning: str) -> Option:
    """An option without a text: on where it is given."""
    return Option(bool, False, meaning, action="store_true")


def switch(default: bool, meaning: str) -> Option:
    """A setting that is on or off: --name turns it on, --no-name off."""
    return Option(bool, default, meaning, action=BooleanOptionalAction)


def whole_number(least: int, most: int = 2**31 - 1) -> Reader:
    """A reader of whole numbers from `least` to `most`."""

    def fits(value: int) -> bool:
        return least <= value <= most

    return Reader(int, fits, f"a whole number from {least} to {most}", "N")


def number_below(most: float, meaning: str, short: str) -> Reader:
    """A reader of numbers above 0 and below `most`."""

    def fits(value: float) -> bool:
        return 0 < value < most

    return Reader(float, fits, meaning, short)


def one_of(names: Collection[str]) -> Reader:
    """A reader of names of which there are few."""

    def fits(value: str) -> bool:
        return value in names

    return Reader(str, fits, f"one of {', '.join(names)}", "NAME", names)


def path_of(text: str) -> Path | None:
    """A text as a path; None if it is empty, as a variable is that is not set."""
    return Path(text) if text else None


positive_float = number_below(3.4e38, "a finite number above 0", "X")  # also as float32
precision = number_below(100, "points of accuracy, 0 to 100", "POINTS")
filled = Reader(str, bool, "a name: it is empty", "NAME")
path = Reader(path_of, bool, "a path: it is empty", "PATH")

OF_DATA = """a folder with train/ and test/ (and valid/), with just two class folders, or with files
cat.0.jpg, dog.0.jpg; or shapes (drawn by the program: synthetic, for trying it out), pets, cifar10
(torchvision downloads them to data/); default: data/ if it holds images, else shapes; for test.py
the images that the weights were trained beside"""
OF_IMAGE_SIZE = """side in pixels to which images are brought, from 16 (default: 64; 32 for shapes
and cifar10)"""
OF_DEVICE = """what to compute on: auto takes an NVIDIA graphics card if there is one, else the
processor; or name it: cpu, cuda, cuda:1 (the second card), mps (a Mac's); how many of a processor's
cores a training takes is decided by the image size, or by OMP_NUM_THREADS"""
OPTIONS: dict[str, Option] = {
    "seed": Option(whole_number(0), 0, "start of all random numbers"),
    "weight_path": Option(path, "weights/weight.pth", "weight file"),
    "img_path": Option(path, "result", "folder for the results"),
    "no_pictures": flag("draw nothing; my_script.py draws later"),
    "fresh": flag("train again even where a run could be reused"),
    "data": Option(filled, None, OF_DATA),
    "skip_bad_images": flag("leave unreadable image files out instead of stopping"),
    "group": flag("keep pictures whose names begin alike (patients, videos) in one split"),
    "image_size": Option(whole_number(16, 2048), None, OF_IMAGE_SIZE),
    "device": Option(filled, "auto", OF_DEVICE),
}


class Parser(ArgumentParser):
    """Reports a wrong option in a single line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see --help")


def shared_options(names: Iterable[str]) -> dict[str, Option]:
    """Options that several programs have, by name."""
    return {name: OPTIONS[name] for name in names}


def parse(
    description: str, options: dict[str, Option], arguments: Sequence[str] | None = None
) -> Namespace:
    """Read the command line, or the `arguments` that a caller of `main` gives instead.

    InputError if they are wrong. --help explains every option with its default. A dash in an
    option's name is read as the underscore that stands there.
    """
    parser = Parser(description=description, allow_abbrev=False)
    for name, option in options.items():
        add_option(parser, name, option)
    given = sys.argv[1:] if arguments is None else arguments
    words = [with_underscores(word, options) for word in given]
    values, unknown = parser.parse_known_args(words)
    if unknown:
        meant = what_was_meant(unknown[0], options)
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
    return values


def add_option(parser: Parser, name: str, option: Option) -> None:
    """Have a parser know an option."""
    word = f"--{name}"
    default = option.default
    meaning = option.meaning
    if default is not None:
        meaning = f"{meaning} (default: {value_text(default)})"
    if option.action:
        parser.add_argument(word, action=option.action, default=default, help=meaning)
    else:
        parser.add_argument(
            word,
            type=option.read,
            nargs="+" if option.is_list else None,
            default=default,
            metavar=getattr(option.read, "short", "VALUE"),
            help=meaning,
        )


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


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """End a message about an unknown name with the known one that was probably meant, if any.

    The beginning of a name may mean it; case, dashes and underscores make no difference.
    """
    by_letters = {letters_of(name): name for name in names}
    letters = ALSO_CALLED.get(letters_of(word), letters_of(word))
    likely = [known for known in by_letters if letters and known.startswith(letters)]
    likely += difflib.get_close_matches(letters, by_letters, n=1)
    return f"; did you mean {by_letters[likely[0]]}?" if likely else ""


def letters_of(name: str) -> str:
    """A name without case, dashes and underscores."""
    return name.lower().replace("-", "").replace("_", "")


def value_text(value: object) -> str:
    """A value for a reader, without spaces: 0.01, on, 8-24-48."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return "-".join(map(str, value))
    return str(value)
