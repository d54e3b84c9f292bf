"""The work of a sweep as lines for a scheduler: one for each chain, each the same work for ever.

    line = line_of(chain, identity_of, options, device)
    chain = find(options.line, chains, identity_of)

A line names its chain by what is to be done, on which images, with which program. Whatever is
planned later, it does that or is refused.
"""

import re
import shlex
import sys
from argparse import Namespace

from console.errors import InputError
from records.files import digest_of
from records.runs import IdentityOf
from records.sources import PROJECT
from studies.children import data_for_any_folder
from studies.plan import Training

DIGITS = 10  # of each digest in a line's name: two of thousands of chains alike are no danger
NAME = r"[0-9a-f]+-[0-9a-f]+-[0-9a-f]+"  # of a line


def name_of(chain: list[Training], identity_of: IdentityOf) -> str:
    """Digests of what a chain is to do, of the images, and of all else that decides the results."""
    to_do = []
    for training in chain:
        if training.runs:
            to_do.append([training.runs[0].name, training.settings])
    settings = chain[0].settings
    images = ""
    computed_by = {}  # program, packages, device
    for name, value in identity_of(settings).items():
        if name == "images":
            images = value
        elif name not in settings:
            computed_by[name] = value
    digests = (digest_of(to_do), images, digest_of(computed_by))
    return "-".join(digest[:DIGITS] for digest in digests)


def find(name: str, chains: list[list[Training]], identity_of: IdentityOf) -> list[Training]:
    """The chain of a line; InputError that says what has changed since the line was printed."""
    for chain in chains:
        if name_of(chain, identity_of) == name:
            return chain
    if not re.fullmatch(NAME, name):
        raise InputError(f"--line {name} is none that --dry_run prints; print lines again")
    name_now = name_of(chains[0], identity_of)  # all but its beginning is alike in all chains
    changed = " and ".join(what_changed(name, name_now)) or "the settings or their folders"
    raise InputError(f"--line {name}: {changed} changed since it was printed; print lines again")


def what_changed(then: str, now: str) -> list[str]:
    """In what two names of lines differ beside what the lines are to do."""
    _, _, then = then.partition("-")
    _, _, now = now.partition("-")
    images_then, _, computed_by_then = then.partition("-")
    images_now, _, computed_by_now = now.partition("-")
    changed = []
    if images_then != images_now:
        changed.append("the images")
    if computed_by_then != computed_by_now:
        changed.append("the program, its packages or the device")
    return changed


def is_to_do(chain: list[Training]) -> bool:
    """Whether anything of a chain is to be done."""
    return any(training.runs and not training.is_finished for training in chain)


def line_of(chain: list[Training], identity_of: IdentityOf, options: Namespace, device: str) -> str:
    """The command that does a chain, for a POSIX shell, from any folder."""
    data = data_for_any_folder(options.data)
    words = [sys.executable, PROJECT / "my_script.py", "--line", name_of(chain, identity_of)]
    words += ["--data", data, "--image_size", options.image_size, "--device", device]
    words += ["--out", options.out]
    if options.studies:
        words.append("--studies")
        words += options.studies
    if options.seeds > 1:
        words += ["--seeds", options.seeds]
    if options.until:
        words += ["--until", f"{options.until:g}"]
    if options.skip_bad_images:
        words.append("--skip_bad_images")
    if options.group:
        words.append("--group")
    if options.fresh:
        words.append("--fresh")
    return shlex.join(map(str, words))
