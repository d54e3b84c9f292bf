"""One training on several processes is the same experiment as on one."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import (
    PROJECT,
    copy_project,
    fork,
    make_photos,
    noise,
    run_fork,
    run_sweep,
    small,
    train_arguments,
    wait_for,
)
from PIL import Image

from records.files import file_digest, read_record
from records.runs import read_history

NORMALISED = ("= nn.Linear(hidden, 2)", "= nn.Sequential(nn.Linear(hidden, 2), nn.BatchNorm1d(2))")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]


def test_two_processes_of_torchrun_find_the_losses_of_one(photos, tmp_path):
    # Without dropout, whose masks differ; batches of 7, 7 and 2, too small for a part for each.
    project = copy_project(tmp_path / "project", model=[("float = 0.5", "float = 0.0")])
    one, two = (train_arguments(photos, tmp_path / name, batch_size=7) for name in "12")
    command = [*TORCHRUN, project / "train.py", *map(str, two)]
    ended = subprocess.run(command, timeout=120, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("epoch 4 of 4") == 1, "one process speaks"
    assert run_fork(project / "train.py", *one).status == 0
    one, two = (np.array(read_history(tmp_path / name / "r")) for name in "12")
    np.testing.assert_allclose(two, one, rtol=1e-4)


def start_two(program: Path, arguments: list, log: Path, second: list | None = None) -> list:
    """Start a training on two forked processes, as torchrun does; `second` is the other's words."""
    with socket.create_server(("localhost", 0)) as server:
        port = str(server.getsockname()[1])
    places = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    befores = [partial(os.environ.update, places, RANK=rank) for rank in "01"]
    with log.open("w") as out:
        each = zip((arguments, second or arguments), befores, strict=True)
        return [fork(program, words, out, out, before=before) for words, before in each]


def test_batch_normalisation_runs_on_two_and_a_killed_training_goes_on(photos, tmp_path):
    project = copy_project(tmp_path / "project", model=[NORMALISED])
    program, log, results = project / "train.py", tmp_path / "log", tmp_path / "r"
    arguments = partial(train_arguments, photos, tmp_path, batch_size=7)
    first, second = start_two(program, arguments(epochs=10**6), log)
    wait_for((results / "history.csv").is_file)
    second.kill()
    first.join(60)
    assert first.exitcode == 1 and "it goes on after the last finished epoch" in log.read_text()
    more = arguments(epochs=len(read_history(results)) + 2)
    both = start_two(program, more, log)
    assert [process.join() or process.exitcode for process in both] == [0, 0], log.read_text()
    assert "going on after epoch" in log.read_text()


@pytest.fixture(scope="module")
def trained_by_two(tmp_path_factory):
    """A project whose base run, of two epochs, was trained on two processes; its images."""
    root = tmp_path_factory.mktemp("by_two")
    edits = small('{"Change_epochs": [2, 3]}', epochs=2)
    project = copy_project(root / "project", my_script=edits)
    photos = make_photos(root / "photos")
    words = train_arguments(photos, root, epochs=2, batch_size=32, **places_of_base(project))
    both = start_two(project / "train.py", words, root / "log")
    assert [process.join() or process.exitcode for process in both] == [0, 0]
    assert record_of_base(project)["identity"]["processes"] == 2
    return project, photos


def places_of_base(project: Path) -> dict:
    return {
        "img_path": project / "result/Change_seed/0",
        "weight_path": project / "weights/Change_seed/0/weight.pth",
    }


def record_of_base(project: Path) -> dict:
    return read_record(project / "result/Change_seed/0/train.json")


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_sweep_trains_anew_what_two_processes_trained(is_finished, trained_by_two, tmp_path):
    by_two, photos = trained_by_two
    project = shutil.copytree(by_two, tmp_path / "project")
    if not is_finished:  # stopped after its last epoch: a checkpoint and a history are there
        (project / "result/Change_seed/0/train.json").unlink()
        (project / "weights/Change_seed/0/weight.pth").unlink()
    ended = run_sweep(project, "--data", photos, "--image_size", 16)
    assert ended.status == 0, ended.out + ended.err
    log = (project / "result/Change_seed/0/log.txt").read_text()
    if is_finished:
        assert "to be done again: 1 (processes was 2, is 1)" in ended.out
    else:
        assert "not going on from" in log and "processes was 2, is 1" in log
    assert "going on after epoch" not in log and "epoch 1 of 2" in log, "from the first epoch on"
    plain = train_arguments(photos, tmp_path, epochs=3, batch_size=32)
    assert run_fork(project / "train.py", *plain).status == 0
    longer = project / "weights/Change_epochs/3/weight.pth"
    assert file_digest(longer) == file_digest(tmp_path / "w.pth"), "the bits of one process"
    assert record_of_base(project)["identity"]["processes"] == 1


@pytest.mark.parametrize("more", [0, 1])  # as many other images, or more of them
def test_processes_that_see_other_images_end_before_the_first_step(more, photos, tmp_path):
    others = make_photos(tmp_path / "others", train=10 + more)
    Image.fromarray(noise(12345)).save(others / "train" / "cat" / "0.png")
    log, words = tmp_path / "log", (train_arguments(each, tmp_path) for each in (photos, others))
    both = start_two(PROJECT / "train.py", next(words), log, second=next(words))
    assert [process.join(60) or process.exitcode for process in both] == [2, 2]
    errors = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "(process 1: images); give every process the same" in errors[0]
    assert not (tmp_path / "r").exists(), "nothing was trained"


CHILD = """
from console.errors import before_imports
before_imports()
print(os.getpid(), flush=True)
sum(range(10**9))  # some ten seconds: as a long import does, it lets no other thread of Python run
"""
PARENT = """
import os, subprocess, sys
child = [sys.executable, "-c", "import os" + sys.argv[1]]
os.environ["CNN_STDIN_IS_PARENT"] = "1"
subprocess.Popen(child, stdin=subprocess.PIPE).wait()
"""


def test_a_child_ends_with_its_parent_from_its_first_moment_on():
    command = [sys.executable, "-c", PARENT, CHILD]
    parent = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    child = Path("/proc", parent.stdout.readline().strip())
    parent.kill()
    parent.communicate()
    killed = time.monotonic()
    wait_for(lambda: not child.exists() or not (child / "cmdline").read_bytes())
    assert time.monotonic() - killed < 1


PROGRAM = """
from console.errors import *
before_imports()
run_program(lambda: print("text") or os.fstat(0).st_ino * 0)
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_stops_nothing(closed):
    line = shlex.join([sys.executable, "-c", PROGRAM])
    ended = subprocess.run(["sh", "-c", f"{line} {closed}"], cwd=PROJECT, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
