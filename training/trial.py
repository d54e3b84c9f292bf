"""A small training before the training: do network, loss and step do what is asked of them?

    trial = try_out(settings, image_size=64, device=torch.device("cpu"))

It runs train.py's own functions on a few images of noise and writes nothing. It refuses
code that fails, weights that do not move, what no checkpoint holds, random numbers that no seed
decides, and results that depend on the number of epochs asked for. What is odd and may be meant it
tells (training/doubts.py). What modules keep between trainings would stay behind in the process:
let nothing else train in it.
"""

import contextlib
import importlib
import itertools
import pickle
import sys
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from console.errors import InputError
from dataset import Data
from losses import Loss
from records.files import digest_of
from records.sources import import_closure
from training.archives import from_bytes, to_bytes
from training.batches import Images, score_all
from training.doubts import (
    doubts_about_layers,
    doubts_about_scores,
    doubts_about_weights,
)
from training.files import State, model_of
from training.lost import refuse_lost_values
from training.network import (
    ROOMS,
    BrokenCode,
    blaming,
    describe_network,
    layers_of,
    probe_scores,
    weights_of,
)
from training.settings import GOES_ON, SETTINGS, option_words
from training.tried import SAME_START, Trial, settings_of_trial

EPOCHS = 2  # that each small training has
FAR = 1000  # epochs that a longer one is asked for; it too ends after EPOCHS
TRAIN_IMAGES, VALID_IMAGES = 5, 2  # so that the first batches of the epochs have other classes
TOLERANCE = 1e-3  # of a GPU, on which some gradients have no repeatable last digits
# What to do about trainings that differ.
SEEDED = "draw random numbers by torch, numpy.random or random, without a generator of your own"
IN_STATE = "put what it needs into state (prepare of train.py), or into a buffer of model.py"
LENGTH = "set GOES_ON = False in training/settings.py"


def try_out(settings: Namespace, image_size: int, device: torch.device) -> Trial:
    """Train a little; InputError that says what will not do, and where.

    A network that fails with images in channels_last memory, as `.view` does, gets them in
    contiguous memory.
    """
    load_program()
    refuse_lost_values([Path(sys.modules[name].__file__ or "") for name in user_modules()])
    try:
        return try_in(torch.channels_last, settings, image_size, device)
    except BrokenCode as error:
        trial = try_in(torch.contiguous_format, settings, image_size, device)
        trial.notes.append(f"images lie in contiguous memory, because in channels_last {error}")
        return trial


def try_in(
    memory_format: torch.memory_format, settings: Namespace, image_size: int, device: torch.device
) -> Trial:
    """Try out with images in one memory format."""
    images = Images(noise(image_size), device, memory_format)
    tried = Namespace(**settings_of_trial(vars(settings)))
    start = partial(SmallTraining, tried, images)

    first = start(load_program(), seed=1)
    first_weights = first.weights()
    with blaming(f"model.py's CNN with {first.options}"):
        layers = layers_of(first.state.model, images)
        notes = doubts_about_scores(score_all(first.state.model, images, images.splits["valid"]))
    with blaming(f"{tried.loss_function} of losses.py"):
        check_loss(first.state.loss_function, images)
    notes += doubts_about_targets(first)

    program = load_program()
    whole = start(program)
    before = whole.weights()
    if same(first_weights, before, tolerance=0.0):
        notes.append(SAME_START)
    whole.train(1)
    checkpoint = whole.checkpoint()
    whole.train(EPOCHS)
    notes += doubts_about_weights(before, whole.weights())
    notes += doubts_about_layers(whole.state.model)
    check_again(start, program, whole)
    check_going_on(start, checkpoint, whole)
    check_rebuilding(whole)

    is_channels_last = memory_format == torch.channels_last
    fingerprint = digest_of(to_bytes(whole.values()).getvalue())
    return Trial(layers, is_channels_last, notes, fingerprint)


def noise(image_size: int) -> Data:
    """A few random images of both classes."""
    count = TRAIN_IMAGES + VALID_IMAGES
    random = np.random.default_rng(0)
    shape = (count, image_size, image_size, 3)
    return Data(
        images=random.integers(0, 256, shape, dtype=np.uint8),
        targets=np.arange(count) % 2,
        splits={"train": np.arange(TRAIN_IMAGES), "valid": np.arange(TRAIN_IMAGES, count)},
        classes=["0", "1"],
        names=list(map(str, range(count))),
        mean=[0.5] * 3,
        std=[0.29] * 3,
    )


# --- the user's program ----------------------------------------------------------------------


def load_program() -> ModuleType:
    """train.py imported anew, and what it imports of the user's: as a new process has them."""
    for name in user_modules():
        del sys.modules[name]
    with blaming("train.py"):
        return importlib.import_module("train")


def user_modules() -> list[str]:
    """The imported modules that decide a training and are in none of the program's rooms."""
    names = []
    for file in import_closure("train.py"):
        path = Path(file)
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        if path.parts[0] not in ROOMS and hasattr(sys.modules.get(name), "__file__"):
            names.append(name)
    return names


def module_values() -> dict[str, bytes]:
    """What stands at the top of the user's modules, by name; functions and classes by theirs."""
    values = {}
    for module in user_modules():
        for name, value in vars(sys.modules[module]).items():
            # What cannot be pickled, a module for one, may raise anything.
            with contextlib.suppress(Exception):
                if not name.startswith("__"):
                    values[f"{name} of {module}.py"] = pickle.dumps(value)
    return values


class SmallTraining:
    """A small training, with some settings of its own beside those that are tried."""

    def __init__(
        self, settings: Namespace, images: Images, program: ModuleType, **others: int
    ) -> None:
        self.settings = Namespace(**vars(settings) | {"epochs": FAR} | others)
        self.images = images
        self.program = program
        self.tolerance = 0.0 if images.device.type == "cpu" else TOLERANCE
        with blaming(self.step):
            self.state: State = program.prepare(self.settings, images)

    @property
    def options(self) -> str:
        """The settings that may have to do with what fails, for a message."""
        words = ["--image_size", str(self.images.size)]
        for name in SETTINGS:
            if name != "epochs":
                words += option_words(name, getattr(self.settings, name))
        return " ".join(words)

    @property
    def step(self) -> str:
        """What fails, for a message."""
        return f"a step of train.py with {self.options}"

    def train(self, epochs: int) -> None:
        """Train up to so many epochs, or until the training has ended."""
        size, seed = self.settings.batch_size, self.settings.seed
        with blaming(self.step):
            for _ in range(self.state.epoch, epochs):
                if not self.program.has_ended(self.state, self.settings.epochs):
                    self.program.train_epoch(self.state, self.images, size, seed)

    def checkpoint(self) -> dict[str, Any]:
        """What the file of a checkpoint would give."""
        with blaming("a checkpoint of what train.py puts into its state"):
            return from_bytes(to_bytes(self.state.state_dict()))

    def weights(self) -> dict[str, Tensor]:
        """Copies of all that can be trained in network and loss, by name."""
        named = list(self.state.model.named_parameters())
        if isinstance(self.state.loss_function, nn.Module):
            named += self.state.loss_function.named_parameters(prefix="loss_function")
        return {name: weight.detach().clone() for name, weight in named}

    def values(self) -> dict[str, Any]:
        """The state, but for its seconds."""
        values = self.state.state_dict()
        del values["seconds"]
        return values


Start = Callable[..., SmallTraining]  # with a program, and with other settings by name


def check_loss(loss_function: Loss, images: Images) -> None:
    """ValueError if a loss does not give one number that scores decide."""
    one_hot = images.one_hot[:2]
    scores = torch.zeros_like(one_hot, requires_grad=True)
    loss = loss_function(scores, one_hot)
    told = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
    if not isinstance(loss, Tensor) or loss.shape != ():
        raise ValueError(f"it gives {told}, not one number, a tensor of shape ()")
    if not loss.requires_grad:
        raise ValueError("it teaches nothing: no gradient of it reaches the scores")


def doubts_about_targets(training: SmallTraining) -> list[str]:
    """Whether train_epoch gives the loss scores where targets belong; it trains an epoch."""
    loss_function = training.state.loss_function
    swapped: list[bool] = []

    def note(inputs: tuple[Any, ...]) -> None:
        swapped.extend(getattr(value, "requires_grad", False) for value in inputs[1:2])

    def watched(*inputs: Any, **named: Any) -> Tensor:
        note(inputs)
        return loss_function(*inputs, **named)

    if isinstance(loss_function, nn.Module):  # train_epoch may use more of it
        loss_function.register_forward_pre_hook(lambda _, inputs: note(inputs))
    else:
        training.state.loss_function = watched
    training.train(1)
    if any(swapped):
        return ["train_epoch gives the loss its targets first; the order is (scores, one_hot)"]
    return []


def check_again(start: Start, program: ModuleType, whole: SmallTraining) -> None:
    """InputError if the same training again is another one, or leaves other values in modules."""
    left_behind = module_values()
    again = start(program)
    again.train(EPOCHS)
    changed = []
    for name, value in module_values().items():
        if left_behind.get(name) != value:
            changed.append(name)
    if changed:
        why = "changes in training and is in no checkpoint"
        raise InputError(f"{' and '.join(changed)} {why}; put it into state (prepare of train.py)")
    refuse_difference("the same training twice", whole, again, SEEDED)


def check_going_on(start: Start, checkpoint: dict[str, Any], whole: SmallTraining) -> None:
    """InputError if a training that was stopped, or one of fewer epochs, is another one."""
    resumed = start(load_program())
    with blaming("going on from a checkpoint"):
        resumed.state.load_state_dict(checkpoint)
    resumed.train(EPOCHS)
    refuse_difference("a training that goes on", whole, resumed, IN_STATE)
    if GOES_ON:
        short = start(load_program(), epochs=EPOCHS)
        short.train(EPOCHS)
        refuse_difference(
            f"one of {EPOCHS} epochs and the first {EPOCHS} of more", whole, short, LENGTH
        )


def refuse_difference(what: str, whole: SmallTraining, other: SmallTraining, remedy: str) -> None:
    """InputError if two trainings that should end in the same state do not."""
    ours, theirs = whole.values(), other.values()
    different = []
    for name in ours | theirs:
        if not same(ours.get(name), theirs.get(name), whole.tolerance):
            different.append(name)
    if different:
        raise InputError(f"{what} would differ in {' and '.join(different)}; {remedy}")


def check_rebuilding(whole: SmallTraining) -> None:
    """InputError if test.py would build another network than the one trained."""
    images, model = whole.images, whole.state.model
    network = describe_network(whole.settings, images)
    weight = {"network": network, "last": weights_of(model)}
    try:
        rebuilt = model_of(weight, "last", images.device)
    except RuntimeError:  # other names or shapes
        why = "prepare of train.py makes another network than CNN of model.py"
        raise InputError(f"{why}, which test.py builds; change it in model.py") from None
    with blaming("model.py's CNN"):
        scores = probe_scores(model, network, images.device)
        rebuilt_scores = probe_scores(rebuilt, network, images.device)
    if not same(scores, rebuilt_scores, whole.tolerance):
        why = "something that decides its scores is not in its state_dict"
        remedy = "register_buffer() in model.py keeps it; what prepare changes belongs into CNN"
        raise InputError(f"test.py would test another network: {why}; {remedy}")


def same(old: Any, new: Any, tolerance: float) -> bool:
    """Whether two nested states hold the same tensors and plain values; NaN equals NaN."""
    if isinstance(old, dict) and isinstance(new, dict):
        return list(old) == list(new) and same(list(old.values()), list(new.values()), tolerance)
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        return len(old) == len(new) and all(map(same, old, new, itertools.repeat(tolerance)))
    if not isinstance(old, (Tensor, float)):
        return bool(old == new)
    try:
        torch.testing.assert_close(new, old, rtol=tolerance, atol=tolerance, equal_nan=True)
    except (AssertionError, TypeError):  # of other types
        return False
    return True
