"""What a user edits while a sweep runs or between two calls: told, and nothing finished is lost."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import copy_project, make_photos, refused, small, train_arguments
from forks import run_fork, run_sweep

from records.files import file_digest, read_csv

START = "def main() -> int:\n    code ="


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return make_photos(tmp_path_factory.mktemp("edits") / "photos")


def make_project(folder: Path, **edits: list[tuple[str, str]]) -> Path:
    """A project of two trainings of one epoch: the base, and another batch size."""
    return copy_project(folder, my_script=small('{"Change_batch_size": [2, 4]}'), **edits)


def sweep(project: Path, photos: Path, *arguments: object):
    return run_sweep(project, "--data", photos, "--image_size", 16, "--jobs", 1, arguments)


def edited_after_the_first_training(project: Path, line: str) -> list[tuple[str, str]]:
    """An edit of train.py that adds a line to losses.py, as its user might meanwhile."""
    edit = f"""def main() -> int:
    from pathlib import Path

    if list(Path({str(project)!r}).glob("weights/**/weight.pth")):
        with open({str(project / "losses.py")!r}, "a") as file:
            file.write({line!r})
    code ="""
    return [(START, edit)]


def test_a_comment_saved_while_a_sweep_runs_changes_nothing(photos, tmp_path):
    project = tmp_path / "project"
    make_project(project, train=edited_after_the_first_training(project, "# saved\n"))
    ended = sweep(project, photos)
    assert ended.status == 0 and "changed while this ran" not in ended.out, ended.out
    assert "# saved" in (project / "losses.py").read_text()
    assert len(read_csv(project / "result/results.csv")) == 3
    assert "0 trainings, 0 epochs, 0 tests" in sweep(project, photos, "--dry_run").err


def test_code_saved_while_a_sweep_runs_is_told_and_finished_runs_stand(photos, tmp_path):
    project = tmp_path / "project"
    make_project(project, train=edited_after_the_first_training(project, "SAVED = True\n"))
    ended = sweep(project, photos)
    assert ended.status == 1, ended.out
    assert "error: losses.py changed since the sweep began" in ended.out
    assert "\nlosses.py changed while this ran; the same command does all runs anew" in ended.out
    assert "of the version before (1): Change_seed/0" in ended.out
    assert "not done (2): Change_batch_size/2, Change_batch_size/4" in ended.out
    assert len(read_csv(project / "result/results.csv")) == 1


def test_a_child_that_did_something_else_than_was_asked_for_has_failed(photos, tmp_path):
    line = "    processes.check_same(run_identity)\n"
    edits = [(line, line + '    run_identity["learning_rate"] = 5.0\n')]
    project = make_project(tmp_path / "project", train=edits)
    ended = sweep(project, photos)
    assert ended.status == 1
    why = r"something else than was asked for \(learning_rate was 5.0, is 0.01\), log: "
    assert re.search(f"FAILED Change_batch_size/4: train.py did {why}", ended.out), ended.out


def test_results_that_are_removed_while_a_sweep_runs_are_named(photos, tmp_path):
    project = tmp_path / "project"
    removed = project / "result/Change_seed/0"
    edit = f"""def main() -> int:
    import pathlib, shutil

    if pathlib.Path({str(removed)!r}, "test.json").exists():
        shutil.rmtree({str(removed)!r})
    code ="""
    make_project(project, train=[(START, edit)])
    ended = sweep(project, photos)
    assert ended.status == 1, ended.out
    assert "\nLOST Change_seed/0: it was finished, then something else" in ended.out


def test_a_new_file_that_nothing_imports_leaves_all_runs_done(photos, tmp_path):
    project = make_project(tmp_path / "project")
    assert sweep(project, photos).status == 0
    (project / "notes").mkdir()
    (project / "notes" / "plot.py").write_text("import model\n")
    (project / "my_script_2.py").write_text((project / "my_script.py").read_text())
    assert "0 trainings, 0 epochs, 0 tests" in sweep(project, photos, "--dry_run").err


@pytest.mark.parametrize("name", ["image_size", "seed", "fresh", "images", "help", "a b"])
def test_a_setting_that_collides_with_an_option_is_refused_by_name(name, photos, tmp_path):
    settings = "SETTINGS: dict[str, Option] = {"
    edits = [(settings, f'{settings}\n    "{name}": Option(whole_number(1), 1, "a number"),')]
    project = copy_project(tmp_path / "project", **{"console/options": edits})
    said = refused(run_fork(project / "my_script.py", "--dry_run"))
    assert f"'{name}' in SETTINGS of console/options.py is" in said
    assert f"'{name}'" in refused(run_fork(project / "train.py", train_arguments(photos, tmp_path)))


# --- what former calls left ------------------------------------------------------------------

NOTES, BREAK = "    for note in trial.notes:\n", "    raise SystemExit(1)\n"  # in train()
NOTHING_LEFT = "0 trainings, 0 epochs, 0 tests"


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory) -> Path:
    project = make_project(tmp_path_factory.mktemp("finished") / "project")
    assert sweep(project, photos).status == 0
    return project


@pytest.fixture
def project(finished, tmp_path) -> Path:
    """A copy of a finished sweep."""
    return shutil.copytree(finished, tmp_path / "project")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def weights(folder: Path) -> set[str]:
    return {file_digest(path) for path in folder.rglob("weight.pth")}


def test_a_new_base_keeps_the_old_ones_results_and_finds_them_again(project, photos):
    before, former = weights(project / "weights"), project / "result/former"
    replace(project / "my_script.py", '"learning_rate": 0.01', '"learning_rate": 0.02')
    ended = sweep(project, photos)
    said = f"\n3 finished runs were made with other learning_rate: kept in {former}"
    assert ended.status == 0 and said in ended.out, ended.out
    assert weights(former) == before
    assert len(list(former.glob("Change_batch_size/4/*/acc.txt"))) == 1
    assert not weights(project / "weights") & before
    replace(project / "my_script.py", '"learning_rate": 0.02', '"learning_rate": 0.01')
    ended = sweep(project, photos)
    assert ended.status == 0 and NOTHING_LEFT in ended.out
    assert weights(project / "weights") == before
    assert len(read_csv(project / "result/results.csv")) == 3


def test_a_longer_base_goes_on_from_what_the_shorter_one_left(project, photos, tmp_path):
    replace(project / "my_script.py", '"epochs": 1', '"epochs": 2')
    ended = sweep(project, photos)
    assert ended.out.count(" 1 epoch to do\n") == 3 and "(epochs was 1, is 2)" in ended.out
    log = (project / "result/Change_batch_size/4/log.txt").read_text()
    assert "going on after epoch 1\n" in log, log
    arguments = train_arguments(photos, tmp_path, epochs=2, learning_rate=0.01)
    assert run_fork(project / "train.py", arguments, "--no_pictures").status == 0
    weight = project / "weights/Change_batch_size/4/weight.pth"
    assert file_digest(weight) == file_digest(tmp_path / "w.pth"), "the bits of one from scratch"


def test_results_of_changed_code_are_kept_until_the_new_ones_are_there(project, photos):
    before = weights(project / "weights")
    replace(project / "train.py", NOTES, BREAK + NOTES)
    ended = sweep(project, photos)
    assert ended.status == 1
    assert "3 finished runs were made with other train.py: kept in" in ended.out, ended.out
    assert weights(project / "result/former") == before
    replace(project / "train.py", BREAK, "    print()\n")
    assert sweep(project, photos).status == 0
    assert not list((project / "result/former").rglob("*.*"))
    assert weights(project / "weights") == before, "trained again, with the same bits"


def test_an_edit_that_is_taken_back_brings_the_results_back(project, photos):
    replace(project / "train.py", NOTES, BREAK + NOTES)
    assert sweep(project, photos).status == 1
    replace(project / "train.py", BREAK, "")
    ended = sweep(project, photos)
    assert ended.status == 0 and NOTHING_LEFT in ended.out, ended.out
    assert len(read_csv(project / "result/results.csv")) == 3


MOVE = "        source.replace(target)\n"
DYING_MOVE = """        MOVES.append(source)
        if len(MOVES) == {count}:
            import os

            os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("count", [2, 8])  # a run's second file, another run's second
def test_a_sweep_killed_while_it_sets_results_aside_loses_none(count, project, photos):
    before, path = weights(project / "weights"), project / "studies/former.py"
    code = path.read_text()
    replace(path, MOVE, DYING_MOVE.format(count=count) + MOVE)
    replace(path, "SHOWN = 4", "MOVES = []\nSHOWN = 4")
    replace(project / "my_script.py", '"learning_rate": 0.01', '"learning_rate": 0.02')
    assert sweep(project, photos).status == -9
    path.write_text(code)
    assert sweep(project, photos).status == 0
    assert weights(project / "result/former") == before


def test_several_seeds_leave_their_mean_and_nothing_of_a_call_of_one(project, photos):
    folder, weight = project / "result/Change_batch_size/4", project / "weights/Change_batch_size/4"
    one = file_digest(weight / "weight.pth")
    ended = sweep(project, photos, "--seeds", 3)
    assert ended.status == 0, ended.out
    names = {path.name for path in folder.iterdir()}
    seeds = {"seed_0", "seed_1", "seed_2"}
    assert names == {*seeds, "acc.txt", "Training_accuracy.png", "Loss_curve.png"}
    assert {path.name for path in weight.iterdir()} == seeds
    assert file_digest(weight / "seed_0/weight.pth") == one, "that of the call of one seed"
    lines = (folder / "acc.txt").read_text().splitlines()
    shares = []
    for seed in range(3):
        accuracy = (folder / f"seed_{seed}/acc.txt").read_text().split()[2]
        shares.append(float(accuracy.rstrip("%")))
        assert lines[3 + seed].startswith(f"seed {seed}: {accuracy}, last epoch ")
    expected = f"Test accuracy: {np.mean(shares):.4f}% ± {np.std(shares, ddof=1):.4f}%"
    assert lines[0] == expected


def test_one_seed_after_several_finds_its_training(project, photos):
    before = weights(project / "weights")
    assert sweep(project, photos, "--seeds", 2).status == 0
    ended = sweep(project, photos)
    assert ended.status == 0 and NOTHING_LEFT in ended.out
    assert {file_digest(path) for path in project.glob("weights/*/*/weight.pth")} >= before
    accuracy = (project / "result/Change_batch_size/4/acc.txt").read_text()
    assert accuracy == (project / "result/Change_batch_size/4/seed_0/acc.txt").read_text()
