"""Recipes of docs/recipes.md and examples of README.md, copied out and run as they stand."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from conftest import (
    PROJECT,
    copy_project,
    make_photos,
    read_table,
    run_fork,
    run_sweep,
    small,
    train_arguments,
)
from torchvision.transforms import v2

from dataset import load_data
from records.files import file_digest
from training.batches import Images

HEAD = re.compile(
    r"# (?P<file>\S+\.py), (?P<place>before|after|instead of|the whole file)(: )?(?P<line>.*)"
)
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
RECIPES = {}
for section in (PROJECT / "docs/recipes.md").read_text().split("\n## ")[1:]:
    RECIPES[section.partition("\n")[0]] = BLOCK.findall(section)
NEEDS = {  # what a recipe's text says besides its code
    "A schedule": {"epochs": 11},
    "A loss with a parameter": {"loss_function": "FocalLoss", "gamma": 0.5},
    "Augmentation as a setting": {"augment": None},
    "Label smoothing": {"label_smoothing": 0.1},
    "Classes weighed by their number of training images": {"weigh_classes": None},
    "Weights of your own to begin with (fine-tuning)": {"begin_with": "start.pth"},
    "A network of torchvision, with frozen layers": {"image_size": 32},
}


def apply(block: str, project: Path) -> None:
    """Put a block into a project where its first line says."""
    first, _, code = block.partition("\n")
    head = HEAD.fullmatch(first)
    assert head, first
    path = project / head["file"]
    if head["place"] == "the whole file":
        path.write_text(code)
        return
    lines = path.read_text().splitlines()
    [place] = [number for number, line in enumerate(lines) if line.strip() == head["line"]]
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    if lines[place].endswith("{  # a study may vary each of them"):
        indent += "    "
    new = [indent + line if line else "" for line in code.splitlines()]
    begin, end = {"before": (place, place), "after": (place + 1, place + 1)}.get(
        head["place"], (place, place + 1)
    )
    lines[begin:end] = new
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Images, of which one class has fewer."""
    folder = make_photos(tmp_path_factory.mktemp("recipes") / "photos")
    for path in sorted((folder / "train/cat").iterdir())[:3]:
        path.unlink()
    return folder


def train(project: Path, photos: Path, out: Path, **settings: object) -> str:
    """Train with a project; the digest of its weights."""
    words = train_arguments(photos, out, **settings)
    arguments = [word for word in words if word is not None]  # a switch has no value
    ended = run_fork(project / "train.py", [*arguments, "--no_pictures"])
    assert ended.status == 0, ended.err
    return file_digest(out / "w.pth")


@pytest.fixture(scope="module")
def plain(photos, tmp_path_factory) -> Path:
    """A training without a recipe."""
    out = tmp_path_factory.mktemp("plain")
    train(PROJECT, photos, out, epochs=2)
    return out


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "Early stopping"])
def test_a_recipe_runs_as_it_stands(name, photos, plain, tmp_path):
    project = copy_project(tmp_path / "project")
    shutil.copy(plain / "w.pth", project / "start.pth")
    for block in RECIPES[name]:
        apply(block, project)
    settings = {"epochs": 2} | NEEDS.get(name, {})
    assert train(project, photos, tmp_path, **settings) != file_digest(plain / "w.pth")


@pytest.fixture(scope="module")
def stopping(tmp_path_factory) -> Path:
    """A project that stops early."""
    project = copy_project(tmp_path_factory.mktemp("stopping") / "project")
    for block in RECIPES["Early stopping"]:
        apply(block, project)
    return project


def test_early_stopping_stops(stopping, photos, tmp_path):
    train(stopping, photos, tmp_path, epochs=60, learning_rate=0.05)
    assert len(read_table(tmp_path / "r/history.csv")) < 60


def test_early_stopping_goes_on_with_the_bits_of_a_training_from_scratch(
    stopping, photos, tmp_path
):
    once = train(stopping, photos, tmp_path / "once", epochs=60, learning_rate=0.05)
    train(stopping, photos, tmp_path / "grown", epochs=3, learning_rate=0.05)
    assert once == train(stopping, photos, tmp_path / "grown", epochs=60, learning_rate=0.05)


# --- augmentation ----------------------------------------------------------------------------


def test_each_image_of_a_batch_is_augmented_by_itself(photos):
    images = Images(load_data(str(photos), 16), torch.device("cpu"))
    indices = images.splits["train"]
    torch.manual_seed(0)
    plain = images.inputs(indices)
    flipped = images.inputs(indices, v2.RandomHorizontalFlip())
    is_flipped = [torch.equal(*pair) for pair in zip(flipped, plain.flip(3), strict=True)]
    is_plain = [torch.equal(*pair) for pair in zip(flipped, plain, strict=True)]
    assert any(is_flipped)
    assert any(is_plain)
    assert all(one or other for one, other in zip(is_flipped, is_plain, strict=True))


# --- examples of README ----------------------------------------------------------------------

STUDY = re.compile(r'`("(?:Change_\w+|\w+_by_\w+)": .*?)`')
SETTING = re.compile(r'`("\w+": Option\(\w+, (.*?), ".*\))`')
SETTINGS = "SETTINGS: dict[str, Option] = {"


def test_the_examples_of_the_readme_are_a_sweep(photos, tmp_path):
    readme = (PROJECT / "README.md").read_text().replace("`, `", "`\n`")
    studies = STUDY.findall(readme)
    settings, of_base = [], []
    for entry, default in SETTING.findall(readme):
        settings.append(entry)
        of_base.append(f"{entry.partition(':')[0]}: {default}")
    assert (len(studies), len(settings)) == (3, 2)
    project = copy_project(
        tmp_path / "project",
        my_script=small(
            f"{{{', '.join(studies)}}}", ("BASE = {", f"BASE = {{{', '.join(of_base)}, ")
        ),
        **{"training/settings": [(SETTINGS, f"{SETTINGS}\n    {', '.join(settings)},")]},
    )
    ended = run_sweep(project, "--data", photos, "--image_size", 16, "--dry_run")
    assert ended.status == 0, ended.err
    assert (
        ended.out.count("train.py") == 9
    )  # the base, five of the map, two dropouts, one list of widths
