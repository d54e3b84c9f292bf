"""What former calls left: finished runs of another BASE, other images or other code.

    former = former_runs(out, runs)     # before planning: they may be of use
    set_aside(trainings, out)           # before training: nothing finished is overwritten
    remove_superseded(training)         # after it

They lie in result/former/, by the run whose folder they were in and what made them.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from records.files import digest_of, file_digest
from records.finished import ACCURACIES, TRAIN_RECORD, Made, made_in, recorded
from records.runs import RUN_FILES, Change, Stage, checkpoint_path, what_changed
from studies.plan import Training
from studies.settings import FORMER, Run

DIGITS = 8  # of the digest that names what made a run
SUMMARIES = (ACCURACIES, "Training_accuracy.png", "Loss_curve.png")  # of a setting's seeds
MOST_NAMES = 4  # of what changed, in a line


# --- what is there ---------------------------------------------------------------------------


def former_runs(out: Path, runs: list[Run]) -> list[Run]:
    """Finished runs of other settings than their folder is for now, and those set aside."""
    names = list(runs[0].settings)
    former = []
    for run in runs:
        settings = recorded_settings(run.result, names)
        if settings and settings != run.settings:
            former.append(replace(run, settings=settings))
    for path in sorted((out / "result" / FORMER).rglob(TRAIN_RECORD)):
        settings = recorded_settings(path.parent, names)
        if settings:
            former.append(run_set_aside(path.parent, out, settings))
    return former


def recorded_settings(result: Path, names: list[str]) -> dict:
    """The settings and the seed of the training in a folder; empty if there is none of such."""
    identity = recorded(result).get("identity", {})
    settings = {}
    for name in names:
        if name not in identity:
            return {}
        settings[name] = identity[name]
    return settings


def run_set_aside(folder: Path, out: Path, settings: dict) -> Run:
    """A run that was set aside: all its files are in one folder."""
    name = folder.relative_to(out / "result").as_posix()
    weight = folder / "weight.pth"
    return Run(FORMER, {}, settings, name, folder, weight, checkpoint_path(weight))


# --- out of the way --------------------------------------------------------------------------


class Stale(NamedTuple):
    """A finished run that is in the way of a training, and what made it that no longer holds.

    `aside` is the folder where its files are kept.
    """

    run: Run
    training: Training
    changes: Sequence[Change]
    aside: Path


def stale_runs(trainings: list[Training], out: Path) -> list[Stale]:
    """Runs whose finished results would be overwritten by those of something else."""
    stale = []
    for training in trainings:
        for run in in_the_way(training):
            status = training.statuses[run]
            if status.stage is not Stage.CHANGED:
                continue
            made = made_in(run.result)
            if made is None:
                continue
            aside = folder_aside(run, made, out)
            if has_its_weights(run, made, aside):
                stale.append(Stale(run, training, status.changes, aside))
    return stale


def in_the_way(training: Training) -> list[Run]:
    """The runs whose files a training, or copies of it, are going to replace."""
    if not training.runs:
        return []
    replaced = list(training.runs)
    for run in training.elsewhere:
        is_replaced = run == training.main_run or run_with_seed(run, training) is not None
        if is_replaced and run not in replaced:
            replaced.append(run)
    return replaced


def run_with_seed(run: Run, training: Training) -> Run | None:
    """For a run where a call of one seed put it: that of this call, which has several.

    None if a run does not lie so.
    """
    for requested in training.runs:
        if requested.result.parent == run.result:
            return requested
    return None


def has_its_weights(run: Run, made: Made, aside: Path) -> bool:
    """Whether the weights of its record are there: in a run's place, or aside.

    A kill may have come between moving the weights and moving the record.
    """
    for weight in (run.weight, aside / run.weight.name):
        if file_digest(weight) == made.weight_digest:
            return True
    return False


def folder_aside(run: Run, made: Made, out: Path) -> Path:
    """Where a run's files are set aside."""
    return out / "result" / FORMER / run.name / digest_of(made.identity)[:DIGITS]


def describe_stale(trainings: list[Training], out: Path) -> list[str]:
    """Say how many finished runs no longer fit, why, and where they go; nothing if all fit."""
    stale = stale_runs(trainings, out)
    if not stale:
        return []
    names: list[str] = []
    for run in stale:
        for change in run.changes:
            if change.name not in names:
                names.append(change.name)
    if len(names) > MOST_NAMES:
        names[MOST_NAMES:] = ["…"]
    were = "1 finished run was"
    if len(stale) > 1:
        were = f"{len(stale)} finished runs were"
    folder = out / "result" / FORMER
    kept = "(those that only other code made, until the new ones are there)"
    return [f"{were} made with other {', '.join(names)}: kept in {folder} {kept}"]


def describe_left_out(trainings: list[Training], out: Path) -> list[str]:
    """Name the folders of studies that are not in STUDIES any more; nothing if there is none."""
    known = {FORMER}
    for training in trainings:
        for run in training.runs + training.elsewhere:
            known.add(run.study)
    results = out / "result"
    names = []
    for folder in sorted(results.glob("*/")):
        if folder.name not in known and any(folder.rglob(TRAIN_RECORD)):
            names.append(folder.name)
    if not names:
        return []
    return [f"{results} also holds {', '.join(names)}, not in STUDIES: not in the report"]


def set_aside(trainings: list[Training], out: Path) -> None:
    """Move what is in the way of trainings to where it is kept, or to its seed's folder."""
    moved = move_stale(trainings, out) | move_to_seeds(trainings, out)
    for training in trainings:
        training.main_run = moved.get(training.main_run, training.main_run)
        training.former = [moved.get(run, run) for run in training.former]


def move_stale(trainings: list[Training], out: Path) -> dict[Run, Run]:
    """Set stale runs aside; where those are now that other trainings may go on from."""
    moved = {}
    for stale in stale_runs(trainings, out):
        run = stale.run
        settings = recorded_settings(run.result, list(run.settings))
        move_files(run, stale.aside, stale.aside)
        aside = run_set_aside(stale.aside, out, settings)
        if settings == run.settings:
            stale.training.former.append(aside)
        elif settings:
            as_former = replace(run, settings=settings)  # as former_runs() has named it
            moved[as_former] = aside
    return moved


def move_to_seeds(trainings: list[Training], out: Path) -> dict[Run, Run]:
    """Bring what calls of one seed left to the folders of their seeds; where they are now."""
    moved = {}
    for training in trainings:
        for run in training.elsewhere:
            with_seed = run_with_seed(run, training)
            if with_seed is not None:
                move_to_seed(run, training, out)
                moved[run] = with_seed
    return moved


def move_to_seed(run: Run, training: Training, out: Path) -> None:
    """Bring what a call of one seed left to its seed's folder."""
    made = made_in(run.result)
    settings = recorded_settings(run.result, ["seed"])
    if made and settings:
        name = f"seed_{settings['seed']}"
        folder = run.result / name
        weights = run.weight.parent / name
        if not (folder / TRAIN_RECORD).is_file():
            move_files(run, folder, weights)
        elif file_digest(run.weight) == file_digest(weights / run.weight.name):
            remove_files(run)
        else:
            aside = folder_aside(run, made, out)
            move_files(run, aside, aside)
    if not training.is_finished:
        for name in SUMMARIES:  # of another call; the report makes them again
            (run.result / name).unlink(missing_ok=True)


def move_files(run: Run, result: Path, weights: Path) -> None:
    """Move a run's files, the record last: where it is killed, the next call goes on."""
    for source, target in files_of(run, result, weights):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)


def remove_files(run: Run) -> None:
    """Remove a run's files, the record last."""
    for path, _ in files_of(run, run.result, run.weight.parent):
        path.unlink()


def files_of(run: Run, result: Path, weights: Path) -> Iterator[tuple[Path, Path]]:
    """A run's files, pictures too, and their places in other folders; the record last."""
    for path in (run.weight, run.checkpoint):
        if path.is_file():
            yield path, weights / path.name
    names = [path.name for path in sorted(run.result.glob("*.png"))]
    names += RUN_FILES
    for name in names:
        if (run.result / name).is_file():
            yield run.result / name, result / name


# --- done with -------------------------------------------------------------------------------


def remove_superseded(training: Training) -> None:
    """Remove what the same training left with other code, now that the new results are there."""
    if not training.is_finished:
        return
    for run in training.former:
        identity = recorded(run.result).get("identity", {})
        changes = what_changed(identity, training.identity)
        if run.study == FORMER and changes and all(map(is_of_code, changes)):
            shutil.rmtree(run.result)


def is_of_code(change: Change) -> bool:
    """Whether code or a package changed, and no setting, image or device."""
    return change.name.endswith((".py", " version"))
