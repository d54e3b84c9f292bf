"""One training on several processes is the same experiment as on one."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from functools import partial
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import (
    PATIENCE,
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

NORMALISED = (
    "= nn.Linear(hidden, 2)",
    "= nn.Sequential(nn.Linear(hidden, 2), nn.BatchNorm1d(2))",
)


# --- under torchrun --------------------------------------------------------------------------


class UnderTorchrun(NamedTuple):
    """A training of two processes, of which one was killed: its exit status, and what it said."""

    status: int | None
    said: str


WORKER = """
import os, pathlib, runpy, sys

program = sys.argv[1]
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(program))
pathlib.Path(__file__).with_name("worker").write_text(str(os.getpid()))
end, number = os._exit, os.getpid()


def end_here(status):
    (sys.exit if os.getpid() == number else end)(status)


os._exit = end_here  # a fork has to return to torchrun
try:
    runpy.run_path(program, run_name="__main__")
except SystemExit as ended:
    assert ended.code == 0
finally:
    os._exit = end
"""


@pytest.fixture(scope="module")
def under_torchrun(tmp_path_factory) -> UnderTorchrun:
    """Its workers are forks, which need not import torch again: torchrun's --start_method."""
    root = tmp_path_factory.mktemp("torchrun")
    torchrun, worker, log = root / "torchrun.py", root / "worker.py", root / "log"
    torchrun.write_text("from torch.distributed.run import main\nmain()\n")
    worker.write_text(WORKER)
    words = ["--standalone", "--nproc_per_node=2", "--max_restarts=1", "--monitor_interval=0.02"]
    words += ["--run_path", "--start_method=fork", worker, PROJECT / "train.py"]
    words += train_arguments(make_photos(root / "photos"), root, epochs=60, batch_size=7)
    with log.open("w") as out:

        def before() -> None:  # what it starts inherits these two
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)

        launcher = fork(torchrun, [words, "--no_pictures"], out, out, before)
    wait_for((root / "r/history.csv").is_file)
    os.kill(int((root / "worker").read_text()), signal.SIGKILL)
    launcher.join(PATIENCE)
    return UnderTorchrun(launcher.exitcode, log.read_text())


def test_torchrun_trains_on_two_processes(under_torchrun):
    assert under_torchrun.status == 0, under_torchrun.said


def test_of_two_processes_one_speaks(under_torchrun):
    assert under_torchrun.said.count("epoch 1 of 60") == 1


def test_a_worker_killed_under_torchrun_costs_one_restart(under_torchrun):
    assert under_torchrun.said.count("going on after epoch") == 1


def test_processes_that_start_again_find_one_another_at_once(under_torchrun):
    assert "connectFullMesh failed" not in under_torchrun.said


# --- the same experiment ---------------------------------------------------------------------


def start_two(
    program: Path, arguments: list, log: Path, second: list | None = None
) -> list[ForkProcess]:
    """Start a training on two forked processes, as torchrun does; `second` is the other's words."""
    with socket.create_server(("localhost", 0)) as server:
        port = str(server.getsockname()[1])
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    variables["TORCHELASTIC_RUN_ID"] = "none"
    processes = []
    with log.open("w") as out:
        for rank, words in enumerate((arguments, second or arguments)):
            before = partial(os.environ.update, variables, RANK=str(rank))
            processes.append(fork(program, words, out, out, before=before))
    return processes


def statuses(processes: list[ForkProcess]) -> list[int | None]:
    """Wait for processes; their exit statuses."""
    for process in processes:
        process.join(PATIENCE)
    return [process.exitcode for process in processes]


def test_two_processes_find_the_losses_of_one(photos, tmp_path):
    # Without dropout, whose masks differ; batches of 7, 7 and 2, too small for a part for each.
    project = copy_project(tmp_path / "project", model=[("float = 0.5", "float = 0.0")])
    program, log = project / "train.py", tmp_path / "log"
    both = start_two(program, train_arguments(photos, tmp_path / "two", batch_size=7), log)
    assert statuses(both) == [0, 0], log.read_text()
    one = train_arguments(photos, tmp_path / "one", batch_size=7)
    assert run_fork(program, one).status == 0
    history_of_one = np.array(read_history(tmp_path / "one/r"))
    history_of_two = np.array(read_history(tmp_path / "two/r"))
    np.testing.assert_allclose(history_of_two, history_of_one, rtol=1e-4)


def test_batch_normalisation_runs_on_two_processes(photos, tmp_path):
    project = copy_project(tmp_path / "project", model=[NORMALISED])
    arguments = train_arguments(photos, tmp_path, batch_size=7, epochs=1)
    assert statuses(start_two(project / "train.py", arguments, tmp_path / "log")) == [0, 0]


class Killed(NamedTuple):
    """What was said when one of two processes was killed, and by two that went on."""

    before: str
    after: str


@pytest.fixture(scope="module")
def one_killed(tmp_path_factory) -> Killed:
    root = tmp_path_factory.mktemp("killed")
    program, results = PROJECT / "train.py", root / "r"
    arguments = partial(train_arguments, make_photos(root / "photos"), root, batch_size=7)
    first, second = start_two(program, arguments(epochs=10**6), root / "before")
    wait_for((results / "history.csv").is_file)
    second.kill()
    assert statuses([first]) == [1]
    more = arguments(epochs=len(read_history(results)) + 2)
    assert statuses(start_two(program, more, root / "after")) == [0, 0]
    return Killed((root / "before").read_text(), (root / "after").read_text())


def test_a_process_that_loses_the_other_says_what_to_do(one_killed):
    assert "it goes on after the last finished epoch" in one_killed.before


def test_two_processes_go_on_after_one_of_them_was_killed(one_killed):
    assert "going on after epoch" in one_killed.after


def test_what_cannot_work_is_refused_by_two_processes(photos, tmp_path):
    three = [("nn.Linear(hidden, 2)", "nn.Linear(hidden, 3)")]
    project = copy_project(tmp_path / "project", model=three)
    log = tmp_path / "log"
    both = start_two(project / "train.py", train_arguments(photos, tmp_path), log)
    assert statuses(both) == [2, 2], log.read_text()
    assert "not two scores" in log.read_text()


@pytest.mark.parametrize("more", [0, 1])  # as many other images, or more of them
def test_processes_that_see_other_images_end_before_the_first_step(more, photos, tmp_path):
    others = make_photos(tmp_path / "others", train=10 + more)
    Image.fromarray(noise(12345)).save(others / "train" / "cat" / "0.png")
    log = tmp_path / "log"
    words = train_arguments(photos, tmp_path)
    other_words = train_arguments(others, tmp_path)
    both = start_two(PROJECT / "train.py", words, log, second=other_words)
    assert statuses(both) == [2, 2]
    said = "error: process 1 has others than process 0: images; give every process the same"
    assert said in log.read_text()
    assert not (tmp_path / "r").exists(), "nothing was trained"


# --- a sweep after two processes -------------------------------------------------------------


class ByTwo(NamedTuple):
    """A project in whose store two processes trained the base run, of two epochs; its images."""

    project: Path
    photos: Path
    result: Path  # in the project
    weight: Path


@pytest.fixture(scope="module")
def trained_by_two(tmp_path_factory) -> ByTwo:
    root = tmp_path_factory.mktemp("by_two")
    edits = small('{"Change_epochs": [2, 3]}', epochs=2)
    project = copy_project(root / "project", my_script=edits)
    photos = make_photos(root / "photos")
    planned = run_sweep(project, "--data", photos, "--image_size", 16, "--dry_run")
    words = shlex.split(planned.out)
    result, weight = (Path(words[words.index(name) + 1]) for name in PLACES)
    places = {"img_path": result, "weight_path": weight}
    arguments = train_arguments(photos, root, epochs=2, batch_size=32, **places)
    both = start_two(project / "train.py", arguments, root / "log")
    assert statuses(both) == [0, 0], (root / "log").read_text()
    assert processes_of(result) == 2
    return ByTwo(project, photos, result.relative_to(project), weight.relative_to(project))


PLACES = ("--img_path", "--weight_path")


def processes_of(result: Path) -> int:
    return read_record(result / "train.json")["identity"]["processes"]


class Anew(NamedTuple):
    """A sweep that found what two processes had trained: its folder, what it and its child said."""

    project: Path
    said: str
    log: str


def run_after(by_two: ByTwo, project: Path) -> Anew:
    ended = run_sweep(project, "--data", by_two.photos, "--image_size", 16)
    assert ended.status == 0, ended.out + ended.err
    return Anew(project, ended.out, (project / by_two.result / "log.txt").read_text())


@pytest.fixture(scope="module")
def after_finished(trained_by_two, tmp_path_factory) -> Anew:
    project = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(trained_by_two.project, project)
    return run_after(trained_by_two, project)


@pytest.fixture(scope="module")
def after_stopped(trained_by_two, tmp_path_factory) -> Anew:
    """Stopped after its last epoch: a checkpoint and a history are there."""
    project = tmp_path_factory.mktemp("stopped") / "project"
    shutil.copytree(trained_by_two.project, project)
    (project / trained_by_two.result / "train.json").unlink()
    (project / trained_by_two.weight).unlink()
    return run_after(trained_by_two, project)


@pytest.fixture(params=["after_finished", "after_stopped"])
def anew(request) -> Anew:
    return request.getfixturevalue(request.param)


def test_why_what_two_processes_trained_is_done_again_is_said(anew):
    assert "to be done again: 1 (processes was 2, is 1)" in anew.said


def test_the_plan_knows_that_nothing_goes_on_from_two_processes(anew):
    assert "to go on" not in anew.said


def test_why_what_two_processes_began_is_not_gone_on_with_is_said(after_stopped):
    assert "is no checkpoint of this training" in after_stopped.log
    assert "processes was 2, is 1" in after_stopped.log


def test_a_sweep_trains_from_the_first_epoch_on_what_two_processes_trained(anew):
    assert "going on after epoch" not in anew.log
    assert "epoch 1 of 2" in anew.log


def test_a_sweep_after_two_processes_gives_the_bits_of_one(anew, trained_by_two, tmp_path):
    plain = train_arguments(trained_by_two.photos, tmp_path, epochs=3, batch_size=32)
    assert run_fork(anew.project / "train.py", plain, "--no_pictures").status == 0
    longer = anew.project / "weights/Change_epochs/3/weight.pth"
    assert file_digest(longer) == file_digest(tmp_path / "w.pth")


def test_a_sweep_after_two_processes_records_one(anew, trained_by_two):
    assert processes_of(anew.project / trained_by_two.result) == 1


# --- children and their streams --------------------------------------------------------------


CHILD = """
from console.errors import before_imports
before_imports()
print(os.getpid(), flush=True)
sum(range(10**11))  # half an hour: as a long import does, it lets no other thread of Python run
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
    wait_for(lambda: not child.exists() or not (child / "cmdline").read_bytes())


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
    # As of a sweep, which ends without ado.
    environment = {**os.environ, "CNN_STDIN_IS_PARENT": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", FAILING],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.read() == "text\n"
    assert child.stderr.read() == "error: wrong\n"
    assert child.wait() == 2
