"""The command line: near misses are answered with what was probably meant."""

import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from conftest import PATIENCE, PROJECT, fill, refused, train_arguments, words_of

import my_script
from console.errors import InputError
from console.options import Option, did_you_mean, parse, path, shared_options
from studies.settings import check_studies
from training.settings import SETTINGS, check_settings

LOSSES = ["CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss"]


def read(words: list) -> Namespace:
    """What a program understands of these words."""
    known = SETTINGS | shared_options(["weight_path", "data", "skip_bad_images"])
    known["predict"] = Option(path, None, "pictures", is_list=True)
    return parse("A program.", known, words_of(words))


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
        ("cross", LOSSES, "CrossEntropyLoss"),
        ("weather", my_script.STUDIES, ""),
        ("-", LOSSES, ""),
    ],
)
def test_the_nearest_name_is_found_or_none(word, names, meant):
    assert did_you_mean(word, names) == (f"; did you mean {meant}?" if meant else "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--epoch", 5],
            r"unrecognized arguments: --epoch 5; did you mean --epochs\?; see --help",
        ),
        (["--epoch=5"], r"did you mean --epochs\?"),
        (["--lr", 0.1], r"did you mean --learning_rate\?"),
        (["--loss", "mse"], r"did you mean --loss_function\?"),
        (["weights/w.pth"], r"did you mean --weight_path weights/w\.pth\?"),
        (["photos"], r"did you mean --data photos\?"),
        (["photos/0.png"], r"did you mean --predict photos/0\.png\?"),
        (
            ["--learning_rate", "0,1"],
            r"'0,1' is not .*; write 0\.1, with a decimal point",
        ),
        (["--frobnicate"], r"unrecognized arguments: --frobnicate; see"),
        (["nonsense"], r"unrecognized arguments: nonsense; see"),
    ],
)
def test_a_near_miss_on_the_command_line_is_answered(words, message, tmp_path, monkeypatch):
    fill(tmp_path / "photos", 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        read(words)


def test_a_dash_is_an_underscore_in_an_options_name():
    options = read(["--batch-size", 7, "--skip-bad-images"])
    assert options.batch_size == 7
    assert options.skip_bad_images


def test_words_are_those_of_the_command_line_where_none_are_given(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program.py", "--epochs", "3"])
    assert parse("A program.", SETTINGS).epochs == 3
    assert parse("A program.", SETTINGS, []).epochs == 20


def test_a_dash_is_a_dash_in_an_options_value():
    options = read(["--weight-path=my-weights/a-b.pth", "--data", "my-photos"])
    assert options.weight_path == Path("my-weights/a-b.pth")
    assert options.data == "my-photos"


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        (
            {"Change_learning_rate": [0, 1]},
            "for 0,1 write 0.1, with a decimal point; to allow 0 give SETTINGS another",
        ),
        ({"Change_learning_rate": ["0,1"]}, "write 0.1, with a decimal point"),
        ({"Change_epoch": [5]}, "did you mean epochs?"),
        ({"Change_Batch_Size": [5]}, "did you mean batch_size?"),
        (
            {"grid": {"loss": ["L1Loss"] * 2, "epochs": [1, 2]}},
            "did you mean loss_function?",
        ),
    ],
)
def test_a_near_miss_in_the_studies_is_answered(studies, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_studies(studies, my_script.BASE)


def test_a_loss_nearly_named_is_answered(photos, tmp_path, call):
    arguments = train_arguments(photos, tmp_path, loss_function="mseloss")
    assert "did you mean MSELoss?" in refused(call("train", arguments))


def test_a_study_nearly_named_is_answered(call):
    said = refused(call("my_script", "--studies", "change_epochs"))
    assert "'change_epochs' is not one of Change_epochs, " in said
    assert "; did you mean Change_epochs?" in said


def test_a_weight_file_without_its_option_is_answered(original, call):
    weight = original / "w.pth"
    assert f"did you mean --weight_path {weight}?" in refused(call("test", weight))


@pytest.mark.parametrize(
    "words",
    [
        "--seeds N how often every setting is trained",
        "--out PATH",
        "--studies NAME [NAME ...]",
    ],
)
def test_help_shows_what_kind_of_value_an_option_takes(words, call):
    shown = " ".join(call("my_script", "--help").out.split())
    assert words in shown


@pytest.mark.parametrize("program", ["train", "test", "my_script"])
@pytest.mark.parametrize(("word", "status"), [("--help", 0), ("--frobnicate", 2)])
def test_what_needs_no_package_is_answered_without_loading_one(word, status, program):
    command = [sys.executable, "-X", "importtime", PROJECT / f"{program}.py", word]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == status
    assert not re.search(r"\| +(torch|numpy|matplotlib|PIL)\n", ended.stderr)


def test_my_script_takes_its_arguments_as_a_list(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["a_script_of_the_users", "--frobnicate"])
    assert my_script.main(["--data", "shapes", "--out", str(tmp_path), "--collect"]) == 1
    assert "MISSING" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "option", "reason"),
    [
        ("augment", Option(bool, False, "flip"), "any text as True; use switch(False, ...)"),
        ("test_accuracy", Option(float, 0.5, "share"), "is the name of something else already"),
        ("train_seconds", Option(float, 0.5, "time"), "is the name of something else already"),
    ],
)
def test_a_setting_that_will_not_do_is_refused(name, option, reason, monkeypatch):
    monkeypatch.setitem(SETTINGS, name, option)
    with pytest.raises(InputError, match=re.escape(reason)):
        check_settings()
