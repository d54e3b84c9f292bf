"""Odd pictures: more than 8 bits, cut short, huge, copied, pipes, names that a terminal obeys."""

import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import arguments_for_test, fill, make_photos, noise, refused, train_arguments
from PIL import Image, TiffImagePlugin

from console.errors import InputError
from dataset import Data, load_data
from images import decode
from images.copies import near_copies
from images.decode import decode_or_reason

SIZE = 24
Convert = Callable[[np.ndarray], np.ndarray]
GREYS = {"bright": 180, "dark": 60}


def load(folder: Path, **options: bool) -> Data:
    return load_data(str(folder), SIZE, **options)


def grey_noise(seed: int, mean: int) -> np.ndarray:  # values of an 8-bit picture
    random = np.random.default_rng(seed)
    return np.clip(random.normal(mean, 25, (SIZE, SIZE)), 0, 255).round()


def save_all(root: Path, convert: Convert, ending: str, count: int = 5, **options: object) -> Path:
    """Two classes of grey pictures, their 8-bit values put through `convert`."""
    for name, mean in GREYS.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            values = convert(grey_noise(number + 100 * mean, mean))
            save(values, root / name / f"{number}{ending}", **options)
    return root


def save(values: np.ndarray, path: Path, **options: Any) -> None:
    if values.dtype != np.uint32:
        Image.fromarray(values).save(path, **options)
        return
    Image.fromarray(values.view(np.int32)).save(path)  # Pillow writes no others: call them so
    signed, unsigned = (struct.pack("<HHIHH", 339, 3, 1, kind, 0) for kind in (2, 1))
    assert signed in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(signed, unsigned))


def means(data: Data) -> dict[str, float]:
    return {name: data.images[data.targets == at].mean() for at, name in enumerate(data.classes)}


# --- more than 8 bits ------------------------------------------------------------------------

WHITE_IS_ZERO = TiffImagePlugin.ImageFileDirectory_v2()
WHITE_IS_ZERO[262] = 0


def as_type(dtype: str, factor: float = 1, shift: float = 0) -> Convert:
    return lambda values: (values * factor + shift).astype(dtype)


@pytest.mark.parametrize(
    ("convert", "ending", "told"),
    [
        (as_type("u2"), ".png", "0 is black, 255 is white"),
        (as_type("u2", 16), ".png", "0 is black, 4095 is white"),
        (as_type("u2", 257), ".tif", "0 is black, 65535 is white"),
        (as_type("i2"), ".tif", "0 is black, 255 is white"),
        (as_type("i2", 257, -32768), ".tif", "-32768 is black, 32767 is white"),
        (as_type("i4"), ".tif", "0 is black, 255 is white"),
        (as_type("i4", 2**23), ".tif", "0 is black, 2.14748e+09 is white"),
        (as_type("u4", 2**24), ".tif", "0 is black, 4.29497e+09 is white"),
        (as_type("f4", 1 / 255), ".tif", "0 is black, 1 is white"),
        (as_type("f4"), ".tif", "0 is black, 255 is white"),
    ],
)
def test_deep_pictures_are_as_bright_as_their_8_bit_twins(tmp_path, convert, ending, told):
    root = save_all(tmp_path, convert, ending)
    data = load(root)
    assert means(data) == pytest.approx(GREYS, abs=6)
    assert [note for note in data.notes if told in note and "more than 8 bits (10," in note]
    assert not data.warnings


def test_white_is_zero_is_turned_round(tmp_path):
    inverted = save_all(
        tmp_path, lambda v: (65535 - v * 257).astype("u2"), ".tif", tiffinfo=WHITE_IS_ZERO
    )
    with Image.open(inverted / "dark" / "0.tif") as image:
        assert image.tag_v2[262] == 0, "the test would test nothing"
    assert means(load(inverted)) == pytest.approx(GREYS, abs=6)


def test_one_scale_holds_for_the_whole_set(tmp_path):
    save_all(tmp_path, as_type("u2", 16), ".png")
    Image.fromarray(np.full((SIZE, SIZE), 40000, np.uint16)).save(tmp_path / "dark" / "9.png")
    assert means(load(tmp_path))["bright"] == pytest.approx(180 * 16 / 257, abs=2)


def test_deep_pictures_leave_8_bit_pictures_as_they_are(tmp_path):
    save_all(tmp_path, as_type("u1"), ".png")
    before = load(tmp_path)
    Image.fromarray(np.full((SIZE, SIZE), 4000, np.uint16)).save(tmp_path / "dark" / "9.png")
    after = load(tmp_path)
    pixels = dict(zip(after.names, after.images, strict=True))
    assert all(
        np.array_equal(pixels[name], before.images[at]) for at, name in enumerate(before.names)
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.linspace(-1, 3, SIZE * SIZE),
            r"floats from -1 to 3 in 1 pictures \(dark/9\.tif …\) fit no",
        ),
        (np.linspace(0, 700.5, SIZE * SIZE), r"floats from 0 to 700\.5 .*; scale them to 0 … 1 or"),
        (np.full(SIZE * SIZE, np.nan), r"dark/9\.tif \(values that are no numbers"),
    ],
)
def test_floats_that_fit_no_rule_are_refused_with_their_range(tmp_path, values, message):
    save_all(tmp_path, as_type("u1"), ".png")
    picture = Image.fromarray(values.reshape(SIZE, SIZE).astype(np.float32))
    picture.save(tmp_path / "dark" / "9.tif")
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_pictures_of_one_single_colour_are_counted(tmp_path):
    save_all(tmp_path, as_type("u1"), ".png")
    for number in (7, 8):
        Image.new("L", (30, 20), 12 * number).save(tmp_path / "dark" / f"{number}.png")
    assert load(tmp_path).warnings == ["one single colour (2 of 12): dark/7.png, dark/8.png"]


def test_predict_scales_as_the_training_did(tmp_path, call):
    photos = save_all(tmp_path / "p", as_type("u2", 16), ".png", count=8)
    assert call("train", *train_arguments(photos, tmp_path, epochs=12, batch_size=2)).status == 0
    for name, mean in GREYS.items():
        values = grey_noise(999, mean) // 16 * 100  # at most 1500: alone they would be 11 bits
        Image.fromarray(values.astype("u2")).save(tmp_path / f"{name}.png")
    pictures = [tmp_path / "dark.png", tmp_path / "bright.png"]
    said = call("test", "--weight_path", tmp_path / "w.pth", "--predict", *pictures)
    assert said.status == 0, said.err
    assert "0 is black, 4095 is white" in said.err


# --- damage ----------------------------------------------------------------------------------


def jpeg(path: Path, **options: Any) -> bytes:
    y, x = np.mgrid[:200, :240]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], 2) * 80 + 128
    Image.fromarray((waves + noise(1, 240)[:200] % 32).astype(np.uint8)).save(path, **options)
    return path.read_bytes()


KINDS = [{"quality": 90}, {"optimize": True, "subsampling": 0}, {"progressive": True}]


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("kept", [0.2, 0.3, 0.5])
def test_a_jpeg_cut_short_with_an_end_marker_is_noticed(tmp_path, options, kept):
    path = tmp_path / "cut.jpg"
    whole = jpeg(path, **options)
    path.write_bytes(whole[: int(len(whole) * kept)] + b"\xff\xd9")
    assert "cut short" in decode_or_reason(str(path), 32)


def test_a_jpeg_cut_short_between_two_bytes_that_belong_together_is_noticed(tmp_path):
    whole = jpeg(tmp_path / "cut.jpg", quality=90)
    pair = whole.index(b"\xff\x00", len(whole) // 2)
    (tmp_path / "cut.jpg").write_bytes(whole[: pair + 1] + b"\xff\xd9")
    assert "cut short" in decode_or_reason(str(tmp_path / "cut.jpg"), 32)


@pytest.mark.parametrize("options", [*KINDS, {"quality": 20}])
@pytest.mark.parametrize("rest", [b"", b"\0" * 100, b"\xff\xd9", b"rest of a camera"])
def test_a_whole_jpeg_is_not_accused(tmp_path, options, rest):
    path = tmp_path / "whole.jpg"
    path.write_bytes(jpeg(path, **options) + rest)
    assert not isinstance(decode_or_reason(str(path), 32), str)


def test_a_grey_jpeg_is_not_accused(tmp_path):
    Image.new("RGB", (200, 200), (128, 128, 128)).save(tmp_path / "grey.jpg")
    assert not isinstance(decode_or_reason(str(tmp_path / "grey.jpg"), 32), str)


# --- pipes, huge pictures, names -------------------------------------------------------------


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    fill(tmp_path / "cat", 5)
    fill(tmp_path / "dog", 5, first=100)
    os.mkfifo(tmp_path / "dog" / "pipe.jpg")
    with pytest.raises(InputError, match=r"dog/pipe\.jpg \(a pipe or device, not a file\)"):
        load(tmp_path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "I;16"])
def test_a_huge_picture_shrunk_in_strips_is_close_to_one_that_is_not(tmp_path, monkeypatch, mode):
    y, x = np.mgrid[:700, :500]
    smooth = Image.fromarray(np.stack([x / 2, y / 3, (x + y) / 5], 2).astype(np.uint8))
    if mode == "I;16":
        picture = Image.fromarray((np.asarray(smooth.convert("L")).astype(np.uint16)) * 257)
    else:
        picture = smooth.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "huge.png", exif=exif)
    ordinary = decode_or_reason(str(tmp_path / "huge.png"), 32)
    monkeypatch.setattr(decode, "HUGE", 1000)
    monkeypatch.setattr(decode, "STRIP", 20_000)
    shrunk = decode_or_reason(str(tmp_path / "huge.png"), 32)
    if mode == "I;16":
        assert shrunk.extent == ordinary.extent
        ordinary, shrunk = ordinary.values / 257, shrunk.values / 257
    assert np.abs(ordinary.astype(float) - shrunk).max() <= 3


def test_huge_pictures_are_decoded_one_at_a_time():
    budget = decode.PixelBudget(100)
    inside, most = [], []

    def work(pixels: int) -> None:
        with budget.share(pixels):
            inside.append(pixels)
            most.append(list(inside))
            time.sleep(0.005)
            inside.remove(pixels)

    sizes = (500, 60, 60, 30, 500, 30)
    threads = [threading.Thread(target=work, args=(pixels,)) for pixels in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == len(sizes)
    for together in most:
        assert len(together) == 1 or sum(together) <= 100


def test_a_jpeg_above_pillows_limit_is_read_at_a_reduced_scale(tmp_path, monkeypatch):
    jpeg(tmp_path / "large.jpg")
    expected = decode_or_reason(str(tmp_path / "large.jpg"), 24)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    assert np.array_equal(decode_or_reason(str(tmp_path / "large.jpg"), 24), expected)
    assert "more than 10,000" in decode_or_reason(str(tmp_path / "large.jpg"), 200)


def test_names_cannot_speak_to_the_terminal(tmp_path, call):
    photos = make_photos(tmp_path / "photos")
    name = "a\x1b[31m\nb.png"
    first = sorted((photos / "test" / "dog").iterdir())[0]
    first.rename(first.with_name(name))
    (photos / "train" / "dog" / "bad\x1b]0;.jpg").write_bytes(b"")
    said = call("train", *train_arguments(photos, tmp_path, epochs=1))
    assert r"train/dog/bad\x1b]0;.jpg (empty file)" in refused(said)
    (photos / "train" / "dog" / "bad\x1b]0;.jpg").unlink()
    assert call("train", *train_arguments(photos, tmp_path, epochs=1)).status == 0
    said = call("test", *arguments_for_test(tmp_path), "--predict", first.with_name(name))
    assert r"a\x1b[31m\nb.png" in said.out and "\x1b" not in said.out + said.err


def test_predict_keeps_pillows_warnings_to_itself(trained, call, recwarn):
    picture = Image.fromarray(noise(3, 40)).quantize(16)
    picture.info["transparency"] = bytes(range(16))
    picture.save(trained / "palette.png", transparency=bytes(range(16)))
    Image.new("1", (10_000, 9_500)).save(trained / "large.png")  # Pillow warns of a bomb
    pictures = [trained / "palette.png", trained / "large.png"]
    said = call("test", *arguments_for_test(trained), "--predict", *pictures)
    assert said.status == 0 and "Warning" not in said.err and not recwarn.list


# --- copies ----------------------------------------------------------------------------------


def make_copies(root: Path, copies: int, pictures: int = 10) -> Path:
    for target, name in enumerate(("cat", "dog")):
        for copy in range(copies):
            fill(root / name / f"{name}_{copy}", pictures, first=1000 * target)
    return root


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_copies_stay_in_one_split(tmp_path, copies):
    data = load(make_copies(tmp_path, copies))
    splits: dict[str, set[str]] = {}
    for part, numbers in data.splits.items():
        for number in numbers:
            folder, _, name = data.names[number].split("/")
            splits.setdefault(f"{folder}/{name}", set()).add(part)
    assert len(splits) == 20 and all(len(parts) == 1 for parts in splits.values())
    assert data.warnings == []
    assert {part: len(at) for part, at in data.splits.items()} == {
        "train": 12 * copies,
        "valid": 4 * copies,
        "test": 4 * copies,
    }


def test_copies_stay_in_one_split_where_valid_is_held_out_of_train(tmp_path):
    make_copies(tmp_path / "train", 2)
    for number, name in enumerate(("cat", "dog")):
        fill(tmp_path / "test" / name, 3, first=7000 + 100 * number)
    data = load(tmp_path)
    assert data.warnings == []
    assert [len(at) for at in data.splits.values()] == [32, 8, 6]


def test_a_class_of_copies_only_is_refused(tmp_path):
    fill(tmp_path / "dog", 10, first=100)
    for number in range(10):
        fill(tmp_path / "cat" / str(number), 1)
    with pytest.raises(InputError, match=r"class cat .* 10 in all; add some, other than copies"):
        load(tmp_path)


def test_the_same_picture_in_both_classes_is_told(tmp_path):
    fill(tmp_path / "cat", 10)
    fill(tmp_path / "dog", 10, first=8)
    [warning] = load(tmp_path).warnings
    assert warning == (
        "same pixels in both classes (2 pictures, 4 files): "
        "cat/8.png (cat) = dog/8.png (dog); cat/9.png (cat) = dog/9.png (dog)"
    )


def scene(seed: int, width: int = 120, height: int = 90) -> Image.Image:
    """A picture of smooth blobs, like no other."""
    coarse = Image.fromarray(noise(seed, 7))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def save_scenes(root: Path, count: int = 6) -> Path:
    for target, name in enumerate(GREYS):
        (root / name).mkdir(parents=True)
        for number in range(count):
            scene(number + 100 * target).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((60, 45)),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: image.rotate(90, expand=True),
        lambda image: image.point(lambda value: value * 4 // 5),
    ],
    ids=["smaller", "flipped", "turned", "darker"],
)
def test_near_copies_are_told_with_their_places(tmp_path, change):
    save_scenes(tmp_path)
    change(scene(3)).save(tmp_path / "dark" / "again.jpg", quality=85)
    [warning] = load(tmp_path).warnings
    assert warning.startswith("pairs that look alike (1, ")
    assert "bright/3.png" in warning and "dark/again.jpg" in warning


def test_different_pictures_are_no_near_copies(tmp_path):
    save_scenes(tmp_path, count=40)
    assert load(tmp_path).warnings == []


def test_pictures_that_very_many_look_like_take_no_time():
    images = np.broadcast_to(np.asarray(scene(1).resize((32, 32))), (5000, 32, 32, 3))
    started = time.process_time()
    assert near_copies(images) == []
    assert time.process_time() - started < 5
