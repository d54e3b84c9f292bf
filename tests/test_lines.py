"""A sweep on several machines: lines for a scheduler, collecting, and who works in a folder."""

import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import (
    Ended,
    copy_project,
    make_photos,
    refused,
    run_sweep,
    small,
    wait_for,
)

from records.files import file_digest, read_csv, read_record

STUDIES = '{"Change_epochs": [1, 2], "Change_batch_size": [4]}'
EDITS = small(STUDIES)
RUNS = ["Change_seed/0", "Change_epochs/1", "Change_epochs/2", "Change_batch_size/4"]


@pytest.fixture(scope="module")
def original_sweep(tmp_path_factory) -> tuple[Path, list]:
    """A project with small studies, the arguments of its finished sweep."""
    root = tmp_path_factory.mktemp("sweep")
    project = copy_project(root / "project", my_script=EDITS)
    arguments = ["--data", make_photos(root / "photos"), "--image_size", 16]
    ended = run_sweep(project, *arguments)
    assert ended.status == 0, ended.out + ended.err
    return project, arguments


@pytest.fixture
def bare(original_sweep, tmp_path) -> tuple[Path, list]:
    """A copy of it without results, and the arguments."""
    _, arguments = original_sweep
    return copy_project(tmp_path / "project", my_script=EDITS), arguments


def lines_of(project: Path, arguments: list) -> list[str]:
    ended = run_sweep(project, *arguments, "--dry_run")
    assert ended.status == 0, ended.err
    return ended.out.splitlines()


def do(line: str) -> Ended:
    """Run a line in a forked process, as a shell would in one of its own."""
    _, program, *words = shlex.split(line)
    return run_sweep(Path(program).parent, *words)


def weights(project: Path) -> dict[str, str]:
    return {run: file_digest(project / "weights" / run / "weight.pth") for run in RUNS}


def test_lines_do_the_work_from_any_folder_under_gnu_parallel_too(original_sweep, tmp_path):
    project, arguments = original_sweep
    out = tmp_path / "it's; $out"
    arguments = [*arguments, "--out", out]
    lines = lines_of(project, arguments)
    assert len(lines) == 2, "one for each independent chain"
    assert all(len(line) < 500 for line in lines) and not (out / "result").exists()
    runner = ["parallel", "--jobs", "2"] if shutil.which("parallel") else ["sh"]
    text = "\n".join(lines)
    subprocess.run(runner, input=text, text=True, cwd="/", check=True, capture_output=True)
    assert (out / "result/Change_epochs/2/Loss_curve.png").is_file()
    assert (out / "result/Change_epochs/2/log.txt").read_text().count("\n") > 3
    ended = run_sweep(project, *arguments, "--collect")
    assert ended.status == 0 and (out / "result/report.html").is_file(), ended.out
    for run, digest in weights(project).items():
        assert file_digest(out / "weights" / run / "weight.pth") == digest


def test_a_line_whose_work_is_done_does_nothing_and_none_is_printed_then(bare):
    project, arguments = bare
    lines = lines_of(project, arguments)
    assert [do(line).status for line in lines] == [0, 0]
    times = {path: path.stat().st_mtime_ns for path in project.glob("*/**/*")}
    again = do(lines[0])
    assert again.status == 0 and "done" in again.out
    assert times == {path: path.stat().st_mtime_ns for path in project.glob("*/**/*")}
    assert run_sweep(project, *arguments, "--dry_run").out == ""


def test_a_line_with_a_failing_training_ends_with_1_and_does_its_others(bare):
    project, arguments = bare
    (project / "weights/Change_seed/0/weight.pth").mkdir(parents=True)
    ended = do(lines_of(project, arguments)[0])  # the longest chain comes first
    assert ended.status == 1 and "FAILED Change_seed/0, Change_epochs/1: train.py" in ended.out
    assert not (project / "result/Change_seed/0/acc.txt").exists(), "not tested"
    assert (project / "result/Change_epochs/2/acc.txt").is_file()


@pytest.mark.parametrize("changed", ["the images", "the program", "the settings"])
def test_a_line_is_refused_once_its_plan_has_changed(changed, bare, tmp_path):
    project, arguments = bare
    photos = shutil.copytree(arguments[1], tmp_path / "photos")
    line = lines_of(project, ["--data", photos, *arguments[2:]])[0]
    if changed == "the images":
        (photos / "train/cat/0.png").unlink()
    elif changed == "the program":
        with (project / "losses.py").open("a") as file:
            file.write("ANOTHER = 1\n")
    else:
        script = project / "my_script.py"
        script.write_text(script.read_text().replace('"epochs": 1', '"epochs": 3'))
    assert f": {changed}" in refused(do(line))
    assert not (project / "result").exists()


def test_a_line_means_the_same_work_whatever_is_planned_later(bare):
    project, arguments = bare
    lines = lines_of(project, arguments)
    script = project / "my_script.py"
    script.write_text(script.read_text().replace('_size": [4]', '_size": [2, 4]'))
    lines_of(project, arguments)
    assert [do(line).status for line in lines] == [0, 0]
    missing = run_sweep(project, *arguments, "--collect")
    assert "MISSING Change_batch_size/2: to train 1 epochs: not trained yet" in missing.out
    assert missing.out.count("MISSING") == 1


def test_collecting_names_what_is_missing_trains_nothing_and_ends_with_1(original_sweep, tmp_path):
    project = shutil.copytree(original_sweep[0], tmp_path / "project")
    shutil.rmtree(project / "result/Change_batch_size")
    shutil.rmtree(project / "result/Change_epochs/1")
    (project / "result/report.html").unlink()
    ended = run_sweep(project, *original_sweep[1], "--collect")
    assert ended.status == 1
    missing = [line for line in ended.out.splitlines() if line.startswith("MISSING")]
    assert missing == ["MISSING Change_batch_size/4: to train 1 epochs: not trained yet"]
    assert (project / "result/Change_epochs/1/acc.txt").is_file(), "delivered"
    assert (project / "result/report.html").is_file()
    assert not (project / "result/Change_batch_size").exists()


def test_a_device_is_taken_at_its_word_where_nothing_is_trained(bare):
    project, arguments = bare
    lines = lines_of(project, [*arguments, "--device", "cuda"])
    assert len(lines) == 2 and all("--device cuda " in line for line in lines)
    ended = run_sweep(project, *arguments, "--device", "cuda", "--collect")
    assert ended.status == 1 and ended.out.count("MISSING") == 3
    assert "--device cuda cannot be used" in refused(
        run_sweep(project, *arguments, "--device", "cuda")
    )


@pytest.mark.parametrize("others", [["--dry_run"], ["--line", "a-b-c"]])
def test_options_that_exclude_one_another_are_refused(others, bare):
    assert "name one of them" in refused(run_sweep(bare[0], *bare[1], "--collect", *others))


def test_a_second_sweep_and_a_line_are_refused_while_one_runs_and_no_more_once_it_is_killed(
    original_sweep, tmp_path
):
    longer = [("[1, 2]", "[1, 100000]")]
    project = copy_project(tmp_path / "project", my_script=[*EDITS, *longer])
    arguments = original_sweep[1]
    line = lines_of(project, arguments)[0]
    command = [sys.executable, project / "my_script.py", *map(str, arguments)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_for((project / "result/Change_epochs/100000/history.csv").is_file)
    holder = f"process {first.pid} on {platform.node()} is at work in {project / 'result'}"
    assert holder in refused(run_sweep(project, *arguments))
    assert holder in refused(do(line))
    first.kill()
    first.wait()
    shutil.rmtree(project / "result/Change_epochs")
    script = project / "my_script.py"
    script.write_text(script.read_text().replace("[1, 100000]", "[1]"))
    assert run_sweep(project, *arguments).status == 0


def test_images_changed_in_the_middle_of_a_sweep_leave_one_set_of_results_and_are_told(
    original_sweep, tmp_path
):
    photos = shutil.copytree(original_sweep[1][1], tmp_path / "photos")
    remove = f"    Path({str(photos / 'train/cat/0.png')!r}).unlink(missing_ok=True)\n"
    start = "def main() -> int:\n"
    edit = (start, f"from pathlib import Path\n{start}{remove}")
    project = copy_project(tmp_path / "project", my_script=EDITS, train=[edit])
    ended = run_sweep(project, "--data", photos, "--image_size", 16)
    assert ended.status == 1 and "the images changed while this ran" in ended.out, ended.out
    records = [read_record(path) for path in project.glob("result/**/train.json")]
    assert len({record["identity"]["images"] for record in records}) == 1
    assert len(read_csv(project / "result/results.csv")) == len(RUNS)
