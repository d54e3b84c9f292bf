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

from console.options import SETTINGS, Option, Reader, parse, path, shared_options
from images.sources import fill_data_defaults, image_folder
from records.places import check_weight_path, refuse_among_images


def is_record(value: object) -> bool:
    """Whether a value has others by their names."""
    return isinstance(value, dict)


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    shorter = "checkpoint of a shorter training of these settings to go on from (default: none)"
    tried = "settings, each in JSON, to try in a few steps that leave nothing (default: none)"
    places_and_images = ("seed", "weight_path", "img_path", "data", "image_size")
    switches_and_device = ("skip_bad_images", "group", "device", "fresh", "no_pictures")
    known = shared_options([*SETTINGS, *places_and_images, *switches_and_device])
    known["start_from"] = Option(path, None, shorter)
    setting = Reader(json.loads, is_record, "a setting as my_script.py writes it", "JSON")
    known["try_out"] = Option(setting, None, tried, is_list=True)
    options = parse("Train the CNN once and leave its weights, history and curves.", known)
    check_weight_path(options.weight_path, options.img_path)
    fill_data_defaults(options)
    folder = image_folder(options.data)
    refuse_among_images(folder, weight_path=options.weight_path, img_path=options.img_path)
    return options


if __name__ == "__main__":
    answer_at_once(parse_options)  # what follows takes seconds to load

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from console.progress import Progress, duration
from dataset import Data, describe, load_data
from records.finished import training_status
from records.runs import DONE, MISSING, Epoch, Status, identity, in_words, kept_epoch
from records.sources import imported_sources
from training import files, processes
from training.batches import (
    Images,
    LossAndAccuracy,
    loss_and_accuracy,
    score_all,
    seed_all,
    seed_of,
    shuffled_batches,
)
from training.files import Identity, State
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
        try_settings(options, device)
        return 0
    with processes.together(device):
        train_unless_done(options, device, code)
        if processes.rank() == 0 and not options.no_pictures:
            from report.figures import draw_curves  # here: matplotlib takes a second to import

            draw_curves(options.img_path)
    return 0


def try_settings(options: Namespace, device: torch.device) -> None:
    """Try out what a sweep is going to train; print what each leaves unread, and the device."""
    program = Program(prepare, train_epochs, GOES_ON)
    unread = []
    for setting in options.try_out:
        values = vars(options) | setting
        trial = try_out(program, Namespace(**values), device)
        unread.append(trial.unread)
    print(json.dumps(unread))
    print(device)


def train_unless_done(options: Namespace, device: torch.device, code: dict[str, Any]) -> None:
    """Train, unless a finished training of the same identity is there already."""
    progress = Progress(silent=processes.rank() > 0)
    loss_of(options.loss_function, device)  # refused, if it must be, before images are decoded
    data = load_data(*options.images)
    progress.say(describe(data))
    run_identity = identity_of(options, data, device, code)
    processes.check_same(run_identity)
    status = training_status(options.img_path, options.weight_path, run_identity)
    if processes.from_first(status == DONE and not options.fresh):
        progress.say(f"already trained, nothing to do: {options.weight_path}")
        return
    say_why(status, progress)
    train(options, data, device, run_identity, progress)


def identity_of(
    options: Namespace, data: Data, device: torch.device, code: dict[str, Any]
) -> Identity:
    """All that decides the result of this training."""
    settings = {}
    for name in (*SETTINGS, "seed"):
        settings[name] = getattr(options, name)
    threads = torch.get_num_threads()
    return identity(settings, data.digest, code, device.type, threads, processes.world_size())


def say_why(status: Status, progress: Progress) -> None:
    """Say why a training is done over one that is there."""
    if status == DONE:
        progress.say("training, because of --fresh")
    elif status != MISSING:
        progress.say(f"training, because {in_words(status, 'trained')}")


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
        started = time.monotonic()
        epoch = state.epoch + 1
        seed_all(options.seed, epoch, processes.rank())  # of dropout
        order = seed_of(options.seed, epoch)
        batches = shuffled_batches(images.splits["train"], options.batch_size, order)
        trained = train_one_epoch(state, images, batches)
        validated = validate(state, images)
        row = Epoch(epoch, trained.loss, validated.loss, trained.accuracy, validated.accuracy)
        state.history.append(row)
        if kept_epoch(state.history) == epoch:
            state.kept = weights_of(state.model)
        state.seconds += time.monotonic() - started
        yield epoch


def train_one_epoch(state: State, images: Images, batches: Sequence[Tensor]) -> LossAndAccuracy:
    """Take one step for every batch of int64 indices (n,); means over the images."""
    model = processes.wrap(state.model)  # itself, unless several processes train it
    model.train()
    scores = torch.empty_like(images.one_hot)
    seen = [batches[0][:0]]  # nothing yet: a process may have no share of any batch
    for batch in batches:
        share, weight = processes.share_of(batch)  # the whole batch for one process
        outputs = model(images.inputs(share)).float()
        loss = state.loss_function(outputs, images.one_hot[share])
        (loss * weight).backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        if weight > 0:
            scores[share] = outputs.detach()
            seen.append(share)
    indices = torch.cat(seen)
    return loss_and_accuracy(state.loss_function, scores[indices], images, indices)


def validate(state: State, images: Images) -> LossAndAccuracy:
    """Means over the validation images, each counted once."""
    processes.share_buffers(state.model)
    indices = images.splits["valid"][processes.rank() :: processes.world_size()]
    scores = score_all(state.model, images, indices)
    return loss_and_accuracy(state.loss_function, scores, images, indices)


def train(
    options: Namespace,
    data: Data,
    device: torch.device,
    run_identity: Identity,
    progress: Progress,
) -> None:
    """Train, and leave a checkpoint after each epoch."""
    trial = try_out(Program(prepare, train_epochs, GOES_ON), options, device)
    run_identity = run_identity | imported_sources("train.py")  # with what the trial has imported
    for note in trial.notes:
        progress.say(f"note: {note}")
    images = Images(data, device, trial.memory_format)
    files.check_places(options)
    with files.places_held(options):
        state = prepare(options, images)
        files.resume(state, run_identity, options, progress, GOES_ON)
        for _ in train_epochs(state, images, options):
            if processes.rank() == 0:
                files.write_checkpoint(state, run_identity, options)
                show_epoch(state, options.epochs, progress)
        if processes.rank() == 0:
            files.write_results(state, images, data, trial.layers, run_identity, options)
    show_end(state, options, progress)


def show_epoch(state: State, epochs: int, progress: Progress) -> None:
    """Show the last epoch: passing on a terminal, a line in a file."""
    last = state.history[-1]
    losses = f"train_loss {last.train_loss:.4f}  valid_loss {last.valid_loss:.4f}"
    train_accuracy = f"train_accuracy {last.train_accuracy:.4f}"
    valid_accuracy = f"valid_accuracy {last.valid_accuracy:.4f}"
    seconds_left = state.seconds / state.epoch * (epochs - state.epoch)
    numbers = f"{losses}  {train_accuracy}  {valid_accuracy}"
    line = f"epoch {state.epoch} of {epochs}  {numbers}  {duration(seconds_left)} left"
    if progress.in_place:
        progress.show(line)
    else:
        progress.say(line)


def show_end(state: State, options: Namespace, progress: Progress) -> None:
    """Say in one line how the training ended."""
    end = "diverged at" if state.diverged else "trained to"
    kept = kept_epoch(state.history)
    weights = f"epoch {kept}" if kept > 0 else "the initial weights"
    paths = f"weights: {options.weight_path}, curves: {options.img_path}"
    seconds = duration(state.seconds)
    progress.say(f"{end} epoch {state.epoch}; kept {weights}; {seconds}; {paths}")


if __name__ == "__main__":
    run_program(main)
