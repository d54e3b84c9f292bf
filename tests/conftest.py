"""Helpers of all tests: tiny image folders, and the programs called in or as a process."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
os.environ["OMP_NUM_THREADS"] = "1"


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decoded images away from the user's own cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


def noise(seed: int, size: int = 20) -> np.ndarray:
    """A random uint8 picture, different for every seed."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def fill(folder: Path, count: int, first: int = 0, bright: int = 0) -> None:
    """Write `count` different small PNGs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        picture = np.clip(noise(number).astype(int) // 2 + bright, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")


def make_photos(root: Path, train: int = 10, test: int = 5) -> Path:
    """A folder with train/ and test/, classes cat (dark) and dog (bright)."""
    for target, name in enumerate(("cat", "dog")):
        fill(root / "train" / name, train, 1000 * target, bright=60 * target)
        fill(root / "test" / name, test, 1000 * target + 500, bright=60 * target)
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


@pytest.fixture
def call(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """Call a program inside this process, which saves the import of torch: call("train", ...)."""
    import runs

    def run(program: str, *arguments: object) -> Ended:
        module = load_program(program)
        runs.program_identity.cache_clear()  # of a new process
        monkeypatch.setattr(sys, "argv", [f"{program}.py", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            runs.run_program(module.main)
        captured = capsys.readouterr()
        return Ended(ended.value.code, captured.out, captured.err)

    yield run
    runs.program_identity.cache_clear()  # else patched digests would live on


def load_program(name: str, project: Path = PROJECT):
    """Import a script by path: `test` is also the name of a package of Python's own."""
    spec = importlib.util.spec_from_file_location(f"{name}_program", project / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def run_process(program: Path, *arguments: object, **options: object) -> Ended:
    """Run a script as a user does."""
    options = {"timeout": 120, "capture_output": True, "text": True} | options
    ended = subprocess.run([sys.executable, str(program), *map(str, arguments)], **options)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def train_arguments(photos: Path, out: Path, **settings: object) -> list:
    """Arguments of a tiny training with its results in `out`."""
    settings = {"image_size": 16, "epochs": 2, "batch_size": 4} | settings
    named = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return ["--data", photos, "--img_path", out / "r", "--weight_path", out / "w.pth", *named]


def trainings_of(out: Path) -> list[int]:
    """Process numbers of the trainings that write below a folder, without their launchers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        launcher = b"my_script" in words or b"nproc" in words
        if b"train.py" in words and os.fsencode(out) in words and not launcher:
            found.append(int(entry.parent.name))
    return sorted(found)
