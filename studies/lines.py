"""The work of a sweep as lines for a scheduler: one for each chain, each the same work for ever.

    line = line_of(chain, identity_of, options, device)
    chain = find(options.line, chains, identity_of)

A line names its chain by what is to be done, on which images, with which program. Whatever is
planned later, it does that or is refused.
"""

import shlex
import sys
from argparse import Namespace
from collections.abc import Callable

from console.errors import InputError
from records.files import digest_of
from records.sources import PROJECT
from studies.children import data_for_any_folder
from studies.plan import Training

DIGITS = 10  # of each digest in a line's name: two of thousands of chains alike are no danger


def name_of(chain: list[Training], identity_of: Callable[[dict], dict]) -> str:
    """Digests of what a chain is to do, of the images, and of all else that decides the results."""
    asked = [training for training in chain if training.runs]
    work = [[training.runs[0].name, training.settings] for training in asked]
    identity = identity_of(chain[0].settings)
    rest = {name: value for name, value in identity.items() if name not in chain[0].settings}
    images = rest.pop("images")
    return "-".join(digest[:DIGITS] for digest in (digest_of(work), images, digest_of(rest)))


def find(
    name: str, chains: list[list[Training]], identity_of: Callable[[dict], dict]
) -> list[Training]:
    """The chain of a line; InputError that says what has changed since the line was printed."""
    by_name = {name_of(chain, identity_of): chain for chain in chains}
    if name in by_name:
        return by_name[name]
    now = next(iter(by_name)).split("-")[1:]  # alike in all chains
    then = name.split("-")[1:]
    changed = []
    if now[:1] != then[:1]:
        changed.append("the images")
    if now[1:] != then[1:]:
        changed.append("the program, its packages or the device")
    words = " and ".join(changed) or "the settings or their folders"
    raise InputError(f"--line {name}: {words} changed since it was printed; print lines again")


def is_left(chain: list[Training]) -> bool:
    """Whether anything of a chain is to be done."""
    return any(training.runs and not training.is_finished for training in chain)


def line_of(
    chain: list[Training], identity_of: Callable[[dict], dict], options: Namespace, device: str
) -> str:
    """The command that does a chain, for a POSIX shell, from any folder."""
    data = data_for_any_folder(options.data)
    words = [sys.executable, PROJECT / "my_script.py", "--line", name_of(chain, identity_of)]
    words += ["--data", data, "--image_size", options.image_size, "--device", device]
    words += ["--out", options.out]
    if options.studies:
        words += ["--studies", *options.studies]
    if options.seeds > 1:
        words += ["--seeds", options.seeds]
    if options.until:
        words += ["--until", f"{options.until:g}"]
    if options.skip_bad_images:
        words.append("--skip_bad_images")
    if options.fresh:
        words.append("--fresh")
    return shlex.join(map(str, words))
