"""Cores and threads: no more than a program was given, and none in the way of other programs."""

import gc
import os
import re
import signal

import pytest
from conftest import PROJECT, train_arguments

from console import cores
from console.errors import before_imports
from images import decode
from records.files import read_record


@pytest.mark.parametrize(("users", "then"), [(None, "passive"), ("active", "active")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(users, then, monkeypatch):
    monkeypatch.setattr(gc, "disable", int)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if users:
        monkeypatch.setenv("OMP_WAIT_POLICY", users)
    before_imports()
    assert os.environ["OMP_WAIT_POLICY"] == then


@pytest.mark.parametrize("program", ["train", "test", "my_script"])
def test_a_program_says_how_threads_wait_before_it_imports_a_package(program):
    text = (PROJECT / f"{program}.py").read_text()
    line = r"^ *(before_imports\(\)|import (?!errors).*|from (?!console.errors).*)"
    first = re.search(line, text, re.M)
    assert first.group().strip() == "before_imports()"


@pytest.mark.parametrize(("image_size", "threads"), [(16, 1), (32, 1), (63, 1), (64, 2), (128, 8)])
def test_large_images_have_more_threads_than_small_ones(image_size, threads, monkeypatch):
    monkeypatch.setattr(cores, "usable_cores", lambda: 64)
    assert cores.threads_for(image_size) == threads


@pytest.mark.parametrize("image_size", [16, 64, 128])
def test_there_are_no_more_threads_than_cores(image_size, monkeypatch):
    monkeypatch.setattr(cores, "usable_cores", lambda: 1)
    assert cores.threads_for(image_size) == 1


def test_a_training_by_itself_has_the_one_thread_of_a_sweep(photos, tmp_path, call, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    arguments = train_arguments(photos, tmp_path, epochs=1)
    assert call("train", arguments, "--no_pictures").status == 0
    assert read_record(tmp_path / "r/train.json")["identity"]["threads"] == 1


def test_images_are_decoded_on_the_cores_that_a_job_was_given(photos, tmp_path, monkeypatch):
    started = []

    class Pool(decode.ThreadPoolExecutor):
        def __init__(self, threads: int) -> None:
            started.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(decode, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    from dataset import load_data

    load_data(str(photos), 16)
    assert started == [1]
