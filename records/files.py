"""Files that are whole or not there, and reading them back.

with replacing(Path("result/acc.txt")) as temporary:
    temporary.write_text("Test accuracy: 75.0000%\\n")
"""

import contextlib
import csv
import errno
import glob
import hashlib
import io
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

UNFINISHED = ".unfinished"  # ending of temporary files
STALE_SECONDS = 600  # no write takes this long: an older temporary file was left by a kill


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write; it becomes `path` if the block ends well.

    A kill at any moment leaves the old file or the new one, and a temporary file that a later
    writer removes. Two writers do not meet: each has its own. OSError (with `path` in it) if the
    place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    for rest in path.parent.glob(f".{glob.escape(path.name)}.*{UNFINISHED}"):
        with contextlib.suppress(OSError):
            if time.time() - rest.stat().st_mtime > STALE_SECONDS:
                rest.unlink()
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}{UNFINISHED}")
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


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all; bytes of names that are no text are escaped."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: Path, record: dict) -> None:
    """Write a record, whole or not at all."""
    write_text(path, json.dumps(record, indent=1) + "\n")


def read_json(path: Path) -> dict:
    """Read a record; empty if there is none or it cannot be understood."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table, whole or not at all; floats keep all their digits."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    write_text(path, text.getvalue())


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a table, a dict by column for each row; OSError if there is none."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digest_of(value: bytes | object) -> str:
    """SHA-256, in hexadecimal, of bytes or of plain values."""
    plain = value if isinstance(value, bytes) else json.dumps(value).encode()
    return hashlib.sha256(plain).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; empty if it cannot be read."""
    try:
        return digest_of(path.read_bytes())
    except OSError:
        return ""
