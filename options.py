"""Command-line options that the programs share, and checks of their values.

from options import Parser, add_data_options
parser = Parser(description="...")
add_data_options(parser)
"""

import argparse
from pathlib import Path
from typing import NoReturn

from runs import InputError
from sources import BUILT_IN, default_image_size, default_source

SMALLEST_IMAGE, LARGEST_IMAGE = 16, 2048  # three poolings leave 2 x 2 of 16
LARGEST_FLOAT = 3.4e38  # of float32
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


def positive_int(text: str) -> int:
    """Read a whole number above zero."""
    return whole_number(text, 1)


def natural_int(text: str) -> int:
    """Read a whole number, zero or more."""
    return whole_number(text, 0)


def image_size(text: str) -> int:
    """Read an image size in pixels."""
    return whole_number(text, SMALLEST_IMAGE, LARGEST_IMAGE)


def whole_number(text: str, least: int, most: int = 2**31 - 1) -> int:
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


def add_data_options(
    parser: Parser, without: str = "data/ if it holds images, else shapes"
) -> None:
    """Add the options that say which images are used; `without` names those used by default."""
    parser.add_argument(
        "--data",
        metavar="FOLDER|NAME",
        help="a folder with train/ and test/ (and valid/), or with just two class folders; or "
        "shapes (drawn by the program: synthetic, for trying it out), pets, cifar10 "
        f"(downloaded by torchvision); default: {without}",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--download_folder",
        metavar="FOLDER",
        type=Path,
        default=Path("data"),
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
        type=image_size,
        default=argparse.SUPPRESS,
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
    options.data = getattr(options, "data", None) or default_source(Path("data"))
    if options.data not in BUILT_IN:
        options.data = str(Path(options.data))
    options.image_size = getattr(options, "image_size", None) or default_image_size(options.data)
