"""The studies: train and test every setting, one program each, then write the report.

    python my_script.py

Starts train.py and test.py for each setting below, several at once, and leaves curves,
accuracies and result/report.html. What is finished is never done again: the same command
goes on after a stop.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from dataset import Data, describe, load_data
from options import (
    Parser,
    add_data_options,
    add_device_options,
    add_size_option,
    fill_data_defaults,
    loss_name,
    place,
    positive_float,
    whole_number,
)
from plan import (
    Training,
    all_runs,
    check_studies,
    deliver,
    look_up_all,
    make_plan,
    remove_spent_checkpoints,
)
from report import Report
from runs import PROJECT, InputError, identity, run_program
from screen import Progress, duration
from sources import BUILT_IN
from sweep import Sweep, shell_line

BASE = {
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.01,
    "loss_function": "CrossEntropyLoss",
}
STUDIES = {  # folder name: (what it changes, the values)
    "Change_epochs": ("epochs", [20, 40, 80]),
    "Change_batch_size": ("batch_size", [16, 32, 64, 128]),
    "Change_learning_rate": ("learning_rate", [0.001, 0.01, 0.1]),
    "Change_loss_function": (
        "loss_function",
        ["CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss"],
    ),
}
MOST_SEEDS = 16  # the exact permutation test looks at 2^seeds cases
READERS = {  # what may be changed, and how train.py reads it
    "epochs": whole_number,
    "batch_size": whole_number,
    "learning_rate": positive_float,
    "loss_function": loss_name,
}


def main() -> int:
    options = parse_options()
    check_studies(STUDIES, BASE, READERS)
    device = resolve_device(options.device)
    data = load_data(
        options.data, options.image_size, options.skip_bad_images, options.download_folder
    )
    chains = make_plan(STUDIES, BASE, options.out, options.seeds, options.studies)

    def wanted_for(settings: dict) -> dict:
        return identity(settings, data.digest, device.split(":")[0], 1, options.precision)

    look_up_all(chains, wanted_for, data.digest, options.fresh)

    def command_for(training: Training, program: str) -> list[str]:
        return command(training, program, options, device)

    jobs = options.jobs or default_jobs(device)
    screen = sys.stderr if options.dry_run else sys.stdout
    print(plan_text(chains, data, options, jobs), file=screen, flush=True)
    if options.dry_run:
        lines = [shell_line(chain, command_for) for chain in in_order(chains, jobs)]
        print("\n".join(line for line in lines if line))
        return 0
    report = Report(options.out, BASE, STUDIES, options.seeds, data, wanted_for)
    return run_all(chains, command_for, jobs, options, report)


def parse_options() -> argparse.Namespace:
    """Read the command line; InputError if it is wrong."""
    parser = Parser("Train and test every setting of the studies, then write the report.")
    add = parser.add_argument
    add("--studies", nargs="+", choices=STUDIES, metavar="NAME",
        help=f"studies to do: {', '.join(STUDIES)} (default: all)")  # fmt: skip
    add("--out", type=place, default=PROJECT, metavar="FOLDER",
        help="where result/ and weights/ go; keep one folder per data set")  # fmt: skip
    add("--seeds", type=partial(whole_number, most=MOST_SEEDS), default=1, metavar="N",
        help=f"train every setting with seeds 0 to N-1, up to {MOST_SEEDS}")  # fmt: skip
    add("--jobs", type=whole_number, metavar="N",
        help="trainings at once, one thread each (default: one per core; 1 on a GPU)")  # fmt: skip
    add("--dry_run", action="store_true",
        help="print the plan, and the commands alone on standard output, then stop")  # fmt: skip
    add("--fresh", action="store_true", help="train again even where a run could be reused")
    add("--stop_on_failure", action="store_true", help="stop all runs when one fails")
    add_data_options(parser)
    add_size_option(parser)
    add_device_options(parser)
    options = parser.parse_args()
    fill_data_defaults(options)
    options.studies = options.studies or list(STUDIES)
    options.out = options.out.resolve()
    existing = next((path for path in (options.out, *options.out.parents) if path.exists()), None)
    if existing and not existing.is_dir():
        parser.error(f"argument --out: {existing} is a file; name a folder")
    options.download_folder = options.download_folder.resolve()
    return options


def resolve_device(name: str) -> str:
    """Name the device that the trainings will use, without importing torch for a CPU."""
    if name == "cpu" or (name == "auto" and not shutil.which("nvidia-smi")):
        return "cpu"
    question = "import sys; from batches import choose_device; print(choose_device(sys.argv[1]))"
    answer = subprocess.run(
        [sys.executable, "-c", question, name], cwd=PROJECT, capture_output=True, text=True
    )
    if answer.returncode:
        reason = answer.stderr.strip().split("\n")[-1].removeprefix("runs.InputError: ")
        raise InputError(reason or f"--device {name} cannot be used; try --device cpu")
    return answer.stdout.strip()


def default_jobs(device: str) -> int:
    """One training per core that this program may use; one at a time on a GPU."""
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def command(
    training: Training, program: str, options: argparse.Namespace, device: str
) -> list[str]:
    """The argument list that does one step of one training, runnable from any folder."""
    home = training.home
    data = options.data if options.data in BUILT_IN else str(Path(options.data).resolve())
    line = [sys.executable, str(PROJECT / f"{program}.py"), "--data", data]
    line += ["--download_folder", str(options.download_folder)]
    line += ["--weight_path", str(home.weight), "--img_path", str(home.result)]
    line += ["--device", device, "--precision", options.precision]
    line += ["--skip_bad_images"] if options.skip_bad_images else []
    if program == "train":
        line += ["--image_size", str(options.image_size)]
        for name, value in training.settings.items():
            line += [f"--{name}", str(value)]
        line += ["--fresh"] if options.fresh else []
        if training.shorter and (training.shorter.runs or not options.fresh):
            line += ["--start_from", str(training.shorter.checkpoint)]
    return line


def in_order(chains: list[list[Training]], jobs: int) -> list[list[Training]]:
    """The order of the runs: as planned one by one, else the longest first, to end together."""
    if jobs == 1:
        return chains
    return sorted(chains, key=lambda chain: -sum(own.epochs_to_do for own in chain if own.runs))


def plan_text(
    chains: list[list[Training]], data: Data, options: argparse.Namespace, jobs: int
) -> str:
    """Say what is going to be done, with which images, and where the results go."""
    asked = [training for chain in chains for training in chain if training.runs]
    runs = {run.name: training for training in asked for run in training.runs}
    to_do = [training for training in asked if not training.finished]
    lines = [describe(data), f"results: {options.out / 'result'}", "settings:"]
    for run in all_runs(STUDIES, BASE, options.out, options.seeds):
        if run.name in runs:
            lines.append(f"  {run.name:42} {plan_of(run, runs[run.name])}")
    epochs_asked = sum(training.settings["epochs"] for training in runs.values())
    epochs_to_do = sum(training.epochs_to_do for training in asked)
    lines.append(
        f"asked for: {len(runs)} trainings, {epochs_asked} epochs; to be done: "
        f"{sum(bool(training.why_train) for training in to_do)} trainings, {epochs_to_do} epochs, "
        f"{len(to_do)} tests; {jobs} at once"
    )
    return "\n".join(lines)


def plan_of(run: object, training: Training) -> str:
    """Say of one run what is to be done and why, or why nothing is."""
    if training.finished:
        where = "" if training.home == run else f", in {training.home.name}"
        return f"done{where}"
    if training.home != run and run != training.runs[0]:
        return f"the same training as {training.runs[0].name}"
    if not training.why_train:
        return f"to test: {training.why_test}"
    saved = training.settings["epochs"] - training.epochs_to_do
    goes_on = f", goes on after epoch {saved}" if saved else ""
    return f"to train {training.epochs_to_do} epochs{goes_on}: {training.why_train}"


def run_all(
    chains: list[list[Training]],
    command_for: object,
    jobs: int,
    options: argparse.Namespace,
    report: Report,
) -> int:
    """Do what is left, write results and report after each run, say how it went."""
    started = time.monotonic()
    progress = Progress()
    asked = [training for chain in chains for training in chain if training.runs]
    for chain in chains:
        for training in chain:
            if training.finished:
                deliver(training)
        remove_spent_checkpoints(chain)
    total = sum(len(training.runs) for training in asked)

    def on_finished(training: Training, seconds: float, left: float) -> None:
        deliver(training)
        chain = next(own for own in chains if training in own)
        remove_spent_checkpoints(chain)
        done = sum(len(own.runs) for own in asked if own.finished)
        accuracy = report.accuracy_text(training.runs[0].result)
        rest = f", about {duration(left)} left" if left else ""
        progress.say(f"[{done}/{total}] {training.names}  {accuracy}  in {duration(seconds)}{rest}")
        report.write(open_runs=total - done)

    sweep = Sweep(in_order(chains, jobs), command_for, jobs, progress)
    try:
        report.write(open_runs=sum(len(own.runs) for own in asked if not own.finished))
        sweep.run(on_finished, options.stop_on_failure)
    finally:  # also after Ctrl-C: nothing is under way any more
        failed = [child.training.names for child in sweep.failed]
        report.write(open_runs=0, failed_runs=failed)
    print(report.table())
    print(f"report: {report.path}, after {duration(time.monotonic() - started)}")
    for child in sweep.failed:
        print(f"FAILED {child.training.names}: {child.program}.py, log: {child.log}")
    return 1 if failed else 0


if __name__ == "__main__":
    run_program(main)
