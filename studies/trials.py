"""Trials before the first training: does what a sweep is going to train do what is asked?

    device = try_runs("cpu", image_size=64, runs=runs)

train.py tries each setting in a program of its own, once for all trainings that are alike.
"""

import json
import sys
from collections.abc import Iterable

from console.errors import InputError
from studies.settings import Run
from training.tried import Trial, read_trials, settings_of_trial, start_trials

NOT_TRIED = ("seed", "epochs", "batch_size")  # what a few steps cannot show

Trials = dict[str, Trial]  # by key_of_trial


def try_runs(device: str, image_size: int, runs: list[Run]) -> str:
    """Have train.py try what is to be trained, and say what is odd; the name of the device.

    InputError with its error line if something will not do, or if a study varies a setting that
    changes nothing.
    """
    to_try = {key_of_trial(run): settings_of_trial(run.settings) for run in runs}
    told = read_trials(start_trials(to_try.values(), image_size, device), len(to_try))
    trials = dict(zip(to_try, told.trials, strict=True))
    notes = [note for trial in trials.values() for note in trial.notes]
    for note in dict.fromkeys(notes):  # each once
        print(f"note: {note}", file=sys.stderr)
    refuse_unused(runs, trials)
    return told.device


def key_of_trial(run: Run) -> str:
    """The settings that a trial of a run has, as a text."""
    return json.dumps(settings_of_trial(run.settings))


def refuse_unused(runs: list[Run], trials: Trials) -> None:
    """InputError if a study varies what changes nothing; where some values are alike, say so."""
    for study in dict.fromkeys(run.study for run in runs):
        of_study = [run for run in runs if run.study == study]
        for name in of_study[0].varied:
            if name in NOT_TRIED:
                continue
            for values in values_alike(name, of_study, trials):
                if len(values) == len({json.dumps(run.settings[name]) for run in of_study}):
                    remedy = f"use settings.{name} in train.py, or let CNN of model.py take {name}"
                    raise InputError(f"{study} varies {name}, which nothing reads; {remedy}")
                same = f"{name} {' and '.join(values)} of {study}"
                print(f"note: {same}: the same training, bit for bit", file=sys.stderr)


def values_alike(name: str, runs: Iterable[Run], trials: Trials) -> list[list[str]]:
    """Values of a setting, in JSON, that give the same weights after a few steps.

    Whatever the other settings are: a loss may leave a setting unused that another one reads.
    """
    fingerprints: dict[str, list[str]] = {}  # by the value, one for each of the other settings
    for run in runs:
        of_value = fingerprints.setdefault(json.dumps(run.settings[name]), [])
        of_value.append(trials[key_of_trial(run)].fingerprint)
    alike: dict[tuple[str, ...], list[str]] = {}
    for value, of_value in fingerprints.items():
        alike.setdefault(tuple(of_value), []).append(value)
    return [values for values in alike.values() if len(values) > 1]


def notes_of_batches(runs: Iterable[Run], train_images: int) -> list[str]:
    """What to say of batch sizes that make the same batches: one of all the training images."""
    sizes: dict[str, set[int]] = {}
    for run in runs:
        if run.settings["batch_size"] >= train_images:
            sizes.setdefault(run.study, set()).add(run.settings["batch_size"])
    notes = []
    for study, whole in sizes.items():
        if len(whole) > 1:
            named = " and ".join(map(str, sorted(whole)))
            why = f"one batch of the {train_images} training images each"
            notes.append(f"note: batch_size {named} of {study}: the same training, {why}")
    return notes
