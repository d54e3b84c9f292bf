"""What a training reads and writes: checkpoints, weight files, and the record that completes it.

    weight = load_weight(Path("weights/weight.pth"))
    model = model_of(weight, "kept", device)

What stands in them is plain: training/archives.py writes and reads the files.
"""

import contextlib
import json
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from console.cores import machine
from console.errors import InputError, printable
from console.progress import Progress
from dataset import Data
from losses import Loss
from records.files import (
    digest_of,
    refuse_to_replace,
    remove_abandoned,
    write_csv,
    write_record,
)
from records.finished import BEGUN
from records.lock import TRAINING_LOCK, locked
from records.runs import (
    HISTORY,
    HISTORY_COLUMNS,
    TRAIN_RECORD,
    Epoch,
    checkpoint_path,
    is_finite,
    kept_epoch,
    list_changes,
    what_changed,
)
from training.archives import CHECKPOINT, WEIGHT, Values, load, save
from training.batches import Images
from training.network import (
    blaming,
    build_network,
    describe_network,
    probe_scores,
    weights_of,
)
from training.optimizer import Optimizer
from training.processes import from_first, rank
from training.settings import GOES_ON

CPU = torch.device("cpu")
PLAIN = (bool, int, float, str, Tensor, list, tuple, dict, type(None))

Identity = dict[str, Any]  # what decides a result, by name: see records/runs.py


class State:
    """A training between two epochs: all that is needed to go on with the same bits.

    Every attribute is in the checkpoint by its name, also one that train.py adds: an object by
    its state_dict, as of a schedule or an averaged model, a plain value or a tensor as it is.
    The random numbers of an epoch depend on the seed and the epoch's number alone, so these
    two are the random state. `history` is that of history.csv.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, loss_function: Loss) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss_function = loss_function
        self.kept = weights_of(model)
        self.history: list[Epoch] = []
        self.seconds = 0.0

    @property
    def epoch(self) -> int:
        return len(self.history)

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's losses are NaN or infinite."""
        return bool(self.history) and not is_finite(self.history[-1])

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds; TypeError for what cannot stand in one."""
        refuse_lost_schedule(self)
        values: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name == "history":
                values[name] = [list(row) for row in value]
            elif hasattr(value, "state_dict"):
                values[name] = value.state_dict()
            elif isinstance(value, PLAIN):
                values[name] = value
            elif name != "loss_function":  # most losses are functions
                raise TypeError(f"state.{name} has no state_dict and is no plain value")
        return values

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name, value in values.items():
            holder: Any = getattr(self, name, None)
            if name == "history":
                self.history = [Epoch(*row) for row in value]
            elif hasattr(holder, "load_state_dict"):
                holder.load_state_dict(value)
            else:
                setattr(self, name, value)


def refuse_lost_schedule(state: State) -> None:
    """InputError if a schedule changes the learning rate, but none is in the state."""
    schedules = [value for value in vars(state).values() if isinstance(value, LRScheduler)]
    if hasattr(state.optimizer.step, "_wrapped_by_lr_sched") and not schedules:
        remedy = "put it into state (prepare of train.py): state.schedule = ..."
        raise InputError(f"the schedule of the learning rate would be lost; {remedy}")


class Places(NamedTuple):
    """Where a training leaves its weights, and the folder of its results."""

    weight: Path
    results: Path

    @property
    def checkpoint(self) -> Path:
        return checkpoint_path(self.weight)


@contextlib.contextmanager
def places_held(places: Places) -> Iterator[None]:
    """Keep other trainings from the places of this one.

    InputError or OSError that names the place if another is at work there, or if nothing can be
    written there: this is found out before the training, not after it.
    """
    check_places(places)
    if rank() > 0:
        yield
        return
    weight = places.weight
    lock_of_weight = weight.with_name(f".{weight.name}{TRAINING_LOCK}")
    with locked(lock_of_weight, place=weight), locked(places.results / TRAINING_LOCK):
        yield


def check_places(places: Places) -> None:
    """InputError or OSError if a result cannot be written."""
    refuse_to_replace(places.weight)
    refuse_to_replace(places.checkpoint)
    folders = (places.results, places.weight.parent)
    remove_abandoned(folders)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


# --- between epochs --------------------------------------------------------------------------


def write_checkpoint(state: State, identity: Identity, places: Places) -> None:
    """Write all that is needed to go on, and the history for those who watch."""
    if rank() > 0:
        return
    checkpoint = {"identity": identity, "epoch": state.epoch, "state": state.state_dict()}
    begun = json.dumps({"identity": identity, "epochs": state.epoch})  # for my_script.py's plan
    save(CHECKPOINT, places.checkpoint, checkpoint, {BEGUN: begun})
    if not (
        places.results / TRAIN_RECORD
    ).exists():  # an older run's history stays until this one is done
        write_csv(places.results / HISTORY, HISTORY_COLUMNS, state.history)


def resume(
    state: State, identity: Identity, checkpoints: Sequence[Path], progress: Progress
) -> None:
    """Bring a new training to where the furthest of the checkpoints that fit was written."""
    furthest = None
    if rank() > 0:  # the first process reads for all
        checkpoints = []
    for path in checkpoints:
        try:
            checkpoint = fitting_checkpoint(path, identity)
        except InputError as error:
            if path.exists():
                progress.say(f"starting again: {error}")
            continue
        if furthest is None or checkpoint["epoch"] > furthest["epoch"]:
            furthest = checkpoint
    furthest = from_first(furthest)
    if furthest is not None:
        with blaming("going on from a checkpoint"):
            state.load_state_dict(furthest["state"])
        progress.say(f"going on after epoch {state.epoch}")


def fitting_checkpoint(path: Path, identity: Identity) -> Values:
    """Read a checkpoint; InputError if there is none, or one that does not fit.

    It fits where the identities agree: all its epochs were trained with the same processes,
    threads and device. Those of shorter trainings fit where GOES_ON.
    """
    checkpoint = load(CHECKPOINT, path)
    ignored = ("epochs",) if GOES_ON else ()
    changed = list_changes(what_changed(checkpoint["identity"], identity, ignore=ignored))
    if not changed and checkpoint["epoch"] > identity["epochs"]:
        changed = f"it has {checkpoint['epoch']} epochs, more than {identity['epochs']}"
    if changed:
        why = printable(changed)
        raise InputError(f"{path} is no checkpoint of this training: {why}; name another, or none")
    return checkpoint


# --- after the last epoch --------------------------------------------------------------------


def write_results(state: State, weight: Values, about: dict[str, Any], places: Places) -> None:
    """Write weights and history, and last the record that makes the run complete.

    `weight` is what the weight file holds; `about` says what was trained, for the record.
    """
    if rank() > 0:
        return
    weight_digest = digest_of(save(WEIGHT, places.weight, weight))
    # The last epochs of a history that is there may be another run's.
    history_digest = write_csv(places.results / HISTORY, HISTORY_COLUMNS, state.history)
    record = {
        **about,
        "kept_epoch": kept_epoch(state.history),
        "epochs": state.epoch,
        "diverged": state.diverged,
        "seconds": round(state.seconds, 3),
        "machine": machine(),
        "weight_sha256": weight_digest,
        "history_sha256": history_digest,
    }
    write_record(places.results / TRAIN_RECORD, record)


def weight_values(
    state: State, images: Images, data: Data, settings: Namespace, skip_bad_images: bool
) -> Values:
    """What a weight file holds: weights, and all that is needed to use them."""
    weight = {
        "kept": state.kept,
        "last": weights_of(state.model),
        "kept_epoch": kept_epoch(state.history),
        "epochs": state.epoch,
        "image_size": images.size,
        "classes": list(data.classes),
        "mean": data.mean,
        "std": data.std,
        "scales": data.scales,
        "data": data.source,
        "skip_bad_images": skip_bad_images,
        "group": data.group,
        "loss_function": settings.loss_function,
        "network": describe_network(settings, images),
    }
    rebuilt = model_of(weight, "kept", images.device)
    scores = probe_scores(rebuilt, weight["network"], images.device)
    weight["scores"] = scores.tolist()
    return weight


# --- weight files -----------------------------------------------------------------------------


def load_weight(path: Path) -> Values:
    """Read a weight file; InputError if it is broken, or model.py builds another network."""
    weight = load(WEIGHT, path)
    try:
        model_of(weight, "last", CPU)
        model = model_of(weight, "kept", CPU)
        scores = probe_scores(model, weight["network"], CPU)
        expected = torch.tensor(weight["scores"])
        tolerance = 0.01 * float(expected.abs().max())  # what another device rounds otherwise
        is_same = torch.allclose(scores, expected, rtol=0, atol=tolerance, equal_nan=True)
    except Exception as error:  # whatever plain values can do to model.py's constructor
        *_, last_line = [type(error).__name__, *str(error).strip().splitlines()]
        why = f"damaged or of another model than model.py's ({last_line})"
        raise InputError(f"{path} is {why}; train again, or name another file") from None
    if not is_same:
        why = "of another network than model.py's: its weights give other scores now"
        remedy = "bring back the code it was trained with, or train again"
        raise InputError(f"{path} is {why}; {remedy}")
    return weight


def model_of(weight: Values, name: str, device: torch.device) -> nn.Module:
    """The network of a weight file with its "kept" or "last" weights."""
    model = build_network(weight["network"], device)
    model.load_state_dict(weight[name])
    return model
