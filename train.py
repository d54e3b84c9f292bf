"""One training: images -> epochs -> weights, history and curves.

    python train.py --epochs 40 --learning_rate 0.01

Reads images (see --data), writes weight.pth to --weight_path, and history.csv, two curves and
train.json to --img_path. After every epoch a checkpoint stands beside the weights; the same
command goes on from it. SGD with momentum 0.9; no schedule, augmentation or weight decay.
The kept weights are those of the epoch with the lowest validation loss.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import processes
from batches import (
    Images,
    as_cuda_graph,
    autocast,
    choose_device,
    score_all,
    seed_of,
    shuffled_batches,
)
from checkpoints import CHECKPOINT, WEIGHT, load, save
from dataset import Data, describe, load_data
from losses import LOSSES
from model import CNN, layer_table
from options import (
    Parser,
    add_data_options,
    add_device_options,
    add_place_options,
    add_size_option,
    fill_data_defaults,
    place,
    positive_float,
    whole_number,
)
from runs import (
    HISTORY_COLUMNS,
    NOT_TRAINED,
    InputError,
    checkpoint_path,
    file_digest,
    identity,
    is_finite,
    kept_epoch,
    machine,
    remove_stale_temporaries,
    run_program,
    what_changed,
    why_not_trained,
    write_csv,
    write_json,
)
from screen import Progress, duration
from sources import DOWNLOADED

MOMENTUM = 0.9


@dataclass
class State:
    """A training between two epochs: all that is needed to go on with the same bits.

    The random numbers of an epoch depend on the seed and the epoch's number alone, so these
    two are the random state. `history` holds one row of HISTORY_COLUMNS for each epoch.
    """

    model: CNN
    momentum: list[Tensor]
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


def main() -> int:
    options = parse_options()
    device = choose_device(processes.device_name(options.device))
    with processes.together(device):
        run(options, device, Progress(silent=processes.rank() > 0))
    return 0


def run(options: argparse.Namespace, device: torch.device, progress: Progress) -> None:
    """Train, or find that it has been done; process 0 speaks and writes."""
    data = load_for_all(options)
    check_places(options)
    names = ("epochs", "learning_rate", "batch_size", "loss_function", "seed")
    settings = {name: getattr(options, name) for name in names}
    threads = torch.get_num_threads()
    wanted = identity(
        settings, data.digest, device.type, threads, options.precision, processes.world_size()
    )
    progress.say(describe(data))
    if options.precision == "bfloat16" and device.type == "cpu" and not has_bfloat16():
        progress.say("warning: this processor has no bfloat16 instructions; float32 is faster here")
    reason = why_not_trained(options.img_path, options.weight_path, wanted)
    if processes.from_first(not reason and not options.fresh):
        if processes.rank() == 0:
            draw_all_curves(options.img_path)
        progress.say(f"already trained, nothing to do: {options.weight_path}")
        return
    if reason != NOT_TRAINED:
        progress.say(f"training, because {reason or 'of --fresh'}")
    state = start(options, wanted, device, progress)
    train(state, Images(data, device), options, wanted, progress)
    if processes.rank() == 0:
        finish(state, data, options, wanted)
    progress.say(summary(state, options))


def parse_options() -> argparse.Namespace:
    """Read the command line; InputError if it is wrong."""
    parser = Parser("Train the CNN once and leave its weights, history and curves.")
    add = parser.add_argument
    add("--epochs", type=whole_number, default=20, help="passes over the training images")
    add("--learning_rate", type=positive_float, default=0.01, help="step size of SGD")
    add("--batch_size", type=whole_number, default=32, help="images in one step")
    add("--loss_function", choices=LOSSES, default="CrossEntropyLoss", help="what is minimised")
    add_place_options(parser)
    add(
        "--seed", type=partial(whole_number, least=0), default=0, help="start of all random numbers"
    )
    add_data_options(parser)
    add_size_option(parser)
    add_device_options(parser)
    add("--fresh", action="store_true", help="train again even where a run could be reused")
    add(
        "--start_from",
        type=place,
        metavar="FILE",
        help="checkpoint of a shorter training with the same settings to go on from",
    )
    options = parser.parse_args()
    fill_data_defaults(options)
    return options


def draw_all_curves(folder: Path) -> None:
    """Draw the curves of a training, or those that are missing."""
    from plots import draw_curves  # here: matplotlib takes a second to import

    draw_curves(folder)


def load_for_all(options: argparse.Namespace) -> Data:
    """Load the images in process 0 first, so that only one decodes them."""
    arguments = (
        options.data, options.image_size, options.skip_bad_images, options.download_folder,
    )  # fmt: skip
    if processes.rank() == 0:
        data = load_data(*arguments)
    processes.wait_for_all()
    return data if processes.rank() == 0 else load_data(*arguments)


def check_places(options: argparse.Namespace) -> None:
    """Find out before the training, not after it, that a result cannot be written."""
    for path in (options.weight_path, checkpoint_path(options.weight_path)):
        if path.is_dir():
            raise InputError(f"{path} is a folder; --weight_path takes a file")
    for folder in (options.img_path, options.weight_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        remove_stale_temporaries(folder)


def has_bfloat16() -> bool:
    """Whether this processor computes with bfloat16; true where the system does not tell."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return True
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


# --- starting --------------------------------------------------------------------------------


def start(
    options: argparse.Namespace, wanted: dict, device: torch.device, progress: Progress
) -> State:
    """A new training, or the furthest checkpoint of this one or of a shorter one."""
    checkpoint = {}
    if processes.rank() == 0:
        own = [] if options.fresh else [checkpoint_path(options.weight_path)]
        named = [options.start_from] if options.start_from else []
        if named and not named[0].exists():
            progress.say(f"no checkpoint to start from: {named[0]} is not there")
        found = [usable_checkpoint(path, wanted, progress) for path in own + named]
        checkpoint = max(found, key=lambda content: content.get("epoch", 0), default={})
    checkpoint = processes.from_first(checkpoint)
    torch.manual_seed(seed_of(options.seed, 0))
    model = CNN().to(device, memory_format=torch.channels_last)
    state = State(model, [torch.zeros_like(own) for own in model.parameters()], copy_of(model))
    if checkpoint:
        restore(state, checkpoint)
        progress.say(f"going on after epoch {state.epoch}")
    return state


def usable_checkpoint(path: Path, wanted: dict, progress: Progress) -> dict:
    """Read a checkpoint; empty if there is none, or, after saying why, if it does not fit."""
    if not path.exists():
        return {}
    try:
        content = load(CHECKPOINT, path)
    except InputError as error:
        progress.say(f"starting again: {error}")
        return {}
    # A checkpoint fits any number of epochs that it has not passed, and of processes.
    changed = what_changed(content["identity"], wanted, ignore=("epochs", "processes"))
    if content["epoch"] > wanted["epochs"]:
        changed = f"it has {content['epoch']} epochs, more than {wanted['epochs']}"
    if changed:
        progress.say(f"not going on from {path}: {changed}")
        return {}
    return content


def restore(state: State, checkpoint: dict) -> None:
    """Bring a new training to where a checkpoint was written."""
    state.model.load_state_dict(checkpoint["weights"])
    for momentum, saved in zip(state.momentum, checkpoint["momentum"], strict=True):
        momentum.copy_(saved)
    state.kept, state.history = checkpoint["kept"], checkpoint["history"]
    state.seconds = checkpoint["seconds"]


def copy_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights, copied to the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


# --- training --------------------------------------------------------------------------------


def train(
    state: State, images: Images, options: argparse.Namespace, wanted: dict, progress: Progress
) -> None:
    """Train up to `epochs` epochs or until the loss diverges; a checkpoint after each."""
    loss_function = LOSSES[options.loss_function]
    step = make_step(state, images, loss_function, options)
    first, started, before = state.epoch, time.monotonic(), state.seconds
    while state.epoch < options.epochs and not state.diverged:
        epoch = state.epoch + 1
        torch.manual_seed(seed_of(options.seed, epoch, processes.rank()))  # for dropout
        random = torch.Generator().manual_seed(seed_of(options.seed, epoch))
        batches = shuffled_batches(images.splits["train"], options.batch_size, random)
        train_loss, train_accuracy = train_one_epoch(
            state.model, step, loss_function, images, batches
        )
        valid_loss, valid_accuracy = validate(state.model, loss_function, images, options.precision)
        state.history.append([epoch, train_loss, valid_loss, train_accuracy, valid_accuracy])
        if kept_epoch(state.history) == epoch:
            state.kept = copy_of(state.model)
        spent = time.monotonic() - started
        state.seconds = before + spent
        if processes.rank() == 0:
            write_checkpoint(state, options, wanted)
            left = spent / (epoch - first) * (options.epochs - epoch)
            report_epoch(state.history[-1], options.epochs, left, progress)
    progress.clear()


def train_one_epoch(
    model: nn.Module,
    step: Callable[[Tensor], Tensor],
    loss_function: Callable[[Tensor, Tensor], Tensor],
    images: Images,
    batches: Sequence[Tensor],
) -> tuple[float, float]:
    """Take one step for every batch of indices; mean loss and accuracy over the images."""
    model.train()
    share = torch.cat([processes.share_of(batch) for batch in batches])
    # One tensor, filled in place: thousands of small ones would scatter over the memory.
    scores = torch.empty(len(share), 2, device=share.device)
    seen = 0
    for batch in batches:
        own = step(batch)
        scores[seen : seen + len(own)] = own
        seen += len(own)
    return loss_and_accuracy(loss_function, scores, images, share)


def make_step(
    state: State,
    images: Images,
    loss_function: Callable[[Tensor, Tensor], Tensor],
    options: argparse.Namespace,
) -> Callable[[Tensor], Tensor]:
    """The step of this training: on one GPU, a graph of its kernels.

    It learns from a batch of indices, int64 (n,), and returns this process's scores,
    float32 (n, 2), from before the update.
    """
    parameters, model = list(state.model.parameters()), processes.wrap(state.model)
    device, count = images.images.device, len(images.splits["train"])

    def step(batch: Tensor) -> Tensor:
        share = processes.share_of(batch)
        used = share if len(share) else batch[:1]  # every process has to take part in averaging
        with autocast(device, options.precision):
            scores = model(images.inputs(used)).float()
        loss = loss_function(scores, images.one_hot[used])
        # The mean of these gradients over processes is that over the images of the whole batch.
        (loss * (len(share) * processes.world_size() / len(batch))).backward()
        sgd_step(parameters, state.momentum, options.learning_rate)
        return scores.detach()[: len(share)]

    if device.type != "cuda" or processes.world_size() > 1 or options.batch_size > count:
        return step
    state.model.train()  # a graph repeats what was captured: dropout
    return as_cuda_graph(step, options.batch_size, [*parameters, *state.momentum])


@torch.no_grad()
def sgd_step(parameters: list[Tensor], momenta: list[Tensor], learning_rate: float) -> None:
    """Step as torch.optim.SGD(momentum=0.9) does, v ← 0.9 v + g, w ← w − η v; forget gradients.

    torch's own class imports its compiler when first used, 1.6 s that every run would wait.
    """
    for parameter, momentum in zip(parameters, momenta, strict=True):
        torch.add(parameter.grad, momentum, alpha=MOMENTUM, out=momentum)
        parameter.sub_(momentum, alpha=learning_rate)
        parameter.grad = None


def validate(
    model: nn.Module,
    loss_function: Callable[[Tensor, Tensor], Tensor],
    images: Images,
    precision: str,
) -> tuple[float, float]:
    """Mean loss and accuracy over the validation images, each counted once."""
    share = processes.share_of(images.splits["valid"])
    scores = score_all(model, images, share, precision)
    return loss_and_accuracy(loss_function, scores, images, share)


def loss_and_accuracy(
    loss_function: Callable[[Tensor, Tensor], Tensor],
    scores: Tensor,
    images: Images,
    indices: Tensor,
) -> tuple[float, float]:
    """Means over the images of all processes; `scores`, float32 (n, 2), belong to `indices`."""
    totals = torch.zeros(3, device=scores.device)  # loss, correct, images
    if len(indices):
        loss = loss_function(scores, images.one_hot[indices])
        correct = (scores.argmax(1) == images.targets[indices]).sum()
        totals += torch.stack([loss * len(indices), correct, totals.new_tensor(len(indices))])
    loss, correct, count = processes.sum_over_all(totals).tolist()
    return loss / count, correct / count


def report_epoch(row: list[float], epochs: int, left: float, progress: Progress) -> None:
    """Show one epoch: passing on a terminal, a line in a file."""
    epoch, *values = row
    named = "  ".join(
        f"{name} {value:.4f}" for name, value in zip(HISTORY_COLUMNS[1:], values, strict=True)
    )
    text = f"epoch {epoch:.0f} of {epochs}  {named}  {duration(left)} left"
    progress.show(text) if progress.in_place else progress.say(text)


# --- what is left on disk --------------------------------------------------------------------


def write_checkpoint(state: State, options: argparse.Namespace, wanted: dict) -> None:
    """Write all that is needed to go on, and the history for those who watch."""
    content = {
        "identity": wanted,
        "epoch": state.epoch,
        "weights": copy_of(state.model),
        "momentum": [momentum.cpu() for momentum in state.momentum],
        "kept": state.kept,
        "history": state.history,
        "seconds": state.seconds,
    }
    save(CHECKPOINT, checkpoint_path(options.weight_path), content)
    write_csv(options.img_path / "history.csv", HISTORY_COLUMNS, state.history)


def finish(state: State, data: Data, options: argparse.Namespace, wanted: dict) -> None:
    """Write weights and curves, and last the record that makes the run complete."""
    downloaded = data.source in DOWNLOADED  # else the bits would depend on the current folder
    content = {
        "kept": state.kept,
        "last": copy_of(state.model),
        "kept_epoch": kept_epoch(state.history),
        "epochs": state.epoch,
        "image_size": options.image_size,
        "classes": list(data.classes),
        "mean": data.mean,
        "std": data.std,
        "data": data.source,
        "download_folder": str(options.download_folder.resolve()) if downloaded else "",
        "skip_bad_images": options.skip_bad_images,
        "loss_function": options.loss_function,
    }
    save(WEIGHT, options.weight_path, content)
    history = options.img_path / "history.csv"
    write_csv(history, HISTORY_COLUMNS, state.history)
    draw_all_curves(options.img_path)
    record = {
        "identity": wanted,
        "command": [sys.executable, *sys.argv],
        "data": {
            "source": data.source,
            "classes": list(data.classes),
            "image_size": options.image_size,
            "skipped": data.skipped,
            "warnings": data.warnings,
        },
        "kept_epoch": kept_epoch(state.history),
        "epochs": state.epoch,
        "diverged": state.diverged,
        "seconds": round(state.seconds, 3),
        "network": layer_table(options.image_size),
        "machine": machine(),
        "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
        "weight_sha256": file_digest(options.weight_path),
        "history_sha256": file_digest(history),
    }
    write_json(options.img_path / "train.json", record)


def summary(state: State, options: argparse.Namespace) -> str:
    """Say in one line how the training ended."""
    if state.diverged:
        end = f"diverged at epoch {state.epoch}: the loss is no longer finite"
    else:
        end = f"trained {state.epoch} epoch{'s' * (state.epoch > 1)}"
    kept = kept_epoch(state.history)
    kept = f"kept epoch {kept}" if kept else "kept the initial weights"
    places = f"weights: {options.weight_path}, curves: {options.img_path}"
    return f"{end}; {kept}; {duration(state.seconds)}; {places}"


if __name__ == "__main__":
    run_program(main)
