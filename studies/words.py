"""A plan in words: what is done of every setting, what is to be done, and why.

print(describe_plan(plan, runs, jobs=2))
"""

from collections import Counter
from collections.abc import Sequence

from console.options import value_text
from records.finished import Stage
from studies.plan import Plan, Training, epochs_of, training_key
from studies.settings import BASE_STUDY, Run


def describe_plan(plan: Plan, runs: list[Run], jobs: int) -> str:
    """Say of every setting how many of its trainings are done and to do, the total last."""
    trainings = plan.requested
    lines = ["settings:"]
    for name, of_setting in by_setting(trainings, runs).items():
        lines.append(f"  {describe_setting(name, of_setting)}")
    for line in describe_repeats(trainings):
        lines.append(f"  {line}")
    untrained = sum(not training.is_trained for training in trainings)
    untested = sum(not training.is_finished for training in trainings)
    epochs = counted(epochs_of(trainings), "epoch")
    to_do = f"{counted(untrained, 'training')}, {epochs}, {counted(untested, 'test')}"
    done = count_done(trainings)
    lines.append(f"{done} done; to be done, with the base's seeds: {to_do}; {jobs} at once")
    return "\n".join(lines)


def by_setting(trainings: list[Training], runs: list[Run]) -> dict[str, list[Training]]:
    """The trainings of every setting, by its name, in the order of the runs."""
    training_of: dict[tuple, Training] = {}
    for training in trainings:
        training_of[training_key(training.settings)] = training
    of_settings: dict[str, list[Training]] = {}
    for run in runs:
        key = training_key(run.settings)
        if key in training_of:  # else it is there already, or not asked for
            of_settings.setdefault(name_of_setting(run), []).append(training_of.pop(key))
    return of_settings


def name_of_setting(run: Run) -> str:
    """What a run varies, and its value: batch_size 16; base for the base setting."""
    if run.study == BASE_STUDY:
        return "base"
    return ", ".join(f"{name} {value_text(value)}" for name, value in run.varied.items())


def describe_setting(name: str, trainings: list[Training]) -> str:
    """Say in one line how far a setting has come."""
    epochs = epochs_of(trainings)
    untested = interrupted = 0
    for training in trainings:
        if training.is_trained and not training.is_finished:
            untested += 1
        if training.trained.status.stage is Stage.INTERRUPTED:
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
        if training.trained.status.stage is Stage.REPEATED:
            reasons[training.trained.status.why] += 1
        elif training.is_trained and training.tested.status.stage is Stage.REPEATED:
            reasons[training.tested.status.why] += 1
    return [f"to be done again: {count} ({reason})" for reason, count in reasons.items()]


def count_finished(trainings: Sequence[Training]) -> int:
    """How many of some trainings are finished, with their tests."""
    return sum(training.is_finished for training in trainings)


def count_done(trainings: Sequence[Training]) -> str:
    """Say how many of some trainings are finished: 7 of 18 trainings."""
    return f"{count_finished(trainings)} of {counted(len(trainings), 'training')}"


def counted(count: int, name: str) -> str:
    """A number of things: 1 seed, 8 seeds."""
    if count == 1:
        return f"1 {name}"
    return f"{count:,} {name}s"


def describe_training(training: Training) -> str:
    """Say of one training what is to be done and why."""
    if training.is_finished:
        return "done"
    if training.is_trained:
        return f"to test: {training.tested.status.why}"
    to_do = f"to train {counted(training.epochs_to_do, 'epoch')}"
    epochs_before = training.settings["epochs"] - training.epochs_to_do
    if training.epochs_to_do == 0:
        to_do = "to write again from its last checkpoint"
    elif epochs_before:
        to_do += f", goes on after epoch {epochs_before}"
    return f"{to_do}: {training.trained.status.why}"
