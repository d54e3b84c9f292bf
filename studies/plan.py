"""What is on disk already of the runs that are asked for, and what is left to do.

    chains = make_plan(all_runs(STUDIES, BASE, range(6), out, seeds=range(1)), others=[])

Settings that several studies share become one training; trainings that differ only in their
epochs form a chain, in which each goes on from the checkpoint of the one before.
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from console.options import value_text
from records.files import file_digest, replacing
from records.finished import read_begun, recorded, test_status, training_status
from records.runs import DONE, MISSING, RUN_FILES, Stage, Status, in_words, what_changed
from studies.settings import BASE_STUDY, Run
from training.settings import as_key

# Stages of what was there before and is done again.
REPEATED = (
    Stage.CHANGED,
    Stage.INCOMPLETE,
    Stage.OVERWRITTEN,
    Stage.DAMAGED,
    Stage.TO_REPEAT,
)
MANY = 500  # runs that take a while to look up: their price is said before
MOST_LINES = 40  # settings with a line of their own in a plan
MAY_BE_BEGUN = (Stage.MISSING, Stage.OVERWRITTEN)  # of trainings that may have been interrupted
SPOILED = (Stage.INCOMPLETE, Stage.DAMAGED)  # of finished ones whose checkpoints may be whole


@dataclass(eq=False)  # two trainings are the same only if they are one
class Training:
    """One training and its test, asked for by one run or by several that share it.

    `main_run` is the run whose files it writes; the others get copies. `elsewhere` are runs whose
    folders may hold the result without being asked for now, `former` those whose folders are no
    place for new ones. `trained` and `tested` say how the
    main_run's files stand, `identity` and `images` what they must have been made with.
    """

    settings: dict
    main_run: Run
    runs: list[Run] = field(default_factory=list)
    elsewhere: list[Run] = field(default_factory=list)
    former: list[Run] = field(default_factory=list)
    statuses: dict[Run, Status] = field(default_factory=dict)
    shorter: "Training | None" = None
    trained: Status = MISSING
    tested: Status = MISSING
    identity: dict = field(default_factory=dict)
    images: str = ""
    goes_on: bool = True  # from a checkpoint of another number of epochs
    epochs_to_do: int = 0

    @property
    def names(self) -> str:
        return ", ".join(run.name for run in self.runs)

    @property
    def is_trained(self) -> bool:
        return self.trained == DONE

    @property
    def is_finished(self) -> bool:
        return self.is_trained and self.tested == DONE

    def end(self, program: str, exit_status: int) -> Status:
        """Note that "train" or "test" has ended: no longer to be done, or not in this call.

        It is done if its record is what was asked for. Gives how it stands.
        """
        run = self.main_run
        if program == "train":
            status = training_status(run.result, run.weight, self.identity)
        else:
            status = test_status(run.result, run.weight, self.images)
        if exit_status or status != DONE:
            self.epochs_to_do = 0
        elif program == "train":
            self.trained = DONE
        else:
            self.tested = DONE
        return status


def make_plan(
    requested: list[Run], others: list[Run], former: Sequence[Run] = (), goes_on: bool = True
) -> list[list[Training]]:
    """Chains of trainings: same settings but for the epochs, the shortest first.

    Each `goes_on` from the one before; if none does, every training is a chain of its own. Of
    `others` that are not asked for, and of `former` runs, the files can be reused.
    """
    trainings = trainings_of(requested, others, former)
    trainings.sort(key=lambda training: training.settings["epochs"])
    if goes_on:
        return chains_of(trainings)
    for training in trainings:
        training.goes_on = False
    return [[training] for training in trainings]


def trainings_of(
    requested: list[Run], others: Sequence[Run], former: Sequence[Run]
) -> list[Training]:
    """A training for all runs of the same settings."""
    trainings: dict[tuple, Training] = {}
    requested_folders = {run.result for run in requested}
    for run in requested:
        training_for(run, trainings).runs.append(run)
    for run in others:
        if run.result not in requested_folders:
            training_for(run, trainings).elsewhere.append(run)
    for run in former:
        training_for(run, trainings).former.append(run)
    return list(trainings.values())


def chains_of(trainings: list[Training]) -> list[list[Training]]:
    """Trainings, the shortest first, by what they have in common beside their epochs."""
    chains: dict[tuple, list[Training]] = {}
    for training in trainings:
        common = training.settings | {"epochs": 0}
        chain = chains.setdefault(training_key(common), [])
        if chain:
            training.shorter = chain[-1]
        chain.append(training)
    return list(chains.values())


def training_key(settings: dict) -> tuple:
    """Settings as a key: equal ones ask for the same training."""
    return tuple(map(as_key, settings.values()))


def training_for(run: Run, trainings: dict[tuple, Training]) -> Training:
    """The training that a run asks for, a new one if no run has asked for it."""
    key = training_key(run.settings)
    if key not in trainings:
        trainings[key] = Training(run.settings, main_run=run)
    return trainings[key]


def epochs_of(trainings: list[Training]) -> int:
    """How many epochs of some trainings are to be done."""
    return sum(training.epochs_to_do for training in trainings)


def look_up(training: Training, identity: dict, images: str, fresh: bool) -> None:
    """Find out where one training is finished, or why it is to be done.

    `identity` is what a finished training must have, `images` the digest that a finished test
    must have.
    """
    training.identity = identity
    training.images = images
    finished = []
    for run in training.runs + training.elsewhere + training.former:
        status = training_status(run.result, run.weight, identity)
        training.statuses[run] = status
        if status == DONE:
            finished.append(run)
    if finished and not fresh:
        choose_tested(training, finished, images)
        return
    if fresh:
        training.main_run = writable_runs(training)[0]
        training.trained = Status(Stage.TO_REPEAT)
    else:
        training.main_run = begun_or_first(writable_runs(training))
        training.trained = first_reason(list(training.statuses.values()))
    if training.runs:  # else its checkpoint may serve a longer one, no more
        note_epochs(training)


def lost_runs(trainings: list[Training]) -> list[str]:
    """Say of which finished runs files were changed or removed since, as by a user meanwhile."""
    lost = []
    for training in trainings:
        if not training.is_finished:
            continue
        for run in training.runs:
            trained = training_status(run.result, run.weight, training.identity)
            tested = test_status(run.result, run.weight, training.images)
            if trained != DONE or tested != DONE:
                then = "then something else changed or removed its files"
                lost.append(f"LOST {run.name}: it was finished, {then}; run it again")
    return lost


def choose_tested(training: Training, finished: list[Run], images: str) -> None:
    """Of runs whose training is finished, use one whose test is finished too, if there is one."""
    training.trained = DONE
    statuses = [test_status(run.result, run.weight, images) for run in finished]
    best = 0
    if DONE in statuses:
        best = statuses.index(DONE)
    training.main_run = finished[best]
    training.tested = statuses[best]


def writable_runs(training: Training) -> list[Run]:
    """The runs where a training may be done; former ones only where there is no other."""
    return training.runs + training.elsewhere or training.former


def begun_or_first(runs: list[Run]) -> Run:
    """The run where a checkpoint is, if there is one, else the first that asks for the training."""
    for run in runs:
        if run.checkpoint.is_file():
            return run
    return runs[0]


def first_reason(statuses: list[Status]) -> Status:
    """Why a training is done, of all places where it might be: the first that says something."""
    for status in statuses:
        if status != MISSING:
            return status
    return MISSING


def note_epochs(training: Training) -> None:
    """Work out how many epochs are to be done: those that no checkpoint holds."""
    reached = 0
    stage = training.statuses[training.main_run].stage
    if stage in MAY_BE_BEGUN + SPOILED and training.trained.stage is not Stage.TO_REPEAT:
        begun = status_of_begun(training)
        reached = begun.epochs
        if stage in MAY_BE_BEGUN and begun != MISSING:
            training.trained = begun
    if training.shorter and can_go_on_from(training.shorter):
        reached = max(reached, training.shorter.settings["epochs"])
    epochs = training.settings["epochs"]
    training.epochs_to_do = epochs - min(reached, epochs)


def status_of_begun(training: Training) -> Status:
    """Whether a training's checkpoint is one that it goes on from, or what has changed since."""
    begun = read_begun(training.main_run.checkpoint)
    if begun is None:
        return MISSING
    ignored = ("epochs",) if training.goes_on else ()
    changes = what_changed(begun.identity, training.identity, ignored)
    if changes:
        return Status(Stage.CHANGED, changes=changes)
    return Status(Stage.INTERRUPTED, epochs=begun.epochs)


def can_go_on_from(shorter: Training) -> bool:
    """Whether there is, or will be, a checkpoint of a shorter training."""
    if shorter.is_trained:
        return shorter.main_run.checkpoint.is_file()
    return bool(shorter.runs)


# --- in words --------------------------------------------------------------------------------


def describe_plan(trainings: list[Training], runs: list[Run], jobs: int) -> str:
    """Say of every setting how many of its trainings are done and to do, the total last."""
    requested = [training for training in trainings if training.runs]
    lines = ["settings:"]
    for line in describe_settings(by_setting(requested, runs)) + describe_repeats(requested):
        lines.append(f"  {line}")
    untrained = sum(not training.is_trained for training in requested)
    untested = sum(not training.is_finished for training in requested)
    epochs = counted(epochs_of(requested), "epoch")
    to_do = f"{counted(untrained, 'training')}, {epochs}, {counted(untested, 'test')}"
    done = count_done(requested)
    lines.append(f"{done} done; to be done, with the base's seeds: {to_do}; {jobs} at once")
    return "\n".join(lines)


def describe_price(runs: list[Run]) -> str:
    """Say what many runs come to, before it is looked up what of them is done."""
    epochs: dict[tuple, int] = {}  # of each training: runs may share one
    for run in runs:
        epochs[training_key(run.settings)] = run.settings["epochs"]
    trainings = counted(len(epochs), "training")
    all_epochs = counted(sum(epochs.values()), "epoch")
    return f"asked for: {trainings}, {all_epochs} at most; looking up what is done"


def describe_settings(trainings_of_settings: dict[str, list[Training]]) -> list[str]:
    """A line for each setting; one for all beyond MOST_LINES, so that the total is seen."""
    lines: list[str] = []
    others: list[Training] = []
    for name, trainings in trainings_of_settings.items():
        if len(lines) < MOST_LINES:
            lines.append(describe_setting(name, trainings))
        else:
            others += trainings
    if others:
        count = counted(len(trainings_of_settings) - MOST_LINES, "more setting")
        lines.append(describe_setting(count, others))
    return lines


def by_setting(trainings: list[Training], runs: list[Run]) -> dict[str, list[Training]]:
    """The trainings of every setting, by its name, in the order of the runs."""
    training_of_run: dict[Path, Training] = {}
    for training in trainings:
        for run in training.runs:
            training_of_run[run.result] = training
    of_settings: dict[str, list[Training]] = {}
    for run in runs:
        training = training_of_run[run.result]
        if run is training.runs[0]:  # the setting of another study is there already
            of_settings.setdefault(name_of_setting(run), []).append(training)
    return of_settings


def name_of_setting(run: Run) -> str:
    """What a run changes, to what: batch_size 16; base for the base setting."""
    if run.study == BASE_STUDY:
        return "base"
    changes = [f"{name} {value_text(value)}" for name, value in run.varied.items()]
    return ", ".join(changes)


def describe_setting(name: str, trainings: list[Training]) -> str:
    """Say in one line how far a setting has come."""
    epochs = epochs_of(trainings)
    untested = interrupted = 0
    for training in trainings:
        if training.is_trained and not training.is_finished:
            untested += 1
        if training.trained.stage is Stage.INTERRUPTED:
            interrupted += 1
    parts = [f"{name}: {counted(len(trainings), 'seed')}", f"{count_finished(trainings)} done"]
    if epochs:
        parts.append(f"{counted(epochs, 'epoch')} to do")
    if untested:
        parts.append(f"{untested} to test")
    if interrupted:
        parts.append(f"{interrupted} interrupted, to go on")
    return ", ".join(parts)


def describe_repeats(trainings: list[Training]) -> list[str]:
    """Say what is done again, and why: a line for each reason, with its number of trainings."""
    reasons: Counter[str] = Counter()
    for training in trainings:
        if training.trained.stage in REPEATED:
            reasons[in_words(training.trained, "trained")] += 1
        elif training.is_trained and training.tested.stage in REPEATED:
            reasons[in_words(training.tested, "tested")] += 1
    return [f"to be done again: {count} ({reason})" for reason, count in reasons.items()]


def count_finished(trainings: list[Training]) -> int:
    """How many of some trainings are finished, with their tests."""
    return sum(training.is_finished for training in trainings)


def count_done(trainings: list[Training]) -> str:
    """Say how many of some trainings are finished: 7 of 18 trainings."""
    return f"{count_finished(trainings)} of {counted(len(trainings), 'training')}"


def counted(count: int, name: str) -> str:
    """A number of things: 1 seed, 8 seeds."""
    if count == 1:
        return f"1 {name}"
    return f"{count:,} {name}s"


def seconds_per_epoch(trainings: list[Training]) -> float | None:
    """What an epoch took in earlier trainings on these images; None if there is none."""
    seconds, epochs = 0.0, 0
    for training in trainings:
        record = recorded(training.main_run.result)
        if record and record["identity"].get("images") == training.images:
            seconds += record["seconds"]
            epochs += record["epochs"]
    return seconds / epochs if epochs else None


def describe_training(training: Training) -> str:
    """Say of one training what is to be done and why."""
    if training.is_finished:
        return "done"
    if training.is_trained:
        return f"to test: {in_words(training.tested, 'tested')}"
    to_do = f"to train {counted(training.epochs_to_do, 'epoch')}"
    epochs_before = training.settings["epochs"] - training.epochs_to_do
    if training.epochs_to_do == 0:
        to_do = "to write again from its last checkpoint"
    elif epochs_before:
        to_do += f", goes on after epoch {epochs_before}"
    return f"{to_do}: {in_words(training.trained, 'trained')}"


def describe_versions(trainings: list[Training], changed: list[str]) -> str:
    """Say which runs are of the code as it was at the start, and which were not done."""
    finished: list[str] = []
    unfinished: list[str] = []
    for training in trainings:
        names = [run.name for run in training.runs]
        if training.is_finished:
            finished += names
        else:
            unfinished += names
    lines = [f"{', '.join(changed)} changed while this ran; the same command does all runs anew"]
    lines.append(f"  of the version before {counted_names(finished)}")
    lines.append(f"  not done {counted_names(unfinished)}")
    return "\n".join(lines)


def counted_names(names: list[str]) -> str:
    """How many names, and which: (2): a, b."""
    return f"({len(names)}): {', '.join(names) or 'none'}"


def deliver(training: Training) -> None:
    """Copy a finished training's files to the other runs that share it, the records last."""
    if not training.is_finished:
        return
    main_run = training.main_run
    for run in training.runs:
        copy_if_changed(main_run.weight, run.weight)
        for name in RUN_FILES:
            copy_if_changed(main_run.result / name, run.result / name)


def copy_if_changed(source: Path, target: Path) -> None:
    """Copy a file that is there, whole or not at all, where the target is not the same."""
    if source.is_file() and file_digest(source) != file_digest(target):
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
