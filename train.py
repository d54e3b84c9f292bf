"""One training: images -> epochs -> weights, history and curves.

    python train.py --epochs 40 --learning_rate 0.01

Reads images (see --data), writes weight.pth to --weight_path, and history.csv, two curves and
train.json to --img_path. After every epoch a checkpoint stands beside the weights; the same
command goes on from it. SGD with momentum 0.9; no schedule, augmentation or weight decay.
The kept weights are those of the epoch with the lowest validation loss.
"""

from console.errors import answer_at_once, before_imports, run_program

if __name__ == "__main__":
    before_imports()

import json
from argparse import Namespace

from console.options import SETTINGS, parse, path
from images.sources import fill_data_defaults
from records.places import check_weight_path, refuse_among_images


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    shorter = "checkpoint of a shorter training of these settings to go on from (default: none)"
    tried = "settings, each in JSON, to try in a few steps that leave nothing (default: none)"
    options = parse(
        "Train the CNN once and leave its weights, history and curves.",
        *(*SETTINGS, "seed", "weight_path", "img_path", "data", "image_size"),
        *("skip_bad_images", "device", "fresh", "no_pictures"),
        start_from=(path, None, shorter),
        try_out=([json.loads], None, tried),
    )
    check_weight_path(options.weight_path, options.img_path)
    fill_data_defaults(options)
    refuse_among_images(options.data, weight_path=options.weight_path, img_path=options.img_path)
    return options


if __name__ == "__main__":
    answer_at_once(parse_options)  # what follows takes seconds to load

import time
from collections.abc import Iterator, Sequence

import torch

from console.progress import Progress, duration
from dataset import Data, describe, load_data
from records.finished import training_status
from records.runs import (
    DONE,
    HISTORY_COLUMNS,
    MISSING,
    identity,
    in_words,
    kept_epoch,
)
from records.sources import imported_sources
from training import files, processes
from training.batches import (
    Images,
    loss_and_accuracy,
    score_all,
    seed_all,
    seed_of,
    shuffled_batches,
)
from training.files import State
from training.network import build_network, describe_network, loss_of, weights_of
from training.optimizer import SGD
from training.trial import Program, try_out

# Whether a longer training goes on from the checkpoint of a shorter one; False where a result
# depends on the number of epochs asked for, as under a cosine schedule.
GOES_ON = True


def main() -> int:
    code = imported_sources("train.py")
    options = parse_options()
    processes.check_processes()
    device = processes.choose_device(options.device)
    processes.choose_threads(options.image_size)
    if options.try_out:
        return try_settings(options, device)
    with processes.together(device):
        progress = Progress(silent=processes.rank() > 0)
        data = load_data(*options.images)
        progress.say(describe(data))
        settings = {name: getattr(options, name) for name in (*SETTINGS, "seed")}
        computed_on = (device.type, torch.get_num_threads(), processes.world_size())
        decisive = identity(settings, data.digest, code, *computed_on)
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


def try_settings(options: Namespace, device: torch.device) -> int:
    """Try out what a sweep is going to train; print the device."""
    for settings in options.try_out:
        values = {**vars(options), **settings}
        try_out(Program(prepare, train_epochs, GOES_ON), Namespace(**values), device)
    print(device)
    return 0


def prepare(options: Namespace, images: Images) -> State:
    """A training before its first epoch.

    What is put into the state by name is in every checkpoint; what is not is lost when a
    training goes on.
    """
    network = describe_network(options, images.memory_format)
    model = build_network(network, images.device)
    loss_function = loss_of(options.loss_function, images.device)
    optimizer = SGD(model.parameters(), options.learning_rate, momentum=0.9)
    state = State(model, optimizer, loss_function)
    return state


def train_epochs(state: State, images: Images, options: Namespace) -> Iterator[int]:
    """Train up to `epochs` epochs or until the loss diverges; a checkpoint is written at yield."""
    while state.epoch < options.epochs and not state.diverged:
        started, epoch = time.monotonic(), state.epoch + 1
        seed_all(options.seed, epoch, processes.rank())  # of dropout
        order = seed_of(options.seed, epoch)
        batches = shuffled_batches(images.splits["train"], options.batch_size, order)
        trained = train_one_epoch(state, images, batches)
        validated = validate(state, images)
        state.history.append([epoch, trained[0], validated[0], trained[1], validated[1]])
        if kept_epoch(state.history) == epoch:
            state.kept = weights_of(state.model)
        state.seconds += time.monotonic() - started
        yield epoch


def train_one_epoch(state: State, images: Images, batches: Sequence) -> tuple[float, float]:
    """Take one step for every batch of indices; mean loss and accuracy over the images."""
    model = processes.wrap(state.model)  # itself, unless several processes train it
    optimizer, loss_function = state.optimizer, state.loss_function
    model.train()
    scores = torch.empty_like(images.one_hot)
    shares = [processes.share_of(batch) for batch in batches]  # whole batches for one process
    for share, weight in shares:
        outputs = model(images.inputs(share)).float()
        loss = loss_function(outputs, images.one_hot[share])
        (loss * weight).backward()
        optimizer.step()
        optimizer.zero_grad()
        if weight:
            scores[share] = outputs.detach()
    seen = torch.cat([share for share, weight in shares if weight] or [batches[0][:0]])
    return loss_and_accuracy(loss_function, scores[seen], images, seen)


def validate(state: State, images: Images) -> tuple[float, float]:
    """Mean loss and accuracy over the validation images, each counted once."""
    processes.share_buffers(state.model)
    part = images.splits["valid"][processes.rank() :: processes.world_size()]
    scores = score_all(state.model, images, part)
    return loss_and_accuracy(state.loss_function, scores, images, part)


def train(
    options: Namespace, data: Data, device: torch.device, decisive: dict, progress: Progress
) -> None:
    """Train, and leave a checkpoint after each epoch; `decisive` is the run's identity."""
    trial = try_out(Program(prepare, train_epochs, GOES_ON), options, device)
    decisive = decisive | imported_sources("train.py")  # with what the trial has imported
    for note in trial.notes:
        progress.say(f"note: {note}")
    images = Images(data, device, trial.memory_format)
    files.check_places(options)
    with files.places_held(options):
        state = prepare(options, images)
        files.resume(state, decisive, options, progress, GOES_ON)
        for _ in train_epochs(state, images, options):
            if processes.rank() == 0:
                files.write_checkpoint(state, decisive, options)
                show_epoch(state, options.epochs, progress)
        if processes.rank() == 0:
            files.write_results(state, images, data, trial.layers, decisive, options)
    show_end(state, options, progress)


def show_epoch(state: State, epochs: int, progress: Progress) -> None:
    """Show the last epoch: passing on a terminal, a line in a file."""
    left = duration(state.seconds / state.epoch * (epochs - state.epoch))
    _, *values = map("{} {:.4f}".format, HISTORY_COLUMNS, state.history[-1])
    say = progress.show if progress.in_place else progress.say
    say(f"epoch {state.epoch} of {epochs}  {'  '.join(values)}  {left} left")


def show_end(state: State, options: Namespace, progress: Progress) -> None:
    """Say in one line how the training ended."""
    kept = kept_epoch(state.history)
    end = f"{'diverged at' if state.diverged else 'trained to'} epoch {state.epoch}"
    best = f"kept {f'epoch {kept}' if kept else 'the initial weights'}"
    places = f"weights: {options.weight_path}, curves: {options.img_path}"
    progress.say(f"{end}; {best}; {duration(state.seconds)}; {places}")


if __name__ == "__main__":
    run_program(main)
