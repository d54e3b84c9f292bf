"""A small training before the training: do network, loss and step do what is asked of them?

    trial = try_out(Program(prepare, train_epoch, has_ended, goes_on=True), options, device)

It runs train.py's own functions on a few images of noise and writes nothing. It tells of code
that fails, of a loss that teaches nothing, of state that no checkpoint holds, of random numbers
that no seed decides, and of results that depend on the number of epochs asked for.
"""

from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from console.errors import InputError
from dataset import Data
from records.runs import Layer
from training.batches import Images
from training.files import State, from_bytes, model_of, to_bytes
from training.network import (
    BrokenCode,
    blaming,
    describe_network,
    probe_scores,
    weights_of,
)
from training.processes import world_size
from training.settings import SETTINGS, option_words

EPOCHS = 2  # that each small training has
FAR = 1000  # epochs that a longer one is asked for; it too ends after EPOCHS
TOLERANCE = 1e-3  # of a GPU, on which some gradients have no repeatable last digits


class Program(NamedTuple):
    """What train.py does, and whether its longer trainings go on from shorter ones."""

    prepare: Callable[[Namespace, Images], State]
    train_epoch: Callable[[State, Images, int, int], None]
    has_ended: Callable[[State, int], bool]
    goes_on: bool


class Trial(NamedTuple):
    """What a trial tells: the network's layers, its images' memory format, notes for the user.

    `unread` are the settings that neither train.py nor the network has asked for.
    """

    layers: list[Layer]
    memory_format: torch.memory_format
    notes: list[str]
    unread: list[str]


class Watched(Namespace):
    """Options that note which of them are asked for."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values, asked_for=set())

    def __getattribute__(self, name: str) -> Any:
        values = super().__getattribute__("__dict__")
        if name == "__dict__":  # vars(options): whichever are used, nobody can see
            values["asked_for"].update(SETTINGS)
        else:
            values["asked_for"].add(name)
        return super().__getattribute__(name)


def try_out(program: Program, options: Namespace, device: torch.device) -> Trial:
    """Train a little; InputError that says what will not do, and where.

    A network that fails with images in channels_last memory, as `.view` does, gets them in
    contiguous memory.
    """
    try:
        return try_in(torch.channels_last, program, options, device)
    except BrokenCode as error:
        trial = try_in(torch.contiguous_format, program, options, device)
        trial.notes.append(f"images lie in contiguous memory, because in channels_last {error}")
        return trial


def try_in(
    memory_format: torch.memory_format, program: Program, options: Namespace, device: torch.device
) -> Trial:
    """Try out with images in one memory format."""
    images = Images(noise(options), device, memory_format)
    far = Watched(**vars(with_epochs(options, FAR)))
    layers = check_step(program, far, images)
    whole = Training(program, far, images)
    before = values_outside(whole.state.model)
    checkpoint = whole.train_one_epoch_and_save()
    whole.train_on()
    changed = changed_values(before, values_outside(whole.state.model))
    check_state_holds_all(whole)
    check_going_on(whole, checkpoint, changed)
    check_rebuilding(whole, changed)
    unread = [name for name in SETTINGS if name not in far.asked_for]
    if program.goes_on:
        check_length(whole, with_epochs(options, EPOCHS))
    notes = []
    if changed:
        notes.append(f"{', '.join(changed)} of model.py's CNN: changed by training, kept nowhere")
    for name in unread:
        notes.append(f"nothing reads {name}: whatever its value, the training is the same")
    return Trial(layers, memory_format, notes, unread)


def with_epochs(options: Namespace, epochs: int) -> Namespace:
    """Options of which the number of epochs is another."""
    changed = Namespace(**vars(options))
    changed.epochs = epochs
    return changed


def noise(options: Namespace) -> Data:
    """A few random images of both classes, as many as a batch needs."""
    train = 2
    valid = max(2, world_size())
    count = train + valid
    size = options.image_size
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return Data(
        images=images,
        targets=np.arange(count) % 2,
        splits={"train": np.arange(train), "valid": np.arange(train, count)},
        classes=["0", "1"],
        names=list(map(str, range(count))),
        mean=[0.5] * 3,
        std=[0.29] * 3,
    )


class Training:
    """A training of the trial."""

    def __init__(self, program: Program, options: Namespace, images: Images) -> None:
        self.program = program
        self.options = options
        self.images = images
        self.state = prepare(program, options, images)

    def train_on(self) -> None:
        """Train an epoch more, unless the training has diverged."""
        with blaming(step_text(self.options)):
            if not self.program.has_ended(self.state, self.options.epochs):
                settings = self.options.batch_size, self.options.seed
                self.program.train_epoch(self.state, self.images, *settings)

    def train_one_epoch_and_save(self) -> dict[str, Any]:
        """The checkpoint after an epoch, as it would be read from a file."""
        self.train_on()
        with blaming("a checkpoint of what train.py puts into its state"):
            return from_bytes(to_bytes(self.state.state_dict()))

    def train_both(self) -> None:
        """Train all epochs of a small training."""
        for _ in range(EPOCHS):
            self.train_on()

    def differences(self, other: "Training") -> list[str]:
        """What is not the same in the two states, by name."""
        ours = self.state.state_dict()
        theirs = other.state.state_dict()
        tolerance = tolerance_of(self.images.device)
        different = []
        for name in ours | theirs:
            if name == "seconds":
                continue
            if not same(ours.get(name), theirs.get(name), tolerance):
                different.append(name)
        return different


def tolerance_of(device: torch.device) -> float:
    """How far two equal trainings may differ on a device."""
    return 0.0 if device.type == "cpu" else TOLERANCE


def prepare(program: Program, options: Namespace, images: Images) -> State:
    """train.py's prepare; InputError if it fails."""
    with blaming(step_text(options)):
        return program.prepare(options, images)


def step_text(options: Namespace) -> str:
    """What is tried out, for a message."""
    return f"a step of train.py at {settings_text(options)}"


def settings_text(options: Namespace) -> str:
    """The settings that a failure may depend on, as options."""
    values = object.__getattribute__(options, "__dict__")  # which is no reading of them
    texts = []
    for name in ("image_size", *SETTINGS):
        if name not in ("epochs", "learning_rate"):
            words = option_words(name, values[name])
            texts.append(" ".join(words))
    return ", ".join(texts)


# --- one step --------------------------------------------------------------------------------


def check_step(program: Program, options: Namespace, images: Images) -> list[Layer]:
    """Take network and loss through a step, one after the other; the network's layers."""
    state = prepare(program, options, images)
    check_parameters(state)
    indices = images.splits["train"][: options.batch_size]
    with blaming(f"model.py's CNN at {settings_text(options)}"):
        layers = layers_of(state.model, images)
        state.model.train()
        outputs = state.model(images.inputs(indices))
        scores = scores_or_error(outputs, len(indices), "in training")
    loss_name = f"{options.loss_function} of losses.py"
    with blaming(loss_name):
        loss = state.loss_function(scores.float(), images.one_hot[indices])
        check_loss(loss)
        if loss.requires_grad:
            loss.backward()
    if not reaches_weights(state.model):
        why = "no gradient of it reaches a weight of the network"
        remedy = "mend it, or the last layer of model.py"
        raise InputError(f"{loss_name} teaches nothing: {why}; {remedy}")
    return layers


def check_loss(loss: object) -> None:
    """ValueError if what a loss gives is not one number."""
    if not isinstance(loss, Tensor):
        raise ValueError(f"it gives {type(loss).__name__}, not one number, a tensor of shape ()")
    if loss.shape != ():
        raise ValueError(f"it gives {tuple(loss.shape)}, not one number, a tensor of shape ()")


def reaches_weights(model: nn.Module) -> bool:
    """Whether some gradient of a network's weights is not zero."""
    for parameter in model.parameters():
        if parameter.grad is not None and parameter.grad.count_nonzero() > 0:
            return True
    return False


def check_parameters(state: State) -> None:
    """InputError if the network has no weights, or the optimiser trains none, or not the loss's."""
    network = trainable(state.model)
    if not network:
        raise InputError("model.py's CNN has no weights that can be trained; give it a layer")
    trained = set()
    for group in state.optimizer.param_groups:
        trained |= set(map(id, group["params"]))
    if not network & trained:
        raise InputError("train.py's optimizer has none of the network's weights; give it them all")
    of_loss = set()
    if isinstance(state.loss_function, nn.Module):
        of_loss = trainable(state.loss_function)
    if not of_loss <= trained:
        remedy = "give them to it in train.py, or make them buffers"
        raise InputError(f"the loss has weights that the optimizer does not train; {remedy}")


def trainable(module: nn.Module) -> set[int]:
    """Identities of the weights that have gradients."""
    identities = set()
    for parameter in module.parameters():
        if parameter.requires_grad:
            identities.add(id(parameter))
    return identities


def scores_or_error(scores: object, count: int, when: str) -> Tensor:
    """The scores of a network; ValueError if they are not two for each of `count` images."""
    if not isinstance(scores, Tensor):
        raise ValueError(f"{when} it gives a {type(scores).__name__}, not a tensor of scores")
    if tuple(scores.shape) != (count, 2) or not scores.is_floating_point():
        shape = f"{str(scores.dtype).removeprefix('torch.')} {tuple(scores.shape)}"
        raise ValueError(f"{when} it gives {shape}, not two scores for each of {count} images")
    return scores


@torch.no_grad()
def layers_of(model: nn.Module, images: Images) -> list[Layer]:
    """The layers that have parameters, in the order in which a network first uses them.

    Their test of one image must give two scores; ValueError if it does not.
    """
    layers: dict[nn.Module, Layer] = {}
    counted: set[int] = set()  # parameters that layers share are those of the first one
    names = {}
    for name, module in model.named_modules():
        if module._parameters:
            names[module] = name or "CNN"

    def note(module: nn.Module, _: tuple[Any, ...], output: object) -> None:
        text = f"{type(module).__name__}({module.extra_repr()})"
        shape = list(output.shape[1:]) if isinstance(output, Tensor) else []
        count = 0
        for values in module.parameters(recurse=False):
            if id(values) not in counted:
                counted.add(id(values))
                count += values.numel()
        layers.setdefault(module, Layer(names[module], text, shape, count))

    hooks = [module.register_forward_hook(note) for module in names]
    one_image = images.splits["valid"][:1]
    scores = model.eval()(images.inputs(one_image))
    scores_or_error(scores, 1, "in testing")
    for hook in hooks:
        hook.remove()
    return list(layers.values())


# --- a training that goes on -----------------------------------------------------------------


def check_state_holds_all(training: Training) -> None:
    """InputError if a schedule, or whatever else has a state_dict, is not in the state."""
    if has_lost_schedule(training.state):
        lost = "the schedule of the learning rate"
        remedy = "make it in prepare of train.py: state.schedule = ..., as README.md shows"
        raise InputError(f"{lost} would be lost when a training goes on; {remedy}")


def has_lost_schedule(state: State) -> bool:
    """Whether a schedule of torch's changes the learning rate, but none is in the state."""
    if not hasattr(state.optimizer.step, "_wrapped_by_lr_sched"):
        return False
    schedules = [value for value in vars(state).values() if isinstance(value, LRScheduler)]
    return not schedules


def check_going_on(whole: Training, checkpoint: dict[str, Any], changed: list[str]) -> None:
    """InputError if a training that goes on is not that which never stopped."""
    resumed = Training(whole.program, whole.options, whole.images)
    with blaming("going on from a checkpoint"):
        resumed.state.load_state_dict(checkpoint)
    resumed.train_on()
    different = whole.differences(resumed)
    if not different:
        return
    check_repeating(whole)
    lost = " and ".join(different)
    if changed:
        why = f"{', '.join(changed)} of model.py's CNN changes and is in no state_dict"
        remedy = "register_buffer() in model.py keeps it"
    else:
        why = "something that changes in training is in no checkpoint"
        remedy = "put it into `state` in train.py's prepare, as README.md shows"
    raise InputError(f"a training that goes on would differ in its {lost}: {why}; {remedy}")


def check_repeating(whole: Training) -> None:
    """InputError if the same small training gives other numbers a second time."""
    again = Training(whole.program, whole.options, whole.images)
    again.train_both()
    different = whole.differences(again)
    if different:
        what = " and ".join(different)
        why = "it draws random numbers that --seed does not decide, or keeps some between trainings"
        remedy = "draw with torch, numpy.random or random without a generator of your own"
        raise InputError(f"the same training twice differs in its {what}: {why}; {remedy}")


def check_length(whole: Training, options: Namespace) -> None:
    """InputError if the first epochs depend on how many are asked for."""
    short = Training(whole.program, options, whole.images)
    short.train_both()
    different = whole.differences(short)
    if different:
        check_repeating(whole)
        what = " and ".join(different)
        why = "the number of epochs asked for changes the first ones already, in"
        raise InputError(f"train.py: {why} {what}; set GOES_ON = False in training/settings.py")


def check_rebuilding(whole: Training, changed: list[str]) -> None:
    """InputError if test.py would build another network than the one trained."""
    images = whole.images
    model = whole.state.model
    network = describe_network(whole.options, images.memory_format)
    rebuilt = model_of({"network": network, "last": weights_of(model)}, "last", images.device)
    with blaming("model.py's CNN"):
        scores = probe_scores(model, network, images.device)
        rebuilt_scores = probe_scores(rebuilt, network, images.device)
    if not same(scores, rebuilt_scores, tolerance_of(images.device)):
        why = "something that decides its scores is not in its state_dict"
        which = f" ({', '.join(changed)})" if changed else ""
        remedy = "register_buffer() in model.py keeps it"
        raise InputError(f"test.py would test another network: {why}{which}; {remedy}")


# --- comparing -------------------------------------------------------------------------------


def values_outside(model: nn.Module) -> dict[str, Any]:
    """Tensors and numbers of a network that are not in its state_dict, by name."""
    values: dict[str, Any] = {}
    for path, module in model.named_modules():
        attributes = dict(vars(module))
        attributes.pop("training", None)
        for name in module._non_persistent_buffers_set:
            attributes[name] = module._buffers[name]
        for name, value in attributes.items():
            full_name = f"{path}.{name}" if path else name
            if isinstance(value, Tensor):
                values[full_name] = value.detach().clone()
            elif isinstance(value, (bool, int, float)):
                values[full_name] = value
    return values


def changed_values(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names of values that are not what they were."""
    changed = []
    for name, value in after.items():
        if not same(before.get(name), value, tolerance=0.0):
            changed.append(name)
    return changed


def same(old: object, new: object, tolerance: float) -> bool:
    """Whether two nested states hold the same tensors and plain values; NaN equals NaN."""
    if isinstance(old, Tensor) and isinstance(new, Tensor):
        return same_tensors(old, new, tolerance)
    if isinstance(old, dict) and isinstance(new, dict):
        return same_dicts(old, new, tolerance)
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        return same_lists(old, new, tolerance)
    if isinstance(old, float) and isinstance(new, float):
        return same_tensors(torch.tensor(old), torch.tensor(new), tolerance)
    return type(old) is type(new) and old == new


def same_tensors(old: Tensor, new: Tensor, tolerance: float) -> bool:
    """Whether two tensors are equal, or as near as a device repeats itself."""
    if old.shape != new.shape or old.dtype != new.dtype:
        return False
    if not old.is_floating_point():
        return torch.equal(old, new)
    return torch.allclose(old, new, rtol=tolerance, atol=tolerance, equal_nan=True)


def same_dicts(old: dict[Any, Any], new: dict[Any, Any], tolerance: float) -> bool:
    """Whether two dicts have the same keys and, by `same`, values."""
    if old.keys() != new.keys():
        return False
    return all(same(old[key], new[key], tolerance) for key in old)


def same_lists(old: Sequence[Any], new: Sequence[Any], tolerance: float) -> bool:
    """Whether two lists are as long and have, by `same`, the same values."""
    if len(old) != len(new):
        return False
    return all(same(*pair, tolerance) for pair in zip(old, new, strict=True))
