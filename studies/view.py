"""The folders of the studies: whole copies of what lies in the store, and never a source of it.

    claim(out, places)                  # before anything is trained; a user's file is refused
    write_copies(out, trainings)        # with the report
    settle(out, trainings, places)      # what no study asks for any more is taken away

A list of what was written tells the program's files from a user's, which are left alone.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable
from filecmp import cmp
from pathlib import Path
from typing import NamedTuple

from console.errors import InputError
from records.files import Damaged, read_record, replacing, write_record
from records.finished import DONE, Judged, read_test, read_training
from records.runs import ACCURACIES, RUN_FILES, WEIGHT
from studies import store
from studies.plan import Training
from studies.settings import BASE_STUDY, RUNS, Run, folder_of
from training.settings import ALSO_DECIDE

CURVES = ("Training_accuracy.png", "Training_accuracy.pdf", "Loss_curve.png", "Loss_curve.pdf")
CONFUSION_MATRIX = "confusion_matrix.png"
OF_A_STUDY = (
    "accuracy.png",
    "loss.png",
    "roc.png",
    "roc.pdf",
    "comparison.png",
    "comparison.pdf",
    "heatmap.png",
    "heatmap.pdf",
)
OF_ALL = (
    "answer.png",
    "answer.pdf",
    "results.csv",
    "summary.csv",
    "summary.md",
    "summary.tex",
    "report.html",
)
LISTED = f"{RUNS}/view.json"  # in result/: what is shown, what was written and how it stood then

Stamp = list[int]  # size and time of change of a file; empty where it was not written yet


class Listed(NamedTuple):
    """What the view shows: names of trainings, and its own files by their place."""

    trainings: list[str]
    files: dict[str, Stamp]


# --- which places ----------------------------------------------------------------------------


def all_places(runs: Iterable[Run]) -> list[str]:
    """Every place of the view that these runs may come to, from the folder of results on."""
    places = {f"result/{name}" for name in OF_ALL}
    for run in runs:
        places |= {f"result/{run.name}/{name}" for name in (*RUN_FILES, CONFUSION_MATRIX, *CURVES)}
        places.add(f"weights/{run.name}/{WEIGHT}")
        places |= {f"result/{run.study}/{name}" for name in OF_A_STUDY}
        setting = f"{run.study}/{folder_of(run.varied)}"
        if setting != run.name and run.study != BASE_STUDY:
            places |= {f"result/{setting}/{name}" for name in (ACCURACIES, *CURVES)}
    return sorted(places)


# --- whose files -----------------------------------------------------------------------------


def claim(out: Path, places: list[str]) -> None:
    """Note that these places are the program's; InputError if a user's file stands in one."""
    listed = read_list(out)
    for place in places:
        path = out / place
        if path.is_symlink() or (place not in listed.files and path.is_file()):
            why = f"is not in {out / 'result' / LISTED}, so it is taken for a file of yours"
            remedy = "move it away, or name another folder: --out"
            raise InputError(f"{path} {why}, where results go; {remedy}")
        refuse_blocked(out, path)
    for place in places:
        listed.files.setdefault(place, [])
    write_list(out, listed)


def refuse_blocked(out: Path, path: Path) -> None:
    """InputError if what stands on the way to a place is no folder, or a folder is in the place."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; a file belongs there: move it away")
    for folder in path.parents:
        if folder == out:
            return
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; a folder belongs there: move it away")


def read_list(out: Path) -> Listed:
    """What the view shows; nothing where no list is there, or a damaged one."""
    try:
        return Listed(**read_record(out / "result" / LISTED))
    except (Damaged, OSError, TypeError):
        return Listed([], {})


def write_list(out: Path, listed: Listed) -> None:
    """Note what the view shows."""
    write_record(out / "result" / LISTED, listed._asdict())


def settle(out: Path, trainings: Iterable[Training], places: list[str]) -> None:
    """Note what is shown now; take away what was and is not asked for any more.

    Not what somebody has changed since: that is no copy any more.
    """
    files = read_list(out).files
    for place in sorted(set(files) - set(places), reverse=True):
        path = out / place
        if files[place] and stamp_on_disk(path) == files[place]:
            path.unlink()
            remove_empty_folders(path.parent, out)
    names = [training.name for training in trainings if training.is_finished]
    write_list(out, Listed(names, {place: stamp_on_disk(out / place) for place in places}))


def shown(out: Path) -> list[Training]:
    """The finished trainings that the view of another call shows, as their records tell them."""
    trainings = []
    for name in read_list(out).trainings:
        place = store.place_of(out, name)
        trained = read_training(place.result, place.weight, None)
        tested = read_test(place.result, None)
        if trained.status == tested.status == DONE and is_test_of(tested, trained):
            identity = trained.record["identity"]
            settings = {name: identity[name] for name in names_of_settings(identity)}
            training = Training(settings, identity, name, place, trained=trained, tested=tested)
            trainings.append(training)
    return trainings


def names_of_settings(identity: dict[str, object]) -> list[str]:
    """The names of the settings and the seed in what decided a training, whatever SETTINGS has now.

    Of the rest versions have a space in their name, files a dot, variables a $.
    """
    others = {"images", "device", "threads", "processes", *ALSO_DECIDE}
    return [name for name in identity if name.isidentifier() and name not in others]


def is_test_of(tested: Judged, trained: Judged) -> bool:
    """Whether a test is that of the weights that a training has left."""
    return bool(tested.record["identity"]["weight.pth"] == trained.record["weight_sha256"])


def stamp_on_disk(path: Path) -> Stamp:
    """Size and time of change of a file; empty if there is none."""
    try:
        state = path.lstat()
    except OSError:
        return []
    return [state.st_size, state.st_mtime_ns]


def remove_empty_folders(folder: Path, out: Path) -> None:
    """Remove a folder and those above it as long as nothing is in them."""
    while folder not in (out, out / "result", out / "weights"):
        with contextlib.suppress(OSError):  # something of the user's lies in it
            folder.rmdir()
        folder = folder.parent


# --- copies ----------------------------------------------------------------------------------


def write_copies(out: Path, trainings: Iterable[Training]) -> None:
    """Bring finished trainings to the folders of all runs that ask for them, the records last."""
    for training in trainings:
        if not training.is_finished:
            continue
        result, weight, _ = training.place
        for run in training.runs:
            link_or_copy(weight, out / "weights" / run.name / WEIGHT)
            for name in (CONFUSION_MATRIX, *RUN_FILES):
                copy_if_changed(result / name, out / "result" / run.name / name)


def copy_if_changed(source: Path, target: Path) -> None:
    """Copy a file that is there, whole or not at all, where the target is not the same."""
    if not source.is_file() or (target.is_file() and cmp(source, target)):
        return
    with replacing(target) as temporary:
        shutil.copy2(source, temporary)  # with its time, by which cmp() knows it again


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, since weights may be large; a copy where a disk has no links.

    A replaced or removed name leaves the other as it was. Who writes into the file under either
    name changes both: then its digest is not that of its record, and it is trained again.
    """
    if target.exists() and target.samefile(source):
        return
    linked = target.with_name(f".{target.name}.link")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        linked.unlink(missing_ok=True)
        os.link(source, linked)
        linked.replace(target)
    except OSError:
        copy_if_changed(source, target)
