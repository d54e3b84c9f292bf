"""A sweep on several machines: lines for a scheduler, collecting, and who works in a folder."""

import platform
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import (
    Ended,
    Sweep,
    copy_project,
    fork_sweep,
    kill_sweep,
    make_photos,
    read_csv,
    refused,
    run_sweep,
    small,
    wait_for,
)

from records.files import file_digest, read_record

STUDIES = '{"Change_epochs": [1, 2], "Change_batch_size": [4]}'
EDITS = small(STUDIES)
RUNS = ["Change_seed/0", "Change_epochs/1", "Change_epochs/2", "Change_batch_size/4"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return make_photos(tmp_path_factory.mktemp("lines") / "photos")


def make_sweep(project: Path, photos: Path) -> Sweep:
    copy_project(project, my_script=EDITS)
    return Sweep(project, ["--data", photos, "--image_size", 16])


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory) -> Sweep:
    """A finished sweep, which no test changes."""
    sweep = make_sweep(tmp_path_factory.mktemp("finished") / "project", photos)
    ended = sweep.run()
    assert ended.status == 0, ended.out + ended.err
    return sweep


@pytest.fixture
def bare(photos, tmp_path) -> Sweep:
    """A sweep of which nothing is done."""
    return make_sweep(tmp_path / "project", photos)


def lines_of(sweep: Sweep, *more: object) -> list[str]:
    ended = sweep.run("--dry_run", more)
    assert ended.status == 0, ended.err
    return ended.out.splitlines()


def run_line(line: str) -> Ended:
    """Run a line in a forked process, as a shell would in one of its own."""
    _, program, *words = shlex.split(line)
    return run_sweep(Path(program).parent, words)


def weights(folder: Path) -> dict[str, str]:
    """The digests of a folder's weights, by run."""
    return {run: file_digest(folder / "weights" / run / "weight.pth") for run in RUNS}


# --- lines -----------------------------------------------------------------------------------


class ByLines(NamedTuple):
    """A sweep done by lines: its folder, the lines, and how collecting them ended."""

    sweep: Sweep
    out: Path
    lines: list[str]
    collected: Ended


@pytest.fixture(scope="module")
def by_lines(finished, tmp_path_factory) -> ByLines:
    """Lines into an awkward folder, one of them done by a shell or by GNU parallel elsewhere."""
    out = tmp_path_factory.mktemp("by_lines") / "it's; $out"
    studies = ["--studies", "Change_batch_size"]
    sweep = Sweep(finished.project, [finished.options, studies, "--out", out])
    lines = lines_of(sweep)
    assert run_line(lines[0]).status == 0
    runner = "parallel" if shutil.which("parallel") else "sh"
    subprocess.run([runner], input=lines[1], text=True, cwd="/", check=True, capture_output=True)
    return ByLines(sweep, out, lines, sweep.run("--collect"))


def test_there_is_a_line_for_each_independent_chain(by_lines):
    assert len(by_lines.lines) == 2


def test_lines_are_short(by_lines):
    assert all(len(line) < 500 for line in by_lines.lines)


def test_lines_leave_the_files_of_a_sweep(by_lines):
    folder = by_lines.out / "result/Change_batch_size/4"
    assert (folder / "Loss_curve.png").is_file()
    assert (folder / "log.txt").read_text().count("\n") > 3


@pytest.mark.parametrize("run", ["Change_seed/0", "Change_batch_size/4"])
def test_lines_give_the_bits_of_a_sweep(run, by_lines, finished):
    weight = f"weights/{run}/weight.pth"
    assert file_digest(by_lines.out / weight) == file_digest(finished.project / weight)


def test_what_lines_did_is_collected_into_a_report(by_lines):
    assert by_lines.collected.status == 0, by_lines.collected.out
    assert (by_lines.out / "result/report.html").is_file()


def test_a_line_whose_work_is_done_changes_nothing(by_lines):
    paths = sorted(by_lines.out.glob("*/**/*"))
    times = [path.stat().st_mtime_ns for path in paths]
    again = run_line(by_lines.lines[0])
    assert again.status == 0
    assert "done" in again.out
    assert sorted(by_lines.out.glob("*/**/*")) == paths
    assert [path.stat().st_mtime_ns for path in paths] == times


def test_where_all_is_done_no_line_is_printed(by_lines):
    assert lines_of(by_lines.sweep) == []


def test_planning_lines_leaves_nothing(bare):
    lines_of(bare)
    assert not (bare.project / "result").exists()


class Failed(NamedTuple):
    """A sweep, and how the line of which a training fails ended."""

    sweep: Sweep
    ended: Ended


@pytest.fixture(scope="module")
def failed(photos, tmp_path_factory) -> Failed:
    sweep = make_sweep(tmp_path_factory.mktemp("failed") / "project", photos)
    (sweep.project / "weights/Change_seed/0/weight.pth").mkdir(parents=True)
    longest_chain = lines_of(sweep)[0]
    return Failed(sweep, run_line(longest_chain))


def test_a_line_prints_no_empty_line(failed):
    assert all(failed.ended.out.splitlines())


def test_a_line_with_a_failing_training_ends_with_1(failed):
    assert failed.ended.status == 1


def test_a_line_names_the_training_that_failed(failed):
    assert "FAILED Change_seed/0, Change_epochs/1: train.py" in failed.ended.out


def test_what_failed_in_a_line_is_not_tested(failed):
    assert not (failed.sweep.project / "result/Change_seed/0/acc.txt").exists()


def test_a_line_with_a_failing_training_does_its_others(failed):
    assert (failed.sweep.project / "result/Change_epochs/2/acc.txt").is_file()


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def change_images(project: Path, photos: Path) -> None:
    (photos / "train/cat/0.png").unlink()


def change_program(project: Path, photos: Path) -> None:
    with (project / "losses.py").open("a") as file:
        file.write("ANOTHER = 1\n")


def change_settings(project: Path, photos: Path) -> None:
    replace_in(project / "my_script.py", '"epochs": 1', '"epochs": 3')


CHANGES: dict[str, Callable[[Path, Path], None]] = {
    "the images": change_images,
    "the program": change_program,
    "the settings": change_settings,
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_line_is_refused_once_its_plan_has_changed(changed, photos, tmp_path):
    own_photos = shutil.copytree(photos, tmp_path / "photos")
    sweep = make_sweep(tmp_path / "project", own_photos)
    line = lines_of(sweep)[0]
    CHANGES[changed](sweep.project, own_photos)
    assert f": {changed}" in refused(run_line(line))
    assert not (sweep.project / "result").exists()


@pytest.fixture(scope="module")
def planned_again(photos, tmp_path_factory) -> Sweep:
    """A sweep whose lines were done after a setting more was planned."""
    sweep = make_sweep(tmp_path_factory.mktemp("planned") / "project", photos)
    lines = lines_of(sweep)
    replace_in(sweep.project / "my_script.py", '_size": [4]', '_size": [2, 4]')
    lines_of(sweep)
    assert [run_line(line).status for line in lines] == [0, 0]
    return sweep


def test_a_line_means_the_same_work_whatever_is_planned_later(planned_again):
    said = planned_again.run("--collect").out
    missing = [line for line in said.splitlines() if line.startswith("MISSING")]
    assert missing == ["MISSING Change_batch_size/2: to train 1 epoch: not trained yet"]


def test_a_line_of_several_trainings_gives_the_bits_of_a_sweep(planned_again, finished):
    planned_again.run("--collect")
    assert weights(planned_again.project) == weights(finished.project)


# --- collecting ------------------------------------------------------------------------------


class Collected(NamedTuple):
    """A folder in which something is missing, and how collecting ended."""

    project: Path
    ended: Ended


@pytest.fixture(scope="module")
def collected(finished, tmp_path_factory) -> Collected:
    """Without a run, without one of which another study has a copy, and without the page."""
    project = tmp_path_factory.mktemp("collected") / "project"
    shutil.copytree(finished.project, project)
    for folder in ("result", "weights"):
        shutil.rmtree(project / folder / "Change_batch_size")
    shutil.rmtree(project / "result/Change_epochs/1")
    (project / "result/report.html").unlink()
    return Collected(project, run_sweep(project, finished.options, "--collect"))


def test_collecting_ends_with_1_where_a_run_is_missing(collected):
    assert collected.ended.status == 1


def test_collecting_names_what_is_missing(collected):
    lines = collected.ended.out.splitlines()
    missing = [line for line in lines if line.startswith("MISSING")]
    assert missing == ["MISSING Change_batch_size/4: to train 1 epoch: not trained yet"]


def test_collecting_copies_what_studies_share(collected):
    assert (collected.project / "result/Change_epochs/1/acc.txt").is_file()


def test_collecting_writes_the_report_of_what_is_there(collected):
    assert (collected.project / "result/report.html").is_file()


def test_collecting_trains_nothing(collected):
    assert not (collected.project / "result/Change_batch_size").exists()


def test_a_run_that_lost_its_results_alone_is_to_be_written_again(finished, tmp_path):
    project = shutil.copytree(finished.project, tmp_path / "project")
    shutil.rmtree(project / "result/Change_batch_size")
    said = run_sweep(project, finished.options, "--collect").out
    assert "MISSING Change_batch_size/4: to write again from its last checkpoint" in said


def test_collecting_nothing_leaves_the_page_as_it_was(finished, tmp_path):
    project = shutil.copytree(finished.project, tmp_path / "project")
    page = (project / "result/report.html").read_bytes()
    change_program(project, tmp_path)
    ended = run_sweep(project, finished.options, "--collect")
    assert ended.status == 1
    assert "report.html is left as it was" in ended.out
    assert (project / "result/report.html").read_bytes() == page


def test_a_line_that_was_never_printed_is_refused(bare):
    said = refused(bare.run("--line", "xyz"))
    assert "--line xyz is none that --dry_run prints" in said


def test_lines_are_planned_for_a_device_that_is_not_here(bare):
    lines = lines_of(bare, "--device", "cuda")
    assert len(lines) == 2
    assert all("--device cuda " in line for line in lines)


def test_runs_are_collected_for_a_device_that_is_not_here(bare):
    ended = bare.run("--device", "cuda", "--collect")
    assert ended.status == 1
    assert ended.out.count("MISSING") == 3


def test_a_device_that_is_not_here_is_refused_where_it_would_train(bare):
    assert "--device cuda cannot be used" in refused(bare.run("--device", "cuda"))


@pytest.mark.parametrize("others", [["--dry_run"], ["--line", "a-b-c"]])
def test_options_that_exclude_one_another_are_refused(others, bare):
    assert "name one of them" in refused(bare.run("--collect", others))


# --- one folder, several users ---------------------------------------------------------------


class Contest(NamedTuple):
    """What a folder in which a sweep is at work gives others, and what it gives after a kill."""

    holder: str
    sweep: Ended
    line: Ended
    after: Ended


@pytest.fixture(scope="module")
def contest(photos, tmp_path_factory) -> Contest:
    project = tmp_path_factory.mktemp("contest") / "project"
    copy_project(project, my_script=small('{"Change_epochs": [1, 100000]}'))
    sweep = Sweep(project, ["--data", photos, "--image_size", 16])
    line = lines_of(sweep)[0]
    first = fork_sweep(project, sweep.options)
    wait_for((project / "result/Change_epochs/100000/history.csv").is_file)
    second, other = sweep.run(), run_line(line)
    kill_sweep(first)
    shutil.rmtree(project / "result/Change_epochs")
    replace_in(project / "my_script.py", "[1, 100000]", "[1]")
    holder = f"process {first.pid} on {platform.node()} is at work in {project / 'result'}"
    return Contest(holder, second, other, sweep.run())


def test_a_second_sweep_is_refused_while_one_runs(contest):
    assert contest.holder in refused(contest.sweep)


def test_a_line_is_refused_while_a_sweep_runs(contest):
    assert contest.holder in refused(contest.line)


def test_a_killed_sweep_keeps_nobody_out(contest):
    assert contest.after.status == 0, contest.after.out


class Changed(NamedTuple):
    """A project whose images changed in the middle of a sweep, and how that ended."""

    project: Path
    ended: Ended


@pytest.fixture(scope="module")
def changed_meanwhile(photos, tmp_path_factory) -> Changed:
    root = tmp_path_factory.mktemp("changed")
    own_photos = shutil.copytree(photos, root / "photos")
    start = "def main() -> int:\n"
    picture = str(own_photos / "train/cat/0.png")
    remove = f"    Path({picture!r}).unlink(missing_ok=True)\n"
    edit = (start, f"from pathlib import Path\n{start}{remove}")
    project = copy_project(root / "project", my_script=EDITS, train=[edit])
    return Changed(project, run_sweep(project, "--data", own_photos, "--image_size", 16))


def test_images_that_change_in_the_middle_of_a_sweep_are_told(changed_meanwhile):
    ended = changed_meanwhile.ended
    assert ended.status == 1
    assert "the images changed while this ran" in ended.out


def test_images_that_change_in_the_middle_of_a_sweep_leave_results_of_one_set(changed_meanwhile):
    records = []
    for path in changed_meanwhile.project.glob("result/**/train.json"):
        records.append(read_record(path))
    digests = {record["identity"]["images"] for record in records}
    assert len(digests) == 1


def test_images_that_change_in_the_middle_of_a_sweep_cost_no_run(changed_meanwhile):
    rows = read_csv(changed_meanwhile.project / "result/results.csv")
    assert len(rows) == len(RUNS)
