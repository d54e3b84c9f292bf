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

import conftest
import numpy as np
import pytest
import torch
from conftest import PROJECT, arguments_for_test, fill, refused, run_process, train_arguments
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


def test_a_training_and_its_test_leave_every_file_and_the_accuracy_of_the_predictions(original):
    results = original / "r"
    pictures = {"Training_accuracy.png", "Loss_curve.png", "confusion_matrix.png"}
    tables = {"history.csv", "train.json", "acc.txt", "predictions.csv", "test.json"}
    assert {path.name for path in results.iterdir()} == pictures | tables
    assert all(min(Image.open(results / name).size) > 300 for name in pictures)
    assert [row[0] for row in read_history(results)] == [1, 2, 3, 4]
    record = read_record(results / "train.json")
    assert record["identity"]["epochs"] == 4 and record["identity"]["learning_rate"] == 0.01
    assert read_record(results / "test.json")["test_images"] == 10
    weight = torch.load(original / "w.pth", weights_only=True)
    assert weight["classes"] == ["cat", "dog"] and weight["image_size"] == 16
    rows = read_csv(results / "predictions.csv")
    assert list(rows[0]) == ["file", "true_class", "predicted_class", "probability"]
    assert all(row["file"].split("/")[:2] == ["test", row["true_class"]] for row in rows)
    assert all(0.5 <= float(row["probability"]) <= 1 for row in rows)
    share = np.mean([row["true_class"] == row["predicted_class"] for row in rows])
    accuracies = rf"Test accuracy: {100 * share:.4f}%\nLast epoch: \d+\.\d{{4}}%\n"
    assert re.fullmatch(accuracies, (results / "acc.txt").read_text())


def test_kept_weights_are_those_of_the_lowest_validation_loss(photos, tmp_path, call):
    call("train", *train_arguments(photos, tmp_path, epochs=8, learning_rate=0.05))
    weight = load_weight(tmp_path / "w.pth")
    kept = 1 + int(np.argmin([row[2] for row in read_history(tmp_path / "r")]))
    assert weight["kept_epoch"] == kept
    call("train", *train_arguments(photos, tmp_path / "b", epochs=kept, learning_rate=0.05))
    last = load_weight(tmp_path / "b" / "w.pth")["last"]
    assert all(torch.equal(value, weight["kept"][name]) for name, value in last.items())


def test_epoch_numbers_are_means_over_normalised_images_not_over_batches(photos):
    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    torch.manual_seed(0)
    model, indices = CNN(dropout=0.0), images.splits["train"]  # and with a step that does nothing
    inputs = images.inputs(indices)
    assert inputs.shape == (16, 3, 16, 16) and inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3)) - 1).abs().max() < 1e-2
    step, uneven = SGD(model.parameters(), learning_rate=0.0), indices.split(7)  # 7, 7 and 2
    train_one_epoch = runpy.run_path(str(TRAIN))["train_one_epoch"]
    state = State(model, step, LOSSES["CrossEntropyLoss"])
    loss, accuracy = train_one_epoch(state, images, uneven)
    scores, targets = model(inputs).detach(), images.targets[indices].numpy()
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


def test_a_loss_that_is_no_longer_finite_ends_the_run_with_its_best_weights(photos, tmp_path, call):
    settings = {"epochs": 30, "learning_rate": 1e6, "loss_function": "MSELoss"}
    ended = call("train", *train_arguments(photos, tmp_path, **settings))
    assert ended.status == 0 and "diverged at epoch" in ended.out, ended.err
    record, history = read_record(tmp_path / "r" / "train.json"), read_history(tmp_path / "r")
    assert record["diverged"] and record["epochs"] == len(history) < 30
    assert not is_finite(history[-1])
    kept = load_weight(tmp_path / "w.pth")["kept"]
    assert all(torch.isfinite(value).all() for value in kept.values())
    assert "Test accuracy" in call("test", *arguments_for_test(tmp_path)).out
    assert "already trained" in call("train", *train_arguments(photos, tmp_path, **settings)).out
    ended = call("test", "--weight_path", tmp_path / "w.pth", "--predict", photos / "test")
    assert "MSELoss gives no calibrated probability" in ended.err


def test_programs_work_from_any_folder_with_awkward_paths_and_without_pictures(tmp_path):
    root, elsewhere = tmp_path / 'it\'s a "folder"; $HOME 猫和狗', tmp_path / "elsewhere"
    for number, name in enumerate(("train/$cat;", "train/狗 'dog'", "test/$cat;", "test/狗 'dog'")):
        fill(root / "photos" / name, 6, first=100 * number)
    elsewhere.mkdir()
    env = os.environ | {"PYTHONPROFILEIMPORTTIME": "1", "CNN_STDIN_IS_PARENT": "1"}  # as a sweep
    options = {"cwd": elsewhere, "env": env, "stdin": os.pipe()[0]}
    arguments = train_arguments(root / "photos", root, epochs=1)
    trained = run_process(TRAIN, *arguments, "--no_pictures", **options)
    assert re.search(r"epoch 1 of 1  train_loss \d\.\d+  .*train_accuracy .* left\n", trained.out)
    tested = run_process(TEST, *arguments_for_test(root), "--no_pictures", **options)
    failed = run_process(TEST, *arguments_for_test(root), "--img_path", TEST, **options)
    assert "Test accuracy:" in tested.out and failed.status == 2 and failed.out.startswith("images")
    for ended in (trained, tested):
        assert ended.status == 0 and not re.search("\x1b|\r", ended.out + ended.err)
        assert "| torch\n" in ended.err and not re.search(r"\| +matplotlib\n", ended.err)
    assert not list(elsewhere.iterdir()) and not list(root.glob("r/*.png"))


def test_on_a_terminal_epochs_are_shown_in_place_until_ctrl_c_stops_with_130(photos, tmp_path):
    parent, child = pty.openpty()
    command = [sys.executable, TRAIN, *train_arguments(photos, tmp_path, epochs=100000)]
    process = subprocess.Popen(list(map(str, command)), stdout=child, stderr=child)
    os.close(child)
    shown = b""
    while shown.count(b"\r\x1b[2Kepoch ") < 2:
        shown += os.read(parent, 4096)
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # which ends a terminal
        while piece := os.read(parent, 4096):
            shown += piece
    os.close(parent)
    assert process.wait(20) == 130
    assert b"Traceback" not in shown and b"the same command (without --fresh) goes on" in shown
    assert not (tmp_path / "r" / "train.json").exists()


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
    arguments = [*train_arguments(photos, tmp_path), "--device", "cuda", "--fresh"]
    for device in ("cuda", "cpu"):
        ended = run_process(TRAIN, *arguments, env=env)
        tested = run_process(TEST, *arguments_for_test(tmp_path), "--device", device, env=env)
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
    "cut": None, "empty": b"", "text": b"weights", "pickle": {"kept": Bomb()},
    "version": {"version": 99}, "kind": {"kind": "CNN checkpoint"}, "kept": {"kept": [1, 2]},
    "model": {"kept": {"conv1.weight": torch.zeros(9, 3, 3, 3)}},
    "image_size": {"image_size": "x"}, "mean": {"mean": ["0"] * 3},
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_a_weight_file_that_is_none_is_refused_in_one_line(kind, trained, call, monkeypatch):
    monkeypatch.chdir(trained)
    conftest.spoil(trained / "w.pth", BAD_WEIGHTS[kind])
    said = refused(call("test", "--weight_path", trained / "w.pth", "--img_path", "new"))
    assert said.startswith(f"error: {trained / 'w.pth'} is ")
    assert not (trained / "new").exists() and not (trained / "exploded").exists()


def test_predict_agrees_with_the_test_and_names_bad_pictures_and_other_classes(trained, call):
    one, photos = trained / "one.png", trained / "photos"
    Image.new("L", (50, 30), 200).save(one)
    arguments = [*arguments_for_test(trained), "--predict"]
    ended = call("test", *arguments, one, photos / "test")
    assert ended.status == 0 and ended.err == ""
    (name, probability, path), *rest = (line.split(maxsplit=2) for line in ended.out.splitlines())
    assert name in ("cat", "dog") and 0.5 <= float(probability) <= 1 and path == str(one)
    rows = {row["file"]: row for row in read_csv(trained / "r" / "predictions.csv")}
    assert sorted(os.path.relpath(path, photos) for _, _, path in rest) == sorted(rows)
    for name, probability, path in rest:
        row = rows[os.path.relpath(path, photos)]
        assert name == row["predicted_class"]
        assert float(probability) == pytest.approx(float(row["probability"]), abs=1e-4)
    (photos / "test" / "broken.jpg").write_bytes(b"")
    assert "broken.jpg (empty file)" in refused(call("test", *arguments, photos / "test"))
    ended = call("test", *arguments, photos / "test", "--skip_bad_images")
    assert ended.status == 0 and len(ended.out.splitlines()) == 10
    assert "left out unreadable images (1)" in ended.err and "broken.jpg" in ended.err
    assert "gone.png is not there" in refused(call("test", *arguments, trained / "gone.png"))
    for part in ("train", "test"):
        (photos / part / "dog").rename(photos / part / "horse")
    said = refused(call("test", *arguments_for_test(trained), "--data", photos))
    assert "holds the classes cat, horse" in said and "knows cat, dog" in said
