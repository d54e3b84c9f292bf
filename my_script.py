"""The studies: train and test every setting, one program each, then write the report.

    python my_script.py

Starts train.py and test.py for each setting below, several at once, and leaves curves,
accuracies and result/report.html. What is finished is never done again: the same command
goes on after a stop.
"""

from console.errors import InputError, before_imports, run_program

if __name__ == "__main__":
    before_imports()

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from console.options import filled, one_of, parse, path, precision, whole_number
from console.progress import Progress, duration
from images.sources import fill_data_defaults
from records.files import remove_abandoned
from records.lock import locked, remove_abandoned_locks
from records.places import refuse_among_images
from records.runs import identity
from records.sources import PROJECT, changed_since_read, hand_over_code, sources
from report.comparison import SMALL
from report.live import LiveReport
from studies import former, lines, plan, settings
from studies.children import Children, command, default_jobs, plain_device, try_out

if TYPE_CHECKING:
    from dataset import Data
    from report.findings import Answer

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
LOCK = ".lock"  # in result/: held while this program works there
REPORT_SECONDS = 120  # while runs go on, the report is written no more often than this


def main() -> int:
    options = parse_options()
    handed_code = hand_over_code()  # all that decides is read once, here
    settings.check_written_once(PROJECT / "my_script.py")
    settings.check_seeds(FIRST_SEED, BASE_SEEDS)
    settings.check_studies(STUDIES, BASE)
    runs = all_runs(options.out, options.seeds)
    if options.against:
        return hold_against(options, runs)
    show_start(options)
    import dataset  # here: numpy and Pillow take time, and --help needs none

    data = dataset.load_data(*options.images)
    if options.until:
        return go_on(options, data, handed_code)
    return sweep(options, data, handed_code, runs)


class Work(NamedTuple):
    """What this call is about: runs that are asked for, and the trainings they come to.

    `others` are runs whose files may be reused; `identity_of` gives the identity of a training
    from its settings.
    """

    runs: list[settings.Run]
    asked_for: list[settings.Run]
    others: list[settings.Run]
    chains: list[list[plan.Training]]
    device: str
    identity_of: Callable[[dict], dict]

    @property
    def trainings(self) -> list[plan.Training]:
        return [training for chain in self.chains for training in chain]


def sweep(
    options: Namespace, data: "Data", handed_code: dict[str, str], runs: list[settings.Run]
) -> int:
    """Do what is left of these runs, or what else was asked for, and report on them."""
    work = find_work(options, data, runs)
    children = prepare_children(options, data, handed_code, work)
    report = partial(report_on, options.out, runs, data, work.identity_of, close=close_of(options))
    if options.line:
        return run_line(options, children)
    if options.collect:
        return collect(options, work, report)
    if plan.epochs_of(work.trainings) and (work.device == "cpu" or options.dry_run):
        try_out("cpu", options.image_size, work.asked_for)
    show_plan(options, data, work, children)
    if options.dry_run:
        for chain in filter(lines.is_left, children.chains):
            print(lines.line_of(chain, work.identity_of, options, work.device))
        return 0
    return do_work(options, data, work, children, report)


def find_work(options: Namespace, data: "Data", runs: list[settings.Run]) -> Work:
    """Look up what is finished of these runs; with --line, of its chain alone."""
    studies = (settings.BASE_STUDY, *(options.studies or STUDIES))
    asked_for = [run for run in runs if run.study in studies]
    others = runs + runs_elsewhere(options)
    left = former.former_runs(options.out, others)
    goes_on = plan.are_longer_going_on(PROJECT / "train.py")
    chains = plan.make_plan(asked_for, others, left, goes_on)
    device = choose_device(options, asked_for)
    identity_of = identity_on(device, data)
    if options.line:
        chains = [lines.find(options.line, chains, identity_of)]
    work = Work(runs, asked_for, others, chains, device, identity_of)
    for training in work.trainings:
        plan.look_up(training, identity_of(training.settings), data.digest, options.fresh)
    return work


def prepare_children(
    options: Namespace, data: "Data", handed_code: dict[str, str], work: Work
) -> Children:
    """The programs to be started, those with most epochs first, so that they end together."""
    from dataset import hand_over

    handed_images = hand_over(data, options.image_size, options.skip_bad_images)
    return Children(
        chains=sorted(work.chains, key=plan.epochs_of, reverse=True),
        command_for=partial(command, options=options, device=work.device),
        jobs=options.jobs or default_jobs(work.device),
        environment=handed_code | handed_images,
    )


def show_plan(options: Namespace, data: "Data", work: Work, children: Children) -> None:
    """Say what images there are and what is to be done; a dry run keeps standard output clean."""
    from dataset import describe

    screen = sys.stderr if options.dry_run else sys.stdout
    planned = plan.describe_plan(work.trainings, work.asked_for, children.jobs)
    print(describe(data), f"results: {options.out / 'result'}", sep="\n", file=screen)
    print(planned + children.time_left(), file=screen)
    for line in former.describe_stale(work.trainings, options.out):
        print(line, file=screen)
    screen.flush()


def do_work(
    options: Namespace, data: "Data", work: Work, children: Children, report: Callable
) -> int:
    """Run what is left, alone in the results folder; say if the images changed meanwhile."""
    from dataset import has_changed

    is_anything_left = any(map(lines.is_left, work.chains))
    with locked(options.out / "result" / LOCK):
        folders = settings.folders_of(options.out, work.others)
        remove_abandoned(folders)
        remove_abandoned_locks(folders)
        former.set_aside(work.trainings, options.out)
        status = run_all(children, work.trainings, report)
    if is_anything_left and has_changed(data, *options.images):
        kept = "the results are of those that were there when it started"
        print(f"the images changed while this ran: {kept}; run it again for the new ones")
        return 1
    return status


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    seeds = f"how often every setting is trained; the base {BASE_SEEDS} times or more"
    options = parse(
        "Train and test every setting of the studies, then write the report.",
        *("data", "image_size", "skip_bad_images", "device", "fresh"),
        studies=([one_of(STUDIES)], None, f"studies to do (default: {' '.join(STUDIES)})"),
        out=(path, PROJECT, "where result/ and weights/ go; one folder per data set"),
        seeds=(whole_number(1, settings.MOST_SEEDS), 1, seeds),
        until=(precision, None, "seeds until settings are known to so many points (default: off)"),
        jobs=(whole_number(1), None, "trainings at once (default: one per core; 1 on a GPU)"),
        dry_run=(bool, False, "print the plan, and on standard output lines for a scheduler"),
        line=(filled, None, "the work to do of what --dry_run printed (default: all of it)"),
        collect=(bool, False, "only report on what is there; status 1 if runs are missing"),
        against=(path, None, "compare with this other --out, train nothing (default: none)"),
    )
    if options.dry_run + options.collect + bool(options.line) > 1:
        raise InputError("--dry_run, --line and --collect exclude one another; name one of them")
    if options.until and (options.seeds > 1 or options.fresh or options.against):
        raise InputError("--until decides on the seeds: leave out --seeds, --fresh and --against")
    fill_data_defaults(options)
    refuse_among_images(options.data, out=options.out)
    options.out = options.out.resolve()
    return options


def show_start(options: Namespace) -> None:
    """Say at once where the report will be, and that images are looked at, which may take long."""
    progress = Progress()
    if not (options.dry_run or options.line or options.collect):
        progress.say(f"report: {options.out / 'result' / 'report.html'}, also while runs go on")
    progress.show(f"looking at the images: {options.data}")


def all_runs(out: Path, seeds: int) -> list[settings.Run]:
    """Every run of the studies with so many seeds, and of the base with at least BASE_SEEDS."""
    base_seeds = range(FIRST_SEED, FIRST_SEED + max(seeds, BASE_SEEDS))
    return settings.all_runs(STUDIES, BASE, base_seeds, out, base_seeds[:seeds])


def runs_elsewhere(options: Namespace) -> list[settings.Run]:
    """Runs of the first seed in the folders of calls with one seed, or with several.

    One seed has folders without its number, several have them with it.
    """
    are_numbered = options.seeds > 1 or options.until
    runs = all_runs(options.out, 1 if are_numbered else 2)
    return [run for run in runs if run.settings["seed"] == FIRST_SEED]


def choose_device(options: Namespace, runs: list[settings.Run]) -> str:
    """The device to compute on; one that is named is taken at its word where nothing is trained.

    InputError if it cannot be used, or the network or a loss cannot be on it.
    """
    elsewhere = options.dry_run or options.line or options.collect
    if elsewhere and options.device != "auto":
        return options.device
    return plain_device(options.device) or try_out(options.device, options.image_size, runs)


def hold_against(options: Namespace, runs: list[settings.Run]) -> int:
    """Hold every setting of this sweep against the same one of another."""
    from report.against import write_against  # here: matplotlib takes a second to import

    other = options.against.resolve()
    print(*write_against(options.out, runs, other, all_runs(other, options.seeds)), sep="\n")
    return 0


def identity_on(device: str, data: "Data") -> Callable[[dict], dict]:
    """What gives the identity of a training from its settings."""
    computed_on = {"device": device.split(":")[0], "threads": 1}
    return partial(identity, images=data.digest, code=sources("train.py"), **computed_on)


def close_of(options: Namespace) -> float:
    """The difference, a share, up to which settings are alike."""
    return options.until / 100 if options.until else SMALL


def go_on(options: Namespace, data: "Data", handed_code: dict[str, str]) -> int:
    """--until: rounds of one more seed for every setting that is open, up to rounds.MOST."""
    from report import page, rounds  # here: matplotlib takes a second to import
    from report.findings import make_answer
    from report.results import read_results, settings_of

    check_precision(options.until, len(data.splits["test"]))
    seeds = {settings.key_of(BASE): BASE_SEEDS}
    every_run = runs_of_rounds(options, rounds.MOST)
    is_reported = False
    while seeds:
        runs = rounds.runs_of(every_run, seeds, FIRST_SEED)
        identity_of = identity_on(choose_device(options, runs), data)
        results = read_results(runs, identity_of, data.digest)
        if len(results) < len(runs):
            status = sweep(options, data, handed_code, runs)
            if status or options.dry_run or options.line or options.collect:
                return status
            is_reported = True
            results = read_results(runs, identity_of, data.digest)
        answer = make_answer(settings_of(results), page.chance_of(data), close_of(options))
        seeds = rounds.next_seeds(answer, seeds)
        if seeds:
            print(describe_round(answer, seeds, options.until), flush=True)
    return 0 if is_reported else sweep(options, data, handed_code, runs)


def check_precision(points: float, images: int) -> None:
    """Refuse a precision that so few test images cannot give."""
    if 100 / images > points:
        one = f"the {images} test images change by {100 / images:.3g} points with each one"
        raise InputError(f"--until {points:g}: {one}; ask for as much, or take more test images")


def runs_of_rounds(options: Namespace, most: int) -> list[settings.Run]:
    """All runs that rounds may come to, of the studies that are asked for."""
    base_seeds = range(FIRST_SEED, FIRST_SEED + BASE_SEEDS + most - 1)
    runs = settings.all_runs(STUDIES, BASE, base_seeds, options.out, base_seeds[:most])
    studies = (settings.BASE_STUDY, *(options.studies or STUDIES))
    return [run for run in runs if run.study in studies]


def describe_round(answer: "Answer", seeds: dict[tuple, int], points: float) -> str:
    """Say what the next round is for, and if the precision is out of reach."""
    from report.comparison import OPEN
    from report.rounds import MOST, reach

    still_open = sum(row.verdict == OPEN for row in answer.rows.values())
    number = seeds[answer.base.key] - BASE_SEEDS + 1
    still_open = plan.counted(still_open, "setting")
    line = f"round {number}: still open: {still_open}; a seed more for each and the base"
    best = 100 * reach(answer.pool, BASE_SEEDS, len(answer.rows))
    if best > points:
        line += f"; at this noise {MOST} seeds tell differences only to within {best:.1f} points"
    return line


def report_on(*arguments: object, close: float) -> list[str]:
    """Write the report; the answer's sentences."""
    from report.page import write_report  # here: matplotlib takes a second to import

    return write_report(*arguments, close=close)


def collect(options: Namespace, work: Work, report: Callable) -> int:
    """Copy what is finished to every run that shares it, report, and name what is missing."""
    former.set_aside([each for each in work.trainings if each.is_finished], options.out)
    missing = []
    for training in work.trainings:
        plan.deliver(training)
        if training.runs and not training.is_finished:
            missing.append(f"MISSING {training.names}: {plan.describe_training(training)}")
    print(*report(0, []), *missing, sep="\n")
    return 1 if missing else 0


def run_line(options: Namespace, children: Children) -> int:
    """Do one line of a dry run: a chain of trainings and their tests, one after the other."""
    [chain], folder = children.chains, options.out / "result"
    for training in chain:
        if training.runs:
            print(f"{training.names}: {plan.describe_training(training)}")
    if not lines.is_left(chain):
        return 0
    with locked(folder / LOCK, shared=True), locked(folder / f"{LOCK}-{options.line}"):
        former.set_aside(chain, options.out)
        return run_all(children, chain, report=lambda *_: [])


def run_all(children: Children, trainings: list[plan.Training], report: Callable) -> int:
    """Do what is left, write the report as runs finish, say how it went.

    `report` takes the number of trainings to be done and the names of what failed, and gives
    the answer.
    """
    started = time.monotonic()
    progress, failed = Progress(), {}
    asked = [training for training in trainings if training.runs]

    def count_open() -> int:
        return sum(not training.is_finished for training in asked)

    try:
        for training in asked:
            plan.deliver(training)
            former.remove_superseded(training)
        live = LiveReport(report, REPORT_SECONDS)
        with live, closing(children.run(progress)) as ended:
            if count_open():
                live.update(count_open(), [])
            for child in ended:
                training = child.training
                if child.has_failed:
                    how = child.failure()
                    failed[training.names] = f"FAILED {training.names}: {how}, log: {child.log}"
                    progress.say("\n    ".join([failed[training.names], *child.last_lines()]))
                if training.is_finished:
                    plan.deliver(training)
                    former.remove_superseded(training)
                    accuracy = (training.main_run.result / "acc.txt").read_text().splitlines()[0]
                    left = f"{plan.count_done(asked)} done{children.time_left()}"
                    progress.say(f"{training.names}  {accuracy}  ({left})")
                live.update(count_open(), list(failed))
    except BaseException:  # Ctrl-C, a full disk: nothing is under way any more
        place = report(0, list(failed))[-1:]  # none of a single line of a dry run
        progress.say("; ".join([f"{plan.count_done(asked)} done", *place]))
        raise
    answer = report(0, list(failed))
    print(*answer, f"done in {duration(time.monotonic() - started)}", *failed.values(), sep="\n")
    if changed := changed_since_read():
        print(plan.describe_versions(asked, changed))
    return 1 if failed else 0


if __name__ == "__main__":
    run_program(main)
