"""The whole job on a few small settings: sharing, reuse, failures, kills, dry runs."""

import csv
import hashlib
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PROJECT, copy_project, make_photos, run_process, trainings_of

import my_script
from console.errors import InputError
from records.files import file_digest, read_json
from studies.children import shell_line
from studies.plan import Training, check_studies

SMALL = [
    ('"epochs": 20', '"epochs": 2'),
    ("BASE_SEEDS = 6", "BASE_SEEDS = 1"),
    ("[20, 40, 80]", "[2, 4]"),
    ("[0.001, 0.01, 0.1]", "[0.001, 0.01]"),
    ('    "Change_batch_size": ("batch_size", [16, 32, 64, 128]),\n', ""),
    ('["CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss"]', "[0, 1]"),
    ('    "Change_loss_function": (\n        "loss_function",\n        [0, 1],\n    ),\n', ""),
]
RUNS = [
    *("Change_seed/0", "Change_epochs/2", "Change_epochs/4"),
    *("Change_learning_rate/0_001", "Change_learning_rate/0_01"),
]


def edited(project: Path, target: Path, *changes: tuple[str, str]) -> Path:
    """A copy of a project without its results, with changes to its my_script.py."""
    shutil.copytree(project, target, ignore=shutil.ignore_patterns("result", "weights"))
    script = (target / "my_script.py").read_text()
    for old, new in changes:
        assert old in script
        script = script.replace(old, new)
    (target / "my_script.py").write_text(script)
    return target


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, list, str]:
    """A project with small studies, the arguments of its finished sweep, and what it printed."""
    root = tmp_path_factory.mktemp("sweep")
    project = copy_project(root / "project", my_script=SMALL)
    arguments = ["--data", make_photos(root / "photos"), "--image_size", 16]
    ended = run_process(project / "my_script.py", *arguments)
    assert ended.status == 0, ended.out + ended.err
    return project, arguments, ended.out


@pytest.fixture
def sweep(finished, tmp_path) -> tuple[Path, list]:
    """A copy of the finished sweep that a test may spoil."""
    project, arguments, _ = finished
    shutil.copytree(project, tmp_path / "project")
    return tmp_path / "project", arguments


def weights(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(project.glob("weights/**/weight.pth"))
    }


def test_every_setting_leaves_every_file_and_a_shared_one_is_trained_once(finished):
    project, _, said = finished
    for run in RUNS:
        names = {path.name for path in (project / "result" / run).iterdir()}
        assert names == {
            "Training_accuracy.png", "Loss_curve.png", "confusion_matrix.png", "acc.txt", "log.txt",
            "history.csv", "predictions.csv", "train.json", "test.json",
        }  # fmt: skip
    digests = weights(project)
    assert sorted(digests) == sorted(f"weights/{run}/weight.pth" for run in RUNS)
    assert "asked for: 5 trainings, 12 epochs; to be done: 3 trainings, 6 epochs" in said
    assert said.count("the same training as Change_seed/0") == 2
    assert "goes on after epoch 2" in said
    shared = {digests[f"weights/{run}/weight.pth"] for run in (RUNS[0], RUNS[1], RUNS[4])}
    assert len(shared) == 1 and len(set(digests.values())) == 3


def test_the_studies_of_the_script_cost_fewer_epochs_than_they_ask_for_with_all_base_seeds():
    runs = my_script.all_runs(Path(), seeds=1)
    chains = my_script.plan.make_plan(runs, [])
    assert sum(run.settings["epochs"] for run in runs) == 380 + 6 * 20
    assert sum(max(own.settings["epochs"] for own in chain) for chain in chains) == 360
    assert my_script.BASE_SEEDS == 6


def test_the_plan_names_images_settings_and_places_and_each_run_has_its_line(finished):
    project, _, said = finished
    assert re.search(r"train +8 +8\n +valid +2 +2\n +test +5 +5", said)
    assert f"results: {project / 'result'}" in said
    assert len(re.findall(r"^\[\d/5\] .* test \d+\.\d+%", said, re.M)) == 3
    assert "\x1b" not in said and "\r" not in said
    assert "The base setting (epochs 2, batch_size 32," in said, "the answer is printed too"


def test_results_csv_has_one_row_a_run_with_its_paths(finished):
    project, _, _ = finished
    with (project / "result" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [f"{row['study']}/{row['setting']}" for row in rows] == RUNS
    for row in rows:
        low, share, high = (float(row[f"test_{name}"]) for name in ("low", "accuracy", "high"))
        assert low <= share <= high
        assert f"{100 * share:.4f}%" in (project / row["result"] / "acc.txt").read_text()
        assert (project / row["weight"]).is_file()


def test_sharing_and_going_on_give_the_bits_of_trainings_from_scratch(finished, tmp_path, call):
    project, arguments, _ = finished
    for epochs in (2, 4):
        places = ["--weight_path", tmp_path / f"{epochs}.pth", "--img_path", tmp_path]
        assert call("train", *arguments, "--epochs", epochs, *places).status == 0
        digest = hashlib.sha256((tmp_path / f"{epochs}.pth").read_bytes()).hexdigest()
        assert digest == weights(project)[f"weights/Change_epochs/{epochs}/weight.pth"]


def test_a_second_call_only_delivers_what_is_missing(sweep):
    project, arguments = sweep
    shutil.rmtree(project / "result/Change_learning_rate/0_01")
    (project / "result/Change_epochs/4/test.json").unlink()
    times = {path: path.stat().st_mtime_ns for path in project.glob("weights/**/*.pth")}
    ended = run_process(project / "my_script.py", *arguments)
    assert "to be done: 0 trainings, 0 epochs, 1 tests" in ended.out
    assert (project / "result/Change_learning_rate/0_01/acc.txt").is_file()
    assert read_json(project / "result/Change_epochs/4/test.json")
    ended = run_process(project / "my_script.py", *arguments)
    assert "to be done: 0 trainings, 0 epochs, 0 tests" in ended.out
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_a_changed_figure_trains_nothing_and_a_changed_source_or_fresh_trains_again(sweep):
    project, arguments = sweep

    def plan(*more: str):
        return run_process(project / "my_script.py", *arguments, "--dry_run", *more)

    with (project / "report" / "figures.py").open("a") as file:
        file.write("# another colour\n")
    ended = plan()
    assert "to be done: 0 trainings" in ended.err and ended.out.strip() == ""
    ended = plan("--fresh")
    assert "to be done: 3 trainings, 6 epochs, 3 tests" in ended.err
    words = ended.out.split()
    assert words.count("--fresh") == 3 and words.count("--start_from") == 1
    with (project / "losses.py").open("a") as file:
        file.write("# changed\n")
    ended = plan()
    assert "to train 2 epochs: losses.py changed since this run" in ended.err
    assert "to be done: 3 trainings, 6 epochs" in ended.err


def test_lines_of_a_dry_run_do_the_work_from_any_folder_under_gnu_parallel_too(finished, tmp_path):
    project, arguments, _ = finished
    out, arguments = tmp_path / "it's; $out", [*arguments, "--studies", "Change_learning_rate"]
    ended = run_process(project / "my_script.py", *arguments, "--out", out, "--dry_run")
    assert ended.status == 0
    assert "to be done: 2 trainings" in ended.err
    assert len(ended.out.splitlines()) == 2, "one line for each independent chain"
    assert not (out / "result").exists()
    runner = ["parallel", "--jobs", "2"] if shutil.which("parallel") else ["sh"]
    subprocess.run(runner, input=ended.out, text=True, cwd="/", check=True, capture_output=True)
    assert (out / "result/Change_learning_rate/0_001/Loss_curve.png").is_file()
    after = run_process(project / "my_script.py", *arguments, "--out", out)
    assert "to be done: 0 trainings, 0 epochs, 0 tests" in after.out
    assert len(weights(out)) == 3 and weights(out).items() <= weights(project).items()
    assert (out / "result" / "report.html").is_file()


def test_a_line_of_a_dry_run_goes_on_after_a_failed_training_without_testing_it(tmp_path):
    trainings = [Training({}, runs=["asked for"], why_train="new", why_test="new") for _ in "ab"]
    places = {own: tmp_path / name for own, name in zip(trainings, "ab", strict=True)}

    def command_for(training: Training, program: str) -> list[str]:
        if program == "train" and training is trainings[0]:
            return ["false"]
        return ["touch", f"{places[training]} {program}"]

    subprocess.run(["sh"], input=shell_line(trainings, command_for), text=True, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b test", "b train"]


LISTED = "(what it changes, [values])"


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        ({}, "must name a study"),
        ({"S": ("seed", [0, 1])}, "for seeds: --seeds"),
        ({"S": ("momentum", [0.9])}, LISTED),
        ({"S": [20, 40]}, LISTED),
        ({"S": ("epochs", 20)}, LISTED),
        ({"S": ("epochs", [])}, LISTED),
        ({"S": "epochs"}, LISTED),
        ({"S": ("epochs", ["20"])}, "'20' of S in my_script.py cannot be epochs"),
        ({"S": ("epochs", [20, -1])}, "-1 of S"),
        ({"S": ("epochs", [True])}, "True of S"),
        ({"S": ("batch_size", [2.5])}, "2.5 of S"),
        ({"S": ("learning_rate", [float("inf")])}, "inf of S"),
        ({"S": ("learning_rate", [0.001, 1e-3])}, "lists 0.001 twice"),
        ({"../evil": ("epochs", [1])}, "no folder name"),
        ({"Change_seed": ("epochs", [1])}, "no folder name"),
        ({"": ("epochs", [1])}, "no folder name"),
    ],
)
def test_settings_that_cannot_be_run_are_refused_before_any_is(studies, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_studies(studies, my_script.BASE)


def test_the_studies_of_the_script_can_be_run_and_a_base_of_another_kind_cannot():
    check_studies(my_script.STUDIES, my_script.BASE)
    wrong = ({"epoch": 3}, {"epochs": 0}, {"loss_function": ""})
    for base in ({"epochs": 20}, *({**my_script.BASE, **change} for change in wrong)):
        with pytest.raises(InputError, match="BASE"):
            check_studies(my_script.STUDIES, base)


def test_one_failing_run_stops_no_other_and_is_named_twice(finished, tmp_path):
    project, arguments, _ = finished
    (tmp_path / "weights/Change_learning_rate/0_001/weight.pth").mkdir(parents=True)
    study = ["--studies", "Change_learning_rate"]
    ended = run_process(project / "my_script.py", *arguments, "--out", tmp_path, *study)
    assert ended.status == 1
    log = tmp_path / "result/Change_learning_rate/0_001/log.txt"
    assert ended.out.count("FAILED Change_learning_rate/0_001") == 2
    assert ended.out.count(str(log)) == 2
    assert "is a folder; --weight_path takes a file" in ended.out
    assert (tmp_path / "result/Change_learning_rate/0_01/acc.txt").is_file()
    page = (tmp_path / "result" / "report.html").read_text()
    assert "failed: Change_learning_rate/0_001" in page


def start(project: Path, arguments: list, out: Path) -> subprocess.Popen:
    """Start a sweep and do not wait for it."""
    command = [sys.executable, project / "my_script.py", *map(str, arguments), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_a_sweep_stopped_by_ctrl_c_leaves_no_training_behind_and_can_go_on(finished, tmp_path):
    project, arguments, _ = finished
    project = edited(project, tmp_path / "slow", ("[2, 4]", "[100000]"))
    arguments, out = [*arguments, "--studies", "Change_epochs"], tmp_path / "out"
    process = start(project, arguments, out)
    wait_for((out / "weights/Change_epochs/100000/weight_checkpoint.pth").is_file)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    wait_for(lambda: not trainings_of(out), 10)
    assert process.returncode == 130
    assert "reloads itself" not in (out / "result" / "report.html").read_text()
    assert "Traceback" not in said and "the same command (without --fresh) goes on" in said
    plan = run_process(project / "my_script.py", *arguments, "--out", out, "--dry_run").err
    assert re.search(r"Change_epochs/100000 .*goes on after epoch \d+: interrupted", plan)


def test_a_killed_sweep_ends_with_the_bits_of_an_uninterrupted_one(finished, tmp_path):
    project, arguments, _ = finished
    arguments = [*arguments, "--studies", "Change_learning_rate"]
    process = start(project, [*arguments, "--jobs", 1], tmp_path)
    wait_for(lambda: list(tmp_path.glob("weights/**/weight.pth")))
    process.kill()
    process.communicate(timeout=20)
    wait_for(lambda: not trainings_of(tmp_path), 10)
    assert len(weights(tmp_path)) == 1, "killed in the middle"
    ended = run_process(project / "my_script.py", *arguments, "--out", tmp_path)
    assert ended.status == 0, ended.out + ended.err
    assert len(weights(tmp_path)) == 3
    assert weights(tmp_path).items() <= weights(project).items()
    for path in tmp_path.glob("result/*/*/*"):
        if path.name in ("history.csv", "predictions.csv", "acc.txt"):
            assert path.read_bytes() == (project / path.relative_to(tmp_path)).read_bytes()


def test_two_sweeps_at_once_in_one_folder_leave_whole_files(finished, tmp_path):
    project, arguments, _ = finished
    project = edited(project, tmp_path / "one", ("[0.001, 0.01]", "[0.001]"))
    arguments = [*arguments, "--studies", "Change_learning_rate"]
    both = [start(project, arguments, tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(weights(tmp_path)) == 2
    assert weights(tmp_path).items() <= weights(finished[0]).items()
    for record in tmp_path.glob("result/**/train.json"):
        folder = record.parent.relative_to(tmp_path / "result")
        weight = tmp_path / "weights" / folder / "weight.pth"
        assert read_json(record)["weight_sha256"] == file_digest(weight)


def test_seeds_get_folders_of_their_own_and_seed_0_is_not_trained_twice(sweep):
    project, arguments = sweep
    arguments = [*arguments, "--studies", "Change_learning_rate", "--seeds", 2]
    ended = run_process(project / "my_script.py", *arguments)
    assert ended.status == 0, ended.out + ended.err
    assert "to be done: 2 trainings, 4 epochs" in ended.out, "only seed 1 is new"
    for setting in ("0_001", "0_01"):
        folder = project / "result/Change_learning_rate" / setting
        assert all((folder / f"seed_{seed}" / "acc.txt").is_file() for seed in range(2))
        assert (folder / "Loss_curve.png").is_file(), "the seeds' curves as a band"
    with (project / "result" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 + 4 and {row["seed"] for row in rows} == {"0", "1"}
    page = (project / "result" / "report.html").read_text()
    assert "mean ± standard deviation of 2 seeds" in page


def test_bad_images_stop_a_sweep_or_are_skipped_and_a_diverged_run_is_shown_as_such(
    finished, tmp_path
):
    changes = (
        ("[0.001, 0.01]", "[1e12]"),
        ('"CrossEntropyLoss"', '"MSELoss"'),
        ('"epochs": 2', '"epochs": 9'),
    )
    project = edited(finished[0], tmp_path / "project", *changes)
    photos = make_photos(tmp_path / "photos")
    (photos / "train" / "cat" / "broken.jpg").write_bytes(b"")
    arguments = ["--data", photos, "--image_size", 16, "--studies", "Change_learning_rate"]
    ended = run_process(project / "my_script.py", *arguments)
    assert ended.status == 2
    assert ended.err.count("\n") == 1 and "broken.jpg (empty file)" in ended.err
    assert not (project / "result").exists(), "nothing half-written"
    ended = run_process(project / "my_script.py", *arguments, "--skip_bad_images")
    assert ended.status == 0, ended.out + ended.err
    assert "left out 1 unreadable file: train/cat/broken.jpg (empty file)" in ended.out
    record = read_json(project / "result/Change_learning_rate/1000000000000_0/train.json")
    assert record["diverged"]
    assert re.search(r"Change_learning_rate/1000000000000_0 .* diverged", ended.out)
    assert "no setting has two seeds" in ended.out
    assert "diverged at epoch" in (project / "result" / "report.html").read_text()


def test_the_sweep_itself_needs_no_torch():
    code = "import sys, my_script; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0
