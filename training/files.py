"""What a training reads and writes: checkpoints, weight files, and the record that completes it.

    weight = load_weight(Path("weights/weight.pth"), CNN())
    model.load_state_dict(weight["kept"])

Tensors and plain values only, written whole, read with suspicion: `weights_only=True` refuses
pickles that would execute something.
"""

import io
import platform
import sys
import tempfile
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from console.errors import InputError
from console.progress import Progress
from dataset import Data
from records.files import (
    file_digest,
    refuse_to_replace,
    remove_abandoned,
    replacing,
    write_csv,
    write_json,
)
from records.runs import (
    HISTORY_COLUMNS,
    checkpoint_path,
    is_finite,
    kept_epoch,
    list_changes,
    what_changed,
)
from training.optimizer import Optimizer
from training.processes import from_first, rank

WEIGHT, CHECKPOINT = "CNN weight", "CNN checkpoint"
VERSION = 1


@dataclass
class State:
    """A training between two epochs: all that is needed to go on with the same bits.

    The random numbers of an epoch depend on the seed and the epoch's number alone, so these
    two are the random state. `history` holds one row of HISTORY_COLUMNS for each epoch.
    """

    model: nn.Module
    optimizer: Optimizer
    kept: dict[str, Tensor]
    history: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        return len(self.history)

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's losses are NaN or infinite."""
        return bool(self.history) and not is_finite(self.history[-1])


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights and buffers, copied to the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def check_places(options: Namespace) -> None:
    """Find out before the training, not after it, that a result cannot be written.

    InputError or OSError that names the place.
    """
    for path in (options.weight_path, checkpoint_path(options.weight_path)):
        if path.is_dir():
            raise InputError(f"{path} is a folder; --weight_path takes a file")
        refuse_to_replace(path)
    folders = (options.img_path, options.weight_path.parent)
    remove_abandoned(folders)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


# --- between epochs --------------------------------------------------------------------------


def write_checkpoint(state: State, identity: dict, options: Namespace) -> None:
    """Write all that is needed to go on, and the history for those who watch."""
    checkpoint = {
        "identity": identity, "epoch": state.epoch, "weights": weights_of(state.model),
        "optimizer": state.optimizer.state_dict(), "kept": state.kept,
        "history": state.history, "seconds": state.seconds,
    }  # fmt: skip
    save(CHECKPOINT, checkpoint_path(options.weight_path), checkpoint)
    write_csv(options.img_path / "history.csv", HISTORY_COLUMNS, state.history)


def resume(state: State, identity: dict, options: Namespace, progress: Progress) -> None:
    """Bring a new training to where the furthest of the checkpoints that fit was written."""
    last = None if options.fresh else checkpoint_path(options.weight_path)
    paths = [path for path in (last, options.start_from) if path and rank() == 0]
    usable = [usable_checkpoint(path, identity, progress) for path in paths]
    checkpoint = from_first(max(usable, key=lambda each: each.get("epoch", 0), default={}))
    if checkpoint:
        state.model.load_state_dict(checkpoint["weights"])
        state.optimizer.load_state_dict(checkpoint["optimizer"])
        state.kept, state.history = checkpoint["kept"], checkpoint["history"]
        state.seconds = checkpoint["seconds"]
        progress.say(f"going on after epoch {state.epoch}")


def usable_checkpoint(path: Path, identity: dict, progress: Progress) -> dict:
    """Read a checkpoint; empty if there is none, or, after saying why, if it does not fit."""
    if not path.exists():
        return {}
    try:
        checkpoint = load(CHECKPOINT, path)
    except InputError as error:
        progress.say(f"starting again: {error}")
        return {}
    # A checkpoint fits any number of epochs that it has not passed, and of processes.
    changes = what_changed(checkpoint["identity"], identity, ignore=("epochs", "processes"))
    changed = list_changes(changes)
    if checkpoint["epoch"] > identity["epochs"]:
        changed = f"it has {checkpoint['epoch']} epochs, more than {identity['epochs']}"
    if changed:
        progress.say(f"not going on from {path}: {changed}")
    return {} if changed else checkpoint


# --- after the last epoch --------------------------------------------------------------------


def write_results(
    state: State, data: Data, layers: list[list], identity: dict, options: Namespace
) -> None:
    """Write history and weights, and last the record that makes the run complete."""
    kept, history = kept_epoch(state.history), options.img_path / "history.csv"
    weight = {
        "kept": state.kept, "last": weights_of(state.model), "kept_epoch": kept,
        "epochs": state.epoch, "image_size": options.image_size, "classes": list(data.classes),
        "mean": data.mean, "std": data.std, "data": data.source,
        "skip_bad_images": options.skip_bad_images, "loss_function": options.loss_function,
    }  # fmt: skip
    save(WEIGHT, options.weight_path, weight)
    write_csv(history, HISTORY_COLUMNS, state.history)  # its last epochs may be another run's
    record = {
        "identity": identity, "command": [sys.executable, *sys.argv], "network": layers,
        "train_images": len(data.splits["train"]),
        "kept_epoch": kept, "epochs": state.epoch, "diverged": state.diverged,
        "seconds": round(state.seconds, 3), "machine": platform.platform(),
        "weight_sha256": file_digest(options.weight_path), "history_sha256": file_digest(history),
    }  # fmt: skip
    write_json(options.img_path / "train.json", record)


# --- files -----------------------------------------------------------------------------------


def save(kind: str, path: Path, values: dict) -> None:
    """Write a weight file or checkpoint; the same values give the same bytes."""
    # By way of memory: given a path, torch.save puts the file's name into the bytes, and where
    # a disk is full it raises RuntimeError.
    buffer = io.BytesIO()
    torch.save({"kind": kind, "version": VERSION, **values}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(kind: str, path: Path) -> dict:
    """Read a weight file or checkpoint onto the CPU; InputError if it is not a whole one."""
    if not path.is_file():
        raise InputError(f"{path} is no file; train first, or name another {kind} file")
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        if (values["kind"], values["version"]) != (kind, VERSION):
            raise ValueError("of another kind or version")
    except PermissionError:
        raise
    except Exception as error:  # torch and pickle raise almost anything on foreign bytes
        why = f"cut short, or holds code, which is never run ({type(error).__name__})"
        raise InputError(f"{path} is no {kind} file of this version, {why}; train again") from None
    return values


def load_weight(path: Path, model: nn.Module) -> dict:
    """Read a weight file; InputError if it is broken or belongs to another model."""
    weight = load(WEIGHT, path)
    try:
        for name in ("last", "kept"):
            model.load_state_dict(weight[name])
        torch.tensor([weight["image_size"], *weight["mean"], *weight["std"]], dtype=torch.float)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        why = f"damaged or of another model than model.py's ({str(error).strip().splitlines()[-1]})"
        raise InputError(f"{path} is {why}; train again, or name another file") from None
    return weight
