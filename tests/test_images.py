"""Images: every kind a folder may hold, splits, cache, bad files, leaks, public sets."""

import hashlib
import io
import mmap
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, arguments_for_test, fill, make_photos, noise, train_arguments
from PIL import Image

import dataset
from console.errors import InputError
from dataset import load_data
from images import cache, decode, shapes, sources
from images.decode import decode_or_reason
from records.files import read_json


def picture_of(path: Path, image: Image.Image, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def test_splits_are_stratified_disjoint_and_the_same_every_time(tmp_path):
    for name, count in (("cat", 50), ("dog", 30)):
        fill(tmp_path / name, count, first=len(name) * 1000 + count)
    data = load_data(str(tmp_path), 16)
    counts = {part: np.bincount(data.targets[at]).tolist() for part, at in data.splits.items()}
    assert counts == {"train": [30, 18], "valid": [10, 6], "test": [10, 6]}
    together = np.concatenate(list(data.splits.values()))
    assert sorted(together) == list(range(80))
    shutil.rmtree(cache.cache_folder())
    again = load_data(str(tmp_path), 16)
    assert all(np.array_equal(data.splits[part], again.splits[part]) for part in data.splits)
    assert data.digest == again.digest


def test_train_and_test_folders_keep_their_images_and_lend_a_fifth_to_valid(photos):
    data = load_data(str(photos), 16)
    parts = {part: {data.names[i].split("/")[0] for i in at} for part, at in data.splits.items()}
    assert parts == {"train": {"train"}, "valid": {"train"}, "test": {"test"}}
    assert len(data.splits["valid"]) == 4


def test_a_valid_folder_is_used_as_it_is(photos):
    for name, first in (("cat", 7000), ("dog", 8000)):
        fill(photos / "valid" / name, 3, first)
    data = load_data(str(photos), 16)
    assert {data.names[i].split("/")[0] for i in data.splits["valid"]} == {"valid"}
    assert [len(at) for at in data.splits.values()] == [20, 6, 10]


def test_every_common_kind_of_picture_is_read(tmp_path):
    folder = tmp_path / "cat" / "nested" / "deeper"
    colour = Image.fromarray(noise(1, 40))
    grey16 = Image.fromarray(np.full((40, 40), 51400, dtype=np.uint16))
    red = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    picture_of(folder / "UPPER.JPG", colour)
    picture_of(folder / "grey.png", colour.convert("L"))
    picture_of(folder / "palette.gif", colour.convert("P"))
    picture_of(folder / "alpha.png", red)
    picture_of(folder / "cmyk.jpg", colour.convert("CMYK"))
    picture_of(folder / "deep.png", grey16)
    picture_of(folder / "deep.tif", grey16)
    picture_of(folder / "progressive.jpg", colour, progressive=True)
    picture_of(folder / "one_bit.png", colour.convert("1"))
    frames = [Image.new("RGB", (40, 40), name) for name in ("lime", "red")]
    picture_of(folder / "moving.gif", frames[0], save_all=True, append_images=frames[1:])
    for name in ("Thumbs.db", ".DS_Store", "notes.txt", ".hidden.jpg"):
        (folder / name).write_bytes(b"not an image")
    fill(tmp_path / "dog", 10)
    data = load_data(str(tmp_path), 16)
    images = {Path(name).name: image for name, image in zip(data.names, data.images, strict=True)}
    assert sum(name.startswith("cat/") for name in data.names) == 10
    assert images["alpha.png"].min() == 255, "transparent pixels become white"
    assert np.abs(images["deep.png"].astype(int) - 200).max() <= 1, "16 bits are scaled, not cut"
    assert np.abs(images["deep.tif"].astype(int) - 200).max() <= 1
    assert images["moving.gif"][8, 8].tolist() == [0, 255, 0], "the first frame counts"


def test_exif_orientation_turns_the_picture(tmp_path):
    upright = np.zeros((40, 40, 3), dtype=np.uint8)
    upright[:20] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    stored = Image.fromarray(upright[::-1].copy())
    for name in ("cat", "dog"):
        fill(tmp_path / name, 5, first=len(name) * 100)
    picture_of(tmp_path / "cat" / "turned.jpg", stored, exif=exif, quality=95)
    data = load_data(str(tmp_path), 16)
    image = data.images[data.names.index("cat/turned.jpg")]
    assert image[:7].mean() > 245 and image[9:].mean() < 10


def test_reduced_scale_decoding_is_close_to_full_decoding(tmp_path):
    y, x = np.mgrid[:400, :500]
    smooth = np.stack([x / 2, y / 2, (x + y) / 4], 2).astype(np.uint8)
    picture_of(tmp_path / "smooth.jpg", Image.fromarray(smooth), quality=95)
    full = np.asarray(Image.fromarray(smooth).resize((64, 64), Image.BILINEAR)).astype(int)
    assert np.abs(decode_or_reason(tmp_path / "smooth.jpg", 64) - full).mean() < 3


def test_warm_cache_decodes_nothing_and_is_found_by_content(photos, monkeypatch):
    first = load_data(str(photos), 16)
    monkeypatch.setattr(cache, "decode_or_reason", lambda *_, **__: pytest.fail("decoded twice"))
    again = load_data(str(photos), 16)
    assert np.array_equal(first.images, again.images)
    assert again.digest == first.digest
    monkeypatch.undo()
    touched = photos / "train" / "cat" / "0.png"
    os.utime(touched, (1, 1))
    assert load_data(str(photos), 16).digest == first.digest, "the content is what counts"
    Image.fromarray(noise(99)).save(touched)
    assert load_data(str(photos), 16).digest != first.digest


@pytest.mark.parametrize("name", ["images", "index.json"])
def test_a_damaged_cache_is_built_again(name, photos):
    whole = load_data(str(photos), 16)
    pixels = np.array(whole.images)
    damaged = [path for path in cache.cache_folder().glob(f"*/{name}")
               if whole.names == read_json(path.parent / "index.json")["names"]]  # fmt: skip
    for path in damaged:
        path.write_bytes(path.read_bytes()[:100])
    again = load_data(str(photos), 16)
    assert np.array_equal(again.images, pixels)


def test_the_image_size_is_part_of_the_digest(photos):
    assert load_data(str(photos), 16).digest != load_data(str(photos), 20).digest


def test_two_processes_that_build_the_cache_at_once_do_not_hurt_each_other(photos, tmp_path):
    code = "import sys; from dataset import load_data; print(load_data(sys.argv[1], 16).digest)"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(photos)], cwd=PROJECT,
                         env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip
    digests = {process.communicate(timeout=60)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(digests) == 1
    left = [path.name for path in (tmp_path / "cnn_experiments").iterdir()]
    assert len(left) == 1 and not left[0].startswith(".")


def bad_collection(root: Path) -> Path:
    make_photos(root)
    folder = root / "train" / "cat"
    whole = io.BytesIO()
    Image.fromarray(noise(5, 200)).save(whole, "JPEG")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "short.jpg").write_bytes(whole.getvalue()[:3000])
    (folder / "text.png").write_text("no image")
    (folder / "bomb.png").write_bytes(bomb())
    return root


def bomb() -> bytes:
    """A PNG of a few bytes that claims 60,000 by 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_all_bad_files_are_named_with_their_reasons(tmp_path):
    root = bad_collection(tmp_path / "photos")
    with pytest.raises(InputError) as caught:
        load_data(str(root), 16)
    message = str(caught.value)
    assert message.startswith("unreadable images (4): train/cat/")
    for name in ("empty.jpg (empty file)", "short.jpg (", "text.png (", "bomb.png ("):
        assert f"train/cat/{name}" in message
    assert "--skip_bad_images" in message


def test_of_many_bad_files_the_first_20_are_named_and_the_rest_counted(photos):
    for number in range(30):
        (photos / "train" / "dog" / f"bad{number:02}.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"images \(30\).*bad19\.jpg \(empty file\) and 10 more"):
        load_data(str(photos), 16)


def test_bad_files_can_be_skipped_and_are_counted(tmp_path):
    data = load_data(str(bad_collection(tmp_path / "photos")), 16, skip_bad_images=True)
    assert len(data.names) == 30
    assert any("left out unreadable images (4): train/cat/" in note for note in data.warnings)


def test_a_class_of_which_every_image_is_bad_is_an_error_even_if_they_may_be_skipped(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bad.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"class cat .* no readable image for train, and 0 in all"):
        load_data(str(tmp_path), 16, skip_bad_images=True)


def test_the_same_picture_in_two_splits_is_a_warning_with_examples(photos):
    with Image.open(photos / "train" / "cat" / "3.png") as image:
        picture_of(photos / "test" / "dog" / "encoded_otherwise.bmp", image)
    notes = " ".join(load_data(str(photos), 16).warnings)
    assert "same pixels in several splits (1)" in notes
    assert "train/cat/3.png" in notes and "test/dog/encoded_otherwise.bmp" in notes


def test_no_warning_without_leaks_or_imbalance(photos):
    assert load_data(str(photos), 16).warnings == []


def test_a_class_far_larger_than_the_other_is_a_warning_with_the_majority_share(tmp_path):
    fill(tmp_path / "cat", 40)
    fill(tmp_path / "dog", 10, first=900)
    notes = " ".join(load_data(str(tmp_path), 16).warnings)
    assert "cat has 4.0 times the images of dog" in notes
    assert "80.0% on test (the majority share)" in notes


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ([], "holds no class folders; add two or name the folder above"),
        ([""], "holds no class folders; add two or name the folder above"),
        (["cat"], r"holds 1 class folder \(cat\)"),
        (["bird", "cat", "dog"], r"holds 3 class folders \(bird, cat, dog\); a binary"),
        (["train/cat", "train/dog"], "holds train only; put train and test there"),
        (["test/cat", "test/dog"], "holds test only; put train and test there"),
        (["train/a", "train/b", "test/a", "test/c"], "class folders differ: .* a, b, .* a, c"),
    ],
)
def test_wrong_layouts_are_named(tmp_path, layout, message):
    for name in layout:
        fill(tmp_path / "photos" / name, 3)
    (tmp_path / "photos").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=message):
        load_data(str(tmp_path / "photos"), 16)


def test_missing_folder_and_class_without_images_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere is not a folder; --data takes a folder"):
        load_data(str(tmp_path / "nowhere"), 16)
    fill(tmp_path / "cat", 5)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "notes.txt").write_text("empty")
    with pytest.raises(InputError, match=r"class dog .* and 0 in all; add some \(\.jpg \.jpeg "):
        load_data(str(tmp_path), 16)


def test_too_few_images_to_split_is_an_error(tmp_path):
    fill(tmp_path / "cat", 2)
    fill(tmp_path / "dog", 20, first=50)
    with pytest.raises(InputError, match=r"class cat .* no readable image for train, and 2 in all"):
        load_data(str(tmp_path), 16)


def test_a_read_only_data_folder_is_no_problem_and_stays_as_it_is(photos):
    before = sorted((path, path.stat().st_mtime_ns) for path in photos.rglob("*"))
    folders = [photos, *(path for path in photos.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    load_data(str(photos), 16)
    for path in folders:
        path.chmod(0o755)
    assert sorted((path, path.stat().st_mtime_ns) for path in photos.rglob("*")) == before


# --- built-in and public sources -------------------------------------------------------------


def test_shapes_are_the_same_pixels_on_every_platform():
    digest = hashlib.sha256()
    for part, target, image in shapes.draw_all():
        digest.update(f"{part} {target}".encode() + image.tobytes())
    assert digest.hexdigest() == SHAPES_DIGEST


SHAPES_DIGEST = "9f07b7a4fa6ee02aee318275e7d15e23499d34b288f38d987a446de7daac54ce"


def test_without_data_the_folder_data_is_used_if_it_holds_images(tmp_path):
    assert sources.default_source(tmp_path / "data") == "shapes"
    (tmp_path / "data" / "oxford-iiit-pet").mkdir(parents=True)
    assert sources.default_source(tmp_path / "data") == "shapes", "a download is no folder of yours"
    fill(tmp_path / "data", 1)
    assert sources.default_source(tmp_path / "data") != "shapes", "pictures in the wrong place"
    (tmp_path / "data" / "0.png").unlink()
    (tmp_path / "data" / "cat").mkdir()
    assert sources.default_source(tmp_path / "data") == str(tmp_path / "data")


@pytest.fixture
def downloads(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(sources, "DOWNLOADS", tmp_path)
    return tmp_path


def make_pets(folder: Path) -> None:
    """A small Oxford-IIIT Pet as torchvision leaves it."""
    root = folder / "oxford-iiit-pet"
    (root / "annotations").mkdir(parents=True)
    lists = {
        "trainval": [("Abyssinian", 1), ("Bengal", 1), ("beagle", 2), ("boxer", 2)],
        "test": [("Persian", 1), ("pug", 2)],
    }
    for name, breeds in lists.items():
        lines = []
        for breed, species in breeds:
            for number in range(5):
                lines.append(f"{breed}_{number} 7 {species} 3")
                fill_one = Image.fromarray(noise(hash((breed, number)) % 10000, 50))
                picture_of(root / "images" / f"{breed}_{number}.jpg", fill_one)
        (root / "annotations" / f"{name}.txt").write_text("\n".join(lines) + "\n")


def test_pets_are_read_in_their_own_layout_with_their_own_split(downloads):
    make_pets(downloads)
    data = load_data("pets", 16)
    assert data.classes == ["cat", "dog"]
    assert [len(at) for at in data.splits.values()] == [16, 4, 10]
    tested = {data.names[i].split("_")[0]: data.targets[i] for i in data.splits["test"]}
    assert tested == {"Persian": 0, "pug": 1}


def test_cifar10_cats_and_dogs_are_read_in_its_own_layout(downloads, monkeypatch):
    from torchvision.datasets import CIFAR10

    root = downloads / "cifar-10-batches-py"
    root.mkdir()
    labels = [0, 3, 5, 9] * 5
    names = ["airplane", "automobile", "bird", "cat", "deer"]
    names += ["dog", "frog", "horse", "ship", "truck"]

    def write(name: str, values: dict) -> list[str]:
        (root / name).write_bytes(pickle.dumps(values))
        return [name, hashlib.md5((root / name).read_bytes()).hexdigest()]

    def batch(name: str, seed: int) -> list[str]:
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 3072), dtype=np.uint8)
        return write(name, {"data": pixels, "labels": labels})

    monkeypatch.setattr(CIFAR10, "train_list", [batch("data_batch_1", 1)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch", 2)])
    filename, checksum = write("batches.meta", {"label_names": names})
    monkeypatch.setattr(
        CIFAR10, "meta", {"filename": filename, "key": "label_names", "md5": checksum}
    )
    data = load_data("cifar10", 32)
    assert data.classes == ["cat", "dog"]
    assert [len(at) for at in data.splits.values()] == [8, 2, 10]
    pixels = np.random.default_rng(2).integers(0, 256, (20, 3072), dtype=np.uint8)
    first_cat = pixels[1].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(data.images[data.names.index("test/00001")], first_cat)


def test_decoded_images_are_mapped_and_cannot_be_written_to(photos):
    """A mapping that could be written to is refused by Linux if it is larger than memory."""
    load_data(str(photos), 16)
    images = load_data(str(photos), 16).images
    assert isinstance(images.base, mmap.mmap)
    assert not images.flags.writeable


def test_other_pixels_of_the_same_files_are_other_images(photos, monkeypatch):
    """A new Pillow may decode otherwise: then runs on the old pixels are no longer valid."""
    before = load_data(str(photos), 16)
    monkeypatch.setattr(dataset.PIL, "__version__", "new")
    assert load_data(str(photos), 16).digest == before.digest, "another version, the same pixels"
    shutil.rmtree(cache.cache_folder())
    plain = decode.decode
    monkeypatch.setattr(decode, "decode", lambda *arguments: 255 - plain(*arguments))
    assert load_data(str(photos), 16).digest != before.digest


def test_a_link_to_a_folder_above_does_not_multiply_the_images(photos):
    (photos / "train" / "cat" / "again").symlink_to(photos / "train" / "cat")
    assert sum(map(len, load_data(str(photos), 16).splits.values())) == 30


def test_names_that_are_no_text_are_read_and_shown(tmp_path, call):
    folder = tmp_path / b"caf\xe9".decode(errors="surrogateescape")
    make_photos(folder)
    name = b"\xe9".decode(errors="surrogateescape")
    for part in ("train", "test"):
        (folder / part / "dog").rename(folder / part / name)
    (folder / "test" / name / "1500.png").rename(folder / "test" / name / f"{name}.png")
    ended = call("train", *train_arguments(folder, folder, epochs=1))
    assert ended.status == 0, ended.err
    ended = call("test", *arguments_for_test(folder))
    assert ended.status == 0, ended.err
    predictions = (folder / "r" / "predictions.csv").read_text(encoding="utf-8")
    assert predictions.count(r"test/\xe9/") == 5 and r"test/\xe9/\xe9.png,\xe9," in predictions


@pytest.mark.parametrize("name", ["images/pug_0.jpg", "annotations/test.txt"])
def test_an_incomplete_download_of_pets_is_named(name, downloads, call):
    make_pets(downloads)
    (downloads / "oxford-iiit-pet" / name).unlink()
    ended = call("train", "--data", "pets")
    assert ended.status == 2 and ended.err.count("\n") == 1
    assert "no such file" in ended.err and f"oxford-iiit-pet/{name}" in ended.err


@pytest.mark.parametrize("name", ["pets", "cifar10"])
def test_without_a_network_one_line_says_what_could_not_be_fetched(name, downloads, monkeypatch):
    import urllib.error
    import urllib.request

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(InputError, match=r"cannot fetch .*Network is unreachable.*--data"):
        load_data(name, 16)
