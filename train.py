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

from console.options import Option, Reader, parse, path, shared_options
from images.sources import fill_data_defaults, image_folder
from records.places import check_weight_path, refuse_among_images
from training.settings import GOES_ON, SETTINGS, check_settings


def is_record(value: object) -> bool:
    """Whether a value has others by their names."""
    return isinstance(value, dict)


def parse_options() -> Namespace:
    """Read the command line; InputError if it is wrong."""
    shorter = "checkpoint of a shorter training of these settings to go on from (default: none)"
    tried = "settings, each in JSON, to try in a few steps that leave nothing (default: none)"
    places_and_images = ("seed", "weight_path", "img_path", "data", "image_size")
    switches_and_device = ("skip_bad_images", "device", "fresh", "no_pictures")
    check_settings()
    known = SETTINGS | shared_options([*places_and_images, *switches_and_device])
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
from typing import Any

import torch

from console.progress import Progress, duration
from dataset import Data, describe, load_data
from records.finished import DONE, MISSING, Status, in_words, read_training
from records.runs import Epoch, identity, kept_epoch
from records.sources import imported_sources
from training import files, processes
from training.batches import Batches, Images, seed_epoch, seed_of, validate
from training.files import Identity, State
from training.network import build_network, describe_network, loss_of, weights_of
from training.optimizer import SGD
from training.trial import Program, try_out


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
    program = Program(prepare, train_epoch, has_ended, GOES_ON)
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
    data = load_data(options.data, options.image_size, options.skip_bad_images)
    progress.say(describe(data))
    run_identity = identity_of(options, data, device, code)
    processes.check_same(run_identity)
    status = read_training(options.img_path, options.weight_path, run_identity).status
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


def has_ended(state: State, epochs: int) -> bool:
    """Whether a training is over; early stopping is a line here."""
    return state.epoch >= epochs or state.diverged


def train_epoch(state: State, images: Images, batch_size: int, seed: int) -> None:
    """Train one epoch more.

    What lasts longer than an epoch can only live in `state`, all of which is in every checkpoint.
    """
    started = time.monotonic()
    epoch = state.epoch + 1
    # Random numbers: of dropout, and of the order of the images.
    seed_epoch(seed, epoch)
    batches = Batches(images, batch_size, order=seed_of(seed, epoch))
    model = processes.wrap(state.model).train()  # itself, unless several processes train it
    for indices in batches:
        # Forward: two raw scores for each image, and how wrong they are.
        scores = model(images.inputs(indices)).float()
        loss = state.loss_function(scores, images.one_hot[indices])
        # Backward and step.
        loss.backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        batches.note(scores)
    # Tally, once: to count each batch takes longer, and a GPU would be waited for each time.
    trained = batches.loss_and_accuracy(state.loss_function)
    validated = validate(state.model, state.loss_function, images)
    row = Epoch(epoch, trained.loss, validated.loss, trained.accuracy, validated.accuracy)
    state.history.append(row)
    # Keep the weights of the lowest validation loss.
    if kept_epoch(state.history) == epoch:
        state.kept = weights_of(state.model)
    state.seconds += time.monotonic() - started


def train(
    options: Namespace,
    data: Data,
    device: torch.device,
    run_identity: Identity,
    progress: Progress,
) -> None:
    """Train, and leave a checkpoint after each epoch."""
    trial = try_out(Program(prepare, train_epoch, has_ended, GOES_ON), options, device)
    run_identity = run_identity | imported_sources("train.py")  # with what the trial has imported
    for note in trial.notes:
        progress.say(f"note: {note}")
    images = Images(data, device, trial.memory_format)
    files.check_places(options)
    with files.places_held(options):
        state = prepare(options, images)
        files.resume(state, run_identity, options, progress, GOES_ON)
        while not has_ended(state, options.epochs):
            train_epoch(state, images, options.batch_size, options.seed)
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
