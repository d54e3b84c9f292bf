"""Networks, losses and steps of a user's own: right, or refused in one line before training."""

import shutil
import sys
import types
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from conftest import PROJECT, arguments_for_test, make_photos, read_table, train_arguments
from torch import Tensor, nn

import losses
import model
from console.errors import InputError
from records.files import file_digest
from training.trial import try_out
from training.tried import Trial

CPU = torch.device("cpu")


class Small(nn.Module):
    """A stem, a mean over the image, and a head: what the networks below have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.stem: nn.Module = nn.Conv2d(3, 8, 3, padding=1)
        self.head: nn.Module = nn.Linear(8, 2)

    def features(self, images: Tensor) -> Tensor:
        return F.relu(self.stem(images)).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class View(Small):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8 * 8 * 8, 2)

    def forward(self, images: Tensor) -> Tensor:
        features = F.max_pool2d(self.stem(images), 2)
        return self.head(features.view(-1, 8 * 8 * 8))


class Perceptron(nn.Module):
    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * image_size**2, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.view(images.size(0), -1))


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.LazyConv2d(8, 3)
        self.norm = nn.LazyBatchNorm2d()
        self.head = nn.LazyLinear(2)

    def forward(self, images: Tensor) -> Tensor:
        features = F.relu(self.norm(self.conv(images)))
        return self.head(F.max_pool2d(features, 2).flatten(1))


class Bfloat16(Small):
    def __init__(self) -> None:
        super().__init__()
        self.bfloat16()

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.bfloat16())


class RandomBuffer(Small):
    projection: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("projection", torch.randn(8, 8), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(F.relu(self.features(images) @ self.projection))


class NumpyConstant(RandomBuffer):
    def __init__(self) -> None:
        super().__init__()
        import numpy as np

        del self.projection
        self.projection = torch.from_numpy(np.random.rand(8, 8)).float()


class PythonRandom(Small):
    def forward(self, images: Tensor) -> Tensor:
        import random

        return super().forward(images) * (random.random() if self.training else 1)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.one = nn.Linear(8, 8)
        self.two = nn.Linear(8, 8)
        self.two.weight = self.one.weight
        self.head = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stem(images).mean((2, 3))
        hidden = F.relu(self.one(features))
        return self.head(self.two(hidden))


class Normalised(Small):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3, padding=1))
        self.head = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 2))


WORKING: list[type[nn.Module]] = [
    Perceptron,
    Lazy,
    Bfloat16,
    RandomBuffer,
    NumpyConstant,
    PythonRandom,
    Tied,
    Normalised,
]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Have model.py define this CNN."""

    def replace(network: object) -> None:
        monkeypatch.setitem(sys.modules, "model", types.SimpleNamespace(CNN=network))

    return replace


@pytest.fixture
def use_loss(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Have losses.py define this one too, as "tried"."""

    def add(loss: object) -> None:
        more = types.SimpleNamespace(LOSSES={**losses.LOSSES, "tried": loss}, Loss=losses.Loss)
        monkeypatch.setitem(sys.modules, "losses", more)

    return add


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images whose validation images are tested too."""
    root = make_photos(tmp_path_factory.mktemp("networks"))
    shutil.copytree(root / "test", root / "valid")
    return root


class Trainings(NamedTuple):
    """A network, the folder of its three trainings, and what each of them said."""

    network: type[nn.Module]
    folder: Path
    said: list[str]


@pytest.fixture(scope="module", params=WORKING, ids=lambda network: network.__name__)
def trainings(request, call, photos, tmp_path_factory) -> Trainings:
    """A training of one epoch that went on to two, and one of two."""
    network, folder = request.param, tmp_path_factory.mktemp("network")

    def train_in(name: str, epochs: int) -> str:
        arguments = train_arguments(photos, folder / name, epochs=epochs)
        ended = call("train", arguments, "--no_pictures")
        assert ended.status == 0, ended.err
        return ended.out

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))  # no trial of another network
        patch.setitem(sys.modules, "model", types.SimpleNamespace(CNN=network))
        first = train_in("grown", epochs=1)
        second = train_in("grown", epochs=2)
        once = train_in("once", epochs=2)
    return Trainings(network, folder, [first, second, once])


def test_a_longer_training_of_a_network_goes_on_from_a_shorter_one_alone(trainings):
    goes_on = ["going on after epoch 1" in text for text in trainings.said]
    assert goes_on == [False, True, False]


@pytest.mark.parametrize("name", ["w.pth", "r/history.csv"])
def test_a_training_of_a_network_goes_on_with_the_same_bits(name, trainings):
    grown, once = (trainings.folder / folder / name for folder in ("grown", "once"))
    assert file_digest(grown) == file_digest(once)


def test_the_network_that_was_trained_is_the_one_tested(trainings, use, call):
    use(trainings.network)
    torch.manual_seed(5)  # another network, if it were made anew
    tested = call("test", arguments_for_test(trainings.folder / "once"), "--no_pictures")
    history = read_table(trainings.folder / "once/r/history.csv")
    valid_accuracy = float(history[-1]["valid_accuracy"])
    assert f"Last epoch: {100 * valid_accuracy:.4f}%" in tested.out, tested.err


SETTINGS: dict[str, object] = {
    "epochs": 20,
    "batch_size": 4,
    "learning_rate": 0.01,
    "loss_function": "CrossEntropyLoss",
    "seed": 0,
}


def run_trial(image_size: int = 16, **settings: object) -> Trial:
    """Try out what model.py, losses.py and train.py hold now."""
    return try_out(Namespace(**{**SETTINGS, **settings}), image_size, CPU)


def message(**settings: object) -> str:
    """The line in which a trial refuses."""
    with pytest.raises(InputError) as refusal:
        run_trial(**settings)
    return str(refusal.value)


@pytest.fixture(scope="module")
def plain_trial() -> Trial:
    """A trial of the network of model.py."""
    return run_trial(image_size=64)


def test_a_trial_tells_every_layer_with_the_shape_it_gives(plain_trial):
    told = [(layer["name"], layer["shape"]) for layer in plain_trial.layers]
    assert told == [
        ("conv1", [8, 32, 32]),
        ("conv2", [24, 16, 16]),
        ("conv3", [48, 8, 8]),
        ("hidden", [64]),
        ("output", [2]),
    ]


def test_a_trial_counts_all_numbers_that_are_trained(plain_trial):
    parameters = model.CNN().parameters()
    numbers = sum(values.numel() for values in parameters)
    assert sum(layer["parameters"] for layer in plain_trial.layers) == numbers


class Shared(Small):
    """A layer is used twice, and another one has its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(8, 2)
        self.other.weight = self.head.weight

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        return self.head(features) + self.head(features**2) + self.other(features)


def test_what_layers_share_is_told_once(use):
    use(Shared)
    layers = run_trial().layers
    assert [layer["name"] for layer in layers] == ["stem", "head", "other"]
    numbers = sum(values.numel() for values in Shared().parameters())
    assert sum(layer["parameters"] for layer in layers) == numbers


def test_the_network_of_model_py_runs_in_the_faster_format_without_a_note(plain_trial):
    assert plain_trial.channels_last
    assert plain_trial.notes == []


def test_a_network_that_needs_contiguous_memory_gets_it_with_a_word(use):
    use(View)
    trial = run_trial()
    assert not trial.channels_last
    assert "contiguous memory" in trial.notes[0]
    assert "view size is not compatible" in trial.notes[0]


# --- networks that are refused ---------------------------------------------------------------


class RunningState(Small):
    run: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("run", torch.zeros(8), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        if self.training:
            self.run.mul_(0.9).add_(0.1 * features.detach().mean(0))
        return self.head(features - self.run)


class Counter(Small):
    steps = 0

    def forward(self, images: Tensor) -> Tensor:
        self.steps += self.training
        return super().forward(images) / self.steps


class TwoOutputs(Small):
    def forward(self, images: Tensor) -> Any:
        scores = super().forward(images)
        return (scores, images) if self.training else scores


class ThreeScores(Small):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)


class Squeezed(Small):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).squeeze()


class OwnGenerator(Small):
    def forward(self, images: Tensor) -> Tensor:
        import numpy as np

        noise = np.random.default_rng().random() if self.training else 1.0
        return super().forward(images) * noise


class NeedsArgument(Small):
    def __init__(self, channels: int) -> None:
        super().__init__()


class NoWeights(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))[:, :2]


class Unfinished(Small):
    def forward(self, images: Tensor) -> Tensor:
        raise NotImplementedError


def not_a_network() -> list:
    return []


class SameSeed(Small):
    def __init__(self) -> None:
        torch.manual_seed(42)
        super().__init__()


class Frozen(Small):
    def __init__(self) -> None:
        super().__init__()
        self.stem.requires_grad_(False)


class PlainList(Small):
    def __init__(self) -> None:
        super().__init__()
        self.more = [nn.Linear(2, 2)]

    def forward(self, images: Tensor) -> Tensor:
        return self.more[0](super().forward(images))


class Softmax(Small):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).softmax(1)


TOLD = {
    SameSeed: "the first weights are the same for all seeds",
    Frozen: "2 of 4 tensors are trained; not: stem.weight, stem.bias",
    PlainList: "layers in more are no part of the network; nn.ModuleList or",
    Softmax: "the scores of an image sum to 1; leave out the softmax",
}


@pytest.mark.parametrize("network", TOLD, ids=lambda network: network.__name__)
def test_what_is_odd_and_may_be_meant_is_told(network, use):
    use(network)
    told = run_trial().notes
    assert sum(TOLD[network] in note for note in told) == 1


REFUSED = {
    RunningState: "a training that goes on would differ in model and optimizer and kept",
    Counter: "put what it needs into state (prepare of train.py), or into a buffer of model.py",
    TwoOutputs: "fails: AttributeError: 'tuple' object has no attribute 'float' (train.py, line ",
    ThreeScores: "CNN of model.py gives (1, 3) for one image, not two scores, (1, 2)",
    Squeezed: "CNN of model.py gives (2,) for one image, not two scores",
    OwnGenerator: "the same training twice would differ in model and optimizer and kept",
    NeedsArgument: "model.py's CNN() fails: TypeError",
    NoWeights: "element 0 of tensors does not require grad",
    Unfinished: "--learning_rate 0.01 --loss_function CrossEntropyLoss fails: NotImplementedError",
    not_a_network: "it gives list, not a torch.nn.Module",
}


@pytest.mark.parametrize("network", REFUSED, ids=lambda network: network.__name__)
def test_a_network_that_cannot_be_right_is_refused_with_its_reason(network, use):
    use(network)
    assert REFUSED[network] in message()


def test_a_network_in_place_of_what_makes_one_is_refused(use):
    use(Small())
    assert "it is a network, not what makes one; write def CNN(): return" in message()


def test_a_model_py_without_a_cnn_is_one_line(use, monkeypatch):
    monkeypatch.setitem(sys.modules, "model", types.SimpleNamespace(Net=Small))
    assert "model.py fails: ImportError: cannot import name 'CNN'" in message()


# --- losses ----------------------------------------------------------------------------------


class Weighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, scores: Tensor, one_hot: Tensor) -> Tensor:
        return F.cross_entropy(scores * self.weight, one_hot)


def detached(scores: Tensor, one_hot: Tensor) -> Tensor:
    return F.mse_loss(scores.detach(), one_hot)


def counted(scores: Tensor, one_hot: Tensor) -> Tensor:
    wrong = scores.argmax(1) != one_hot.argmax(1)
    return wrong.float().mean()


def times_zero(scores: Tensor, one_hot: Tensor) -> Tensor:
    return 0 * scores.sum()


def one_in_a_row(scores: Tensor, one_hot: Tensor) -> Tensor:
    return F.mse_loss(scores, one_hot)[None]


def one_for_each_image(scores: Tensor, one_hot: Tensor) -> Tensor:
    errors = (scores - one_hot) ** 2
    return errors.sum(1)


def a_number(scores: Tensor, one_hot: Tensor) -> float:
    return 1.0


def of_class_numbers(scores: Tensor, one_hot: Tensor) -> Tensor:
    return F.nll_loss(scores, one_hot)


REFUSED_LOSSES = [
    (detached, "losses.py fails: ValueError: it teaches nothing: no gradient"),
    (counted, "teaches nothing: no gradient"),
    (times_zero, "teaches nothing: no weight has moved"),
    (one_in_a_row, "it gives shape (1,), not one number"),
    (one_for_each_image, "it gives shape (2,), not one number"),
    (a_number, "it gives float, not one number"),
    (nn.CrossEntropyLoss, "is a class, not what it makes; write CrossEntropyLoss() in losses.py"),
    (of_class_numbers, "losses.py fails: RuntimeError"),
]


@pytest.mark.parametrize(("loss", "reason"), REFUSED_LOSSES)
def test_a_loss_that_cannot_teach_is_refused_with_its_reason(loss, reason, use_loss):
    use_loss(loss)
    said = message(loss_function="tried")
    assert reason in said
    assert "loss" in said


def test_weights_of_a_loss_that_are_not_trained_are_told(use_loss):
    use_loss(Weighted())
    told = run_trial(loss_function="tried").notes
    assert told == ["10 of 11 tensors are trained; not: loss_function.weight"]


# --- the step of train.py --------------------------------------------------------------------


STATE = "    return state\n"  # the end of prepare
END = "    state.seconds += time"  # of train_epoch
SCHEDULE = "    state.schedule = torch.optim.lr_scheduler.{}\n" + STATE
STEPPED = (END, "    state.schedule.step()\n" + END)


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have train.py hold other lines."""

    def write(*edits: tuple[str, str]) -> None:
        text = (PROJECT / "train.py").read_text()
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / "train.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)

    return write


SCHEDULES = ["StepLR(optimizer, 1)", "LambdaLR(optimizer, lambda epoch: (epoch + 1) / 5)"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_in_the_state_is_tried_out_with_going_on(schedule, edit):
    edit((STATE, SCHEDULE.format(schedule)), STEPPED)
    run_trial()


HALVED = "    {0} *= 0.5\n    state.optimizer.param_groups[0]['lr'] = {0}\n" + END
LAST = "    if epoch > 0.8 * state.last: state.optimizer.param_groups[0]['lr'] = 1e-4\n"
CLASS = "type('Average', (), {'shadow': 1})()"
STEPS = {
    "a value in the state": [
        (STATE, "    state.rate = settings.learning_rate\n" + STATE),
        (END, HALVED.format("state.rate")),
    ],
    "the optimizer's own rate": [
        (END, "    state.optimizer.param_groups[0]['lr'] *= 0.5\n" + END),
    ],
    "an averaged model": [
        (STATE, "    state.average = torch.optim.swa_utils.AveragedModel(model)\n" + STATE),
        (END, "    state.average.update_parameters(state.model)\n" + END),
    ],
    "a cosine that none goes on from": [
        (STATE, SCHEDULE.format("CosineAnnealingLR(optimizer, settings.epochs)")),
        STEPPED,
    ],
    "a loss with weights": [
        ("SGD(model.parameters(), ", "SGD([*model.parameters(), *loss_function.parameters()], "),
    ],
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_the_users_own_is_tried_out_with_going_on(name, edit, use_loss, monkeypatch):
    use_loss(Weighted())
    edit(*STEPS[name])
    monkeypatch.setattr("training.trial.GOES_ON", "none goes on" not in name)
    run_trial(loss_function="tried" if "loss" in name else "CrossEntropyLoss")


LOST = {
    "a cosine over the epochs asked for": (
        [(STATE, SCHEDULE.format("CosineAnnealingLR(optimizer, settings.epochs)")), STEPPED],
        "and schedule; set GOES_ON = False in training/settings.py",
    ),
    "a rate of the last epochs": (
        [(STATE, "    state.last = settings.epochs\n" + STATE), (END, LAST + END)],
        "the first 2 of more would differ in optimizer and last; set GOES_ON",
    ),
    "a rate in a list of the module": (
        [("def main(", "RATES = [0.01]\n\n\ndef main("), (END, HALVED.format("RATES[0]"))],
        "RATES of train.py changes in training and is in no checkpoint; put it into state",
    ),
    "a schedule out of the state": (
        [
            (STATE, SCHEDULE.format("StepLR(optimizer, 10)").replace("state.", "optimizer.")),
            (END, "    state.optimizer.schedule.step()\n" + END),
        ],
        "the schedule of the learning rate would be lost",
    ),
    "an average without state_dict": (
        [(STATE, f"    state.average = {CLASS}\n" + STATE)],
        "state.average has no state_dict and is no plain value",
    ),
    "an optimizer without the network": (
        [("SGD(model.parameters(), ", "SGD([torch.nn.Parameter(torch.ones(1))], ")],
        "no weight has moved; mend backward(), step() or the optimizer in train.py",
    ),
    "a wrong argument": (
        [("SGD(model.parameters(), settings.learning_rate", "SGD(model.parameters(), lr=0.1")],
        "a step of train.py with --image_size 16 --batch_size 2 --learning_rate 0.01 "
        "--loss_function CrossEntropyLoss fails: TypeError",
    ),
}


@pytest.mark.parametrize("name", LOST)
def test_a_step_that_going_on_would_lose_is_refused_with_its_reason(name, edit):
    edits, reason = LOST[name]
    edit(*edits)
    assert reason in message()


OTHERS = {
    "parallel": "model = torch.nn.DataParallel(model)",
    "another head": "model.more = torch.nn.Linear(2, 2)",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_network_that_prepare_changes_is_refused(name, edit):
    built = "model = build_network(network, images.device)"
    edit((built, f"{built}\n    {OTHERS[name]}"))
    assert "makes another network than CNN of model.py, which test.py builds" in message()


def test_targets_before_scores_are_told(edit):
    edit(("loss_function(scores, images.one_hot[indices])", SWAPPED))
    assert "train_epoch gives the loss its targets first" in " ".join(run_trial().notes)


SWAPPED = "loss_function(images.one_hot[indices], scores)"


# --- values that modules keep ----------------------------------------------------------------

LOSS = "loss = state.loss_function(scores, "
STOPPING = """    STOP["wait"] = 0 if row.valid_loss < STOP["best"] else STOP["wait"] + 1
    STOP["best"] = min(STOP["best"], row.valid_loss)
"""
MODULE = "def main("
BEGINS = "    started = time"
BATCHES = "    for indices in batches"
FILLED = "                seen[state.epoch] = state.history[-1]\n"
KEPT_IN_MODULES = {
    "a count": [(MODULE, "COUNT = [0]\n\n\n" + MODULE), (END, "    COUNT[0] += 1\n" + END)],
    "losses": [
        (MODULE, "SEEN = []\n\n\n" + MODULE),
        (END, "    SEEN.append(row.valid_loss)\n" + END),
    ],
    "early stopping": [
        (MODULE, 'STOP = {"best": 9.0, "wait": 0}\n\n\n' + MODULE),
        ("or state.diverged", 'or STOP["wait"] > 9'),
        (END, STOPPING + END),
    ],
    "a generator": [
        (MODULE, "RANDOM = torch.Generator()\n\n\n" + MODULE),
        (LOSS, "scores = scores * torch.rand(2, generator=RANDOM)\n        " + LOSS),
    ],
    "what the first batch told": [
        (MODULE, "TOLD = {}\n\n\n" + MODULE),
        (LOSS, "weight = TOLD.setdefault(0, images.one_hot[indices].mean(0))\n        " + LOSS),
        (LOSS, LOSS.replace("scores", "scores * weight")),
    ],
}


@pytest.mark.parametrize("name", KEPT_IN_MODULES)
def test_what_modules_keep_between_epochs_is_refused(name, edit):
    edit(*KEPT_IN_MODULES[name])
    assert "state (prepare of train.py)" in message()


EPOCHS = "            while not has_ended("
WROTE = "                show_epoch("
STOPS = """                valid_loss = state.history[-1].valid_loss
                wait = 0 if valid_loss < best else wait + 1
                best = min(best, valid_loss)
"""
AFTERWARDS = "                state.schedule.step()\n"
BESIDE_STATE = {
    "a global": (
        [(MODULE, "COUNT = 0\n\n\n" + MODULE), (BEGINS, "    global COUNT\n" + BEGINS)],
        "global COUNT; a training that goes on would not have it: write state.COUNT",
    ),
    "early stopping beside the loop": (
        [(EPOCHS, '            best, wait = float("inf"), 0\n' + EPOCHS), (WROTE, STOPS + WROTE)],
        "is set before the loop over epochs and again in it",
    ),
    "an entry beside the loop": (
        [(EPOCHS, "            seen = {}\n" + EPOCHS), (WROTE, FILLED + WROTE)],
        "seen is set before the loop over epochs and again in it",
    ),
    "a schedule stepped after the checkpoint": (
        [(STATE, SCHEDULE.format("StepLR(optimizer, 1)")), (WROTE, AFTERWARDS + WROTE)],
        "state.schedule.step() stands after write_checkpoint; a training that goes on would not",
    ),
    "a break": (
        [(WROTE, "                if state.epoch > 2:\n                    break\n" + WROTE)],
        "break leaves the loop over epochs; a training that goes on would not have it: write it in",
    ),
}


@pytest.mark.parametrize("name", BESIDE_STATE)
def test_what_stands_beside_the_state_is_refused_with_its_line(name, edit, tmp_path):
    edits, reason = BESIDE_STATE[name]
    edit(*edits)
    assert f"{tmp_path / 'train.py'}, line " in message()
    assert reason in message()


RATES = """    rate, rates = settings.learning_rate, []
    for epoch in range(settings.epochs):
        rate *= 0.5
        rates.append(rate)
"""


def test_a_loop_over_epochs_that_trains_none_has_variables(edit):
    edit((STATE, RATES + STATE))
    run_trial()


def test_a_step_may_use_more_of_a_loss_than_its_value(edit, use_loss):
    use_loss(Weighted())
    used = "    state.loss_function.weight.requires_grad_(False)\n"
    edit((BEGINS, used + BEGINS), STEPS["a loss with weights"][0])
    run_trial(loss_function="tried")


def test_sums_over_the_batches_of_an_epoch_are_variables(edit):
    edit((BATCHES, "    seen = 0\n" + BATCHES), (LOSS, "seen += len(indices)\n        " + LOSS))
    run_trial()


def test_what_is_worked_out_once_from_all_images_may_be_kept_in_a_module(edit):
    counts = "weight = TOLD.setdefault(0, images.one_hot.mean(0))\n        "
    edit((MODULE, "TOLD = {}\n\n\n" + MODULE), (LOSS, counts + LOSS), KEPT_IN_MODULES[FIRST][2])
    run_trial()


FIRST = "what the first batch told"


def test_a_trial_begins_with_what_modules_hold_at_first(edit):
    edit(*KEPT_IN_MODULES["what the first batch told"][:1])
    first = run_trial()
    sys.modules["train"].TOLD[0] = 5.0
    assert run_trial() == first
    assert sys.modules["train"].TOLD == {}


# --- what a trial tells of settings ----------------------------------------------------------


def fingerprint(**settings: object) -> str:
    return run_trial(**settings).fingerprint


def test_settings_that_decide_nothing_of_a_few_steps_have_one_fingerprint():
    assert fingerprint(seed=3, epochs=7, batch_size=64) == fingerprint()


@pytest.mark.parametrize(("name", "value"), [("learning_rate", 0.1), ("loss_function", "MSELoss")])
def test_settings_that_decide_something_have_their_own_fingerprint(name, value):
    assert fingerprint(**{name: value}) != fingerprint()
