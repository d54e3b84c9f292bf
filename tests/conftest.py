"""Helpers of all tests: tiny image folders, and the programs called in or as a process."""

import contextlib
import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("console", "records", "images", "training", "studies", "report")
sys.path.insert(0, str(PROJECT))
os.environ["OMP_NUM_THREADS"] = "1"


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def cache_of_these_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decoded images away from the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


# --- images ----------------------------------------------------------------------------------


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


# --- programs --------------------------------------------------------------------------------


@pytest.fixture
def call(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """Call a program inside this process, which saves the import of torch: call("train", ...)."""
    from console.errors import run_program
    from records import runs

    def run(program: str, *arguments: object) -> Ended:
        module = load_program(program)
        runs.sources.cache_clear(), runs.versions.cache_clear()  # of a new process
        monkeypatch.setattr(sys, "argv", [f"{program}.py", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_program(module.main)
        captured = capsys.readouterr()
        return Ended(ended.value.code, captured.out, captured.err)

    yield run
    runs.sources.cache_clear(), runs.versions.cache_clear()  # else patched digests would live on


def load_program(name: str):
    """Import a script by path: `test` is also the name of a package of Python's own."""
    spec = importlib.util.spec_from_file_location(f"{name}_program", PROJECT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_process(program: Path, *arguments: object, **options: object) -> Ended:
    """Run a script as a user does."""
    options = {"timeout": 120, "capture_output": True, "text": True} | options
    ended = subprocess.run([sys.executable, str(program), *map(str, arguments)], **options)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def run_fork(program: Path, *arguments: object, before=lambda: None) -> Ended:
    """Run a script of any copy of the project in a forked process: torch is there already.

    `before` is called in that process first.
    """
    said = {name: program.parent / f".{os.getpid()}.{name}" for name in ("out", "err")}
    child = os.fork()
    if child == 0:
        status = 99
        with contextlib.suppress(BaseException):
            for number, path in enumerate(said.values(), 1):
                os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
            for name in [name for name in sys.modules if is_ours(name)]:
                del sys.modules[name]
            sys.path[0] = str(program.parent)
            sys.argv = [str(program), *map(str, arguments)]
            before()
            try:
                runpy.run_path(str(program), run_name="__main__")
            except SystemExit as ended:
                status = ended.code
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    out, err = (path.read_text() for path in said.values())
    for path in said.values():
        path.unlink()
    return Ended(status, out, err)


def is_ours(module: str) -> bool:
    return module.split(".")[0] in (*ROOMS, "model", "losses", "dataset")


def copy_project(target: Path, **edits: list[tuple[str, str]]) -> Path:
    """The project's code without its results; `edits` of file.py are (old, new), keyed by file."""
    target.mkdir(parents=True)
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


def train_arguments(photos: Path, out: Path, **settings: object) -> list:
    """Arguments of a tiny training with its results in `out`."""
    settings = {"image_size": 16, "epochs": 2, "batch_size": 4} | settings
    named = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return ["--data", photos, "--img_path", out / "r", "--weight_path", out / "w.pth", *named]


def arguments_for_test(out: Path) -> list:
    """Arguments of the test of such a training."""
    return ["--weight_path", out / "w.pth", "--img_path", out / "r"]


def trainings_of(out: Path) -> list[int]:
    """Process numbers of the trainings that write below a folder, without their launchers."""
    numbers = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes()
            launcher = b"my_script" in words or b"nproc" in words
            if b"train.py" in words and os.fsencode(out) in words and not launcher:
                numbers.append(int(entry.parent.name))
    return sorted(numbers)
