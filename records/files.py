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
import secrets
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from console.errors import InputError

UNFINISHED = ".unfinished"  # ending of temporary files
BLOCK_BYTES = 1 << 20  # read at once
DIGEST = "record_sha256"  # of a record's other values, in the record itself
FORMULA = tuple("=+-@＝＋－＠'")  # begins what a spreadsheet would compute, or our escape


class Damaged(InputError):
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
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        with temporary.open("xb") as file:
            with contextlib.suppress(OSError):  # not every network disk has locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield temporary
            os.fsync(file.fileno())  # else a power cut could leave the name without the bytes
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def refuse_to_replace(path: Path) -> None:
    """InputError if what stands at a path is anything but a file, which alone is ever replaced."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        kind = "link" if path.is_symlink() else "folder or a device"
        raise InputError(f"{path} is a {kind}, which is never replaced; name another place")


def open_unfollowed(path: Path, mode: str) -> IO[Any]:
    """Open a file to write to it; InputError if anything but a file is there, a link for one.

    What a link leads to is not ours: it may be a user's notes.
    """
    refuse_to_replace(path)

    def open_itself(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW, 0o666)

    return open(path, mode, opener=open_itself)


def remove_abandoned(folders: Iterable[Path]) -> None:
    """Remove what killed writers left in folders: temporary files that nobody has locked."""
    for folder in folders:
        for path in folder.glob(f".*{UNFINISHED}"):
            # Its writer lives, or has just renamed it; where a disk has no locks, nobody knows.
            with contextlib.suppress(OSError), path.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def write_text(path: Path, text: str) -> str:
    """Write a UTF-8 text file, whole or not at all; the digest of what was written.

    Bytes of names that are no text are escaped.
    """
    encoded = text.encode("utf-8", errors="backslashreplace")
    with replacing(path) as temporary:
        temporary.write_bytes(encoded)
    return digest_of(encoded)


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write plain values as JSON with their digest, whole or not at all."""
    with_digest = {**record, DIGEST: digest_of(record)}
    write_text(path, json.dumps(with_digest, indent=1) + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """Read what write_record wrote; Damaged if it is not that, OSError if it cannot be read."""
    if path.exists() and not path.is_file():  # a pipe has no end
        raise Damaged(f"{path.name} is no file")
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{path.name} cannot be read ({error})") from None
    if not isinstance(record, dict) or record.pop(DIGEST, None) != digest_of(record):
        raise Damaged(f"{path.name} is not as it was written")
    return record


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Write a table, whole or not at all; floats keep all their digits. The file's digest."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(map(as_text, row))
    return write_text(path, text.getvalue())


def as_text(value: object) -> object:
    """A value that no spreadsheet computes: where it is a text that looks so, after an apostrophe.

    A class may be called =HYPERLINK(...), by whoever made the images.
    """
    if isinstance(value, str) and value.startswith(FORMULA) and not is_number(value):
        return f"'{value}"
    return value


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def parse_csv(name: str, table: bytes, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table from the bytes of its file, a dict by column for each; or Damaged.

    A table of other columns, or with a row that is not whole, is damaged; `name` is the file's.
    """
    try:
        lines = io.StringIO(table.decode("utf-8"), newline="")
        rows = list(csv.reader(lines, strict=True))
    except (ValueError, csv.Error) as error:
        raise Damaged(f"{name} cannot be read ({error})") from None
    if not rows:
        raise Damaged(f"{name} is empty")
    header = rows.pop(0)
    if tuple(header) != tuple(columns):
        raise Damaged(f"{name} has other columns than {', '.join(columns)}")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise Damaged(f"{name}, row {number}: {len(row)} values in {len(header)} columns")
    return [dict(zip(header, map(from_text, row), strict=True)) for row in rows]


def from_text(cell: str) -> str:
    """The text that as_text made a cell of."""
    return cell.removeprefix("'")


def digest_of(value: bytes | object) -> str:
    """SHA-256, in hexadecimal, of bytes or of plain values."""
    plain = value if isinstance(value, bytes) else json.dumps(value).encode()
    return hashlib.sha256(plain).hexdigest()


def open_unpacked(file: Path | IO[bytes]) -> zipfile.ZipFile:
    """Open a zip archive whose members are stored as they are; ValueError if one is packed.

    What is packed can be a thousand times as large as the file, and so can members that overlap.
    """
    archive = zipfile.ZipFile(file)
    size = sum(member.file_size for member in archive.infolist())
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or size > archive.start_dir:
            raise ValueError(f"{member.filename} is packed")
    return archive


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; empty if it is none or cannot be read."""
    digest = hashlib.sha256()
    try:
        if not path.is_file():  # a pipe has no end
            return ""
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
