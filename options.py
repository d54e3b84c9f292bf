"""Command-line options that the programs share, and checks of their values.

from options import Parser, add_data_options
parser = Parser(description="...")
add_data_options(parser)
"""

import argparse
from functools import partial
from pathlib import Path
from typing import NoReturn

from runs import InputError
from sources import default_image_size, default_source

SMALLEST_IMAGE, LARGEST_IMAGE = 16, 2048  # three poolings leave 2 x 2 of 16
LARGEST_FLOAT = 3.4e38  # of float32
# The names in losses.LOSSES, for programs that do not import torch.
LOSS_NAMES = ("CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss")
PRECISIONS = ("float32", "bfloat16")


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds each option's default, in words a reader expects."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is False:
            return f"{action.help} (default: off)"
        return action.help if action.default is None else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Explains every option with its default; reports a wrong one in a single line."""

    def __init__(self, description: str) -> None:
        super().__init__(
            description=description,
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see --help")


def whole_number(text: str, least: int = 1, most: int = 2**31 - 1) -> int:
    """Read a whole number from `least` to `most`."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
    return value


def positive_float(text: str) -> float:
    """Read a finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LARGEST_FLOAT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number above 0")
    return value


def loss_name(text: str) -> str:
    """Read the name of a loss."""
    if text not in LOSS_NAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(LOSS_NAMES)}")
    return text


def filled(text: str) -> str:
    """Refuse an empty word: it comes from a variable that is not set."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return text


def place(text: str) -> Path:
    """Read a path, which must not be empty."""
    return Path(filled(text))


def add_data_options(
    parser: Parser, without: str = "data/ if it holds images, else shapes"
) -> None:
    """Add the options that say which images are used; `without` names those used by default."""
    parser.add_argument(
        "--data",
        type=filled,
        metavar="FOLDER|NAME",
        help="a folder with train/ and test/ (and valid/), or with just two class folders; or "
        "shapes (drawn by the program: synthetic, for trying it out), pets, cifar10 "
        f"(downloaded by torchvision); default: {without}",
    )
    parser.add_argument(
        "--download_folder",
        metavar="FOLDER",
        type=place,
        default="data",
        help="where pets and cifar10 are kept",
    )
    parser.add_argument(
        "--skip_bad_images",
        action="store_true",
        help="leave unreadable image files out instead of stopping",
    )


def add_size_option(parser: Parser) -> None:
    """Add the size to which images are brought."""
    parser.add_argument(
        "--image_size",
        metavar="PIXELS",
        type=partial(whole_number, least=SMALLEST_IMAGE, most=LARGEST_IMAGE),
        help="side to which images are brought, from 16 (default: 64; 32 for shapes and cifar10)",
    )


def add_device_options(parser: Parser) -> None:
    """Add the options that say how and on what to compute."""
    parser.add_argument(
        "--device", default="auto", help="auto (a CUDA GPU if there is one), cpu, cuda, cuda:1, mps"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of the arithmetic; bfloat16 is faster where the processor has instructions for it",
    )


def fill_data_defaults(options: argparse.Namespace) -> None:
    """Fill in the source and image size that the user left open."""
    if options.data is None:
        options.data = default_source(Path("data"))
    options.image_size = options.image_size or default_image_size(options.data)


def add_place_options(parser: Parser) -> None:
    """Add the options that say where weights and results are."""
    add = parser.add_argument
    add(
        "--weight_path",
        type=place,
        default="weights/weight.pth",
        metavar="FILE",
        help="weight file",
    )
    add("--img_path", type=place, default="result", metavar="FOLDER", help="folder for the results")
