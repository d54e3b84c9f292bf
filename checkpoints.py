"""Weight files and checkpoints: tensors and plain values, written whole, read with suspicion.

    from checkpoints import load_weight
    weight = load_weight(Path("weights/weight.pth"))
    model.load_state_dict(weight["kept"])

Reading never executes anything: `weights_only=True` refuses pickles that would.
"""

import io
from pathlib import Path

import torch

from model import CNN
from runs import InputError, replacing

WEIGHT, CHECKPOINT = "CNN weight", "CNN checkpoint"
VERSION = 1


def save(kind: str, path: Path, content: dict) -> None:
    """Write a weight file or checkpoint; the same content gives the same bytes."""
    # By way of memory: given a path, torch.save puts the file's name into the bytes, and where
    # a disk is full it raises RuntimeError.
    buffer = io.BytesIO()
    torch.save({"kind": kind, "version": VERSION, **content}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(kind: str, path: Path) -> dict:
    """Read a weight file or checkpoint onto the CPU; InputError if it is not a whole one."""
    if not path.is_file():
        raise InputError(f"{path} is no file; train first, or name another {kind} file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # torch and pickle raise almost anything on foreign bytes
        raise InputError(
            f"{path} is no {kind} file, is cut short, or holds code, which is never run "
            f"({type(error).__name__}); train again, or name another file"
        ) from None
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise InputError(f"{path} is no {kind} file of this program; name another file")
    if content.get("version") != VERSION:
        raise InputError(f"{path} is a {kind} file of another version; train again")
    return content


def load_weight(path: Path) -> dict:
    """Read a weight file; InputError if it is broken or belongs to another model."""
    content = load(WEIGHT, path)
    try:
        for name in ("kept", "last"):
            CNN().load_state_dict(content[name])
        names, numbers = content["classes"], [*content["mean"], *content["std"]]
        kinds = [type(value) for value in (content["image_size"], *names, *numbers)]
        if kinds != [int, str, str, *[float] * 6]:
            raise TypeError("size, classes, mean and std are not what they should be")
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise InputError(
            f"{path} is damaged or belongs to another model than model.py's CNN ({reason}); "
            "train again, or name another file"
        ) from None
    return content
