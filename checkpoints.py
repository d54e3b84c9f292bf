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
KEYS = {
    WEIGHT: {
        "kept", "last", "kept_epoch", "epochs", "image_size", "classes", "mean", "std",
        "data", "download_folder", "skip_bad_images", "loss_function",
    },
    CHECKPOINT: {
        "identity", "epoch", "weights", "momentum", "kept", "kept_epoch", "history", "seconds",
    },
}  # fmt: skip
PREPARING = {"image_size": int, "classes": list, "mean": list, "std": list, "data": str}


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
        raise InputError(f"{path} is not there; train first, or name another {kind} file")
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
    if content.get("version") != VERSION or not KEYS[kind] <= content.keys():
        raise InputError(f"{path} is a {kind} file of another version; train again")
    return content


def load_weight(path: Path) -> dict:
    """Read a weight file; InputError if it is broken or belongs to another model."""
    content = load(WEIGHT, path)
    for name, kind in PREPARING.items():
        if not isinstance(content[name], kind):
            raise InputError(f"{path} is damaged: {name} is no {kind.__name__}; train again")
    for name in ("kept", "last"):
        check_weights(content[name], path)
    return content


def check_weights(weights: dict, path: Path) -> None:
    """Refuse weights that do not fit the CNN of model.py."""
    expected = {name: value.shape for name, value in CNN().state_dict().items()}
    values = weights.items() if isinstance(weights, dict) else ()
    found = {name: getattr(value, "shape", None) for name, value in values}
    if found != expected:
        differing = sorted(
            name for name in expected | found if expected.get(name) != found.get(name)
        )
        raise InputError(
            f"{path} holds weights of another model than model.py's CNN "
            f"({differing[0]} differs); train again, or name another file"
        )
