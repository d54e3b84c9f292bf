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
import os
import sys
from argparse import Namespace
from functools import partial

from console.options import Option, Reader, parse, path, shared_options
from images.sources import fill_data_defaults, image_folder
from records.places import check_weight_path, refuse_among_images
from records.sources import digests_of, loaded_files, loaded_sources, sources
from training.settings import ALSO_DECIDE, SETTINGS, check_settings
from training.tried import TORCHRUN, PendingTrial, Trial, ask, keep, read_kept


def parse_options(arguments: list[str] | None = None) -> Namespace:
    """Read the command line, or these `arguments`; InputError if they are wrong."""
    shorter = "checkpoint of a shorter training of these settings to go on from (default: none)"
    tried = "settings, each in JSON, to try in a few steps that leave nothing (default: none)"
    places_and_images = ("seed", "weight_path", "img_path", "data", "image_size")
    switches_and_device = ("skip_bad_images", "group", "device", "fresh", "no_pictures")
    check_settings()
    known = SETTINGS | shared_options([*places_and_images, *switches_and_device])
    known["start_from"] = Option(path, None, shorter)
    setting = Reader(json.loads, bool, "a setting as my_script.py writes it", "JSON")
    known["try_out"] = Option(setting, None, tried, is_list=True)
    purpose = "Train the CNN once and leave its weights, history and curves."
    options = parse(purpose, known, arguments)
    check_weight_path(options.weight_path)
    fill_data_defaults(options)
    folder = image_folder(options.data)
    refuse_among_images(folder, weight_path=options.weight_path, img_path=options.img_path)
    return options


def settings_from(options: Namespace) -> Namespace:
    """Of the options those of SETTINGS and the seed: what a training is."""
    settings = Namespace()
    for name in (*SETTINGS, "seed"):
        setattr(settings, name, getattr(options, name))
    return settings


def begin_trial(arguments: list[str] | None = None) -> PendingTrial | None:
    """Read the command line and the code, and have the first of several processes try a few steps.

    That needs no package: they load meanwhile.
    """
    options = parse_options(arguments)
    sources("train.py", ALSO_DECIDE)
    if options.try_out:
        return None
    if TORCHRUN in os.environ and os.environ["RANK"] != "0":
        return None
    return ask(settings_from(options), options.image_size, options.device)


if __name__ == "__main__":
    TRIAL = answer_at_once(begin_trial)  # what follows takes seconds to load

import time
from pathlib import Path
from typing import Any

import torch

from console.errors import InputError, is_child
from console.progress import Progress, duration
from dataset import Data, describe, load_data
from records.finished import DONE, MISSING, larger_class_line, read_training
from records.runs import Epoch, identity, kept_epoch
from training import files, processes
from training.batches import Batches, Images, seed_epoch, seed_of, validate
from training.files import Identity, Places, State
from training.network import build_network, describe_network, loss_of, memory_format_of, weights_of
from training.optimizer import SGD


def main(arguments: list[str] | None = None, answer: PendingTrial | None = None) -> int:
    """Train as the command line says, or these `arguments`; `answer` is that of a trial begun."""
    options = parse_options(arguments)
    answer = answer or begin_trial(arguments)  # called as a function it has begun none
    settings = settings_from(options)
    places = Places(options.weight_path, options.img_path)
    progress = Progress(silent=processes.rank() > 0)
    device = processes.choose_device(options.device)
    processes.choose_threads(options.image_size)
    if options.try_out:
        try_settings(options, device)
        return 0
    with processes.together(device):
        # Load the images, which are decoded once for all trainings.
        loss_of(settings.loss_function, device)  # refused, if it must be, before that
        data = load_data(*options.images)
        progress.say(describe(data))
        run_identity = identity_of(settings, data, device)
        if is_trained(places, run_identity, options.fresh, progress):
            draw_once(places, options.no_pictures)
            return 0
        # Prepare: a trial has told what the network needs.
        trial = answer_for_all(answer, progress)
        images = Images(data, device, memory_format_of(trial.channels_last))
        with files.places_held(places):
            state = prepare(settings, images)
            run_identity.update(loaded_sources("train.py", ALSO_DECIDE))  # what that has imported
            # Resume from what an earlier call has left.
            checkpoints = checkpoints_to_try(places, options, run_identity)
            files.resume(state, run_identity, checkpoints, progress)
            # Train: of what stands here, only the state is in a checkpoint.
            while not has_ended(state, settings.epochs):
                train_epoch(state, images, settings.batch_size, settings.seed)
                run_identity.update(digests_of(loaded_files()))  # of what the epoch has imported
                files.write_checkpoint(state, run_identity, places)
                show_epoch(state, settings.epochs, data, progress)
            # Results.
            weight = files.weight_values(state, images, data, settings, options.skip_bad_images)
            about = about_training(run_identity, arguments, trial, data)
            files.write_results(state, weight, about, places)
        show_end(state, data, places, progress)
        draw_once(places, options.no_pictures)
    return 0


def prepare(settings: Namespace, images: Images) -> State:
    """A training before its first epoch.

    What is put into the state by name is in every checkpoint; what is not is lost when a
    training goes on.
    """
    network = describe_network(settings, images)
    model = build_network(network, images.device)
    loss_function = loss_of(settings.loss_function, images.device)
    optimizer = SGD(model.parameters(), settings.learning_rate, momentum=0.9)
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
        batches.note(scores)  # of the batch that was given last
    # Tally, once: to count each batch takes longer, and a GPU would be waited for each time.
    trained = batches.loss_and_accuracy(state.loss_function)
    validated = validate(state.model, state.loss_function, images)
    row = Epoch(epoch, trained.loss, validated.loss, trained.accuracy, validated.accuracy)
    state.history.append(row)
    # Keep the weights of the lowest validation loss.
    if kept_epoch(state.history) == epoch:
        state.kept = weights_of(state.model)
    state.seconds += time.monotonic() - started


# --- what main does beside that ----------------------------------------------------------------


def try_settings(options: Namespace, device: torch.device) -> None:
    """Try out what is going to be trained: at last a line of JSON for each, and the device."""
    from training.trial import try_out  # here: no process that trains needs it

    trials = []
    for setting in options.try_out:
        settings = settings_from(Namespace(**vars(options) | setting))
        about = vars(settings), options.image_size, device.type
        trial = read_kept(*about)
        if trial is None:
            trial = try_out(settings, options.image_size, device)
            keep(trial, *about)
        trials.append(trial)
    for trial in trials:  # together: model.py may print
        print(json.dumps(trial._asdict()))
    print(device)


def answer_for_all(answer: PendingTrial | None, progress: Progress) -> Trial:
    """What the trial tells to the first process; InputError in all of them if it refuses."""
    told: Trial | InputError = InputError("only the first process has a trial")
    if answer is not None:
        try:
            told = answer()
        except InputError as error:
            told = error
    told = processes.from_first(told)
    if isinstance(told, InputError):
        raise told
    for note in told.notes:
        progress.say(f"note: {note}")
    return told


def identity_of(settings: Namespace, data: Data, device: torch.device) -> Identity:
    """All that decides the result of this training, the same in all processes."""
    code = loaded_sources("train.py", ALSO_DECIDE)
    threads = torch.get_num_threads()
    processes_count = processes.world_size()
    whole = identity(vars(settings), data.digest, code, device.type, threads, processes_count)
    processes.check_same(whole)
    return whole


def is_trained(places: Places, run_identity: Identity, fresh: bool, progress: Progress) -> bool:
    """Say whether this training is finished already, or why it is done again."""
    status = read_training(places.results, places.weight, run_identity).status
    if processes.from_first(status == DONE and not fresh):
        progress.say(f"already trained, nothing to do: {places.weight}")
        return True
    if status == DONE:
        progress.say("training, because of --fresh")
    elif status != MISSING:
        progress.say(f"training, because {status.why}")
    return False


def checkpoints_to_try(places: Places, options: Namespace, run_identity: Identity) -> list[Path]:
    """Checkpoints from which this training may go on: its own, and that of a shorter one.

    InputError if somebody names another that does not fit; a sweep does without it.
    """
    paths = [] if options.fresh else [places.checkpoint]
    if options.start_from:
        paths.append(options.start_from)
        if not is_child() and processes.rank() == 0:
            files.fitting_checkpoint(options.start_from, run_identity)
    return paths


def about_training(
    run_identity: Identity, arguments: list[str] | None, trial: Trial, data: Data
) -> dict[str, Any]:
    """What a record tells of a training beside its result."""
    words = sys.argv[1:] if arguments is None else arguments
    return {
        "identity": run_identity,
        "command": [sys.executable, __file__, *words],
        "network": trial.layers,
        "notes": trial.notes,
        "train_images": len(data.splits["train"]),
    }


def draw_once(places: Places, no_pictures: bool) -> None:
    """Draw the curves, in one of several processes."""
    if processes.rank() == 0 and not no_pictures:
        from report import figures  # here: matplotlib takes a second to import

        figures.draw_curves(places.results)


def show_epoch(state: State, epochs: int, data: Data, progress: Progress) -> None:
    """Show the last epoch: passing on a terminal, a line in a file."""
    last = state.history[-1]
    losses = f"train_loss {last.train_loss:.4f}  valid_loss {last.valid_loss:.4f}"
    accuracies = (
        f"train_accuracy {last.train_accuracy:.4f}  valid_accuracy {last.valid_accuracy:.4f}"
    )
    larger_class = data.larger_class("valid")
    if last.valid_accuracy <= larger_class:
        accuracies += f" (larger class {larger_class:.4f})"
    seconds_left = state.seconds / state.epoch * (epochs - state.epoch)
    line = f"epoch {state.epoch} of {epochs}  {losses}  {accuracies}  {duration(seconds_left)} left"
    if progress.in_place:
        progress.show(line)
    else:
        progress.say(line)


def show_end(state: State, data: Data, places: Places, progress: Progress) -> None:
    """Say how the training ended, as test.py does where guessing is as good as its last epoch."""
    end = "diverged at" if state.diverged else "trained to"
    kept = kept_epoch(state.history)
    weights = f"epoch {kept}" if kept > 0 else "the initial weights"
    paths = f"weights: {places.weight}, curves: {places.results}"
    seconds = duration(state.seconds)
    accuracy = state.history[-1].valid_accuracy
    reached = f"validation accuracy {100 * accuracy:.4f}%"
    ended = f"{end} epoch {state.epoch}, {reached}"
    progress.say(f"{ended}; kept {weights}; {seconds}; {paths}")
    larger_class = data.larger_class("valid")
    if accuracy <= larger_class:
        progress.say(larger_class_line(larger_class).rstrip())


if __name__ == "__main__":
    run_program(partial(main, answer=TRIAL))
