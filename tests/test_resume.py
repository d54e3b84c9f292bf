"""Runs that survive kills, are reused only when that is right, and fail without harm."""

import importlib.metadata
import itertools
import os
import pkgutil
import platform
import random
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

import conftest
import pytest
from conftest import PROJECT, arguments_for_test, refused, run_fork, train_arguments
from PIL import Image

from console.errors import InputError
from records import sources
from records.files import file_digest, remove_abandoned, replacing, write_text
from records.runs import read_history

TRAIN = PROJECT / "train.py"


def digests(out: Path) -> list[str]:
    return [file_digest(out / name) for name in ("w.pth", "r/history.csv", "r/predictions.csv")]


@pytest.fixture(scope="module")
def train(call, original: Path):
    """Train and test in a folder; what training said. Drawing has tests of its own."""

    def run(out: Path, *more: object, photos=original / "photos", **settings: object) -> str:
        ended = call("train", train_arguments(photos, out, **settings), "--no_pictures", more)
        tested = call("test", arguments_for_test(out), "--no_pictures")
        assert ended.status == tested.status == 0, ended.err + tested.err
        return ended.out

    return run


def test_the_same_command_gives_the_same_bits_elsewhere(original, tmp_path, train):
    train(tmp_path)
    assert digests(tmp_path) == digests(original)


def test_another_seed_gives_other_bits(original, tmp_path, train):
    train(tmp_path, seed=1)
    assert digests(tmp_path) != digests(original)


def test_a_longer_training_goes_on_with_the_bits_of_one_from_scratch(original, tmp_path, train):
    train(tmp_path, epochs=2)
    assert "going on after epoch 2" in train(tmp_path)
    assert digests(tmp_path) == digests(original)


def test_a_training_goes_on_from_the_checkpoint_of_another_place(
    original, tmp_path, monkeypatch, train
):
    shorter, longer = tmp_path / "shorter", tmp_path / "longer"
    train(shorter, epochs=2)
    (longer / "r").mkdir(parents=True)
    monkeypatch.chdir(longer / "r")
    start = ["--start_from", shorter / "w_checkpoint.pth", "--img_path", "."]
    assert "going on after epoch 2" in train(longer, start)
    assert digests(longer) == digests(original)


def test_a_checkpoint_of_more_epochs_than_asked_for_is_not_used(trained, train):
    checkpoint = trained / "w_checkpoint.pth"
    said = train(trained, photos=trained / "photos", epochs=2)
    assert f"not going on from {checkpoint}" in said
    assert len(read_history(trained / "r")) == 2


class Moment(NamedTuple):
    """A call of a function that a training does not survive, of a file where it is given one."""

    function: str
    call: int
    file: str = ""


TRIED = 5  # epochs of the small trainings before one
EPOCH, WRITE, RENAME = "training.batches.shuffled_batches", "pathlib.Path.write_bytes", "os.fsync"
MOMENTS = {
    "in the trial before the training": Moment(EPOCH, 1),
    "before the first epoch": Moment(EPOCH, TRIED + 1),
    "before the second epoch": Moment(EPOCH, TRIED + 2),
    "before the last epoch": Moment(EPOCH, TRIED + 4),
    "half-way through the first checkpoint": Moment(WRITE, 1, "w_checkpoint.pth"),
    "before the first checkpoint has its name": Moment(RENAME, 1),
    "half-way through the first history": Moment(WRITE, 1, "history.csv"),
    "before the first history has its name": Moment(RENAME, 2),
    "half-way through the second checkpoint": Moment(WRITE, 2, "w_checkpoint.pth"),
    "half-way through the last checkpoint": Moment(WRITE, 4, "w_checkpoint.pth"),
    "after the last epoch": Moment("training.files.write_results", 1),
    "half-way through the weights": Moment(WRITE, 1, "w.pth"),
    "before the weights have their name": Moment(RENAME, 9),
    "half-way through the whole history": Moment(WRITE, 5, "history.csv"),
    "before the record": Moment("training.files.write_record", 1),
    "half-way through the record": Moment(WRITE, 1, "train.json"),
    "before the record has its name": Moment(RENAME, 11),
}
GOES_ON_AFTER = {
    "before the second epoch": 1,
    "before the last epoch": 3,
    "after the last epoch": 4,
}


def kill_at(moment: Moment) -> None:
    """Have this process killed at a moment; a file that it writes then is half there."""
    owner_name, _, name = moment.function.rpartition(".")
    owner = pkgutil.resolve_name(owner_name)
    function, calls = getattr(owner, name), itertools.count(1)

    def call_or_die(*arguments: Any) -> object:
        is_meant = not moment.file or f".{moment.file}." in str(arguments[0])
        if is_meant and next(calls) == moment.call:
            if name == "write_bytes":
                path, whole = arguments
                function(path, whole[: len(whole) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    setattr(owner, name, call_or_die)


def train_until(moment: Moment, arguments: list) -> None:
    """Train in a process that is killed at a moment."""
    ended = run_fork(TRAIN, *arguments, "--no_pictures", before=lambda: kill_at(moment))
    assert ended.status == -signal.SIGKILL, ended


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_that_is_killed_ends_with_the_same_bits(
    moment, photos, original, tmp_path, train
):
    train_until(MOMENTS[moment], train_arguments(photos, tmp_path))
    train(tmp_path)
    assert digests(tmp_path) == digests(original)


@pytest.mark.parametrize("moment", GOES_ON_AFTER)
def test_a_training_that_is_killed_goes_on_after_its_last_epoch(moment, photos, tmp_path, train):
    train_until(MOMENTS[moment], train_arguments(photos, tmp_path))
    assert f"going on after epoch {GOES_ON_AFTER[moment]}\n" in train(tmp_path)


def test_a_training_killed_at_random_times_again_and_again_resumes(photos, tmp_path, train):
    train(tmp_path / "whole", epochs=40)
    killed, history = tmp_path / "killed", tmp_path / "killed" / "r" / "history.csv"
    arguments, times = train_arguments(photos, killed, epochs=40), random.Random(0)
    for _ in range(2):
        before = file_digest(history)
        with (tmp_path / "log").open("w") as log:
            process = conftest.fork(TRAIN, arguments, log, log)
        conftest.wait_for(lambda before=before: file_digest(history) != before)
        time.sleep(times.uniform(0, 0.1))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert 0 < len(read_history(killed / "r")) < 40
    assert "going on after epoch" in train(killed, epochs=40)
    assert digests(killed) == digests(tmp_path / "whole")


@pytest.mark.parametrize("shared", ["--weight_path", "--img_path"])
def test_a_second_training_in_one_place_is_refused_while_the_first_runs(
    shared, photos, tmp_path, call
):
    first, second = tmp_path / "first", tmp_path / "second"
    with (tmp_path / "log").open("w") as log:
        process = conftest.fork(TRAIN, train_arguments(photos, first, epochs=100000), log, log)
    conftest.wait_for((first / "r" / "history.csv").is_file)
    place = first / "w.pth" if shared == "--weight_path" else first / "r"
    arguments = [train_arguments(photos, second, seed=1), "--no_pictures", shared, place]
    said = refused(call("train", arguments))
    process.kill()
    process.join()
    assert f"process {process.pid} on" in said and f"is at work in {place};" in said
    assert call("train", arguments).status == 0, "a killed one stops nobody"


def test_a_finished_run_is_not_done_again(trained, call):
    written = (trained / "w.pth").stat().st_mtime_ns
    arguments = train_arguments(trained / "photos", trained)
    assert "already trained" in call("train", arguments, "--no_pictures").out
    assert (trained / "w.pth").stat().st_mtime_ns == written


def test_curves_of_a_finished_run_that_are_gone_are_drawn_again(trained, call):
    (trained / "r" / "Loss_curve.png").unlink()
    call("train", train_arguments(trained / "photos", trained))
    assert (trained / "r" / "Loss_curve.png").is_file()


def test_a_finished_run_is_trained_from_the_first_epoch_with_fresh(trained, call):
    written = (trained / "w.pth").stat().st_mtime_ns
    arguments = train_arguments(trained / "photos", trained)
    said = call("train", arguments, "--fresh", "--no_pictures").out
    assert "training, because of --fresh" in said and "going on" not in said
    assert (trained / "w.pth").stat().st_mtime_ns != written


def test_a_trainings_identity_holds_all_code_that_decides_its_result():
    rooms = [PROJECT / room for room in ("training", "records", "images")]
    in_rooms = {str(path.relative_to(PROJECT)) for room in rooms for path in room.glob("*.py")}
    at_top = {"train.py", "model.py", "losses.py", "dataset.py"}
    assert in_rooms | at_top <= {*sources.sources("train.py")}


def test_a_changed_helper_of_the_users_model_trains_again(photos, tmp_path):
    line = "import torch.nn.functional as F\n"
    project = conftest.copy_project(tmp_path / "project", model=[(line, line + "import blocks\n")])
    for text, said in (
        ("WIDTH = 8\n", "trained to epoch 1"),
        ("WIDTH = 8\n", "already trained"),
        ("WIDTH = 9\n", "training, because blocks.py changed since this run"),
    ):
        (project / "blocks.py").write_text(text)
        arguments = train_arguments(photos, tmp_path, epochs=1)
        assert said in run_fork(project / "train.py", arguments).out
    (project / "blocks.py").write_text("WIDTH =\n")
    ended = conftest.run_sweep(project, "--data", photos, "--dry_run")
    assert "model.py fails: SyntaxError: invalid syntax (blocks.py, line 1)" in refused(ended)


def test_a_changed_setting_trains_again(trained, train):
    said = train(trained, photos=trained / "photos", learning_rate=0.1)
    assert "training, because learning_rate was 0.01, is 0.1" in said


def test_a_changed_image_size_trains_again(trained, train):
    said = train(trained, photos=trained / "photos", image_size=20)
    assert "training, because images changed since this run" in said


def test_a_changed_image_trains_again(trained, train):
    Image.fromarray(conftest.noise(12345)).save(trained / "photos" / "train" / "cat" / "0.png")
    said = train(trained, photos=trained / "photos")
    assert "training, because images changed since this run" in said


def test_a_changed_version_of_a_package_trains_again(trained, monkeypatch, train):
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"9.{version(name)}")
    said = train(trained, photos=trained / "photos")
    assert f"torch version was {version('torch')}, is 9." in said
    assert "\ngoing on after" not in said


@pytest.mark.parametrize(
    ("other", "then"),
    [("--fresh", "going on after epoch 2"), ("--epochs=5 --seed=5", "seed was 5, is 0")],
)
def test_a_training_killed_over_a_finished_one_is_noticed(other, then, original, trained, train):
    arguments = [train_arguments(trained / "photos", trained), other.split()]
    train_until(Moment(EPOCH, TRIED + 3), arguments)
    said = train(trained)
    assert "history.csv is missing or that of another training" in said and then in said
    assert digests(trained) == digests(original)


@pytest.mark.parametrize("change", [None, b"", {"version": 99}, {"kind": os.system}])
def test_bad_files_are_made_again_with_a_line_that_says_so(change, original, trained, train):
    for name in ("w.pth", "w_checkpoint.pth"):
        conftest.spoil(trained / name, change)
    said = train(trained)
    assert "w.pth is missing or changed since this run" in said
    assert f"starting again: {trained / 'w_checkpoint.pth'} is no CNN checkpoint" in said
    assert digests(trained) == digests(original)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root may mount")
def test_a_full_disk_gives_one_line_and_damages_nothing(original, tmp_path, call, train):
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(tmp_path)]
    if subprocess.run(command).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        disk = shutil.copytree(original, tmp_path, dirs_exist_ok=True)
        with pytest.raises(OSError, match="No space left"):
            (disk / "filler").write_bytes(bytes(3 << 20))
        said = refused(call("train", train_arguments(disk / "photos", disk, epochs=5)))
        assert said.startswith("error: no space left on device") and "free some space" in said
        assert not list(disk.glob("**/*.unfinished")) and digests(disk) == digests(original)
        (disk / "filler").unlink()
        assert "going on after epoch 4" in train(disk, epochs=5)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_what_killed_writers_left_is_removed_and_what_others_write_is_not(tmp_path):
    users, foreign = tmp_path / ".f.x", tmp_path / ".f.elsewhere.1.unfinished"
    killed = tmp_path / f".f.{platform.node()}.1.unfinished"
    for path in (users, foreign, killed):
        path.write_bytes(b"rest")
    with replacing(tmp_path / "f") as temporary:
        remove_abandoned([tmp_path, tmp_path / "missing"])
        assert set(tmp_path.iterdir()) == {users, foreign, temporary}
        temporary.write_bytes(b"whole")
    os.utime(foreign, (1, 1))
    remove_abandoned([tmp_path])
    assert set(tmp_path.iterdir()) == {users, tmp_path / "f"}


@pytest.mark.parametrize("kind", ["device", "pipe", "socket", "link"])
def test_only_files_are_ever_replaced(kind, tmp_path):
    place = tmp_path / "place"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "link":
        place.symlink_to("elsewhere")
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(place))
    else:
        try:
            os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 3))  # null
        except PermissionError:
            pytest.skip("only root may make a device")
    before = place.lstat()
    with pytest.raises(InputError, match="which is never replaced; name another place"):
        write_text(place, "text")
    assert place.lstat() == before and list(tmp_path.iterdir()) == [place]
