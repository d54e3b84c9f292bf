"""Runs that survive kills, are reused only when that is right, and fail without harm."""

import contextlib
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import PROJECT, load_program, make_photos, noise, run_process, train_arguments
from PIL import Image

import plots
from runs import UNFINISHED, read_history, read_json, replacing, write_text

RESULTS = ("w.pth", "r/history.csv", "r/predictions.csv")


def digests(out: Path) -> dict[str, str]:
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in RESULTS}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Spare the drawing, which has tests of its own."""
    monkeypatch.setattr(plots, "draw_curves", lambda *_: None)
    monkeypatch.setattr(plots, "draw_confusion_matrix", lambda *_: None)


def train_and_test(call, photos: Path, out: Path, **settings: object) -> str:
    """Train and test; what training said."""
    ended = call("train", *train_arguments(photos, out, **settings))
    assert ended.status == 0, ended.err
    tested = call("test", "--weight_path", out / "w.pth", "--img_path", out / "r")
    assert tested.status == 0, tested.err
    return ended.out


def test_a_rerun_gives_the_same_bits(photos, tmp_path, call):
    for name in ("a", "b"):
        train_and_test(call, photos, tmp_path / name, epochs=3)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    train_and_test(call, photos, tmp_path / "c", epochs=3, seed=1)
    assert digests(tmp_path / "c") != digests(tmp_path / "a")


def test_more_epochs_go_on_and_give_the_bits_of_a_training_from_scratch(photos, tmp_path, call):
    train_and_test(call, photos, tmp_path / "once", epochs=6)
    train_and_test(call, photos, tmp_path / "grown", epochs=2)
    said = train_and_test(call, photos, tmp_path / "grown", epochs=6)
    assert "going on after epoch 2" in said
    assert digests(tmp_path / "grown") == digests(tmp_path / "once")
    start = ["--start_from", tmp_path / "grown" / "w_checkpoint.pth"]
    arguments = train_arguments(photos, tmp_path / "third", epochs=6)
    assert "going on after epoch 6" in call("train", *arguments, *start).out
    call("test", "--weight_path", tmp_path / "third/w.pth", "--img_path", tmp_path / "third/r")
    assert digests(tmp_path / "third") == digests(tmp_path / "once")


class Killer:
    """Kills its own process when a moment has come for the given time."""

    def __init__(self, moment: str, count: int) -> None:
        self.moment, self.left = moment, count

    def reach(self, moment: str) -> None:
        if moment == self.moment:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def before(self, moment: str, function):
        def call_later(*arguments, **options):
            self.reach(moment)
            return function(*arguments, **options)

        return call_later

    def halfway(self, function):
        """Leave half of a file's bytes, then kill."""

        def write(path: Path, content: bytes) -> None:
            if self.moment == "while writing" and self.left == 1:
                function(path, bytes(content)[: len(content) // 2])
            self.reach("while writing")
            function(path, content)

        return write


def train_in_fork(arguments: list, killer: Killer) -> int:
    """Train in a forked process, which spares the import of torch; how it ended."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1), os.dup2(nowhere, 2)
            train = load_program("train")
            train.train_one_epoch = killer.before("before an epoch", train.train_one_epoch)
            train.finish = killer.before("before the weights", train.finish)
            train.write_json = killer.before("before the record", train.write_json)
            Path.write_bytes = killer.halfway(Path.write_bytes)
            os.fsync = killer.before("before a rename", os.fsync)
            sys.argv = ["train.py", *map(str, arguments)]
            train.main()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


MOMENTS = [
    *(("before an epoch", count) for count in (1, 2, 4)),
    *(("while writing", count) for count in (1, 2, 4, 5)),  # the fifth is weight.pth
    *(("before a rename", count) for count in range(1, 12)),
    ("before the weights", 1),
    ("before the record", 1),
]


@pytest.fixture(scope="module")
def own_photos(tmp_path_factory) -> Path:
    return make_photos(tmp_path_factory.mktemp("kills") / "photos")


WHOLE: dict[str, str] = {}  # digests of the uninterrupted run, made once


@pytest.mark.parametrize(("moment", "count"), MOMENTS)
def test_training_killed_at_a_moment_resumes_bit_for_bit(moment, count, own_photos, tmp_path, call):
    photos = own_photos
    if not WHOLE:
        train_and_test(call, photos, tmp_path / "whole", epochs=4)
        WHOLE.update(digests(tmp_path / "whole"))
    arguments = train_arguments(photos, tmp_path / "killed", epochs=4)
    assert train_in_fork(arguments, Killer(moment, count)) == -signal.SIGKILL
    said = train_and_test(call, photos, tmp_path / "killed", epochs=4)
    if moment == "before an epoch" and count > 1:
        assert f"going on after epoch {count - 1}" in said
    assert digests(tmp_path / "killed") == WHOLE


def test_training_killed_at_random_times_again_and_again_resumes_bit_for_bit(
    photos, tmp_path, call
):
    settings = {"epochs": 60, "batch_size": 4}
    train_and_test(call, photos, tmp_path / "whole", **settings)
    command = [sys.executable, PROJECT / "train.py"]
    command += list(map(str, train_arguments(photos, tmp_path / "killed", **settings)))
    times, kills = random.Random(0), 0
    while kills < 2:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        reached = epochs_done(tmp_path / "killed")
        while epochs_done(tmp_path / "killed") <= reached and process.poll() is None:
            time.sleep(0.005)
        time.sleep(times.uniform(0, 0.1))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert 0 < epochs_done(tmp_path / "killed") < 60
    assert "going on after epoch" in train_and_test(call, photos, tmp_path / "killed", **settings)
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")


def epochs_done(out: Path) -> int:
    with contextlib.suppress(OSError):
        return len(read_history(out / "r"))
    return 0


# --- reuse only when it is right -------------------------------------------------------------


def test_a_finished_run_is_not_done_again_unless_fresh(photos, tmp_path, call):
    train_and_test(call, photos, tmp_path)
    before = (tmp_path / "w.pth").stat().st_mtime_ns
    assert "already trained" in train_and_test(call, photos, tmp_path)
    assert (tmp_path / "w.pth").stat().st_mtime_ns == before
    said = call("train", *train_arguments(photos, tmp_path), "--fresh").out
    assert "training, because of --fresh" in said and "going on" not in said
    assert (tmp_path / "w.pth").stat().st_mtime_ns != before


DECISIVE = ["model.py", "losses.py", "dataset.py", "batches.py", "processes.py", "train.py"]


@pytest.mark.parametrize("name", DECISIVE)
def test_a_changed_source_trains_again_and_says_so(name, photos, tmp_path, call, monkeypatch):
    import runs

    train_and_test(call, photos, tmp_path)
    digest = runs.file_digest
    monkeypatch.setattr(
        runs, "file_digest", lambda path: "new" if path.name == name else digest(path)
    )
    said = call("train", *train_arguments(photos, tmp_path)).out
    assert f"training, because {name} changed since this run" in said
    assert "not going on from" in said and "going on after" not in said


def test_another_image_size_trains_again(photos, tmp_path, call):
    train_and_test(call, photos, tmp_path, image_size=16)
    said = call("train", *train_arguments(photos, tmp_path, image_size=20)).out
    assert "images changed since this run" in said and "going on after" not in said


def test_a_new_training_killed_half_way_over_a_finished_one_is_not_taken_for_it(
    photos, tmp_path, call
):
    train_and_test(call, photos, tmp_path, epochs=5)
    good = digests(tmp_path)
    arguments = [*train_arguments(photos, tmp_path, epochs=5), "--fresh"]
    assert train_in_fork(arguments, Killer("before an epoch", 3)) == -signal.SIGKILL
    said = train_and_test(call, photos, tmp_path, epochs=5)
    assert "history.csv is missing or that of another" in said and "going on after epoch 2" in said
    assert digests(tmp_path) == good


def test_changed_images_settings_and_versions_train_again(photos, tmp_path, call, monkeypatch):
    import importlib.metadata

    train_and_test(call, photos, tmp_path)
    said = call("train", *train_arguments(photos, tmp_path, learning_rate=0.1)).out
    assert "learning_rate was 0.01, is 0.1" in said
    Image.fromarray(noise(12345)).save(photos / "train" / "cat" / "0.png")
    said = call("train", *train_arguments(photos, tmp_path, learning_rate=0.1)).out
    assert "images changed since this run" in said
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "9.9" if name == "torch" else version(name)
    )
    said = call("train", *train_arguments(photos, tmp_path, learning_rate=0.1)).out
    assert "torch version was" in said and "is 9.9" in said


def test_a_changed_plot_or_readme_trains_nothing(photos, tmp_path, call):
    import runs

    assert set(runs.TRAIN_SOURCES) == set(DECISIVE)


def test_a_damaged_weight_file_is_trained_again(photos, tmp_path, call):
    train_and_test(call, photos, tmp_path)
    good = digests(tmp_path)
    (tmp_path / "w.pth").write_bytes(b"damaged")
    said = train_and_test(call, photos, tmp_path)
    assert "w.pth is missing or changed since this run" in said
    assert digests(tmp_path) == good


@pytest.mark.parametrize("kind", ["cut", "empty", "version", "pickle"])
def test_a_bad_checkpoint_starts_the_run_again_with_a_line_that_says_so(
    kind, photos, tmp_path, call
):
    train_and_test(call, photos, tmp_path / "good", epochs=4)
    train_and_test(call, photos, tmp_path / "bad", epochs=2)
    path = tmp_path / "bad" / "w_checkpoint.pth"
    content = path.read_bytes()
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "version":
        torch.save({**torch.load(path, weights_only=True), "version": 99}, path)
    else:
        torch.save({"kind": os.system}, path)
    said = train_and_test(call, photos, tmp_path / "bad", epochs=4)
    assert "starting again: " in said and "w_checkpoint.pth" in said
    assert digests(tmp_path / "bad") == digests(tmp_path / "good")


# --- disks -----------------------------------------------------------------------------------


def test_a_file_size_limit_gives_one_line_and_damages_nothing(photos, tmp_path, call):
    train_and_test(call, photos, tmp_path)
    before = digests(tmp_path)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the write fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    arguments = train_arguments(photos, tmp_path, epochs=3)
    ended = run_process(PROJECT / "train.py", *arguments, preexec_fn=limit)
    assert ended.status == 2
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1
    assert "w_checkpoint.pth" in ended.err and "run the same command again" in ended.err
    assert not list(tmp_path.glob(f"**/.*{UNFINISHED}"))
    assert digests(tmp_path) == before
    said = train_and_test(call, photos, tmp_path, epochs=3)
    assert "going on after epoch 2" in said


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="only root may mount a small disk"
)
def test_a_full_disk_gives_one_line_and_damages_nothing(photos, tmp_path, call):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)])
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        train_and_test(call, photos, disk)
        before = digests(disk)
        with contextlib.suppress(OSError):
            (disk / "filler").write_bytes(bytes(3 << 20))
        ended = call("train", *train_arguments(photos, disk, epochs=3))
        assert ended.status == 2
        assert ended.err.startswith("error: no space left on device")
        assert ended.err.count("\n") == 1 and "free some space" in ended.err
        assert digests(disk) == before
        (disk / "filler").unlink()
        train_and_test(call, photos, disk, epochs=3)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [own.name for own in tmp_path.iterdir()] == ["file.txt"]


def test_rests_of_killed_writers_are_removed_once_they_are_old(photos, tmp_path, call):
    old, new = tmp_path / ".w.pth.host.1.unfinished", tmp_path / ".w.pth.host.2.unfinished"
    users = tmp_path / ".notes.tmp"
    for path in (old, new, users):
        path.write_bytes(b"rest")
        os.utime(path, None if path == new else (1, 1))
    train_and_test(call, photos, tmp_path, epochs=1)
    assert not old.exists() and new.exists(), "another writer may still be at the new one"
    assert users.exists(), "not ours"


def test_the_history_of_another_training_in_the_same_place_is_noticed(photos, tmp_path, call):
    train_and_test(call, photos, tmp_path, epochs=3)
    good = digests(tmp_path)
    other = train_arguments(photos, tmp_path, epochs=5, learning_rate=0.5)
    assert train_in_fork(other, Killer("before an epoch", 4)) == -signal.SIGKILL
    assert digests(tmp_path) != good
    said = train_and_test(call, photos, tmp_path, epochs=3)
    assert "already trained" not in said
    assert digests(tmp_path) == good


def test_the_bits_do_not_depend_on_the_current_folder(photos, tmp_path, call, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        train_and_test(call, photos, tmp_path / name)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_a_checkpoint_to_start_from_that_is_not_there_is_said(photos, tmp_path, call):
    ended = call("train", *train_arguments(photos, tmp_path), "--start_from", tmp_path / "no.pth")
    assert ended.status == 0
    assert f"no checkpoint to start from: {tmp_path / 'no.pth'} is not there" in ended.out


def test_ctrl_c_stops_with_130_and_no_traceback(photos, tmp_path):
    arguments = list(map(str, train_arguments(photos, tmp_path, epochs=100000)))
    process = subprocess.Popen(
        [sys.executable, PROJECT / "train.py", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while epochs_done(tmp_path) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said and "the same command (without --fresh) goes on" in said
    assert not read_json(tmp_path / "r" / "train.json")
