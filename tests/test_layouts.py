"""Layouts of folders: what is taken for a split or a class, what is passed over, what refused."""

import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

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
    counted = {}
    for part, numbers in data.splits.items():
        targets = data.targets[numbers]
        counted[part] = dict(Counter(data.classes[target] for target in targets))
    return counted


def both(count: int) -> dict[str, int]:
    return {"no": count, "yes": count}


class Names(NamedTuple):
    """What three folders are called."""

    train: str
    valid: str
    test: str


NAMES = [
    Names("Training", "Validation", "Testing"),
    Names("training_set", "val", "test_set"),
    Names("TRAIN", "dev", "Test"),
    Names("train-set", "valid", "test1"),
    Names("train2017", "val2017", "test2017"),
]


def load_splits(root: Path, names: Names) -> Data:
    """A folder of three splits, in which each class has 6, 3 and 4 images."""
    first = 0
    for part, count in zip(names, (6, 3, 4), strict=True):
        fill(root / part / "no", count, first)
        fill(root / part / "yes", count, first + 1000)
        first += 2000
    return load(root)


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_splits_are_known_by_their_usual_names(names, tmp_path):
    data = load_splits(tmp_path, names)
    assert counts(data) == {"train": both(6), "valid": both(3), "test": both(4)}


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_what_is_taken_for_a_split_is_said(names, tmp_path):
    data = load_splits(tmp_path, names)
    splits = f"train: {names.train}, valid: {names.valid}, test: {names.test}"
    assert data.notes == [f"classes: no, yes (folders); {splits}"]


@pytest.fixture
def without_test(tmp_path) -> Data:
    return load(make(tmp_path, train__no=10, train__yes=10, val__no=4, val__yes=4))


def test_without_test_the_folder_valid_is_the_test_set(without_test):
    assert counts(without_test) == {
        "train": both(8),
        "valid": both(2),
        "test": both(4),
    }


def test_that_valid_is_the_test_set_is_noted(without_test):
    splits = "train: train, valid: 20 % of train, test: val (no test folder)"
    assert without_test.notes == [f"classes: no, yes (folders); {splits}"]


def test_that_valid_is_the_test_set_is_said(without_test):
    assert "test: val (no test folder)" in describe(without_test)


@pytest.fixture
def train_alone(tmp_path) -> Data:
    return load(make(tmp_path, train__no=10, train__yes=10))


def test_train_alone_is_divided(train_alone):
    assert counts(train_alone) == {
        "train": both(6),
        "valid": both(2),
        "test": both(2),
    }


def test_that_train_is_divided_is_said(train_alone):
    split = "split: 60 / 20 / 20 % (no test folder)"
    assert train_alone.notes == [f"classes: no, yes (folders in train); {split}"]


def test_each_split_may_have_a_wrapper_folder_of_its_own(tmp_path):
    train, test = "training_set__training_set", "test_set__test_set"
    folders = {
        f"{train}__no": 5,
        f"{train}__yes": 5,
        f"{test}__no": 2,
        f"{test}__yes": 2,
    }
    data = load(make(tmp_path, **folders))
    assert counts(data) == {"train": both(4), "valid": both(1), "test": both(2)}


def load_wrapped(root: Path, wrapper: str) -> Data:
    """A folder of two classes that lies in others."""
    make(root / wrapper, no=5, yes=5)
    return load(root)


WRAPPERS = pytest.mark.parametrize("wrapper", ["outer", "outer/train", "outer/PetImages"])


@WRAPPERS
def test_one_wrapper_folder_is_entered(wrapper, tmp_path):
    data = load_wrapped(tmp_path, wrapper)
    assert counts(data) == {"train": both(3), "valid": both(1), "test": both(1)}


@WRAPPERS
def test_a_wrapper_folder_that_is_entered_is_named(wrapper, tmp_path):
    data = load_wrapped(tmp_path, wrapper)
    assert "outer" in data.notes[0]


def make_flat(folder: Path, words: tuple[str, str], count: int = 5) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, word in enumerate(words):
        fill(folder / "later", count, first=1000 * number)
        for path in (folder / "later").iterdir():
            path.rename(folder / f"{word}{path.name}")
    (folder / "later").rmdir()


WORDS = pytest.mark.parametrize(
    "words", [("no.", "yes."), ("No_", "yes-"), ("no", "yes"), ("no (", "yes(")]
)


@WORDS
def test_flat_files_have_their_class_in_their_name(words, tmp_path):
    make_flat(tmp_path, words)
    assert counts(load(tmp_path)) == {
        "train": both(3),
        "valid": both(1),
        "test": both(1),
    }


def test_that_flat_files_of_one_split_have_their_class_in_their_name_is_said(tmp_path):
    fill(tmp_path / "train/no", 5)
    fill(tmp_path / "train/yes", 5, 10)
    make_flat(tmp_path / "test", ("no", "yes"))
    assert load(tmp_path).notes[0].startswith("classes: no, yes (words that names begin with); ")


@WORDS
def test_that_flat_files_have_their_class_in_their_name_is_said(words, tmp_path):
    make_flat(tmp_path, words)
    assert load(tmp_path).notes[0].startswith("classes: no, yes (words that names begin with); ")


@pytest.fixture(params=["test1", "test/unknown"])
def unsorted(request, tmp_path) -> Data:
    """A folder whose test pictures have no classes."""
    make_flat(tmp_path / "train", ("no.", "yes."))
    fill(tmp_path / request.param, 4, first=5000)
    return load(tmp_path)


def test_test_pictures_without_classes_are_not_used(unsorted):
    assert counts(unsorted) == {"train": both(3), "valid": both(1), "test": both(1)}


def test_that_train_is_divided_for_want_of_classes_is_said(unsorted):
    note = "split: 60 / 20 / 20 % of train (its pictures have no classes)"
    assert unsorted.notes[0].endswith(f"; {note}")


def test_test_pictures_without_classes_are_told_with_what_to_do(unsorted):
    told = unsorted.notes[1]
    assert re.match("test1?: 4 pictures without classes, not used [(]sort them", told)
    assert "test.py --predict" in told


def test_classes_that_differ_in_unicode_form_are_the_same(tmp_path):
    composed = unicodedata.normalize("NFC", "café")
    decomposed = unicodedata.normalize("NFD", "café")
    make(tmp_path / "train", **{composed: 5, "bar": 5})
    fill(tmp_path / "test" / decomposed, 2, first=7000)
    fill(tmp_path / "test" / "bar", 2, first=8000)
    assert load(tmp_path).classes == ["bar", composed]


def test_a_class_may_begin_with_underscores(tmp_path):
    fill(tmp_path / "__neg", 5)
    fill(tmp_path / "pos", 5, first=100)
    assert load(tmp_path).classes == ["__neg", "pos"]


def test_a_class_may_be_called_train(tmp_path):
    assert load(make(tmp_path, train=5, plane=5)).classes == ["plane", "train"]


def test_classes_may_hold_one_folder_of_the_same_name(tmp_path):
    assert load(make(tmp_path, no__images=5, yes__images=5)).classes == ["no", "yes"]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "photos is not a folder; --data takes a folder"),
        (
            ["."],
            r"holds pictures without class folders, .* begin with digits; put each class",
        ),
        (
            [".cat", "dog"],
            r"holds 1 class folder \(dog\) beside what is passed over \(\.cat: rename",
        ),
        (
            ["bird", "cat", "dog"],
            r"holds 3 class folders \(bird, cat, dog\); a binary",
        ),
        (["train/cat", "test/cat"], r"train holds 1 class folder \(cat\); a binary"),
        (
            ["train/a", "train/b", "test/a", "test/c"],
            "class folders differ: .* a, b, .* a, c",
        ),
        (["train/a", "train/b", "test/a"], r"test holds 1 class folder \(a\)"),
        (["val/a", "val/b", "test/a", "test/b"], "holds test and val, but no train"),
        (
            ["fold1/a", "fold1/b", "fold2/a", "fold2/b"],
            "fold1 and fold2, whose names differ only in number or case, as parts",
        ),
        (
            ["train/a", "train/b", "exam/a", "exam/b"],
            "exam holds the same classes as train; name",
        ),
        (
            ["train/a", "train/b", "val/a", "val/b", "valid/a"],
            "val and valid, which both could be",
        ),
    ],
)
def test_wrong_layouts_are_named(tmp_path, folders, message):
    for number, name in enumerate(folders):
        fill(tmp_path / "photos" / name, 3, first=1000 * number)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "photos")


FILES = (
    "no/IMG_1.HEIC",
    "yes/IMG_2.heic",
    "yes/notes.txt",
    "read.me",
    "no/.hidden.jpg",
)
FOLDERS = ("no/.thumbnails", "yes/@eaDir", "yes/deep/__MACOSX", ".Trash-1000")


@pytest.fixture
def littered(tmp_path) -> Path:
    """Two classes among files and folders that are not read."""
    make(tmp_path, no=5, yes=5)
    for name in FILES:
        (tmp_path / name).write_bytes(b"")
    for name in FOLDERS:
        fill(tmp_path / name, 2, first=7000)
    return tmp_path


def test_what_is_no_picture_of_a_class_is_not_read(littered):
    assert len(load(littered).names) == 10


def test_what_is_not_read_is_counted_by_ending(littered):
    _, note = load(littered).notes
    assert note.startswith("passed over: 2 .heic, 1 ")
    for told in ("1 .txt", "1 .me", "1 hidden .jpg"):
        assert told in note


def test_folders_that_are_not_read_are_named(littered):
    _, note = load(littered).notes
    assert "folder .thumbnails" in note
    assert "folder __MACOSX" in note


def test_names_of_what_is_passed_over_are_shown_and_not_obeyed(littered):
    (littered / "no" / "a.\x1b[41m").write_bytes(b"")
    (littered / "no" / ".\x1b[2J").mkdir()
    note = load(littered).notes[-1]
    assert "1 .\\x1b[41m" in note
    assert "folder .\\x1b[2J" in note


def test_what_is_not_read_is_counted_anew_at_every_call(littered):
    load(littered)
    (littered / "no" / "later.heic").write_bytes(b"")
    assert load(littered).notes[1].startswith("passed over: 3 .heic")


def test_folders_beside_the_splits_are_named(tmp_path):
    make(tmp_path, train__no=5, train__yes=5, test__no=2, test__yes=2, extra=2)
    assert load(tmp_path).notes[1:] == ["passed over: folder extra"]


def test_loose_pictures_beside_class_folders_are_counted(tmp_path):
    make(tmp_path, no=5, yes=5)
    fill(tmp_path, 2, first=7000)
    assert load(tmp_path).notes[1:] == ["passed over: 2 loose .png (7000.png)"]


@pytest.mark.parametrize("ending", [".avif", ".jpe", ".JP2", ".tga", ".pnm", ".qoi", ".webp"])
def test_every_ending_that_pillow_opens_is_read(tmp_path, ending):
    make(tmp_path, no=4, yes=4)
    file_format = Image.registered_extensions()[ending.lower()]
    with Image.open(tmp_path / "no" / "0.png") as image:
        image.save(tmp_path / "no" / f"other{ending}", file_format)
    assert f"no/other{ending}" in load(tmp_path).names


@pytest.mark.parametrize("name", ["a.pdf", "a.eps", "a.ps", "a.wmf", "a.mpg", "a.h5", "a.txt", "a"])
def test_what_shows_no_single_picture_is_none(name):
    assert not is_picture(name)


# --- folders that are no classes -------------------------------------------------------------

NO_CLASSES = [
    (["train_images", "test_images"], "test_images and train_images, which are splits by their na"),
    (["X_train", "X_test"], "X_test and X_train, which are splits"),
    (["seg_train/a", "seg_train/b", "seg_test/a", "seg_test/b"], "seg_train, which are splits"),
    (["trainImages", "evalImages"], "which are splits"),
    (["train", "eval"], "eval and train, which are splits"),
    (["set_images_part_1", "set_images_part_2"], "whose names differ only in number or case"),
    (["part_a", "Part_B"], "whose names differ only in number or case"),
    (["Cat", "cat"], "whose names differ only in number or case"),
    (["images", "masks"], "and masks are masks or labels by their name; move masks away"),
    (["images/a", "images/b", "annotations/a"], "annotations are masks or labels"),
    (["train", "train_masks"], "train_masks are masks or labels by their name"),
    (["train/images", "train/labels", "test/images", "test/labels"], "labels are masks or labels"),
    (
        ["big/front", "big/back", "set/set/front", "set/set/back"],
        "both hold back, front, as",
    ),
    (
        ["big/a", "big/b", "set/train/a", "set/train/b", "set/test/a"],
        r"big holds a, b, set holds test, train; give",
    ),
    (
        ["cat/train", "cat/test", "dog/train", "dog/valid"],
        "cat holds test, train, dog holds tr",
    ),
    (["cat/train", "cat/test", "dog"], "cat holds test, train, dog holds no folders; give"),
    (["test/a", "test/b"], "holds test, but no train; put train beside it"),
    (["outer/test/a", "outer/test/b"], "holds test, but no train"),
    (["test/a", "test/b", "extra"], "holds test, but no train"),
    (["outer/a", "outer/b", "outer/c"], r"outer holds 3 class folders \(a, b, c\)"),
]


def make_all(root: Path, names: list[str], count: int = 3) -> Path:
    """Pictures in folders of any names, all different."""
    for number, name in enumerate(names):
        fill(root / name, count, first=1000 * number)
    return root


@pytest.mark.parametrize(("names", "message"), NO_CLASSES, ids=lambda value: str(value)[:40])
def test_folders_that_are_no_classes_are_refused(names, message, tmp_path):
    with pytest.raises(InputError, match=message) as refusal:
        load(make_all(tmp_path, names))
    assert "\n" not in str(refusal.value)


CLASSES = [
    ["0", "1"],
    ["class_1", "class_2"],
    ["with_mask", "without_mask"],
    ["mask", "nomask"],
    ["HER2+", "HER2-"],
    ["test_positive", "test_negative"],
    ["valid", "invalid"],
    ["test", "control"],
    ["no/images", "yes/images"],
]


@pytest.mark.parametrize("names", CLASSES, ids=" ".join)
def test_folders_that_are_classes_are_read(names, tmp_path):
    classes = sorted(name.split("/")[0] for name in names)
    assert load(make_all(tmp_path, names, count=5)).classes == classes


def test_two_folders_of_files_that_begin_with_the_same_two_words_are_refused(tmp_path):
    make_flat(tmp_path / "one", ("cat.", "dog."))
    make_flat(tmp_path / "other", ("cat.", "dog."))
    with pytest.raises(InputError, match="names of pictures begin with cat, dog in both; name one"):
        load(tmp_path)


TABLES = [
    ("labels.csv", "id,label\n0,1\n1,1\n2,0\n"),
    ("labels.csv", "3.png,1\n1002.png,0\n"),
    ("a.json", '[{"file": "left/3.png", "right": 0}]'),
]


@pytest.mark.parametrize(("name", "table"), TABLES)
def test_a_table_that_names_the_pictures_of_two_folders_is_noticed(name, table, tmp_path):
    make_all(tmp_path, ["bright", "left"], count=5)
    (tmp_path / name).write_text(table)
    with pytest.raises(InputError, match=f"and {name} names their pictures, but not these"):
        load(tmp_path)


@pytest.mark.parametrize("table", ["3.png,No\n1002.png,Yes\n", "name,size\nx,3\n"])
def test_a_table_that_names_the_classes_too_or_no_pictures_changes_nothing(table, tmp_path):
    make_all(tmp_path, ["no", "yes"], count=5)
    (tmp_path / "labels.csv").write_text(table)
    assert load(tmp_path).classes == ["no", "yes"]


def test_classes_that_hold_the_splits_are_read(tmp_path):
    make_all(tmp_path, ["no/Training", "no/test", "yes/train", "yes/test"], count=5)
    assert counts(load(tmp_path)) == {"train": both(4), "valid": both(1), "test": both(5)}


def test_that_classes_hold_the_splits_is_said(tmp_path):
    data = load(make_all(tmp_path, ["no/train", "no/val", "yes/train", "yes/val"], count=5))
    classes = "classes: no, yes (folders, which hold the splits)"
    splits = "train: */train, valid: 20 % of */train, test: */val (no test folder)"
    assert data.notes == [f"{classes}; {splits}"]


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.dcm", "2.dcm"], "class folder .*no holds no pictures; passed over: 2 .dcm; save them"),
        (["IM0", "IM1"], r"passed over: 2 without ending \(IM0\); save them"),
        (["1.npy"], "passed over: 1 .npy; save"),
        (["a.zip"], "passed over: 1 .zip; unpack them first"),
        ([], "class folder .*no holds no pictures; save"),
    ],
)
def test_a_class_folder_without_pictures_is_named_with_what_lies_there(names, message, tmp_path):
    put(tmp_path / "no", *names)
    fill(tmp_path / "yes", 5)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_a_folder_of_archives_is_named_as_such(tmp_path):
    put(tmp_path, "cat.zip", "dog.zip")
    with pytest.raises(InputError, match=r"no pictures; passed over: 2 \.zip; unpack them first"):
        load(tmp_path)


def test_words_that_names_begin_with_are_listed_with_those_that_are_none(tmp_path):
    for word in ("", "a", "adc"):
        make_flat(tmp_path, (word, word), count=1)
    with pytest.raises(InputError, match="whose names begin with a, adc, digits; put"):
        load(tmp_path)


# --- masks beside pictures -------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["{}_mask.png", "{}_mask_1.png", "{}-seg.png", "{} Label.bmp"])
def test_masks_beside_the_pictures_of_a_class_are_passed_over_by_name(mask, tmp_path):
    make_all(tmp_path, ["no", "yes"], count=5)
    for path in sorted(tmp_path.glob("*/*.png")):
        path.with_name(mask.format(path.stem)).write_bytes(path.read_bytes())
    data = load(tmp_path)
    assert len(data.names) == 10
    assert re.match(r"passed over: 10 mask \.[bp][mn][pg] \(0[_ -]\w+\.", data.notes[1])


def test_masks_beside_flat_files_are_passed_over(tmp_path):
    make_flat(tmp_path, ("no.", "yes."))
    (tmp_path / "no.0_mask.png").write_bytes(b"")
    data = load(tmp_path)
    assert len(data.names) == 10
    assert data.notes[1] == "passed over: 1 mask .png (no.0_mask.png)"


def test_a_picture_that_is_called_a_mask_and_has_none_beside_it_is_read(tmp_path):
    make_all(tmp_path, ["no", "yes"], count=5)
    (tmp_path / "no" / "0.png").rename(tmp_path / "no" / "new_mask.png")
    assert "no/new_mask.png" in load(tmp_path).names


@pytest.mark.parametrize("beside", ["no", "no/images"])
def test_a_folder_of_masks_below_a_class_is_passed_over(beside, tmp_path):
    make_all(tmp_path, [beside, "no/masks", "yes"], count=5)
    data = load(tmp_path)
    assert len(data.names) == 10
    assert data.notes[1] == "passed over: folder masks"
