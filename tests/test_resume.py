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
        ended = call("train", *train_arguments(photos, out, **settings), "--no_pictures", *more)
        tested = call("test", *arguments_for_test(out), "--no_pictures")
        assert ended.status == tested.status == 0, ended.err + tested.err
        return ended.out

    return run


def test_reruns_and_more_epochs_give_the_same_bits(original, tmp_path, monkeypatch, train):
    grown, third, other = tmp_path / "grown", tmp_path / "third", tmp_path / "other"
    (third / "r").mkdir(parents=True)
    monkeypatch.chdir(third / "r")
    train(other, seed=1)
    assert digests(other) != digests(original)
    train(grown, epochs=2)
    checkpoint = grown / "w_checkpoint.pth"
    assert "going on after epoch 2" in train(third, "--start_from", checkpoint, "--img_path", ".")
    assert "going on after epoch 2" in train(grown)
    assert digests(third) == digests(grown) == digests(original)
    assert f"{checkpoint}: it has 4 epochs, more than 2" in train(grown, epochs=2)


TRIED = 5  # epochs of the small trainings before one
MOMENTS = {  # functions, and which of their calls a training does not survive
    "training.batches.shuffled_batches": (1, TRIED + 1, TRIED + 2, TRIED + 4),  # before an epoch
    "pathlib.Path.write_bytes": (1, 2, 3, 8, 9, 10, 11),  # half-way; the ninth is weight.pth
    "os.fsync": range(1, 12),  # before a rename
    "training.files.write_results": (1,),
    "training.files.write_record": (1,),
}


def kill_at(place: str, count: int) -> None:
    """Have this process killed when it calls a function for the given time."""
    owner, _, name = place.rpartition(".")
    owner = pkgutil.resolve_name(owner)
    function, calls = getattr(owner, name), itertools.count(1)

    def call_or_die(*arguments: object) -> object:
        if next(calls) == count:
            if name == "write_bytes":
                path, whole = arguments
                function(path, whole[: len(whole) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    setattr(owner, name, call_or_die)


@pytest.mark.parametrize(
    ("place", "count"), [(place, count) for place in MOMENTS for count in MOMENTS[place]]
)
def test_a_training_killed_at_a_moment_resumes(place, count, photos, original, tmp_path, train):
    arguments = [*train_arguments(photos, tmp_path), "--no_pictures"]
    ended = run_fork(TRAIN, *arguments, before=lambda: kill_at(place, count))
    assert ended.status == -signal.SIGKILL
    said = train(tmp_path)
    before = f"going on after epoch {count - TRIED - 1}\n"
    assert before in said or count <= TRIED + 1 or "shuffled" not in place
    assert digests(tmp_path) == digests(original)


def test_a_training_killed_at_random_times_again_and_again_resumes(photos, tmp_path, train):
    train(tmp_path / "whole", epochs=100)
    killed, history = tmp_path / "killed", tmp_path / "killed" / "r" / "history.csv"
    arguments, times = train_arguments(photos, killed, epochs=100), random.Random(0)
    for _ in range(2):
        before = file_digest(history)
        with (tmp_path / "log").open("w") as log:
            process = conftest.fork(TRAIN, arguments, log, log)
        conftest.wait_for(lambda before=before: file_digest(history) != before)
        time.sleep(times.uniform(0, 0.1))
        process.kill()
        assert process.join() or process.exitcode == -signal.SIGKILL
    assert 0 < len(read_history(killed / "r")) < 100
    assert "going on after epoch" in train(killed, epochs=100)
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
    arguments = [*train_arguments(photos, second, seed=1), "--no_pictures", shared, place]
    said = refused(call("train", *arguments))
    process.kill()
    process.join()
    assert f"process {process.pid} on" in said and f"is at work in {place};" in said
    assert call("train", *arguments).status == 0, "a killed one stops nobody"


def test_a_finished_run_is_not_done_again_unless_fresh_but_drawn(trained, call):
    arguments = train_arguments(trained / "photos", trained)
    written = (trained / "w.pth").stat().st_mtime_ns
    (trained / "r" / "Loss_curve.png").unlink()
    assert "already trained" in call("train", *arguments).out
    assert (trained / "w.pth").stat().st_mtime_ns == written
    assert (trained / "r" / "Loss_curve.png").is_file()
    said = call("train", *arguments, "--fresh").out
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
        assert said in run_fork(project / "train.py", *arguments).out
    (project / "blocks.py").write_text("WIDTH =\n")
    ended = conftest.run_sweep(project, "--data", photos, "--dry_run")
    assert "model.py fails: SyntaxError: invalid syntax (blocks.py, line 1)" in refused(ended)


def test_changed_settings_sizes_images_and_versions_train_again(trained, monkeypatch, train):
    def said(size: int) -> str:
        settings = {"epochs": 1, "learning_rate": 0.1, "image_size": size}
        return train(trained, photos=trained / "photos", **settings)

    assert "learning_rate was 0.01, is 0.1" in said(size=16)
    assert "training, because images changed since this run" in said(size=20)
    Image.fromarray(conftest.noise(12345)).save(trained / "photos" / "train" / "cat" / "0.png")
    assert "training, because images changed since this run" in said(size=20)
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"9.{version(name)}")
    text = said(size=20)
    assert f"torch version was {version('torch')}, is 9." in text and "\ngoing on after" not in text


@pytest.mark.parametrize(
    ("other", "then"),
    [("--fresh", "going on after epoch 2"), ("--epochs=5 --seed=5", "seed was 5, is 0")],
)
def test_a_training_killed_over_a_finished_one_is_noticed(other, then, original, trained, train):
    arguments = [*train_arguments(trained / "photos", trained), *other.split()]
    place = "training.batches.shuffled_batches"
    assert (
        run_fork(TRAIN, *arguments, before=lambda: kill_at(place, TRIED + 3)).status
        == -signal.SIGKILL
    )
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
        said = refused(call("train", *train_arguments(disk / "photos", disk, epochs=5)))
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
