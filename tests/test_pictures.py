"""Odd pictures: more than 8 bits, cut short, copied, pipes, names that a terminal obeys."""

import os
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import arguments_for_test, fill, noise, refused, train_arguments, warnings_of
from PIL import Image, TiffImagePlugin

from console.errors import InputError
from dataset import Data, load_data
from images.decode import decode_or_reason

SIZE = 24
Convert = Callable[[np.ndarray], np.ndarray]
GREYS = {"bright": 180, "dark": 60}


def load(folder: Path, **options: bool) -> Data:
    return load_data(str(folder), SIZE, **options)


def grey_noise(seed: int, mean: int) -> np.ndarray:  # values of an 8-bit picture
    random = np.random.default_rng(seed)
    return np.clip(random.normal(mean, 25, (SIZE, SIZE)), 0, 255).round()


def save_all(root: Path, convert: Convert, ending: str, count: int = 10, **options: object) -> Path:
    """Two classes of grey pictures, their 8-bit values put through `convert`."""
    for name, mean in GREYS.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            values = convert(grey_noise(number + 100 * mean, mean))
            save(values, root / name / f"{number}{ending}", **options)
    return root


def save(values: np.ndarray, path: Path, **options: Any) -> None:
    if values.dtype == np.uint32:
        save_unsigned(values, path)
    else:
        Image.fromarray(values).save(path, **options)


def save_unsigned(values: np.ndarray, path: Path) -> None:
    """Save a TIFF of 32-bit numbers without a sign, which Pillow reads and does not write."""
    Image.fromarray(values.view(np.int32)).save(path)
    signed = struct.pack("<HHIHH", 339, 3, 1, 2, 0)  # the tag SampleFormat
    unsigned = struct.pack("<HHIHH", 339, 3, 1, 1, 0)
    content = path.read_bytes()
    assert signed in content
    path.write_bytes(content.replace(signed, unsigned))


def means(data: Data) -> dict[str, float]:
    """The mean brightness of every class."""
    brightness = {}
    for target, name in enumerate(data.classes):
        of_class = data.images[data.targets == target]
        brightness[name] = of_class.mean()
    return brightness


# --- more than 8 bits ------------------------------------------------------------------------

WHITE_IS_ZERO = TiffImagePlugin.ImageFileDirectory_v2()
WHITE_IS_ZERO[262] = 0


def as_type(dtype: str, factor: float = 1, shift: float = 0) -> Convert:
    return lambda values: (values * factor + shift).astype(dtype)


class Deep(NamedTuple):
    """Pictures of more than 8 bits: how to make them, and what is said of their scale."""

    convert: Convert
    ending: str
    told: str


DEEP = [
    Deep(as_type("u2"), ".png", "0 is black, 255 is white"),
    Deep(as_type("u2", 16), ".png", "0 is black, 4095 is white"),
    Deep(as_type("u2", 257), ".tif", "0 is black, 65535 is white"),
    Deep(as_type("i2"), ".tif", "0 is black, 255 is white"),
    Deep(as_type("i2", 257, -32768), ".tif", "-32768 is black, 32767 is white"),
    Deep(as_type("i4"), ".tif", "0 is black, 255 is white"),
    Deep(as_type("i4", 2**23), ".tif", "0 is black, 2.14748e+09 is white"),
    Deep(as_type("u4", 2**24), ".tif", "0 is black, 4.29497e+09 is white"),
    Deep(as_type("f4", 1 / 255), ".tif", "0 is black, 1 is white"),
    Deep(as_type("f4"), ".tif", "0 is black, 255 is white"),
]


@pytest.mark.parametrize("deep", DEEP)
def test_deep_pictures_are_as_bright_as_their_8_bit_twins(deep, tmp_path):
    data = load(save_all(tmp_path, deep.convert, deep.ending))
    assert means(data) == pytest.approx(GREYS, abs=6)


@pytest.mark.parametrize("deep", DEEP)
def test_the_scale_of_deep_pictures_is_told_with_their_number(deep, tmp_path):
    data = load(save_all(tmp_path, deep.convert, deep.ending))
    told = [note for note in data.notes if deep.told in note]
    assert "more than 8 bits (20," in told[0]


@pytest.mark.parametrize("deep", DEEP)
def test_deep_pictures_are_no_ground_for_a_warning(deep, tmp_path):
    data = load(save_all(tmp_path, deep.convert, deep.ending))
    assert warnings_of(data) == []


def inverted(values: np.ndarray) -> np.ndarray:
    return (65535 - values * 257).astype("u2")


def test_white_is_zero_is_turned_round(tmp_path):
    root = save_all(tmp_path, inverted, ".tif", tiffinfo=WHITE_IS_ZERO)
    with Image.open(root / "dark" / "0.tif") as image:
        assert image.tag_v2[262] == 0, "the test would test nothing"
    assert means(load(root)) == pytest.approx(GREYS, abs=6)


def save_deep(path: Path, value: int) -> None:
    """Save a picture of 16 bits whose pixels are all the same."""
    Image.fromarray(np.full((SIZE, SIZE), value, np.uint16)).save(path)


def test_one_scale_holds_for_the_whole_set(tmp_path):
    save_all(tmp_path, as_type("u2", 16), ".png")
    save_deep(tmp_path / "dark" / "odd.png", 40000)
    assert means(load(tmp_path))["bright"] == pytest.approx(180 * 16 / 257, abs=2)


def pixels_of(data: Data) -> dict[str, bytes]:
    """The decoded pictures by their names."""
    pictures = zip(data.names, data.images, strict=True)
    return {name: pixels.tobytes() for name, pixels in pictures}


def test_deep_pictures_leave_8_bit_pictures_as_they_are(tmp_path):
    save_all(tmp_path, as_type("u1"), ".png")
    before = pixels_of(load(tmp_path))
    save_deep(tmp_path / "dark" / "odd.png", 4000)
    after = pixels_of(load(tmp_path))
    assert before.items() < after.items()


FLOATS = {
    r"floats from -1 to 3 in 1 pictures \(dark/odd\.tif …\) fit no": np.linspace(-1, 3, SIZE**2),
    r"floats from 0 to 700\.5 .*; scale them to 0 … 1 or": np.linspace(0, 700.5, SIZE**2),
    r"dark/odd\.tif \(values that are no numbers": np.full(SIZE**2, np.nan),
}


@pytest.mark.parametrize("message", FLOATS)
def test_floats_that_fit_no_rule_are_refused_with_their_range(message, tmp_path):
    save_all(tmp_path, as_type("u1"), ".png")
    values = FLOATS[message].astype(np.float32)
    Image.fromarray(values.reshape(SIZE, SIZE)).save(tmp_path / "dark" / "odd.tif")
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_pictures_of_one_single_colour_are_counted(tmp_path):
    save_all(tmp_path, as_type("u1"), ".png")
    for number in (17, 18):
        Image.new("L", (30, 20), 12 * number).save(tmp_path / "dark" / f"{number}.png")
    assert warnings_of(load(tmp_path)) == ["one single colour (2 of 22): dark/17.png, dark/18.png"]


def test_predict_scales_as_the_training_did(tmp_path, call):
    photos = save_all(tmp_path / "p", as_type("u2", 16), ".png")
    arguments = train_arguments(photos, tmp_path, epochs=1)
    assert call("train", arguments, "--no_pictures").status == 0
    values = grey_noise(999, mean=60) // 16 * 100  # at most 1500: alone they would be 11 bits
    picture = tmp_path / "dark.png"
    Image.fromarray(values.astype("u2")).save(picture)
    ended = call("test", "--weight_path", tmp_path / "w.pth", "--predict", picture)
    assert ended.status == 0, ended.err
    assert "0 is black, 4095 is white" in ended.err


def save_frames(path: Path, colours: tuple[str, ...], size: int = 40) -> None:
    first, *others = [Image.new("RGB", (size, size), colour) for colour in colours]
    kind = "MPO" if path.suffix == ".jpg" else None  # as phones write it
    first.save(path, kind, save_all=True, append_images=others)


@pytest.mark.parametrize("name", ["stack.tif", "film.gif", "phone.jpg", "film.webp", "film.png"])
def test_files_that_hold_several_pictures_are_counted(name, tmp_path):
    save_all(tmp_path, as_type("u1"), ".png")
    save_frames(tmp_path / "dark" / name, ("red", "lime", "blue"))
    data = load(tmp_path)
    assert data.notes[1] == "1 file holds 3 pictures; the first of each is read"
    number = data.names.index(f"dark/{name}")
    assert data.images[number][9, 9].tolist() == pytest.approx([255, 0, 0], abs=4)


def test_a_film_whose_later_pictures_are_damaged_is_read(tmp_path):
    save_all(tmp_path, as_type("u1"), ".png")
    path = tmp_path / "dark" / "film.gif"
    save_frames(path, ("red", "lime", "blue"))
    path.write_bytes(path.read_bytes()[:-40])
    assert "dark/film.gif" in load(tmp_path).names


def test_films_that_all_begin_blank_are_refused_with_what_was_seen(tmp_path):
    fill(tmp_path / "bright", 10)
    (tmp_path / "dark").mkdir()
    for number in range(5):
        save_frames(tmp_path / "dark" / f"{number}.gif", ("black", "red"))
    (tmp_path / "dark" / "scan.dcm").write_bytes(b"")
    seen = "5 readable in all, 1 of them different, 5 of one single colour"
    told = f"class dark .* has no picture for train: {seen}; 5 files hold 10 pictures; .*1 .dcm"
    with pytest.raises(InputError, match=told):
        load(tmp_path)


@pytest.mark.parametrize("values", ["one odd pixel", "around a level"])
def test_a_scale_of_which_hardly_a_part_is_used_is_told(values, tmp_path):
    if values == "one odd pixel":
        save_all(tmp_path, as_type("u2", 16), ".png")
        pixels = (grey_noise(1, 60) * 16).astype("u2")
        pixels[0, 0] = 65535
        Image.fromarray(pixels).save(tmp_path / "dark" / "odd.png")
    else:
        save_all(tmp_path, as_type("u2", 16, 32768), ".png")
    [warning] = warnings_of(load(tmp_path))
    told = r"whole numbers are read as 0 to 65535, and nearly all of them lie in \d+ of 256 grey"
    assert re.match(told, warning)
    assert ("odd.png" in warning) == (values == "one odd pixel")
    assert warning.endswith("save all with 8 bits at the contrast you want")


# --- damage ----------------------------------------------------------------------------------


def jpeg(path: Path, **options: Any) -> bytes:
    """Save a picture of waves and a little noise; the bytes of the file."""
    y, x = np.mgrid[:200, :240]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], 2)
    grain = noise(1, 240)[:200] % 32
    pixels = (80 * waves + 128 + grain).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path.read_bytes()


KINDS: list[dict[str, Any]] = [
    {"quality": 90},
    {"optimize": True, "subsampling": 0},
    {"progressive": True},
]


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_jpeg_cut_short_is_noticed(tmp_path, options, kept):
    path = tmp_path / "cut.jpg"
    whole = jpeg(path, **options)
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "truncated" in decode_or_reason(str(path), 32)


# --- pipes, huge pictures, names -------------------------------------------------------------


def test_a_named_pipe_is_refused_without_waiting_for_it(tmp_path):
    fill(tmp_path / "cat", 5)
    fill(tmp_path / "dog", 5, first=100)
    os.mkfifo(tmp_path / "dog" / "pipe.jpg")
    with pytest.raises(InputError, match=r"dog/pipe\.jpg \(a pipe or device, not a file\)"):
        load(tmp_path)


def test_a_picture_above_pillows_limit_is_named(photos, monkeypatch):
    Image.new("1", (200, 200)).save(photos / "train" / "dog" / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    with pytest.raises(InputError, match=r"huge\.png \(Image size \(40000 pixels\) exceeds limit"):
        load(photos)


def test_the_name_of_a_bad_picture_cannot_speak_to_the_terminal(photos, tmp_path, call):
    (photos / "train" / "dog" / "bad\x1b]0;.jpg").write_bytes(b"")
    ended = call("train", train_arguments(photos, tmp_path))
    assert r"train/dog/bad\x1b]0;.jpg (empty file)" in refused(ended)


def test_the_name_of_a_predicted_picture_cannot_speak_to_the_terminal(trained, call):
    picture = trained / "photos/test/dog/a\x1b[31m\nb.png"
    fill(trained, 1)
    (trained / "0.png").rename(picture)
    ended = call("test", arguments_for_test(trained), "--predict", picture)
    assert r"a\x1b[31m\nb.png" in ended.out
    assert "\x1b" not in ended.out + ended.err


def save_palette(path: Path) -> None:
    """A picture with a palette of which each colour is transparent in its own way."""
    picture = Image.fromarray(noise(3, 40)).quantize(16)
    picture.save(path, transparency=bytes(range(16)))


def save_large(path: Path) -> None:
    """A picture so large that Pillow warns of a bomb."""
    Image.new("1", (10_000, 9_500)).save(path)


@pytest.mark.parametrize("save_picture", [save_palette, save_large])
def test_predict_keeps_pillows_warnings_to_itself(save_picture, trained, call, recwarn):
    save_picture(trained / "picture.png")
    ended = call("test", arguments_for_test(trained), "--predict", trained / "picture.png")
    assert ended.status == 0
    assert "Warning" not in ended.err
    assert not recwarn.list


# --- copies ----------------------------------------------------------------------------------


def make_copies(root: Path, copies: int, pictures: int = 10) -> Path:
    for target, name in enumerate(("cat", "dog")):
        fill(root / name, pictures, first=1000 * target)
        for path in sorted((root / name).iterdir()):
            for copy in range(1, copies):
                shutil.copy(path, path.with_stem(f"{path.stem}_{copy}"))
    return root


def sizes_of(data: Data) -> dict[str, int]:
    return {part: len(numbers) for part, numbers in data.splits.items()}


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_copies_stay_in_one_split(tmp_path, copies):
    data = load(make_copies(tmp_path, copies))
    splits: dict[str, set[str]] = {}
    for part, numbers in data.splits.items():
        for number in numbers:
            picture = data.names[number].removesuffix(".png").split("_")[0]
            splits.setdefault(picture, set()).add(part)
    assert len(splits) == 20
    assert all(len(parts) == 1 for parts in splits.values())


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_copies_in_one_split_are_no_ground_for_a_warning(tmp_path, copies):
    assert warnings_of(load(make_copies(tmp_path, copies))) == []


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_splits_of_copies_have_the_usual_sizes(tmp_path, copies):
    data = load(make_copies(tmp_path, copies))
    held_out = 4 * copies
    assert sizes_of(data) == {
        "train": 12 * copies,
        "valid": held_out,
        "test": held_out,
    }


@pytest.fixture
def copies_in_train(tmp_path) -> Data:
    """Images of a folder that holds each training image twice, and no valid."""
    make_copies(tmp_path / "train", 2)
    fill(tmp_path / "test" / "cat", 3, first=7000)
    fill(tmp_path / "test" / "dog", 3, first=7100)
    return load(tmp_path)


def test_copies_stay_in_one_split_where_valid_is_held_out_of_train(copies_in_train):
    assert warnings_of(copies_in_train) == []  # as there is where copies are in two splits


def test_valid_is_a_fifth_of_train_where_train_holds_copies(copies_in_train):
    assert sizes_of(copies_in_train) == {"train": 32, "valid": 8, "test": 6}


def test_a_class_of_copies_only_is_refused(tmp_path):
    fill(tmp_path / "dog", 10, first=100)
    for number in range(10):
        fill(tmp_path / "cat" / str(number), 1)
    told = "class cat .* for train: 10 readable in all, 1 of them different; add some, other than"
    with pytest.raises(InputError, match=told):
        load(tmp_path)


def test_the_same_picture_in_both_classes_is_told(tmp_path):
    fill(tmp_path / "cat", 10)
    fill(tmp_path / "dog", 10, first=8)
    told = "same pixels in both classes (2 pictures, 4 files): "
    pairs = "cat/8.png (cat) = dog/8.png (dog); cat/9.png (cat) = dog/9.png (dog)"
    assert warnings_of(load(tmp_path)) == [told + pairs]
