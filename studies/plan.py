"""What is in the store already of the runs that are asked for, and what is left to do.

    plan = make_plan(runs, conditions, Request(out, studies, fresh=False))
    for chain in plan.chains:
        for training in chain: ...

Runs of the same settings share one training. Trainings that differ only in their epochs form a
chain, in which each goes on from the checkpoint of the one before.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from records.finished import (
    DONE,
    MISSING,
    Judged,
    Stage,
    Status,
    not_done,
    read_begun,
    read_test,
    read_training,
)
from records.runs import identity, list_changes, test_identity, what_changed
from studies import store
from studies.settings import Run
from training.settings import GOES_ON, as_key

TO_REPEAT = Status(Stage.REPEATED, "asked for with --fresh")


class Conditions(NamedTuple):
    """What decides every result of a sweep beside its settings.

    `images` is their digest, `train_code` and `test_code` come from records.sources. A sweep's
    trainings have one thread each.
    """

    images: str
    train_code: dict[str, Any]
    test_code: dict[str, Any]
    device: str

    def identity_of(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The identity of a training with these settings, here and now."""
        device = self.device.split(":")[0]
        return identity(settings, self.images, self.train_code, device, threads=1)

    @property
    def code(self) -> dict[str, Any]:
        """What decides of the code, of trainings and of tests."""
        return self.train_code | self.test_code

    def identity_of_test(self, weight_digest: str) -> dict[str, Any]:
        """The identity of a test of these weights."""
        return test_identity(weight_digest, self.images, self.test_code)


class Request(NamedTuple):
    """What a call asks for: where, of which studies, and whether all of it anew."""

    out: Path
    studies: Collection[str]
    fresh: bool = False


@dataclass(eq=False)  # two trainings are the same only if they are one
class Training:
    """One training and its test, asked for by one run or by several that share it.

    `name` is that in the store, where `place` is. `is_requested`: one of the studies that this
    call is to do asks for it. `trained` and `tested` say how it stands. `start_from` is a
    checkpoint of a shorter one that it goes on from.
    """

    settings: dict[str, Any]
    identity: dict[str, Any]
    name: str
    place: store.Place
    runs: list[Run] = field(default_factory=list)
    is_requested: bool = False
    trained: Judged = field(default_factory=not_done)
    tested: Judged = field(default_factory=not_done)
    start_from: Path | None = None
    epochs_to_do: int = 0

    @property
    def names(self) -> str:
        return ", ".join(run.name for run in self.runs)

    @property
    def is_trained(self) -> bool:
        return self.trained.status == DONE

    @property
    def is_finished(self) -> bool:
        return self.is_trained and self.tested.status == DONE

    def judge(self, conditions: Conditions) -> None:
        """Find out what lies in the store."""
        result, weight, _ = self.place
        self.trained = read_training(result, weight, self.identity)
        self.tested = not_done()
        if self.is_trained:
            weight_digest = self.trained.record["weight_sha256"]
            self.tested = read_test(result, conditions.identity_of_test(weight_digest))


Chains = list[list[Training]]


class Plan(NamedTuple):
    """Trainings in chains, the shortest of each first, and the names of others in the store."""

    chains: Chains
    unasked: list[str]

    @property
    def trainings(self) -> list[Training]:
        """All trainings, of every study."""
        return [training for chain in self.chains for training in chain]

    @property
    def requested(self) -> list[Training]:
        """The trainings that this call is to do."""
        return [training for training in self.trainings if training.is_requested]


def make_plan(runs: list[Run], conditions: Conditions, request: Request) -> Plan:
    """Find out how the trainings of all runs stand, and what is left to do."""
    trainings = trainings_of(runs, conditions, request)
    names = {training.name for training in trainings}
    unasked = [name for name in store.stored_names(request.out) if name not in names]
    chains = chains_of(trainings)
    for chain in chains:
        for training in chain:
            training.judge(conditions)
            if request.fresh and training.is_requested:
                training.trained = training.trained._replace(status=TO_REPEAT)
        for training in chain:
            if training.is_requested and not training.is_trained:
                training.start_from = checkpoint_to_start_from(training, chain, unasked, request)
                note_epochs(training, request.fresh)
    return Plan(chains, unasked)


def trainings_of(runs: list[Run], conditions: Conditions, request: Request) -> list[Training]:
    """A training for all runs of the same settings; the shortest come first."""
    trainings: dict[tuple, Training] = {}
    for run in runs:
        key = training_key(run.settings)
        if key not in trainings:
            identity_now = conditions.identity_of(run.settings)
            name = store.name_of(identity_now)
            place = store.place_of(request.out, name)
            trainings[key] = Training(run.settings, identity_now, name, place)
        trainings[key].runs.append(run)
        trainings[key].is_requested |= run.study in request.studies
    return sorted(trainings.values(), key=lambda training: training.settings["epochs"])


def training_key(settings: dict[str, Any]) -> tuple:
    """Settings as a key: equal ones ask for the same training."""
    return tuple(map(as_key, settings.values()))


def chains_of(trainings: list[Training]) -> Chains:
    """Trainings by what they have in common beside their epochs; alone, if none goes on."""
    chains: dict[str, list[Training]] = {}
    for training in trainings:
        common = store.chain_of_name(training.name) if GOES_ON else training.name
        chains.setdefault(common, []).append(training)
    return list(chains.values())


# --- going on --------------------------------------------------------------------------------


def checkpoint_to_start_from(
    training: Training, chain: list[Training], unasked: list[str], request: Request
) -> Path | None:
    """The checkpoint of the longest shorter training that there is, or will be in its turn."""
    if not GOES_ON:
        return None
    longest = 0
    start_from = None
    for shorter in shorter_places(training, chain, unasked, request):
        if longest < shorter.epochs < training.settings["epochs"]:
            longest = shorter.epochs
            start_from = shorter.checkpoint
    return start_from


class Shorter(NamedTuple):
    """A checkpoint of the same training with another number of epochs."""

    epochs: int
    checkpoint: Path


def shorter_places(
    training: Training, chain: list[Training], unasked: list[str], request: Request
) -> list[Shorter]:
    """Checkpoints of a chain that are there or will be; with --fresh none that is there."""
    places = []
    for other in chain:
        will_be = other.is_requested and not other.is_trained
        is_there = other.place.checkpoint.is_file() and not request.fresh
        if will_be or is_there:
            places.append(Shorter(other.settings["epochs"], other.place.checkpoint))
    if request.fresh:
        return places
    for name in unasked:
        checkpoint = store.place_of(request.out, name).checkpoint
        is_same = store.chain_of_name(name) == store.chain_of_name(training.name)
        if is_same and checkpoint.is_file():
            places.append(Shorter(store.epochs_of_name(name), checkpoint))
    return places


def note_epochs(training: Training, fresh: bool) -> None:
    """Work out how many epochs are to be done: those that no checkpoint holds."""
    reached = 0
    if not fresh:
        begun = status_of_begun(training)
        reached = begun.epochs
        if training.trained.status == MISSING:
            training.trained = not_done(begun)
    if training.start_from:
        shorter = store.epochs_of_name(training.start_from.parent.name)
        reached = max(reached, shorter)
    epochs = training.settings["epochs"]
    training.epochs_to_do = epochs - min(reached, epochs)


def status_of_begun(training: Training) -> Status:
    """Whether a training's checkpoint is one that it goes on from, or what has changed since."""
    begun = read_begun(training.place.checkpoint)
    if begun is None:
        return MISSING
    ignored = ("epochs",) if GOES_ON else ()
    changes = what_changed(begun.identity, training.identity, ignored)
    if changes:
        return Status(Stage.REPEATED, list_changes(changes))
    return Status(Stage.INTERRUPTED, f"interrupted after epoch {begun.epochs}", begun.epochs)


def epochs_of(trainings: Sequence[Training]) -> int:
    """How many epochs of some trainings are to be done."""
    return sum(training.epochs_to_do for training in trainings)


def lost_runs(trainings: list[Training], conditions: Conditions) -> list[str]:
    """Say which finished trainings were changed or removed since, as by a user meanwhile."""
    lost: list[str] = []
    for training in trainings:
        if training.is_finished:
            training.judge(conditions)
            if not training.is_finished:
                then = "then something else changed or removed its files"
                lost.append(f"LOST {training.names}: it was finished, {then}; run it again")
    return lost


def seconds_per_epoch(trainings: Sequence[Training]) -> float | None:
    """What an epoch took in earlier trainings on these images; None if there is none."""
    seconds, epochs = 0.0, 0
    for training in trainings:
        record = training.trained.record
        if record:
            seconds += record["seconds"]
            epochs += record["epochs"]
    return seconds / epochs if epochs else None
