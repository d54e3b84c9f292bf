"""The command line: near misses are answered with what was probably meant."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, arguments_for_test, fill, refused, train_arguments

import my_script
from console.errors import InputError
from console.nearest import nearest
from console.options import SETTINGS, Option, parse, path, shared_options
from studies.settings import check_studies

LOSSES = ["CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss"]


def read(*words: object, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", ["program.py", *map(str, words)])
    known = shared_options([*SETTINGS, "weight_path", "data", "skip_bad_images"])
    known["predict"] = Option(path, None, "pictures", is_list=True)
    return parse("A program.", known)


@pytest.mark.parametrize(
    ("word", "names", "meant"),
    [
        ("--epoch", ["--epochs", "--seed"], "--epochs"),
        ("--lr", ["--epochs", "--learning_rate"], "--learning_rate"),
        ("--loss", ["--epochs", "--loss_function"], "--loss_function"),
        ("--BATCH-SIZE", ["--epochs", "--batch_size"], "--batch_size"),
        ("mse", LOSSES, "MSELoss"),
        ("crossentropyloss", LOSSES, "CrossEntropyLoss"),
        ("smooth_l1", LOSSES, "SmoothL1Loss"),
        ("change-epochs", my_script.STUDIES, "Change_epochs"),
        ("batch_size", my_script.STUDIES, "Change_batch_size"),
        ("weather", my_script.STUDIES, ""),
        ("-", LOSSES, ""),
    ],
)
def test_the_nearest_name_is_found_or_none(word, names, meant):
    assert nearest(word, names) == meant


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epoch", 5], r"unrecognized arguments: --epoch 5; did you mean --epochs\?; see --help"),
        (["--epoch=5"], r"did you mean --epochs\?"),
        (["--lr", 0.1], r"did you mean --learning_rate\?"),
        (["--loss", "mse"], r"did you mean --loss_function\?"),
        (["weights/w.pth"], r"did you mean --weight_path weights/w\.pth\?"),
        (["photos"], r"did you mean --data photos\?"),
        (["photos/0.png"], r"did you mean --predict photos/0\.png\?"),
        (["--learning_rate", "0,1"], r"'0,1' is not .*; write 0\.1, with a decimal point"),
        (["--frobnicate"], r"unrecognized arguments: --frobnicate; see"),
        (["nonsense"], r"unrecognized arguments: nonsense; see"),
    ],
)
def test_a_near_miss_on_the_command_line_is_answered(words, message, tmp_path, monkeypatch):
    fill(tmp_path / "photos", 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        read(*words, monkeypatch=monkeypatch)


def test_a_dash_is_an_underscore_in_an_options_name_and_nowhere_else(monkeypatch):
    words = ["--batch-size", 7, "--weight-path=my-weights/a-b.pth", "--skip-bad-images"]
    options = read(*words, "--data", "my-photos", monkeypatch=monkeypatch)
    assert (options.batch_size, options.skip_bad_images) == (7, True)
    assert (options.weight_path, options.data) == (Path("my-weights/a-b.pth"), "my-photos")


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        ({"Change_learning_rate": [0, 1]}, "should it be 0,1? write 0.1, with a decimal point"),
        ({"Change_learning_rate": ["0,1"]}, "write 0.1, with a decimal point"),
        ({"Change_epoch": [5]}, "did you mean epochs?"),
        ({"Change_Batch_Size": [5]}, "did you mean batch_size?"),
        ({"grid": {"loss": ["L1Loss"] * 2, "epochs": [1, 2]}}, "did you mean loss_function?"),
    ],
)
def test_a_near_miss_in_the_studies_is_answered(studies, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_studies(studies, my_script.BASE)


def test_programs_answer_a_loss_a_study_and_a_weight_file_nearly_named(original, tmp_path, call):
    arguments = train_arguments(original / "photos", tmp_path, loss_function="mseloss")
    assert "did you mean MSELoss?" in refused(call("train", arguments))
    said = refused(call("my_script", "--studies", "change_epochs"))
    assert "'change_epochs' is not one of Change_epochs, " in said
    assert "; did you mean Change_epochs?" in said
    weight = arguments_for_test(original)[1]
    assert f"did you mean --weight_path {weight}?" in refused(call("test", weight))


def test_help_shows_what_kind_of_value_an_option_takes(call):
    shown = " ".join(call("my_script", "--help").out.split())
    assert "--seeds N how often every setting is trained" in shown
    assert "--out PATH" in shown and "--studies NAME [NAME ...]" in shown


@pytest.mark.parametrize("program", ["train", "test", "my_script"])
def test_help_and_a_wrong_option_are_answered_without_loading_packages(program):
    heavy = r"\| +(torch|numpy|matplotlib|PIL)\n"
    for word, status in (("--help", 0), ("--frobnicate", 2)):
        command = [sys.executable, "-X", "importtime", PROJECT / f"{program}.py", word]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == status and not re.search(heavy, ended.stderr), word
