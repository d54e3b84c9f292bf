"""The code that decides a result: what is imported, however deep, by its meaning."""

import os
from pathlib import Path

import pytest
from conftest import arguments_for_test, copy_project, refused, train_arguments
from forks import run_fork, run_process

from console.errors import InputError
from records import sources
from records.files import read_record

CODE = '"""A module."""\n\n\ndef double(value):\n    return 2 * value\n'
SAME_MEANING = {
    "a comment": CODE.replace("return", "# twice\n    return"),
    "another docstring": CODE.replace("A module.", "A doubling module."),
    "a docstring more": CODE.replace("    return", '    """Twice."""\n    return'),
    "blank lines": CODE.replace("\n\n\n", "\n\n\n\n\n"),
    "brackets": CODE.replace("2 * value", "(2 * (value))"),
}
OTHER_MEANING = {
    "a number": CODE.replace("2 *", "3 *"),
    "a name": CODE.replace("value", "number"),
    "a default": CODE.replace("(value)", "(value=1)"),
    "a string that is no docstring": CODE.replace("return", "print('twice')\n    return"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function that writes files of a project: their text by their name."""
    monkeypatch.setattr(sources, "PROJECT", tmp_path)

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sources.read_module.cache_clear()
        sources.files_of.cache_clear()

    yield write
    write()


def meaning_of(project, code: str) -> str:
    project(module=code)
    return sources.read_module("module.py").meaning


@pytest.mark.parametrize("change", SAME_MEANING)
def test_what_changes_no_number_keeps_the_meaning(project, change):
    assert meaning_of(project, SAME_MEANING[change]) == meaning_of(project, CODE)


@pytest.mark.parametrize("change", OTHER_MEANING)
def test_what_may_change_a_number_changes_the_meaning(project, change):
    assert meaning_of(project, OTHER_MEANING[change]) != meaning_of(project, CODE)


IMPORTS = {  # a line of train.py: the files that decide its result besides
    "import blocks": ["blocks.py"],
    "import lib.deep.blocks": ["lib/__init__.py", "lib/deep/blocks.py"],
    "from lib.deep import blocks": ["lib/__init__.py", "lib/deep/blocks.py"],
    "from lib import near": ["lib/__init__.py", "lib/far.py", "lib/near.py"],
    "from images.augment import flip": ["images/augment.py"],
    "def late():\n    import blocks": ["blocks.py"],
    "with open(0):\n  if 1: pass\n  else:\n    import blocks": ["blocks.py"],
    "match 1:\n  case 1:\n    import blocks": ["blocks.py"],
    "try:\n    import blocks\nexcept ImportError:\n    pass": ["blocks.py"],
    "import torch, console.errors, lib2": [],
}


FILES = {
    "blocks": "",
    "lib/__init__": "",
    "lib/deep/blocks": "",
    "lib/far": "",
    "lib/near": "from . import far",
    "images/augment": "",
    "notes/plot": "",
    "console/errors": "",
    "my_script": "",
}


@pytest.mark.parametrize("line", IMPORTS)
def test_nothing_decides_but_what_is_imported(project, line):
    project(train=line, **FILES)
    assert sources.import_closure("train.py") == sorted([*IMPORTS[line], "train.py"])


BROKEN = {  # a file of which a part is no Python, and what each program says of it
    "losses": ["train", "test", "my_script"],
    "training/trial": ["train", "my_script"],
    "records/files": ["train", "test", "my_script"],
    "test": ["my_script"],
    "train": ["my_script"],
}


@pytest.mark.parametrize("name", BROKEN)
def test_code_that_is_no_python_is_refused_by_file_and_line(name, tmp_path):
    project = copy_project(tmp_path / "project")
    path = project / f"{name}.py"
    path.write_text(f"\nx = (1\n{path.read_text()}")
    for program in BROKEN[name]:
        said = refused(run_process(project / f"{program}.py"))
        assert said == f"error: {path}, line 2: '(' was never closed; mend it\n"


def test_code_in_another_encoding_is_refused_by_name(project, tmp_path):
    project(train="import blocks")
    (tmp_path / "blocks.py").write_text("WIDTH = 8\n", encoding="utf-16")
    with pytest.raises(InputError, match=r"blocks\.py holds zero bytes; save it as UTF-8"):
        sources.sources("train.py", [])


def test_a_file_of_this_program_keeps_its_meaning_while_it_runs(project):
    project(train="WIDTH = 8")
    before = sources.sources("train.py", [])
    (sources.PROJECT / "train.py").write_text("WIDTH = 9")
    assert sources.sources("train.py", []) == before


def said(project: Path, photos: Path, out: Path) -> str:
    arguments = train_arguments(photos, out, epochs=1)
    ended = run_fork(project / "train.py", arguments, "--no_pictures")
    assert ended.status == 0, ended.err
    return ended.out


FIRST_LINE = "import torch.nn.functional as F\n"
FEATURES = "        features ="


def test_a_module_whose_import_cannot_be_read_is_noticed(photos, tmp_path):
    line = "        __import__('lib.' + 'blocks')\n"
    project = copy_project(tmp_path / "project", model=[(FEATURES, line + FEATURES)])
    (project / "lib").mkdir()
    (project / "lib" / "blocks.py").write_text("WIDTH = 8\n")
    assert "trained to epoch 1" in said(project, photos, tmp_path)
    assert "already trained" in said(project, photos, tmp_path)
    (project / "lib" / "blocks.py").write_text("WIDTH = 9  # wider\n")
    assert "because lib/blocks.py changed since this run" in said(project, photos, tmp_path)


def test_files_and_variables_that_the_user_names_decide_too(photos, tmp_path, monkeypatch):
    edits = [("ALSO_DECIDE: list[str] = []", 'ALSO_DECIDE = ["prior.npy", "$VARIANT"]')]
    project = copy_project(tmp_path / "project", **{"training/settings": edits})
    (project / "prior.npy").write_bytes(b"1")
    monkeypatch.setenv("VARIANT", "a")
    assert "trained to epoch 1" in said(project, photos, tmp_path)
    (project / "prior.npy").write_bytes(b"2")
    told = "training, because prior.npy changed since this run"
    assert told in said(project, photos, tmp_path)
    monkeypatch.setenv("VARIANT", "b")
    assert "training, because $VARIANT was a, is b" in said(project, photos, tmp_path)


def saved_while_it_starts(project: Path, line: str) -> Path:
    """A project whose model.py, when it is imported, gets another line at its end."""
    save = f"with open(__file__, 'a') as file: file.write({line!r})\n"
    return copy_project(project, model=[(FIRST_LINE, FIRST_LINE + save)])


def test_code_saved_while_the_program_starts_is_refused(photos, tmp_path):
    project = saved_while_it_starts(tmp_path / "project", "WIDTH = 8\n")
    ended = run_fork(project / "train.py", train_arguments(photos, tmp_path))
    assert "model.py was saved while this program was starting" in refused(ended)
    assert not (tmp_path / "w.pth").exists()


def test_a_comment_saved_while_the_program_starts_stops_nothing(photos, tmp_path):
    project = saved_while_it_starts(tmp_path / "project", "# wider\n")
    assert "trained to epoch 1" in said(project, photos, tmp_path)
    assert "# wider" in (project / "model.py").read_text()


def test_code_that_is_dated_after_this_moment_is_run(photos, tmp_path):
    project = copy_project(tmp_path / "project")
    os.utime(project / "model.py", times=(2**32, 2**32))  # in 2106
    assert "trained to epoch 1" in said(project, photos, tmp_path)


def test_the_record_of_a_test_proves_the_network_that_was_tested(photos, tmp_path):
    project = tmp_path / "project"
    line = "    skip_bad_images = skip_bad_images or"
    edit = f"    __import__('pathlib').Path({str(project / 'model.py')!r}).write_text('EDITED')\n"
    copy_project(project, test=[(line, edit + line)])
    before = sources.read_module("model.py").meaning
    said(project, photos, tmp_path)
    ended = run_fork(project / "test.py", arguments_for_test(tmp_path), "--no_pictures")
    assert ended.status == 0
    assert "EDITED" in (project / "model.py").read_text()
    assert read_record(tmp_path / "r/test.json")["identity"]["model.py"] == before


def rooms_in_record(out: Path) -> set[str]:
    identity = read_record(out / "r/train.json")["identity"]
    return {name.split("/")[0] for name in identity if name.endswith(".py")}


def test_what_trains_is_in_the_record(original):
    assert rooms_in_record(original) >= {"model.py", "training"}


def test_what_plans_is_in_no_record(original):
    assert not rooms_in_record(original) & {"studies", "tests", "my_script.py"}


@pytest.mark.parametrize("name", ["training/settings.py", "report/figures.py"])
def test_what_only_talks_or_draws_is_in_no_record(name, original):
    assert name not in read_record(original / "r/train.json")["identity"]


@pytest.mark.parametrize("is_predicting", [False, True])
def test_weights_are_not_used_with_a_network_edited_since(is_predicting, photos, tmp_path):
    edits = [("F.relu(self.hidden", "F.sigmoid(self.hidden")]
    project = copy_project(tmp_path / "project")
    edited = copy_project(tmp_path / "edited", model=edits)
    said(project, photos, tmp_path)
    arguments = [arguments_for_test(tmp_path), "--no_pictures"]
    if is_predicting:
        arguments += ["--predict", photos / "test"]
    ended = run_fork(edited / "test.py", arguments)
    assert "its weights give other scores now" in refused(ended)
    assert not (tmp_path / "r/acc.txt").exists()
