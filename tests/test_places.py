"""Where results may not go, and surroundings in which no training can run: one line each."""

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from conftest import PROJECT, Ended, copy_project, refused, train_arguments
from forks import run_fork, run_process, run_sweep

from console.errors import InputError
from images.sources import image_folder
from records.files import open_unfollowed, read_record
from records.lock import locked
from records.places import refuse_among_images

FEATURES = "        features ="  # a line of model.py


def all_files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("option", ["--img_path", "--weight_path"])
def test_a_place_among_the_images_is_refused_by_name(option, photos, tmp_path, call):
    before = all_files(tmp_path)
    place = photos / "train/cat/r"
    said = refused(call("train", train_arguments(photos, tmp_path), option, place))
    assert f"{option} {place} lies in the folder of images {photos}" in said
    assert all_files(tmp_path) == before


def test_a_place_in_a_class_folder_that_is_linked_is_refused(photos, tmp_path, call):
    elsewhere = shutil.move(photos / "train", tmp_path / "elsewhere")
    (photos / "train").symlink_to(elsewhere)
    arguments = train_arguments(photos, tmp_path, epochs=1)
    said = refused(call("train", arguments, "--img_path", elsewhere / "cat/r"))
    assert "lies in the folder of images" in said


def test_a_sweep_among_the_images_is_refused(photos):
    before = all_files(photos)
    ended = run_sweep(PROJECT, "--data", photos, "--out", photos, "--dry_run")
    assert "--out" in refused(ended)
    assert all_files(photos) == before


@pytest.mark.parametrize("name", ["out", "out/result", "out/weights"])
def test_a_sweep_into_a_file_is_refused_at_once(name, tmp_path, call):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    said = refused(call("my_script", "--out", tmp_path / "out"))
    assert f"{file} is a file; name a folder" in said
    assert file.read_text() == "mine"


def test_a_sweep_into_a_folder_that_may_not_be_written_is_refused_at_once(
    tmp_path, call, monkeypatch
):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # of root nothing is kept
    said = refused(call("my_script", "--out", tmp_path / "out"))
    assert f"{tmp_path} may not be written" in said
    assert not (tmp_path / "out").exists()


def test_a_test_among_the_images_is_refused(trained, call):
    before = all_files(trained)
    photos = trained / "photos"
    places = ["--weight_path", trained / "w.pth", "--img_path", photos / "r"]
    assert "--img_path" in refused(call("test", places, "--data", photos))
    assert all_files(trained) == before


def test_a_folder_named_as_images_that_are_built_in_takes_results(tmp_path, monkeypatch):
    (tmp_path / "shapes").mkdir()
    monkeypatch.chdir(tmp_path)
    refuse_among_images(image_folder("shapes"), img_path=Path("shapes/r"))
    with pytest.raises(InputError, match="lies in the folder of images"):
        refuse_among_images(image_folder("./shapes"), img_path=Path("shapes/r"))


PLACES = {
    ".": "is a folder; --weight_path takes a file",
    "r": "is a folder; --weight_path takes a file",
    "r/history.csv": "has the ending of another result",
    "w/.w.pth.training.lock": "has the ending of another result",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_weight_file_takes_no_place_of_another_result(place, photos, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r").mkdir()
    arguments = train_arguments(photos, Path(), epochs=1)
    assert PLACES[place] in refused(call("train", arguments, "--weight_path", place))
    assert not list((tmp_path / "r").iterdir())


def test_a_test_does_not_write_over_the_weights_that_it_tests(trained, call):
    weight = (trained / "w.pth").rename(trained / "r/acc.txt")
    before = weight.read_bytes()
    ended = call("test", "--weight_path", weight, "--img_path", trained / "r")
    assert "has the ending of another result" in refused(ended)
    assert weight.read_bytes() == before


@pytest.mark.parametrize("name", ["r/.training.lock", ".w.pth.training.lock"])
def test_no_lock_is_written_where_a_link_leads(name, photos, tmp_path, call):
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "r").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "notes")
    said = refused(call("train", train_arguments(photos, tmp_path, epochs=1)))
    assert f"{tmp_path / name} is a link, which is never replaced" in said
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize("mode", ["wb", "ab", "a+"])
def test_nothing_is_written_where_a_link_leads(mode, tmp_path, monkeypatch):
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "log.txt").symlink_to(tmp_path / "notes")
    with pytest.raises(InputError, match="is a link, which is never replaced"):
        open_unfollowed(tmp_path / "log.txt", mode)
    monkeypatch.setattr("records.files.refuse_to_replace", lambda path: None)  # made just then
    with pytest.raises(OSError, match="symbolic links"):
        open_unfollowed(tmp_path / "log.txt", mode)
    assert (tmp_path / "notes").read_text() == "mine"


def test_an_environment_of_others_processes_changes_nothing(photos, tmp_path):
    variables = {"WORLD_SIZE": "2", "RANK": "1"}  # as a scheduler may set them, without torchrun
    before = functools.partial(os.environ.update, variables)
    ended = run_fork(PROJECT / "train.py", train_arguments(photos, tmp_path), before=before)
    assert ended.status == 0, ended.err
    assert read_record(tmp_path / "r/train.json")["identity"]["processes"] == 1


def test_a_lack_of_memory_is_not_blamed_on_the_network(photos, tmp_path, call, monkeypatch):
    def allocate(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")

    monkeypatch.setattr("training.batches.score_all", allocate)
    monkeypatch.setattr("training.trial.layers_of", allocate)
    said = refused(call("train", train_arguments(photos, tmp_path)))
    assert said.startswith("error: out of memory; close other programs")


def test_a_user_without_a_home_is_told_what_to_set(photos, tmp_path, call, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # in no list of users
    said = refused(call("train", train_arguments(photos, tmp_path)))
    assert "no home folder" in said
    assert "set XDG_CACHE_HOME" in said


def test_a_home_that_is_not_there_is_told_with_what_to_set(photos, tmp_path, call, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/proc/nowhere")
    said = refused(call("train", train_arguments(photos, tmp_path)))
    assert "/proc/nowhere/.cache/cnn_experiments (decoded images; or set XDG_CACHE_HOME)" in said


def test_a_full_standard_output_is_named(trained, call):
    arguments = [PROJECT / "train.py", *train_arguments(trained / "photos", trained)]
    command = shlex.join(map(str, [sys.executable, *arguments, "--no_pictures"]))
    ended = subprocess.run(["sh", "-c", f"{command} >/dev/full"], stderr=subprocess.PIPE, text=True)
    said = refused(Ended(ended.returncode, "", ended.stderr))
    assert "no space left on device: standard output; free some space" in said


FAILED = {  # a signal that ends a training, and what is said of it
    "SIGKILL": "killed, perhaps because it was out of memory; close other programs",
    "SIGTERM": "ended by signal 15",
}


@pytest.mark.parametrize("name", FAILED)
def test_a_trial_that_the_system_ends_is_told(name, photos, tmp_path):
    ended = f"        import os, signal\n        os.kill(os.getpid(), signal.{name})\n"
    edits = [(FEATURES, ended + FEATURES)]
    project = copy_project(tmp_path / "project", model=edits)
    said = refused(run_sweep(project, "--data", photos, "--out", tmp_path))
    assert said.startswith(f"error: train.py: {FAILED[name]}")


PYTHONS = sorted(Path.home().glob(".pyenv/versions/3.[789].*/bin/python"))


@pytest.mark.skipif(not PYTHONS, reason="needs an old Python of pyenv")
@pytest.mark.parametrize("program", ["train", "test", "my_script"])
def test_a_python_that_is_too_old_is_told(program):
    for python in PYTHONS:
        command = [python, "-B", PROJECT / f"{program}.py"]
        ended = subprocess.run(command, capture_output=True, text=True)
        version = re.search(r"3\.\d", str(python)).group()
        said = refused(Ended(ended.returncode, ended.stdout, ended.stderr))
        assert said.startswith(f"error: Python {version} is too old, 3.10 is needed; install")


@pytest.mark.parametrize("program", ["train", "test", "my_script"])
def test_windows_is_told_what_to_install(program, call, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    said = refused(call(program))
    assert "Linux or macOS is needed, or on Windows its WSL; run wsl --install" in said


IMPORTS = {  # of torch: what goes wrong there, and what is said
    "raise MemoryError": "out of memory; close other programs",
    "raise ImportError('libtorch_cpu.so: failed to map segment from shared object')": "out of mem",
    "raise ImportError('libtorch.so: cannot open shared object file: Too many open files')": (
        "too many open files; close other programs"
    ),
    "import nothing_of_this_name": "ModuleNotFoundError: No module named 'nothing_of_this_name' (",
    "def (": "TORCH, line 1: invalid syntax; mend it",
    "1 / 0": "ZeroDivisionError: division by zero (",
}


@pytest.mark.parametrize("code", IMPORTS)
def test_what_cannot_be_imported_is_said_in_one_line(code, photos, tmp_path):
    (tmp_path / "torch.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    arguments = train_arguments(photos, tmp_path)
    said = refused(run_process(PROJECT / "train.py", arguments, env=environment))
    assert said.replace(str(tmp_path / "torch.py"), "TORCH").startswith(f"error: {IMPORTS[code]}")


def test_a_number_of_seeds_that_would_be_planned_for_ever_is_refused(photos, tmp_path):
    arguments = [
        "--data",
        photos,
        "--out",
        tmp_path / "out",
        "--seeds",
        100_000,
        "--dry_run",
    ]
    said = refused(run_sweep(PROJECT, arguments))
    assert "'100000' is not a whole number from 1 to 1000" in said


def test_a_lock_that_cannot_be_removed_hides_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "unlink", Mock(side_effect=PermissionError))
    with pytest.raises(OSError, match="the disk is full"), locked(tmp_path / ".lock"):
        raise OSError("the disk is full")
