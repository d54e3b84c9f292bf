"""One training on several processes is the same experiment as on one."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from conftest import copy_project, run_fork, train_arguments, trainings_of

from records.runs import read_history

NORMALISED = ("= nn.Linear(hidden, 2)", "= nn.Sequential(nn.Linear(hidden, 2), nn.BatchNorm1d(2))")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
run = partial(subprocess.run, stdout=subprocess.PIPE, text=True, timeout=240, check=True)


def on_two(project: Path, arguments: list) -> list:
    return [*TORCHRUN, project / "train.py", *map(str, arguments)]


def test_two_processes_find_the_losses_of_one(photos, tmp_path):  # without dropout's masks
    project = copy_project(tmp_path / "project", model=[("float = 0.5", "float = 0.0")])
    # 16 images in batches of 7: 7, 7 and 2, the last too small for a part for each.
    one, two = (train_arguments(photos, tmp_path / name, epochs=4, batch_size=7) for name in "12")
    assert run(on_two(project, two)).stdout.count("epoch 4 of 4") == 1, "one process speaks"
    assert run_fork(project / "train.py", *one).status == 0
    one, two = (np.array(read_history(tmp_path / name / "r")) for name in "12")
    np.testing.assert_allclose(two, one, rtol=1e-4)


def test_batch_normalisation_runs_on_two_and_a_killed_training_goes_on(photos, tmp_path):
    project = copy_project(tmp_path / "project", model=[NORMALISED])
    arguments = partial(train_arguments, photos, tmp_path, batch_size=7)
    process = subprocess.Popen(on_two(project, arguments(epochs=10**6)), stderr=subprocess.PIPE)
    while not (tmp_path / "r/history.csv").is_file() and process.poll() is None:
        time.sleep(0.05)
    os.kill(trainings_of(tmp_path)[-1], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode and not trainings_of(tmp_path) and b"SIGKILL" in errors, errors
    more = arguments(epochs=len(read_history(tmp_path / "r")) + 2)
    assert "going on after epoch" in run(on_two(project, more)).stdout
