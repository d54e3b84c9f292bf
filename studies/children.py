"""Trainings and tests as child programs: several at once, watched until the last has ended.

    children = Children(chains, trainings, conditions, jobs=2, environment={})
    for child in children.run(Progress()):
        print(child.training.names, child.process.returncode)

Every child has one thread, writes to its run's log, and ends when this program does.
"""

import os
import re
import subprocess
import time
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from console.cores import usable_cores
from console.errors import STDIN_IS_PARENT, how_it_ended
from console.progress import Progress, duration
from records.files import open_unfollowed
from records.finished import DONE, Status
from records.runs import LOG
from studies.plan import Conditions, Training, seconds_per_epoch

# Two trainings of several threads each would wait for one another.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
POLL_SECONDS = 0.05
PROGRAM_SECONDS = 4.0  # that train.py takes beside its epochs, most of it the import of torch


class Step(NamedTuple):
    """A program to be started for a training, "train" or "test", and its argument list."""

    training: Training
    program: str
    command: list[str]


@dataclass
class Child:
    """A program that was started, and the steps of its chain that come after it."""

    step: Step
    later: deque[Step]
    process: subprocess.Popen
    started: float = field(default_factory=time.monotonic)

    @property
    def training(self) -> Training:
        return self.step.training

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def log(self) -> Path:
        return self.training.place.result / LOG

    @property
    def has_failed(self) -> bool:
        return self.process.returncode != 0 or self.status != DONE

    @property
    def status(self) -> Status:
        """How what it has made stands, once it has ended."""
        if self.step.program == "train":
            return self.training.trained.status
        return self.training.tested.status

    def __str__(self) -> str:
        words = f"{self.training.runs[0].name} {self.step.program}"
        lines = self.last_lines()
        if self.step.program != "train" or not lines:  # a test's log ends with what training said
            return words
        epoch = re.match(r"epoch \d+ of \d+", lines[-1])
        if epoch:
            words += f" {epoch.group()}"
        return words

    def failure(self) -> str:
        """Say how it failed."""
        program = self.step.program
        if self.process.returncode:
            return f"{program}.py, {how_it_ended(self.process.returncode)}"
        return f"{program}.py did something else than was asked for ({self.status.why})"

    def last_lines(self) -> list[str]:
        """The last lines of its log, which tell of an error."""
        return self.log.read_text(errors="replace").splitlines()[-5:]


class Children:
    """Chains of steps under way; `environment` is handed to every child.

    `trainings` are those of the chains and others, which tell how long an epoch takes.
    """

    def __init__(
        self,
        chains: list[list[Step]],
        trainings: list[Training],
        conditions: Conditions,
        jobs: int,
        environment: dict[str, str],
    ) -> None:
        self.waiting = deque(map(deque, chains))
        self.trainings = trainings
        self.conditions = conditions
        self.jobs = jobs
        self.environment = environment | ONE_THREAD | {STDIN_IS_PARENT: "1"}
        self.running: list[Child] = []

    def run(self, progress: Progress) -> Generator[Child, None, None]:
        """Run every step, and give each child that ends; its chain's next one runs by then.

        Whatever ends this call ends the children too.
        """
        try:
            while self.waiting or self.running:
                self.fill()
                if progress.in_place:
                    running = " | ".join(map(str, self.running))
                    progress.show(f"{running}{self.time_left()}")
                time.sleep(POLL_SECONDS)
                for child in self.ended():
                    self.running.remove(child)
                    self.judge_ended(child)
                    self.start_next(child.later)
                    self.fill()  # before whoever reads this takes time to draw
                    yield child
        finally:
            for child in self.running:  # they can go on from their checkpoints
                child.process.terminate()
                child.process.wait()
            progress.clear()

    def time_left(self) -> str:
        """What is left, as the function of that name has it."""
        return time_left(self.trainings, self.jobs, self.waiting, self.running)

    def ended(self) -> list[Child]:
        """Those of the children that have ended by now."""
        return [child for child in self.running if child.process.poll() is not None]

    def judge_ended(self, child: Child) -> None:
        """Find out what a child that has ended left; what has failed is not tested."""
        if child.process.stdin is not None:
            child.process.stdin.close()
        child.training.judge(self.conditions)
        if child.has_failed:
            child.training.epochs_to_do = 0
            if child.later and child.later[0].training is child.training:
                child.later.popleft()

    def fill(self) -> None:
        """Start chains that wait until there are as many children as there may be."""
        while self.waiting and len(self.running) < self.jobs:
            self.start_next(self.waiting.popleft())

    def start_next(self, steps: deque[Step]) -> None:
        """Start the next step of a chain, if there is one."""
        if not steps:
            return
        step = steps.popleft()
        log = step.training.place.result / LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        mode = "wb"
        if step.program == "test":  # after what the training said
            mode = "ab"
        with open_unfollowed(log, mode) as output:
            process = subprocess.Popen(
                step.command,
                stdin=subprocess.PIPE,  # closes with this program, however that ends
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | self.environment,
                start_new_session=True,  # Ctrl-C comes here alone, which then ends the children
            )
        self.running.append(Child(step, steps, process))


def time_left(
    trainings: list[Training],
    jobs: int,
    waiting: Iterable[Iterable[Step]],
    running: Iterable[Child] = (),
) -> str:
    """A guess at the time left: ", about 5 min left"; empty where nothing is known or left.

    What epochs of these `trainings` have taken, now or before, is known; a program's start and
    end, and so a test, is taken to last PROGRAM_SECONDS. Steps of a chain are done in turn.
    """
    of_epoch = seconds_per_epoch(trainings)
    if of_epoch is None:
        return ""
    of_chains = [seconds_of(chain, of_epoch) for chain in waiting]
    for child in running:
        seconds = seconds_of([child.step], of_epoch) - child.seconds
        seconds = max(1.0, seconds)  # it may be late, but it has not ended yet
        of_chains.append(seconds + seconds_of(child.later, of_epoch))
    if not of_chains:
        return ""
    return f", about {duration(max(sum(of_chains) / jobs, *of_chains))} left"


def seconds_of(steps: Iterable[Step], of_epoch: float) -> float:
    """How long steps are going to take in turn."""
    seconds = 0.0
    for step in steps:
        seconds += PROGRAM_SECONDS
        if step.program == "train":
            seconds += step.training.epochs_to_do * of_epoch
    return seconds


def default_jobs(device: str) -> int:
    """One training per core that this program may use; one at a time on a GPU."""
    if device == "cpu":
        return usable_cores()
    return 1
