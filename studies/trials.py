"""Trials before the first training: does what a sweep is going to train do what is asked?

    device = try_out("cpu", image_size=64, runs=runs)

train.py tries each setting in a program of its own, once for all trainings that are alike.
"""

import json
import sys
from collections.abc import Iterable

from console.errors import InputError
from records.sources import PROJECT
from studies.settings import Run
from training.tried import Trial, answer_lines, settings_of_trial, start_child

NOT_TRIED = ("seed", "epochs", "batch_size")  # what a few steps cannot show

Trials = dict[str, Trial]  # by key_of_trial


def try_out(device: str, image_size: int, runs: list[Run]) -> str:
    """Have train.py try what is to be trained, and say what is odd; the name of the device.

    InputError with its error line if something will not do, or if a study varies a setting that
    changes nothing.
    """
    to_try = {key_of_trial(run): settings_of_trial(run.settings) for run in runs}
    command = [sys.executable, str(PROJECT / "train.py"), "--device", device]
    command += ["--image_size", str(image_size), "--try_out", *map(json.dumps, to_try.values())]
    lines = answer_lines(start_child(command))
    *told, name = lines[-len(to_try) - 1 :]  # before them, whatever model.py may print
    trials = {}
    for key, line in zip(to_try, told, strict=True):
        trials[key] = Trial(**json.loads(line))
    notes = [note for trial in trials.values() for note in trial.notes]
    for note in dict.fromkeys(notes):  # each once
        print(f"note: {note}", file=sys.stderr)
    refuse_unused(runs, trials)
    return name


def key_of_trial(run: Run) -> str:
    """The settings that a trial of a run has, as a text."""
    return json.dumps(settings_of_trial(run.settings))


def refuse_unused(runs: list[Run], trials: Trials) -> None:
    """InputError if a study varies a setting whose values all give the same weights."""
    for study in dict.fromkeys(run.study for run in runs):
        of_study = [run for run in runs if run.study == study]
        for name in of_study[0].varied:
            if name not in NOT_TRIED and not is_used(name, of_study, trials):
                remedy = f"use settings.{name} in train.py, or let CNN of model.py take {name}"
                raise InputError(f"{study} varies {name}, which nothing reads; {remedy}")


def is_used(name: str, runs: Iterable[Run], trials: Trials) -> bool:
    """Whether two runs that differ in one setting alone have other weights after a few steps.

    True where no two runs do.
    """
    fingerprints: dict[str, dict[str, str]] = {}  # by the other settings, then by the value
    for run in runs:
        others = settings_of_trial(run.settings)
        value = json.dumps(others.pop(name))
        of_others = fingerprints.setdefault(json.dumps(others), {})
        of_others[value] = trials[key_of_trial(run)].fingerprint
    several = [by_value for by_value in fingerprints.values() if len(by_value) > 1]
    return not several or any(len(set(by_value.values())) > 1 for by_value in several)
