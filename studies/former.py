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
from records.finished import Made, made_in, recorded
from records.runs import RUN_FILES, Change, Stage, checkpoint_path, what_changed
from studies.plan import Training
from studies.settings import FORMER, Run

DIGITS = 8  # of the digest that names what made a run
RECORD = "train.json"
SUMMARIES = ("acc.txt", "Training_accuracy.png", "Loss_curve.png")  # of a setting's seeds
SHOWN = 4  # names of what changed


# --- what is there ---------------------------------------------------------------------------


def former_runs(out: Path, runs: list[Run]) -> list[Run]:
    """Finished runs of other settings than their folder is for now, and those set aside."""
    names = list(runs[0].settings)
    found = []
    for run in runs:
        settings = recorded_settings(run.result, names)
        if settings and settings != run.settings:
            found.append(replace(run, settings=settings))
    for path in sorted((out / "result" / FORMER).rglob(RECORD)):
        settings = recorded_settings(path.parent, names)
        if settings:
            found.append(run_in(path.parent, out, settings))
    return found


def recorded_settings(result: Path, names: list[str]) -> dict:
    """The settings and the seed of the training in a folder; empty if there is none of such."""
    identity = recorded(result).get("identity", {})
    if not all(name in identity for name in names):
        return {}
    return {name: identity[name] for name in names}


def run_in(folder: Path, out: Path, settings: dict) -> Run:
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
            if made and is_whole(run, made, out):
                aside = place_of(run, made, out)
                stale.append(Stale(run, training, status.changes, aside))
    return stale


def in_the_way(training: Training) -> list[Run]:
    """The runs whose files a training, or copies of it, are going to replace."""
    if not training.runs:
        return []
    replaced = dict.fromkeys(training.runs)
    for run in training.elsewhere:
        if run == training.main_run or one_seed_of(run, training):
            replaced[run] = None
    return list(replaced)


def one_seed_of(run: Run, training: Training) -> bool:
    """Whether a run lies where a call of one seed put it, and this call has several."""
    return any(asked.result.parent == run.result for asked in training.runs)


def is_whole(run: Run, made: Made, out: Path) -> bool:
    """Whether a run's weights are those of its record, where they were or already aside."""
    for weight in (run.weight, place_of(run, made, out) / run.weight.name):
        if file_digest(weight) == made.weight_digest:
            return True
    return False


def place_of(run: Run, made: Made, out: Path) -> Path:
    """Where a run's files are set aside."""
    return out / "result" / FORMER / run.name / digest_of(made.identity)[:DIGITS]


def describe_stale(trainings: list[Training], out: Path) -> list[str]:
    """Say how many finished runs no longer fit, why, and where they go; nothing if all fit."""
    stale = stale_runs(trainings, out)
    if not stale:
        return []
    names = list(dict.fromkeys(change.name for each in stale for change in each.changes))
    if len(names) > SHOWN:
        names[SHOWN:] = ["…"]
    were = "1 finished run was" if len(stale) == 1 else f"{len(stale)} finished runs were"
    place = out / "result" / FORMER
    kept = "until the new ones are there; those of other settings, images or devices stay"
    return [f"{were} made with other {', '.join(names)}: kept in {place} {kept}"]


def describe_left_out(trainings: list[Training], out: Path) -> list[str]:
    """Name the folders of studies that are not in STUDIES any more; nothing if there is none."""
    known = {FORMER}
    for training in trainings:
        for run in training.runs + training.elsewhere:
            known.add(run.study)
    place = out / "result"
    names = []
    for folder in sorted(place.glob("*/")):
        if folder.name not in known and any(folder.rglob(RECORD)):
            names.append(folder.name)
    if not names:
        return []
    return [f"{place} also holds {', '.join(names)}, not in STUDIES: not in the report"]


def set_aside(trainings: list[Training], out: Path) -> None:
    """Move what is in the way of trainings to where it is kept, or to its seed's folder."""
    moved: dict[Run, Run] = {}
    for run, training, _, folder in stale_runs(trainings, out):
        settings = recorded_settings(run.result, list(run.settings))
        move_files(run, folder, folder)
        if settings == run.settings:
            training.former.append(run_in(folder, out, settings))
        elif settings:
            moved[replace(run, settings=settings)] = run_in(folder, out, settings)
    for training in trainings:
        for run in training.elsewhere:
            if one_seed_of(run, training):
                moved |= move_to_seed(run, training, out)
    for training in trainings:
        training.main_run = moved.get(training.main_run, training.main_run)
        training.former = [moved.get(run, run) for run in training.former]


def move_to_seed(run: Run, training: Training, out: Path) -> dict[Run, Run]:
    """Bring what a call of one seed left to its seed's folder; what was moved to where."""
    made = made_in(run.result)
    settings = recorded_settings(run.result, ["seed"])
    if made and settings:
        seed = settings["seed"]
        folder, weights = run.result / f"seed_{seed}", run.weight.parent / f"seed_{seed}"
        if not (folder / RECORD).is_file():
            move_files(run, folder, weights)
        elif file_digest(run.weight) == file_digest(weights / run.weight.name):
            remove_files(run)
        else:
            aside = place_of(run, made, out)
            move_files(run, aside, aside)
    if not training.is_finished:
        for name in SUMMARIES:  # of another call; the report makes them again
            (run.result / name).unlink(missing_ok=True)
    targets = [asked for asked in training.runs if asked.result.parent == run.result]
    return {run: targets[0]}


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
    pictures = [path.name for path in sorted(run.result.glob("*.png"))]
    for name in (*pictures, *RUN_FILES):
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
