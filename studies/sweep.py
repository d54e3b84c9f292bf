"""One call of my_script.py once it is planned: show it, do what is left, report as runs finish.

    show_plan(sweep, chains, sys.stdout, more=0)
    ended = train_and_test(sweep, chains)

It trains and tests here, prints lines for a scheduler, only collects, or tidies the store.
"""

import shlex
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from console.progress import Progress
from records.files import remove_abandoned
from records.lock import locked, remove_abandoned_locks
from studies import plan, store, view, words
from studies.children import Child, Children, Step, time_left
from studies.plan import Conditions, Plan, Training
from studies.settings import RUNS, Run

if TYPE_CHECKING:
    from dataset import Data

LOCK = ".lock"  # in result/: held while this program works there
REPORT_SECONDS = 120  # while runs go on, the report is written no more often than this

# Writes the report of what is finished, given the trainings, how many are to be done, and the
# names of what failed; the answer's sentences.
WriteReport = Callable[[list[Training], int, list[str]], list[str]]


@dataclass(frozen=True)
class Sweep:
    """What a call is about.

    `runs` are those of all studies, `plan` says how their trainings stand. `images` is what
    load_data took for `data`, `report` writes the report.
    """

    out: Path
    images: tuple[str, int, bool, bool]
    data: "Data"
    conditions: Conditions
    runs: list[Run]
    plan: Plan
    jobs: int
    report: WriteReport

    @property
    def requested_runs(self) -> list[Run]:
        """The runs of the trainings that this call is to do, in the order of the studies."""
        keys = {plan.training_key(training.settings) for training in self.plan.requested}
        return [run for run in self.runs if plan.training_key(run.settings) in keys]

    @property
    def lock(self) -> Path:
        return self.out / "result" / LOCK


# --- what is left ----------------------------------------------------------------------------


class Ended(NamedTuple):
    """How a call ended: its exit status, and the answer's sentences, if there is an answer."""

    status: int
    answer: list[str]


def show_plan(sweep: Sweep, chains: list[list[Step]], screen: TextIO, more: int) -> None:
    """Say what is to be done, and what the store holds besides.

    There may be `more` trainings, of settings that seem to differ.
    """
    described = words.describe_plan(sweep.plan, sweep.runs, sweep.jobs)
    left = time_left(sweep.plan.requested, sweep.jobs, chains)
    lines = [f"{described}{left}"]
    if more:
        trainings = words.counted(more, "more training")
        lines.append(f"and up to {trainings} of settings that seem to differ, to confirm it")
    lines += store.describe_kept(sweep.out, sweep.plan.unasked)
    print("\n".join(lines), file=screen, flush=True)


def print_lines(chains: list[list[Step]]) -> None:
    """Print a line for a POSIX shell for each chain, complete in itself."""
    for chain in chains:
        words = [f"OMP_NUM_THREADS=1 {shlex.join(step.command)}" for step in chain]
        print(" && ".join(words))


def tidy(sweep: Sweep) -> Ended:
    """Remove from the store what is not asked for and no program works on."""
    with locked(sweep.lock):
        for name in sweep.plan.unasked:
            if store.remove(sweep.out, name):
                print(f"removed {name}")
            else:
                print(f"left {name}: a program is at work on it")
        store.remove_other_sources(sweep.out, sweep.conditions.code)
    if not sweep.plan.unasked:
        print("nothing to remove: every training in the store is asked for")
    return Ended(0, [])


# --- doing it --------------------------------------------------------------------------------


def train_and_test(sweep: Sweep, chains: list[list[Step]]) -> Ended:
    """Do what is left, alone in the results folder; say if the images changed meanwhile."""
    from dataset import hand_over, has_changed

    chains = longest_first(chains)
    with locked(sweep.lock):
        view.claim(sweep.out, view.all_places(sweep.runs))
        store.keep_sources(sweep.out, sweep.conditions.code)
        remove_leftovers(sweep)
        handed_images = hand_over(sweep.data, *sweep.images[1:])
        requested = sweep.plan.requested
        children = Children(chains, requested, sweep.conditions, sweep.jobs, handed_images)
        ended = watch(sweep, children)
    if chains and has_changed(sweep.data, *sweep.images):
        unasked = "the results are of those that were there when it started"
        changed = f"the images changed while this ran: {unasked}; run it again for the new ones"
        return Ended(1, [*ended.answer, changed])
    return ended


def longest_first(chains: list[list[Step]]) -> list[list[Step]]:
    """Chains with most epochs first, so that they end together."""

    def epochs(chain: list[Step]) -> int:
        return sum(step.training.epochs_to_do for step in chain if step.program == "train")

    return sorted(chains, key=epochs, reverse=True)


def remove_leftovers(sweep: Sweep) -> None:
    """Remove what killed programs left where this sweep writes."""
    results = sweep.out / "result"
    folders = {results, results / RUNS, sweep.out / "weights"}
    for training in sweep.plan.trainings:
        folders |= set(store.folders_of(sweep.out, training.name))
    for run in sweep.runs:
        folders |= {results / run.name, results / run.study, sweep.out / "weights" / run.name}
    remove_abandoned(sorted(folders))
    remove_abandoned_locks(sorted(folders))


def watch(sweep: Sweep, children: Children) -> Ended:
    """Run the children, and write the report as they finish."""
    requested = sweep.plan.requested
    failures: dict[str, str] = {}
    progress = Progress()
    try:
        with closing(children.run(progress)) as children_ended:
            if count_open(requested):
                report_line = report_so_far(sweep, count_open(requested), [])[-1]
                progress.say(f"{report_line}, also while runs go on")
            next_report = time.monotonic() + REPORT_SECONDS
            for child in children_ended:
                say_failure(child, failures, progress)
                if child.training.is_finished:
                    done = f"{so_far(requested)}{children.time_left()}"
                    progress.say(f"{describe_finished(child)}  ({done})")
                if time.monotonic() > next_report:
                    report_so_far(sweep, count_open(requested), list(failures))
                    next_report = time.monotonic() + REPORT_SECONDS
    except BaseException:  # Ctrl-C, a full disk: who stops a program does not wait for pictures
        progress.say(f"{so_far(requested)}; the same command with --collect reports on them")
        raise
    lost = plan.lost_runs(requested, sweep.conditions)
    lines = [*report_so_far(sweep, 0, list(failures)), *failures.values(), *lost]
    return Ended(1 if failures or lost else 0, lines)


def report_so_far(sweep: Sweep, to_do: int, failed: list[str]) -> list[str]:
    """Write the report of what is finished, and the folders of the studies; the answer."""
    said = sweep.report(sweep.plan.trainings, to_do, failed)
    view.write_copies(sweep.out, sweep.plan.trainings)
    view.settle(sweep.out, sweep.plan.trainings, view.all_places(sweep.runs))
    return said


def collect(sweep: Sweep) -> Ended:
    """Report on what is finished, and name what is missing."""
    trainings = sweep.plan.trainings
    page = sweep.out / "result" / "report.html"
    if words.count_finished(trainings) or not page.exists():
        with locked(sweep.lock):
            view.claim(sweep.out, view.all_places(sweep.runs))
            store.keep_sources(sweep.out, sweep.conditions.code)
            remove_leftovers(sweep)
            lines = report_so_far(sweep, 0, [])
    else:
        lines = [f"nothing is finished of what is asked for now: {page} is left as it was"]
    missing = [training for training in sweep.plan.requested if not training.is_finished]
    for training in missing:
        lines.append(f"MISSING {training.names}: {words.describe_training(training)}")
    return Ended(1 if missing else 0, lines)


def count_open(trainings: list[Training]) -> int:
    """How many of some trainings are not finished."""
    return len(trainings) - words.count_finished(trainings)


def say_failure(child: Child, failures: dict[str, str], progress: Progress) -> None:
    """Note and say it if a program that has ended failed."""
    if child.has_failed:
        names = child.training.names
        failures[names] = f"FAILED {names}: {child.failure()}, log: {child.log}"
        progress.say("\n    ".join([failures[names], *child.last_lines()]))


def describe_finished(child: Child) -> str:
    """Say what a finished training came to; all of acc.txt where it tells the larger class."""
    lines = (child.training.place.result / "acc.txt").read_text().splitlines()
    shown = lines if len(lines) > 2 else lines[:1]
    return "  ".join([child.training.names, *shown])


def so_far(trainings: list[Training]) -> str:
    """How far the sweep has come."""
    return f"{words.count_done(trainings)} done"
