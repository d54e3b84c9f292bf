"""One thing, one place to change it: each change that README names, done to a copy."""

from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import (
    PROJECT,
    Ended,
    copy_project,
    make_photos,
    read_table,
    refused,
    run_fork,
    run_sweep,
    small,
    train_arguments,
)

from records.files import file_digest

RESNET = """import torch
from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock


class CNN(ResNet):
    def __init__(self) -> None:
        torch.manual_seed(42)
        super().__init__(BasicBlock, [1, 1, 1, 1], num_classes=2)
        self.layer3 = self.layer4 = nn.Identity()  # without the half that has most weights
        self.fc = nn.Linear(128, 2)
"""
LOSS = """def hinge_loss(scores: Tensor, one_hot: Tensor) -> Tensor:
    return F.relu(1 - scores * (2 * one_hot - 1)).mean()


LOSSES: dict[str, Loss] = {
    "HingeLoss": hinge_loss,"""
SGD = "SGD(model.parameters(), settings.learning_rate, momentum=0.9)"
ADAM = "torch.optim.Adam(model.parameters(), settings.learning_rate)"
INPUTS = "scores = model(images.inputs(indices)).float()"
FLIPPED = """pixels = images.inputs(indices)
        pixels = torch.where(torch.rand(len(pixels), 1, 1, 1) < 0.5, pixels.flip(3), pixels)
        scores = model(pixels).float()"""
SETTINGS = "SETTINGS: dict[str, Option] = {"
DROPOUT = f"""{SETTINGS}
    "dropout": Option(Reader(float, lambda share: 0 <= share < 1, "a share"), 0.5, "dropped"),"""


def train(project: Path, photos: Path, out: Path, **settings: object) -> str:
    """Train with a copy of the project; the digest of the weights."""
    arguments = [train_arguments(photos, out, **settings), "--no_pictures"]
    ended = run_fork(project / "train.py", arguments)
    assert ended.status == 0, ended.err
    return file_digest(out / "w.pth")


class Swept(NamedTuple):
    """A sweep with a changed copy of the project: rows of results.csv, the page, what it noted."""

    project: Path
    rows: list[dict[str, str]]
    page: str
    notes: str

    def digests(self) -> list[str]:
        """Those of the weights of all rows."""
        return [file_digest(self.project / row["weight"]) for row in self.rows]

    def column(self, name: str) -> list[str]:
        return [row[name] for row in self.rows]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return make_photos(tmp_path_factory.mktemp("changes") / "photos")


def sweep(project: Path, photos: Path) -> Ended:
    return run_sweep(project, "--data", photos, "--image_size", 16, "--device", "cpu")


def results(project: Path, photos: Path) -> Swept:
    ended = sweep(project, photos)
    assert ended.status == 0, ended.out + ended.err
    rows = read_table(project / "result" / "results.csv")
    page = (project / "result" / "report.html").read_text()
    return Swept(project, rows, page, ended.err)


# --- another network, optimiser, augmentation ------------------------------------------------


@pytest.fixture(scope="module")
def resnet(photos, tmp_path_factory) -> Swept:
    """A sweep over epochs with a network of torchvision.

    16 images in batches of 5 leave one, which joins the batch before it.
    """
    edits = small('{"Change_epochs": [2]}', ('"batch_size": 32', '"batch_size": 5'))
    project = copy_project(tmp_path_factory.mktemp("resnet") / "project", my_script=edits)
    (project / "model.py").write_text(RESNET)
    return results(project, photos)


def test_another_network_goes_through_all_programs(resnet):
    assert resnet.column("epochs") == ["1", "2"]


def test_another_network_goes_on_with_the_same_bits(resnet, photos, tmp_path):
    at_once = train(resnet.project, photos, tmp_path, batch_size=5, epochs=2)
    assert resnet.digests()[1] == at_once


def test_the_layers_of_another_network_are_on_the_page(resnet):
    assert "<li>bn1: BatchNorm2d(" in resnet.page


def test_first_weights_that_no_seed_changes_are_told_before_training_and_on_the_page(resnet):
    assert "note: the first weights are the same for all seeds\n" in resnet.notes
    assert "The first weights are the same for all seeds" in resnet.page


STEPS = pytest.mark.parametrize(
    ("line", "other"), [(SGD, ADAM), (INPUTS, FLIPPED)], ids=["Adam", "flipped images"]
)


@STEPS
def test_another_step_goes_on_with_the_same_bits(line, other, photos, tmp_path):
    project = copy_project(tmp_path / "project", train=[(line, other)])
    train(project, photos, tmp_path / "grown", epochs=1)
    grown = train(project, photos, tmp_path / "grown", epochs=2)
    assert grown == train(project, photos, tmp_path / "once", epochs=2)


@STEPS
def test_another_step_gives_other_weights(line, other, photos, tmp_path):
    project = copy_project(tmp_path / "project", train=[(line, other)])
    changed = train(project, photos, tmp_path / "changed", epochs=1)
    assert changed != train(PROJECT, photos, tmp_path / "plain", epochs=1)


# --- a loss and settings more ----------------------------------------------------------------


@pytest.fixture(scope="module")
def sixth(photos, tmp_path_factory) -> Swept:
    """A sweep with a sixth loss function and a sixth thing to study."""
    studies = '{"Change_loss_function": ["HingeLoss"], "Change_dropout": [0.2, 0.5]}'
    edits = {
        "losses": [("LOSSES: dict[str, Loss] = {", LOSS)],
        "training/settings": [(SETTINGS, DROPOUT)],
        "my_script": small(studies, ("BASE = {", 'BASE = {"dropout": 0.5, ')),
    }
    project = copy_project(tmp_path_factory.mktemp("sixth") / "project", **edits)
    return results(project, photos)


def test_a_sixth_loss_is_an_entry(sixth):
    base = "CrossEntropyLoss"
    assert sixth.column("loss_function") == [base, "HingeLoss", base, base]
    assert "HingeLoss" in sixth.page


def test_a_sixth_thing_to_study_is_an_entry(sixth):
    assert sixth.column("dropout") == ["0.5", "0.5", "0.2", "0.5"]
    assert "dropout" in sixth.page


def test_the_bases_value_of_a_sixth_thing_is_trained_once(sixth):
    base, _, _, shared = sixth.digests()
    assert shared == base


def test_a_sixth_loss_gives_other_weights(sixth):
    base, hinge, _, _ = sixth.digests()
    assert hinge != base


def test_another_value_of_a_sixth_thing_gives_other_weights(sixth):
    base, _, dropped_less, _ = sixth.digests()
    assert dropped_less != base


THREE = f"""{SETTINGS}
    "widths": Option(whole_number(1), [8, 24, 48], "channels of the blocks", is_list=True),
    "augment": switch(False, "flip half of the images"),
    "weight_decay": Option(float, 0.0, "of SGD"),"""
DECAYED = "SGD(model.parameters(), settings.learning_rate, 0.9, settings.weight_decay)"
STATE = "    return state\n"  # the end of prepare


@pytest.fixture(scope="module")
def three(photos, tmp_path_factory) -> Swept:
    """A sweep over a list, a switch and a weight decay."""
    studies = """{
        "Change_widths": [[4, 6, 8], [8, 24, 48]],
        "Change_augment": [False, True],
        "Change_weight_decay": [0.0, 0.5],
    }"""
    base = 'BASE = {"widths": [8, 24, 48], "augment": False, "weight_decay": 0.0, '
    flips = "    state.flips = settings.augment\n"
    pixels = "images.inputs(indices).flip(3) if state.flips else images.inputs(indices)"
    edits = {
        "training/settings": [(SETTINGS, THREE)],
        "train": [(SGD, DECAYED), (STATE, flips + STATE), ("images.inputs(indices)", pixels)],
        "my_script": small(studies, ("BASE = {", base)),
    }
    project = copy_project(tmp_path_factory.mktemp("three") / "project", **edits)
    return results(project, photos)


def names_of(swept: Swept) -> list[str]:
    return [f"{row['study']}/{row['setting']}" for row in swept.rows]


def test_a_list_names_its_folder(three):
    assert names_of(three)[1:3] == ["Change_widths/4-6-8", "Change_widths/8-24-48"]


def test_a_switch_names_its_folder(three):
    assert names_of(three)[3:5] == ["Change_augment/off", "Change_augment/on"]


def test_a_list_is_in_the_table(three):
    assert three.column("widths")[:3] == ["8-24-48", "4-6-8", "8-24-48"]


def test_a_list_is_on_the_page(three):
    assert "4-6-8" in three.page


def test_the_bases_values_of_new_settings_are_trained_once(three):
    base, _, same_widths, not_flipped, _, not_decayed, _ = three.digests()
    assert base == same_widths == not_flipped == not_decayed


def test_other_values_of_new_settings_give_other_weights(three):
    base, narrow, _, _, flipped, _, decayed = three.digests()
    assert len({base, narrow, flipped, decayed}) == 4


def test_weights_of_a_studied_list_predict(three, photos):
    weight = three.project / three.rows[1]["weight"]
    arguments = ["--weight_path", weight, "--predict", photos / "test"]
    ended = run_fork(three.project / "test.py", arguments)
    assert ended.status == 0, ended.err
    assert ended.out.count("\n") == 10


# --- settings that nothing reads -------------------------------------------------------------

DECAY = f"""{SETTINGS}
    "weight_decay": Option(float, 0.0, "of SGD"),"""
DECAY_STUDY = small(
    '{"Change_weight_decay": [0.0, 100.0]}', ("BASE = {", 'BASE = {"weight_decay": 0.0, ')
)
FIXED_RATE = SGD.replace("settings.learning_rate", "0.01")
UNREAD = {
    "weight_decay": {"training/settings": [(SETTINGS, DECAY)], "my_script": DECAY_STUDY},
    "learning_rate": {
        "train": [(SGD, FIXED_RATE)],
        "my_script": small('{"Change_learning_rate": [0.01, 0.1]}'),
    },
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_study_of_a_setting_that_nothing_reads_is_refused(name, photos, tmp_path):
    project = copy_project(tmp_path / "project", **UNREAD[name])
    said = refused(run_sweep(project, "--data", photos, "--image_size", 16))
    assert f"Change_{name} varies {name}, which nothing reads; use settings.{name}" in said
    assert not (project / "weights").exists()


# --- settings that change nothing ------------------------------------------------------------

LATE = """for gamma in (1, 2):
    LOSSES[f"Focal{gamma}"] = lambda scores, targets: gamma * focal_loss(scores, targets)
"""
CHANGE_NOTHING = """{
    "Change_loss_function": ["CrossEntropyLoss", "Focal1", "Focal2"],
    "Change_batch_size": [32, 64, 128],
}"""


def test_settings_that_change_nothing_are_told_before_training(photos, tmp_path):
    project = copy_project(tmp_path / "project", my_script=small(CHANGE_NOTHING))
    with (project / "losses.py").open("a") as file:
        file.write(LATE)
    ended = run_sweep(project, "--data", photos, "--image_size", 16, "--dry_run")
    told = [line for line in ended.err.splitlines() if line.startswith("note: ")]
    losses, sizes = told
    same = "the same training"
    assert (
        losses
        == f'note: loss_function "Focal1" and "Focal2" of Change_loss_function: {same}, bit for bit'
    )
    assert sizes.startswith(
        f"note: batch_size 32 and 64 and 128 of Change_batch_size: {same}, one batch"
    )


# --- what cannot work ------------------------------------------------------------------------


class Fault(NamedTuple):
    """A line of a file, another that cannot work, and what is said of it."""

    file: str
    line: str
    other: str
    message: str


SCORES = Fault("model", "nn.Linear(hidden, 2)", "nn.Linear(hidden, 3)", "not two scores, (1, 2)")
KERNEL = Fault(
    "model", "Block(3, first, 3,", "Block(3, first, 19,", "--image_size 16 --batch_size "
)
RAISING = Fault(
    "losses",
    "return F.cross_entropy(",
    "raise ValueError('so\\nno') or (",
    "ValueError: so no (losses.py, line ",
)


class Refusals(NamedTuple):
    """A project with a fault, and what its programs made of it."""

    fault: Fault
    folder: Path
    trained: Ended
    swept: Ended


@pytest.fixture(scope="module", params=[SCORES, KERNEL, RAISING], ids=["scores", "kernel", "loss"])
def refusals(request, photos, tmp_path_factory) -> Refusals:
    fault, folder = request.param, tmp_path_factory.mktemp("fault")
    edits = {fault.file: [(fault.line, fault.other)]}
    project = copy_project(folder / "project", **edits)
    trained = run_fork(project / "train.py", train_arguments(photos, folder / "out"))
    return Refusals(fault, folder, trained, sweep(project, photos))


def test_what_cannot_work_is_refused_by_a_training(refusals):
    said = refused(refusals.trained)
    assert refusals.fault.message in said
    assert f"{refusals.fault.file}.py" in said


def test_what_cannot_work_is_refused_by_a_sweep(refusals):
    said = refused(refusals.swept)
    assert refusals.fault.message in said
    assert f"{refusals.fault.file}.py" in said


@pytest.mark.parametrize("name", ["out", "project/result", "project/weights"])
def test_what_cannot_work_leaves_nothing(name, refusals):
    assert not (refusals.folder / name).exists()
