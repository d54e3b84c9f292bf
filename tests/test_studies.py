"""The whole job on a few small settings: sharing, reuse, failures, kills, dry runs."""

import json
import platform
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from conftest import copy_project, make_photos, run_sweep, small, trainings_of, wait_for

import my_script
from console.errors import InputError
from records.files import file_digest, read_csv, read_record
from studies.children import Child
from studies.plan import make_plan
from studies.settings import check_studies

STUDIES = '{"Change_epochs": [2, 4], "Change_learning_rate": [0.001, 0.01]}'
SMALL = small(STUDIES, epochs=2)
RATES = ["Change_learning_rate/0_001", "Change_learning_rate/0_01"]
RUNS = ["Change_seed/0", "Change_epochs/2", "Change_epochs/4", *RATES]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, list, str]:
    """A project with small studies, the arguments of its finished sweep, and what it printed."""
    root = tmp_path_factory.mktemp("sweep")
    project = copy_project(root / "project", my_script=SMALL)
    arguments = ["--data", make_photos(root / "photos"), "--image_size", 16]
    ended = run_sweep(project, arguments, draws=True)  # as a user does
    assert ended.status == 0, ended.out + ended.err
    return project, arguments, ended.out


@pytest.fixture
def sweep(finished, tmp_path) -> tuple[Path, list]:
    """A copy of the finished sweep that a test may spoil."""
    project, arguments, _ = finished
    shutil.copytree(project, tmp_path / "project")
    return tmp_path / "project", arguments


def weights(project: Path) -> dict[str, str]:
    paths = sorted(project.glob("weights/**/weight.pth"))
    return {str(path.relative_to(project)): file_digest(path) for path in paths}


def test_a_sweep_leaves_every_file_trains_a_shared_one_once_and_says_what_it_does(finished):
    project, _, said = finished
    for run in RUNS:
        names = {path.name for path in (project / "result" / run).iterdir()}
        assert names == {
            "Training_accuracy.png", "Loss_curve.png", "confusion_matrix.png", "acc.txt", "log.txt",
            "history.csv", "predictions.csv", "train.json", "test.json",
        }  # fmt: skip
    digests = weights(project)
    assert sorted(digests) == sorted(f"weights/{run}/weight.pth" for run in RUNS)
    shared = {digests[f"weights/{run}/weight.pth"] for run in (RUNS[0], RUNS[1], RATES[1])}
    assert len(shared) == 1 and len(set(digests.values())) == 3
    rows = read_csv(project / "result/results.csv")
    assert [f"{row['study']}/{row['setting']}" for row in rows] == RUNS
    for row in rows:
        share = float(row["test_accuracy"])
        assert float(row["test_low"]) <= share <= float(row["test_high"])
        assert f"{100 * share:.4f}%" in (project / row["result"] / "acc.txt").read_text()
        assert (project / row["weight"]).is_file()
    assert re.search(r"train +8 +8\n +valid +2 +2\n +test +5 +5", said)
    assert f"results: {project / 'result'}" in said
    shared = "Change_seed/0, Change_epochs/2, Change_learning_rate/0_01"
    plan = "base: 1 seed, 0 done, 2 epochs", "epochs 4: 1 seed, 0 done, 2 epochs"
    assert "settings:\n  {} to do\n  {} to do\n".format(*plan) in said
    assert "0 of 3 trainings done; to be done, with the base's seeds: 3 tr" in said
    assert "3 trainings, 6 epochs, 3 tests; " in said
    assert re.search(rf"^{shared}  Test accuracy: \d+\.\d{{4}}%  \([12] of 3 trainings", said, re.M)
    assert len(re.findall(r"  Test accuracy: \d+\.\d{4}%  \(\d of 3 trainings done", said)) == 3
    assert "\x1b" not in said and "\r" not in said
    assert "The base (epochs 2, batch size 32," in said, "the answer is printed too"


def test_sharing_and_going_on_give_the_bits_of_trainings_from_scratch(finished, tmp_path, call):
    project, arguments, _ = finished
    for epochs, run in zip((2, 4), RUNS[1:3], strict=True):
        places = ["--weight_path", tmp_path / f"{epochs}.pth", "--img_path", tmp_path]
        assert call("train", arguments, "--epochs", epochs, places).status == 0
        assert file_digest(places[1]) == weights(project)[f"weights/{run}/weight.pth"]


def test_folders_of_studies_that_left_are_named_once(sweep):
    project, arguments = sweep
    shutil.copytree(project / "result/Change_epochs", project / "result/Change_weather")
    said = run_sweep(project, arguments, "--dry_run").err
    assert said.count("Change_weather") == 1
    assert "result also holds Change_weather, not in STUDIES" in said


def test_where_every_folder_is_of_a_study_none_is_named(sweep):
    project, arguments = sweep
    said = run_sweep(project, arguments, "--studies", "Change_epochs", "--dry_run").err
    assert "also holds" not in said


def test_a_second_call_only_does_what_is_missing_or_stale(sweep):
    project, arguments = sweep
    call = partial(run_sweep, project, *arguments)
    shutil.rmtree(project / "result" / RATES[1])
    (project / "result/Change_epochs/4/test.json").unlink()
    times = {path: path.stat().st_mtime_ns for path in project.glob("weights/**/*.pth")}
    with (project / "report" / "figures.py").open("a") as file:
        file.write("# another colour\n")
    said = call().out
    assert "seeds: 0 trainings, 0 epochs, 1 test;" in said
    assert "  epochs 4: 1 seed, 0 done, 1 to test\n" in said
    assert (project / "result" / RATES[1] / "acc.txt").is_file()
    assert read_record(project / "result/Change_epochs/4/test.json")
    assert times == {path: path.stat().st_mtime_ns for path in times}
    ended = call("--dry_run")
    assert "seeds: 0 trainings, 0 epochs, 0 tests" in ended.err and ended.out.strip() == ""
    assert "  epochs 4: 1 seed, 1 done\n" in ended.err
    ended = call("--fresh", "--dry_run")
    total = r"seeds: 3 trainings, 6 epochs, 3 tests; \d+ at once, about \d+ s left\n"
    assert re.search(total, ended.err), "the time is known from the earlier trainings"
    assert ended.out.count("--fresh") == 2, "one line for each chain"
    with (project / "losses.py").open("a") as file:
        file.write("CHANGED = True\n")
    said = call("--dry_run").err
    assert "  to be done again: 3 (losses.py changed since this run)\n" in said
    assert said.count("to be done again") == 1
    assert "seeds: 3 trainings, 6 epochs" in said


LISTED = "for seeds there is --seeds"


@pytest.mark.parametrize(
    ("study", "values", "message"),
    [
        *((study, [0, 1], LISTED) for study in ("Change_seed", "Change_momentum", "epochs", "")),
        *(("Change_epochs", values, LISTED) for values in (20, (20, 40), [], "20")),
        ("Change_epochs", ["20"], "'20' of Change_epochs in my_script.py cannot be epochs"),
        ("Change_epochs", [20, -1], "-1 of Change_epochs"),
        ("Change_epochs", [True], "True of Change_epochs"),
        ("Change_batch_size", [2.5], "2.5 of Change_batch_size"),
        ("Change_learning_rate", [float("inf")], "inf of Change_learning_rate"),
        ("Change_learning_rate", [0.001, 1e-3], "lists 0.001 twice"),
    ],
)
def test_settings_that_cannot_be_run_are_refused_before_any_is(study, values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_studies({study: values}, my_script.BASE)


def test_the_scripts_studies_share_epochs_and_can_be_run_on_no_base_of_another_kind():
    runs = my_script.all_runs(Path(), seeds=1)
    chains = make_plan(runs, [])
    assert sum(run.settings["epochs"] for run in runs) == 380 + 6 * 20
    assert sum(max(each.settings["epochs"] for each in chain) for chain in chains) == 360
    check_studies(my_script.STUDIES, my_script.BASE)
    wrong = ({"epoch": 3}, {"epochs": 0}, {"loss_function": ""})
    for base in ({"epochs": 20}, *({**my_script.BASE, **change} for change in wrong)):
        with pytest.raises(InputError, match="BASE"):
            check_studies(my_script.STUDIES, base)
    with pytest.raises(InputError, match="must name a study"):
        check_studies({}, my_script.BASE)


@pytest.mark.parametrize(
    ("program", "said", "shown"),
    [
        (
            "train",
            "images: photos\nepoch 3 of 20  train_loss 0.5\n",
            "Change_seed/0 train epoch 3 of 20",
        ),
        ("train", "images: photos, 16 x 16 pixels\n", "Change_seed/0 train"),
        ("train", "", "Change_seed/0 train"),
        ("test", "epoch 20 of 20  train_loss 0.5\nimages: photos\n", "Change_seed/0 test"),
    ],
)
def test_of_a_child_its_epoch_is_shown_and_nothing_else(program, said, shown, tmp_path):
    (tmp_path / "log.txt").write_text(said)
    training = SimpleNamespace(main_run=SimpleNamespace(name="Change_seed/0"))
    assert str(Child(training, program, iter(()), Mock(), tmp_path / "log.txt")) == shown


def start(project: Path, arguments: list, out: Path) -> subprocess.Popen:
    """Start a sweep and do not wait for it."""
    command = [sys.executable, project / "my_script.py", *map(str, arguments), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_sweep_stopped_by_ctrl_c_leaves_no_training_behind_and_can_go_on(finished, tmp_path):
    project, arguments, _ = finished
    project = copy_project(tmp_path / "slow", my_script=[*SMALL, ("[2, 4]", "[100000]")])
    arguments, out = [*arguments, "--studies", "Change_epochs"], tmp_path / "out"
    process = start(project, arguments, out)
    wait_for((out / "result/Change_epochs/100000/history.csv").is_file)
    process.send_signal(signal.SIGINT)
    out_said, said = process.communicate(timeout=60)
    wait_for(lambda: not trainings_of(out))
    assert process.returncode == 130 and "Traceback" not in said
    report = f"report: {out / 'result' / 'report.html'}"
    assert out_said.startswith(report), "where it will be is said first"
    assert re.search(rf"\n\d of 2 trainings done; {re.escape(report)}\n", out_said)
    assert "reloads itself" not in (out / "result" / "report.html").read_text()
    assert "the same command (without --fresh) goes on" in said
    plan = run_sweep(project, arguments, "--out", out, "--dry_run").err
    epochs = re.search(r"  epochs 100000: .* (\S+) epochs to do, 1 interrupted, to go on\n", plan)
    assert int(epochs[1].replace(",", "")) < 100000


def test_a_killed_sweep_ends_with_the_bits_of_an_uninterrupted_one(finished, tmp_path):
    project, arguments, _ = finished
    arguments = [*arguments, "--studies", "Change_learning_rate"]
    process = start(project, [*arguments, "--jobs", 1], tmp_path)
    wait_for(lambda: list(tmp_path.glob("weights/**/weight.pth")))
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not trainings_of(tmp_path))
    assert len(weights(tmp_path)) == 1, "killed in the middle"
    left = tmp_path / "result" / RATES[0] / f".acc.txt.{platform.node()}.1.unfinished"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("of a killed writer")
    ended = run_sweep(project, arguments, "--out", tmp_path)
    assert ended.status == 0 and len(weights(tmp_path)) == 3, ended.out + ended.err
    assert weights(tmp_path).items() <= weights(project).items()
    assert not list(tmp_path.rglob(".*"))
    for path in tmp_path.glob("result/*/*/*"):
        if path.name in ("history.csv", "predictions.csv", "acc.txt"):
            assert path.read_bytes() == (project / path.relative_to(tmp_path)).read_bytes()


def test_several_seeds_train_seed_0_no_more_and_show_their_band(sweep):
    project, arguments = sweep
    before = weights(project)
    arguments = [*arguments, "--studies", "Change_learning_rate", "--seeds", 2]
    ended = run_sweep(project, arguments)
    assert ended.status == 0 and "seeds: 2 trainings, 4 epochs" in ended.out
    assert set(before.values()) <= set(weights(project).values()), "in their seed's folder now"
    for record in project.glob("result/**/train.json"):
        weight = project / "weights" / record.parent.relative_to(project / "result") / "weight.pth"
        assert read_record(record)["weight_sha256"] == file_digest(weight)
    for folder in (project / "result" / rate for rate in RATES):
        assert all((folder / f"seed_{seed}" / "acc.txt").is_file() for seed in range(2))
        assert (folder / "Loss_curve.png").is_file(), "the seeds' curves as a band"
    assert [row["seed"] for row in read_csv(project / "result/results.csv")] == [*"01", *"0101"]
    assert "mean ± standard deviation of 2 seeds" in (project / "result/report.html").read_text()


def test_bad_images_a_failing_run_and_a_diverged_one_are_named_and_stop_no_other(tmp_path):
    changes = [("[0.001, 0.01]", "[1e12, 0.001]"), ('"CrossEntropyLoss"', '"MSELoss"')]
    project = copy_project(tmp_path / "project", my_script=[*SMALL, *changes])
    photos = make_photos(tmp_path / "photos")
    (photos / "train" / "cat" / "broken.jpg").write_bytes(b"")
    arguments = ["--data", photos, "--image_size", 16, "--studies", "Change_learning_rate"]
    ended = run_sweep(project, arguments)
    assert (ended.status, ended.err.count("\n")) == (2, 1) and "broken.jpg (empty" in ended.err
    assert not (project / "result").exists(), "nothing half-written"
    (project / "weights/Change_learning_rate/0_001/weight.pth").mkdir(parents=True)
    ended = run_sweep(project, arguments, "--skip_bad_images")
    assert ended.status == 1, ended.out + ended.err
    assert "left out unreadable images (1): train/cat/broken.jpg (empty file)" in ended.out
    results, page = project / "result/Change_learning_rate", project / "result/report.html"
    assert read_record(results / "1000000000000_0/train.json")["diverged"]
    assert ended.out.count("FAILED Change_learning_rate/0_001: train.py, exit status 2") == 2
    assert ended.out.count(str(results / "0_001/log.txt")) == 2
    assert "is a folder; --weight_path takes a file" in ended.out
    assert "diverged at epoch" in page.read_text()
    assert "failed: Change_learning_rate/0_001" in page.read_text()
    assert (project / "result/Change_seed/0/acc.txt").is_file()


def test_damaged_records_take_no_other_run_with_them_and_are_made_again(sweep, finished):
    project, arguments = sweep
    for place, content in {
        f"{RUNS[2]}/train.json": '{"identity": [], "epochs": "4", "command": 3}',
        f"{RATES[0]}/history.csv": "epoch,train_loss,valid_loss\n1,0.",
        f"{RUNS[1]}/test.json": "[1]",
        f"{RATES[1]}/predictions.csv": "file,true_class\n",
    }.items():
        (project / "result" / place).write_text(content)
    planned = run_sweep(project, arguments, "--dry_run")
    assert planned.status == 0 and "damaged record: train.json is no record" in planned.err
    collected = run_sweep(project, arguments, "--collect")
    assert collected.status == 1 and f"MISSING {RUNS[2]}" in collected.out, collected.err
    rows = read_csv(project / "result/results.csv")
    assert [row["setting"] for row in rows] == ["0", "2", "0_01"]
    ended = run_sweep(project, arguments)
    assert ended.status == 0 and weights(project) == weights(finished[0]), ended.err
    assert len(read_csv(project / "result/results.csv")) == len(RUNS)


def test_a_finished_run_of_a_version_without_digests_is_kept_aside(sweep):
    project, arguments = sweep
    path = project / "result" / RUNS[2] / "train.json"
    record = read_record(path)
    record["identity"]["torch version"] = "1"
    path.write_text(json.dumps(record))
    planned = run_sweep(project, arguments, "--dry_run").err
    assert "1 finished run was made with other torch version" in planned
