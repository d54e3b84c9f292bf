"""The studies: train and test every setting, one program each, then write the report.

    python my_script.py

Starts train.py and test.py for each setting below, several at once, and leaves curves,
accuracies and result/report.html. What is finished is never done again: the same command
goes on after a stop.
"""

from console.errors import InputError, before_imports, run_program

if __name__ == "__main__":
    before_imports()

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from console.options import (
    Option,
    filled,
    one_of,
    parse,
    path,
    precision,
    shared_options,
    switch,
    whole_number,
)
from console.progress import Progress
from images.sources import fill_data_defaults, image_folder
from records.places import refuse_among_images, refuse_unwritable
from records.sources import PROJECT, hand_over_code, sources
from report.comparison import MOST_SEEDS, SMALL
from studies import settings
from studies.children import plain_device, try_out
from studies.sweep import Sweep, run_sweep, trains_here

if TYPE_CHECKING:
    from dataset import Data

BASE = {
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.01,
    "loss_function": "CrossEntropyLoss",
}
BASE_SEEDS = 6  # trainings of the base setting: their scatter is the noise of every comparison
FIRST_SEED = 0  # the others follow it; another one repeats everything with fresh random numbers
STUDIES = {  # Change_ and what it changes: to these values, the others being those of BASE
    "Change_epochs": [20, 40, 80],
    "Change_batch_size": [16, 32, 64, 128],
    "Change_learning_rate": [0.001, 0.01, 0.1],
    "Change_loss_function": ["CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss"],
}


def main() -> int:
    options = parse_options()
    handed_code = hand_over_code()  # all that decides is read once, here
    settings.check_written_once(PROJECT / "my_script.py")
    settings.check_seeds(FIRST_SEED, BASE_SEEDS)
    settings.check_studies(STUDIES, BASE)
    if options.against:
        return hold_against(options)
    show_start(options)
    import dataset  # here: numpy and Pillow take time, and --help needs none

    data = dataset.load_data(*options.images)
    sweep = prepare_sweep(options, data, handed_code)
    if options.until:
        return run_until(sweep)
    return run_sweep(sweep, all_runs(options.out, options.seeds))


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    known = shared_options(["data", "image_size", "skip_bad_images", "group", "device", "fresh"])
    known |= own_options()
    purpose = "Train and test every setting of the studies, then write the report."
    options = parse(purpose, known)
    if options.dry_run + options.collect + bool(options.line) > 1:
        raise InputError("--dry_run, --line and --collect exclude one another; name one of them")
    if options.until and (options.seeds > 1 or options.fresh or options.against):
        raise InputError("--until decides on the seeds: leave out --seeds, --fresh and --against")
    fill_data_defaults(options)
    refuse_among_images(image_folder(options.data), out=options.out)
    if not options.dry_run:
        refuse_unwritable("out", options.out / "result")
        refuse_unwritable("out", options.out / "weights")
    options.out = options.out.resolve()
    return options


def own_options() -> dict[str, Option]:
    """The options that only this program has."""
    studies = f"studies to do (default: {' '.join(STUDIES)})"
    seeds = f"how often every setting is trained; the base {BASE_SEEDS} times or more"
    until = "seeds until settings are known to so many points (default: off)"
    jobs = "trainings at once (default: one per core; 1 on a GPU)"
    line = "the work to do of what --dry_run printed (default: all of it)"
    against = "compare with this other --out, train nothing (default: none)"
    return {
        "studies": Option(one_of(STUDIES), None, studies, is_list=True),
        "out": Option(path, PROJECT, "where result/ and weights/ go; one folder per data set"),
        "seeds": Option(whole_number(1, settings.MOST_SEEDS), 1, seeds),
        "until": Option(precision, None, until),
        "jobs": Option(whole_number(1), None, jobs),
        "dry_run": switch(False, "print the plan, and on standard output lines for a scheduler"),
        "line": Option(filled, None, line),
        "collect": switch(False, "only report on what is there; status 1 if runs are missing"),
        "against": Option(path, None, against),
    }


def show_start(options: Namespace) -> None:
    """Say at once where the report will be, and that images are looked at, which may take long."""
    progress = Progress()
    if trains_here(options):
        progress.say(f"report: {options.out / 'result' / 'report.html'}, also while runs go on")
    progress.show(f"looking at the images: {options.data}")


def prepare_sweep(options: Namespace, data: "Data", handed_code: dict[str, str]) -> Sweep:
    """All that this call has to go by. InputError if the device, or what is to run there, fails."""
    return Sweep(
        options=options,
        data=data,
        device=choose_device(options),
        studies=requested_studies(options),
        reusable=runs_elsewhere(options),
        code=sources("train.py"),
        handed_code=handed_code,
        report=report_on,
    )


def report_on(
    sweep: Sweep, runs: list[settings.Run], trainings_to_do: int, failed: list[str]
) -> list[str]:
    """Write the report of what is finished of these runs; the answer's sentences."""
    from report.page import write_report  # here: matplotlib takes a second to import

    close = SMALL  # a difference that is alike, a share
    if sweep.options.until:
        close = sweep.options.until / 100
    out, identity_of = sweep.options.out, sweep.identity_of
    return write_report(out, runs, sweep.data, identity_of, trainings_to_do, failed, close)


def all_runs(out: Path, seeds: int) -> list[settings.Run]:
    """Every run of the studies with so many seeds, and of the base with at least BASE_SEEDS."""
    base_seeds = range(FIRST_SEED, FIRST_SEED + max(seeds, BASE_SEEDS))
    return settings.all_runs(STUDIES, BASE, base_seeds, out, base_seeds[:seeds])


def requested_studies(options: Namespace) -> list[str]:
    """The studies that this call is to do; the base's runs belong to each."""
    return [settings.BASE_STUDY, *(options.studies or STUDIES)]


def runs_elsewhere(options: Namespace) -> list[settings.Run]:
    """Runs of the first seed in the folders of calls with one seed, or with several.

    One seed has folders without its number, several have them with it.
    """
    are_numbered = options.seeds > 1 or options.until
    runs = all_runs(options.out, 1 if are_numbered else 2)
    return [run for run in runs if run.settings["seed"] == FIRST_SEED]


def choose_device(options: Namespace) -> str:
    """The device to compute on; one that is named is taken at its word where nothing is trained.

    InputError if it cannot be used, or the network or a loss cannot be on it.
    """
    if options.device != "auto" and not trains_here(options):
        return options.device
    device = plain_device(options.device)
    if device:
        return device
    requested = requested_studies(options)
    runs = [run for run in all_runs(options.out, seeds=1) if run.study in requested]
    return try_out(options.device, options.image_size, runs)


def hold_against(options: Namespace) -> int:
    """Hold every setting of this sweep against the same one of another."""
    from report.against import write_against  # here: matplotlib takes a second to import

    there = options.against.resolve()
    if there == options.out:
        raise InputError(
            f"--against {options.against} is --out itself; name another sweep's folder"
        )
    runs, others = all_runs(options.out, options.seeds), all_runs(there, options.seeds)
    print(*write_against(options.out, runs, there, others), sep="\n")
    return 0


def run_until(sweep: Sweep) -> int:
    """--until: sweeps with one more seed for what is open, as long as something is."""
    from report import rounds  # here: matplotlib takes a second to import

    base_seeds = range(FIRST_SEED, FIRST_SEED + BASE_SEEDS + MOST_SEEDS - 1)
    seeds = base_seeds[:MOST_SEEDS]
    runs = settings.all_runs(STUDIES, BASE, base_seeds, sweep.options.out, seeds)
    requested = [run for run in runs if run.study in sweep.studies]
    return rounds.run_rounds(sweep, requested, {settings.key_of(BASE): BASE_SEEDS}, FIRST_SEED)


if __name__ == "__main__":
    run_program(main)
