"""The studies: train and test every setting, one program each, then write the report.

    python my_script.py

Starts train.py and test.py for each setting below, several at once, and leaves curves,
accuracies and result/report.html. What is finished is never done again: the same command
goes on after a stop.
"""

from console.errors import before_imports, run_program

if __name__ == "__main__":
    before_imports()

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from console.options import parse, path, reader, whole_number
from console.progress import Progress, duration
from dataset import describe, load_data
from images.sources import fill_data_defaults
from records.files import remove_abandoned
from records.runs import PROJECT, identity
from report.page import write_report
from studies import plan, settings
from studies.children import Children, command, default_jobs, plain_device, shell_line, try_out

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
REPORT_SECONDS = 120  # while runs go on, the report is written no more often than this


def main() -> int:
    options = parse_options()
    settings.check_studies(STUDIES, BASE)
    data = load_data(*options.images)
    runs = all_runs(options.out, options.seeds)
    asked_for = [run for run in runs if run.study in (settings.BASE_STUDY, *options.studies)]
    # One seed has folders without its number, several have them with it: look in both.
    elsewhere = all_runs(options.out, 2 if options.seeds == 1 else 1)
    first = [run for run in elsewhere if run.settings["seed"] == FIRST_SEED]
    chains = plan.make_plan(asked_for, runs + first)
    trainings = [training for chain in chains for training in chain]
    device = plain_device(options.device) or try_out(options, asked_for)
    computed_on = {"device": device.split(":")[0], "threads": 1}
    identity_of = partial(identity, images=data.digest, **computed_on)
    for training in trainings:
        plan.look_up(training, identity_of(training.settings), data.digest, options.fresh)
    if plain_device(options.device) and any(each.epochs_to_do for each in trainings):
        try_out(options, asked_for)
    jobs = options.jobs or default_jobs(device)
    chains.sort(key=lambda chain: -sum(each.epochs_to_do for each in chain))  # to end together
    screen = sys.stderr if options.dry_run else sys.stdout
    print(describe(data), f"results: {options.out / 'result'}", sep="\n", file=screen)
    print(plan.describe_plan(trainings, asked_for, jobs), file=screen, flush=True)
    command_for = partial(command, options=options, device=device)
    if options.dry_run:
        lines = [shell_line(chain, command_for) for chain in chains]
        print("\n".join(filter(None, lines)))
        return 0
    remove_abandoned(settings.folders_of(options.out, runs + first))
    report = partial(write_report, options.out, runs, data, identity_of)
    return run_all(Children(chains, command_for, jobs), trainings, report)


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    study = reader(str, STUDIES.__contains__, f"one of {', '.join(STUDIES)}")
    options = parse(
        "Train and test every setting of the studies, then write the report.",
        *("data", "image_size", "skip_bad_images", "device", "fresh"),
        studies=([study], None, f"studies to do (default: {' '.join(STUDIES)})"),
        out=(path, PROJECT, "where result/ and weights/ go; one folder per data set"),
        seeds=(whole_number(1), 1, f"seeds of every setting; the base has {BASE_SEEDS} or more"),
        jobs=(whole_number(1), None, "trainings at once (default: one per core; 1 on a GPU)"),
        dry_run=(bool, False, "print the plan, and the commands alone on standard output"),
    )
    options.studies = options.studies or list(STUDIES)
    options.out = options.out.resolve()
    return fill_data_defaults(options)


def all_runs(out: Path, seeds: int) -> list[settings.Run]:
    """Every run of the studies with so many seeds, and of the base with at least BASE_SEEDS."""
    base_seeds = range(FIRST_SEED, FIRST_SEED + max(seeds, BASE_SEEDS))
    return settings.all_runs(STUDIES, BASE, base_seeds, out, base_seeds[:seeds])


def run_all(children: Children, trainings: list[plan.Training], report: Callable) -> int:
    """Do what is left, write the report as runs finish, say how it went.

    `report` takes the number of open runs and the names of failed ones and gives the answer.
    """
    started = written = time.monotonic()
    progress, failed = Progress(), {}
    asked = [training for training in trainings if training.runs]

    def count_open() -> int:
        return sum(len(training.runs) for training in asked if not training.is_finished)

    try:
        for training in asked:
            plan.deliver(training)
        report(count_open(), [])
        with closing(children.run(progress)) as ended:
            for child in ended:
                training = child.training
                if child.process.returncode:
                    how = f"{child.program}.py, exit status {child.process.returncode}"
                    failed[training.names] = f"FAILED {training.names}: {how}, log: {child.log}"
                    progress.say("\n    ".join([failed[training.names], *child.last_lines()]))
                if training.is_finished:
                    plan.deliver(training)
                    accuracy = (training.main_run.result / "acc.txt").read_text().splitlines()[0]
                    left = f"{count_open()} runs left{children.time_left()}"
                    progress.say(f"{training.names}  {accuracy}  ({left})")
                if time.monotonic() - written > REPORT_SECONDS:
                    report(count_open(), list(failed))
                    written = time.monotonic()
    finally:  # also after Ctrl-C: nothing is under way any more
        answer = report(0, list(failed))
    print(*answer, f"done in {duration(time.monotonic() - started)}", *failed.values(), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    run_program(main)
