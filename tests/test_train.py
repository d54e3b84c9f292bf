"""Training and testing alone: what is left on disk, what is said, what is refused."""

import argparse
import contextlib
import csv
import io
import json
import math
import os
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from conftest import PROJECT, fill, load_program, run_process, train_arguments
from PIL import Image
from torch import nn

import checkpoints
from runs import read_history, read_json

TRAIN, TEST = PROJECT / "train.py", PROJECT / "test.py"
AWKWARD = 'it\'s a "folder"; $HOME 猫和狗'


@pytest.fixture
def trained(photos, tmp_path, call):
    """A finished training of two epochs, and its test."""
    ended = call("train", *train_arguments(photos, tmp_path))
    assert ended.status == 0, ended.err
    ended = call("test", "--weight_path", tmp_path / "w.pth", "--img_path", tmp_path / "r")
    assert ended.status == 0, ended.err
    return tmp_path


def test_training_and_testing_leave_every_file(trained):
    names = {path.name for path in (trained / "r").iterdir()}
    assert names == {
        "Training_accuracy.png", "Loss_curve.png", "history.csv", "train.json",
        "acc.txt", "predictions.csv", "confusion_matrix.png", "test.json",
    }  # fmt: skip
    for path in (trained / "r").glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 300
    lines = (trained / "r" / "acc.txt").read_text().splitlines()
    assert re.fullmatch(r"Test accuracy: \d+\.\d{4}%", lines[0])
    assert re.fullmatch(r"Last epoch: \d+\.\d{4}%", lines[1])
    history = read_history(trained / "r")
    assert [row[0] for row in history] == [1, 2]


def test_accuracy_is_that_of_the_predictions(trained):
    with (trained / "r" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "true_class", "predicted_class", "probability"]
    assert {row["file"].split("/")[0] for row in rows} == {"test"}
    assert all(row["file"].split("/")[1] == row["true_class"] for row in rows)
    assert all(0.5 <= float(row["probability"]) <= 1 for row in rows)
    share = np.mean([row["true_class"] == row["predicted_class"] for row in rows])
    first = (trained / "r" / "acc.txt").read_text().splitlines()[0]
    assert first == f"Test accuracy: {100 * share:.4f}%"


def test_weight_file_holds_plain_values_and_all_that_is_needed_to_rebuild(trained, photos):
    content = torch.load(trained / "w.pth", weights_only=True)
    assert content["classes"] == ["cat", "dog"]
    assert content["image_size"] == 16
    assert len(content["mean"]) == len(content["std"]) == 3
    assert content["data"] == str(photos)
    assert set(content["kept"]) == set(content["last"])


def test_kept_weights_are_those_of_the_lowest_validation_loss(photos, tmp_path, call):
    call("train", *train_arguments(photos, tmp_path, epochs=8, learning_rate=0.05))
    losses = [row[2] for row in read_history(tmp_path / "r")]
    content = checkpoints.load_weight(tmp_path / "w.pth")
    assert content["kept_epoch"] == 1 + int(np.argmin(losses))
    call("train", *train_arguments(photos, tmp_path / "b", learning_rate=0.05,
                                   epochs=content["kept_epoch"]))  # fmt: skip
    shorter = checkpoints.load_weight(tmp_path / "b" / "w.pth")
    for name, value in shorter["last"].items():
        assert torch.equal(value, content["kept"][name])


def test_epoch_numbers_are_means_over_images_not_over_batches(photos, tmp_path):
    """With a step that changes nothing and no dropout, the epoch is a plain evaluation."""
    from batches import Images
    from dataset import load_data
    from losses import LOSSES
    from model import CNN

    train = load_program("train")
    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    torch.manual_seed(0)
    model, loss = CNN(dropout=0.0), LOSSES["CrossEntropyLoss"]
    own = images.splits["train"]
    uneven = own.split(7)  # 16 images: 7, 7 and 2
    train.sgd_step = lambda parameters, *_: [setattr(own, "grad", None) for own in parameters]
    options = argparse.Namespace(precision="float32", learning_rate=0.1, batch_size=7)
    step = train.make_step(train.State(model, [], {}), images, loss, options)
    got = train.train_one_epoch(model, step, loss, images, uneven)
    scores = model(images.inputs(own)).detach()
    log_p = scores.double().log_softmax(1).numpy()
    targets = images.targets[own].numpy()
    assert got[0] == pytest.approx(-log_p[np.arange(len(own)), targets].mean(), rel=1e-5)
    assert got[1] == pytest.approx((scores.argmax(1).numpy() == targets).mean())


def test_a_graphed_step_trains_like_the_plain_step(photos, monkeypatch):
    """With a stand-in for the GPU's graph, whose replay runs the captured step again."""
    from batches import Images, as_cuda_graph
    from dataset import load_data
    from model import CNN

    train = load_program("train")
    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    options = argparse.Namespace(precision="float32", learning_rate=0.1, batch_size=7)
    loss = train.LOSSES["CrossEntropyLoss"]
    captured = {"replays": 0}

    def noting(step: object, batch: torch.Tensor) -> torch.Tensor:
        scores = step(batch)
        if len(batch) == 7:
            captured.update(step=step, batch=batch, scores=scores)
        return scores

    class Graph:
        def replay(self) -> None:
            captured["scores"].copy_(captured["step"](captured["batch"]))
            captured["replays"] += 1

    class Stream:
        def wait_stream(self, other: object) -> None: ...

    def nothing(*_: object, **__: object) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()

    for name, own in (("Stream", Stream), ("current_stream", Stream), ("CUDAGraph", Graph),
                      ("stream", nothing), ("graph", nothing)):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, own)

    weights, results = [], []
    for graphed in (False, True):
        torch.manual_seed(0)
        model = CNN(dropout=0.0)
        state = train.State(model, [torch.zeros_like(own) for own in model.parameters()], {})
        step = train.make_step(state, images, loss, options)
        if graphed:
            changed = [*model.parameters(), *state.momentum]
            step = as_cuda_graph(partial(noting, step), 7, changed)
        batches = images.splits["train"].split(7)
        results.append(
            [train.train_one_epoch(model, step, loss, images, batches) for _ in range(3)]
        )
        weights.append([own.detach().clone() for own in model.parameters()])
    assert captured["replays"] == 6, "two full batches an epoch; the one of 2 is stepped as it is"
    assert results[0] == results[1]
    for own, other in zip(*weights, strict=True):
        assert torch.equal(own, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_graph_of_a_step_with_dropout_repeats_its_bits(photos):
    from batches import Images, choose_device
    from dataset import load_data
    from model import CNN

    train, device = load_program("train"), choose_device("cuda")
    images = Images(load_data(str(photos), 16), device)
    options = argparse.Namespace(precision="float32", learning_rate=0.1, batch_size=7)
    loss, results = train.LOSSES["CrossEntropyLoss"], []
    for _ in range(2):
        torch.manual_seed(0)
        model = CNN().to(device, memory_format=torch.channels_last)
        momentum = [torch.zeros_like(own) for own in model.parameters()]
        step = train.make_step(train.State(model, momentum, {}), images, loss, options)
        for epoch in range(3):
            torch.manual_seed(epoch)
            batches = images.splits["train"].split(7)
            results.append(train.train_one_epoch(model, step, loss, images, batches))
    assert results[:3] == results[3:]
    assert len(set(results[:3])) == 3, "every epoch has masks of its own and learns"


def test_the_curves_leave_room_for_the_labels_of_a_loss_that_hardly_moves(tmp_path, monkeypatch):
    import plots
    from runs import HISTORY_COLUMNS, write_csv

    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, *_: figures.append(figure))
    rows = [[epoch, 0.6925 + epoch / 1e5, 0.6926 + epoch / 1e5, 0.5, 0.5] for epoch in range(1, 9)]
    write_csv(tmp_path / "history.csv", HISTORY_COLUMNS, rows)
    plots.draw_curves(tmp_path)
    assert len(figures) == 2
    for figure in figures:
        figure.savefig(io.BytesIO())
        assert figure.axes[0].yaxis.label.get_window_extent().x0 >= 0


def test_a_curve_that_was_removed_is_drawn_again_without_training(trained, photos, call):
    (trained / "r" / "Loss_curve.png").unlink()
    before = (trained / "w.pth").stat().st_mtime_ns
    assert "already trained" in call("train", *train_arguments(photos, trained)).out
    assert (trained / "r" / "Loss_curve.png").is_file()
    assert (trained / "w.pth").stat().st_mtime_ns == before


def test_streams_of_random_numbers_are_kept_apart():
    from batches import seed_of

    keys = [(), (0,), (0, 0), (1,), (1, 0), (1, 1), (2,), (2, 0)]
    seeds = {seed_of(seed, *key) for seed in range(50) for key in keys}
    assert len(seeds) == 50 * len(keys)


def test_the_step_is_that_of_torchs_sgd():
    train = load_program("train")
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    parameters = list(ours.parameters())
    momenta = [torch.zeros_like(own) for own in parameters]
    for _ in range(4):
        batch = torch.randn(8, 5)
        for model in (ours, theirs):
            model(batch).square().mean().backward()
        train.sgd_step(parameters, momenta, 0.1)
        optimizer.step()
        optimizer.zero_grad()
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own, other)


def test_normalised_images_have_mean_0_and_deviation_1(photos):
    from batches import Images
    from dataset import load_data

    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    inputs = images.inputs(images.splits["train"])
    assert inputs.shape == (16, 3, 16, 16)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3)) - 1).abs().max() < 1e-2


def test_programs_work_from_any_folder_with_awkward_paths(tmp_path):
    root = tmp_path / AWKWARD
    for part in ("train", "test"):
        for number, name in enumerate(("$cat;", "狗 'dog'")):
            fill(root / "photos" / part / name, 6, first=100 * number + len(part) * 1000)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    arguments = train_arguments(root / "photos", root, epochs=1)
    ended = run_process(TRAIN, *arguments, cwd=elsewhere)
    assert ended.status == 0, ended.err
    assert "\x1b" not in ended.out + ended.err and "\r" not in ended.out + ended.err
    line = (
        r"epoch 1 of 1  train_loss \d\.\d+  valid_loss .* train_accuracy .* valid_accuracy .* left"
    )
    assert re.search(line, ended.out)
    ended = run_process(TEST, "--weight_path", root / "w.pth", "--img_path", root / "r", cwd=root)
    assert ended.status == 0, ended.err
    assert "Test accuracy:" in ended.out
    assert list(elsewhere.iterdir()) == []


def test_on_a_terminal_epochs_are_shown_in_place(photos, tmp_path):
    import pty

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, TRAIN, *map(str, train_arguments(photos, tmp_path))],
        stdout=child, stderr=child, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    assert process.wait() == 0
    assert shown.count(b"\r\x1b[2Kepoch ") == 2


@pytest.mark.parametrize("program", ["train", "test", "my_script"])
def test_help_explains_every_option_with_its_default(program, call, capsys):
    ended = call(program, "--help")
    assert ended.status == 0
    text = " ".join(ended.out.split())
    options = set(re.findall(r"(?<![\w-])--\w+", ended.out)) - {"--help"}
    assert len(options) >= 8
    for option in options:
        assert re.search(rf"{option}\b(?! \[)[^-]* \w+ \w+", text), option
    assert text.count("(default: ") >= 6


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        ("train", ["--epochs", "0"], "--epochs: '0' is not a whole number from 1"),
        ("train", ["--epochs", "-3"], "--epochs"),
        ("train", ["--epochs", "ten"], "'ten' is not a whole number"),
        ("train", ["--epochs", "2.5"], "'2.5' is not a whole number"),
        ("train", ["--batch_size", "0"], "--batch_size: '0'"),
        ("train", ["--batch_size", str(2**40)], "--batch_size"),
        ("train", ["--learning_rate", "0"], "'0' is not a finite number above 0"),
        ("train", ["--learning_rate", "-1"], "--learning_rate"),
        ("train", ["--learning_rate", "nan"], "'nan' is not a finite number"),
        ("train", ["--learning_rate", "inf"], "'inf' is not a finite number"),
        ("train", ["--learning_rate", "1e300"], "'1e300' is not a finite number"),
        ("train", ["--image_size", "100000"], "from 16 to 2048"),
        ("train", ["--device", "meta"], "--device meta cannot be used"),
        ("train", ["--learning_rate", "fast"], "'fast' is not a finite number"),
        ("train", ["--image_size", "8"], "'8' is not a whole number from 16"),
        ("train", ["--seed", "-1"], "--seed"),
        ("train", ["--loss_function", "Hinge"], "invalid choice: 'Hinge'"),
        ("train", ["--device", "toaster"], "--device toaster cannot be used"),
        ("train", ["--frobnicate"], "unrecognized arguments: --frobnicate"),
        ("train", ["--data", "/nowhere/at/all"], "/nowhere/at/all is not a folder"),
        ("test", ["--weight_path", "/nowhere.pth"], "/nowhere.pth is no file; train first"),
        ("test", ["--csv", "a.csv"], "--csv goes with --predict"),
        ("my_script", ["--studies", "Change_weather"], "invalid choice: 'Change_weather'"),
        ("my_script", ["--seeds", "0"], "--seeds: '0'"),
        ("my_script", ["--seeds", "99"], "--seeds: '99' is not a whole number from 1 to 16"),
        ("my_script", ["--jobs", "0"], "--jobs: '0'"),
        ("my_script", ["--out", ""], "--out: it is empty"),
        ("my_script", ["--out", f"{PROJECT}/README.md/out"], "README.md is a file; name a folder"),
        ("train", ["--data", ""], "--data: it is empty"),
        ("train", ["--weight_path", ""], "--weight_path: it is empty"),
        ("test", ["--predict", ""], "--predict: it is empty"),
        ("my_script", ["--device", "toaster"], "--device toaster cannot be used"),
    ],
)
def test_bad_arguments_give_one_line_and_status_2(
    program, arguments, message, call, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ended = call(program, *arguments)
    assert ended.status == 2
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1
    assert message in ended.err
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


def test_a_cuda_device_that_is_not_there_is_one_line(call, photos, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for program in ("train", "my_script"):
        ended = call(program, "--device", "cuda", "--data", photos)
        assert ended.status == 2
        assert ended.err.startswith("error: --device cuda cannot be used")
        assert ended.err.count("\n") == 1


class Bomb:
    """A pickle that would run a command."""

    def __reduce__(self):
        return os.system, ("touch exploded",)


@pytest.mark.parametrize(
    "kind", ["empty", "cut", "text", "other", "model", "list", "size", "mean", "pickle", "version"]
)
def test_a_weight_file_that_is_none_is_refused_in_one_line(
    kind, trained, call, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    weight = tmp_path / "w.pth"
    content = torch.load(weight, weights_only=True)
    whole = weight.read_bytes()
    if kind == "empty":
        weight.write_bytes(b"")
    elif kind == "cut":
        weight.write_bytes(whole[: len(whole) // 2])
    elif kind == "text":
        weight.write_text("weights")
    elif kind == "other":
        torch.save({"state_dict": content["kept"]}, weight)
    elif kind == "model":
        content["kept"]["conv1.weight"] = torch.zeros(9, 3, 3, 3)
        torch.save(content, weight)
    elif kind == "list":
        torch.save({**content, "kept": [1, 2]}, weight)
    elif kind == "size":
        torch.save({**content, "image_size": "x"}, weight)
    elif kind == "mean":
        torch.save({**content, "mean": ["0", "0", "0"]}, weight)
    elif kind == "pickle":
        torch.save({"kept": Bomb()}, weight)
    elif kind == "version":
        torch.save({**content, "version": 99}, weight)
    ended = call("test", "--weight_path", weight, "--img_path", tmp_path / "new")
    assert ended.status == 2
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1
    assert str(weight) in ended.err
    assert not (tmp_path / "new").exists() and not (tmp_path / "exploded").exists()


def test_images_of_other_classes_are_refused(trained, call, tmp_path):
    for number, name in enumerate(("cat", "horse")):
        fill(tmp_path / "others" / name, 6, first=100 * number)
    ended = call("test", "--weight_path", trained / "w.pth", "--data", tmp_path / "others")
    assert ended.status == 2
    assert "holds the classes cat, horse" in ended.err and "knows cat, dog" in ended.err


def test_a_place_that_cannot_be_written_is_named_before_training(photos, tmp_path, call):
    (tmp_path / "file").write_text("in the way")
    for option, place in (("--img_path", "file/r"), ("--weight_path", "file/w.pth")):
        ended = call("train", *train_arguments(photos, tmp_path), option, tmp_path / place)
        assert ended.status == 2
        assert ended.err.startswith("error: ") and "file" in ended.err
    (tmp_path / "w.pth").mkdir()
    ended = call("train", *train_arguments(photos, tmp_path))
    assert ended.status == 2 and "is a folder; --weight_path takes a file" in ended.err
    assert not list(tmp_path.glob("**/history.csv"))


def test_a_loss_that_is_no_longer_finite_ends_the_run_with_its_best_weights(photos, tmp_path, call):
    arguments = train_arguments(
        photos, tmp_path, epochs=30, learning_rate=1e6, loss_function="MSELoss"
    )
    ended = call("train", *arguments)
    assert ended.status == 0, ended.err
    assert "diverged at epoch" in ended.out
    record = read_json(tmp_path / "r" / "train.json")
    history = read_history(tmp_path / "r")
    assert record["diverged"] and record["epochs"] == len(history) < 30
    assert not math.isfinite(history[-1][1]) or not math.isfinite(history[-1][2])
    weight = checkpoints.load_weight(tmp_path / "w.pth")
    assert all(torch.isfinite(value).all() for value in weight["kept"].values())
    ended = call("test", "--weight_path", tmp_path / "w.pth", "--img_path", tmp_path / "r")
    assert ended.status == 0 and "Test accuracy" in ended.out
    again = call("train", *arguments)
    assert "already trained" in again.out


# --- a user's own pictures -------------------------------------------------------------------


def test_predict_prints_class_probability_and_file(trained, call, tmp_path):
    fill(tmp_path / "own" / "deep", 2)
    fill(tmp_path / "own", 1, first=7)
    one = tmp_path / "one.png"
    Image.new("L", (50, 30), 200).save(one)
    ended = call("test", "--weight_path", trained / "w.pth", "--csv", tmp_path / "table.csv",
                 "--predict", one, tmp_path / "own")  # fmt: skip
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert len(lines) == 4
    name, probability, path = lines[0].split(maxsplit=2)
    assert name in ("cat", "dog") and 0.5 <= float(probability) <= 1 and path == str(one)
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["file", "class", "probability"]
    assert rows[1] == [str(one), name, probability]
    assert ended.err == ""


def test_predict_gives_the_answers_of_the_test(trained, call, photos):
    with (trained / "r" / "predictions.csv").open(newline="") as file:
        expected = {row["file"]: row for row in csv.DictReader(file)}
    ended = call("test", "--weight_path", trained / "w.pth", "--predict", photos / "test")
    for line in ended.out.splitlines():
        name, probability, path = line.split(maxsplit=2)
        row = expected[os.path.relpath(path, photos)]
        assert name == row["predicted_class"]
        assert float(probability) == pytest.approx(float(row["probability"]), abs=1e-4)


def test_predict_says_where_the_number_is_no_calibrated_probability(photos, tmp_path, call):
    call("train", *train_arguments(photos, tmp_path, loss_function="L1Loss"))
    ended = call("test", "--weight_path", tmp_path / "w.pth", "--predict", photos / "test")
    assert "L1Loss gives no calibrated probability" in ended.err


def test_predict_names_bad_pictures_and_goes_on_without_them_if_told(trained, call, tmp_path):
    fill(tmp_path / "own", 2)
    (tmp_path / "own" / "broken.jpg").write_bytes(b"")
    arguments = ["--weight_path", trained / "w.pth", "--predict", tmp_path / "own"]
    ended = call("test", *arguments)
    assert ended.status == 2 and "broken.jpg (empty file)" in ended.err
    ended = call("test", *arguments, "--skip_bad_images")
    assert ended.status == 0 and len(ended.out.splitlines()) == 2
    assert "left out 1 unreadable file" in ended.err and "broken.jpg" in ended.err
    ended = call("test", "--weight_path", trained / "w.pth", "--predict", tmp_path / "gone.png")
    assert ended.status == 2 and "gone.png is not there" in ended.err


def test_records_are_json_with_settings_times_and_command(trained):
    record = json.loads((trained / "r" / "train.json").read_text())
    assert record["identity"]["epochs"] == 2 and record["identity"]["learning_rate"] == 0.01
    assert record["seconds"] > 0 and "--epochs" in record["command"]
    assert json.loads((trained / "r" / "test.json").read_text())["test_images"] == 10
