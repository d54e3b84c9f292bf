"""Files that a disk, a copy or an editor has changed: each is noticed, or harmless."""

import json
import math
import os
import random
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from conftest import (
    arguments_for_test,
    make_photos,
    refused,
    spoil,
    train_arguments,
)

from console.errors import InputError
from dataset import load_data
from images.cache import read_cache
from records import finished
from records.files import Damaged, file_digest, parse_csv, write_csv, write_record, write_text
from records.finished import DONE
from training.archives import CHECKPOINT, WEIGHT, load, with_digest
from training.weight_table import WEIGHT_VALUES

ROUNDS = 25  # damaged copies of every file
NUMBERS: list[Any] = [-1, 3, 0.5, 1e308]
OTHER_VALUES = [None, True, *NUMBERS, "text", "3", [], [1], {}, {"a": 1}]


# --- damage ----------------------------------------------------------------------------------


def flip(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def zero(content: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.randint(1, 4096))
    content[start:end] = bytes(end - start)


def swap(content: bytearray, chance: random.Random) -> None:
    size = min(512, len(content) // 3)
    start = chance.randrange(len(content) - 2 * size)
    first = slice(start, start + size)
    start = chance.randrange(first.stop, len(content) - size)
    second = slice(start, start + size)
    content[first], content[second] = content[second], content[first]


def cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def digit(content: bytearray, chance: random.Random) -> None:
    """As an editor would: another digit."""
    digits = b"0123456789"
    numbers = [number for number, byte in enumerate(content) if byte in digits]
    if numbers:
        content[chance.choice(numbers)] = chance.choice(digits)


def value(content: bytearray, chance: random.Random) -> None:
    """As an editor would: another value, or none, in a record."""
    try:
        record = json.loads(content)
    except ValueError:
        return
    name = chance.choice([*record, *record.get("identity", {})])
    holder = record if name in record else record["identity"]
    holder[name] = chance.choice(OTHER_VALUES)
    if chance.random() < 0.2:
        del holder[name]
    content[:] = json.dumps(record).encode()


def whole(content: bytearray, chance: random.Random) -> None:
    """Another thing altogether, or nothing."""
    records = [b"3", b"[]", b'"text"', b"{}", b"null", b"[" * 100_000]
    others = [b"", b"\xff\xfe", b"a,b\n1\n", *records]
    content[:] = chance.choice(others)


DAMAGES = (flip, zero, swap, cut, digit, value, whole)


# --- what a reader makes of it ---------------------------------------------------------------


def plain(values: object) -> object:
    """Values that can be compared, tensors and arrays too."""
    if isinstance(values, (torch.Tensor, np.ndarray)):
        return str(values.dtype), values.shape, np.asarray(values).tobytes()
    if isinstance(values, dict):
        return {key: plain(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [plain(value) for value in values]
    return values


def read_tensors(kind: str) -> Callable[[Path, Path], object]:
    def read(path: Path, _: Path) -> object:
        values = load(kind, path)
        del values["sha256"]
        return plain(values)

    return read


def read_training(path: Path, original: Path) -> object:
    """What is believed of a training; Damaged if it is not done."""
    weight = original / "w.pth"
    identity = finished.read_training(original / "r", weight, None).record["identity"]
    trained = finished.read_training(path.parent, weight, identity)
    if trained.status != DONE:
        raise Damaged(str(trained.status))
    return trained


def read_test(path: Path, original: Path) -> object:
    """What is believed of a test; Damaged if it is not done."""
    identity = finished.read_test(original / "r", None).record["identity"]
    tested = finished.read_test(path.parent, identity)
    if tested.status != DONE:
        raise Damaged(str(tested.status))
    return tested


def read_decoded(path: Path, _: Path) -> object:
    return plain(read_cache(path.parent, image_size=16))


READERS = {
    "w.pth": read_tensors(WEIGHT),
    "w_checkpoint.pth": read_tensors(CHECKPOINT),
    "r/train.json": read_training,
    "r/history.csv": read_training,
    "r/test.json": read_test,
    "r/predictions.csv": read_test,
    "r/acc.txt": read_test,
    "decoded/index.json": read_decoded,
    "decoded/images": read_decoded,
}


@pytest.fixture
def files(trained: Path) -> Path:
    """A finished training with its test, and its decoded images beside it."""
    data = load_data(str(trained / "photos"), image_size=16)
    assert data.folder is not None
    shutil.copytree(data.folder, trained / "decoded")
    return trained


def outcome(read: Callable[[], object], before: object) -> str:
    """What a reader makes of a damaged file: any other error than these is a failure."""
    try:
        after = read()
    except (Damaged, InputError, FileNotFoundError) as error:
        assert str(error)
        return "noticed"
    return "harmless" if after == before else "believed"


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_noticed_or_harmless(name, files, original):
    path, chance = files / name, random.Random(name)
    read = partial(READERS[name], path, original)
    content, before = path.read_bytes(), read()
    outcomes: Counter[str] = Counter()
    for number in range(ROUNDS):
        damaged = bytearray(content)
        damage = DAMAGES[number % len(DAMAGES)]
        damage(damaged, chance)
        if damaged != content:
            path.write_bytes(damaged)
            outcomes[outcome(read, before)] += 1
    assert outcomes["noticed"] > ROUNDS / 2, "else the check below could not fail"
    assert outcomes["believed"] == 0


@pytest.mark.parametrize(("kind", "name"), [(WEIGHT, "w.pth"), (CHECKPOINT, "w_checkpoint.pth")])
def test_a_wrong_bit_in_the_directory_of_an_archive_is_noticed(kind, name, trained):
    path = trained / name
    content = path.read_bytes()
    first_entry = content.index(b"PK\x01\x02")
    for place in range(first_entry, first_entry + 46):
        damaged = bytearray(content)
        damaged[place] ^= 16  # of a member's attributes: a folder, of which torch reads nothing
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            load(kind, path)


@pytest.mark.parametrize(
    "error",
    [NotImplementedError(), EOFError(), RuntimeError("encrypted"), zlib.error(), RecursionError()],
)
def test_whatever_reading_a_checkpoint_raises_is_damage(error, trained, monkeypatch):
    monkeypatch.setattr("training.archives.from_bytes", Mock(side_effect=error))
    with pytest.raises(InputError, match=f"damaged.*{type(error).__name__}"):
        load(CHECKPOINT, trained / "w_checkpoint.pth")


# --- what programs make of it ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["index.json", "images"])
def test_damaged_decoded_images_are_decoded_again_with_a_line(name, trained, call):
    photos = make_photos(trained / "others", train=11)
    folder = load_data(str(photos), image_size=16).folder
    whole = (folder / name).read_bytes()
    change_middle(folder / name)
    ended = call("train", train_arguments(photos, trained / "new", epochs=1), "--no_pictures")
    assert ended.status == 0
    assert f"decoded images are damaged: {folder}" in ended.err
    assert (folder / name).read_bytes() == whole


def change_middle(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["r/train.json", "r/test.json"])
def test_a_whole_record_of_something_else_is_noticed(name, files, original):
    write_record(files / name, {"names": ["a.png"]})
    with pytest.raises(Damaged, match="lacks"):
        READERS[name](files / name, original)


@pytest.mark.parametrize("name", ["r/train.json", "r/history.csv", "r/test.json", "r/acc.txt"])
def test_a_pipe_in_the_place_of_a_file_is_noticed(name, files, original):
    path = files / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Damaged):
        READERS[name](path, original)


@pytest.mark.parametrize("index", ["{}", "[]", '{"names": []}'])
def test_an_index_without_its_values_is_made_again(index, trained):
    photos = str(make_photos(trained / "others", train=11))
    folder = load_data(photos, image_size=16).folder
    (folder / "index.json").write_text(index)
    again = load_data(photos, image_size=16)
    assert len(again.names) == 32


@pytest.fixture
def started_again(trained, original, call) -> str:
    """What a training said whose checkpoint is damaged, and whose weights are gone."""
    change_middle(trained / "w_checkpoint.pth")
    (trained / "w.pth").unlink()
    arguments = train_arguments(original / "photos", trained)
    return call("train", arguments, "--no_pictures").out


def test_a_damaged_checkpoint_is_told(started_again, trained):
    checkpoint = trained / "w_checkpoint.pth"
    told = f"starting again: {checkpoint} is no CNN checkpoint file of this version, damaged"
    assert told in started_again


def test_a_training_whose_checkpoint_is_damaged_starts_again(started_again, trained, original):
    assert (trained / "w.pth").read_bytes() == (original / "w.pth").read_bytes()


@pytest.mark.parametrize("predicted", [[], ["--predict", "photos/test/cat"]])
def test_damaged_weights_are_not_used(predicted, trained, call, monkeypatch):
    monkeypatch.chdir(trained)
    path = trained / "w.pth"
    change_middle(path)
    said = refused(call("test", arguments_for_test(trained), predicted))
    assert f"{path} is no CNN weight file of this version, damaged" in said


WRONG_VALUES = [
    ("kept", [1, 2]),
    ("kept", {"conv1.weight": "text"}),
    ("kept", {"conv1.weight": torch.full((2,), math.nan)}),
    ("last", {"conv1.weight": torch.zeros(1).expand(10**12)}),
    ("last", {"conv1.weight": torch.zeros(2).to_sparse()}),
    ("kept_epoch", -1),
    ("epochs", 2.5),
    ("image_size", 100_000),
    ("image_size", True),
    ("image_size", "16"),
    ("classes", 5),
    ("classes", ["cat"]),
    ("classes", ["cat", 5]),
    ("mean", 0.5),
    ("mean", [0.5, 0.5]),
    ("mean", ["0.5"] * 3),
    ("mean", [math.nan] * 3),
    ("std", [0.0, 0.2, 0.2]),
    ("scales", []),
    ("scales", {"floats": 1}),
    ("scales", {"floats": [1, 0]}),
    ("scales", {"floats": [0, math.inf]}),
    ("data", 5),
    ("data", ""),
    ("data", "a\0b"),
    ("skip_bad_images", "no"),
    ("group", None),
    ("loss_function", ["MSELoss"]),
    ("network", []),
    ("network", {"seed": 0}),
    ("scores", [[0, 0]]),
]


@pytest.mark.parametrize(("name", "value"), WRONG_VALUES)
def test_a_value_that_no_training_writes_is_named(name, value, original, tmp_path):
    path = Path(shutil.copy(original / "w.pth", tmp_path))
    spoil(path, {name: value})
    with pytest.raises(InputError, match=f"weight file that a training wrote: {name} is not "):
        load(WEIGHT, path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 100_000),
        ("seed", -1),
        ("channels_last", 1),
        ("arguments", {"x": {}}),
        ("arguments", {"image_size": 100_000}),
        ("arguments", {"loss_function": 5}),
    ],
)
def test_a_network_that_no_training_describes_is_refused(name, value, original, tmp_path):
    path = shutil.copy(original / "w.pth", tmp_path / "w.pth")
    network = torch.load(path, weights_only=True)["network"]
    spoil(path, {"network": {**network, name: value}})
    with pytest.raises(InputError, match="network is not the description of a network"):
        load(WEIGHT, path)


def test_every_value_of_a_weight_file_is_looked_at(trained):
    names = torch.load(trained / "w.pth", weights_only=True).keys()
    assert names == {"kind", "version", *WEIGHT_VALUES}


@pytest.mark.parametrize("value", [torch.ones(2), {"a": 1}])
def test_a_checkpoint_of_values_that_cannot_be_compared_is_started_again(value, trained, call):
    path = trained / "w_checkpoint.pth"
    spoil(path, {"identity": {"epochs": value}})
    (trained / "w.pth").unlink()
    ended = call("train", train_arguments(trained / "photos", trained), "--no_pictures")
    assert ended.status == 0
    assert f"starting again: {path} is no CNN checkpoint file that a training wrote" in ended.out


def test_a_checkpoint_of_another_state_is_refused_in_one_line(trained, call):
    spoil(trained / "w_checkpoint.pth", {"state": {"history": 5}})
    (trained / "w.pth").unlink()
    ended = call("train", train_arguments(trained / "photos", trained), "--no_pictures")
    assert "going on from a checkpoint fails: TypeError" in refused(ended)


@pytest.fixture(params=["packed", "overlapping"])
def bomb(request, tmp_path) -> Path:
    """An archive that unpacks to a thousand times its size."""
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w") as archive:
        if request.param == "packed":
            archive.writestr("archive/data/0", bytes(10**8), zipfile.ZIP_DEFLATED)
        else:
            archive.writestr("archive/data/0", bytes(10**5))
            archive.filelist *= 1000  # one place under many names
    path.write_bytes(with_digest(path.read_bytes()))
    return path


@pytest.mark.parametrize("read", [partial(load, WEIGHT), partial(load, CHECKPOINT)])
def test_an_archive_larger_than_its_file_is_refused_unread(read, bomb, monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "open", None)  # by which any member is read
    monkeypatch.setattr("training.archives.from_bytes", None)  # nor by torch
    with pytest.raises(InputError, match="ValueError"):
        read(bomb)


def test_a_plan_reads_no_packed_checkpoint(tmp_path):
    path = tmp_path / "c.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(finished.BEGUN, json.dumps({"identity": {}, "epochs": 1}))
    assert finished.read_begun(path) is None


def test_a_record_of_a_test_proves_the_weights_that_were_loaded(trained, call, monkeypatch):
    def replaced_meanwhile(path: Path, text: str) -> str:
        (trained / "w.pth").write_bytes(b"others")
        return write_text(path, text)

    monkeypatch.setattr("records.files.write_text", replaced_meanwhile)
    before = file_digest(trained / "w.pth")
    assert call("test", arguments_for_test(trained), "--no_pictures").status == 0
    assert finished.read_test(trained / "r", None).record["identity"]["weight.pth"] == before


# --- names that are code ---------------------------------------------------------------------


TEXTS = ["=1+1", "+cmd", "-x", "@a", "'=a", "'", "a=b", "-0.5", "+1", "-inf", "nan", "", 'a,"b"\n']
COMPUTED = ["=1+1", "+cmd", "-x", "@a", "＝1+1"]  # by a spreadsheet


def test_a_table_gives_back_what_was_written(tmp_path):
    write_csv(tmp_path / "t.csv", ["text"], [[text] for text in TEXTS])
    rows = parse_csv("t.csv", (tmp_path / "t.csv").read_bytes(), ["text"])
    assert [row["text"] for row in rows] == TEXTS


@pytest.mark.parametrize("text", COMPUTED)
def test_no_text_of_a_table_is_a_formula(text, tmp_path):
    write_csv(tmp_path / "t.csv", ["text"], [[text]])
    assert (tmp_path / "t.csv").read_text() == f"text\n'{text}\n"


@pytest.mark.parametrize("number", [-0.5, "-0.5", -3, "-inf"])
def test_numbers_of_a_table_stay_numbers(number, tmp_path):
    write_csv(tmp_path / "t.csv", ["number"], [[number]])
    assert (tmp_path / "t.csv").read_text() == f"number\n{number}\n"


def test_a_class_that_is_called_like_a_formula_is_none_in_the_predictions(photos, tmp_path, call):
    for part in ("train", "test"):
        (photos / part / "cat").rename(photos / part / "=1+1")
    assert call("train", train_arguments(photos, tmp_path), "--no_pictures").status == 0
    assert call("test", arguments_for_test(tmp_path), "--no_pictures").status == 0
    assert ",'=1+1," in (tmp_path / "r/predictions.csv").read_text()
    rows = finished.read_predictions(tmp_path / "r")
    assert {row["true_class"] for row in rows} == {"=1+1", "dog"}


def test_a_weight_files_names_are_shown_and_not_obeyed(trained, call):
    spoil(trained / "w.pth", {"classes": ["cat\nwarning: \x1b[41m", "dog\nwarning: \x1b[41m"]})
    ended = call("test", arguments_for_test(trained), "--predict", trained / "photos/test/cat")
    assert "\\nwarning: \\x1b[41m" in ended.out
    assert "\x1b" not in ended.out + ended.err
    assert "\nwarning" not in ended.out + ended.err
