"""The studies: train and test every setting, one program each, then write the report.

    python my_script.py

Starts train.py and test.py for each setting below, several at once, and leaves curves,
accuracies and result/report.html. What is finished is never done again: the same command
goes on after a stop.
"""

from console.errors import InputError, before_imports, printable, run_program

if __name__ == "__main__":
    before_imports()

import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from console.progress import Progress, duration
from images.sources import BUILT_IN
from records.sources import PROJECT, sources
from studies import settings, sweep
from studies.children import Step, default_jobs
from studies.options import read_options, screen_of, trains_here
from studies.plan import Conditions, Plan, Request, Training, epochs_of, make_plan
from studies.settings import Run, check_tables
from studies.sweep import Ended, Sweep
from studies.trials import notes_of_batches, try_runs
from training.settings import ALSO_DECIDE, option_words
from training.tried import plain_device

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
STUDIES = {  # Change_ and what it varies: these values, the others being those of BASE
    "Change_epochs": [20, 40, 80],
    "Change_batch_size": [16, 32, 64, 128],
    "Change_learning_rate": [0.001, 0.01, 0.1],
    "Change_loss_function": ["CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss"],
}


def main(arguments: list[str] | None = None) -> int:
    """Do the studies as the command line says, or these `arguments`; the exit status."""
    started = time.monotonic()
    options = read_options(STUDIES, BASE_SEEDS, arguments)
    check_tables(STUDIES, BASE, FIRST_SEED, BASE_SEEDS)
    train_code = sources("train.py", ALSO_DECIDE)
    test_code = sources("test.py", ALSO_DECIDE)
    if options.against:
        return hold_against(options)
    Progress().show(f"looking at the images: {printable(options.data)}")  # which may take long
    import dataset  # here: numpy and Pillow take time, and --help needs none
    from report import rounds

    data = dataset.load_data(*options.images)
    conditions = Conditions(data.digest, train_code, test_code, device_of(options))
    if options.until:
        rounds.check_precision(options.until, len(data.splits["test"]))
    seeds: settings.Seeds = {}  # of settings that were asked for more
    what_for = ""
    while True:
        planned = plan_sweep(options, data, conditions, asked_runs(options, seeds))
        more = rounds.more_seeds(planned, options.until)
        if not more:
            if what_for and sweep.count_open(planned.plan.requested):
                print(what_for, file=screen_of(options), flush=True)
            ended = carry_out(options, planned, is_first=not what_for)
            more = rounds.more_seeds(planned, options.until)
            if ended.status or not more or not trains_here(options):
                for line in ended.answer:
                    print(line)
                if trains_here(options):
                    print(f"done in {duration(time.monotonic() - started)}")
                return ended.status
        what_for = rounds.describe_next(planned, more, options.until)
        seeds |= more


# --- the loop over the settings, and the two commands ------------------------------------------


def commands(plan: Plan, options: Namespace, device: str) -> list[list[Step]]:
    """What is left to do: train.py and test.py for every setting of every study.

    Trainings that go on from one another, as 40 epochs from 20, are a chain: done in turn.
    """
    chains = []
    for chain in plan.chains:
        steps = []
        for training in chain:  # one setting with one seed
            if not training.is_requested:
                continue
            if not training.is_trained:
                command = train_command(training, options, device)
                steps.append(Step(training, "train", command))
            if not training.is_finished:
                command = test_command(training, options, device)
                steps.append(Step(training, "test", command))
        if steps:
            chains.append(steps)
    return chains


def train_command(training: Training, options: Namespace, device: str) -> list[str]:
    """python train.py --epochs 40 --learning_rate 0.01 …"""
    command = [sys.executable, str(PROJECT / "train.py")]
    for name, value in training.settings.items():
        command += option_words(name, value)
    command += ["--image_size", str(options.image_size)]
    if options.fresh:
        command.append("--fresh")
    if training.start_from:
        command += ["--start_from", str(training.start_from)]
    if options.group:
        command.append("--group")  # test.py has it from the weight file
    return command + places_and_images(training, options, device)


def test_command(training: Training, options: Namespace, device: str) -> list[str]:
    """python test.py --weight_path weights/runs/…/weight.pth …"""
    command = [sys.executable, str(PROJECT / "test.py")]
    return command + places_and_images(training, options, device)


def places_and_images(training: Training, options: Namespace, device: str) -> list[str]:
    """What both programs are told: where the files of a training lie, and on what it works."""
    result, weight, _ = training.place
    words = ["--weight_path", str(weight), "--img_path", str(result), "--no_pictures"]
    data = options.data
    if data not in BUILT_IN:
        data = str(Path(data).resolve())  # for a program that is started in another folder
    words += ["--data", data, "--device", device]
    if options.skip_bad_images:
        words.append("--skip_bad_images")
    return words


# --- one call --------------------------------------------------------------------------------


def plan_sweep(options: Namespace, data: "Data", conditions: Conditions, runs: list[Run]) -> Sweep:
    """Find out what is left of these runs."""

    def report(trainings: list[Training], to_do: int, failed: list[str]) -> list[str]:
        from report.page import write_report  # here: matplotlib takes a second to import

        return write_report(options.out, runs, data, trainings, to_do, failed, options.until)

    return Sweep(
        out=options.out,
        images=options.images,
        data=data,
        conditions=conditions,
        runs=runs,
        plan=make_plan(runs, conditions, Request(options.out, options.studies, options.fresh)),
        jobs=options.jobs or default_jobs(conditions.device),
        report=report,
    )


def carry_out(options: Namespace, planned: Sweep, is_first: bool) -> Ended:
    """Show what is left and do it, or what else the call is for.

    What later rounds train has been tried before the first one.
    """
    if options.tidy:
        return sweep.tidy(planned)
    if options.collect:
        return sweep.collect(planned)
    from dataset import describe  # here: numpy takes time, and --help needs none
    from report import rounds

    screen = screen_of(options)
    device = planned.conditions.device
    if is_first:
        print(describe(planned.data), file=screen)
        print(f"results: {planned.out / 'result'}", file=screen, flush=True)
    if is_first and epochs_of(planned.plan.requested):
        if device == "cpu" or options.dry_run:  # else device_of has tried them on that device
            try_runs("cpu", options.image_size, planned.requested_runs)
        for note in notes_of_batches(planned.requested_runs, len(planned.data.splits["train"])):
            print(note, file=sys.stderr)
    more = 0
    if is_first and not options.until:  # a later round is what seemed to differ
        more = rounds.most_to_confirm(planned)
    chains = commands(planned.plan, options, device)
    sweep.show_plan(planned, chains, screen, more)
    if options.dry_run:
        sweep.print_lines(chains)
        return Ended(0, [])
    return sweep.train_and_test(planned, chains)


def device_of(options: Namespace) -> str:
    """The device to compute on; one that is named is taken at its word where nothing is trained.

    InputError if it cannot be used, or the network or a loss cannot be on it.
    """
    if options.device != "auto" and not trains_here(options):
        return options.device
    runs = [run for run in asked_runs(options, {}) if run.study in options.studies]
    # What a GPU is called only torch knows, which the program that tries them loads.
    return plain_device(options.device) or try_runs(options.device, options.image_size, runs)


def asked_runs(options: Namespace, more: settings.Seeds) -> list[Run]:
    """Every run of the studies, with more seeds of the settings that were asked for more."""
    count = max(options.seeds, BASE_SEEDS, more.get(settings.key_of(BASE), 0))
    base_seeds = range(FIRST_SEED, FIRST_SEED + count)
    return settings.runs_of(STUDIES, BASE, base_seeds, base_seeds[: options.seeds], more)


def hold_against(options: Namespace) -> int:
    """Hold every setting of this sweep against the same one of another."""
    from report.against import write_against  # here: matplotlib takes a second to import

    there = options.against.resolve()
    if there == options.out:
        raise InputError(
            f"--against {options.against} is --out itself; name another sweep's folder"
        )
    print(*write_against(options.out, there, asked_runs(options, {})), sep="\n")
    return 0


if __name__ == "__main__":
    run_program(main)
