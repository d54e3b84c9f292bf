"""One training on several processes is the same experiment as on one."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from conftest import copy_project, run_fork, train_arguments, trainings_of

from records.files import read_json
from records.runs import read_history
from training.processes import share_of

NO_DROPOUT = ("dropout: float = 0.5", "dropout: float = 0.0")  # masks differ between processes
LINEAR = "nn.Linear(third * GRID * GRID, hidden)"


def on_two(project: Path, arguments: list) -> subprocess.Popen:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc_per_node=2", project / "train.py", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_find_the_losses_of_one(photos, tmp_path):
    # 16 images in batches of 7: 7, 7 and 2, whose only part of two images is one process's.
    project = copy_project(tmp_path / "project", model=[NO_DROPOUT])
    one, two = (
        [*train_arguments(photos, tmp_path / name, epochs=4, batch_size=7), "--no_pictures"]
        for name in ("one", "two")
    )
    process = on_two(project, two)
    assert run_fork(project / "train.py", *one).status == 0
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert len(re.findall(r"^epoch 4 of 4", said, re.M)) == 1, "one process speaks"
    assert read_json(tmp_path / "two/r/train.json")["identity"]["processes"] == 2
    one, two = (np.array(read_history(tmp_path / name / "r")) for name in ("one", "two"))
    np.testing.assert_allclose(two[:, 1:3], one[:, 1:3], rtol=1e-4)
    np.testing.assert_allclose(two[:, 3:], one[:, 3:], atol=1e-6)


def test_batch_normalisation_runs_on_two_and_a_killed_training_goes_on(photos, tmp_path):
    normalised = (LINEAR, f"nn.Sequential({LINEAR}, nn.BatchNorm1d(hidden))")
    project = copy_project(tmp_path / "project", model=[normalised])
    process = on_two(project, train_arguments(photos, tmp_path, epochs=10**6, batch_size=7))
    while not (tmp_path / "w_checkpoint.pth").is_file() and process.poll() is None:
        time.sleep(0.05)
    os.kill(trainings_of(tmp_path)[-1], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and not trainings_of(tmp_path)
    assert "SIGKILL" in errors or "Signal 9" in errors
    epochs = len(read_history(tmp_path / "r")) + 2
    process = on_two(project, train_arguments(photos, tmp_path, epochs=epochs, batch_size=7))
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "going on after epoch" in said


def test_the_weighted_parts_of_a_batch_give_its_mean(monkeypatch):
    values = torch.rand(9, dtype=torch.float64)
    for size, world in itertools.product(range(2, 10), range(1, 5)):
        batch, total = torch.randperm(9)[:size], 0.0
        monkeypatch.setenv("WORLD_SIZE", str(world))
        for rank in range(world):
            monkeypatch.setenv("RANK", str(rank))
            part, weight = share_of(batch)
            assert len(part) >= 2
            total += weight * values[part].mean() / world
        torch.testing.assert_close(total, values[batch].mean())
