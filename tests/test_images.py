"""Images: every kind a folder may hold, splits, cache, bad files, leaks, public sets."""

import hashlib
import mmap
import os
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.error import URLError

import numpy as np
import pytest
from conftest import PROJECT, arguments_for_test, fill, make_photos, noise, refused, train_arguments
from PIL import Image

from console.errors import InputError
from dataset import Data, hand_over, load_data
from images import cache, decode, shapes, sources
from images.decode import decode_or_reason


def load(folder: Path, size: int = 16, **options: Any) -> Data:
    return load_data(str(folder), size, **options)


def folders_of(data: Data) -> dict[str, dict[str, int]]:  # split: folder at the top: images
    folders = [name.split("/")[0] for name in data.names]
    counts = {}
    for part, numbers in data.splits.items():
        counts[part] = Counter(folders[number] for number in numbers)
    return counts


def test_a_folder_of_two_classes_is_split_by_class(tmp_path):
    fill(tmp_path / "cat", 50)
    fill(tmp_path / "dog", 30, first=1000)
    data = load(tmp_path)
    fifth = {"cat": 10, "dog": 6}
    assert folders_of(data) == {"train": {"cat": 30, "dog": 18}, "valid": fifth, "test": fifth}
    assert [data.classes[target] for target in data.targets] == [name[:3] for name in data.names]


def test_every_image_is_in_one_split(tmp_path):
    fill(tmp_path / "cat", 50)
    fill(tmp_path / "dog", 30, first=1000)
    numbers = np.concatenate(list(load(tmp_path).splits.values()))
    assert sorted(numbers) == list(range(80))


def test_splits_are_the_same_every_time(photos):
    data = load(photos)
    shutil.rmtree(cache.cache_folder())
    again = load(photos)
    assert all(np.array_equal(data.splits[part], again.splits[part]) for part in data.splits)
    assert data.digest == again.digest


WITHOUT_VALID = {"train": {"train": 16}, "valid": {"train": 4}, "test": {"test": 10}}


def test_train_lends_a_fifth_of_each_class_to_valid(photos):
    data = load(photos)
    assert folders_of(data) == WITHOUT_VALID
    assert np.bincount(data.targets[data.splits["valid"]]).tolist() == [2, 2]


def test_train_lends_nothing_where_there_is_a_folder_valid(photos):
    fill(photos / "valid" / "cat", 3, first=7000)
    fill(photos / "valid" / "dog", 3, first=8000)
    with_valid = {"train": {"train": 20}, "valid": {"valid": 6}, "test": {"test": 10}}
    assert folders_of(load(photos)) == with_valid


def test_a_picture_in_two_splits_is_a_warning(photos):
    assert load(photos).warnings == []
    with Image.open(photos / "train" / "cat" / "3.png") as image:
        image.save(photos / "test" / "dog" / "encoded_otherwise.bmp")
    warning = load(photos).warnings[0]
    assert "same pixels in several splits (1 picture, 2 files)" in warning
    assert "train/cat/3.png" in warning and "test/dog/encoded_otherwise.bmp" in warning


def pixels_of(root: Path, save: Callable[[Path], None]) -> dict[str, np.ndarray]:
    """Decoded pictures, by name, of a folder in which `save` has put some for the class cat."""
    fill(root / "dog", 10)
    fill(root / "cat", 5, first=100)
    save(root / "cat")
    data = load(root)
    return dict(zip(data.names, data.images, strict=True))


@pytest.mark.parametrize("name", ["L.png", "P.gif", "RGB.JPG", "CMYK.jpg", "1.png"])
def test_every_usual_mode_of_a_picture_is_read(name, tmp_path):
    def save(folder: Path) -> None:
        Image.fromarray(noise(1, 40)).convert(name.split(".")[0]).save(folder / name)

    assert f"cat/{name}" in pixels_of(tmp_path, save)


def test_a_progressive_jpeg_is_read(tmp_path):
    def save(folder: Path) -> None:
        Image.fromarray(noise(1, 40)).save(folder / "progressive.jpg", progressive=True)

    assert "cat/progressive.jpg" in pixels_of(tmp_path, save)


def test_nested_folders_are_read(tmp_path):
    names = pixels_of(tmp_path, lambda folder: fill(folder / "nested" / "deeper", 1, first=9000))
    assert "cat/nested/deeper/9000.png" in names


def test_transparent_pixels_become_white(tmp_path):
    def save(folder: Path) -> None:
        Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(folder / "alpha.png")

    assert pixels_of(tmp_path, save)["cat/alpha.png"].min() == 255


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_16_bits_are_scaled_and_not_cut(name, tmp_path):
    def save(folder: Path) -> None:
        Image.fromarray(np.full((40, 40), 51400, dtype=np.uint16)).save(folder / name)

    pixels = pixels_of(tmp_path, save)[f"cat/{name}"].astype(int)
    assert np.abs(pixels - 200).max() <= 1


def test_of_several_frames_the_first_counts(tmp_path):
    def save(folder: Path) -> None:
        green, red = (Image.new("RGB", (40, 40), name) for name in ("lime", "red"))
        green.save(folder / "moving.gif", save_all=True, append_images=[red])

    assert pixels_of(tmp_path, save)["cat/moving.gif"][8, 8].tolist() == [0, 255, 0]


@pytest.mark.parametrize("name", ["Thumbs.db", ".DS_Store", "notes.txt", ".hidden.jpg"])
def test_what_is_no_picture_is_not_read(name, tmp_path):
    names = pixels_of(tmp_path, lambda folder: (folder / name).write_bytes(b"not an image"))
    assert len(names) == 15


def test_a_loop_of_links_is_read_once(tmp_path):
    names = pixels_of(tmp_path, lambda folder: (folder / "loop").symlink_to(folder))
    assert len(names) == 15


def test_a_turned_jpeg_read_at_a_reduced_scale_is_close_to_the_upright_picture(tmp_path):
    y, x = np.mgrid[:400, :500]
    smooth = Image.fromarray(np.stack([x / 2, y / 2, (x + y) / 4], 2).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    smooth.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif)
    full = np.asarray(smooth.resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(decode_or_reason(str(tmp_path / "turned.jpg"), 64) - full).mean() < 3


def test_a_second_program_decodes_nothing(photos, monkeypatch):
    first = load(photos)
    monkeypatch.setattr(cache, "decode_or_reason", lambda *_, **__: pytest.fail("decoded twice"))
    again = load(photos)
    assert np.array_equal(first.images, again.images) and again.digest == first.digest


def test_decoded_images_are_mapped_for_reading(photos):
    images = load(photos).images
    assert isinstance(images.base, mmap.mmap) and not images.flags.writeable


def test_the_folder_of_images_stays_as_it_is(photos):
    paths = [photos, *photos.rglob("*")]
    for path in paths:
        path.chmod(0o555)
    before = [path.stat().st_mtime_ns for path in paths]
    load(photos)
    assert [photos, *photos.rglob("*")] == paths
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_another_size_gives_another_digest(photos):
    assert load(photos).digest != load(photos, size=20).digest


def test_another_time_of_a_file_keeps_the_digest(photos):
    before = load(photos).digest
    os.utime(photos / "train" / "cat" / "0.png", (1, 1))
    assert load(photos).digest == before


def test_another_pillow_that_decodes_alike_keeps_the_digest(photos, monkeypatch):
    before = load(photos).digest
    monkeypatch.setattr("PIL.__version__", "new")
    assert load(photos).digest == before


def test_another_pillow_that_decodes_otherwise_gives_another_digest(photos, monkeypatch):
    before = load(photos).digest
    plain = decode.decode
    monkeypatch.setattr("PIL.__version__", "decodes otherwise")
    monkeypatch.setattr(decode, "decode", lambda *arguments: 255 - plain(*arguments))
    assert load(photos).digest != before


def test_another_picture_gives_another_digest(photos):
    before = load(photos).digest
    Image.fromarray(noise(99)).save(photos / "train" / "cat" / "0.png")
    assert load(photos).digest != before


def test_a_picture_replaced_by_one_of_the_same_size_and_time_is_noticed(photos):
    picture, other = photos / "train" / "cat" / "0.bmp", photos / "other.bmp"
    for seed, path in enumerate((picture, other)):
        Image.fromarray(noise(seed)).save(path)
        os.utime(path, (1, 1))
    before = load(photos).digest
    assert picture.stat().st_size == other.stat().st_size
    shutil.copy2(other, picture)  # as tar and rsync -t leave it
    assert picture.stat().st_mtime == 1 and load(photos).digest != before


def test_two_processes_build_the_cache_at_once(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = f"from dataset import load_data\nprint(load_data({str(photos)!r}, 16).digest)"
    options = {"cwd": PROJECT, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", code], **options) for _ in range(2)]
    digests = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert digests == [load(photos).digest + "\n"] * 2
    [folder] = cache.cache_folder().iterdir()
    assert not folder.name.startswith(".")


@pytest.mark.parametrize("name", ["images", "index.json"])
def test_decoded_images_that_are_cut_short_are_decoded_again(name, photos):
    data = load(photos)
    pixels = np.array(data.images)
    os.truncate(data.folder / name, 100)
    assert np.array_equal(load(photos).images, pixels)
    assert (data.folder / name).stat().st_size > 100


@pytest.fixture
def bad(photos) -> Path:
    """A folder with five bad files among its cats."""
    folder = photos / "train" / "cat"
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    (folder / "bomb.ppm").write_text("P6 60000 60000 255\n")
    (folder / "gone.jpg").symlink_to("nowhere")
    Image.fromarray(noise(5, 200)).save(folder / "cut.jpg")
    os.truncate(folder / "cut.jpg", 3000)
    return photos


def test_bad_files_are_named_with_their_reasons(bad):
    with pytest.raises(InputError, match=r"^unreadable .* \(5\): .*--skip_bad_images$") as caught:
        load(bad)
    for reason in ("empty.jpg (empty", "text.png (not", "bomb.ppm (Im", "gone.jpg (", "cut.jpg ("):
        assert f"train/cat/{reason}" in str(caught.value)


def test_bad_files_are_left_out_where_they_may(bad):
    data = load(bad, skip_bad_images=True)
    assert len(data.names) == 30
    assert data.warnings[0].startswith("left out unreadable images (5): train/cat/")


def test_of_many_bad_files_the_first_are_named(bad):
    for number in range(30):
        (bad / "train" / "cat" / f"z{number:02}.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"\(35\).*z14\.jpg \(empty file\) and 15 more; mend"):
        load(bad)


def test_a_fault_of_our_own_code_is_not_blamed_on_the_pictures(photos, monkeypatch):
    monkeypatch.delattr(Image.Image, "draft")  # as where Pillow is another than ours
    with pytest.raises(AttributeError, match="no attribute 'draft'"):
        load(photos)


@pytest.mark.parametrize(("cats", "few", "left"), [(0, "cat", 0), (2, "cat", 2), (5, "dog", 0)])
def test_a_class_of_too_few_readable_images_is_named(tmp_path, cats, few, left):
    for name, count in (("cat", cats), ("dog", 0)):
        fill(tmp_path / name, count)
        (tmp_path / name / "bad.jpg").write_bytes(b"")
        (tmp_path / name / "notes.txt").write_text("no image")
    message = rf"class {few} .* no readable image for train, and {left} in all; add .*\.jpg \.jpeg "
    with pytest.raises(InputError, match=message):
        load(tmp_path, skip_bad_images=True)


def test_names_that_are_no_text_are_read_and_shown(tmp_path, call):
    folder = tmp_path / b"caf\xe9".decode(errors="surrogateescape")
    make_photos(folder)
    out = folder.with_name(f"{folder.name}_out")
    name = b"\xe9".decode(errors="surrogateescape")
    for part in ("train", "test"):
        (folder / part / "dog").rename(folder / part / name)
    (folder / "test" / name / "1500.png").rename(folder / "test" / name / f"{name}.png")
    trained = call("train", train_arguments(folder, out, epochs=1))
    tested = call("test", arguments_for_test(out))
    assert (trained.status, tested.status) == (0, 0), trained.err + tested.err
    predictions = (out / "r" / "predictions.csv").read_text(encoding="utf-8")
    assert predictions.count(r"test/\xe9/") == 5 and r"test/\xe9/\xe9.png,\xe9," in predictions


def test_shapes_are_the_same_pixels_on_every_platform():
    digest = hashlib.sha256()
    for part, target, image in shapes.draw_all():
        digest.update(f"{part} {target}".encode() + image.tobytes())
    assert digest.hexdigest() == "39d4787b64a739e24968511fe3411e99f5e63ea512ab50feb46dcf2b4f311ec9"


def test_the_stripes_of_shapes_go_from_none_to_strong_without_a_gap():
    contrasts = np.array([shapes.contrast(rank / 1000) for rank in range(1001)])
    assert (contrasts[0], contrasts[-1]) == (0, shapes.STRONGEST)
    assert np.diff(contrasts).min() > 0 and np.diff(contrasts).max() < shapes.NOISE / 50
    assert 0.3 < (contrasts < shapes.NOISE / 8).mean() < 0.5, "many too faint, many strong"


def test_drawn_images_are_not_looked_at_for_copies(monkeypatch):
    monkeypatch.setattr(shapes, "COUNTS", {"train": 20, "test": 10})
    monkeypatch.setattr("dataset.near_copy_notes", lambda *_: ["pairs that look alike"])
    assert load_data("shapes", 16).warnings == []


def test_without_data_shapes_are_drawn_where_data_holds_a_download_alone(tmp_path):
    (tmp_path / "oxford-iiit-pet").mkdir()
    assert sources.default_source(tmp_path) == "shapes"


def test_without_data_shapes_are_drawn_where_there_is_no_folder_data(tmp_path):
    assert sources.default_source(tmp_path / "data") == "shapes"


def test_without_data_the_folder_data_is_used_if_it_holds_pictures(tmp_path):
    fill(tmp_path, 1)
    assert sources.default_source(tmp_path) == str(tmp_path)


def test_without_data_the_folder_data_is_used_if_it_holds_folders(tmp_path):
    (tmp_path / "cat").mkdir()
    assert sources.default_source(tmp_path) == str(tmp_path)


@pytest.fixture
def pets(tmp_path, monkeypatch) -> Path:
    """The folder of Oxford-IIIT Pet, with a few images of noise."""
    monkeypatch.setattr(sources, "DOWNLOADS", tmp_path)
    root = tmp_path / "oxford-iiit-pet"
    (root / "annotations").mkdir(parents=True)
    (root / "images").mkdir()
    lines = ("Manx 1 trainval", "boxer 2 trainval", "Korat 1 test", "pug 2 test")
    for number, line in enumerate(lines * 5):
        breed, species, part = line.split()
        image = f"{breed}_{number // len(lines)}"
        Image.fromarray(noise(number, 50)).save(root / "images" / f"{image}.jpg")
        with (root / "annotations" / f"{part}.txt").open("a") as file:
            file.write(f"{image} 7 {species} 3\n")
    return root


def test_pets_are_read_in_their_own_layout(pets):
    data = load_data("pets", 16)
    assert data.classes == ["cat", "dog"]
    assert [len(numbers) for numbers in data.splits.values()] == [8, 2, 10]
    tested = {data.names[i].split("_")[0]: data.targets[i] for i in data.splits["test"]}
    assert tested == {"Korat": 0, "pug": 1}


@pytest.mark.parametrize("name", ["images/pug_0.jpg", "annotations/test.txt"])
def test_a_file_of_pets_that_lacks_is_said(name, pets, call):
    (pets / name).unlink()
    said = refused(call("train", "--data", "pets"))
    assert "no such file" in said and f"oxford-iiit-pet/{name}" in said


@pytest.mark.parametrize("name", ["pets", "cifar10"])
def test_a_missing_network_is_said(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DOWNLOADS", tmp_path)
    refuse = Mock(side_effect=URLError("Network is unreachable"))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(InputError, match=r"cannot fetch .*Network is unreachable.*--data"):
        load_data(name, 16)


def test_cifar10_is_read_in_its_own_layout(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DOWNLOADS", tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    root = tmp_path / "cifar-10-batches-py"
    root.mkdir()
    (root / "batches.meta").write_bytes(pickle.dumps({"label_names": ["bee", "cat", "cow", "dog"]}))
    for seed, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (4, 3072), dtype=np.uint8)
        (root / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 3, 2]}))
    data = load_data("cifar10", 32)
    assert data.classes == ["cat", "dog"]
    assert [len(numbers) for numbers in data.splits.values()] == [8, 2, 2]
    assert data.targets[data.names.index("test/00002")] == 1
    tested_cat = pixels[1].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(data.images[data.names.index("test/00001")], tested_cat)


def test_a_cache_that_can_neither_be_read_nor_removed_is_one_line(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load(photos)
    [folder] = (tmp_path / "cache" / "cnn_experiments").iterdir()
    (folder / "index.json").write_bytes(b"")
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as for another user's
    with pytest.raises(InputError, match="cannot be read; have its owner make it readable"):
        load(photos)


def test_a_cache_is_readable_for_all_whom_the_user_lets_read(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = os.umask(0o027)
    try:
        load(photos)
    finally:
        os.umask(before)
    [folder] = (tmp_path / "cache" / "cnn_experiments").iterdir()
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: "0o750", "images": "0o640", "index.json": "0o640"}


def test_a_program_by_itself_asks_the_system_once_for_each_file(photos, monkeypatch):
    load(photos)
    asked, stat = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, **more: asked.append(path) or stat(path, **more))
    load(photos)
    files = sorted(str(path) for path in asked if str(path).endswith(".png"))
    assert files == sorted(map(str, photos.rglob("*.png")))


@pytest.fixture
def handed(photos, monkeypatch) -> Data:
    """Images that were handed over, and no others that could be opened."""
    data = load(photos)
    for name, value in hand_over(data, 16, False).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dataset.open_source", Mock(side_effect=InputError("scanned")))
    return data


def test_what_a_program_is_handed_spares_it_the_scan(handed, photos):
    data = load(photos)
    assert data.digest == handed.digest and np.array_equal(data.images, handed.images)


@pytest.mark.parametrize("options", [{"size": 20}, {"skip_bad_images": True}])
def test_what_a_program_is_handed_is_for_these_options_alone(options, handed, photos):
    with pytest.raises(InputError, match="scanned"):
        load(photos, **options)


def test_what_a_program_is_handed_is_for_this_folder_alone(handed, photos):
    with pytest.raises(InputError, match="scanned"):
        load(photos / "train")
