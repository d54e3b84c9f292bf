"""What the trial of a training told: kept in the cache of images, or asked of another program.

    answer = ask(settings, image_size=64, device="cpu")   # needs no torch
    trial = answer()

A trial trains a little (training/trial.py). So it has a process of its own, in which nothing else
is trained: `train.py --try_out`. What it told is true as long as code, versions, device, image
size and settings are the same.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from console.errors import STDIN_IS_PARENT, InputError, how_it_ended
from records.files import digest_of, read_record, write_record
from records.places import cache_folder
from records.runs import versions
from records.sources import PROJECT, sources
from training.settings import ALSO_DECIDE, GOES_ON, SETTINGS

TORCHRUN = "TORCHELASTIC_RUN_ID"  # is set for the processes that torchrun starts
LARGEST_BATCH = 2  # that a trial has
SAME_START = "the first weights are the same for all seeds"  # a note


class Trial(NamedTuple):
    """What a trial tells: layers as records have them, memory format, notes for the user.

    `fingerprint` is a digest of the state after its steps: where two settings have the same, the
    one in which they differ changes nothing.
    """

    layers: list[dict[str, Any]]
    channels_last: bool
    notes: list[str]
    fingerprint: str


PendingTrial = Callable[[], Trial]  # InputError, with the line of what was tried, if it will not do


def ask(settings: Namespace, image_size: int, device: str) -> PendingTrial:
    """Find what the trial of a training told, or have it tried meanwhile."""
    kind = plain_device(device) or device.split(":")[0]
    known = read_kept(vars(settings), image_size, kind)
    if known:
        return lambda: known
    program = start_trials([vars(settings)], image_size, device)
    return lambda: read_trials(program, 1).trials[0]


class Told(NamedTuple):
    """What a program of trials tells: of each setting, and the name of the device."""

    trials: list[Trial]
    device: str


def read_trials(program: "subprocess.Popen[str]", count: int) -> Told:
    """What a program of so many trials tells; InputError with its error line if it has failed."""
    said, complaint = program.communicate()
    if program.returncode:
        lines = complaint.splitlines()
        if program.returncode < 0 or not lines:
            lines = [f"train.py: {how_it_ended(program.returncode)}"]
        raise InputError(lines[-1].removeprefix("error: "))
    *lines, device = said.splitlines()[-count - 1 :]  # before them, whatever model.py may print
    return Told([Trial(**json.loads(line)) for line in lines], device)


def start_trials(
    settings: Iterable[Mapping[str, Any]], image_size: int, device: str
) -> "subprocess.Popen[str]":
    """Start a program that tries settings, ends with this one, and is none of torchrun's."""
    command = [sys.executable, str(PROJECT / "train.py"), "--device", device]
    command += ["--image_size", str(image_size), "--try_out", *map(json.dumps, settings)]
    environment = os.environ | {STDIN_IS_PARENT: "1"}
    environment.pop(TORCHRUN, None)
    reading, _ = os.pipe()  # the other end stays open until this program ends
    try:
        return subprocess.Popen(
            command,
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
    finally:
        os.close(reading)


def plain_device(name: str) -> str:
    """The device that a name means where no GPU is in question; empty where torch must say."""
    if name == "cpu":
        return "cpu"
    if name == "auto" and not shutil.which("nvidia-smi"):
        return "cpu"
    return ""


# --- what is kept ----------------------------------------------------------------------------


def keep(trial: Trial, settings: Mapping[str, Any], image_size: int, device: str) -> None:
    """Keep what a trial told; where that cannot be written, it is tried again."""
    with contextlib.suppress(OSError, InputError):
        write_record(kept_path(settings, image_size, device), trial._asdict())


def read_kept(settings: Mapping[str, Any], image_size: int, device: str) -> Trial | None:
    """What a trial told; None if it is not kept."""
    try:
        return Trial(**read_record(kept_path(settings, image_size, device)))
    except (OSError, InputError):
        return None


def kept_path(settings: Mapping[str, Any], image_size: int, device: str) -> Path:
    """The file that keeps what a trial told, by all that this depends on."""
    trial_settings = settings_of_trial(settings)
    code = [sources("train.py", ALSO_DECIDE), versions(), GOES_ON]
    digest = digest_of([code, device, image_size, trial_settings])
    return cache_folder() / "trials" / f"{digest}.json"


def settings_of_trial(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with which a training is tried: neither its epochs nor its seed matter."""
    tried = {}
    for name in SETTINGS:
        tried[name] = settings[name]
    tried |= {"epochs": 0, "seed": 0}
    tried["batch_size"] = min(LARGEST_BATCH, tried["batch_size"])
    return tried
