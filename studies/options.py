"""The command line of my_script.py: what a call asks for.

options = read_options(STUDIES, BASE_SEEDS)
"""

import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import TextIO

from console.errors import InputError
from console.options import (
    Option,
    flag,
    one_of,
    parse,
    path,
    precision,
    shared_options,
    whole_number,
)
from images.sources import fill_data_defaults, image_folder
from records.places import refuse_among_images, refuse_unwritable
from records.sources import PROJECT
from studies.settings import BASE_STUDY, SEEDS_LIMIT


def read_options(
    studies: Iterable[str], base_seeds: int, arguments: list[str] | None = None
) -> Namespace:
    """Read the command line, or these `arguments`; InputError if they are wrong.

    `studies` of what it gives are those to do, with that of the base, which all need.
    """
    known = shared_options(["data", "image_size", "skip_bad_images", "group", "device", "fresh"])
    known |= options_of_studies(list(studies), base_seeds)
    purpose = "Train and test every setting of the studies, then write the report."
    options = parse(purpose, known, arguments)
    if options.dry_run + options.collect + options.tidy > 1:
        raise InputError("--dry_run, --collect and --tidy exclude one another; name one of them")
    if options.until and (options.seeds > 1 or options.fresh or options.against):
        raise InputError("--until decides on the seeds: leave out --seeds, --fresh and --against")
    fill_data_defaults(options)
    refuse_among_images(image_folder(options.data), out=options.out)
    if not options.dry_run:
        refuse_unwritable("out", options.out / "result")
        refuse_unwritable("out", options.out / "weights")
    options.out = options.out.resolve()
    options.studies = [BASE_STUDY, *(options.studies or studies)]
    return options


def options_of_studies(studies: list[str], base_seeds: int) -> dict[str, Option]:
    """The options that only my_script.py has."""
    names = f"studies to do (default: {' '.join(studies)})"
    seeds = f"how often every setting is trained; the base {base_seeds} times or more"
    until = """train a setting again, ten times at most (the base fifteen), until it is known to
    differ from the base or to be within so many points of accuracy of it (default: off)"""
    jobs = "trainings at once (default: one per core; 1 on a GPU)"
    tidy = "remove from the store of trainings what this call does not ask for; train nothing"
    against = "compare with this other --out, train nothing (default: none)"
    return {
        "studies": Option(one_of(studies), None, names, is_list=True),
        "out": Option(path, PROJECT, "where result/ and weights/ go; one folder per data set"),
        "seeds": Option(whole_number(1, SEEDS_LIMIT), 1, seeds),
        "until": Option(precision, None, until),
        "jobs": Option(whole_number(1), None, jobs),
        "dry_run": flag("print the plan, and on standard output a line for a shell for each chain"),
        "tidy": flag(tidy),
        "collect": flag("only report on what is there; status 1 if runs are missing"),
        "against": Option(path, None, against),
    }


def trains_here(options: Namespace) -> bool:
    """Whether a call is to train all that is left, not to plan it or to do something else."""
    return not (options.dry_run or options.collect or options.tidy)


def screen_of(options: Namespace) -> TextIO:
    """Where the plan is shown: standard output of a dry run holds lines for a shell alone."""
    return sys.stderr if options.dry_run else sys.stdout
