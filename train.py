"""One training: images -> epochs -> weights, history and curves.

    python train.py --epochs 40 --learning_rate 0.01

Reads images (see --data), writes weight.pth to --weight_path, and history.csv, two curves and
train.json to --img_path. After every epoch a checkpoint stands beside the weights; the same
command goes on from it. SGD with momentum 0.9; no schedule, augmentation or weight decay.
The kept weights are those of the epoch with the lowest validation loss.
"""

from console.errors import before_imports, run_program

if __name__ == "__main__":
    before_imports()

import time
from argparse import Namespace
from collections.abc import Sequence

import torch
from torch import nn

from console.options import SETTINGS, parse, path
from console.progress import Progress, duration
from dataset import Data, describe, load_data
from images.sources import fill_data_defaults
from losses import Loss
from model import CNN
from records.runs import (
    DONE,
    HISTORY_COLUMNS,
    MISSING,
    identity,
    in_words,
    kept_epoch,
    training_status,
)
from training import files, processes
from training.batches import Images, loss_and_accuracy, score_all, seed_of, shuffled_batches
from training.optimizer import SGD, Optimizer
from training.trial import known_loss, try_out


def main() -> int:
    options = parse_options()
    device = processes.choose_device(options.device)
    processes.choose_threads(options.image_size)
    with processes.together(device):
        progress = Progress(silent=processes.rank() > 0)
        data = load_data(*options.images)
        progress.say(describe(data))
        settings = {name: getattr(options, name) for name in (*SETTINGS, "seed")}
        computed_on = (device.type, torch.get_num_threads(), processes.world_size())
        decisive = identity(settings, data.digest, *computed_on)
        processes.check_same(decisive)
        status = training_status(options.img_path, options.weight_path, decisive)
        if processes.from_first(status == DONE and not options.fresh):
            progress.say(f"already trained, nothing to do: {options.weight_path}")
        else:
            if status == DONE:
                progress.say("training, because of --fresh")
            elif status != MISSING:
                progress.say(f"training, because {in_words(status, 'trained')}")
            train(options, data, device, decisive, progress)
        if processes.rank() == 0 and not options.no_pictures:
            from report.figures import draw_curves  # here: matplotlib takes a second to import

            draw_curves(options.img_path)
    return 0


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    shorter = "checkpoint of a shorter training of these settings to go on from (default: none)"
    options = parse(
        "Train the CNN once and leave its weights, history and curves.",
        *(*SETTINGS, "seed", "weight_path", "img_path", "data", "image_size"),
        *("skip_bad_images", "device", "fresh", "no_pictures"),
        start_from=(path, None, shorter),
    )
    return fill_data_defaults(options)


def train(
    options: Namespace, data: Data, device: torch.device, decisive: dict, progress: Progress
) -> None:
    """Train up to `epochs` epochs or until the loss diverges; `decisive` is the run's identity."""
    images, loss_function = Images(data, device), known_loss(options.loss_function)
    torch.manual_seed(seed_of(options.seed, 0))  # of the initial weights
    model = CNN().to(device, memory_format=torch.channels_last)
    layers = try_out(model, loss_function, options.image_size, options.batch_size)
    files.check_places(options)
    optimizer = SGD(model.parameters(), options.learning_rate, momentum=0.9)
    state = files.State(model, optimizer, kept=files.weights_of(model))
    files.resume(state, decisive, options, progress)
    averaged_model = processes.wrap(model)  # the model itself, unless several processes train it

    while state.epoch < options.epochs and not state.diverged:
        started, epoch = time.monotonic(), state.epoch + 1
        torch.manual_seed(seed_of(options.seed, epoch, processes.rank()))  # of dropout
        order = seed_of(options.seed, epoch)
        batches = shuffled_batches(images.splits["train"], options.batch_size, order)
        trained = train_one_epoch(averaged_model, optimizer, loss_function, images, batches)
        validated = validate(model, loss_function, images)
        state.history.append([epoch, trained[0], validated[0], trained[1], validated[1]])
        if kept_epoch(state.history) == epoch:
            state.kept = files.weights_of(model)
        state.seconds += time.monotonic() - started
        if processes.rank() == 0:
            files.write_checkpoint(state, decisive, options)
            show_epoch(state, options.epochs, progress)

    if processes.rank() == 0:
        files.write_results(state, data, layers, decisive, options)
    show_end(state, options, progress)


def train_one_epoch(
    model: nn.Module, optimizer: Optimizer, loss_function: Loss, images: Images, batches: Sequence
) -> tuple[float, float]:
    """Take one step for every batch of indices; mean loss and accuracy over the images."""
    model.train()
    scores = torch.empty_like(images.one_hot)
    shares = [processes.share_of(batch) for batch in batches]  # whole batches for one process
    for share, weight in shares:
        outputs = model(images.inputs(share))
        loss = loss_function(outputs, images.one_hot[share])
        (loss * weight).backward()
        optimizer.step()
        optimizer.zero_grad()
        if weight:
            scores[share] = outputs.detach()
    seen = torch.cat([share for share, weight in shares if weight] or [batches[0][:0]])
    return loss_and_accuracy(loss_function, scores[seen], images, seen)


def validate(model: nn.Module, loss_function: Loss, images: Images) -> tuple[float, float]:
    """Mean loss and accuracy over the validation images, each counted once."""
    processes.share_buffers(model)
    part = images.splits["valid"][processes.rank() :: processes.world_size()]
    return loss_and_accuracy(loss_function, score_all(model, images, part), images, part)


def show_epoch(state: files.State, epochs: int, progress: Progress) -> None:
    """Show the last epoch: passing on a terminal, a line in a file."""
    left = duration(state.seconds / state.epoch * (epochs - state.epoch))
    _, *values = map("{} {:.4f}".format, HISTORY_COLUMNS, state.history[-1])
    say = progress.show if progress.in_place else progress.say
    say(f"epoch {state.epoch} of {epochs}  {'  '.join(values)}  {left} left")


def show_end(state: files.State, options: Namespace, progress: Progress) -> None:
    """Say in one line how the training ended."""
    kept = kept_epoch(state.history)
    end = f"{'diverged at' if state.diverged else 'trained to'} epoch {state.epoch}"
    best = f"kept {f'epoch {kept}' if kept else 'the initial weights'}"
    places = f"weights: {options.weight_path}, curves: {options.img_path}"
    progress.say(f"{end}; {best}; {duration(state.seconds)}; {places}")


if __name__ == "__main__":
    run_program(main)
