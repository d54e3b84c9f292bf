"""The time that a sweep has left, which falls."""

import time
from collections import deque
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from studies.children import PROGRAM_SECONDS, Child, Step, time_left

DONE = SimpleNamespace(trained=SimpleNamespace(record={"seconds": 100.0, "epochs": 10}))


NOW = 1000.0  # seconds


@pytest.fixture(autouse=True)
def clock_stands(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: NOW)


def step(program: str, epochs: int = 0) -> Step:
    """A program for a training of so many epochs."""
    training: Any = SimpleNamespace(epochs_to_do=epochs)
    return Step(training, program, [])


def running(of_step: Step, seconds: float) -> Child:
    """A child that has run for so long."""
    return Child(of_step, deque(), Mock(), NOW - seconds)


def left(jobs: int, waiting: list[list[Step]], children: list[Child]) -> str:
    """The time that is left where an epoch takes 10 s."""
    trainings: Any = [DONE]
    return time_left(trainings, jobs, waiting, children)


def test_programs_and_tests_take_time_beside_epochs():
    assert PROGRAM_SECONDS == 4
    assert left(1, [[step("train", epochs=1), step("test")]], []) == ", about 18 s left"


def test_trainings_at_once_share_the_time():
    assert left(2, [[step("train", epochs=1)]] * 4, []) == ", about 28 s left"


def test_what_is_done_in_turn_does_not_share_it():
    chain = [step("train", epochs=1), step("test")]
    assert left(2, [chain], []) == ", about 18 s left"
    child = running(chain[0], seconds=0)
    child.later.append(chain[1])
    assert left(2, [], [child]) == ", about 18 s left"


def test_the_time_left_is_that_of_the_longest_training_at_least():
    children = [running(step("train", epochs=5), seconds=0)]
    assert left(2, [], children) == ", about 54 s left"


@pytest.mark.parametrize(("seconds", "said"), [(0, "54 s"), (20, "34 s"), (50, "4 s"), (99, "1 s")])
def test_the_time_left_falls_while_a_training_runs(seconds, said):
    children = [running(step("train", epochs=5), seconds)]
    assert left(1, [], children) == f", about {said} left"


def test_no_time_is_said_where_nothing_is_left():
    assert left(1, [], []) == ""


def test_no_time_is_said_before_an_epoch_was_timed():
    assert time_left([], 1, [[step("test")]]) == ""
