"""Training and testing alone: what is left on disk, what is said, what is refused."""

import contextlib
import os
import pty
import re
import runpy
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import conftest
import numpy as np
import pytest
import torch
from conftest import (
    PATIENCE,
    PROJECT,
    arguments_for_test,
    fill,
    fork,
    read_table,
    refused,
    run_fork,
    run_process,
    train_arguments,
)
from PIL import Image

from dataset import load_data
from losses import LOSSES
from model import CNN
from records.files import file_digest, read_record
from records.runs import is_finite, read_history
from training.batches import Images, shuffled_batches
from training.files import State, load_weight
from training.optimizer import SGD

TRAIN, TEST = PROJECT / "train.py", PROJECT / "test.py"


PICTURES = {"Training_accuracy.png", "Loss_curve.png", "confusion_matrix.png"}
TABLES = {"history.csv", "train.json", "acc.txt", "predictions.csv", "test.json"}


def test_these_files_are_left(original):
    assert {path.name for path in (original / "r").iterdir()} == PICTURES | TABLES


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_are_large_enough_to_be_read(name, original):
    assert min(Image.open(original / "r" / name).size) > 300


def test_the_history_has_a_row_for_each_epoch(original):
    assert [row.epoch for row in read_history(original / "r")] == [1, 2, 3, 4]


def test_the_record_of_a_training_tells_its_settings(original):
    identity = read_record(original / "r/train.json")["identity"]
    assert (identity["epochs"], identity["learning_rate"]) == (4, 0.01)


def test_the_record_of_a_test_tells_its_images(original):
    assert read_record(original / "r/test.json")["test_images"] == 10


def test_a_weight_file_holds_plain_values_that_rebuild_the_model(original):
    weight = torch.load(original / "w.pth", weights_only=True)
    assert (weight["classes"], weight["image_size"]) == (["cat", "dog"], 16)


def test_predictions_tell_of_each_file_its_classes_and_the_probability(original):
    columns = ["file", "true_class", "predicted_class", "probability"]
    for row in read_table(original / "r/predictions.csv"):
        assert list(row) == columns
        part, name, _ = row["file"].split("/")
        assert (part, name) == ("test", row["true_class"])
        assert 0.5 <= float(row["probability"]) <= 1


def test_the_accuracy_is_that_of_the_predictions(original):
    rows = read_table(original / "r/predictions.csv")
    share = np.mean([row["true_class"] == row["predicted_class"] for row in rows])
    accuracies = rf"Test accuracy: {100 * share:.4f}%\nLast epoch: \d+\.\d{{4}}%\n"
    assert re.fullmatch(accuracies, (original / "r/acc.txt").read_text())


@pytest.fixture(scope="module")
def climbing(call, original, tmp_path_factory) -> Path:
    """A training whose validation loss is lowest before its last epoch."""
    out = tmp_path_factory.mktemp("climbing")
    arguments = train_arguments(original / "photos", out, epochs=8, learning_rate=0.05)
    assert call("train", arguments, "--no_pictures").status == 0
    return out


def test_the_kept_epoch_is_that_of_the_lowest_validation_loss(climbing):
    losses = [row.valid_loss for row in read_history(climbing / "r")]
    kept_epoch = 1 + int(np.argmin(losses))
    assert load_weight(climbing / "w.pth")["kept_epoch"] == kept_epoch


def test_kept_weights_are_those_of_the_kept_epoch(climbing, original, tmp_path, call):
    weight = load_weight(climbing / "w.pth")
    settings = {"epochs": weight["kept_epoch"], "learning_rate": 0.05}
    arguments = train_arguments(original / "photos", tmp_path, **settings)
    call("train", arguments, "--no_pictures")
    last = load_weight(tmp_path / "w.pth")["last"]
    for name, value in last.items():
        assert torch.equal(value, weight["kept"][name])


@pytest.fixture
def images(photos) -> Images:
    return Images(load_data(str(photos), 16), torch.device("cpu"))


def test_training_images_are_normalised_channel_by_channel(images):
    inputs = images.inputs(images.splits["train"])
    assert inputs.shape == (16, 3, 16, 16)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3)) - 1).abs().max() < 1e-2


class Epoch(NamedTuple):
    """What training says of an epoch, and what it is over all images at once."""

    loss: float
    accuracy: float
    expected_loss: float
    expected_accuracy: float


@pytest.fixture
def uneven_epoch(images) -> Epoch:
    """An epoch of batches of 7, 7 and 2, in which nothing is learned or dropped."""
    torch.manual_seed(0)
    model = CNN(dropout=0.0)
    state = State(model, SGD(model.parameters(), learning_rate=0.0), LOSSES["CrossEntropyLoss"])
    indices = images.splits["train"]
    train_epoch = runpy.run_path(str(TRAIN))["train_epoch"]
    train_epoch(state, images, batch_size=7, seed=0)
    [row] = state.history
    scores = model(images.inputs(indices)).detach().double()
    targets = images.targets[indices]
    losses = -scores.log_softmax(1)[range(len(indices)), targets]
    hits = scores.argmax(1) == targets
    return Epoch(
        row.train_loss, row.train_accuracy, losses.mean().item(), hits.double().mean().item()
    )


def test_the_loss_of_an_epoch_is_a_mean_over_images_not_over_batches(uneven_epoch):
    assert uneven_epoch.loss == pytest.approx(uneven_epoch.expected_loss, rel=1e-5)


def test_the_accuracy_of_an_epoch_is_a_mean_over_images_not_over_batches(
    uneven_epoch,
):
    assert uneven_epoch.accuracy == pytest.approx(uneven_epoch.expected_accuracy)


def test_the_step_is_that_of_torchs_sgd():
    ours = torch.ones(5, requires_grad=True)
    theirs = torch.ones(5, requires_grad=True)
    our_sgd = SGD([ours], 0.1)
    torchs_sgd = torch.optim.SGD([theirs], 0.1, momentum=0.9)
    for gradient in torch.randn(4, 5):
        ours.grad = gradient.clone()
        theirs.grad = gradient.clone()
        our_sgd.step()
        torchs_sgd.step()
    torch.testing.assert_close(ours, theirs)


BATCHES = pytest.mark.parametrize(
    ("size", "sizes"),
    [(4, [4, 5]), (4, [4, 4]), (4, [4, 4, 2]), (8, [3]), (4, [1]), (1, [1, 1])],
)


@BATCHES
def test_a_remainder_of_one_image_joins_the_batch_before_it(size, sizes):
    batches = shuffled_batches(torch.arange(sum(sizes)), size, seed=0)
    assert [len(batch) for batch in batches] == sizes


@BATCHES
def test_every_image_is_in_one_batch(size, sizes):
    batches = shuffled_batches(torch.arange(sum(sizes)), size, seed=0)
    indices = torch.cat(list(batches)).tolist()
    assert sorted(indices) == list(range(sum(sizes)))


class Diverged(NamedTuple):
    """The folder of a training whose loss is no longer finite, and its arguments."""

    out: Path
    arguments: list


@pytest.fixture(scope="module")
def diverged(call, original, tmp_path_factory) -> Diverged:
    out = tmp_path_factory.mktemp("diverged")
    settings = {"epochs": 30, "learning_rate": 1e6, "loss_function": "MSELoss"}
    arguments = train_arguments(original / "photos", out, **settings)
    arguments.append("--no_pictures")
    ended = call("train", arguments)
    assert ended.status == 0, ended.err
    assert "diverged at epoch" in ended.out
    return Diverged(out, arguments)


def test_a_loss_that_is_no_longer_finite_ends_the_run(diverged):
    history = read_history(diverged.out / "r")
    assert len(history) < 30
    assert not is_finite(history[-1])


def test_a_training_that_diverged_is_recorded_with_its_epochs(diverged):
    record = read_record(diverged.out / "r/train.json")
    assert record["diverged"]
    assert record["epochs"] == len(read_history(diverged.out / "r"))


def test_a_training_that_diverged_keeps_its_best_weights(diverged):
    kept = load_weight(diverged.out / "w.pth")["kept"]
    assert all(torch.isfinite(value).all() for value in kept.values())


def test_a_training_that_diverged_is_tested(diverged, call):
    ended = call("test", arguments_for_test(diverged.out), "--no_pictures")
    assert "Test accuracy" in ended.out


def test_a_training_that_diverged_is_finished(diverged, call):
    assert "already trained" in call("train", diverged.arguments).out


def test_predict_says_where_a_loss_gives_no_probability(diverged, original, call):
    pictures = original / "photos/test"
    ended = call("test", "--weight_path", diverged.out / "w.pth", "--predict", pictures)
    assert "MSELoss gives no calibrated probability" in ended.err


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A training and a test as a sweep starts them, in another folder, of awkward paths."""
    folder = tmp_path_factory.mktemp("elsewhere")
    root = tmp_path_factory.mktemp("root") / 'it\'s a "folder"; $HOME 猫和狗'
    for number, name in enumerate(("train/$cat;", "train/狗 'dog'", "test/$cat;", "test/狗 'dog'")):
        fill(root / "photos" / name, 6, first=100 * number)
    env = os.environ | {"PYTHONPROFILEIMPORTTIME": "1", "CNN_STDIN_IS_PARENT": "1"}
    options = {"cwd": folder, "env": env, "stdin": os.pipe()[0]}
    arguments = train_arguments(root / "photos", root, epochs=1)
    trained = run_process(TRAIN, arguments, "--no_pictures", **options)
    tested = run_process(TEST, arguments_for_test(root), "--no_pictures", **options)
    return SimpleNamespace(folder=folder, root=root, trained=trained, tested=tested)


def test_programs_work_with_awkward_paths(elsewhere):
    assert elsewhere.trained.status == 0, elsewhere.trained.err
    assert "Test accuracy:" in elsewhere.tested.out, elsewhere.tested.err


def test_programs_leave_nothing_in_the_folder_they_are_started_from(elsewhere):
    assert elsewhere.tested.status == 0
    assert not list(elsewhere.folder.iterdir())


def test_in_a_file_every_epoch_is_a_line(elsewhere):
    line = r"epoch 1 of 1  train_loss \d\.\d+  .*train_accuracy .* left\n"
    assert re.search(line, elsewhere.trained.out)


def test_a_validation_accuracy_that_guessing_reaches_tells_the_larger_class(call, photos, tmp_path):
    for path in sorted((photos / "train/cat").iterdir())[:5]:  # 4 of 5 dogs, 1 of 2 cats are left
        path.unlink()
    arguments = train_arguments(photos, tmp_path, epochs=1, learning_rate=1e-5)
    said = call("train", arguments).out
    [valid] = re.findall(r"valid_accuracy (\S+) \(larger class 0\.6667\)", said)
    assert float(valid) <= 0.6667
    assert "\nLarger class: 66.6667%, the accuracy of always saying it\n" in said


def test_a_validation_accuracy_above_guessing_stands_alone(call, original, tmp_path):
    arguments = train_arguments(original / "photos", tmp_path, epochs=30, learning_rate=0.05)
    ended = call("train", arguments, "--no_pictures").out.splitlines()[-1]
    assert "validation accuracy 100.0000%; kept epoch" in ended


@pytest.mark.parametrize("program", ["trained", "tested"])
def test_what_is_said_into_a_file_is_plain_text(program, elsewhere):
    ended = getattr(elsewhere, program)
    assert ended.out
    assert not re.search("\x1b|\r", ended.out + ended.err)


@pytest.mark.parametrize("program", ["trained", "tested"])
def test_no_pictures_spares_the_import_of_matplotlib(program, elsewhere):
    imported = getattr(elsewhere, program).err
    assert "| torch\n" in imported, "else the check below could not fail"
    assert not re.search(r"\| +matplotlib\n", imported)


def test_no_pictures_leaves_no_pictures(elsewhere):
    assert not list(elsewhere.root.glob("r/*.png"))


@pytest.fixture(scope="module")
def stopped(original, tmp_path_factory):
    """A training on a terminal, stopped by Ctrl-C after some epochs."""
    out = tmp_path_factory.mktemp("stopped")
    parent, child = pty.openpty()
    arguments = train_arguments(original / "photos", out, epochs=100000)
    with open(child, "w") as terminal:  # noqa: PTH123 (a number, not a path)
        process = fork(TRAIN, arguments, terminal, terminal)
    said = b""
    while said.count(b"\r\x1b[2Kepoch ") < 2:
        said += os.read(parent, 4096)
    os.kill(process.pid, signal.SIGINT)
    with contextlib.suppress(OSError):  # which ends a terminal
        while piece := os.read(parent, 4096):
            said += piece
    os.close(parent)
    process.join(PATIENCE)
    return SimpleNamespace(out=out, said=said, status=process.exitcode)


def test_ctrl_c_stops_a_training_with_130(stopped):
    assert stopped.status == 130
    assert not (stopped.out / "r/train.json").exists()


def test_ctrl_c_is_answered_with_what_to_do(stopped):
    assert b"the same command (without --fresh) goes on" in stopped.said
    assert b"Traceback" not in stopped.said


def test_on_a_terminal_epochs_are_shown_in_place(stopped):
    assert b"\nepoch " not in stopped.said


@pytest.mark.parametrize("program", ["train.py", "test.py", "my_script.py"])
def test_ctrl_c_while_packages_load_ends_without_a_traceback(program):
    command = [sys.executable, "-v", PROJECT / program, "--data", "/nowhere/at/all"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    next(line for line in process.stderr if "import 'numpy'" in line or "numpy/__init__" in line)
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(PATIENCE) in (-signal.SIGINT, 130)
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said


# --- the trial before a training -------------------------------------------------------------


COUNTED = """    counts = COUNTS.setdefault("images", images.one_hot.sum(0))
    state.counts = counts
    return state
"""


def test_a_trial_leaves_nothing_in_the_training(photos, tmp_path):
    edits = [("def main(", "COUNTS = {}\n\n\ndef main("), ("    return state\n", COUNTED)]
    project = conftest.copy_project(tmp_path / "project", train=edits)
    ended = run_fork(project / "train.py", train_arguments(photos, tmp_path), "--no_pictures")
    assert ended.status == 0, ended.err
    checkpoint = torch.load(tmp_path / "w_checkpoint.pth", weights_only=True)
    assert checkpoint["state"]["counts"].tolist() == [15, 15]  # of the user's images


def refuse_to_try() -> None:
    """Have this process start no trial."""
    from training import tried

    vars(tried).pop("start_trials")


@pytest.mark.parametrize(("name", "value"), [("epochs", 2), ("seed", 5), ("batch_size", 8)])
def test_what_is_known_of_a_training_is_not_tried_again(name, value, original, tmp_path):
    arguments = train_arguments(original / "photos", tmp_path, **{name: value})
    ended = run_fork(TRAIN, arguments, "--no_pictures", before=refuse_to_try)
    assert ended.status == 0, ended.err


def test_what_is_not_known_of_a_training_is_tried(original, tmp_path):
    arguments = train_arguments(original / "photos", tmp_path, learning_rate=0.0123)
    ended = run_fork(TRAIN, arguments, "--no_pictures", before=refuse_to_try)
    assert "start_trials" in ended.err


def test_train_takes_its_arguments_as_a_list(original, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["a_script_of_the_users", "--frobnicate"])
    arguments = list(map(str, train_arguments(original / "photos", tmp_path, epochs=1)))
    main = runpy.run_path(str(TRAIN))["main"]
    assert main([*arguments, "--no_pictures"]) == 0
    command = read_record(tmp_path / "r/train.json")["command"]
    assert command == [sys.executable, str(TRAIN), *arguments, "--no_pictures"]


def test_test_takes_its_arguments_as_a_list(trained, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["a_script_of_the_users", "--frobnicate"])
    main = runpy.run_path(str(TEST))["main"]
    assert main([*map(str, arguments_for_test(trained)), "--no_pictures"]) == 0


class OnGpu(NamedTuple):
    """A training on a GPU and a test: the weights' digest, and how many images were right."""

    weights: str
    correct: int


needs_gpu = pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="no CUDA GPU here")


@pytest.fixture(scope="module")
def on_gpu(original, tmp_path_factory) -> list[OnGpu]:
    """Two trainings on a GPU, of which one is tested there and one on the CPU."""
    ended = []
    for device in ("cuda", "cpu"):
        out = tmp_path_factory.mktemp("gpu")
        env = {**conftest.WITH_GPU, "XDG_CACHE_HOME": str(out / "cache")}
        arguments = train_arguments(original / "photos", out, device="cuda")
        trained = run_process(TRAIN, arguments, env=env)
        tested = run_process(TEST, arguments_for_test(out), "--device", device, env=env)
        assert trained.status == tested.status == 0, trained.err + tested.err
        correct = read_record(out / "r/test.json")["correct"]
        ended.append(OnGpu(file_digest(out / "w.pth"), correct))
    return ended


@needs_gpu
def test_a_gpu_gives_the_same_bits_again(on_gpu):
    first, second = on_gpu
    assert first.weights == second.weights


@needs_gpu
def test_the_cpu_gives_the_accuracy_of_a_gpu(on_gpu):
    gpu, cpu = on_gpu
    assert abs(gpu.correct - cpu.correct) <= 1


@pytest.mark.parametrize("program", ["train", "test", "my_script"])
def test_help_explains_every_option_with_its_default(program, call):
    ended = call(program, "--help")
    assert ended.status == 0
    options = re.split(r"\n  (?=-)", ended.out)[1:]
    assert len(options) >= 9
    for option in options:
        words = " ".join(option.split())
        assert words.startswith("-h") or re.search(r"^--\w+ .*\w+ \w+.*default: ", words), words


README = PROJECT / "README.md"
REFUSED = [
    ("train", "--epochs", "0", "--epochs: '0' is not a whole number from 1"),
    ("train", "--epochs", "ten", "--epochs: 'ten' is not a whole number from 1"),
    ("train", "--epochs", "2.5", "--epochs: '2.5' is not a whole number from 1"),
    ("train", "--batch_size", 2**40, "'1099511627776' is not a whole number from 1"),
    ("train", "--learning_rate", -1, "a finite number above 0"),
    ("train", "--learning_rate", 0, "a finite number above 0"),
    ("train", "--learning_rate", "nan", "a finite number above 0"),
    ("train", "--learning_rate", "inf", "a finite number above 0"),
    ("train", "--learning_rate", "1e300", "a finite number above 0"),
    ("train", "--learning_rate", "fast", "a finite number above 0"),
    ("train", "--image_size", 8, "'8' is not a whole number from 16 to 2048"),
    ("train", "--image_size", 100000, "'100000' is not a whole number from 16 to"),
    ("train", "--device", "meta", "--device meta cannot be used"),
    ("train", "--device", "toaster", "--device toaster cannot be used: no device is called so"),
    ("train", "--device", "cuda", "--device cuda cannot be used"),
    ("train", "--seed", -1, "--seed: '-1' is not a whole number from 0"),
    ("train", "--loss_function", "Hinge", "no loss is called 'Hinge'; losses.py has"),
    ("train", "--frobnicate", "1", "unrecognized arguments: --frobnicate"),
    ("train", "--data", "/nowhere/at/all", "/nowhere/at/all is not a folder"),
    ("train", "--data", "", "--data: '' is not a name: it is empty"),
    ("train", "--weight_path", "", "--weight_path: '' is not a path: it is empty"),
    ("train", "--weight_path", README / "w.pth", "README.md"),
    ("train", "--weight_path", PROJECT / "docs", "is a folder; --weight_path takes"),
    ("train", "--img_path", README / "r", "README.md"),
    ("test", "--weight_path", "/nowhere.pth", "/nowhere.pth is no file; train"),
    ("test", "--predict", "", "--predict: '' is not a path: it is empty"),
    ("my_script", "--studies", "Change_weather", "'Change_weather' is not one of"),
    ("my_script", "--seeds", 0, "--seeds: '0'"),
    ("my_script", "--jobs", 0, "--jobs: '0'"),
    ("my_script", "--out", "", "--out: '' is not a path: it is empty"),
    ("my_script", "--out", README / "out", "README.md"),
]


@pytest.mark.parametrize(("program", "option", "value", "message"), REFUSED)
def test_bad_arguments_give_one_line(
    program, option, value, message, original, tmp_path, monkeypatch, call
):
    monkeypatch.chdir(tmp_path)
    ended = call(program, "--data", original / "photos", option, value)
    assert message in refused(ended)
    assert not any(path.is_file() for path in tmp_path.rglob("*")), "nothing half-written"


class Bomb:
    def __reduce__(self):  # a pickle that would run a command
        return os.system, ("touch exploded",)


BAD_WEIGHTS = {
    "cut": None,
    "empty": b"",
    "text": b"weights",
    "pickle": {"kept": Bomb()},
    "version": {"version": 99},
    "kind": {"kind": "CNN checkpoint"},
    "model": {"kept": {"conv1.weight": torch.zeros(9, 3, 3, 3)}},
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_a_weight_file_that_is_none_is_refused_in_one_line(name, trained, call, monkeypatch):
    monkeypatch.chdir(trained)
    conftest.spoil(trained / "w.pth", BAD_WEIGHTS[name])
    said = refused(call("test", "--weight_path", trained / "w.pth", "--img_path", "new"))
    assert said.startswith(f"error: {trained / 'w.pth'} is ")
    assert not (trained / "new").exists()
    assert not (trained / "exploded").exists()  # by the pickle


@pytest.fixture(scope="module")
def predict(call, original):
    """Predict pictures with the weights of a training."""
    return partial(call, "test", "--weight_path", original / "w.pth", "--predict")


def test_a_prediction_is_a_class_beside_its_probability(predict, tmp_path):
    picture = tmp_path / "one.png"
    Image.new("L", (50, 30), 200).save(picture)
    name, probability, path = predict(picture).out.split(maxsplit=2)
    assert name in ("cat", "dog")
    assert 0.5 <= float(probability) <= 1
    assert path == f"{picture}\n"


def test_predict_agrees_with_the_test(predict, original):
    photos = original / "photos"
    rows = {row["file"]: row for row in read_table(original / "r/predictions.csv")}
    lines = predict(photos / "test").out.splitlines()
    assert len(lines) == len(rows) == 10
    for line in lines:
        name, probability, path = line.split(maxsplit=2)
        row = rows[os.path.relpath(path, photos)]
        assert name == row["predicted_class"]
        assert float(probability) == pytest.approx(float(row["probability"]), abs=1e-4)


def test_predict_names_bad_pictures(predict, photos):
    (photos / "test/broken.jpg").write_bytes(b"")
    assert "broken.jpg (empty file)" in refused(predict(photos / "test"))


def test_predict_leaves_bad_pictures_out_where_it_may(predict, photos):
    (photos / "test/broken.jpg").write_bytes(b"")
    ended = predict(photos / "test", "--skip_bad_images")
    assert ended.status == 0
    assert len(ended.out.splitlines()) == 10
    assert "left out unreadable images (1)" in ended.err
    assert "broken.jpg" in ended.err


def test_predict_names_a_picture_that_is_not_there(predict, tmp_path):
    assert "gone.png is not there" in refused(predict(tmp_path / "gone.png"))


def test_images_of_other_classes_are_not_tested(trained, photos, call):
    for part in ("train", "test"):
        (photos / part / "dog").rename(photos / part / "horse")
    said = refused(call("test", arguments_for_test(trained), "--data", photos))
    assert "holds the classes cat, horse" in said
    assert "knows cat, dog" in said
