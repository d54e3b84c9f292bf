"""Who works in a place: a lock that a live process holds, and that no kill leaves behind.

with locked(Path("result/.lock")):
    ...

The system takes it back when the process ends, however it ends. On a network disk its server
does, which may learn of a machine's death minutes later; where a disk knows no locks, a line
says so.
"""

import contextlib
import errno
import fcntl
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from console.errors import InputError
from records.files import open_unfollowed

TRAINING_LOCK = ".training.lock"  # ends the name of a file that is there while a training runs
BUSY = (errno.EACCES, errno.EAGAIN)


@contextlib.contextmanager
def locked(path: Path, shared: bool = False, place: Path | None = None) -> Iterator[None]:
    """Hold a lock, alone or with others who share it, on a place: the lock's folder or another.

    InputError that names who holds it otherwise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_locked(path, shared, place or path.parent) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        try:
            yield
        finally:
            # Others may hold a shared one still. One that stays, where a folder was made read-only
            # meanwhile, locks nothing: that error would hide what it did to the program.
            if not shared:
                with contextlib.suppress(OSError):
                    path.unlink()


def remove_abandoned_locks(folders: Iterable[Path]) -> None:
    """Remove the locks of trainings that were killed: those that nobody holds."""
    for folder in folders:
        for path in folder.glob(f"*{TRAINING_LOCK}"):
            with contextlib.suppress(InputError, OSError), locked(path):
                pass  # a lock is removed when it is given back


def open_locked(path: Path, shared: bool, place: Path) -> IO[str]:
    """Open a file and lock it; InputError if another process has done so."""
    while True:
        file = open_unfollowed(path, "a+")
        try:
            lock(file, shared)
        except OSError as error:
            if error.errno in BUSY:
                file.seek(0)
                busy = f"{file.read() or 'another process'} is at work in {place}"
                raise InputError(f"{busy}; wait until it has ended, or stop it") from None
            print(f"note: {place} cannot be locked ({error.strerror})", file=sys.stderr)
            return file
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()  # its last holder has just removed it


def lock(file: IO[str], shared: bool) -> None:
    """Lock an open file at once; OSError if that cannot be."""
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    fcntl.lockf(file, mode | fcntl.LOCK_NB)
