"""Weight files and checkpoints as files: tensors and plain values, and a digest of every byte.

    save(WEIGHT, path, values)
    values = load(WEIGHT, path)

Written whole, read with suspicion: `weights_only=True` refuses pickles that would execute
something, and every value is looked at before anything is built from it.
"""

import io
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from console.errors import InputError, is_out_of_memory
from records.files import digest_of, open_unpacked, replacing
from training.weight_table import CHECKPOINT_VALUES, WEIGHT_VALUES, what_is_wrong

WEIGHT, CHECKPOINT = "CNN weight", "CNN checkpoint"
TABLES = {WEIGHT: WEIGHT_VALUES, CHECKPOINT: CHECKPOINT_VALUES}
VERSION = 3
DIGEST_LENGTH, COMMENT_LENGTH_BYTES = 64, 2  # of a zip archive's comment
NO_COMMENT = bytes(COMMENT_LENGTH_BYTES)  # its length, with which an archive without one ends

Values = dict[str, Any]  # of a weight file or checkpoint: tensors and plain values, by name


def save(kind: str, path: Path, values: Values, texts: dict[str, str] | None = None) -> bytes:
    """Write a weight file or checkpoint; the bytes, the same for the same values.

    `texts` are beside the values in the archive, for readers without torch.
    """
    # By way of memory: given a path, torch.save puts the file's name into the bytes, and where
    # a disk is full it raises RuntimeError.
    buffer = to_bytes({"kind": kind, "version": VERSION, **values})
    if texts:
        with zipfile.ZipFile(buffer, "a") as archive:
            for name, text in texts.items():
                archive.writestr(zipfile.ZipInfo(name), text)  # with no time in it
    written = with_digest(buffer.getvalue())
    with replacing(path) as temporary:
        temporary.write_bytes(written)
    return written


def to_bytes(values: Values) -> io.BytesIO:
    """Tensors and plain values as the bytes of a file; the same values give the same bytes."""
    buffer = io.BytesIO()
    torch.save(with_shared_texts(values), buffer)
    buffer.seek(0)
    return buffer


def from_bytes(buffer: io.BytesIO) -> Values:
    """What was made to bytes, on the CPU; code in it is refused, never run."""
    return torch.load(buffer, map_location="cpu", weights_only=True)


def with_shared_texts(values: Any) -> Any:
    """A copy of nested values in which equal texts are one object, as pickle notices."""
    if isinstance(values, str):
        return sys.intern(values)
    if type(values) in (dict, OrderedDict):
        copied = {}
        for key, value in values.items():
            copied[with_shared_texts(key)] = with_shared_texts(value)
        return copied
    if type(values) in (list, tuple):
        copies = map(with_shared_texts, values)
        return type(values)(copies)
    return values


def load(kind: str, path: Path) -> Values:
    """Read a weight file or checkpoint onto the CPU; InputError if it is not a whole one.

    Its values, and as "sha256" the digest of the bytes that they were read from.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file; train first, or name another {kind} file")
    written = path.read_bytes()
    try:
        refuse_damaged(written)
        values = from_bytes(io.BytesIO(written))
        if (values["kind"], values["version"]) != (kind, VERSION):
            raise ValueError("of another kind or version")
        wrong = what_is_wrong(TABLES[kind], values)
    except Exception as error:  # torch and pickle raise almost anything on foreign bytes
        if is_out_of_memory(error):
            raise
        why = f"damaged, or holds code, which is never run ({type(error).__name__})"
        remedy = "train again, or name another file"
        raise InputError(f"{path} is no {kind} file of this version, {why}; {remedy}") from None
    if wrong:
        raise InputError(f"{path} is no {kind} file that a training wrote: {wrong}; train again")
    values["sha256"] = digest_of(written)
    return values


def with_digest(archive: bytes) -> bytes:
    """A zip archive with the digest of all its bytes as its comment, which is at its end.

    The archive's own checksums leave out its directory, where one wrong bit has torch take
    random memory for weights.
    """
    without_comment = archive.removesuffix(NO_COMMENT)
    length = DIGEST_LENGTH.to_bytes(COMMENT_LENGTH_BYTES, "little")
    before = without_comment + length
    return before + digest_of(before).encode()


def refuse_damaged(written: bytes) -> None:
    """ValueError if the bytes of a file are not as they were written, or unpack to more."""
    before, digest = written[:-DIGEST_LENGTH], written[-DIGEST_LENGTH:]
    if digest != digest_of(before).encode():
        raise ValueError("not as it was written")
    open_unpacked(io.BytesIO(written)).close()
