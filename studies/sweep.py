"""One call of my_script.py: find out what is left of its runs, do it, and report as they finish.

    status = run_sweep(sweep, runs)

It trains and tests here, prints lines for a scheduler, does one such line, or only collects.
"""

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TextIO

from console.progress import Progress, duration
from records.files import remove_abandoned
from records.lock import locked, remove_abandoned_locks
from records.runs import identity
from records.sources import PROJECT, changed_since_read
from studies import former, lines, plan
from studies.children import Child, Children, command, default_jobs, try_out
from studies.live import LiveReport
from studies.plan import Training
from studies.settings import Run, folders_of

if TYPE_CHECKING:
    from dataset import Data

LOCK = ".lock"  # in result/: held while this program works there
REPORT_SECONDS = 120  # while runs go on, the report is written no more often than this

# Writes the report, given the number of trainings to be done and the names of what failed; the
# answer.
WriteReport = Callable[[int, list[str]], list[str]]


@dataclass(frozen=True)
class Sweep:
    """What a call has to go by, whichever runs it is about.

    `studies` are the names of those that are asked for. `reusable` are runs of other calls whose
    files may serve. `code` is what decides a training beside its settings, `handed_code` tells
    the children what their sources mean. `report` takes this, the runs, the number of trainings to
    be done and the names of what failed, and gives the answer.
    """

    options: Namespace
    data: "Data"
    device: str
    studies: list[str]
    reusable: list[Run]
    code: dict
    handed_code: dict[str, str]
    report: Callable[["Sweep", list[Run], int, list[str]], list[str]]

    def identity_of(self, settings: dict) -> dict:
        """The identity of a training with these settings, here and now."""
        return identity(
            settings,
            images=self.data.digest,
            code=self.code,
            device=self.device.split(":")[0],
            threads=1,
        )


def trains_here(options: Namespace) -> bool:
    """Whether a call is to train all that is left, not a part of it or nothing."""
    return not (options.dry_run or options.line or options.collect)


def run_sweep(sweep: Sweep, runs: list[Run]) -> int:
    """Do what is left of these runs, in the studies that are asked for; the exit status."""
    options = sweep.options
    requested = [run for run in runs if run.study in sweep.studies]
    if len(requested) > plan.MANY:
        print(plan.describe_price(requested), file=screen_of(options), flush=True)
    chains = plan_chains(sweep, requested, runs + sweep.reusable)
    trainings = []
    for chain in chains:
        trainings += chain
    report = partial(sweep.report, sweep, runs)
    if options.line:
        return run_line(sweep, chains)
    if options.collect:
        return collect(sweep, trainings, report)
    if plan.epochs_of(trainings) and (sweep.device == "cpu" or options.dry_run):
        try_out("cpu", options.image_size, requested)
    children = prepare_children(sweep, chains)
    show_plan(sweep, requested, trainings, children)
    if options.dry_run:
        print_lines(sweep, children.chains)
        return 0
    return train_and_test(sweep, trainings, children, report)


# --- what is left ----------------------------------------------------------------------------


def plan_chains(sweep: Sweep, requested: list[Run], reusable: list[Run]) -> list[list[Training]]:
    """The trainings of the requested runs and how they stand; with --line, of its chain alone."""
    options = sweep.options
    left_behind = former.former_runs(options.out, reusable)
    goes_on = plan.are_longer_going_on(PROJECT / "train.py")
    chains = plan.make_plan(requested, reusable, left_behind, goes_on)
    if options.line:
        chains = [lines.find(options.line, chains, sweep.identity_of)]
    for chain in chains:
        for training in chain:
            identity_now = sweep.identity_of(training.settings)
            plan.look_up(training, identity_now, sweep.data.digest, options.fresh)
    return chains


def prepare_children(sweep: Sweep, chains: list[list[Training]]) -> Children:
    """The programs to be started, those with most epochs first, so that they end together."""
    from dataset import hand_over

    options = sweep.options
    handed_images = hand_over(sweep.data, *options.images[1:])
    return Children(
        chains=sorted(chains, key=plan.epochs_of, reverse=True),
        command_for=partial(command, options=options, device=sweep.device),
        jobs=options.jobs or default_jobs(sweep.device),
        environment=sweep.handed_code | handed_images,
    )


def show_plan(
    sweep: Sweep, requested: list[Run], trainings: list[Training], children: Children
) -> None:
    """Say what images there are and what is to be done; a dry run keeps standard output clean."""
    from dataset import describe

    out = sweep.options.out
    planned = plan.describe_plan(trainings, requested, children.jobs)
    lines_to_show = [describe(sweep.data), f"results: {out / 'result'}"]
    lines_to_show.append(f"{planned}{children.time_left()}")
    lines_to_show += former.describe_stale(trainings, out)
    lines_to_show += former.describe_left_out(trainings, out)
    print("\n".join(lines_to_show), file=screen_of(sweep.options), flush=True)


def screen_of(options: Namespace) -> TextIO:
    """Where the plan is shown: standard output of a dry run holds lines for a scheduler alone."""
    if options.dry_run:
        return sys.stderr
    return sys.stdout


def print_lines(sweep: Sweep, chains: list[list[Training]]) -> None:
    """Print a line for a scheduler for each chain in which something is left."""
    for chain in chains:
        if lines.is_to_do(chain):
            print(lines.line_of(chain, sweep.identity_of, sweep.options, sweep.device))


# --- doing it --------------------------------------------------------------------------------


def train_and_test(
    sweep: Sweep, trainings: list[Training], children: Children, report: WriteReport
) -> int:
    """Run what is left, alone in the results folder; say if the images changed meanwhile."""
    from dataset import has_changed

    out = sweep.options.out
    was_anything_to_do = any(lines.is_to_do(chain) for chain in children.chains)
    with locked(out / "result" / LOCK):
        remove_leftovers(sweep, trainings)
        former.set_aside(trainings, out)
        status = run_all(children, trainings, report)
    if was_anything_to_do and has_changed(sweep.data, *sweep.options.images):
        kept = "the results are of those that were there when it started"
        print(f"the images changed while this ran: {kept}; run it again for the new ones")
        return 1
    return status


def remove_leftovers(sweep: Sweep, trainings: list[Training]) -> None:
    """Remove what killed programs left where this sweep writes."""
    runs: list[Run] = []
    for training in trainings:
        runs += training.runs + training.elsewhere
    folders = folders_of(sweep.options.out, runs)
    remove_abandoned(folders)
    remove_abandoned_locks(folders)


def run_line(sweep: Sweep, chains: list[list[Training]]) -> int:
    """Do one line of a dry run: a chain of trainings and their tests, one after the other."""
    chain = chains[0]  # the only one
    for training in chain:
        if training.runs:
            print(f"{training.names}: {plan.describe_training(training)}")
    if not lines.is_to_do(chain):
        return 0
    folder = sweep.options.out / "result"
    lock_of_line = folder / f"{LOCK}-{sweep.options.line}"
    with locked(folder / LOCK, shared=True), locked(lock_of_line):
        former.set_aside(chain, sweep.options.out)
        return run_all(prepare_children(sweep, chains), chain, report=no_report)


def no_report(_open: int, _failed: list[str]) -> list[str]:
    """What a single line reports: nothing, since other lines may be under way."""
    return []


def collect(sweep: Sweep, trainings: list[Training], report: WriteReport) -> int:
    """Copy what is finished to every run that shares it, report, and name what is missing."""
    finished = [training for training in trainings if training.is_finished]
    former.set_aside(finished, sweep.options.out)
    missing = []
    for training in trainings:
        plan.deliver(training)
        if training.runs and not training.is_finished:
            missing.append(f"MISSING {training.names}: {plan.describe_training(training)}")
    page = sweep.options.out / "result" / "report.html"
    if finished or not page.exists():
        said = report(0, [])
    else:
        said = [f"nothing is finished of what is asked for now: {page} is left as it was"]
    print("\n".join(said + missing))
    if missing:
        return 1
    return 0


def run_all(children: Children, trainings: list[Training], report: WriteReport) -> int:
    """Do what is left, write the report as runs finish, say how it went; the exit status."""
    started = time.monotonic()
    requested = [training for training in trainings if training.runs]
    failures: dict[str, str] = {}
    progress = Progress()
    try:
        for training in requested:
            deliver_finished(training)
        with LiveReport(report, REPORT_SECONDS) as live, closing(children.run(progress)) as ended:
            if count_open(requested):
                live.update(count_open(requested), [])
            for child in ended:
                note_end(child, failures, progress)
                if child.training.is_finished:
                    deliver_finished(child.training)
                    progress.say(describe_finished(child, requested, children))
                live.update(count_open(requested), list(failures))
    except BaseException:  # Ctrl-C, a full disk: nothing is under way any more
        parts = [f"{plan.count_done(requested)} done"]
        parts += report(0, list(failures))[-1:]  # where it is; none of a single line of a dry run
        progress.say("; ".join(parts))
        raise
    for sentence in report(0, list(failures)):
        print(sentence)
    print(f"done in {duration(time.monotonic() - started)}")
    return show_faults(requested, failures)


def show_faults(requested: list[Training], failures: dict[str, str]) -> int:
    """Say what failed, and what is not as it was when it was done; the exit status."""
    lost = plan.lost_runs(requested)
    for fault in [*failures.values(), *lost]:
        print(fault)
    changed = changed_since_read()
    if changed:
        print(plan.describe_versions(requested, changed))
    if failures or lost:
        return 1
    return 0


def count_open(trainings: list[Training]) -> int:
    """How many of some trainings are not finished."""
    return sum(not training.is_finished for training in trainings)


def deliver_finished(training: Training) -> None:
    """Give a finished training's files to all runs that share it, and drop what they replace."""
    plan.deliver(training)
    former.remove_superseded(training)


def note_end(child: Child, failures: dict[str, str], progress: Progress) -> None:
    """Note and say it if a program that has ended failed."""
    if child.has_failed:
        names = child.training.names
        failures[names] = f"FAILED {names}: {child.failure()}, log: {child.log}"
        lines_to_say = [failures[names]]
        lines_to_say += child.last_lines()
        progress.say("\n    ".join(lines_to_say))


def describe_finished(child: Child, requested: list[Training], children: Children) -> str:
    """Say what a finished training came to, and how far the sweep has come."""
    training = child.training
    accuracies = (training.main_run.result / "acc.txt").read_text().splitlines()
    so_far = f"{plan.count_done(requested)} done{children.time_left()}"
    return f"{training.names}  {accuracies[0]}  ({so_far})"
