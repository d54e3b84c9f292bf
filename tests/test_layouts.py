"""Layouts of folders: what is taken for a split or a class, what is passed over, what refused."""

import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from conftest import fill
from PIL import Image

from console.errors import InputError
from dataset import Data, describe, load_data
from images.walk import is_picture


def load(folder: Path) -> Data:
    return load_data(str(folder), 16)


def make(root: Path, **folders: int) -> Path:
    """Pictures in folders: make(root, train__cat=4) puts four into train/cat, all different."""
    for number, (name, count) in enumerate(folders.items()):
        fill(root / name.replace("__", "/"), count, first=1000 * number)
    return root


def counts(data: Data) -> dict[str, dict[str, int]]:
    """How many images of each class every split holds."""
    classes = [data.classes[target] for target in data.targets]
    return {part: dict(Counter(classes[at] for at in data.splits[part])) for part in data.splits}


def both(count: int) -> dict[str, int]:
    return {"no": count, "yes": count}


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [
        ("Training", "Validation", "Testing"),
        ("training_set", "val", "test_set"),
        ("TRAIN", "dev", "Test"),
        ("train-set", "valid", "test1"),
        ("train2017", "val2017", "test2017"),
    ],
)
def test_splits_are_known_by_their_usual_names(tmp_path, train, valid, test):
    folders = {}
    for name, count in ((train, 6), (valid, 3), (test, 4)):
        folders |= {f"{name}__no": count, f"{name}__yes": count}
    data = load(make(tmp_path, **folders))
    assert counts(data) == {"train": both(6), "valid": both(3), "test": both(4)}
    assert data.notes == [f"train: {train}, valid: {valid}, test: {test}"]


def test_folders_with_the_plain_names_need_no_word(tmp_path):
    data = load(make(tmp_path, train__no=5, train__yes=5, test__no=2, test__yes=2))
    assert data.notes == []


def test_without_test_the_folder_valid_is_the_test_set_and_a_line_says_so(tmp_path):
    data = load(make(tmp_path, train__no=10, train__yes=10, val__no=4, val__yes=4))
    assert counts(data) == {"train": both(8), "valid": both(2), "test": both(4)}
    assert data.notes == ["train: train, valid: 20 % of train, test: val (no test folder)"]
    assert "test: val (no test folder)" in describe(data)


def test_train_alone_is_divided_and_a_line_says_so(tmp_path):
    data = load(make(tmp_path, train__no=10, train__yes=10))
    assert counts(data) == {"train": both(6), "valid": both(2), "test": both(2)}
    assert data.notes == ["split: 60 / 20 / 20 % of train (no test folder)"]


def test_each_split_may_have_a_wrapper_folder_of_its_own(tmp_path):
    folders = {"training_set__training_set__no": 5, "training_set__training_set__yes": 5}
    folders |= {"test_set__test_set__no": 2, "test_set__test_set__yes": 2}
    data = load(make(tmp_path, **folders))
    assert counts(data) == {"train": both(4), "valid": both(1), "test": both(2)}


@pytest.mark.parametrize("inner", ["", "train__", "PetImages__"])
def test_one_wrapper_folder_is_entered(tmp_path, inner):
    folders = {f"outer__{inner}{name}": 5 for name in ("no", "yes")}
    data = load(make(tmp_path, **folders))
    assert counts(data) == {"train": both(3), "valid": both(1), "test": both(1)}
    assert data.notes and "outer" in data.notes[0]


def make_flat(folder: Path, words: tuple[str, str], count: int = 5) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, word in enumerate(words):
        fill(folder / "later", count, first=1000 * number)
        for path in (folder / "later").iterdir():
            path.rename(folder / f"{word}{path.name}")
    (folder / "later").rmdir()


@pytest.mark.parametrize(
    "words", [("no.", "yes."), ("No_", "yes-"), ("no", "yes"), ("no (", "yes(")]
)
def test_flat_files_have_their_class_in_their_name(tmp_path, words):
    make_flat(tmp_path, words)
    data = load(tmp_path)
    assert counts(data) == {"train": both(3), "valid": both(1), "test": both(1)}
    assert data.notes == ["classes: pictures whose names begin with no and yes"]


@pytest.mark.parametrize("test", ["test1", "test/unknown"])
def test_test_pictures_without_classes_are_told_with_what_to_do(tmp_path, test):
    make_flat(tmp_path / "train", ("no.", "yes."))
    fill(tmp_path / test, 4, first=5000)
    data = load(tmp_path)
    assert counts(data) == {"train": both(3), "valid": both(1), "test": both(1)}
    split, told, _ = data.notes
    assert split == "split: 60 / 20 / 20 % of train (its pictures have no classes)"
    assert told.startswith(f"{test.split('/')[0]}: 4 pictures without classes, not used (sort them")
    assert "test.py --predict" in told


def test_classes_that_differ_in_unicode_form_are_the_same(tmp_path):
    composed = unicodedata.normalize("NFC", "café")
    folders = {f"train__{composed}": 5, "train__bar": 5}
    folders |= {f"test__{unicodedata.normalize('NFD', composed)}": 2, "test__bar": 2}
    data = load(make(tmp_path, **folders))
    assert data.classes == ["bar", composed]


def test_a_class_may_begin_with_underscores(tmp_path):
    fill(tmp_path / "__neg", 5)
    fill(tmp_path / "pos", 5, first=100)
    assert load(tmp_path).classes == ["__neg", "pos"]


def test_classes_may_be_called_train_and_plane(tmp_path):
    assert load(make(tmp_path, train=5, plane=5)).classes == ["plane", "train"]


def test_classes_may_hold_one_folder_of_the_same_name(tmp_path):
    assert load(make(tmp_path, no__images=5, yes__images=5)).classes == ["no", "yes"]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "photos is not a folder; --data takes a folder"),
        (["."], r"holds pictures without class folders, .* begin with digits; put each class"),
        (
            [".cat", "dog"],
            r"holds 1 class folder \(dog\) beside what is passed over \(\.cat: rename",
        ),
        (["bird", "cat", "dog"], r"holds 3 class folders \(bird, cat, dog\); a binary"),
        (["train/cat", "test/cat"], r"train holds 1 class folder \(cat\); a binary"),
        (["train/a", "train/b", "test/a", "test/c"], "class folders differ: .* a, b, .* a, c"),
        (["train/a", "train/b", "test/a"], r"test holds 1 class folder \(a\)"),
        (["val/a", "val/b", "test/a", "test/b"], "holds test and val, but no train"),
        (
            ["fold1/a", "fold1/b", "fold2/a", "fold2/b"],
            r"hold the same folders \(a, b\), as splits",
        ),
        (["train/a", "train/b", "exam/a", "exam/b"], "exam holds the same classes as train; name"),
        (["train/a", "train/b", "val/a", "val/b", "valid/a"], "val and valid, which both could be"),
    ],
)
def test_wrong_layouts_are_named(tmp_path, folders, message):
    for number, name in enumerate(folders):
        fill(tmp_path / "photos" / name, 3, first=1000 * number)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "photos")


def test_what_is_not_read_is_counted_by_ending(tmp_path):
    make(tmp_path, no=5, yes=5)
    for name in ("no/IMG_1.HEIC", "yes/IMG_2.heic", "yes/notes.txt", "read.me", "no/.hidden.jpg"):
        (tmp_path / name).write_bytes(b"")
    for name in ("no/.thumbnails", "yes/@eaDir", "yes/deep/__MACOSX", ".Trash-1000"):
        fill(tmp_path / name, 2, first=7000)
    data = load(tmp_path)
    assert len(data.names) == 10
    [note] = data.notes
    assert note.startswith("passed over: 2 .heic, 1 ")
    for told in ("1 .txt", "1 .me", "1 hidden .jpg", "folder .thumbnails", "folder __MACOSX"):
        assert told in note
    (tmp_path / "no" / "later.heic").write_bytes(b"")
    assert load(tmp_path).notes[0].startswith("passed over: 3 .heic"), "not kept in the cache"


def test_folders_beside_the_splits_are_named(tmp_path):
    folders = {"train__no": 5, "train__yes": 5, "test__no": 2, "test__yes": 2, "extra": 2}
    assert load(make(tmp_path, **folders)).notes == ["passed over: folder extra"]


def test_loose_pictures_beside_class_folders_are_counted(tmp_path):
    make(tmp_path, no=5, yes=5)
    fill(tmp_path, 2, first=7000)
    assert load(tmp_path).notes == ["passed over: 2 loose .png"]


@pytest.mark.parametrize("ending", [".avif", ".jpe", ".JP2", ".tga", ".pnm", ".qoi", ".webp"])
def test_every_ending_that_pillow_opens_is_read(tmp_path, ending):
    make(tmp_path, no=4, yes=4)
    with Image.open(tmp_path / "no" / "0.png") as image:
        kind = Image.registered_extensions()[ending.lower()]
        image.save(tmp_path / "no" / f"other{ending}", kind)
    assert f"no/other{ending}" in load(tmp_path).names


@pytest.mark.parametrize("name", ["a.pdf", "a.eps", "a.ps", "a.wmf", "a.mpg", "a.h5", "a.txt", "a"])
def test_documents_and_films_are_no_pictures(name):
    assert not is_picture(name)
