"""Runs that survive kills, are reused only when that is right, and fail without harm."""

import errno
import importlib.metadata
import itertools
import os
import pkgutil
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, NamedTuple

import conftest
import pytest
from conftest import PROJECT, Ended, arguments_for_test, refused, run_fork, train_arguments
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
        arguments = train_arguments(photos, out, **settings)
        ended = call("train", arguments, "--no_pictures", more)
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


@pytest.mark.parametrize(
    ("name", "rate", "reason"),
    [
        ("gone.pth", 0.01, "is no file"),
        ("w_checkpoint.pth", 0.02, "learning_rate was 0.01, is 0.02"),
    ],
)
def test_a_checkpoint_to_start_from_that_does_not_fit_is_refused(
    name, rate, reason, original, tmp_path
):
    arguments = train_arguments(original / "photos", tmp_path, learning_rate=rate)
    said = refused(run_fork(TRAIN, [*arguments, "--start_from", original / name]))
    assert str(original / name) in said
    assert reason in said
    assert not (tmp_path / "w.pth").exists()


def test_a_checkpoint_of_more_epochs_than_asked_for_is_not_used(trained, train):
    checkpoint = trained / "w_checkpoint.pth"
    said = train(trained, photos=trained / "photos", epochs=2)
    assert f"{checkpoint} is no checkpoint of this training: it has " in said
    assert len(read_history(trained / "r")) == 2


class Moment(NamedTuple):
    """A call of a function that a training does not survive, of a file where it is given one."""

    function: str
    call: int
    file: str = ""


EPOCH, WRITE, RENAME = "training.batches.shuffled_batches", "pathlib.Path.write_bytes", "os.fsync"
MOMENTS = {
    "before the first epoch": Moment(EPOCH, 1),
    "before the second epoch": Moment(EPOCH, 2),
    "before the last epoch": Moment(EPOCH, 4),
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
def test_a_training_that_is_killed_goes_on_and_ends_with_the_same_bits(
    moment, photos, original, tmp_path, train
):
    train_until(MOMENTS[moment], train_arguments(photos, tmp_path))
    said = train(tmp_path)
    assert digests(tmp_path) == digests(original)
    if moment in GOES_ON_AFTER:
        assert f"going on after epoch {GOES_ON_AFTER[moment]}\n" in said


def start(out: Path, photos: Path, epochs: int) -> ForkProcess:
    """Start a training in a forked process, and wait for an epoch more than there is."""
    history = out / "r" / "history.csv"
    before = file_digest(history)
    out.mkdir(exist_ok=True)
    with (out / "log").open("w") as log:
        process = conftest.fork(TRAIN, train_arguments(photos, out, epochs=epochs), log, log)
    conftest.wait_for(lambda: file_digest(history) != before)
    return process


class Resumed(NamedTuple):
    """A training that was killed and ran to its end: where, its epochs, what it said at last."""

    out: Path
    epochs: int
    said: str


@pytest.fixture(scope="module")
def killed_at_random(original, tmp_path_factory, train) -> Resumed:
    """A training that was killed twice, and then had an epoch more."""
    out, times = tmp_path_factory.mktemp("killed"), random.Random(0)
    for _ in range(2):
        process = start(out, original / "photos", epochs=100_000)
        time.sleep(times.uniform(0, 0.1))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    epochs = len(read_history(out / "r")) + 1
    return Resumed(out, epochs, train(out, epochs=epochs))


def test_a_training_killed_at_random_times_goes_on(killed_at_random):
    assert "going on after epoch" in killed_at_random.said


def test_a_training_killed_at_random_times_ends_with_the_same_bits(
    killed_at_random, tmp_path, train
):
    train(tmp_path, epochs=killed_at_random.epochs)
    assert digests(killed_at_random.out) == digests(tmp_path)


class Contest(NamedTuple):
    """Who is at work in a place, what another was told there, and how it ended after a kill."""

    holder: str
    said: str
    after: Ended


@pytest.fixture(scope="module", params=["--weight_path", "--img_path"])
def contest(request, original, tmp_path_factory, call) -> Contest:
    """Two trainings that share the place of their weights, or that of their results."""
    root, photos = tmp_path_factory.mktemp("contest"), original / "photos"
    first, second = root / "first", root / "second"
    process = start(first, photos, epochs=100000)
    places = {"--weight_path": first / "w.pth", "--img_path": first / "r"}
    place = places[request.param]
    arguments = [train_arguments(photos, second, seed=1), "--no_pictures", request.param, place]
    said = refused(call("train", arguments))
    process.kill()
    process.join()
    holder = rf"process {process.pid} on .* is at work in {place};"
    return Contest(holder, said, call("train", arguments))


def test_a_second_training_in_one_place_is_refused_while_the_first_runs(contest):
    assert re.search(contest.holder, contest.said)


def test_a_killed_training_keeps_nobody_out(contest):
    assert contest.after.status == 0


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
    assert "training, because of --fresh" in said
    assert "going on" not in said
    assert (trained / "w.pth").stat().st_mtime_ns != written


def test_a_trainings_identity_holds_all_code_that_decides_its_result():
    names = {"train.py", "model.py", "losses.py", "dataset.py"}
    for room in ("training", "records", "images"):
        for path in (PROJECT / room).glob("*.py"):
            names.add(f"{room}/{path.name}")
    names.remove("training/settings.py")  # whose values are in the identity
    assert names <= set(sources.sources("train.py", []))


def test_a_changed_helper_of_the_users_model_trains_again_or_is_one_line(photos, tmp_path):
    line = "import torch.nn.functional as F\n"
    edits = [(line, line + "import blocks\n")]
    project = conftest.copy_project(tmp_path / "project", model=edits)
    arguments = [*train_arguments(photos, tmp_path, epochs=1), "--no_pictures"]
    said = []
    for width in (8, 8, 9):
        (project / "blocks.py").write_text(f"WIDTH = {width}\n")
        said.append(run_fork(project / "train.py", arguments).out)
    assert "trained to epoch 1" in said[0]
    assert "already trained" in said[1]
    assert "training, because blocks.py changed since this run" in said[2]
    (project / "blocks.py").write_text("WIDTH =\n")
    ended = run_fork(project / "train.py", arguments)
    assert f"{project}/blocks.py, line 1: invalid syntax; mend it" in refused(ended)


def test_a_changed_setting_trains_again(trained, train):
    said = train(trained, photos=trained / "photos", learning_rate=0.1)
    assert "training, because learning_rate was 0.01, is 0.1" in said


def test_a_changed_image_size_trains_again(trained, train):
    said = train(trained, photos=trained / "photos", image_size=20)
    assert "training, because images, their size or split changed since this run" in said


def test_a_changed_image_trains_again(trained, train):
    Image.fromarray(conftest.noise(12345)).save(trained / "photos" / "train" / "cat" / "0.png")
    said = train(trained, photos=trained / "photos")
    assert "training, because images, their size or split changed since this run" in said


def test_a_changed_version_of_a_package_trains_again(trained, monkeypatch, train):
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"9.{version(name)}")
    said = train(trained, photos=trained / "photos")
    assert f"torch version was {version('torch')}, is 9." in said
    assert "\ngoing on after" not in said


@pytest.mark.parametrize("other", ["--fresh", "--epochs=5 --seed=5"])
def test_a_training_killed_over_a_finished_one_leaves_it(other, original, trained, train):
    arguments = [train_arguments(trained / "photos", trained), other.split()]
    train_until(Moment(EPOCH, 3), arguments)
    assert "already trained" in train(trained)
    assert digests(trained) == digests(original)


@pytest.fixture(params=[None, b"", {"version": 99}, {"kind": os.system}])
def made_again(request, trained, train) -> str:
    """What a training said whose weights and checkpoint are bad files."""
    for name in ("w.pth", "w_checkpoint.pth"):
        conftest.spoil(trained / name, request.param)
    return train(trained)


def test_that_files_are_bad_is_said(made_again, trained):
    checkpoint = trained / "w_checkpoint.pth"
    assert "w.pth is missing or changed since this run" in made_again
    assert f"starting again: {checkpoint} is no CNN checkpoint" in made_again


def test_bad_files_are_made_again_with_the_same_bits(made_again, trained, original):
    assert digests(trained) == digests(original)


needs_mount = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="only root may mount"
)


@pytest.fixture
def full_disk(original, tmp_path) -> Iterator[Path]:
    """A finished training of four epochs on a disk that a filler has filled."""
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(tmp_path)]
    if subprocess.run(command).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        disk = shutil.copytree(original, tmp_path, dirs_exist_ok=True)
        with pytest.raises(OSError, match="No space left"):
            (disk / "filler").write_bytes(bytes(3 << 20))
        yield disk
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@needs_mount
def test_a_full_disk_gives_one_line(full_disk, call):
    arguments = train_arguments(full_disk / "photos", full_disk, epochs=5)
    said = refused(call("train", arguments))
    assert said.startswith("error: no space left on device")
    assert "free some space" in said


@needs_mount
def test_a_full_disk_damages_nothing(full_disk, original, call):
    call("train", train_arguments(full_disk / "photos", full_disk, epochs=5))
    assert list(full_disk.glob("**/*.unfinished")) == []
    assert digests(full_disk) == digests(original)


@needs_mount
def test_a_training_goes_on_once_a_disk_has_space_again(full_disk, call, train):
    call("train", train_arguments(full_disk / "photos", full_disk, epochs=5))
    (full_disk / "filler").unlink()
    assert "going on after epoch 4" in train(full_disk, epochs=5)


def unfinished(folder: Path) -> Path:
    """What a process left that was killed while it wrote."""
    path = folder / ".f.1.unfinished"
    path.write_bytes(b"beginning")
    return path


def test_what_killed_writers_left_is_removed(tmp_path):
    unfinished(tmp_path)
    remove_abandoned([tmp_path, tmp_path / "missing"])
    assert list(tmp_path.iterdir()) == []


def test_what_is_being_written_is_not_removed(tmp_path):
    with replacing(tmp_path / "f") as temporary:
        remove_abandoned([tmp_path])
        assert list(tmp_path.iterdir()) == [temporary]
        temporary.write_bytes(b"whole")


@pytest.fixture
def without_locks(monkeypatch) -> None:
    """A disk that has no locks, as some network disks have none."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)


def test_what_is_being_written_without_locks_is_not_removed(tmp_path, without_locks):
    with replacing(tmp_path / "f") as temporary:
        remove_abandoned([tmp_path])
        assert list(tmp_path.iterdir()) == [temporary]
        temporary.write_bytes(b"whole")
    assert (tmp_path / "f").read_bytes() == b"whole"


@pytest.mark.parametrize("name", [".f.x", "f"])
def test_files_of_other_names_are_not_removed(name, tmp_path):
    (tmp_path / name).write_bytes(b"a user's")
    os.utime(tmp_path / name, (1, 1))
    remove_abandoned([tmp_path])
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def make_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))  # null
    except PermissionError:
        pytest.skip("only root may make a device")


def make_link(path: Path) -> None:
    path.symlink_to("elsewhere")


def make_socket(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(str(path))


@pytest.mark.parametrize("make", [make_device, os.mkfifo, make_socket, make_link])
def test_only_files_are_ever_replaced(make, tmp_path):
    place = tmp_path / "place"
    make(place)
    before = place.lstat()
    with pytest.raises(InputError, match="which is never replaced; name another place"):
        write_text(place, "text")
    assert place.lstat() == before
    assert list(tmp_path.iterdir()) == [place]
