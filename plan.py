"""What the studies ask for, what is on disk already, and what is left to do.

    from plan import make_plan
    chains = make_plan(STUDIES, BASE, out, seeds=1, selected=["Change_epochs"])

Settings that several studies share become one training; trainings that differ only in their
epochs form a chain, in which each goes on from the checkpoint of the one before.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runs import (
    INTERRUPTED,
    NOT_TRAINED,
    RUN_FILES,
    checkpoint_path,
    count_epochs,
    file_digest,
    replacing,
    setting_name,
    why_not_tested,
    why_not_trained,
)

Studies = dict[str, tuple[str, list]]


@dataclass(frozen=True)
class Run:
    """One setting of a study with one seed: a row of the results, and where its files go."""

    study: str
    setting: str
    seed: int
    name: str
    result: Path
    weight: Path


@dataclass
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
    def checkpoint(self) -> Path:
        return checkpoint_path(self.home.weight)

    @property
    def finished(self) -> bool:
        return not self.why_train and not self.why_test


def all_runs(studies: Studies, out: Path, seeds: int) -> list[Run]:
    """Every run that the studies ask for, in their order."""
    runs = []
    for study, (_, values) in studies.items():
        for value in values:
            for seed in range(seeds):
                folders = [study, setting_name(value), *([f"seed_{seed}"] if seeds > 1 else [])]
                result, weight = (Path(out, top, *folders) for top in ("result", "weights"))
                name = "/".join(folders)
                runs.append(Run(study, folders[1], seed, name, result, weight / "weight.pth"))
    return runs


def settings_of(run: Run, studies: Studies, base: dict) -> dict:
    """The full settings of a run: the base with the study's one change."""
    changed, values = studies[run.study]
    value = next(value for value in values if setting_name(value) == run.setting)
    return {**base, changed: value, "seed": run.seed}


def make_plan(
    studies: Studies, base: dict, out: Path, seeds: int, selected: list[str]
) -> list[list[Training]]:
    """Chains of trainings: same settings but for the epochs, the shortest first.

    Trainings of studies that are not selected are part of it, with no `runs`: their files can
    be reused.
    """
    trainings: dict[tuple, Training] = {}
    other_layout = all_runs(studies, out, 2 if seeds == 1 else 1)
    for run in all_runs(studies, out, seeds) + [run for run in other_layout if run.seed == 0]:
        settings = settings_of(run, studies, base)
        training = trainings.setdefault(tuple(settings.values()), Training(settings))
        asked_for = run.study in selected and run not in other_layout
        (training.runs if asked_for else training.elsewhere).append(run)
    chains: dict[tuple, list[Training]] = {}
    for training in sorted(trainings.values(), key=lambda own: own.settings["epochs"]):
        rest = tuple(value for name, value in training.settings.items() if name != "epochs")
        chain = chains.setdefault(rest, [])
        training.shorter = chain[-1] if chain else None
        chain.append(training)
    return list(chains.values())


def look_up_all(chains: list[list[Training]], wanted_for: Callable, images: str) -> None:
    """Mark what is finished on disk and what is to be done, and why.

    `wanted_for(settings)` gives the identity that a finished training must have, `images` is
    the digest that a finished test must have.
    """
    for chain in chains:
        for training in chain:
            look_up(training, wanted_for(training.settings), images)


def look_up(training: Training, wanted: dict, images: str) -> None:
    """Find out where one training is finished, or why it is to be done."""
    places = training.runs + training.elsewhere
    reasons = [why_not_trained(run.result, run.weight, wanted) for run in places]
    trained = [run for run, reason in zip(places, reasons, strict=True) if not reason]
    tests = [why_not_tested(run.result, run.weight, images) for run in trained]
    if trained:
        best = tests.index("") if "" in tests else 0
        training.home, training.why_test = trained[best], tests[best]
        return
    begun = [run for run in places if checkpoint_path(run.weight).is_file()]
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
    if shorter and ((shorter.why_train and shorter.runs) or has_checkpoint(shorter)):
        reached = max(reached, shorter.settings["epochs"])
    return min(reached, training.settings["epochs"])


def has_checkpoint(training: Training) -> bool:
    """Whether a finished training's checkpoint is still there to go on from."""
    return not training.why_train and training.checkpoint.is_file()


def do_all_again(chains: list[list[Training]]) -> None:
    """Plan every training as if nothing were on disk."""
    for chain in chains:
        for training in chain:
            shorter = training.shorter
            before = shorter.settings["epochs"] if shorter and shorter.runs else 0
            training.home = (training.runs + training.elsewhere)[0]
            training.why_train = training.why_test = "asked for with --fresh"
            training.epochs_to_do = training.settings["epochs"] - before


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
