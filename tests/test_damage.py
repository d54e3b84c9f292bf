"""What was damaged on the disk is noticed or harmless: never believed."""

import random
from pathlib import Path

import pytest
from conftest import arguments_for_test, refused, train_arguments

from records import finished
from records.files import Damaged, read_csv, read_json, read_record, write_record
from records.runs import DONE

FILES = ("r/train.json", "r/test.json", "r/history.csv", "r/predictions.csv", "r/acc.txt", "w.pth")
CHANGES = 40  # of each file


def damage(content: bytes, chance: random.Random) -> bytes:
    """Other bytes: one flipped, some zeroed, a piece cut out, the end cut off."""
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.randint(1, 40))
    kind = chance.choice(("flipped", "zeroed", "cut out", "cut off"))
    if kind == "flipped":
        return content[:start] + bytes([content[start] ^ 1]) + content[start + 1 :]
    if kind == "zeroed":
        return content[:start] + bytes(end - start) + content[end:]
    if kind == "cut out":
        return content[:start] + content[end:]
    return content[:start]


def is_believed(out: Path, identity: dict, images: str) -> bool:
    """Whether a run counts as trained and tested."""
    trained = finished.training_status(out / "r", out / "w.pth", identity) == DONE
    return trained and finished.test_status(out / "r", out / "w.pth", images) == DONE


@pytest.mark.parametrize("name", FILES)
def test_a_run_with_a_damaged_file_is_not_finished(name, trained):
    identity = read_json(trained / "r/train.json")["identity"]
    images = identity["images"]
    assert is_believed(trained, identity, images)
    path, chance = trained / name, random.Random(name)
    content, record = path.read_bytes(), read_json(path)
    noticed = 0
    for _ in range(CHANGES):
        path.write_bytes(damage(content, chance))
        same = path.read_bytes() == content or (record and read_json(path) == record)
        assert same or not is_believed(trained, identity, images), path.read_bytes()
        noticed += not same
    assert noticed > CHANGES / 2


def test_damaged_numbers_in_a_weight_file_are_refused(trained, call):
    content, chance = (trained / "w.pth").read_bytes(), random.Random(0)
    predicted = read_csv(trained / "r/predictions.csv")
    noticed = 0
    for _ in range(CHANGES):
        other = damage(content, chance)
        (trained / "w.pth").write_bytes(other)
        ended = call("test", *arguments_for_test(trained), "--no_pictures")
        if ended.status:
            assert "w.pth" in refused(ended)
            noticed += 1
        else:  # bytes that hold nothing, between the parts of the archive
            assert read_csv(trained / "r/predictions.csv") == predicted
    assert noticed > CHANGES / 2


def test_a_damaged_checkpoint_is_not_gone_on_from(trained, call):
    checkpoint = trained / "w_checkpoint.pth"
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)
    arguments = train_arguments(trained / "photos", trained, epochs=5)
    ended = call("train", *arguments, "--no_pictures")
    assert ended.status == 0
    assert "starting again" in ended.out and "w_checkpoint.pth" in ended.out


def test_a_changed_number_in_a_record_is_not_believed(tmp_path):
    write_record(tmp_path / "r.json", {"correct": 7, "pair": [1, 2]})
    assert read_record(tmp_path / "r.json", {"correct": int}) == {"correct": 7, "pair": [1, 2]}
    text = (tmp_path / "r.json").read_text()
    (tmp_path / "r.json").write_text(text.replace("7", "8"))
    with pytest.raises(Damaged, match="not as it was written"):
        read_record(tmp_path / "r.json", {"correct": int})


def test_a_flipped_bit_in_decoded_images_is_noticed_and_they_are_decoded_again(
    photos, tmp_path, monkeypatch
):
    from dataset import load_data

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = load_data(str(photos), 16)
    before = data.images.tobytes()
    path = data.folder / "images"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert load_data(str(photos), 16).images.tobytes() == before
