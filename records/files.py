"""Files that are whole or not there, and reading them back.

with replacing(Path("result/acc.txt")) as temporary:
    temporary.write_text("Test accuracy: 75.0000%\\n")
"""

import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
import platform
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from console.errors import InputError

UNFINISHED = ".unfinished"  # ending of temporary files
STALE_SECONDS = 600  # no write takes this long: an older temporary file was left by a kill
BLOCK_BYTES = 1 << 20  # read at once
DIGEST = "record_sha256"  # of a record's other values, in the record itself


class Damaged(Exception):
    """A file is not as it was written; the message says which and how."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write; it becomes `path` if the block ends well.

    A kill at any moment leaves the old file or the new one, and a temporary file that
    remove_abandoned takes away. Two writers do not meet: each has its own. InputError if anything
    but a file is there already, OSError (with `path` in it) if the place cannot be written.
    """
    refuse_to_replace(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, held_open = open_temporary(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # else a power cut could leave the name without the bytes
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        held_open.close()


def refuse_to_replace(path: Path) -> None:
    """InputError if what stands at a path is anything but a file, which alone is ever replaced."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; a file belongs there: name another place")
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        kind = "a link" if path.is_symlink() else "a device, a pipe or a socket"
        raise InputError(f"{path} is {kind}, which is never replaced; name another place")


def open_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """Make a temporary file beside `path`: its path, and the lock on it, held while it is open."""
    while True:
        number = secrets.token_hex(4)
        temporary = path.with_name(f".{path.name}.{platform.node()}.{number}{UNFINISHED}")
        try:
            file = temporary.open("xb")
        except OSError as error:
            error.filename = str(path)
            raise
        with contextlib.suppress(OSError):  # not every network disk has locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():  # else another program took it for abandoned before it was locked
            return temporary, file
        file.close()


def remove_abandoned(folders: Iterable[Path]) -> None:
    """Remove what killed writers left in folders: temporary files that nobody has locked."""
    for folder in folders:
        for path in folder.glob(f".*{UNFINISHED}"):
            with contextlib.suppress(OSError):  # another program may just have removed it
                if is_abandoned(path):
                    path.unlink()


def is_abandoned(path: Path) -> bool:
    """Whether the program that wrote a temporary file has ended."""
    age = time.time() - path.stat().st_mtime
    if f".{platform.node()}." not in path.name and age < STALE_SECONDS:
        return False  # of another machine, whose locks may not be seen here
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # this disk has no locks
            return age > STALE_SECONDS
    return True


def write_text(path: Path, text: str) -> str:
    """Write a UTF-8 text file, whole or not at all; the digest of what was written.

    Bytes of names that are no text are escaped.
    """
    content = text.encode("utf-8", errors="backslashreplace")
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return digest_of(content)


def write_record(path: Path, record: dict) -> None:
    """Write plain values as JSON with their digest, whole or not at all."""
    write_text(path, json.dumps({**record, DIGEST: digest_of(record)}, indent=1) + "\n")


def read_record(path: Path, form: dict[str, type]) -> dict:
    """Read what write_record wrote; `form` names values that it must hold, and their types.

    Damaged if it is not that, OSError if it cannot be read.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{path.name} cannot be read ({error})") from None
    digest = record.pop(DIGEST, None) if isinstance(record, dict) else None
    if digest is None:
        raise Damaged(f"{path.name} is no record of this version")
    if digest != digest_of(record):
        raise Damaged(f"{path.name} is not as it was written")
    for name, kind in form.items():
        value = record.get(name)
        is_right = type(value) is kind or (kind is float and type(value) is int)
        if not is_right:
            raise Damaged(f"{path.name}: {name} is {value!r}")
    return record


def read_json(path: Path) -> dict:
    """Read a record as it stands, unchecked; empty if there is none or it is no record."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Write a table, whole or not at all; floats keep all their digits. The file's digest."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return write_text(path, text.getvalue())


def read_csv(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a table, a dict by column for each row; OSError if there is none.

    Damaged if it has other columns than asked for, or a row that is not whole.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names, *rows = csv.reader(file, strict=True)
    except (ValueError, csv.Error) as error:
        raise Damaged(f"{path.name} cannot be read ({error})") from None
    if columns and tuple(names) != tuple(columns):
        raise Damaged(f"{path.name} has other columns than {', '.join(columns)}")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise Damaged(f"{path.name}, row {number}: {len(row)} values in {len(names)} columns")
    return [dict(zip(names, row, strict=True)) for row in rows]


def digest_of(value: bytes | object) -> str:
    """SHA-256, in hexadecimal, of bytes or of plain values."""
    plain = value if isinstance(value, bytes) else json.dumps(value).encode()
    return hashlib.sha256(plain).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; empty if it is none or cannot be read."""
    digest = hashlib.sha256()
    try:
        if not path.is_file():  # a pipe, say, which has no end
            return ""
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
