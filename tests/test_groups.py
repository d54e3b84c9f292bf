"""Pictures of one patient, video or source: kept in one split, or told where they are not."""

from pathlib import Path

import numpy as np
import pytest
from conftest import arguments_for_test, fill, train_arguments, warnings_of
from PIL import Image

from console.errors import InputError
from dataset import Data, describe, load_data
from images.groups import beginning_of, joined, split_groups

VIDEOS, FRAMES = 60, 8


def load(folder: Path, group: bool = False) -> Data:
    return load_data(str(folder), 16, False, group)


def coin_videos(
    root: Path, name: str = "{}/video{:02}_frame_{:03}.png", videos: int = VIDEOS, seed: int = 1
) -> Path:
    """Videos of nearly equal frames, whose class a coin has decided: nothing can be learnt."""
    random = np.random.default_rng(seed)
    for video in range(videos):
        picture = random.normal(128, 60, (24, 24, 3))
        for frame in range(FRAMES):
            path = root / name.format("ab"[video % 2], video, frame)
            path.parent.mkdir(parents=True, exist_ok=True)
            values = np.roll(picture, frame, 1) + random.normal(0, 8, picture.shape)
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(path)
    return root


def splits_of(data: Data) -> dict[str, set[str]]:
    """The splits in which each video has frames."""
    splits: dict[str, set[str]] = {}
    for part, numbers in data.splits.items():
        for number in numbers:
            video = data.names[number].split("video")[1][:2]
            splits.setdefault(video, set()).add(part)
    return splits


def right_by_nearest(data: Data) -> float:
    """Share of test images whose nearest training image is of their class."""
    pixels = data.images.reshape(len(data.images), -1).astype(float)
    train, test = data.splits["train"], data.splits["test"]
    right = []
    for number in test:
        distances = ((pixels[train] - pixels[number]) ** 2).sum(1)
        nearest = train[distances.argmin()]
        right.append(data.targets[nearest] == data.targets[number])
    return float(np.mean(right))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return coin_videos(tmp_path_factory.mktemp("videos"))


def test_frames_of_a_video_stay_in_one_split_where_the_user_says_so(videos):
    data = load(videos, group=True)
    assert {len(parts) for parts in splits_of(data).values()} == {1}


def test_splits_of_videos_have_the_usual_sizes(videos):
    data = load(videos, group=True)
    sizes = {part: np.bincount(data.targets[numbers]) for part, numbers in data.splits.items()}
    usual = {"train": [144, 144], "valid": [48, 48], "test": [48, 48]}
    assert {part: counts.tolist() for part, counts in sizes.items()} == usual


def test_on_videos_whose_class_is_a_coin_the_test_finds_nothing_where_they_stay_together(videos):
    assert right_by_nearest(load(videos)) > 0.8
    assert right_by_nearest(load(videos, group=True)) == pytest.approx(0.5, abs=0.15)


def test_that_videos_stand_in_several_splits_is_told_with_an_example_and_the_remedy(videos):
    [warning] = load(videos).warnings
    assert "of 60 groups of pictures whose names begin alike are in several splits" in warning
    assert "video00_frame for one (" in warning
    assert warning.endswith("keep each in one split: --group")


def test_where_videos_stay_together_nothing_is_told_but_that(videos):
    data = load(videos, group=True)
    assert warnings_of(data) == []
    told = "kept in one split each: groups of names that begin alike (60)"
    assert data.notes[1:] == [told]


def test_videos_that_stand_in_several_folders_of_the_user_are_told(tmp_path):
    coin_videos(tmp_path / "train")
    coin_videos(tmp_path / "test", videos=10, seed=2)
    [warning] = load(tmp_path, group=True).warnings
    assert warning.startswith("10 of 60 groups")
    assert ": put each into one of your folders (where the program divides, keep" in warning


@pytest.mark.parametrize(
    "name", ["{}/{:02}_video{:02}.png", "{}/IMG_{:02}{:02}.png", "{0}.{1}{2}.png", "{}/{}{:03}.png"]
)
def test_names_that_say_nothing_of_a_source_are_no_ground_for_a_warning(name, tmp_path):
    assert warnings_of(load(coin_videos(tmp_path, name.replace("video", ""), videos=6))) == []


BEGINNINGS = {
    "a/video03_frame_012.png": "video03_frame",
    "person1_bacteria_2.jpeg": "person1_bacteria",
    "cat_12_jpg.rf.0a1b2c3.jpg": "cat_12_jpg",
    "cat.12.jpg": "cat",
    "benign (12).png": "benign",
    "12_left.png": "12",
    "0012.png": "",
    "(12).png": "",
    "holiday.png": "",
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_source_is_what_stands_before_the_last_number_of_a_name(name):
    assert beginning_of(name) == BEGINNINGS[name]


# --- folders below a class -------------------------------------------------------------------


def test_a_folder_below_a_class_stays_in_one_split(tmp_path):
    data = load(coin_videos(tmp_path, "{}/video{:02}/{}.png", videos=20))
    assert {len(parts) for parts in splits_of(data).values()} == {1}
    assert data.notes[1:] == ["kept in one split each: folders below the classes (20)"]
    assert warnings_of(data) == []


def test_folders_of_one_name_below_both_classes_stay_in_one_split(tmp_path):
    for number in range(12):
        fill(tmp_path / "no" / f"video{number:02}", 3, first=100 * number)
        fill(tmp_path / "yes" / f"video{number:02}", 3, first=100 * number + 5000)
    assert {len(parts) for parts in splits_of(load(tmp_path)).values()} == {1}


def test_that_folders_below_a_class_are_too_few_is_told(tmp_path):
    for number, name in enumerate(("pos/siteA", "pos/siteB", "neg/siteA", "neg/siteB")):
        fill(tmp_path / name, 10, first=1000 * number)
    data = load(tmp_path)
    assert data.classes == ["neg", "pos"]
    assert warnings_of(data) == ["the folders below a class are too few to stay in one split each"]


def test_folders_of_the_same_names_below_both_classes_are_read_where_the_user_says_so(tmp_path):
    for number, town in enumerate(("Lyon", "Paris", "Rome", "Oslo")):
        fill(tmp_path / "no" / town, 4, first=1000 * number)
        fill(tmp_path / "yes" / town, 4, first=1000 * number + 500)
    with pytest.raises(InputError, match="--group if these are patients, videos or sources"):
        load(tmp_path)
    assert load(tmp_path, group=True).classes == ["no", "yes"]


# --- too few ---------------------------------------------------------------------------------


def test_too_few_groups_are_an_error_that_says_how_many_there_are(tmp_path):
    coin_videos(tmp_path, videos=4)
    with pytest.raises(
        InputError, match="no picture for test: 16 readable in all, groups that stay together: 2 "
    ):
        load(tmp_path, group=True)


def test_names_that_tell_no_groups_are_an_error_where_the_user_asks_for_them(tmp_path):
    fill(tmp_path / "no", 5)
    fill(tmp_path / "yes", 5, first=100)
    with pytest.raises(InputError, match="--group: no two pictures have names that begin alike"):
        load(tmp_path, group=True)


def test_a_split_with_very_few_pictures_of_a_class_is_told_with_their_numbers(tmp_path):
    fill(tmp_path / "many", 60)
    fill(tmp_path / "rare", 14, first=1000)
    [warning] = load(tmp_path).warnings
    assert warning.startswith("very few pictures (3 of rare in test, 3 of rare in valid): ")


# --- the rule --------------------------------------------------------------------------------

SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([1, 1, 1], [1, 1, 1]),
        ([50, 50, 1], [50, 50, 1]),
        ([100, 1, 1], [100, 1, 1]),
        ([8] * 5, [24, 8, 8]),
        ([4] * 20, [48, 16, 16]),
    ],
)
def test_groups_of_any_sizes_fill_all_parts(sizes, parts):
    groups = np.repeat([str(number) for number in range(len(sizes))], sizes).tolist()
    assigned = split_groups(groups, np.zeros(len(groups), np.int64), SHARES)
    assert [assigned.count(part) for part in SHARES] == parts


def test_copies_join_the_groups_that_they_lie_in():
    groups = joined(["p", "q", "p", "r"], ["a", "a", "b", ""])
    assert groups[0] == groups[1] == groups[2] != groups[3]


# --- all programs ----------------------------------------------------------------------------


def test_a_test_has_the_split_of_its_training(tmp_path, call):
    photos = coin_videos(tmp_path / "photos", videos=10)
    arguments = train_arguments(photos, tmp_path, epochs=1)
    trained = call("train", arguments, "--group", "--no_pictures")
    assert "kept in one split each: groups of names that begin alike (10)" in trained.out
    assert call("test", arguments_for_test(tmp_path), "--no_pictures").status == 0
    data = load(photos, group=True)
    predictions = (tmp_path / "r" / "predictions.csv").read_text().splitlines()[1:]
    tested = [line.split(",")[0] for line in predictions]
    assert tested == [data.names[number] for number in data.splits["test"]]


def test_what_became_classes_and_splits_is_said(videos):
    said = describe(load(videos, group=True)).splitlines()
    assert said[0] == f"images: {videos}, squeezed to 16 x 16 pixels"
    assert said[1] == "  classes: a, b (folders); split: 60 / 20 / 20 % (no test folder)"
