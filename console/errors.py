"""Errors in one line with an exit status: 2 for bad input, 1 for a run that failed.

if __name__ == "__main__":
    before_imports()

import torch ...

if __name__ == "__main__":
    run_program(main)
"""

from __future__ import annotations  # so that a Python that is too old comes to say so

import ctypes
import errno
import gc
import io
import os
import select
import signal
import sys
import threading
import traceback
import unicodedata
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from console.cores import wait_politely
from console.progress import Progress

T = TypeVar("T")
STDIN_IS_PARENT = "CNN_STDIN_IS_PARENT"  # set for children: end when standard input closes
OLDEST = (3, 10)  # of Python
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>: the signal that a parent's end sends
OUT_OF_MEMORY = "close other programs, or take a smaller --batch_size, --image_size or network"
ABOUT_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "failed to map segment",  # of a library, by the system's loader
)
REMEDIES = {
    (errno.ENOSPC, errno.EDQUOT): "free some space and run the same command again",
    (errno.EACCES, errno.EPERM, errno.EROFS): "change its permissions or name another place",
    (errno.EISDIR,): "a file belongs there; move the folder away or name another place",
    (errno.EMFILE, errno.ENFILE): "close other programs, or allow more open files (ulimit -n)",
    (errno.ENOMEM,): OUT_OF_MEMORY,
    (errno.ENOTDIR, errno.EEXIST): "a folder belongs there; name another place",
}


class InputError(Exception):
    """Bad input or surroundings; the message says what is wrong, where, and what to do."""


def before_imports() -> None:
    """Until run_program, Ctrl-C just ends the program, and no garbage is looked for (0.15 s).

    Threads that packages start wait politely; a child ends with its parent from here on. A system
    on which nothing can run is told.
    """
    refuse_system()
    wait_politely()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.excepthook = end_importing
    gc.disable()
    if is_child():
        end_with_parent()


def is_child() -> bool:
    """Whether another program of this project has started this one."""
    return bool(os.environ.get(STDIN_IS_PARENT))


def refuse_system() -> None:
    """End in one line on a Python that is too old, and on Windows."""
    if sys.version_info < OLDEST:
        version = ".".join(map(str, sys.version_info[:2]))
        remedy = "install a newer one, and make the environment and install the packages with it"
        sys.exit(complain(f"Python {version} is too old, 3.10 is needed; {remedy}"))
    if sys.platform == "win32":
        remedy = "run wsl --install in PowerShell, then wsl, and the same commands in its shell"
        sys.exit(complain(f"Linux or macOS is needed, or on Windows its WSL; {remedy}"))


def answer_at_once(begin: Callable[[], T]) -> T:
    """Begin with what needs no package, so that what it refuses is said before packages load."""
    try:
        answer = begin()
    except (InputError, SyntaxError) as error:
        sys.exit(complain(line_for(error)))
    Progress().show("loading packages ...")
    return answer


def run_program(main: Callable[[], int]) -> None:
    """Run a program's `main` and exit with its status: 2 after bad input, 130 after Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.excepthook = sys.__excepthook__
    gc.freeze()  # else Python looks through all of torch again, 0.2 s, before it ends
    gc.enable()
    # Names of files may hold any bytes; what is printed is there however the program ends.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)
    status = status_of(main)
    if {STDIN_IS_PARENT, "RANK"} & os.environ.keys():  # a child, of a sweep or of torchrun
        os._exit(status)  # else Python takes torch apart, 0.1 s, and gloo's threads may abort it
    sys.exit(status)


def status_of(main: Callable[[], int]) -> int:
    """Run a program's `main`; the exit status. What is the user's to mend is said in one line."""
    try:
        status = main()
        print(end="", flush=True)
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        end_output()
        return 1
    except (InputError, OSError, MemoryError, RuntimeError, SyntaxError) as error:
        line = line_for(error)
        if not line:
            raise
        return complain(line)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nstopped; the same command (without --fresh) goes on from here", file=sys.stderr)
        return 130
    return status


def line_for(error: BaseException) -> str:
    """An error of input or surroundings as one line; empty for an error of the program."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}; mend it"
    if is_out_of_memory(error):
        return f"out of memory; {OUT_OF_MEMORY}"
    if not isinstance(error, OSError):
        return ""
    what = error.strerror or str(error)
    return f"{what.lower()}{place_in(error)}; {remedy_for(error.errno)}"


def place_in(error: OSError) -> str:
    """Where an error of the system occurred, after a colon; empty if nothing tells."""
    if error.filename:
        return f": {error.filename}"
    try:
        print(flush=True)  # the error of a print names no file
    except OSError:
        end_output()
        return ": standard output"
    return ""


def end_output() -> None:
    """Have nothing more written to standard output, which Python would try when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def remedy_for(number: int | None) -> str:
    """What to do about an error of the system."""
    for numbers, remedy in REMEDIES.items():
        if number in numbers:
            return remedy
    return "check the path and the disk"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is about memory, as Python, torch on a CPU and torch on a GPU put it."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, (RuntimeError, ImportError)):
        return False
    return any(words in str(error).lower() for words in ABOUT_MEMORY)


def how_it_ended(status: int) -> str:
    """Say how a program ended that this one started; below 0, `status` is minus a signal."""
    if status == -signal.SIGKILL:
        return f"killed, perhaps because it was out of memory; {OUT_OF_MEMORY}"
    if status < 0:
        return f"ended by signal {-status}"
    return f"exit status {status}"


def end_importing(
    error_type: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say in one line why a module cannot be imported, and end with the status for bad input."""
    line = line_for(error) or line_of_import(error, trace)
    os._exit(complain(line))


def line_of_import(error: BaseException, trace: TracebackType | None) -> str:
    """Which module cannot be imported, and what to do."""
    said = f"{type(error).__name__}: {error}"
    if "too many open files" in said.lower():  # the system's loader of libraries says it in words
        return f"too many open files; {remedy_for(errno.EMFILE)}"
    *_, frame = traceback.extract_tb(trace)
    where = f"({frame.filename}, line {frame.lineno})"
    if isinstance(error, ModuleNotFoundError):
        return f"{said} {where}; pip install -r requirements.txt, or mend the import"
    return f"{said} {where}; mend it"


def complain(message: str) -> int:
    """Write a message as one line of standard error; the status for bad input."""
    Progress().clear()
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr, flush=True)
    return 2


def printable(text: str) -> str:
    """Escape what a terminal would obey instead of show, and bytes that are no text."""
    if text.isprintable():
        return text
    return "".join(map(printable_character, text))


def printable_character(character: str) -> str:
    """A character, or its escape; spaces of other scripts are shown as they are."""
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no text
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def end_with_parent() -> None:
    """Have this program end when its parent does, which holds the other end of standard input."""
    if sys.platform == "linux":
        # The kernel does it at once; the thread below waits while torch is being loaded.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([0], [], [], 0)[0]:  # nothing is ever written to it: it was closed before
        os._exit(1)
    threading.Thread(target=wait_for_parents_end, daemon=True).start()


def wait_for_parents_end() -> None:
    """Wait until the parent's end of the pipe on standard input closes, then end at once."""
    while os.read(0, 1):
        pass
    os._exit(1)
