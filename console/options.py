"""The command-line options that the programs share, in one table, and how values are read.

options = parse("What the program does.", *SETTINGS, "seed", jobs=(whole_number(1), 2, "…"))
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from console.errors import InputError

Option = tuple[Callable | list[Callable], object, str]


def reader(kind: Callable, fits: Callable, meaning: str) -> Callable[[str], object]:
    """A function that reads an option's text as a `kind` of value that `fits`."""

    def read(text: str) -> object:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise ArgumentTypeError(f"{text!r} is not {meaning}")
        return value

    return read


def whole_number(least: int, most: int = 2**31 - 1) -> Callable[[str], object]:
    """A function that reads a whole number from `least` to `most`."""
    fits = range(least, most + 1).__contains__
    return reader(int, fits, f"a whole number from {least} to {most}")


positive_float = reader(float, lambda value: 0 < value <= 3.4e38, "a finite number above 0")
filled = reader(str, bool, "a name: it is empty")  # it comes from a variable that is not set
path = reader(lambda text: text and Path(text), bool, "a path: it is empty")

SETTINGS: dict[str, Option] = {  # what a training is told, and a study may change
    "epochs": (whole_number(1), 20, "passes over the training images"),
    "batch_size": (whole_number(1), 32, "images in one step"),
    "learning_rate": (positive_float, 0.01, "step size of SGD"),
    "loss_function": (filled, "CrossEntropyLoss", "what is minimised, a name in losses.py"),
}
# What else your model.py, losses.py or train.py read and a result depends on: files, named from
# the project's folder ("prior.npy"), and environment variables ("$VARIANT").
ALSO_DECIDE: list[str] = []
# How a value is read (bool: a switch; in a list: one value or more), its default, its meaning.
# Where the default is None, the meaning tells it.
PROGRAM_OPTIONS: dict[str, Option] = {
    "seed": (whole_number(0), 0, "start of all random numbers"),
    "weight_path": (path, "weights/weight.pth", "weight file"),
    "img_path": (path, "result", "folder for the results"),
    "no_pictures": (bool, False, "draw nothing; my_script.py draws later"),
    "fresh": (bool, False, "train again even where a run could be reused"),
    "data": (filled, None, "a folder with train/ and test/ (and valid/), or with just two class "
             "folders; or shapes (drawn by the program: synthetic, for trying it out), pets, "
             "cifar10 (torchvision downloads them to data/); default: data/ if it holds images, "
             "else shapes; for test.py the images that the weights were trained beside"),
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

    InputError if it is wrong. --help explains every option with its default.
    """
    check_settings()
    parser = Parser(description=description, allow_abbrev=False)
    for name, (read, default, meaning) in ({name: OPTIONS[name] for name in shared} | more).items():
        shown = "" if default is None else f" (default: {'off' if default is False else default})"
        form = {"action": "store_true"} if read is bool else {"type": read, "default": default}
        form = {**form, "nargs": "+", "type": read[0]} if isinstance(read, list) else form
        parser.add_argument(f"--{name}", help=meaning + shown, **form)
    return parser.parse_args()
