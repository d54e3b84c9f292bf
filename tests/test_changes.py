"""One thing, one place to change it: each change that README names, done to a copy."""

from pathlib import Path

import pytest
from conftest import PROJECT, Ended, copy_project, run_fork, run_sweep, small, train_arguments

from records.files import file_digest, read_csv

RESNET = """from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock


class CNN(ResNet):
    def __init__(self) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2], num_classes=2)  # resnet18
        self.layer3 = self.layer4 = nn.Identity()  # its first half: 0.7 of 11 million weights
        self.fc = nn.Linear(128, 2)
"""
LOSS = """def hinge_loss(scores: Tensor, one_hot: Tensor) -> Tensor:
    return F.relu(1 - scores * (2 * one_hot - 1)).mean()


LOSSES: dict[str, Loss] = {
    "HingeLoss": hinge_loss,"""
SGD = "SGD(model.parameters(), options.learning_rate, momentum=0.9)"
ADAM = "torch.optim.Adam(model.parameters(), options.learning_rate)"
INPUTS = "outputs = model(images.inputs(share))"
FLIPPED = """pixels = images.inputs(share)
        pixels = torch.where(torch.rand(len(pixels), 1, 1, 1) < 0.5, pixels.flip(3), pixels)
        outputs = model(pixels)"""
SETTINGS = "SETTINGS: dict[str, Option] = {"
DROPOUT = f"""{SETTINGS}
    "dropout": Option(Reader(float, lambda share: 0 <= share < 1, "a share"), 0.5, "dropped"),"""


def train(project: Path, photos: Path, out: Path, **settings: object) -> str:
    """Train with a copy of the project; the digest of the weights."""
    arguments = [*train_arguments(photos, out, **settings), "--no_pictures"]
    ended = run_fork(project / "train.py", *arguments)
    assert ended.status == 0, ended.err
    return file_digest(out / "w.pth")


def goes_on(project: Path, photos: Path, out: Path, **settings: object) -> str:
    """Train one epoch, go on to two, and train two at once: the digest that both have."""
    train(project, photos, out / "grown", epochs=1, **settings)
    grown = train(project, photos, out / "grown", epochs=2, **settings)
    assert len(read_csv(out / "grown/r/history.csv")) == 2
    assert grown == train(project, photos, out / "once", epochs=2, **settings)
    return grown


def sweep(project: Path, photos: Path) -> Ended:
    arguments = ["--data", photos, "--image_size", 16, "--device", "cpu"]
    return run_sweep(project, *arguments)


def results(project: Path, photos: Path) -> tuple[list[dict], str]:
    """The rows of results.csv and the page of a sweep with a copy of the project."""
    ended = sweep(project, photos)
    assert ended.status == 0, ended.out + ended.err
    page = (project / "result" / "report.html").read_text()
    return read_csv(project / "result" / "results.csv"), page


def test_another_network_goes_through_all_programs_and_on_with_the_same_bits(photos, tmp_path):
    edits = [*small('{"Change_epochs": [2]}'), ('"batch_size": 32', '"batch_size": 5')]
    project = copy_project(tmp_path / "project", my_script=edits)
    (project / "model.py").write_text(RESNET)
    # 16 images in batches of 5 leave one, which joins the batch before it.
    at_once = train(project, photos, tmp_path, batch_size=5, epochs=2)
    rows, page = results(project, photos)
    assert [row["epochs"] for row in rows] == ["1", "2"], "the second goes on from the first"
    assert file_digest(project / rows[1]["weight"]) == at_once
    assert ">bn1<" in page


@pytest.mark.parametrize(("line", "others"), [(SGD, ADAM), (INPUTS, FLIPPED)])
def test_another_optimiser_or_flipped_images_go_on(line, others, photos, tmp_path):
    project = copy_project(tmp_path / "project", train=[(line, others)])
    assert goes_on(project, photos, tmp_path) != train(PROJECT, photos, tmp_path / "plain")


def test_a_sixth_loss_and_a_sixth_thing_to_study_are_entries_and_their_use(photos, tmp_path):
    edits = {"losses": [("LOSSES: dict[str, Loss] = {", LOSS)]}
    edits |= {"console/options": [(SETTINGS, DROPOUT)]}
    text = '{"Change_loss_function": ["HingeLoss"], "Change_dropout": [0.2, 0.5]}'
    edits["my_script"] = [*small(text), ("BASE = {", 'BASE = {"dropout": 0.5, ')]
    project = copy_project(tmp_path / "project", **edits)
    rows, page = results(project, photos)
    assert [row["dropout"] for row in rows] == ["0.5", "0.5", "0.2", "0.5"] and "dropout" in page
    assert [row["loss_function"] == "HingeLoss" for row in rows] == [False, True, False, False]
    digests = [file_digest(project / row["weight"]) for row in rows]
    assert digests[0] == digests[3] and len(set(digests)) == 3 and "HingeLoss" in page


CANNOT = {
    "not two scores for each": ("model", "nn.Linear(hidden, 2)", "nn.Linear(hidden, 3)"),
    "CNN at --image_size 16, --batch_size ": ("model", "Block(3, first, 3,", "Block(3, first, 19,"),
    "ValueError: so no (losses.py, line ": (
        "losses",
        "return F.cross_entropy(",
        "raise ValueError('so\\nno') or (",
    ),
}


@pytest.mark.parametrize("message", CANNOT)
def test_what_cannot_work_is_one_line_and_leaves_nothing(photos, tmp_path, message):
    file, *edit = CANNOT[message]
    project = copy_project(tmp_path / "project", **{file: [edit]})
    trained = run_fork(project / "train.py", *train_arguments(photos, tmp_path / "out"))
    for ended in trained, sweep(project, photos):
        assert ended.status == 2 and ended.err.count("\n") == 1
        assert message in ended.err and f"{file}.py" in ended.err
    for path in (tmp_path / "out", project / "result", project / "weights"):
        assert not path.exists(), "nothing half-written"


THREE = f"""{SETTINGS}
    "widths": Option(whole_number(1), [8, 24, 48], "channels of the blocks", is_list=True),
    "augment": switch(False, "flip half of the images"),
    "weight_decay": Option(float, 0.0, "of SGD"),"""
DECAYED = "SGD(model.parameters(), options.learning_rate, 0.9, options.weight_decay)"


def test_a_list_a_switch_and_a_weight_decay_are_studied_and_predicted_with(photos, tmp_path):
    edits = {"console/options": [(SETTINGS, THREE)], "train": [(SGD, DECAYED)]}
    line = "        trained = train_one_epoch("
    edits["train"].append((line, "        state.flips = options.augment\n" + line))
    studies = '{"Change_widths": [[4, 6, 8], [8, 24, 48]], "Change_augment": [False, True], '
    studies += '"Change_weight_decay": [0.0, 0.5]}'
    base = 'BASE = {"widths": [8, 24, 48], "augment": False, "weight_decay": 0.0, '
    edits["my_script"] = [*small(studies), ("BASE = {", base)]
    project = copy_project(tmp_path / "project", **edits)
    rows, page = results(project, photos)
    names = [f"{row['study']}/{row['setting']}" for row in rows[1:]]
    assert names[:2] == ["Change_widths/4-6-8", "Change_widths/8-24-48"]
    assert names[2:4] == ["Change_augment/off", "Change_augment/on"]
    assert [row["widths"] for row in rows[:3]] == ["8-24-48", "4-6-8", "8-24-48"]
    digests = [file_digest(project / row["weight"]) for row in rows]
    assert digests[0] == digests[2] == digests[3] == digests[5] and len(set(digests)) == 3
    assert "4-6-8" in page
    weight = project / rows[1]["weight"]
    ended = run_fork(project / "test.py", "--weight_path", weight, "--predict", photos / "test")
    assert ended.status == 0 and ended.out.count("\n") == 10
