"""Trainings and tests as child programs: several at once, watched until the last has ended.

    from sweep import Sweep
    Sweep(chains, command_for, jobs=2, progress=Progress()).run(on_finished, False)

Every child has one thread, writes to its run's log, and ends when this program does.
"""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from plan import Training
from runs import ONE_THREAD, STDIN_IS_PARENT
from screen import Progress, duration

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 5.0  # between asking a child to end and ending it
LAST_LINES = 5  # of a failed run's log that are shown

Step = tuple[Training, str]  # what to do: a training, and "train" or "test"


@dataclass
class Child:
    """A running program: one step of a chain of trainings."""

    steps: Iterator[Step]
    training: Training
    program: str
    process: subprocess.Popen
    started: float

    @property
    def log(self) -> Path:
        return self.training.home.result / "log.txt"


def steps_of(chain: list[Training]) -> Iterator[Step]:
    """What is left to do in a chain; a failed training is not tested."""
    for training in chain:
        if training.runs and training.why_train:
            yield training, "train"
        if training.runs and training.why_test and not training.why_train:
            yield training, "test"


def shell_line(chain: list[Training], command_for: Callable[[Training, str], list[str]]) -> str:
    """A chain's commands as one line for a POSIX shell; empty if nothing is to be done.

    As in a sweep, a failed training is not tested, and stops no other.
    """
    threads = ["env", *(f"{name}={value}" for name, value in ONE_THREAD.items())]
    parts = []
    for training in chain:
        reasons = {"train": training.why_train, "test": training.why_test}
        programs = [program for program in reasons if training.runs and reasons[program]]
        commands = [shlex.join([*threads, *command_for(training, own)]) for own in programs]
        parts += [" && ".join(commands)] if commands else []
    return "; ".join(parts)


class Sweep:
    """Chains of trainings under way, and what has come of them."""

    def __init__(
        self,
        chains: list[list[Training]],
        command_for: Callable[[Training, str], list[str]],
        jobs: int,
        progress: Progress,
    ) -> None:
        self.waiting = [steps_of(chain) for chain in chains]
        self.command_for = command_for
        self.jobs = jobs
        self.progress = progress
        self.children: list[Child] = []
        self.failed: list[Child] = []
        self.epochs_left = sum(own.epochs_to_do for chain in chains for own in chain if own.runs)
        self.epochs_done = 0
        self.busy_seconds = 0.0

    def run(
        self, on_finished: Callable[[Training, float, float], None], stop_on_failure: bool
    ) -> None:
        """Run every step; `on_finished(training, seconds, seconds_left)` after each test.

        `failed` then holds the failed programs. Whatever ends this call ends the children too.
        """
        try:
            while self.waiting or self.children:
                while self.waiting and len(self.children) < self.jobs:
                    self.start_next(self.waiting.pop(0))
                self.show()
                time.sleep(POLL_SECONDS)
                for child in [own for own in self.children if own.process.poll() is not None]:
                    self.children.remove(child)
                    self.settle(child, on_finished)
                    if self.failed and stop_on_failure:
                        return
                    self.start_next(child.steps)
        finally:
            self.stop()

    def start_next(self, steps: Iterator[Step]) -> None:
        """Start the next step of a chain, if there is one."""
        step = next(steps, None)
        if step is None:
            return
        training, program = step
        log = training.home.result / "log.txt"
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
        self.children.append(Child(steps, training, program, process, time.monotonic()))

    def settle(self, child: Child, on_finished: Callable[[Training, float, float], None]) -> None:
        """Take note of how a program ended."""
        child.process.stdin.close()
        seconds = time.monotonic() - child.started
        training = child.training
        self.busy_seconds += seconds
        if child.program == "train":
            self.epochs_done += training.epochs_to_do
            self.epochs_left -= training.epochs_to_do
        if child.process.returncode != 0:
            self.failed.append(child)
            self.progress.say(failure_text(child))
        elif child.program == "train":
            training.why_train = ""
            training.seconds += seconds
        else:
            training.why_test = ""
            on_finished(training, training.seconds + seconds, self.seconds_left())

    def seconds_left(self) -> float:
        """Guess the time left from the time that epochs have taken so far."""
        now = time.monotonic()
        running = [(child, epoch_of(child)) for child in self.children]
        busy = self.busy_seconds + sum(now - child.started for child, _ in running)
        done = self.epochs_done + sum(epoch for _, (epoch, _) in running)
        left = max(self.epochs_left - sum(epoch for _, (epoch, _) in running), 0)
        return left * busy / done / self.jobs if done else 0.0

    def show(self) -> None:
        """Show what is running: run, epoch, loss; and the time left."""
        if not self.progress.in_place:
            return
        parts = []
        for child in self.children:
            epoch, loss = epoch_of(child)
            epochs, to_do = child.training.settings["epochs"], child.training.epochs_to_do
            doing = f"epoch {epochs - to_do + epoch}/{epochs} loss {loss}" if epoch else ""
            parts.append(f"{child.training.home.name} {doing or child.program}")
        left = self.seconds_left()
        self.progress.show(" | ".join([f"{duration(left)} left"] * bool(left) + parts))

    def stop(self) -> None:
        """End the children that still run: they can go on from their checkpoints."""
        for child in self.children:
            child.process.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self.progress.clear()


def last_lines(log: Path) -> list[str]:
    """The last lines of a log, without reading much of it."""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 4096))
        return file.read().decode(errors="replace").splitlines()[-LAST_LINES:]


def epoch_of(child: Child) -> tuple[int, str]:
    """Epochs that a running training has done in this call, and its training loss, from its log."""
    for line in reversed(last_lines(child.log)):
        words = line.split()
        if line.startswith("epoch ") and len(words) > 5 and child.program == "train":
            before = child.training.settings["epochs"] - child.training.epochs_to_do
            return max(int(words[1]) - before, 0), words[5]
    return 0, ""


def failure_text(child: Child) -> str:
    """Say which program failed, its last words, and where its log is."""
    status = child.process.returncode
    how = f"exit status {status}" if status >= 0 else f"ended by {signal.Signals(-status).name}"
    words = "".join(f"\n    {line}" for line in last_lines(child.log))
    return f"FAILED {child.training.names}: {child.program}.py, {how}{words}\n    log: {child.log}"
