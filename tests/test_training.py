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
from types import SimpleNamespace

import conftest
import numpy as np
import pytest
import torch
from conftest import (
    PROJECT,
    arguments_for_test,
    fill,
    fork,
    refused,
    run_process,
    train_arguments,
)
from PIL import Image

from dataset import load_data
from losses import LOSSES
from model import CNN
from records.files import file_digest, read_csv, read_record
from records.runs import is_finite, read_history
from training.batches import Images, shuffled_batches
from training.files import State, load_weight
from training.optimizer import SGD

TRAIN, TEST = PROJECT / "train.py", PROJECT / "test.py"


PICTURES = {"Training_accuracy.png", "Loss_curve.png", "confusion_matrix.png"}
TABLES = {"history.csv", "train.json", "acc.txt", "predictions.csv", "test.json"}


def test_a_training_and_its_test_leave_these_files(original):
    assert {path.name for path in (original / "r").iterdir()} == PICTURES | TABLES


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_are_large_enough_to_be_read(name, original):
    assert min(Image.open(original / "r" / name).size) > 300


def test_the_history_has_a_row_for_each_epoch(original):
    assert [row.epoch for row in read_history(original / "r")] == [1, 2, 3, 4]


def test_records_tell_settings_and_counts(original):
    identity = read_record(original / "r/train.json")["identity"]
    assert (identity["epochs"], identity["learning_rate"]) == (4, 0.01)
    assert read_record(original / "r/test.json")["test_images"] == 10


def test_a_weight_file_holds_plain_values_that_rebuild_the_model(original):
    weight = torch.load(original / "w.pth", weights_only=True)
    assert (weight["classes"], weight["image_size"]) == (["cat", "dog"], 16)


def test_predictions_tell_file_classes_and_probability(original):
    for row in read_csv(original / "r/predictions.csv"):
        assert list(row) == ["file", "true_class", "predicted_class", "probability"]
        assert row["file"].split("/")[:2] == ["test", row["true_class"]]
        assert 0.5 <= float(row["probability"]) <= 1


def test_the_accuracy_is_that_of_the_predictions(original):
    rows = read_csv(original / "r/predictions.csv")
    share = np.mean([row["true_class"] == row["predicted_class"] for row in rows])
    accuracies = rf"Test accuracy: {100 * share:.4f}%\nLast epoch: \d+\.\d{{4}}%\n"
    assert re.fullmatch(accuracies, (original / "r/acc.txt").read_text())


def test_kept_weights_are_those_of_the_lowest_validation_loss(photos, tmp_path, call):
    call("train", train_arguments(photos, tmp_path, epochs=8, learning_rate=0.05))
    weight = load_weight(tmp_path / "w.pth")
    kept = 1 + int(np.argmin([row.valid_loss for row in read_history(tmp_path / "r")]))
    assert weight["kept_epoch"] == kept
    call("train", train_arguments(photos, tmp_path / "b", epochs=kept, learning_rate=0.05))
    last = load_weight(tmp_path / "b" / "w.pth")["last"]
    assert all(torch.equal(value, weight["kept"][name]) for name, value in last.items())


def test_training_images_are_normalised_channel_by_channel(photos):
    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    inputs = images.inputs(images.splits["train"])
    assert inputs.shape == (16, 3, 16, 16)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3)) - 1).abs().max() < 1e-2


def test_epoch_numbers_are_means_over_images_not_over_batches(photos):
    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    torch.manual_seed(0)
    model, indices = CNN(dropout=0.0), images.splits["train"]  # and with a step that does nothing
    step, uneven = SGD(model.parameters(), learning_rate=0.0), indices.split(7)  # 7, 7 and 2
    train_one_epoch = runpy.run_path(str(TRAIN))["train_one_epoch"]
    state = State(model, step, LOSSES["CrossEntropyLoss"])
    loss, accuracy = train_one_epoch(state, images, uneven)
    scores, targets = model(images.inputs(indices)).detach(), images.targets[indices].numpy()
    log_p = scores.double().log_softmax(1).numpy()
    assert loss == pytest.approx(-log_p[np.arange(len(indices)), targets].mean(), rel=1e-5)
    assert accuracy == pytest.approx((scores.argmax(1).numpy() == targets).mean())


def test_the_step_is_that_of_torchs_sgd():
    ours, theirs = torch.ones(5, requires_grad=True), torch.ones(5, requires_grad=True)
    optimizers = SGD([ours], 0.1), torch.optim.SGD([theirs], 0.1, momentum=0.9)
    for gradient in torch.randn(4, 5):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_a_remainder_of_one_image_joins_the_batch_before_it():
    for size, sizes in ((4, [4, 5]), (4, [4, 4]), (4, [4, 4, 2]), (8, [3]), (4, [1]), (1, [1, 1])):
        batches = shuffled_batches(torch.arange(sum(sizes)), size, seed=0)
        assert [len(batch) for batch in batches] == sizes
        assert sorted(torch.cat(list(batches)).tolist()) == list(range(sum(sizes)))


DIVERGING = {"epochs": 30, "learning_rate": 1e6, "loss_function": "MSELoss"}


@pytest.fixture(scope="module")
def diverged(call, original, tmp_path_factory):  # its folder, and the arguments of the training
    out = tmp_path_factory.mktemp("diverged")
    arguments = [train_arguments(original / "photos", out, **DIVERGING), "--no_pictures"]
    ended = call("train", arguments)
    assert ended.status == 0 and "diverged at epoch" in ended.out, ended.err
    return out, arguments


def test_a_loss_that_is_no_longer_finite_ends_the_run(diverged):
    results = diverged[0] / "r"
    record, history = read_record(results / "train.json"), read_history(results)
    assert record["diverged"] and record["epochs"] == len(history) < 30
    assert not is_finite(history[-1])


def test_a_training_that_diverged_keeps_its_best_weights(diverged):
    kept = load_weight(diverged[0] / "w.pth")["kept"]
    assert all(torch.isfinite(value).all() for value in kept.values())


def test_a_training_that_diverged_is_tested(diverged, call):
    ended = call("test", arguments_for_test(diverged[0]), "--no_pictures")
    assert "Test accuracy" in ended.out


def test_a_training_that_diverged_is_finished(diverged, call):
    assert "already trained" in call("train", *diverged[1]).out


def test_predict_says_where_a_loss_gives_no_probability(diverged, original, call):
    pictures = original / "photos/test"
    ended = call("test", "--weight_path", diverged[0] / "w.pth", "--predict", pictures)
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


@pytest.mark.parametrize("program", ["trained", "tested"])
def test_what_is_said_into_a_file_is_plain_text(program, elsewhere):
    ended = getattr(elsewhere, program)
    assert ended.out and not re.search("\x1b|\r", ended.out + ended.err)


@pytest.mark.parametrize("program", ["trained", "tested"])
def test_no_pictures_spares_the_import_of_matplotlib(program, elsewhere):
    imported = getattr(elsewhere, program).err
    assert "| torch\n" in imported and not re.search(r"\| +matplotlib\n", imported)
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
    process.join(20)
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
    assert process.wait(20) in (-signal.SIGINT, 130)
    assert "Traceback" not in said and "KeyboardInterrupt" not in said


@pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="no CUDA GPU here")
def test_a_gpu_gives_the_same_bits_again_and_the_cpu_its_accuracy(photos, tmp_path):
    env = {**conftest.WITH_GPU, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    weights, correct = set(), []
    arguments = [train_arguments(photos, tmp_path), "--device", "cuda", "--fresh"]
    for device in ("cuda", "cpu"):
        ended = run_process(TRAIN, arguments, env=env)
        tested = run_process(TEST, arguments_for_test(tmp_path), "--device", device, env=env)
        assert ended.status == tested.status == 0, ended.err + tested.err
        weights.add(file_digest(tmp_path / "w.pth"))
        correct.append(read_record(tmp_path / "r" / "test.json")["correct"])
    assert len(weights) == 1 and abs(correct[0] - correct[1]) <= 1


@pytest.mark.parametrize("program", ["train", "test", "my_script"])
def test_help_explains_every_option_with_its_default(program, call):
    ended = call(program, "--help")
    explained = re.split(r"\n  (?=-)", ended.out)[1:]
    assert ended.status == 0 and len(explained) >= 9
    for text in explained:
        words = " ".join(text.split())
        assert words.startswith("-h") or re.search(r"^--\w+ .*\w+ \w+.*default: ", words), words


REFUSED = [
    ("train", "--epochs", ["0", "ten", "2.5"], "--epochs: '{}' is not a whole number from 1"),
    ("train", "--batch_size", [2**40], "--batch_size: '{}' is not a whole number from 1"),
    ("train", "--learning_rate", [-1, 0, "nan", "inf", "1e300", "fast"], "a finite number above 0"),
    ("train", "--image_size", [8, 100000], "'{}' is not a whole number from 16 to 2048"),
    ("train", "--device", ["meta", "toaster", "cuda"], "--device {} cannot be used"),
    ("train", "--seed", [-1], "--seed: '{}' is not a whole number from 0"),
    ("train", "--loss_function", ["Hinge"], "invalid choice: '{}' (losses.py has CrossEnt"),
    ("train", "--frobnicate", ["1"], "unrecognized arguments: --frobnicate"),
    ("train", "--data", ["/nowhere/at/all"], "{} is not a folder"),
    ("train", "--data", [""], "--data: '' is not a name: it is empty"),
    ("train", "--weight_path", [""], "--weight_path: '' is not a path: it is empty"),
    ("train", "--weight_path", [f"{PROJECT}/README.md/w.pth"], "README.md"),
    ("train", "--weight_path", [PROJECT / "docs"], "is a folder; --weight_path takes a file"),
    ("train", "--img_path", [f"{PROJECT}/README.md/r"], "README.md"),
    ("test", "--weight_path", ["/nowhere.pth"], "{} is no file; train first"),
    ("test", "--predict", [""], "--predict: '' is not a path: it is empty"),
    ("my_script", "--studies", ["Change_weather"], "'{}' is not one of Change_epochs"),
    *(("my_script", option, [0], option + ": '{}'") for option in ("--seeds", "--jobs")),
    ("my_script", "--out", [""], "--out: '' is not a path: it is empty"),
    ("my_script", "--out", [f"{PROJECT}/README.md/out"], "README.md"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: " ".join(case[:2]))
def test_bad_arguments_give_one_line(case, call, original, tmp_path, monkeypatch):
    program, option, values, message = case
    monkeypatch.chdir(tmp_path)
    for value in values:
        said = refused(call(program, "--data", original / "photos", option, value))
        assert message.format(value) in said
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
    "kept": {"kept": [1, 2]},
    "model": {"kept": {"conv1.weight": torch.zeros(9, 3, 3, 3)}},
    "image_size": {"image_size": "x"},
    "mean": {"mean": ["0"] * 3},
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_a_weight_file_that_is_none_is_refused_in_one_line(kind, trained, call, monkeypatch):
    monkeypatch.chdir(trained)
    conftest.spoil(trained / "w.pth", BAD_WEIGHTS[kind])
    said = refused(call("test", "--weight_path", trained / "w.pth", "--img_path", "new"))
    assert said.startswith(f"error: {trained / 'w.pth'} is ")
    assert not (trained / "new").exists() and not (trained / "exploded").exists()


@pytest.fixture(scope="module")
def predict(call, original):
    """Predict pictures with the weights of a training."""
    return partial(call, "test", "--weight_path", original / "w.pth", "--predict")


def test_a_picture_is_predicted_with_class_probability_and_path(predict, tmp_path):
    Image.new("L", (50, 30), 200).save(tmp_path / "one.png")
    ended = predict(tmp_path / "one.png")
    name, probability, path = ended.out.split(maxsplit=2)
    assert name in ("cat", "dog") and 0.5 <= float(probability) <= 1
    assert path == f"{tmp_path / 'one.png'}\n"


def test_predict_agrees_with_the_test(predict, original):
    photos = original / "photos"
    rows = {row["file"]: row for row in read_csv(original / "r/predictions.csv")}
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
    assert ended.status == 0 and len(ended.out.splitlines()) == 10
    assert "left out unreadable images (1)" in ended.err and "broken.jpg" in ended.err


def test_predict_names_a_picture_that_is_not_there(predict, tmp_path):
    assert "gone.png is not there" in refused(predict(tmp_path / "gone.png"))


def test_images_of_other_classes_are_not_tested(trained, photos, call):
    for part in ("train", "test"):
        (photos / part / "dog").rename(photos / part / "horse")
    said = refused(call("test", arguments_for_test(trained), "--data", photos))
    assert "holds the classes cat, horse" in said and "knows cat, dog" in said
