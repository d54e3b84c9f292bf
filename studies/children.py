"""Trainings and tests as child programs: several at once, watched until the last has ended.

    for child in Children(chains, command_for, jobs=2, environment={}).run(Progress()):
        print(child.training.names, child.program, child.process.returncode)

Every child has one thread, writes to its run's log, and ends when this program does.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from console.cores import usable_cores
from console.errors import STDIN_IS_PARENT, InputError, how_it_ended
from console.progress import Progress, duration
from images.sources import BUILT_IN
from records.files import open_unfollowed
from records.runs import DONE, MISSING, Status, in_words
from records.sources import PROJECT
from studies.plan import Training, epochs_of, seconds_per_epoch
from studies.settings import Run
from training.settings import option_words

# Two trainings of several threads each would wait for one another.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
NEVER_FAIL = ("epochs", "seed", "learning_rate", "batch_size")  # but for the smallest batch
POLL_SECONDS = 0.05


class Step(NamedTuple):
    """A program to be started for a training: "train" or "test"."""

    training: Training
    program: str


Steps = Iterator[Step]


def steps_of(chain: list[Training]) -> Steps:
    """What is left to do in a chain; a failed training is not tested."""
    for training in chain:
        if not training.runs:
            continue
        if not training.is_trained:
            yield Step(training, "train")
        if training.is_trained and not training.is_finished:
            yield Step(training, "test")


@dataclass
class Child:
    """A program that was started: one step of a chain, and the steps after it."""

    training: Training
    program: str
    later: Steps
    process: subprocess.Popen
    log: Path
    status: Status = MISSING  # of what it left, when it has ended

    @property
    def has_failed(self) -> bool:
        return self.process.returncode != 0 or self.status != DONE

    def __str__(self) -> str:
        words = f"{self.training.main_run.name} {self.program}"
        lines = self.last_lines()
        if self.program != "train" or not lines:  # a test's log ends with what training said
            return words
        epoch = re.match(r"epoch \d+ of \d+", lines[-1])
        if epoch:
            words += f" {epoch.group()}"
        return words

    def failure(self) -> str:
        """Say how it failed."""
        if self.process.returncode:
            return f"{self.program}.py, {how_it_ended(self.process.returncode)}"
        why = in_words(self.status, f"{self.program}ed")
        return f"{self.program}.py did something else than was asked for ({why})"

    def last_lines(self) -> list[str]:
        """The last lines of its log, which tell of an error."""
        return self.log.read_text(errors="replace").splitlines()[-5:]


class Children:
    """Chains of trainings under way; `environment` is handed to every child."""

    def __init__(
        self,
        chains: list[list[Training]],
        command_for: Callable[[Training, str], list[str]],
        jobs: int,
        environment: dict[str, str],
    ) -> None:
        self.chains = chains
        self.command_for = command_for
        self.jobs = jobs
        self.environment = environment | ONE_THREAD | {STDIN_IS_PARENT: "1"}
        self.running: list[Child] = []
        self.started = time.monotonic()
        # Of an epoch, with so many trainings at once; None where nothing was trained before.
        self.seconds_before = seconds_per_epoch(self.trainings())
        if self.seconds_before:
            self.seconds_before /= jobs

    def trainings(self) -> list[Training]:
        """The trainings of all chains."""
        trainings = []
        for chain in self.chains:
            trainings += chain
        return trainings

    def run(self, progress: Progress) -> Generator[Child, None, None]:
        """Run every step, and give each child that ends; its chain's next one runs by then.

        Whatever ends this call ends the children too.
        """
        waiting = deque(steps_of(chain) for chain in self.chains)
        try:
            while waiting or self.running:
                self.fill(waiting)
                if progress.in_place:
                    running = " | ".join(map(str, self.running))
                    progress.show(f"{running}{self.time_left()}")
                time.sleep(POLL_SECONDS)
                for child in self.ended():
                    self.running.remove(child)
                    self.note_end(child)
                    self.start_next(child.later)
                    self.fill(waiting)  # before whoever reads this takes time to draw
                    yield child
        finally:
            for child in self.running:  # they can go on from their checkpoints
                child.process.terminate()
                child.process.wait()
            progress.clear()

    def ended(self) -> list[Child]:
        """Those of the children that have ended by now."""
        return [child for child in self.running if child.process.poll() is not None]

    def note_end(self, child: Child) -> None:
        """Find out what a child that has ended left."""
        if child.process.stdin is not None:
            child.process.stdin.close()
        child.status = child.training.end(child.program, child.process.returncode)

    def fill(self, waiting: deque[Steps]) -> None:
        """Start chains that wait until there are as many children as there may be."""
        while waiting and len(self.running) < self.jobs:
            self.start_next(waiting.popleft())

    def start_next(self, steps: Steps) -> None:
        """Start the next step of a chain, if there is one."""
        step = next(steps, None)
        if step is None:
            return
        log = step.training.main_run.result / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        mode = "wb"
        if step.program == "test":  # after what the training said
            mode = "ab"
        with open_unfollowed(log, mode) as output:
            process = subprocess.Popen(
                self.command_for(step.training, step.program),
                stdin=subprocess.PIPE,  # closes with this program, however that ends
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | self.environment,
                start_new_session=True,  # Ctrl-C comes here alone, which then ends the children
            )
        self.running.append(Child(step.training, step.program, steps, process, log))

    def time_left(self) -> str:
        """A guess from the time that epochs have taken, now or before; empty where there is none.

        Of trainings that are under way, all epochs count as left.
        """
        trainings = self.trainings()
        done = epochs_of([training for training in trainings if training.is_trained])
        to_do = epochs_of(trainings) - done
        seconds = self.seconds_before
        if done:
            seconds = (time.monotonic() - self.started) / done
        if not seconds or not to_do:
            return ""
        return f", about {duration(seconds * to_do)} left"


# --- what is started -------------------------------------------------------------------------


def command(training: Training, program: str, options: Namespace, device: str) -> list[str]:
    """The argument list of train.py or test.py for one training, runnable from any folder."""
    run = training.main_run
    line = [sys.executable, str(PROJECT / f"{program}.py")]
    line += ["--data", data_for_any_folder(options.data), "--device", device]
    line += ["--weight_path", str(run.weight), "--img_path", str(run.result)]
    if options.skip_bad_images:
        line.append("--skip_bad_images")
    if not options.line:
        line.append("--no_pictures")  # my_script.py draws them
    if program == "train":
        line += train_options(training, options)
    return line


def data_for_any_folder(data: str) -> str:
    """What --data names, for a program that is started in another folder."""
    if data in BUILT_IN:
        return data
    return str(Path(data).resolve())


def train_options(training: Training, options: Namespace) -> list[str]:
    """What train.py alone is told: the settings, and the checkpoint to go on from."""
    line: list[str] = []
    for name, value in training.settings.items():
        line += option_words(name, value)
    line += option_words("image_size", options.image_size)
    if options.fresh:
        line.append("--fresh")
    shorter = training.shorter
    if shorter and (shorter.runs or not options.fresh):
        line += ["--start_from", str(shorter.main_run.checkpoint)]
    return line


def plain_device(name: str) -> str:
    """The device that a name means where no GPU is in question; empty where torch must say."""
    if name == "cpu":
        return "cpu"
    if name == "auto" and not shutil.which("nvidia-smi"):
        return "cpu"
    return ""


def try_out(device: str, image_size: int, runs: list[Run]) -> str:
    """Have train.py try, in a program of its own, what is to be trained; the device's name.

    InputError with its error line if something will not do, or with Python's last one; or if a
    study changes a setting that nothing reads.
    """
    command = [sys.executable, str(PROJECT / "train.py"), "--device", device]
    command += ["--image_size", str(image_size), "--try_out"]
    to_try = settings_to_try(runs)
    command += map(json.dumps, to_try.values())
    environment = os.environ | {STDIN_IS_PARENT: "1"}
    with open_pipe() as pipe:
        ended = subprocess.run(command, stdin=pipe, env=environment, capture_output=True, text=True)
    if ended.returncode:
        lines = ended.stderr.splitlines()
        if ended.returncode < 0 or not lines:
            lines = [f"train.py: {how_it_ended(ended.returncode)}"]
        raise InputError(error_in(lines))
    unread, name = ended.stdout.splitlines()[-2:]  # before, whatever model.py may print
    unread_in = dict(zip(to_try, json.loads(unread), strict=True))
    refuse_unread(runs, unread_in)
    return name


def refuse_unread(runs: list[Run], unread_in: dict[str, list[str]]) -> None:
    """InputError if a study changes a setting that none of its trainings reads.

    `unread_in` has what the trial of what_may_fail() has not read.
    """
    read = set()
    for run in runs:
        unread = unread_in[what_may_fail(run.settings)]
        for name in run.changed:
            if name not in unread:
                read.add((run.study, name))
    for run in runs:
        for name in run.changed:
            if name != "seed" and (run.study, name) not in read:
                remedy = f"use options.{name} in train.py, or let CNN of model.py take {name}"
                raise InputError(f"{run.study} changes {name}, which nothing reads; {remedy}")


def error_in(lines: list[str]) -> str:
    """The last line of what a program said; of a traceback also where it was."""
    error = lines[-1].removeprefix("error: ")
    places = [line.strip() for line in lines[:-1] if line.startswith('  File "')]
    if not places:
        return error
    return f"{error} in {places[-1]}"


@contextlib.contextmanager
def open_pipe() -> Iterator[int]:
    """The reading end of a pipe that is open as long as this program lives."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def settings_to_try(runs: list[Run]) -> dict[str, dict]:
    """The settings that may fail each in its own way, by what_may_fail().

    Of those alike the ones of the smallest batch.
    """
    to_try: dict[str, dict] = {}
    for run in sorted(runs, key=lambda run: run.settings["batch_size"]):
        to_try.setdefault(what_may_fail(run.settings), run.settings)
    return to_try


def what_may_fail(settings: dict) -> str:
    """Those of a training's settings that a trial may fail by, as a text."""
    may_fail = dict(settings)
    for name in NEVER_FAIL:
        del may_fail[name]
    return json.dumps(may_fail)


def default_jobs(device: str) -> int:
    """One training per core that this program may use; one at a time on a GPU."""
    if device == "cpu":
        return usable_cores()
    return 1
