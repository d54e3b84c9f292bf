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
from conftest import (
    PATIENCE,
    PROJECT,
    arguments_for_test,
    fill,
    make_photos,
    noise,
    refused,
    train_arguments,
    warnings_of,
)
from PIL import Image

from console.errors import InputError
from dataset import Data, hand_over, load_data
from images import cache, decode, shapes, sources
from images.decode import decode_or_reason
from images.values import Picture


def load(folder: Path, size: int = 16, **options: Any) -> Data:
    return load_data(str(folder), size, **options)


def folders_of(data: Data) -> dict[str, dict[str, int]]:
    """How many images of each folder at the top every split holds."""
    counts = {}
    for part, numbers in data.splits.items():
        names = [data.names[number] for number in numbers]
        counts[part] = Counter(name.split("/")[0] for name in names)
    return counts


@pytest.fixture
def two_classes(tmp_path) -> Data:
    """Images of a folder of two classes of different size."""
    fill(tmp_path / "cat", 50)
    fill(tmp_path / "dog", 30, first=1000)
    return load(tmp_path)


def test_a_folder_of_two_classes_is_split_by_class(two_classes):
    train, fifth = {"cat": 30, "dog": 18}, {"cat": 10, "dog": 6}
    assert folders_of(two_classes) == {"train": train, "valid": fifth, "test": fifth}


def test_an_image_belongs_to_the_class_of_its_folder(two_classes):
    for name, target in zip(two_classes.names, two_classes.targets, strict=True):
        assert name.split("/")[0] == two_classes.classes[target]


def test_every_image_is_in_one_split(two_classes):
    numbers = np.concatenate(list(two_classes.splits.values()))
    assert sorted(numbers) == list(range(80))


@pytest.fixture
def decoded_twice(photos) -> tuple[Data, Data]:
    """The same images, each time decoded."""
    first = load(photos)
    shutil.rmtree(cache.cache_folder())
    return first, load(photos)


def test_splits_are_the_same_every_time(decoded_twice):
    first, again = decoded_twice
    for part in first.splits:
        assert np.array_equal(first.splits[part], again.splits[part])


def test_the_digest_is_the_same_every_time(decoded_twice):
    first, again = decoded_twice
    assert first.digest == again.digest


WITHOUT_VALID = {"train": {"train": 16}, "valid": {"train": 4}, "test": {"test": 10}}


def test_train_lends_a_fifth_to_valid(photos):
    assert folders_of(load(photos)) == WITHOUT_VALID


def test_train_lends_as_much_of_each_class_to_valid(photos):
    data = load(photos)
    lent = data.targets[data.splits["valid"]]
    assert np.bincount(lent).tolist() == [2, 2]


def test_train_lends_nothing_where_there_is_a_folder_valid(photos):
    fill(photos / "valid" / "cat", 3, first=7000)
    fill(photos / "valid" / "dog", 3, first=8000)
    with_valid = {
        "train": {"train": 20},
        "valid": {"valid": 6},
        "test": {"test": 10},
    }
    assert folders_of(load(photos)) == with_valid


def test_pictures_of_one_split_each_are_no_ground_for_a_warning(photos):
    assert warnings_of(load(photos)) == []


def test_a_picture_in_two_splits_is_a_warning_that_names_it(photos):
    with Image.open(photos / "train" / "cat" / "3.png") as image:
        image.save(photos / "test" / "dog" / "encoded_otherwise.bmp")
    warning = load(photos).warnings[0]
    assert "same pixels in several splits (1 picture, 2 files)" in warning
    assert "train/cat/3.png" in warning
    assert "test/dog/encoded_otherwise.bmp" in warning


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
def test_16_bits_are_scaled_to_8(name, tmp_path):
    def save(folder: Path) -> None:
        values = np.full((40, 40), 200 * 257, dtype=np.uint16)
        Image.fromarray(values).save(folder / name)

    pixels = pixels_of(tmp_path, save)[f"cat/{name}"].astype(int)
    assert np.abs(pixels - 200).max() <= 1


def test_of_several_frames_the_first_counts(tmp_path):
    def save(folder: Path) -> None:
        green = Image.new("RGB", (40, 40), "lime")
        red = Image.new("RGB", (40, 40), "red")
        green.save(folder / "moving.gif", save_all=True, append_images=[red])

    assert pixels_of(tmp_path, save)["cat/moving.gif"][8, 8].tolist() == [0, 255, 0]


@pytest.mark.parametrize("name", ["Thumbs.db", ".DS_Store", "notes.txt", ".hidden.jpg"])
def test_what_is_no_picture_is_not_read(name, tmp_path):
    names = pixels_of(tmp_path, lambda folder: (folder / name).write_bytes(b"not an image"))
    assert len(names) == 15


def test_a_loop_of_links_is_read_once(tmp_path):
    names = pixels_of(tmp_path, lambda folder: (folder / "loop").symlink_to(folder))
    assert len(names) == 15


def test_a_turned_jpeg_read_at_a_reduced_scale_is_close_to_the_upright_picture(
    tmp_path,
):
    y, x = np.mgrid[:400, :500]
    values = np.stack([x / 2, y / 2, (x + y) / 4], 2)
    smooth = Image.fromarray(values.astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    path = tmp_path / "turned.jpg"
    smooth.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    upright = np.asarray(smooth.resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
    differences = decode_or_reason(str(path), 64).values - upright
    assert np.abs(differences).mean() < 3


def test_a_second_program_decodes_nothing(photos, monkeypatch):
    first = load(photos)
    monkeypatch.setattr(decode, "decode_or_reason", lambda *_, **__: pytest.fail("decoded twice"))
    again = load(photos)
    assert np.array_equal(first.images, again.images)
    assert again.digest == first.digest


def test_decoded_images_are_mapped(photos):
    assert isinstance(load(photos).images.base, mmap.mmap)


def test_decoded_images_cannot_be_changed(photos):
    assert not load(photos).images.flags.writeable


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
    monkeypatch.setattr(decode, "decode", lambda *given: Picture(255 - plain(*given).values))
    assert load(photos).digest != before


def test_another_picture_gives_another_digest(photos):
    before = load(photos).digest
    Image.fromarray(noise(99)).save(photos / "train" / "cat" / "0.png")
    assert load(photos).digest != before


def test_a_picture_replaced_by_one_that_looks_unchanged_from_outside_is_noticed(
    photos,
):
    picture, other = photos / "train" / "cat" / "0.bmp", photos / "other.bmp"
    for seed, path in enumerate((picture, other)):
        Image.fromarray(noise(seed)).save(path)
        os.utime(path, (1, 1))
    before, size = load(photos).digest, picture.stat().st_size
    shutil.copy2(other, picture)  # as tar and rsync -t leave it
    assert (picture.stat().st_size, picture.stat().st_mtime) == (size, 1)
    assert load(photos).digest != before


def test_two_processes_build_the_cache_at_once(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = f"from dataset import load_data\nprint(load_data({str(photos)!r}, 16).digest)"
    command = [sys.executable, "-c", code]
    both = []
    for _ in range(2):
        both.append(subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True))
    digests = [process.communicate(timeout=PATIENCE)[0] for process in both]
    digest = load(photos).digest
    assert digests == [f"{digest}\n", f"{digest}\n"]
    [folder] = cache.cache_folder().iterdir()
    assert not folder.name.startswith("."), "unfinished"


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
    for reason in (
        "empty.jpg (empty",
        "text.png (not",
        "bomb.ppm (Im",
        "gone.jpg (",
        "cut.jpg (",
    ):
        assert f"train/cat/{reason}" in str(caught.value)


def test_bad_files_are_left_out_where_they_may(bad):
    assert len(load(bad, skip_bad_images=True).names) == 30


def test_bad_files_that_are_left_out_are_told(bad):
    warning = load(bad, skip_bad_images=True).warnings[0]
    assert warning.startswith("left out unreadable images (5): train/cat/")


def test_of_many_bad_files_the_first_are_named(bad):
    for number in range(30):
        (bad / "train" / "cat" / f"z{number:02}.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"\(35\).*z14\.jpg \(empty file\) and 15 more; mend"):
        load(bad)


def test_a_fault_of_our_own_code_is_not_blamed_on_the_pictures(photos, monkeypatch):
    monkeypatch.delattr(Image.Image, "draft")  # as where Pillow is another than ours
    with pytest.raises(AttributeError, match="no attribute 'draft'"):
        load(photos)


@pytest.mark.parametrize(("cats", "few", "count"), [(0, "cat", 0), (2, "cat", 2), (5, "dog", 0)])
def test_a_class_of_too_few_readable_images_is_named(tmp_path, cats, few, count):
    fill(tmp_path / "cat", cats)
    fill(tmp_path / "dog", 0)
    for name in ("cat", "dog"):
        (tmp_path / name / "bad.jpg").write_bytes(b"")
        (tmp_path / name / "notes.txt").write_text("no image")
    told = f"class {few} .* has no picture for train: {count} readable in all; "
    with pytest.raises(InputError, match=rf"{told}passed over: 2 \.txt; add some"):
        load(tmp_path, skip_bad_images=True)


def test_names_that_are_no_text_go_through_all_programs(tmp_path, call):
    folder = tmp_path / b"caf\xe9".decode(errors="surrogateescape")
    make_photos(folder)
    out = folder.with_name(f"{folder.name}_out")
    name = b"\xe9".decode(errors="surrogateescape")
    for part in ("train", "test"):
        (folder / part / "dog").rename(folder / part / name)
    (folder / "test" / name / "1500.png").rename(folder / "test" / name / f"{name}.png")
    trained = call("train", train_arguments(folder, out, epochs=1), "--no_pictures")
    tested = call("test", arguments_for_test(out))
    assert (trained.status, tested.status) == (0, 0), trained.err + tested.err
    predictions = (out / "r" / "predictions.csv").read_text(encoding="utf-8")
    assert predictions.count(r"test/\xe9/") == 5
    assert r"test/\xe9/\xe9.png,\xe9," in predictions


def test_shapes_are_the_same_pixels_on_every_platform():
    digest = hashlib.sha256()
    for part, target, image in shapes.draw_all():
        digest.update(f"{part} {target}".encode() + image.tobytes())
    assert digest.hexdigest() == "39d4787b64a739e24968511fe3411e99f5e63ea512ab50feb46dcf2b4f311ec9"


@pytest.fixture
def contrasts() -> np.ndarray:
    """The contrasts of the stripes of shapes, in their order."""
    return np.array([shapes.contrast(rank / 1000) for rank in range(1001)])


def test_the_stripes_of_shapes_go_from_none_to_strong(contrasts):
    assert (contrasts[0], contrasts[-1]) == (0, shapes.STRONGEST)


def test_the_stripes_of_shapes_grow_without_a_gap(contrasts):
    steps = np.diff(contrasts)
    assert steps.min() > 0
    assert steps.max() < shapes.NOISE / 50


def test_of_the_stripes_of_shapes_many_are_too_faint(contrasts):
    share = (contrasts < shapes.NOISE / 8).mean()
    assert 0.3 < share < 0.5


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


@pytest.mark.parametrize("name", ["shapes", "pets", "cifar10"])
def test_a_folder_named_like_a_built_in_set_is_refused_as_ambiguous(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / name / "circle", 5)
    fill(tmp_path / name / "square", 5, first=100)
    with pytest.raises(
        InputError, match=f"{name} is a built-in set, and a folder .* --data ./{name}"
    ):
        load_data(name, 16)
    assert load_data(f"./{name}", 16).classes == ["circle", "square"]


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


def test_pets_are_cats_against_dogs(pets):
    assert load_data("pets", 16).classes == ["cat", "dog"]


def test_pets_are_split_as_their_lists_say(pets):
    data = load_data("pets", 16)
    assert [len(numbers) for numbers in data.splits.values()] == [8, 2, 10]


def test_pets_have_the_species_that_their_lists_say(pets):
    data = load_data("pets", 16)
    species = {}
    for number in data.splits["test"]:
        breed = data.names[number].split("_")[0]
        species[breed] = data.classes[data.targets[number]]
    assert species == {"Korat": "cat", "pug": "dog"}


@pytest.mark.parametrize("name", ["images/pug_0.jpg", "annotations/test.txt"])
def test_a_file_of_pets_that_lacks_is_said(name, pets, call):
    (pets / name).unlink()
    said = refused(call("train", "--data", "pets"))
    assert "no such file" in said
    assert f"oxford-iiit-pet/{name}" in said


@pytest.mark.parametrize("name", ["pets", "cifar10"])
def test_a_missing_network_is_said(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DOWNLOADS", tmp_path)
    refuse = Mock(side_effect=URLError("Network is unreachable"))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(InputError, match=r"cannot fetch .*Network is unreachable.*--data"):
        load_data(name, 16)


BATCHES = [
    "data_batch_1",
    "data_batch_2",
    "data_batch_3",
    "data_batch_4",
    "data_batch_5",
]


def cifar_pixels(seed: int) -> np.ndarray:
    """Four images as a batch of CIFAR-10 holds them: channel by channel."""
    return np.random.default_rng(seed).integers(0, 256, (4, 3072), dtype=np.uint8)


@pytest.fixture
def cifar10(tmp_path, monkeypatch) -> Data:
    """CIFAR-10 of four images a batch, of noise: a bee, a cat, a dog, a cow."""
    monkeypatch.setattr(sources, "DOWNLOADS", tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    root = tmp_path / "cifar-10-batches-py"
    root.mkdir()
    names = {"label_names": ["bee", "cat", "cow", "dog"]}
    (root / "batches.meta").write_bytes(pickle.dumps(names))
    for seed, name in enumerate([*BATCHES, "test_batch"]):
        batch = {"data": cifar_pixels(seed), "labels": [0, 1, 3, 2]}
        (root / name).write_bytes(pickle.dumps(batch))
    return load_data("cifar10", 32)


def test_cifar10_is_cats_against_dogs(cifar10):
    assert cifar10.classes == ["cat", "dog"]


def test_cifar10_is_split_as_its_batches_are(cifar10):
    assert [len(numbers) for numbers in cifar10.splits.values()] == [8, 2, 2]


def test_images_of_cifar10_have_their_labels(cifar10):
    number = cifar10.names.index("test/00002")
    assert cifar10.classes[cifar10.targets[number]] == "dog"


def test_images_of_cifar10_have_their_pixels(cifar10):
    cat = cifar_pixels(seed=5)[1].reshape(3, 32, 32).transpose(1, 2, 0)
    number = cifar10.names.index("test/00001")
    assert np.array_equal(cifar10.images[number], cat)


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
    modes = {"folder": mode_of(folder)}
    for path in folder.iterdir():
        modes[path.name] = mode_of(path)
    assert modes == {"folder": "0o750", "images": "0o640", "index.json": "0o640"}


def mode_of(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_a_program_by_itself_asks_the_system_once_for_each_file(photos, monkeypatch):
    load(photos)
    names, stat = [], os.stat

    def counted_stat(path: Any, **options: Any) -> os.stat_result:
        names.append(str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", counted_stat)
    load(photos)
    pictures = sorted(name for name in names if name.endswith(".png"))
    assert pictures == sorted(str(path) for path in photos.rglob("*.png"))


@pytest.fixture
def handed(photos, monkeypatch) -> Data:
    """Images that were handed over, and no others that could be opened."""
    data = load(photos)
    for name, value in hand_over(data, 16, False).items():
        monkeypatch.setenv(name, value)
    scan = Mock(side_effect=InputError("scanned"))
    monkeypatch.setitem(load_data.__globals__, "open_source", scan)  # whoever imports it anew
    return data


def test_what_a_program_is_handed_spares_it_the_scan(handed, photos):
    data = load(photos)
    assert data.digest == handed.digest
    assert np.array_equal(data.images, handed.images)


@pytest.mark.parametrize("options", [{"size": 20}, {"skip_bad_images": True}, {"group": True}])
def test_what_a_program_is_handed_is_for_these_options_alone(options, handed, photos):
    with pytest.raises(InputError, match="scanned"):
        load(photos, **options)


def test_what_a_program_is_handed_is_for_this_folder_alone(handed, photos):
    with pytest.raises(InputError, match="scanned"):
        load(photos / "train")
