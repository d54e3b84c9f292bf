"""What the studies ask for, what is on disk already, and what is left to do.

    from plan import make_plan
    chains = make_plan(STUDIES, BASE, out, seeds=1, selected=["Change_epochs"])

Settings that several studies share become one training; trainings that differ only in their
epochs form a chain, in which each goes on from the checkpoint of the one before.
"""

import shutil
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runs import (
    INTERRUPTED,
    NOT_TRAINED,
    RUN_FILES,
    InputError,
    checkpoint_path,
    count_epochs,
    file_digest,
    replacing,
    why_not_tested,
    why_not_trained,
)

Studies = dict[str, tuple[str, list]]


@dataclass(frozen=True)
class Run:
    """One setting of a study with one seed: a row of the results, and where its files go."""

    study: str
    setting: str
    value: float | str
    settings: dict
    name: str
    result: Path
    weight: Path


@dataclass(eq=False)  # two trainings are the same only if they are one
class Training:
    """One training and its test, asked for by one run or by several that share it.

    `home` is the run whose files it writes; the others get copies. `elsewhere` are folders
    that may hold the result without being asked for now. `why_train` and `why_test` say why
    work is to be done, and are empty where the home's files are finished.
    """

    settings: dict
    runs: list[Run] = field(default_factory=list)
    elsewhere: list[Run] = field(default_factory=list)
    home: Run | None = None
    shorter: "Training | None" = None
    why_train: str = ""
    why_test: str = ""
    epochs_to_do: int = 0
    seconds: float = 0.0

    @property
    def names(self) -> str:
        return ", ".join(run.name for run in self.runs)

    @property
    def checkpoint(self) -> Path:
        return checkpoint_path(self.home.weight)

    @property
    def finished(self) -> bool:
        return not self.why_train and not self.why_test


def check_studies(studies: Studies, base: dict, readers: dict[str, Callable]) -> None:
    """Refuse studies that cannot be run, before any is; InputError that says what is wrong.

    `readers` names what may be changed, and turns the text of a setting into its value.
    """
    if base.keys() != readers.keys() or not studies:
        raise InputError(f"my_script.py must name a study, and in BASE only {', '.join(readers)}")
    for name, value in base.items():
        check_value("BASE", name, value, readers)
    for study, content in studies.items():
        match content:
            case (changed, [_, *_] as values) if changed in readers:
                for value in values:
                    check_value(study, changed, value, readers)
            case _:
                raise InputError(
                    f"{study!r} in my_script.py must have what it changes ({', '.join(readers)}; "
                    "for seeds there is --seeds) and a list of values"
                )
        if Path(study).name != study or study in ("", ".."):
            raise InputError(f"{study!r} in my_script.py is no folder name; name the study so")
        if len(set(values)) < len(values):
            raise InputError(f"{study} in my_script.py lists a value twice; remove one")


def check_value(study: str, name: str, value: object, readers: dict[str, Callable]) -> None:
    """InputError unless a value is one that train.py would read from its command line."""
    try:
        usable = readers[name](str(value)) == value
    except ArgumentTypeError:
        usable = False
    if not usable:
        raise InputError(f"{value!r} of {study} in my_script.py cannot be {name}; see --help")


def all_runs(studies: Studies, base: dict, out: Path, seeds: int) -> list[Run]:
    """Every run that the studies ask for, in their order."""
    runs = []
    for study, (changed, values) in studies.items():
        for value in values:
            for seed in range(seeds):
                setting = str(value).replace(".", "_")
                name = "/".join([study, setting, *([f"seed_{seed}"] if seeds > 1 else [])])
                settings = {**base, changed: value, "seed": seed}
                places = out / "result" / name, out / "weights" / name / "weight.pth"
                runs.append(Run(study, setting, value, settings, name, *places))
    return runs


def make_plan(
    studies: Studies, base: dict, out: Path, seeds: int, selected: list[str]
) -> list[list[Training]]:
    """Chains of trainings: same settings but for the epochs, the shortest first.

    Trainings of studies that are not selected are part of it, with no `runs`: their files can
    be reused.
    """
    trainings: dict[tuple, Training] = {}
    other_layout = all_runs(studies, base, out, 2 if seeds == 1 else 1)
    for run in all_runs(studies, base, out, seeds) + [
        run for run in other_layout if run.settings["seed"] == 0
    ]:
        training = trainings.setdefault(tuple(run.settings.values()), Training(run.settings))
        asked_for = run.study in selected and run not in other_layout
        (training.runs if asked_for else training.elsewhere).append(run)
    chains: dict[tuple, list[Training]] = {}
    for training in sorted(trainings.values(), key=lambda own: own.settings["epochs"]):
        rest = tuple(value for name, value in training.settings.items() if name != "epochs")
        chain = chains.setdefault(rest, [])
        training.shorter = chain[-1] if chain else None
        chain.append(training)
    return list(chains.values())


def look_up_all(
    chains: list[list[Training]], wanted_for: Callable, images: str, fresh: bool
) -> None:
    """Mark what is finished on disk and what is to be done, and why.

    `wanted_for(settings)` gives the identity that a finished training must have, `images` is
    the digest that a finished test must have.
    """
    for chain in chains:
        for training in chain:
            look_up(training, wanted_for(training.settings), images, fresh)


def look_up(training: Training, wanted: dict, images: str, fresh: bool) -> None:
    """Find out where one training is finished, or why it is to be done."""
    places = training.runs + training.elsewhere
    reasons = [
        "asked for with --fresh" if fresh else why_not_trained(run.result, run.weight, wanted)
        for run in places
    ]
    trained = [run for run, reason in zip(places, reasons, strict=True) if not reason]
    tests = [why_not_tested(run.result, run.weight, images) for run in trained]
    if trained:
        best = tests.index("") if "" in tests else 0
        training.home, training.why_test = trained[best], tests[best]
        return
    begun = [run for run in places if not fresh and checkpoint_path(run.weight).is_file()]
    training.home = [*begun, *places][0]
    training.why_train = next((r for r in reasons if r != NOT_TRAINED), NOT_TRAINED)
    training.why_test = "not tested yet"
    training.epochs_to_do = training.settings["epochs"] - epochs_to_reuse(training)


def epochs_to_reuse(training: Training) -> int:
    """Epochs that checkpoints of this training, interrupted, or of a shorter one hold."""
    reached = 0
    if training.why_train in (NOT_TRAINED, INTERRUPTED) and training.checkpoint.is_file():
        reached = count_epochs(training.home.result)
        training.why_train = f"interrupted after epoch {reached}"
    shorter = training.shorter
    if shorter and (shorter.runs if shorter.why_train else shorter.checkpoint.is_file()):
        reached = max(reached, shorter.settings["epochs"])
    return min(reached, training.settings["epochs"])


# --- after a training ------------------------------------------------------------------------


def deliver(training: Training) -> None:
    """Copy a finished training's files to the other runs that share it, the records last."""
    for run in training.runs:
        if run == training.home:
            continue
        if file_digest(run.weight) != file_digest(training.home.weight):
            copy(training.home.weight, run.weight)
        for name in RUN_FILES:
            source, target = training.home.result / name, run.result / name
            if source.is_file() and file_digest(source) != file_digest(target):
                copy(source, target)


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def remove_spent_checkpoints(chain: list[Training]) -> None:
    """Remove checkpoints from which no longer training of the studies is still to go on."""
    for position, training in enumerate(chain):
        longer_to_do = any(not later.finished for later in chain[position + 1 :])
        if training.finished and not longer_to_do:
            for run in training.runs + training.elsewhere:
                checkpoint_path(run.weight).unlink(missing_ok=True)
