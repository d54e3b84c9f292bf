"""The store and its view: nothing finished is done twice, nothing of a user's is touched."""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest
from conftest import (
    Ended,
    Sweep,
    copy_project,
    make_photos,
    run_fork,
    small,
    stored,
    stored_weight,
)

from records.files import file_digest
from records.lock import TRAINING_LOCK, locked
from studies import store

STUDIES = '{"Change_learning_rate": [0.001, 0.01]}'
RENAMED = '{"Rates_and_sizes": {"learning_rate": [0.001, 0.01], "batch_size": [32, 64]}}'
OTHER = '{"Change_epochs": [1]}'


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Sweep:
    """A finished sweep, which no test changes."""
    root = tmp_path_factory.mktemp("store")
    project = copy_project(root / "project", my_script=small(STUDIES))
    sweep = Sweep(project, ["--data", make_photos(root / "photos"), "--image_size", 16])
    ended = sweep.run()
    assert ended.status == 0, ended.out + ended.err
    return sweep


@pytest.fixture
def sweep(finished, tmp_path) -> Sweep:
    """A copy of the finished sweep that a test may spoil."""
    project = shutil.copytree(finished.project, tmp_path / "project")
    return Sweep(project, finished.options)


def edit(sweep: Sweep, file: str, old: str, new: str) -> None:
    path = sweep.project / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def study(sweep: Sweep, other: str) -> None:
    """Have my_script.py ask for other studies than these."""
    edit(sweep, "my_script.py", STUDIES, other)


def trained(ended: Ended) -> int:
    """How many trainings a call planned."""
    assert ended.status == 0, ended.out + ended.err
    return int(re.search(r"seeds: (\d+) trainings?, ", ended.out + ended.err)[1])


def files_in(folder: Path) -> dict[str, str]:
    """The digests of all files in a folder, by their path."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digests[str(path.relative_to(folder))] = file_digest(path)
    return digests


def times_in(folder: Path) -> dict[Path, int]:
    """When the weights in a store were written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("weights/runs/*/weight.pth")}


# --- names -----------------------------------------------------------------------------------


IDENTITY = {
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.01,
    "loss_function": "FocalLoss",
    "seed": 3,
    "images": "a",
}


def test_a_name_says_the_settings_for_a_reader():
    name = store.name_of(IDENTITY)
    assert re.fullmatch(r"e20-bs32-lr0_01-FocalLoss-s3-[0-9a-f]{10}", name)


@pytest.mark.parametrize("change", [{"images": "b"}, {"seed": 4}, {"train.py": "c"}])
def test_whatever_decides_a_training_decides_its_name(change):
    assert store.name_of(IDENTITY | change) != store.name_of(IDENTITY)


def test_names_that_differ_in_case_alone_do_not_occur():
    name, other = store.name_of(IDENTITY), store.name_of(IDENTITY | {"loss_function": "focalloss"})
    assert name.lower() != other.lower()


@pytest.mark.parametrize("loss", ["Ω/..\\:*", "x" * 500])
def test_a_name_is_safe_on_every_file_system(loss):
    name = store.name_of(IDENTITY | {"loss_function": loss})
    assert re.fullmatch(r"[A-Za-z0-9_+-]{1,120}", name)


def test_trainings_that_go_on_from_one_another_share_their_digest():
    longer = store.name_of(IDENTITY | {"epochs": 40})
    assert store.chain_of_name(longer) == store.chain_of_name(store.name_of(IDENTITY))
    assert store.epochs_of_name(longer) == 40


# --- nothing is done twice -------------------------------------------------------------------


def test_a_study_of_another_name_trains_only_what_is_new(sweep):
    study(sweep, '{"Rates_and_losses": {"learning_rate": [0.001, 0.01], "loss_function": LOSSES}}')
    edit(sweep, "my_script.py", "LOSSES}", '["CrossEntropyLoss", "MSELoss"]}')
    assert trained(sweep.run()) == 2


def test_a_study_that_is_taken_out_and_put_back_trains_nothing(sweep):
    study(sweep, OTHER)
    assert trained(sweep.run()) == 0
    study_again = sweep.project / "my_script.py"
    study_again.write_text(study_again.read_text().replace(OTHER, STUDIES))
    assert trained(sweep.run()) == 0


def test_a_grid_over_settings_that_are_there_trains_the_others(sweep):
    study(sweep, RENAMED)
    assert trained(sweep.run()) == 2


def test_code_that_is_edited_and_edited_back_trains_nothing_again(sweep):
    edit(sweep, "losses.py", "FOCAL_GAMMA = 2.0", "FOCAL_GAMMA = 3.0")
    assert trained(sweep.run("--dry_run")) == 2
    edit(sweep, "losses.py", "FOCAL_GAMMA = 3.0", "FOCAL_GAMMA = 2.0")
    assert trained(sweep.run("--dry_run")) == 0


# --- the code that trained ---------------------------------------------------------------------


def archives_in(sweep: Sweep) -> list[Path]:
    return sorted((sweep.project / "result/runs").glob("*.zip"))


@pytest.mark.parametrize("name", ["train.py", "test.py", "model.py", "training/batches.py"])
def test_the_code_that_trained_is_kept_with_its_results(name, finished):
    [archive] = archives_in(finished)
    with ZipFile(archive) as kept:
        assert kept.read(name) == (finished.project / name).read_bytes()


def test_the_page_names_the_code_that_trained(finished):
    [archive] = archives_in(finished)
    assert f'href="runs/{archive.name}"' in (finished.project / "result/report.html").read_text()


def test_code_that_means_something_else_is_kept_beside_until_it_is_tidied_away(sweep):
    edit(sweep, "losses.py", "FOCAL_GAMMA = 2.0", "FOCAL_GAMMA = 2.0  # a comment")
    sweep.run("--collect")
    assert len(archives_in(sweep)) == 1
    edit(sweep, "losses.py", "FOCAL_GAMMA = 2.0", "FOCAL_GAMMA = 3.0")
    assert sweep.run("--studies", "Change_learning_rate").status == 0
    assert len(archives_in(sweep)) == 2
    sweep.run("--tidy")
    assert len(archives_in(sweep)) == 1


# --- what nothing asks for -------------------------------------------------------------------


@pytest.fixture
def left(sweep) -> Sweep:
    """A sweep whose store holds a training that nothing asks for any more."""
    study(sweep, OTHER)
    return sweep


def test_what_the_store_holds_besides_is_said(left):
    told = r"kept from before: 1 training, \d\.\d MB \(python my_script.py --tidy removes them\)"
    assert re.search(told, left.run("--dry_run").err)


def test_where_the_store_holds_nothing_besides_nothing_is_said(sweep):
    assert "kept from before" not in sweep.run("--dry_run").err


def test_tidying_names_what_it_removes(left):
    name = stored(left.project, "Change_learning_rate/0_001").name
    assert left.run("--tidy").out == f"removed {name}\n"


def test_tidying_removes_only_what_nothing_asks_for(left):
    asked = stored(left.project, "Change_seed/0").name
    left.run("--tidy")
    for folder in ("result/runs", "weights/runs"):
        names = [path.name for path in (left.project / folder).iterdir() if path.is_dir()]
        assert names == [asked]


def test_tidying_leaves_what_a_training_is_at_work_on(left):
    folder = stored(left.project, "Change_learning_rate/0_001")
    with locked(folder / TRAINING_LOCK):
        assert f"left {folder.name}: a program is at work on it" in left.run("--tidy").out
    assert (folder / "train.json").is_file()


def test_tidying_where_all_is_asked_for_removes_nothing(sweep):
    before = files_in(sweep.project / "result/runs")
    assert "nothing to remove" in sweep.run("--tidy").out
    assert files_in(sweep.project / "result/runs") == before


# --- the view --------------------------------------------------------------------------------


def test_the_view_holds_whole_copies(finished):
    for run in ("Change_seed/0", "Change_learning_rate/0_001"):
        copy = files_in(finished.project / "result" / run)
        curves = {name for name in copy if name.startswith(("Training_accuracy", "Loss_curve"))}
        assert {name: copy[name] for name in copy.keys() - curves} == files_in(
            stored(finished.project, run)
        )


def test_weights_do_not_lie_on_the_disk_twice(finished):
    run = "Change_learning_rate/0_001"
    weight = finished.project / "weights" / run / "weight.pth"
    assert weight.samefile(stored_weight(finished.project, run))


def test_weights_that_are_changed_under_either_name_are_trained_again(sweep):
    run = "Change_learning_rate/0_001"
    sweep.run()  # a copied folder has no links
    before = file_digest(stored_weight(sweep.project, run))
    with (sweep.project / "weights" / run / "weight.pth").open("ab") as file:
        file.write(b"more")
    ended = sweep.run()
    assert trained(ended) == 1
    assert "weight.pth is missing or changed since this run" in ended.out
    assert file_digest(stored_weight(sweep.project, run)) == before


def test_a_changed_copy_is_replaced(sweep):
    path = sweep.project / "result/Change_learning_rate/0_001/acc.txt"
    text = path.read_text()
    path.write_text("Test accuracy: 100.0000%\n")
    assert trained(sweep.run()) == 0
    assert path.read_text() == text


def test_a_removed_view_is_written_again(sweep):
    shutil.rmtree(sweep.project / "result/Change_learning_rate")
    shutil.rmtree(sweep.project / "weights/Change_learning_rate")
    assert trained(sweep.run()) == 0
    assert (sweep.project / "weights/Change_learning_rate/0_001/weight.pth").is_file()
    assert (sweep.project / "result/Change_learning_rate/0_001/acc.txt").is_file()


@pytest.mark.parametrize(
    "place",
    [
        "result/Change_epochs/1/acc.txt",
        "weights/Change_epochs/1/weight.pth",
        "result/Change_epochs/comparison.png",
        "result/report.html",
    ],
)
def test_a_users_file_in_the_way_is_refused_by_name_before_training(place, sweep, tmp_path):
    study(sweep, OTHER)
    out = tmp_path / "out"
    path = out / place
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert str(path) in refused_after_plan(sweep.run("--out", out))
    assert path.read_text() == "mine"
    assert not (out / "weights/runs").exists()


def test_a_users_folder_in_the_way_is_refused_by_name_before_training(sweep, tmp_path):
    path = tmp_path / "out/result/Change_learning_rate/0_001/acc.txt"
    path.mkdir(parents=True)
    assert f"{path} is a folder" in refused_after_plan(sweep.run("--out", tmp_path / "out"))


def test_a_users_link_in_the_way_is_refused_by_name(sweep, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    path = sweep.project / "result/Change_learning_rate/0_001/acc.txt"
    path.unlink()
    path.symlink_to(notes)
    assert str(path) in refused_after_plan(sweep.run())
    assert notes.read_text() == "mine"


def refused_after_plan(ended: Ended) -> str:
    """The line in which a sweep refused to begin, after it has shown its plan."""
    assert ended.status == 2, ended
    assert ended.err.count("\n") == 1, ended.err
    return ended.err


def test_what_a_user_put_beside_results_is_left_alone(sweep):
    beside = [sweep.project / f"{top}/Change_learning_rate/0_001/my.txt" for top in TOPS]
    for path in beside:
        path.write_text("mine")
    study(sweep, OTHER)
    assert trained(sweep.run()) == 0
    assert [path.read_text() for path in beside] == ["mine", "mine"]


TOPS = ("result", "weights")


@pytest.mark.parametrize("top", TOPS)
def test_what_no_study_asks_for_any_more_leaves_the_view(top, sweep):
    study(sweep, OTHER)
    assert trained(sweep.run()) == 0
    assert not (sweep.project / top / "Change_learning_rate").exists()
    assert (sweep.project / top / "Change_epochs/1").is_dir()


def test_a_copy_that_a_user_has_changed_is_not_removed(sweep):
    path = sweep.project / "result/Change_learning_rate/0_001/acc.txt"
    path.write_text("my notes on it")
    study(sweep, OTHER)
    assert trained(sweep.run()) == 0
    assert path.read_text() == "my notes on it"


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system than that of the tests."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        if Path(folder).stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
            pytest.skip("there is no second file system")
        yield Path(folder)


def test_weights_may_lie_on_another_disk(sweep, elsewhere):
    shutil.rmtree(sweep.project / "weights")
    (sweep.project / "weights").symlink_to(elsewhere)
    assert trained(sweep.run()) == 2
    edit(sweep, "my_script.py", '"batch_size": 32', '"batch_size": 16')
    assert trained(sweep.run()) == 2
    assert (elsewhere / "Change_learning_rate/0_001/weight.pth").is_file()


# --- done again ------------------------------------------------------------------------------


def test_a_training_done_again_that_fails_leaves_the_old_one(sweep, monkeypatch):
    before = files_in(sweep.project / "weights/runs")
    place = stored(sweep.project, "Change_learning_rate/0_001")
    weight = stored_weight(sweep.project, "Change_learning_rate/0_001")
    begun = ["--fresh", "--epochs", 1, "--learning_rate", 0.001, "--weight_path", weight]

    def die_at_the_weights() -> None:
        replace = Path.replace

        def replace_or_die(path: Path, target: Path) -> Path:
            if target.name == "weight.pth":
                os._exit(9)
            return replace(path, target)

        Path.replace = replace_or_die  # type: ignore[method-assign]

    arguments = [*sweep.options, *begun, "--img_path", place, "--no_pictures"]
    ended = run_fork(sweep.project / "train.py", arguments, before=die_at_the_weights)
    assert ended.status == 9
    assert trained(sweep.run("--dry_run")) == 0
    after = files_in(sweep.project / "weights/runs")
    assert {name: after[name] for name in before if "checkpoint" not in name} == {
        name: before[name] for name in before if "checkpoint" not in name
    }


# --- lines for a scheduler -------------------------------------------------------------------


class Lines(NamedTuple):
    """The lines of a dry run, in a folder with a space, and how its sweep was called."""

    lines: list[str]
    sweep: Sweep
    out: Path


@pytest.fixture(scope="module")
def lines(finished, tmp_path_factory) -> Lines:
    out = tmp_path_factory.mktemp("lines") / "my out"
    ended = finished.run("--out", out, "--dry_run")
    assert ended.status == 0
    assert not out.exists()
    return Lines(ended.out.splitlines(), finished, out)


def test_there_is_a_line_for_each_chain(lines):
    assert len(lines.lines) == 2


@pytest.mark.parametrize("program", ["train.py", "test.py"])
def test_a_line_holds_plain_commands(program, lines):
    for line in lines.lines:
        commands = line.split(" && ")
        assert len(commands) == 2
        assert sum(f"/{program} " in command for command in commands) == 1
        assert all(command.startswith("OMP_NUM_THREADS=1 ") for command in commands)


def test_a_line_is_quoted_for_a_shell(lines):
    for line in lines.lines:
        assert str(lines.out) in " ".join(shlex.split(line))


def test_a_chain_of_epochs_is_one_line(sweep):
    study(sweep, '{"Change_epochs": [1, 2]}')
    [line] = sweep.run("--dry_run", "--fresh").out.splitlines()
    assert line.count("/train.py ") == line.count("/test.py ") == 2
    assert "--start_from" in line


def test_where_all_is_done_no_line_is_printed(finished):
    assert finished.run("--dry_run").out == ""


# --- killed between two steps ----------------------------------------------------------------

STEPS = ("replace", "unlink", "mkdir", "rmdir")


def die_after(count: int) -> Callable[[], None]:
    """Have a program die after so many steps that change a disk."""

    def before() -> None:
        left = [count]

        def counted(change: Callable) -> Callable:
            def change_or_die(*arguments: object, **options: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return change(*arguments, **options)

            return change_or_die

        for name in STEPS:
            setattr(Path, name, counted(getattr(Path, name)))
        os.link = counted(os.link)

    return before


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_kill_between_two_steps_of_the_view_costs_nothing(seeds, finished, tmp_path):
    """Every step at which collecting can be killed; then the same call ends as if it never was."""
    whole = Sweep(shutil.copytree(finished.project, tmp_path / "whole"), finished.options)
    whole.run("--seeds", 2)
    arguments = ["--collect", "--seeds", seeds]
    reference = Sweep(shutil.copytree(whole.project, tmp_path / "reference"), finished.options)
    reference.run(*arguments)
    expected = view_of(reference.project)
    count = 0
    while True:
        project = shutil.copytree(whole.project, tmp_path / "killed")
        sweep = Sweep(project, finished.options)
        times = times_in(project)
        killed = run_fork(
            project / "my_script.py", finished.options, arguments, before=die_after(count)
        )
        assert sweep.run(*arguments).status == 0
        assert view_of(project) == expected
        assert times_in(project) == times
        shutil.rmtree(project)
        if killed.status == 0:
            break
        count += STRIDE


STRIDE = 251  # of the steps that are tried


def view_of(project: Path) -> set[str]:
    """The files that the view holds, but for the pictures' bits and times in tables."""
    names = set(files_in(project / "result")) | set(files_in(project / "weights"))
    return {name for name in names if not name.startswith("runs/")}
