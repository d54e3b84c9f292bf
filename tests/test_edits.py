"""What a user edits while a sweep runs or between two calls: told, and nothing finished is lost."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import (
    Ended,
    Sweep,
    copy_project,
    make_photos,
    read_table,
    refused,
    small,
    stored,
    train_arguments,
)
from forks import run_fork

from console.errors import InputError
from console.options import Option
from records.files import file_digest
from training import settings

START = "    processes.choose_threads(options.image_size)\n"  # of main in train.py
END = '    print(accuracies_text(record), end="")\n'  # of a test
NOTHING_LEFT = "0 trainings, 0 epochs, 0 tests"


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return make_photos(tmp_path_factory.mktemp("edits") / "photos")


def make_sweep(project: Path, photos: Path, **edits: list[tuple[str, str]]) -> Sweep:
    """A project of two trainings of one epoch: the base, and another batch size."""
    studies = '{"Change_batch_size": [2, 4]}'
    copy_project(project, my_script=small(studies), **edits)
    return Sweep(project, ["--data", photos, "--image_size", 16, "--jobs", 1])


class Ran(NamedTuple):
    """A project whose sweep has run, and how that ended."""

    sweep: Sweep
    ended: Ended

    def rows(self) -> list[dict[str, str]]:
        return read_table(self.sweep.project / "result/results.csv")


# --- while a sweep runs ----------------------------------------------------------------------


def edited_after_the_first_test(project: Path, line: str) -> list[tuple[str, str]]:
    """An edit of test.py that adds a line to losses.py, as its user might meanwhile."""
    save = f"""
    with open({str(project / "losses.py")!r}, "a") as file:
        file.write({line!r})
"""
    return [(END, END + save)]


def run_with_a_line_saved(project: Path, photos: Path, line: str) -> Ran:
    """A sweep during which its user saves a line in losses.py."""
    sweep = make_sweep(project, photos, test=edited_after_the_first_test(project, line))
    return Ran(sweep, sweep.run())


@pytest.fixture(scope="module")
def comment_saved(photos, tmp_path_factory) -> Ran:
    project = tmp_path_factory.mktemp("comment") / "project"
    return run_with_a_line_saved(project, photos, "# saved\n")


def test_a_comment_saved_while_a_sweep_runs_stops_nothing(comment_saved):
    assert comment_saved.ended.status == 0, comment_saved.ended.out
    assert "# saved" in (comment_saved.sweep.project / "losses.py").read_text()
    assert len(comment_saved.rows()) == 3


def test_a_comment_saved_while_a_sweep_runs_is_not_told(comment_saved):
    assert "changed" not in comment_saved.ended.out


def test_a_comment_saved_while_a_sweep_runs_leaves_nothing_to_do(comment_saved):
    assert NOTHING_LEFT in comment_saved.sweep.run("--dry_run").err


@pytest.fixture(scope="module")
def code_saved(photos, tmp_path_factory) -> Ran:
    project = tmp_path_factory.mktemp("code") / "project"
    return run_with_a_line_saved(project, photos, "SAVED = True\n")


def test_code_saved_while_a_sweep_runs_stops_it_with_1(code_saved):
    assert code_saved.ended.status == 1


def test_what_was_made_with_code_saved_meanwhile_has_failed(code_saved):
    for name in ("Change_batch_size/2", "Change_batch_size/4"):
        why = "train.py did something else than was asked for (losses.py changed since this run)"
        assert f"\nFAILED {name}: {why}, log: " in code_saved.ended.out


def test_runs_of_before_code_was_saved_stand(code_saved):
    assert len(code_saved.rows()) == 1


def test_a_child_that_did_something_else_than_was_asked_for_has_failed(photos, tmp_path):
    line = "    processes.check_same(whole)\n"
    edits = [(line, line + '    whole["learning_rate"] = 5.0\n')]
    ended = make_sweep(tmp_path / "project", photos, train=edits).run()
    assert ended.status == 1
    why = r"something else than was asked for \(learning_rate was 5.0, is 0.01\), log: "
    assert re.search(f"FAILED Change_batch_size/4: train.py did {why}", ended.out), ended.out


def test_results_that_are_removed_while_a_sweep_runs_are_named(photos, tmp_path):
    project = tmp_path / "project"
    edit = f"""    import pathlib, shutil

    for record in pathlib.Path({str(project)!r}).glob("result/runs/*-bs32-*/test.json"):
        shutil.rmtree(record.parent)
"""
    ended = make_sweep(project, photos, train=[(START, edit + START)]).run()
    assert ended.status == 1, ended.out
    assert "\nLOST Change_seed/0: it was finished, then something else" in ended.out


SETTINGS = "SETTINGS: dict[str, Option] = {"


def project_with_a_setting(name: str, project: Path) -> Path:
    setting = f'{SETTINGS}\n    "{name}": Option(whole_number(1), 1, "a number"),'
    return copy_project(project, **{"training/settings": [(SETTINGS, setting)]})


COLLIDING = ["image_size", "seed", "fresh", "images", "help", "a b"]


@pytest.mark.parametrize("name", COLLIDING)
def test_a_setting_that_collides_with_an_option_is_refused_by_a_sweep(name, tmp_path):
    project = project_with_a_setting(name, tmp_path / "project")
    said = refused(run_fork(project / "my_script.py", "--dry_run"))
    assert f"'{name}' in SETTINGS of training/settings.py is" in said


@pytest.mark.parametrize("name", COLLIDING)
def test_a_setting_that_collides_with_an_option_is_refused_by_a_training(name, photos, tmp_path):
    project = project_with_a_setting(name, tmp_path / "project")
    said = refused(run_fork(project / "train.py", train_arguments(photos, tmp_path)))
    assert f"'{name}'" in said


# --- what calls before have left ------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory) -> Sweep:
    """A finished sweep, which no test changes."""
    sweep = make_sweep(tmp_path_factory.mktemp("finished") / "project", photos)
    assert sweep.run().status == 0
    return sweep


def copy_of(finished: Sweep, folder: Path) -> Sweep:
    project = shutil.copytree(finished.project, folder / "project")
    return Sweep(project, finished.options)


@pytest.fixture
def sweep(finished, tmp_path) -> Sweep:
    """A copy of it, to be changed."""
    return copy_of(finished, tmp_path)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def weights(folder: Path) -> set[str]:
    """The digests of the weights in a folder, but of those in the store."""
    paths = [path for path in folder.rglob("weight.pth") if "runs" not in path.parts]
    return {file_digest(path) for path in paths}


def weights_in_store(project: Path) -> set[str]:
    return {file_digest(path) for path in project.glob("weights/runs/*/weight.pth")}


def test_a_new_file_that_nothing_imports_leaves_all_runs_done(sweep):
    (sweep.project / "notes").mkdir()
    (sweep.project / "notes" / "plot.py").write_text("import model\n")
    shutil.copy(sweep.project / "my_script.py", sweep.project / "my_script_2.py")
    assert NOTHING_LEFT in sweep.run("--dry_run").err


SLOW, FAST = '"learning_rate": 0.01', '"learning_rate": 0.02'


@pytest.fixture(scope="module")
def new_base(finished, tmp_path_factory) -> Ran:
    """A sweep with another base after the finished one."""
    sweep = copy_of(finished, tmp_path_factory.mktemp("new_base"))
    replace(sweep.project / "my_script.py", SLOW, FAST)
    ended = sweep.run()
    assert ended.status == 0, ended.out
    return Ran(sweep, ended)


def test_that_the_old_bases_results_are_kept_is_said(new_base):
    assert "\nkept from before: 3 trainings, " in new_base.ended.out


def test_a_new_base_keeps_the_old_ones_weights(new_base, finished):
    assert weights_in_store(new_base.sweep.project) > weights(finished.project / "weights")


def test_a_new_base_is_trained(new_base, finished):
    new, old = (
        weights(project / "weights") for project in (new_base.sweep.project, finished.project)
    )
    assert not new & old


@pytest.fixture(scope="module")
def old_base(new_base, tmp_path_factory) -> Ran:
    """A sweep with the old base again."""
    sweep = copy_of(new_base.sweep, tmp_path_factory.mktemp("old_base"))
    replace(sweep.project / "my_script.py", FAST, SLOW)
    return Ran(sweep, sweep.run())


def test_an_old_base_has_nothing_to_do(old_base):
    assert old_base.ended.status == 0
    assert NOTHING_LEFT in old_base.ended.out


def test_an_old_base_finds_its_weights_again(old_base, finished):
    assert weights(old_base.sweep.project / "weights") == weights(finished.project / "weights")


def test_an_old_base_finds_its_results_again(old_base):
    assert len(old_base.rows()) == 3


@pytest.fixture(scope="module")
def longer_base(finished, tmp_path_factory) -> Ran:
    """A sweep with a longer base after the finished one."""
    sweep = copy_of(finished, tmp_path_factory.mktemp("longer"))
    replace(sweep.project / "my_script.py", '"epochs": 1', '"epochs": 2')
    return Ran(sweep, sweep.run())


def test_a_longer_base_plans_the_epochs_that_the_shorter_one_left(longer_base):
    assert longer_base.ended.out.count(" 1 epoch to do\n") == 3


def test_a_longer_base_goes_on_from_what_the_shorter_one_left(longer_base):
    log = longer_base.sweep.project / "result/Change_batch_size/4/log.txt"
    assert "going on after epoch 1\n" in log.read_text()


def test_a_longer_base_has_the_bits_of_one_from_scratch(longer_base, photos, tmp_path):
    arguments = train_arguments(photos, tmp_path, epochs=2, learning_rate=0.01)
    assert run_fork(longer_base.sweep.project / "train.py", arguments, "--no_pictures").status == 0
    weight = longer_base.sweep.project / "weights/Change_batch_size/4/weight.pth"
    assert file_digest(weight) == file_digest(tmp_path / "w.pth")


NOTES = "    for note in told.notes:\n"  # in answer_for_all()
BREAK = "    raise SystemExit(1)\n"


@pytest.fixture(scope="module")
def broken(finished, tmp_path_factory) -> Ran:
    """A sweep with a fault in train.py after the finished one."""
    sweep = copy_of(finished, tmp_path_factory.mktemp("broken"))
    replace(sweep.project / "train.py", NOTES, BREAK + NOTES)
    return Ran(sweep, sweep.run())


def test_results_of_changed_code_are_kept(broken, finished):
    assert broken.ended.status == 1
    assert weights_in_store(broken.sweep.project) == weights(finished.project / "weights")


def test_that_results_of_changed_code_are_kept_is_said(broken):
    assert "\nkept from before: 3 trainings, " in broken.ended.out


@pytest.fixture(scope="module")
def mended(broken, tmp_path_factory) -> Sweep:
    """That sweep once its fault is mended."""
    sweep = copy_of(broken.sweep, tmp_path_factory.mktemp("mended"))
    replace(sweep.project / "train.py", BREAK, "    print()\n")
    assert sweep.run().status == 0
    return sweep


def test_changed_code_that_means_the_same_trains_with_the_same_bits(mended, finished):
    assert weights(mended.project / "weights") == weights(finished.project / "weights")


def test_an_edit_that_is_taken_back_brings_the_results_back(broken, tmp_path):
    sweep = copy_of(broken.sweep, tmp_path)
    replace(sweep.project / "train.py", BREAK, "")
    ended = sweep.run()
    assert ended.status == 0, ended.out
    assert NOTHING_LEFT in ended.out
    assert len(read_table(sweep.project / "result/results.csv")) == 3


# --- more seeds, fewer seeds -----------------------------------------------------------------

SEEDS = ["seed_0", "seed_1", "seed_2"]


class Seeds(NamedTuple):
    """The folders of a setting after a call of one seed and one of three."""

    results: Path
    weights: Path


@pytest.fixture(scope="module")
def three_seeds(finished, tmp_path_factory) -> Seeds:
    sweep = copy_of(finished, tmp_path_factory.mktemp("seeds"))
    ended = sweep.run("--seeds", 3)
    assert ended.status == 0, ended.out
    setting = "Change_batch_size/4"
    return Seeds(sweep.project / "result" / setting, sweep.project / "weights" / setting)


def test_several_seeds_leave_nothing_of_a_call_of_one(three_seeds):
    names = {path.name for path in three_seeds.results.iterdir()}
    curves = {"Training_accuracy", "Loss_curve"}
    assert {name.split(".")[0] for name in names} == {"acc", *curves, *SEEDS}


def test_several_seeds_leave_no_weights_of_a_call_of_one(three_seeds):
    assert {path.name for path in three_seeds.weights.iterdir()} == set(SEEDS)


def test_the_first_of_several_seeds_is_that_of_a_call_of_one(three_seeds, finished):
    one = finished.project / "weights/Change_batch_size/4/weight.pth"
    assert file_digest(three_seeds.weights / "seed_0/weight.pth") == file_digest(one)


def accuracies_of(seeds: Seeds) -> list[str]:
    """The test accuracy of each seed, as its acc.txt says it."""
    texts = [(seeds.results / name / "acc.txt").read_text() for name in SEEDS]
    return [text.split()[2] for text in texts]


def test_several_seeds_leave_their_mean(three_seeds):
    percents = [float(accuracy.rstrip("%")) for accuracy in accuracies_of(three_seeds)]
    mean, deviation = np.mean(percents), np.std(percents, ddof=1)
    first_line = (three_seeds.results / "acc.txt").read_text().splitlines()[0]
    assert first_line == f"Test accuracy: {mean:.4f}% ± {deviation:.4f}%"


def test_several_seeds_leave_a_line_for_each(three_seeds):
    lines = (three_seeds.results / "acc.txt").read_text().splitlines()
    for seed, accuracy in enumerate(accuracies_of(three_seeds)):
        assert lines[3 + seed].startswith(f"seed {seed}: {accuracy}, last epoch ")


def test_no_setting_may_be_called_as_a_column_of_the_results(finished, monkeypatch):
    [first, *_] = read_table(finished.project / "result/results.csv")
    for column in first.keys() - settings.SETTINGS.keys():
        with monkeypatch.context() as patch, pytest.raises(InputError, match="something else"):
            patch.setitem(settings.SETTINGS, column, Option(float, 0.5, "a share"))
            settings.check_settings()


@pytest.fixture(scope="module")
def one_seed_again(finished, tmp_path_factory) -> Ran:
    """A sweep of one seed after one of two."""
    sweep = copy_of(finished, tmp_path_factory.mktemp("again"))
    assert sweep.run("--seeds", 2).status == 0
    return Ran(sweep, sweep.run())


def test_one_seed_after_several_has_nothing_to_do(one_seed_again):
    assert one_seed_again.ended.status == 0
    assert NOTHING_LEFT in one_seed_again.ended.out


def test_one_seed_after_several_finds_its_weights(one_seed_again, finished):
    paths = one_seed_again.sweep.project.glob("weights/*/*/weight.pth")
    digests = {file_digest(path) for path in paths}
    assert digests >= weights(finished.project / "weights")


def test_one_seed_after_several_finds_its_accuracy(one_seed_again):
    project, setting = one_seed_again.sweep.project, "Change_batch_size/4"
    accuracy = (project / "result" / setting / "acc.txt").read_text()
    assert accuracy == (stored(project, setting) / "acc.txt").read_text()
