"""Helpers of all tests: tiny image folders, and the programs called in this process."""

import contextlib
import csv
import io
import os
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pytest
from forks import (  # noqa: F401 (tests take them from here)
    PATIENCE,
    PROJECT,
    ROOMS,
    Ended,
    fork,
    fork_sweep,
    fork_trials,
    kill_sweep,
    remember_parsing,
    run_fork,
    run_process,
    run_sweep,
    words_of,
)
from PIL import Image

sys.path.insert(0, str(PROJECT))
WITH_GPU = dict(os.environ)  # of processes that are to see a GPU: the tests fork, CUDA does not
os.environ |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
os.fsync = lambda fd: None  # what it is for, a power cut, no test can tell; a disk takes its time
os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())  # fonts: seconds to list
CACHE = tempfile.TemporaryDirectory()  # not the user's; deleted at the end
os.environ["XDG_CACHE_HOME"] = CACHE.name


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist take files in their order: it begins with those that hold most tests.

    What is left for the end then are few, slow tests, for which one core waits.
    """
    config.option.loadscopereorder = False


def noise(seed: int, size: int = 20) -> np.ndarray:  # a random picture for every seed
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def fill(folder: Path, count: int, first: int = 0, bright: int = 0) -> None:  # small PNGs
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        Image.fromarray(noise(number) // 2 + np.uint8(bright)).save(folder / f"{number}.png")


def make_photos(root: Path, train: int = 10, test: int = 5) -> Path:  # cats dark, dogs bright
    for target, name in enumerate(("cat", "dog")):
        fill(root / "train" / name, train, 1000 * target, bright=60 * target)
        fill(root / "test" / name, test, 1000 * target + 500, bright=60 * target)
    return root


def warnings_of(data: Any) -> list[str]:
    """What a reader is told of images, but for tests' own being few."""
    return [warning for warning in data.warnings if not warning.startswith("very few")]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


@pytest.fixture(scope="session")
def call():  # call("train", ...) runs a program in this process, which saves the import of torch
    from records import runs, sources

    remember_parsing()
    fork_trials()

    def run(program: str, *arguments: object) -> Ended:
        buffers = io.BytesIO(), io.BytesIO()
        streams = [io.TextIOWrapper(buffer, "utf-8", write_through=True) for buffer in buffers]
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(sys, "argv", [f"{program}.py", *words_of(arguments)])
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            for function in (sources.read_module, sources.files_of, runs.versions):
                function.cache_clear()  # a new process has read nothing yet
            runpy.run_path(str(PROJECT / f"{program}.py"), run_name="__main__")
        out, err = (buffer.getvalue().decode() for buffer in buffers)
        return Ended(int(ended.value.code or 0), out, err)

    return run


def refused(ended: Ended) -> str:  # the line in which a program refused to go on
    assert ended.status == 2, ended
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1, ended.err
    return ended.err


def read_table(path: Path) -> list[dict[str, str]]:  # its rows, by column
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def copy_project(target: Path, **edits: list[tuple[str, str]]) -> Path:
    """The project's code without its results; `edits` of file.py are (old, new), keyed by file."""
    for name in ROOMS:
        shutil.copytree(PROJECT / name, target / name, ignore=shutil.ignore_patterns("__py*"))
    for path in PROJECT.glob("*.py"):
        shutil.copy(path, target)
    for name, changes in edits.items():
        text = (target / f"{name}.py").read_text()
        for old, new in changes:
            assert old in text, f"{name}.py holds no {old!r}"
            text = text.replace(old, new)
        (target / f"{name}.py").write_text(text)
    return target


def small(studies: str, *more: tuple[str, str], epochs: int = 1) -> list[tuple[str, str]]:
    """Edits of my_script.py: these studies, one seed of a base of few epochs, and more edits."""
    return [
        ('"epochs": 20', f'"epochs": {epochs}'),
        ("BASE_SEEDS = 6", "BASE_SEEDS = 1"),
        ("def main(", f"STUDIES = {studies}\n\n\ndef main("),
        *more,
    ]


class Sweep(NamedTuple):
    """A copy of the project with small studies, and the options of all its calls."""

    project: Path
    options: list

    def run(self, *more: object, draws: bool = False) -> Ended:
        return run_sweep(self.project, self.options, more, draws=draws)


def stored(out: Path, run: str) -> Path:
    """The folder in the store of results of which a run's folder is a copy."""
    record = (out / "result" / run / "train.json").read_bytes()
    for path in (out / "result/runs").glob("*/train.json"):
        if path.read_bytes() == record:
            return path.parent
    raise AssertionError(f"nothing in the store is {run}")


def stored_weight(out: Path, run: str) -> Path:
    """The weights in the store of a run."""
    return out / "weights/runs" / stored(out, run).name / "weight.pth"


def train_arguments(photos: Path, out: Path, **settings: object) -> list:  # of a tiny training
    words = ["--data", photos, "--img_path", out / "r", "--weight_path", out / "w.pth"]
    settings = {"image_size": 16, "epochs": 4, "batch_size": 4} | settings
    for name, value in settings.items():
        words += [f"--{name}", value]
    return words


def arguments_for_test(out: Path) -> list:  # of such a training
    return ["--weight_path", out / "w.pth", "--img_path", out / "r"]


@pytest.fixture(scope="session")
def original(call, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos and a finished training of four epochs with its test."""
    out = tmp_path_factory.mktemp("trained")
    photos = make_photos(out / "photos")
    assert call("train", train_arguments(photos, out)).status == 0
    assert call("test", arguments_for_test(out)).status == 0
    return out


@pytest.fixture
def trained(original: Path, tmp_path: Path) -> Path:  # a copy of it, to be changed
    return shutil.copytree(original, tmp_path / "trained")


def spoil(path: Path, change: bytes | dict | None) -> None:
    """Put other bytes in a weight file or checkpoint, cut it, or change some of its values."""
    import torch  # not above: OMP_NUM_THREADS has to be set before, threads do not survive a fork

    from training.archives import save

    if isinstance(change, dict):
        save("", path, {**torch.load(path, weights_only=True), **change})
    else:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if change is None else change)


def trainings_of(out: Path) -> list[int]:  # their process numbers, without their launchers
    numbers = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes()
            launcher = b"my_script" in words or b"nproc" in words
            if b"train.py" in words and os.fsencode(out) in words and not launcher:
                numbers.append(int(entry.parent.name))
    return sorted(numbers)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
