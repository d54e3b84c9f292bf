"""One training on several processes is the same experiment as on one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, Ended, run_process, train_arguments, trainings_of

from runs import read_history, read_json


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project with dropout off, whose masks would differ between processes."""
    target = tmp_path_factory.mktemp("processes") / "project"
    target.mkdir()
    for path in PROJECT.glob("*.py"):
        shutil.copy(path, target)
    model = (target / "model.py").read_text()
    assert "dropout: float = 0.5" in model
    (target / "model.py").write_text(model.replace("dropout: float = 0.5", "dropout: float = 0.0"))
    return target


def torchrun(processes: int, project: Path, arguments: list) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, f"--nproc_per_node={processes}", str(project / "train.py"),
            *map(str, arguments)]  # fmt: skip


def run_on(processes: int, project: Path, arguments: list) -> Ended:
    if processes == 1:
        return run_process(project / "train.py", *arguments)
    ended = subprocess.run(
        torchrun(processes, project, arguments), capture_output=True, text=True, timeout=120
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_three_processes_give_the_losses_of_one(project, photos, tmp_path):
    # 16 images in batches of 7: 7, 7 and 2, which three processes do not divide evenly.
    def train(processes: int) -> np.ndarray:
        out = tmp_path / str(processes)
        arguments = train_arguments(photos, out, epochs=4, batch_size=7, learning_rate=0.05)
        ended = run_on(processes, project, arguments)
        assert ended.status == 0, ended.err
        assert len(re.findall(r"^epoch 4 of 4", ended.out, re.M)) == 1, "one process speaks"
        assert read_json(out / "r" / "train.json")["identity"]["processes"] == processes
        return np.array(read_history(out / "r"))

    with ThreadPoolExecutor() as pool:  # they spend most of their time importing torch
        one, three = pool.map(train, (1, 3))
    np.testing.assert_allclose(three[:, 1:3], one[:, 1:3], rtol=1e-4)
    np.testing.assert_allclose(three[:, 3:], one[:, 3:], atol=1e-6)


def test_a_killed_process_ends_all_and_another_number_of_them_goes_on(project, photos, tmp_path):
    arguments = train_arguments(photos, tmp_path, epochs=100000, batch_size=7)
    process = subprocess.Popen(
        torchrun(2, project, arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    checkpoint = tmp_path / "w_checkpoint.pth"
    end = time.monotonic() + 60
    while not checkpoint.is_file() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(trainings_of(tmp_path)[-1], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert not trainings_of(tmp_path)
    assert "SIGKILL" in said or "Signal 9" in said
    reached = len(read_history(tmp_path / "r"))
    arguments = train_arguments(photos, tmp_path, epochs=reached + 2, batch_size=7)
    ended = run_on(1, project, arguments)
    assert ended.status == 0, ended.err
    assert "going on after epoch" in ended.out
