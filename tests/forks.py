"""The project's programs in forked processes of the tests: torch is imported there already.

    ended = run_fork(PROJECT / "train.py", "--epochs", 2)
    ended = run_sweep(project, "--data", photos)        # train.py and test.py are forked too,
                                                        # and its pictures are blank

Importing torch takes two seconds; a suite that starts a hundred programs would wait for it a
hundred times. A fork runs the script as Python does: with the project's modules imported anew
from the script's own folder, its own arguments and streams, its own exit status, and signals
that reach it alone. What a fork shares with the tests is only what packages have imported. Tests
in which the process itself is the point (Ctrl-C, a line in a shell) start real ones:
run_process.
"""

import functools
import importlib
import io
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("console", "records", "images", "training", "studies", "report")
PATIENCE = 600  # seconds after which a test hangs, also where the machine is busy
BYTECODE = tempfile.TemporaryDirectory()  # of the project's modules: compiled once for all forks
PACKAGES = (  # imported once for all
    "torch._dynamo",
    "torchvision.models",
    "matplotlib.figure",
    "matplotlib.style",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "jinja2",
)


class Ended(NamedTuple):
    """How a program ended: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


def words_of(arguments: Iterable[object]) -> list[str]:
    """Arguments as a program gets them; a list or tuple stands for its members."""
    words = []
    for argument in arguments:
        if isinstance(argument, (list, tuple)):
            words.extend(words_of(argument))
        else:
            words.append(str(argument))
    return words


def run_process(program: Path, *arguments: object, **options: Any) -> Ended:
    """Run a script in a process of its own, as a user does."""
    command = [sys.executable, str(program), *words_of(arguments)]
    ended = subprocess.run(command, timeout=PATIENCE, capture_output=True, text=True, **options)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def run_fork(
    program: Path, *arguments: object, before: Callable[[], object] | None = None
) -> Ended:
    """Run a script in a forked process; `before` is called there first."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = fork(program, arguments, out, err, before)
        child.join()
        assert child.exitcode is not None  # of a process that has ended
        out.seek(0)
        err.seek(0)
        return Ended(child.exitcode, out.read(), err.read())


def fork_sweep(project: Path, *arguments: object) -> ForkProcess:
    """Start a sweep in a forked process, for kill_sweep to kill with all that it has started."""

    def before() -> None:
        os.setsid()
        fork_children()
        draw_blank()

    with Path(os.devnull).open("w") as out:
        return fork(project / "my_script.py", arguments, out, out, before)


def kill_sweep(process: ForkProcess) -> None:
    """Kill such a sweep and its trainings at one moment."""
    assert process.pid is not None  # of a process that has been started
    os.killpg(process.pid, signal.SIGKILL)
    process.join()


def run_sweep(project: Path, *arguments: object, draws: bool = False) -> Ended:
    """Run a project's my_script.py in a forked process, and what it starts in others.

    Its pictures have their places, sizes and digests, but are blank unless it `draws` them:
    that takes more than half of a small sweep.
    """

    def before() -> None:
        fork_children()
        if not draws:
            draw_blank()

    return run_fork(project / "my_script.py", *arguments, before=before)


def fork(
    program: Path,
    arguments: Iterable[object],
    out: IO[str],
    err: IO[str],
    before: Callable[[], object] | None = None,
) -> ForkProcess:
    """Start a script in a forked process."""

    def run() -> None:
        sys.stdout, sys.stderr = out, err
        sys.pycache_prefix, sys.dont_write_bytecode = BYTECODE.name, False
        forget_project()
        sys.path[0] = str(folder_of(program))
        sys.argv = [str(program), *words_of(arguments)]
        remember_parsing()
        fork_trials()
        if before:
            before()
        runpy.run_path(str(program), run_name="__main__")

    prepare_forks()
    child = get_context("fork").Process(target=run)
    child.start()
    return child


@functools.cache
def prepare_forks() -> None:
    """Import and parse in this process what every fork needs, and then finds done."""
    for package in PACKAGES:
        importlib.import_module(package)
    remember_parsing()
    from records import sources

    for folder in ("", *ROOMS):
        for path in (PROJECT / folder).glob("*.py"):
            sources.parse_module(path.read_bytes(), path.relative_to(PROJECT).as_posix())


def forget_project() -> None:
    """Have the project's modules imported anew, from whichever copy the script belongs to."""
    for name, module in list(sys.modules.items()):
        is_ours = name.split(".")[0] in (*ROOMS, "model", "losses", "dataset", "train")
        if is_ours and hasattr(module, "__file__"):  # else a test has put it there
            del sys.modules[name]


PARSED: dict[tuple[object, ...], Any] = {}  # what forks share: they are copies of this process


def remember_parsing() -> None:
    """Have the project parse no code twice: it does so in every program, a third of a short one."""
    from records import sources

    if not isinstance(sources.parse_module, partial):
        sources.parse_module = partial(parse_once, sources.parse_module)


def parse_once(parse: Callable, code: bytes, name: str) -> object:
    """What the project's `parse` makes of some code, perhaps in another process before."""
    key = (parse.__code__, code, name)
    if key not in PARSED:
        PARSED[key] = parse(code, name)
    return PARSED[key]


def folder_of(program: Path) -> Path:
    """The folder of the project that a script or a room's module belongs to."""
    if program.parent.name in ROOMS:
        return program.parent.parent
    return program.parent


# --- the trial of a training -------------------------------------------------------------------


def fork_trials() -> None:
    """Have training/tried.py fork the program that tries a training."""
    from training import tried

    vars(tried)["subprocess"] = SimpleNamespace(Popen=ForkedTrial, PIPE=None)


class ForkedTrial:
    """What training/tried.py needs of subprocess.Popen; the fork runs while its answer is read."""

    returncode = 0

    def __init__(self, command: list[str], **_: object) -> None:
        self.command = command

    def communicate(self) -> tuple[str, str]:
        before = partial(os.environ.pop, "TORCHELASTIC_RUN_ID", None)
        ended = run_fork(Path(self.command[1]), *self.command[2:], before=before)
        self.returncode = ended.status
        return ended.out, ended.err


# --- the children of a forked sweep ----------------------------------------------------------


def fork_children() -> None:
    """In a forked sweep: have studies/children.py fork what it would start."""
    from studies import children

    forking = SimpleNamespace(Popen=ForkedChild, PIPE=None, STDOUT=None)
    vars(children)["subprocess"] = forking


def draw_blank() -> None:
    """In a forked sweep: have report/ write pictures without anything in them."""
    from report import figures

    vars(figures)["save_picture"] = save_blank


def save_blank(make_figure: object, path: Path, digest: str) -> None:
    """What stands for a picture: a few pixels, or no page, with the digest of what it shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pdf":
        path.write_text(f"%PDF {digest} %%EOF\n")
        return
    about = PngInfo()
    about.add_text("Shows", digest)
    Image.new("L", (30, 20)).save(path, "PNG", pnginfo=about)


class ForkedChild:
    """What studies/children.py needs of subprocess.Popen."""

    def __init__(self, command: list[str], stdout: IO, env: dict[str, str], **_: object) -> None:
        text = io.TextIOWrapper(stdout, write_through=True)
        variables = {name: value for name, value in env.items() if name != "CNN_STDIN_IS_PARENT"}
        before = partial(os.environ.update, variables)
        self.process = fork(Path(command[1]), command[2:], text, text, before)
        self.stdin = io.BytesIO()
        self.terminate, self.wait = self.process.terminate, self.process.join

    def poll(self) -> int | None:
        self.returncode = self.process.exitcode
        return self.returncode
