"""Training and testing alone: what is left on disk, what is said, what is refused."""

import csv
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from conftest import PROJECT, arguments_for_test, fill, load_program, run_process, train_arguments
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from dataset import load_data
from losses import LOSSES
from model import CNN
from records.files import read_json, write_csv
from records.runs import HISTORY_COLUMNS, read_history
from report import figures
from training.batches import Images, seed_of, shuffled_batches
from training.files import load_weight
from training.optimizer import SGD

TRAIN, TEST = PROJECT / "train.py", PROJECT / "test.py"
AWKWARD = 'it\'s a "folder"; $HOME 猫和狗'


@pytest.fixture
def trained(photos, tmp_path, call):
    """A finished training of two epochs, and its test."""
    ended = call("train", *train_arguments(photos, tmp_path))
    assert ended.status == 0, ended.err
    ended = call("test", *arguments_for_test(tmp_path))
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
    assert [row[0] for row in read_history(trained / "r")] == [1, 2]


def test_without_pictures_none_is_drawn_and_matplotlib_is_not_imported(photos, tmp_path):
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: sys.exit('matplotlib' in sys.modules)"
    )
    arguments = map(str, [TRAIN, *train_arguments(photos, tmp_path), "--no_pictures"])
    ended = subprocess.run([sys.executable, "-c", code, *arguments], cwd=PROJECT)
    assert ended.returncode == 0
    assert not list(tmp_path.glob("r/*.png")) and (tmp_path / "r" / "train.json").is_file()


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
    content = load_weight(tmp_path / "w.pth", CNN())
    assert content["kept_epoch"] == 1 + int(np.argmin(losses))
    shorter = {"epochs": content["kept_epoch"], "learning_rate": 0.05}
    call("train", *train_arguments(photos, tmp_path / "b", **shorter))
    last = load_weight(tmp_path / "b" / "w.pth", CNN())["last"]
    assert all(torch.equal(value, content["kept"][name]) for name, value in last.items())


def test_epoch_numbers_are_means_over_images_not_over_batches(photos):
    """With a step that changes nothing and no dropout, the epoch is a plain evaluation."""
    train = load_program("train")
    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    torch.manual_seed(0)
    model, indices = CNN(dropout=0.0), images.splits["train"]
    uneven = indices.split(7)  # 16 images: 7, 7 and 2
    still = SGD(model.parameters(), learning_rate=0.0)
    got = train.train_one_epoch(model, still, LOSSES["CrossEntropyLoss"], images, uneven)
    scores = model(images.inputs(indices)).detach()
    log_p, targets = scores.double().log_softmax(1).numpy(), images.targets[indices].numpy()
    assert got[0] == pytest.approx(-log_p[np.arange(len(indices)), targets].mean(), rel=1e-5)
    assert got[1] == pytest.approx((scores.argmax(1).numpy() == targets).mean())


def test_the_step_is_that_of_torchs_sgd():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    steps = SGD(ours.parameters(), 0.1), torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.9)
    for _ in range(4):
        batch = torch.randn(8, 5)
        for model, optimizer in zip((ours, theirs), steps, strict=True):
            model(batch).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own, other)


def test_streams_of_random_numbers_are_kept_apart():
    keys = [(), (0,), (0, 0), (1,), (1, 0), (1, 1), (2,), (2, 0)]
    assert len({seed_of(seed, *key) for seed in range(50) for key in keys}) == 50 * len(keys)


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(9, 4, [4, 5]), (8, 4, [4, 4]), (10, 4, [4, 4, 2]), (3, 8, [3]), (1, 4, [1]), (2, 1, [1, 1])],
)
def test_a_remainder_of_one_image_joins_the_batch_before_it(count, size, sizes):
    batches = shuffled_batches(torch.arange(count), size, seed=0)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(list(batches)).tolist()) == list(range(count))


def test_normalised_images_have_mean_0_and_deviation_1(photos):
    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    inputs = images.inputs(images.splits["train"])
    assert inputs.shape == (16, 3, 16, 16)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3)) - 1).abs().max() < 1e-2


def test_the_curves_leave_room_for_the_labels_of_a_loss_that_hardly_moves(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    monkeypatch.setattr(figures, "save", lambda figure, _: figure.savefig())
    rows = [[epoch, 0.6925 + epoch / 1e5, 0.6926 + epoch / 1e5, 0.5, 0.5] for epoch in range(1, 9)]
    write_csv(tmp_path / "history.csv", HISTORY_COLUMNS, rows)
    figures.draw_curves(tmp_path)
    monkeypatch.undo()
    assert len(drawn) == 2
    for figure in drawn:
        figure.savefig(io.BytesIO())
        assert figure.axes[0].yaxis.label.get_window_extent().x0 >= 0


def test_a_curve_that_was_removed_is_drawn_again_without_training(trained, photos, call):
    (trained / "r" / "Loss_curve.png").unlink()
    before = (trained / "w.pth").stat().st_mtime_ns
    assert "already trained" in call("train", *train_arguments(photos, trained)).out
    assert (trained / "r" / "Loss_curve.png").is_file()
    assert (trained / "w.pth").stat().st_mtime_ns == before


def test_programs_work_from_any_folder_with_awkward_paths(tmp_path):
    root, elsewhere = tmp_path / AWKWARD, tmp_path / "elsewhere"
    for part in ("train", "test"):
        for number, name in enumerate(("$cat;", "狗 'dog'")):
            fill(root / "photos" / part / name, 6, first=100 * number + len(part) * 1000)
    elsewhere.mkdir()
    ended = run_process(TRAIN, *train_arguments(root / "photos", root, epochs=1), cwd=elsewhere)
    assert ended.status == 0, ended.err
    assert "\x1b" not in ended.out + ended.err and "\r" not in ended.out + ended.err
    line = r"epoch 1 of 1  train_loss \d\.\d+  valid_loss .*train_accuracy .*valid_accuracy .*left"
    assert re.search(line, ended.out)
    ended = run_process(TEST, *arguments_for_test(root), cwd=root)
    assert ended.status == 0, ended.err
    assert "Test accuracy:" in ended.out
    assert list(elsewhere.iterdir()) == []


def test_on_a_terminal_epochs_are_shown_in_place(photos, tmp_path):
    import pty

    parent, child = pty.openpty()
    command = [sys.executable, TRAIN, *map(str, train_arguments(photos, tmp_path))]
    process = subprocess.Popen(command, stdout=child, stderr=child, stdin=subprocess.DEVNULL)
    os.close(child)
    shown = b""
    while piece := read_or_nothing(parent):
        shown += piece
    os.close(parent)
    assert process.wait() == 0
    assert shown.count(b"\r\x1b[2Kepoch ") == 2


def read_or_nothing(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


@pytest.mark.parametrize("program", ["train.py", "test.py", "my_script.py"])
def test_ctrl_c_while_packages_load_ends_without_a_traceback(program):
    process = subprocess.Popen(
        [sys.executable, "-v", PROJECT / program, "--help"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stderr:  # -v: a line for every import
        if "import 'numpy'" in line or "numpy/__init__" in line:
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(20) == -signal.SIGINT
    assert "Traceback" not in said and "KeyboardInterrupt" not in said


def test_ctrl_c_stops_with_130_and_no_traceback(photos, tmp_path):
    arguments = map(str, train_arguments(photos, tmp_path, epochs=100000))
    process = subprocess.Popen(
        [sys.executable, TRAIN, *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "r" / "history.csv").is_file():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said and "the same command (without --fresh) goes on" in said
    assert not read_json(tmp_path / "r" / "train.json")


@pytest.mark.parametrize("program", ["train", "test", "my_script"])
def test_help_explains_every_option_with_its_default(program, call):
    ended = call(program, "--help")
    assert ended.status == 0
    explained = re.split(r"\n  (?=-)", ended.out)[1:]
    assert len(explained) >= 9
    for text in explained:
        words = " ".join(text.split())
        assert words.startswith("-h") or re.search(r"^--\w+ .*\w+ \w+.*default: ", words), words


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
        ("train", ["--learning_rate", "fast"], "'fast' is not a finite number"),
        ("train", ["--image_size", "100000"], "from 16 to 2048"),
        ("train", ["--image_size", "8"], "'8' is not a whole number from 16"),
        ("train", ["--device", "meta"], "--device meta cannot be used"),
        ("train", ["--device", "toaster"], "--device toaster cannot be used"),
        ("train", ["--seed", "-1"], "--seed"),
        ("train", ["--loss_function", "Hinge"], "invalid choice: 'Hinge' (losses.py has CrossEnt"),
        ("train", ["--frobnicate"], "unrecognized arguments: --frobnicate"),
        ("train", ["--precision", "bfloat16"], "unrecognized arguments: --precision"),
        ("train", ["--data", "/nowhere/at/all"], "/nowhere/at/all is not a folder"),
        ("train", ["--data", ""], "--data: '' is not a name: it is empty"),
        ("train", ["--weight_path", ""], "--weight_path: '' is not a path: it is empty"),
        ("test", ["--weight_path", "/nowhere.pth"], "/nowhere.pth is no file; train first"),
        ("test", ["--predict", ""], "--predict: '' is not a path: it is empty"),
        (
            "my_script",
            ["--studies", "Change_weather"],
            "'Change_weather' is not one of Change_epochs",
        ),
        ("my_script", ["--seeds", "0"], "--seeds: '0'"),
        ("my_script", ["--jobs", "0"], "--jobs: '0'"),
        ("my_script", ["--out", ""], "--out: '' is not a path: it is empty"),
        ("my_script", ["--out", f"{PROJECT}/README.md/out"], "README.md"),
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


def test_a_cuda_device_that_is_not_there_is_one_line(call, photos):
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


def spoiled(kind: str, whole: bytes, content: dict) -> bytes:
    """A weight file that is none, of one kind or another."""
    file = io.BytesIO()
    match kind:
        case "empty" | "text":
            return b"" if kind == "empty" else b"weights"
        case "cut":
            return whole[: len(whole) // 2]
        case "other":
            torch.save({"state_dict": content["kept"]}, file)
        case "model":
            content["kept"]["conv1.weight"] = torch.zeros(9, 3, 3, 3)
            torch.save(content, file)
        case "pickle":
            torch.save({"kept": Bomb()}, file)
        case _:
            values = {"kept": [1, 2], "image_size": "x", "mean": ["0"] * 3, "version": 99}
            torch.save({**content, kind: values[kind]}, file)
    return file.getvalue()


KINDS = "empty text cut other model pickle kept image_size mean version".split()  # noqa: SIM905


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_file_that_is_none_is_refused_in_one_line(
    kind, trained, call, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    weight = tmp_path / "w.pth"
    weight.write_bytes(spoiled(kind, weight.read_bytes(), torch.load(weight, weights_only=True)))
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
    settings = {"epochs": 30, "learning_rate": 1e6, "loss_function": "MSELoss"}
    ended = call("train", *train_arguments(photos, tmp_path, **settings))
    assert ended.status == 0, ended.err
    assert "diverged at epoch" in ended.out
    record, history = read_json(tmp_path / "r" / "train.json"), read_history(tmp_path / "r")
    assert record["diverged"] and record["epochs"] == len(history) < 30
    assert not math.isfinite(history[-1][1]) or not math.isfinite(history[-1][2])
    kept = load_weight(tmp_path / "w.pth", CNN())["kept"]
    assert all(torch.isfinite(value).all() for value in kept.values())
    ended = call("test", *arguments_for_test(tmp_path))
    assert ended.status == 0 and "Test accuracy" in ended.out
    assert "already trained" in call("train", *train_arguments(photos, tmp_path, **settings)).out


# --- a user's pictures -----------------------------------------------------------------------


def test_predict_prints_class_probability_and_file(trained, call, tmp_path):
    fill(tmp_path / "own" / "deep", 2)
    fill(tmp_path / "own", 1, first=7)
    one = tmp_path / "one.png"
    Image.new("L", (50, 30), 200).save(one)
    ended = call("test", "--weight_path", trained / "w.pth", "--predict", one, tmp_path / "own")
    assert ended.status == 0, ended.err
    assert len(ended.out.splitlines()) == 4
    name, probability, path = ended.out.splitlines()[0].split(maxsplit=2)
    assert name in ("cat", "dog") and 0.5 <= float(probability) <= 1 and path == str(one)
    assert ended.err == ""


def test_predict_gives_the_answers_of_the_test(trained, call, photos):
    with (trained / "r" / "predictions.csv").open(newline="") as file:
        expected = {row["file"]: row for row in csv.DictReader(file)}
    ended = call("test", "--weight_path", trained / "w.pth", "--predict", photos / "test")
    assert len(ended.out.splitlines()) == len(expected)
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
    assert "left out unreadable images (1)" in ended.err and "broken.jpg" in ended.err
    ended = call("test", "--weight_path", trained / "w.pth", "--predict", tmp_path / "gone.png")
    assert ended.status == 2 and "gone.png is not there" in ended.err


def test_records_are_json_with_settings_times_and_command(trained):
    record = json.loads((trained / "r" / "train.json").read_text())
    assert record["identity"]["epochs"] == 2 and record["identity"]["learning_rate"] == 0.01
    assert record["seconds"] > 0 and "--epochs" in record["command"]
    assert json.loads((trained / "r" / "test.json").read_text())["test_images"] == 10
