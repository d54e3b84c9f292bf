"""Trainings and tests as child programs: several at once, watched until the last has ended.

    Children(chains, command_for, jobs=2, progress=Progress()).run(on_finished)

Every child has one thread, writes to its run's log, and ends when this program does.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from console.errors import STDIN_IS_PARENT, InputError
from console.progress import Progress, duration
from images.sources import BUILT_IN
from records.runs import PROJECT
from studies.plan import Run, Training

# Two trainings of several threads each would wait for one another.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
POLL_SECONDS = 0.1
LAST_LINES = 5  # of a failed run's log that are shown

Step = tuple[Training, str]  # a training, and what to do for it: "train" or "test"
Command = Callable[[Training, str], list[str]]  # the argument list of a step


def steps_of(chain: list[Training]) -> Iterator[Step]:
    """What is left to do in a chain; a failed training is not tested."""
    for training in chain:
        if training.runs and training.why_train:
            yield training, "train"
        if training.runs and training.why_test and not training.why_train:
            yield training, "test"


def shell_line(chain: list[Training], command_for: Command) -> str:
    """A chain's commands as one line for a POSIX shell; empty if nothing is to be done.

    As here, a failed training is not tested, and stops no other.
    """
    threads = ["env", *(f"{name}={value}" for name, value in ONE_THREAD.items())]
    parts = []
    for training in (each for each in chain if each.runs):
        steps = {"train": training.why_train, "test": training.why_test}
        lines = [[*threads, *command_for(training, step)] for step in steps if steps[step]]
        parts.append(" && ".join(map(shlex.join, lines)))
    return "; ".join(filter(None, parts))


@dataclass
class Child:
    """A running program: one step of a chain of trainings, and the steps after it."""

    steps: Iterator[Step]
    training: Training
    program: str
    process: subprocess.Popen
    started: float

    def __str__(self) -> str:
        return f"{self.training.main_run.name} {self.program} {self.epochs_done() or ''}"

    @property
    def log(self) -> Path:
        return self.training.main_run.result / "log.txt"

    def last_lines(self) -> list[str]:
        """The last lines of its log, without reading much of it."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            return file.read().decode(errors="replace").splitlines()[-LAST_LINES:]

    def epochs_done(self) -> int:
        """Epochs that a running training has done in this call, from its log."""
        before = self.training.settings["epochs"] - self.training.epochs_to_do
        numbers = [line.split()[1] for line in self.last_lines() if line.startswith("epoch ")]
        return max(0, int(numbers[-1]) - before) if numbers and self.program == "train" else 0


class Children:
    """Chains of trainings under way, and what has come of them."""

    def __init__(
        self, chains: list[list[Training]], command_for: Command, jobs: int, progress: Progress
    ) -> None:
        self.waiting = [steps_of(chain) for chain in chains]
        self.command_for, self.jobs, self.progress = command_for, jobs, progress
        self.running: list[Child] = []
        self.failed: list[Child] = []
        self.epochs = sum(training.epochs_to_do for chain in chains for training in chain)
        self.epochs_done, self.started = 0, time.monotonic()

    def run(self, on_finished: Callable[[Training], None]) -> None:
        """Run every step, and `on_finished` after each test while the next step runs already.

        `failed` then holds the failed programs. Whatever ends this call ends the children too.
        """
        try:
            while self.waiting or self.running:
                while self.waiting and len(self.running) < self.jobs:
                    self.start_next(self.waiting.pop(0))
                self.show()
                time.sleep(POLL_SECONDS)
                for child in [child for child in self.running if child.process.poll() is not None]:
                    self.settle(child)
                    self.start_next(child.steps)
                    if child.program == "test" and child.training.finished:
                        on_finished(child.training)
        finally:
            for child in self.running:  # they can go on from their checkpoints
                child.process.terminate()
                child.process.wait()
            self.progress.clear()

    def start_next(self, steps: Iterator[Step]) -> None:
        """Start the next step of a chain, if there is one."""
        training, program = next(steps, (None, ""))
        if training is None:
            return
        log = training.main_run.result / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb" if program == "train" else "ab") as output:
            process = subprocess.Popen(
                self.command_for(training, program),
                stdin=subprocess.PIPE,  # closes with this program, however that ends
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ONE_THREAD, STDIN_IS_PARENT: "1"},
                start_new_session=True,  # Ctrl-C comes here alone, which then ends the children
            )
        self.running.append(Child(steps, training, program, process, time.monotonic()))

    def settle(self, child: Child) -> None:
        """Take note of how a program ended."""
        self.running.remove(child)
        child.process.stdin.close()
        training, status = child.training, child.process.returncode
        training.seconds += time.monotonic() - child.started
        self.epochs_done += training.epochs_to_do if child.program == "train" else 0
        if status == 0:
            setattr(training, f"why_{child.program}", "")
            return
        self.failed.append(child)
        how = f"exit status {status}" if status > 0 else f"ended by {signal.Signals(-status).name}"
        words = [f"FAILED {training.names}: {child.program}.py, {how}", *child.last_lines()]
        self.progress.say("\n    ".join([*words, f"log: {child.log}"]))

    def time_left(self) -> str:
        """A guess from the time that epochs have taken so far; empty where there is none."""
        done = self.epochs_done + sum(child.epochs_done() for child in self.running)
        left = (time.monotonic() - self.started) * (self.epochs - done) / max(done, 1)
        return f", about {duration(left)} left" if 0 < done < self.epochs else ""

    def show(self) -> None:
        """Show what is running and the time left, on a terminal."""
        if self.progress.in_place:
            running = " | ".join(map(str, self.running))
            self.progress.show(running + self.time_left())


# --- what is started -------------------------------------------------------------------------


def command(training: Training, program: str, options: Namespace, device: str) -> list[str]:
    """The argument list of train.py or test.py for one training, runnable from any folder."""
    data = options.data if options.data in BUILT_IN else str(Path(options.data).resolve())
    line = [sys.executable, str(PROJECT / f"{program}.py"), "--data", data, "--device", device]
    line += [
        "--weight_path",
        str(training.main_run.weight),
        "--img_path",
        str(training.main_run.result),
    ]
    line += ["--skip_bad_images"] if options.skip_bad_images else []
    line += [] if options.dry_run else ["--no_pictures"]  # my_script.py draws them
    if program == "train":
        for name, value in {**training.settings, "image_size": options.image_size}.items():
            line += [f"--{name}", str(value)]
        line += ["--fresh"] if options.fresh else []
        if training.shorter and (training.shorter.runs or not options.fresh):
            line += ["--start_from", str(training.shorter.checkpoint)]
    return line


def plain_device(name: str) -> str:
    """The device that a name means where no GPU is in question; empty where torch must say."""
    return "cpu" if name == "cpu" or (name == "auto" and not shutil.which("nvidia-smi")) else ""


def try_out(options: Namespace, runs: list[Run]) -> str:
    """Have torch try network, losses and device, in a program of its own; the device's name.

    InputError with its error line if one of them will not do.
    """
    losses = dict.fromkeys(run.settings["loss_function"] for run in runs)
    smallest_batch = min(run.settings["batch_size"] for run in runs)
    arguments = [options.device, str(options.image_size), str(smallest_batch), *losses]
    program = [sys.executable, "-m", "training.trial", *arguments]
    ended = subprocess.run(program, cwd=PROJECT, capture_output=True, text=True)
    if ended.returncode:
        raise InputError(ended.stderr.strip().split("\n")[-1].removeprefix("error: "))
    return ended.stdout.split()[-1]


def default_jobs(device: str) -> int:
    """One training per core that this program may use; one at a time on a GPU."""
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
