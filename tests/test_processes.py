"""One training on several processes is the same experiment as on one."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from multiprocessing.context import ForkProcess
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
    trainings_of,
    wait_for,
)
from PIL import Image

from records.files import file_digest, read_record
from records.runs import read_history

NORMALISED = ("= nn.Linear(hidden, 2)", "= nn.Sequential(nn.Linear(hidden, 2), nn.BatchNorm1d(2))")


def test_torchrun_trains_on_two_processes_of_which_one_speaks(photos, tmp_path):
    torchrun, log = tmp_path / "torchrun.py", tmp_path / "log"
    torchrun.write_text("from torch.distributed.run import main\nmain()\n")
    words = ["--standalone", "--nproc_per_node=2", PROJECT / "train.py"]
    with log.open("w") as out:

        def before() -> None:  # what it starts are real processes, which inherit these two
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)

        words += train_arguments(photos, tmp_path, epochs=1)
        ended = run_fork(torchrun, words, "--no_pictures", before=before)
    assert ended.status == 0, log.read_text()
    assert log.read_text().count("epoch 1 of 1") == 1


def start_two(
    program: Path, arguments: list, log: Path, second: list | None = None
) -> list[ForkProcess]:
    """Start a training on two forked processes, as torchrun does; `second` is the other's words."""
    with socket.create_server(("localhost", 0)) as server:
        port = str(server.getsockname()[1])
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    processes = []
    with log.open("w") as out:
        for rank, words in enumerate((arguments, second or arguments)):
            before = partial(os.environ.update, variables, RANK=str(rank))
            processes.append(fork(program, words, out, out, before=before))
    return processes


def statuses(processes: list[ForkProcess]) -> list[int | None]:
    """Wait for processes; their exit statuses."""
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def test_two_processes_find_the_losses_of_one(photos, tmp_path):
    # Without dropout, whose masks differ; batches of 7, 7 and 2, too small for a part for each.
    project = copy_project(tmp_path / "project", model=[("float = 0.5", "float = 0.0")])
    program, log = project / "train.py", tmp_path / "log"
    both = start_two(program, train_arguments(photos, tmp_path / "two", batch_size=7), log)
    assert statuses(both) == [0, 0], log.read_text()
    one = train_arguments(photos, tmp_path / "one", batch_size=7)
    assert run_fork(program, one).status == 0
    histories = [np.array(read_history(tmp_path / name / "r")) for name in ("one", "two")]
    np.testing.assert_allclose(*histories, rtol=1e-4)


def test_batch_normalisation_runs_on_two_processes(photos, tmp_path):
    project = copy_project(tmp_path / "project", model=[NORMALISED])
    arguments = train_arguments(photos, tmp_path, batch_size=7, epochs=1)
    assert statuses(start_two(project / "train.py", arguments, tmp_path / "log")) == [0, 0]


def test_two_processes_go_on_after_one_of_them_was_killed(photos, tmp_path):
    program, log, results = PROJECT / "train.py", tmp_path / "log", tmp_path / "r"
    arguments = partial(train_arguments, photos, tmp_path, batch_size=7)
    first, second = start_two(program, arguments(epochs=10**6), log)
    wait_for((results / "history.csv").is_file)
    second.kill()
    assert statuses([first]) == [1]
    assert "it goes on after the last finished epoch" in log.read_text()
    more = arguments(epochs=len(read_history(results)) + 2)
    assert statuses(start_two(program, more, log)) == [0, 0], log.read_text()
    assert "going on after epoch" in log.read_text()


def test_a_worker_killed_under_torchrun_costs_one_restart(photos, tmp_path):
    results, log = tmp_path / "r", tmp_path / "log"
    words = map(str, train_arguments(photos, tmp_path, epochs=10**6, batch_size=7))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    options = ["--nproc_per_node=2", "--max_restarts=1"]
    command = [*torchrun, *options, PROJECT / "train.py", *words]
    with log.open("w") as out:
        launcher = subprocess.Popen(command, stdout=out, stderr=out)
    wait_for((results / "history.csv").is_file)
    try:
        os.kill(trainings_of(tmp_path)[-1], signal.SIGKILL)
        wait_for(lambda: "going on after epoch" in log.read_text() or launcher.poll() is not None)
        assert launcher.poll() is None, log.read_text()
        assert "connectFullMesh failed" not in log.read_text()
    finally:
        launcher.terminate()
        launcher.wait()


@pytest.fixture(scope="module")
def trained_by_two(tmp_path_factory):
    """A project whose base run, of two epochs, was trained on two processes; its images."""
    root = tmp_path_factory.mktemp("by_two")
    edits = small('{"Change_epochs": [2, 3]}', epochs=2)
    project = copy_project(root / "project", my_script=edits)
    photos = make_photos(root / "photos")
    words = train_arguments(photos, root, epochs=2, batch_size=32, **places_of_base(project))
    both = start_two(project / "train.py", words, root / "log")
    assert statuses(both) == [0, 0]
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
    assert "to be done again: 1 (processes was 2, is 1)" in ended.out
    assert "to go on" not in ended.out, "the plan knows that nothing goes on from it"
    if not is_finished:
        assert "not going on from" in log and "processes was 2, is 1" in log
    assert "going on after epoch" not in log and "epoch 1 of 2" in log, "from the first epoch on"
    plain = train_arguments(photos, tmp_path, epochs=3, batch_size=32)
    assert run_fork(project / "train.py", plain).status == 0
    longer = project / "weights/Change_epochs/3/weight.pth"
    assert file_digest(longer) == file_digest(tmp_path / "w.pth"), "the bits of one process"
    assert record_of_base(project)["identity"]["processes"] == 1


@pytest.mark.parametrize("more", [0, 1])  # as many other images, or more of them
def test_processes_that_see_other_images_end_before_the_first_step(more, photos, tmp_path):
    others = make_photos(tmp_path / "others", train=10 + more)
    Image.fromarray(noise(12345)).save(others / "train" / "cat" / "0.png")
    log = tmp_path / "log"
    words, other_words = (train_arguments(folder, tmp_path) for folder in (photos, others))
    both = start_two(PROJECT / "train.py", words, log, second=other_words)
    assert statuses(both) == [2, 2]
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


FAILING = """
import sys
from console.errors import *
before_imports()
def main():
    print("text")
    raise InputError("wrong")
run_program(main)
"""


def test_what_a_child_has_printed_is_there_when_it_fails():
    env = {**os.environ, "CNN_STDIN_IS_PARENT": "1"}  # as of a sweep, which ends without ado
    options = {"cwd": PROJECT, "env": env, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", FAILING], **options, stderr=subprocess.PIPE)
    out = child.stdout.read()
    assert (child.wait(), out, child.stderr.read()) == (2, b"text\n", b"error: wrong\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_stops_nothing(closed):
    line = shlex.join([sys.executable, "-c", PROGRAM])
    ended = subprocess.run(["sh", "-c", f"{line} {closed}"], cwd=PROJECT, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
