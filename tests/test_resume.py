"""Runs that survive kills, are reused only when that is right, and fail without harm."""

import contextlib
import hashlib
import importlib.metadata
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
from conftest import (
    PROJECT,
    arguments_for_test,
    copy_project,
    make_photos,
    noise,
    run_fork,
    run_process,
    train_arguments,
)
from PIL import Image

from records import runs
from records.files import UNFINISHED, replacing, write_text
from records.runs import read_history

RESULTS = ("w.pth", "r/history.csv", "r/predictions.csv")
TRAIN = PROJECT / "train.py"


def digests(out: Path) -> dict[str, str]:
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in RESULTS}


def train_and_test(call, photos: Path, out: Path, **settings: object) -> str:
    """Train and test; what training said. Drawing has tests of its own."""
    ended = call("train", *train_arguments(photos, out, **settings), "--no_pictures")
    assert ended.status == 0, ended.err
    tested = call("test", *arguments_for_test(out), "--no_pictures")
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
    arguments = train_arguments(photos, tmp_path / "third", epochs=6)
    checkpoint = tmp_path / "grown" / "w_checkpoint.pth"
    assert "going on after epoch 6" in call("train", *arguments, "--start_from", checkpoint).out
    call("test", *arguments_for_test(tmp_path / "third"))
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

    def lie_in_wait(self) -> None:
        """Be called before every moment, in the process that is to be killed."""
        from training import batches, files

        batches.shuffled_batches = self.before("before an epoch", batches.shuffled_batches)
        files.write_results = self.before("before the weights", files.write_results)
        files.write_json = self.before("before the record", files.write_json)
        Path.write_bytes = self.halfway(Path.write_bytes)
        os.fsync = self.before("before a rename", os.fsync)


def train_until(killer: Killer, arguments: list) -> int:
    """Train in a forked process until the killer comes; how it ended."""
    arguments = [*arguments, "--no_pictures"]
    return run_fork(TRAIN, *arguments, before=killer.lie_in_wait).status


MOMENTS = [
    *(("before an epoch", count) for count in (1, 2, 4)),
    *(("while writing", count) for count in (1, 2, 4, 5)),  # the fifth is weight.pth
    *(("before a rename", count) for count in range(1, 12)),
    ("before the weights", 1),
    ("before the record", 1),
]


@pytest.fixture(scope="module")
def photos_for_all(tmp_path_factory) -> Path:
    return make_photos(tmp_path_factory.mktemp("kills") / "photos")


WHOLE: dict[str, str] = {}  # digests of the uninterrupted run, made once


@pytest.mark.parametrize(("moment", "count"), MOMENTS)
def test_training_killed_at_a_moment_resumes_bit_for_bit(
    moment, count, photos_for_all, tmp_path, call
):
    photos = photos_for_all
    if not WHOLE:
        train_and_test(call, photos, tmp_path / "whole", epochs=4)
        WHOLE.update(digests(tmp_path / "whole"))
    arguments = train_arguments(photos, tmp_path / "killed", epochs=4)
    assert train_until(Killer(moment, count), arguments) == -signal.SIGKILL
    said = train_and_test(call, photos, tmp_path / "killed", epochs=4)
    if moment == "before an epoch" and count > 1:
        assert f"going on after epoch {count - 1}" in said
    assert digests(tmp_path / "killed") == WHOLE


def test_training_killed_at_random_times_again_and_again_resumes_bit_for_bit(
    photos, tmp_path, call
):
    settings = {"epochs": 60, "batch_size": 4}
    train_and_test(call, photos, tmp_path / "whole", **settings)
    arguments = map(str, train_arguments(photos, tmp_path / "killed", **settings))
    command = [sys.executable, TRAIN, *arguments, "--no_pictures"]
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


def test_a_training_is_decided_by_its_own_source_and_all_that_it_imports():
    assert set(runs.sources("train.py")) == {
        "train.py", "model.py", "losses.py", "dataset.py", "training/__init__.py",
        "training/batches.py", "training/files.py", "training/optimizer.py",
        "training/processes.py", "training/trial.py",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(runs.sources("train.py")))
def test_a_changed_source_trains_again_and_says_so(name, photos, tmp_path, call, monkeypatch):
    train_and_test(call, photos, tmp_path)
    digest = runs.file_digest
    changed = PROJECT / name
    monkeypatch.setattr(
        runs, "file_digest", lambda path: "new" if path == changed else digest(path)
    )
    said = call("train", *train_arguments(photos, tmp_path)).out
    assert f"training, because {name} changed since this run" in said
    assert "not going on from" in said and "going on after" not in said


def test_a_changed_helper_of_the_users_model_trains_again(photos, tmp_path):
    imports = (
        "import torch.nn.functional as F\n",
        "import torch.nn.functional as F\nimport blocks\n",
    )
    project = copy_project(tmp_path / "project", model=[imports])
    (project / "blocks.py").write_text("WIDTH = 8\n")
    arguments = train_arguments(photos, tmp_path)
    assert run_fork(project / "train.py", *arguments).status == 0
    assert "already trained" in run_fork(project / "train.py", *arguments).out
    (project / "blocks.py").write_text("WIDTH = 9\n")
    said = run_fork(project / "train.py", *arguments).out
    assert "training, because blocks.py changed since this run" in said
    (project / "blocks.py").write_text("WIDTH =\n")
    ended = run_fork(project / "my_script.py", "--data", photos, "--dry_run")
    assert ended.status == 2 and "blocks.py, line 1: invalid syntax; mend it" in ended.err


def test_changed_images_settings_sizes_and_versions_train_again(
    photos, tmp_path, call, monkeypatch
):
    train_and_test(call, photos, tmp_path)
    said = call("train", *train_arguments(photos, tmp_path, learning_rate=0.1)).out
    assert "learning_rate was 0.01, is 0.1" in said
    Image.fromarray(noise(12345)).save(photos / "train" / "cat" / "0.png")
    said = call("train", *train_arguments(photos, tmp_path, learning_rate=0.1)).out
    assert "images changed since this run" in said
    said = call("train", *train_arguments(photos, tmp_path, learning_rate=0.1, image_size=20)).out
    assert "images changed since this run" in said and "going on after" not in said
    version = importlib.metadata.version
    changed = {"torch": "9.9"}
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: changed.get(name) or version(name)
    )
    said = call("train", *train_arguments(photos, tmp_path, learning_rate=0.1, image_size=20)).out
    assert "torch version was" in said and "is 9.9" in said


def test_a_new_training_killed_half_way_over_a_finished_one_is_not_taken_for_it(
    photos, tmp_path, call
):
    train_and_test(call, photos, tmp_path, epochs=5)
    good = digests(tmp_path)
    arguments = [*train_arguments(photos, tmp_path, epochs=5), "--fresh"]
    assert train_until(Killer("before an epoch", 3), arguments) == -signal.SIGKILL
    said = train_and_test(call, photos, tmp_path, epochs=5)
    assert "history.csv is missing or that of another" in said and "going on after epoch 2" in said
    assert digests(tmp_path) == good


def test_the_history_of_another_training_in_the_same_place_is_noticed(photos, tmp_path, call):
    train_and_test(call, photos, tmp_path, epochs=3)
    good = digests(tmp_path)
    other = train_arguments(photos, tmp_path, epochs=5, learning_rate=0.5)
    assert train_until(Killer("before an epoch", 4), other) == -signal.SIGKILL
    assert digests(tmp_path) != good
    said = train_and_test(call, photos, tmp_path, epochs=3)
    assert "already trained" not in said
    assert digests(tmp_path) == good


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
    if kind == "version":
        torch.save({**torch.load(path, weights_only=True), "version": 99}, path)
    elif kind == "pickle":
        torch.save({"kind": os.system}, path)
    else:
        path.write_bytes(content[: len(content) // 2] if kind == "cut" else b"")
    said = train_and_test(call, photos, tmp_path / "bad", epochs=4)
    assert "starting again: " in said and "w_checkpoint.pth" in said
    assert digests(tmp_path / "bad") == digests(tmp_path / "good")


def test_the_bits_do_not_depend_on_the_current_folder(photos, tmp_path, call, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        train_and_test(call, photos, tmp_path / name)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


# --- disks -----------------------------------------------------------------------------------


def test_a_file_size_limit_gives_one_line_and_damages_nothing(photos, tmp_path, call):
    train_and_test(call, photos, tmp_path)
    before = digests(tmp_path)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the write fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ended = run_process(TRAIN, *train_arguments(photos, tmp_path, epochs=3), preexec_fn=limit)
    assert ended.status == 2
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1
    assert "w_checkpoint.pth" in ended.err and "run the same command again" in ended.err
    assert not list(tmp_path.glob(f"**/.*{UNFINISHED}"))
    assert digests(tmp_path) == before
    assert "going on after epoch 2" in train_and_test(call, photos, tmp_path, epochs=3)


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
