"""The whole job on a few small settings: sharing, reuse, failures, kills, dry runs."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from collections import deque
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest
from conftest import (
    PATIENCE,
    Ended,
    Sweep,
    copy_project,
    fork_sweep,
    kill_sweep,
    make_photos,
    read_table,
    refused,
    small,
    stored,
    trainings_of,
    wait_for,
    words_of,
)

import my_script
from console.errors import InputError
from records.files import file_digest, read_record
from records.finished import accuracies_text
from studies.children import Child, Step
from studies.plan import Conditions, Request, make_plan
from studies.settings import check_studies
from studies.sweep import describe_finished

STUDIES = '{"Change_epochs": [2, 4], "Change_learning_rate": [0.001, 0.01]}'
SMALL = small(STUDIES, epochs=2)
RATES = ["Change_learning_rate/0_001", "Change_learning_rate/0_01"]
RUNS = ["Change_seed/0", "Change_epochs/2", "Change_epochs/4", *RATES]
FILES = {"acc.txt", "log.txt", "history.csv", "predictions.csv", "train.json", "test.json"}
PICTURES = {"Training_accuracy.png", "Loss_curve.png", "confusion_matrix.png"}
CURVES = [
    f"{name}.{kind}" for name in ("Training_accuracy", "Loss_curve") for kind in ("png", "pdf")
]


class Finished(NamedTuple):
    """A sweep that has ended, and how."""

    sweep: Sweep
    ended: Ended

    @property
    def results(self) -> Path:
        return self.sweep.project / "result"


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return make_photos(tmp_path_factory.mktemp("studies") / "photos")


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory) -> Finished:
    """A finished sweep, which no test changes."""
    project = tmp_path_factory.mktemp("finished") / "project"
    copy_project(project, my_script=SMALL)
    sweep = Sweep(project, ["--data", photos, "--image_size", 16])
    ended = sweep.run()
    assert ended.status == 0, ended.out + ended.err
    return Finished(sweep, ended)


def copy_of(finished: Finished, folder: Path) -> Sweep:
    """A copy of the finished sweep that a test may spoil."""
    project = shutil.copytree(finished.sweep.project, folder / "project")
    return Sweep(project, finished.sweep.options)


@pytest.fixture
def sweep(finished, tmp_path) -> Sweep:
    return copy_of(finished, tmp_path)


def weights(folder: Path) -> dict[str, str]:
    """The digests of a folder's weights, by run."""
    digests = {}
    for path in sorted(folder.glob("weights/Change_*/**/weight.pth")):
        run = path.parent.relative_to(folder / "weights")
        digests[str(run)] = file_digest(path)
    return digests


# --- what a sweep leaves ---------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS)
def test_every_run_leaves_these_files(run, finished):
    names = {path.name for path in (finished.results / run).iterdir()}
    assert FILES | PICTURES <= names <= FILES | PICTURES | set(CURVES)


def test_every_run_leaves_its_weights(finished):
    assert set(weights(finished.sweep.project)) == set(RUNS)


def test_a_setting_that_studies_share_has_the_same_weights(finished):
    digests = weights(finished.sweep.project)
    shared = {digests[run] for run in ("Change_seed/0", "Change_epochs/2", RATES[1])}
    assert len(shared) == 1


def test_every_other_setting_has_weights_of_its_own(finished):
    digests = weights(finished.sweep.project)
    assert len(set(digests.values())) == 3


def test_results_csv_has_a_row_for_each_run(finished):
    rows = read_table(finished.results / "results.csv")
    assert [f"{row['study']}/{row['setting']}" for row in rows] == RUNS


def test_an_accuracy_in_the_table_lies_in_its_interval(finished):
    for row in read_table(finished.results / "results.csv"):
        low, high = float(row["test_low"]), float(row["test_high"])
        assert low <= float(row["test_accuracy"]) <= high


def test_an_accuracy_in_the_table_is_that_of_acc_txt(finished):
    for row in read_table(finished.results / "results.csv"):
        percent = 100 * float(row["test_accuracy"])
        text = (finished.sweep.project / row["result"] / "acc.txt").read_text()
        assert f"{percent:.4f}%" in text


def test_the_table_says_where_weights_are(finished):
    for row in read_table(finished.results / "results.csv"):
        assert (finished.sweep.project / row["weight"]).is_file()


@pytest.mark.parametrize(("epochs", "run"), [(2, "Change_epochs/2"), (4, "Change_epochs/4")])
def test_a_sweep_gives_the_bits_of_trainings_from_scratch(epochs, run, finished, tmp_path, call):
    weight = tmp_path / "w.pth"
    places = ["--weight_path", weight, "--img_path", tmp_path]
    options = [finished.sweep.options, "--epochs", epochs, "--no_pictures"]
    assert call("train", options, places).status == 0
    assert file_digest(weight) == weights(finished.sweep.project)[run]


# --- what a sweep says -----------------------------------------------------------------------


def test_a_sweep_counts_the_images(finished):
    table = r"train +8 +8\n +valid +2 +2\n +test +5 +5"
    assert re.search(table, finished.ended.out)


def test_a_sweep_says_where_results_are(finished):
    assert f"results: {finished.results}" in finished.ended.out


def test_a_sweep_says_what_is_to_be_done_of_every_setting(finished):
    base = "  base: 1 seed, 0 done, 2 epochs to do\n"
    longer = "  epochs 4: 1 seed, 0 done, 2 epochs to do\n"
    assert f"settings:\n{base}{longer}" in finished.ended.out


def test_a_sweep_says_what_is_to_be_done_in_all(finished):
    assert "3 trainings, 6 epochs, 3 tests; " in finished.ended.out


def test_a_sweep_says_what_is_done_already(finished):
    told = "0 of 3 trainings done; to be done, with the base's seeds: 3 tr"
    assert told in finished.ended.out


def test_a_training_that_studies_share_is_told_once_with_all_its_names(finished):
    names = "Change_seed/0, Change_epochs/2, Change_learning_rate/0_01"
    line = rf"^{names}  Test accuracy: \d+\.\d{{4}}%  [^(]*\([12] of 3 trainings"
    assert len(re.findall(line, finished.ended.out, re.M)) == 1


def test_every_training_is_told_with_its_accuracy(finished):
    lines = re.findall(
        r"  Test accuracy: \d+\.\d{4}%  [^(\n]*\(\d of 3 trainings done", finished.ended.out
    )
    assert len(lines) == 3


def test_what_a_sweep_says_into_a_file_is_plain_text(finished):
    assert not re.search("\x1b|\r", finished.ended.out)


def test_a_sweep_says_the_answer(finished):
    assert "The base (epochs 2, batch size 32," in finished.ended.out


@pytest.mark.parametrize(
    ("program", "said", "status"),
    [
        ("train", "images: photos\nepoch 3 of 20  train_loss 0.5\n", "train epoch 3 of 20"),
        ("train", "images: photos, 16 x 16 pixels\n", "train"),
        ("train", "", "train"),
        ("test", "epoch 20 of 20  train_loss 0.5\nimages: photos\n", "test"),
    ],
)
def test_of_a_child_nothing_but_its_epoch_is_shown(program, said, status, tmp_path):
    log = tmp_path / "log.txt"
    log.write_text(said)
    place = SimpleNamespace(result=tmp_path)
    training = Mock(place=place, runs=[SimpleNamespace(name="Change_seed/0")])
    child = Child(Step(training, program, []), deque(), Mock())
    assert str(child) == f"Change_seed/0 {status}"


@pytest.mark.parametrize(
    ("correct", "last_correct", "said"),
    [(60, 50, "60.0000%  Last epoch: 50.0000%  Larger class: 50.0000%"), (60, 55, "60.0000%")],
)
def test_a_finished_run_tells_the_accuracy_that_the_larger_class_gets(
    correct, last_correct, said, tmp_path
):
    counts = {"correct": correct, "last_correct": last_correct}
    text = accuracies_text({**counts, "test_images": 100, "larger_class": 50})
    (tmp_path / "acc.txt").write_text(text)
    child = Mock(training=Mock(names="run", place=Mock(result=tmp_path)))
    told = describe_finished(child)
    assert f"Test accuracy: {said}" in told
    assert ("Larger class" in told) == ("Larger class" in said)


# --- a second call ---------------------------------------------------------------------------


class Mended(NamedTuple):
    """A sweep that found a copy and a test missing, and when weights had been written before."""

    sweep: Sweep
    said: str
    times: dict[Path, int]


@pytest.fixture(scope="module")
def mended(finished, tmp_path_factory) -> Mended:
    sweep = copy_of(finished, tmp_path_factory.mktemp("mended"))
    shutil.rmtree(sweep.project / "result" / RATES[1])
    (stored(sweep.project, "Change_epochs/4") / "test.json").unlink()
    with (sweep.project / "report/figures.py").open("a") as file:
        file.write("# another colour\n")
    times = {}
    for path in sweep.project.glob("weights/**/*.pth"):
        times[path] = path.stat().st_mtime_ns
    return Mended(sweep, sweep.run().out, times)


def test_a_second_call_does_no_more_than_what_is_missing(mended):
    assert "seeds: 0 trainings, 0 epochs, 1 test;" in mended.said


def test_the_plan_says_which_test_is_missing(mended):
    assert "  epochs 4: 1 seed, 0 done, 1 to test\n" in mended.said


def test_a_missing_copy_of_a_shared_run_is_made_again(mended):
    assert (mended.sweep.project / "result" / RATES[1] / "acc.txt").is_file()


def test_a_missing_test_is_made_again(mended):
    assert read_record(stored(mended.sweep.project, "Change_epochs/4") / "test.json")


def test_a_second_call_writes_no_weights(mended):
    for path, time in mended.times.items():
        assert path.stat().st_mtime_ns == time


def test_where_all_is_done_nothing_is_planned(mended):
    planned = mended.sweep.run("--dry_run")
    assert "seeds: 0 trainings, 0 epochs, 0 tests" in planned.err
    assert "  epochs 4: 1 seed, 1 done\n" in planned.err
    assert planned.out.strip() == ""


@pytest.fixture(scope="module")
def fresh(finished) -> Ended:
    """The plan of a finished sweep that is to be done again."""
    return finished.sweep.run("--fresh", "--dry_run")


def test_with_fresh_all_is_planned(fresh):
    assert "seeds: 3 trainings, 6 epochs, 3 tests; " in fresh.err


def test_the_time_of_a_plan_is_known_from_earlier_trainings(fresh):
    assert re.search(r"; \d+ at once, about \d+ s left\n", fresh.err)


def test_every_line_of_a_plan_has_fresh(fresh):
    lines = fresh.out.splitlines()
    assert ["--fresh" in line for line in lines] == [True, True]  # one for each chain


@pytest.fixture(scope="module")
def edited(finished, tmp_path_factory) -> str:
    """What is said of the plan once code has changed that decides results."""
    sweep = copy_of(finished, tmp_path_factory.mktemp("edited"))
    with (sweep.project / "losses.py").open("a") as file:
        file.write("CHANGED = True\n")
    return sweep.run("--dry_run").err


def test_once_code_has_changed_all_is_planned(edited):
    assert "seeds: 3 trainings, 6 epochs" in edited


def test_once_code_has_changed_what_it_made_is_kept(edited):
    told = (
        r"kept from before: 3 trainings, \d+\.\d MB \(python my_script.py --tidy removes them\)\n"
    )
    assert len(re.findall(told, edited)) == 1


# --- STUDIES and BASE ------------------------------------------------------------------------

LISTED = "for seeds there is --seeds"


@pytest.mark.parametrize(
    ("study", "values", "message"),
    [
        ("Change_seed", [0, 1], LISTED),
        ("Change_momentum", [0, 1], LISTED),
        ("epochs", [0, 1], LISTED),
        ("", [0, 1], LISTED),
        ("Change_image_size", [16, 32], "call it with --image_size for each value, each with an"),
        ("Change_epochs", 20, "Change_epochs in my_script.py is 20; use a list: [20]"),
        ("Change_epochs", (20, 40), "use a list: [20, 40]"),
        ("Change_epochs", range(1, 4), "use a list: [1, 2, 3]"),
        ("Change_epochs", [], "is []; give it a list of values"),
        ("Change_epochs", "20", "use a list: ['20']"),
        ("Change_epochs", ["20"], "'20' of Change_epochs in my_script.py cannot be epochs"),
        ("Change_epochs", [20, -1], "-1 of Change_epochs"),
        ("Change_learning_rate", [0], "cannot be learning_rate: it is not a finite number above 0"),
        ("Change_epochs", [True], "True of Change_epochs"),
        ("Change_batch_size", [2.5], "2.5 of Change_batch_size"),
        ("Change_learning_rate", [float("inf")], "inf of Change_learning_rate"),
        ("Change_learning_rate", [0.001, 1e-3], "lists 0.001 twice"),
    ],
)
def test_settings_that_cannot_be_run_are_refused_before_any_is(study, values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_studies({study: values}, my_script.BASE)


def test_the_scripts_studies_ask_for_500_epochs():
    runs = my_script.asked_runs(Namespace(seeds=1), {})
    assert sum(run.settings["epochs"] for run in runs) == 380 + 6 * 20


def test_the_scripts_studies_take_360_epochs(tmp_path):
    runs = my_script.asked_runs(Namespace(seeds=1), {})
    lengths = []
    conditions = Conditions("", {}, {}, "cpu")
    for chain in make_plan(runs, conditions, Request(tmp_path, [])).chains:
        epochs = [training.settings["epochs"] for training in chain]
        lengths.append(max(epochs))
    assert sum(lengths) == 360


def test_the_scripts_studies_can_be_run():
    check_studies(my_script.STUDIES, my_script.BASE)


WRONG_BASES: list[dict[str, Any]] = [
    {"epochs": 20},
    {**my_script.BASE, "epoch": 3},
    {**my_script.BASE, "epochs": 0},
    {**my_script.BASE, "loss_function": ""},
]


def test_a_name_in_base_that_is_no_setting_is_named():
    base = {**my_script.BASE, "epoch": 3}
    with pytest.raises(InputError, match=r"names 'epoch', which SETTINGS .* did you mean epochs"):
        check_studies(my_script.STUDIES, base)


def test_a_setting_that_base_lacks_is_named():
    with pytest.raises(InputError, match="lacks 'batch_size'"):
        check_studies(my_script.STUDIES, {"epochs": 20})


@pytest.mark.parametrize("base", WRONG_BASES)
def test_a_base_that_cannot_be_run_is_refused(base):
    with pytest.raises(InputError, match="BASE"):
        check_studies(my_script.STUDIES, base)


def test_no_study_at_all_is_refused():
    with pytest.raises(InputError, match="names no study"):
        check_studies({}, my_script.BASE)


# --- stopped and killed ----------------------------------------------------------------------


class Stopped(NamedTuple):
    """A sweep that was stopped by Ctrl-C, its folder, its page before, and how it ended."""

    sweep: Sweep
    out: Path
    page: bytes
    ended: Ended


@pytest.fixture(scope="module")
def stopped(photos, tmp_path_factory) -> Stopped:
    root = tmp_path_factory.mktemp("stopped")
    out = root / "out"
    endless = ("[2, 4]", "[100000]")
    project = copy_project(root / "project", my_script=[*SMALL, endless])
    options = ["--data", photos, "--image_size", 16, "--studies", "Change_epochs"]
    command = [sys.executable, project / "my_script.py", *words_of(options), "--out", out]
    process = subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True)
    wait_for(lambda: list(out.glob("result/runs/e100000-*/history.csv")) != [])
    page = (out / "result/report.html").read_bytes()
    process.send_signal(signal.SIGINT)
    said, told = process.communicate(timeout=PATIENCE)
    wait_for(lambda: not trainings_of(out))
    ended = Ended(process.returncode, said, told)
    return Stopped(Sweep(project, [options, "--out", out]), out, page, ended)


def test_ctrl_c_stops_a_sweep_with_130(stopped):
    assert stopped.ended.status == 130
    assert "Traceback" not in stopped.ended.err


def test_a_stopped_sweep_leaves_no_training_behind(stopped):
    assert trainings_of(stopped.out) == []


def test_where_the_report_is_is_said_as_soon_as_it_is_there(stopped):
    report = stopped.out / "result/report.html"
    assert f"at once\nreport: {report}, also while runs go on\n" in stopped.ended.out


def test_no_report_is_promised_before_an_error(call, tmp_path):
    assert call("my_script", "--out", tmp_path, "--data", tmp_path / "none").out == ""


def test_a_stopped_sweep_says_what_is_done(stopped):
    last = r"\n\d of 2 trainings done; the same command with --collect reports on them\n"
    assert re.search(last, stopped.ended.out)


def test_ctrl_c_does_not_wait_for_pictures(stopped):
    assert (stopped.out / "result/report.html").read_bytes() == stopped.page


def test_ctrl_c_in_a_sweep_is_answered_with_what_to_do(stopped):
    assert "the same command (without --fresh) goes on" in stopped.ended.err


def test_a_stopped_sweep_can_go_on(stopped):
    plan = stopped.sweep.run("--dry_run").err
    line = r"  epochs 100000: .* (\S+) epochs to do, 1 interrupted, to go on\n"
    epochs = re.search(line, plan)[1]
    assert int(epochs.replace(",", "")) < 100000


@pytest.fixture(scope="module")
def killed(finished, tmp_path_factory) -> Path:
    """The folder of a sweep that was killed in the middle, and then ran to its end."""
    out = tmp_path_factory.mktemp("killed")
    project, options = finished.sweep
    options = [*options, "--studies", "Change_learning_rate"]
    process = fork_sweep(project, options, "--jobs", 1, "--out", out)
    wait_for(lambda: list(out.glob("weights/runs/*/weight.pth")) != [])
    kill_sweep(process)
    assert len(list(out.glob("weights/runs/*/weight.pth"))) == 1, "killed in the middle"
    unfinished = out / "result" / RATES[0] / ".acc.txt.1.unfinished"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_text("of a killed writer")
    ended = Sweep(project, options).run("--out", out)
    assert ended.status == 0, ended.out + ended.err
    return out


def test_a_killed_sweep_ends_with_the_weights_of_an_uninterrupted_one(killed, finished):
    whole = weights(finished.sweep.project)
    runs = ("Change_seed/0", "Change_epochs/2", *RATES)  # the second is the base, too
    assert weights(killed) == {run: whole[run] for run in runs}


@pytest.mark.parametrize("name", ["history.csv", "predictions.csv", "acc.txt"])
def test_a_killed_sweep_ends_with_the_tables_of_an_uninterrupted_one(name, killed, finished):
    paths = list(killed.glob(f"result/Change_*/*/{name}"))
    assert len(paths) == 4
    for path in paths:
        whole = finished.sweep.project / path.relative_to(killed)
        assert path.read_bytes() == whole.read_bytes()


def test_nothing_unfinished_is_left_of_a_killed_sweep(killed):
    assert list(killed.rglob(".*")) == []


# --- several seeds ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_seeds(finished, tmp_path_factory) -> Finished:
    """A sweep with two seeds after one with one."""
    sweep = copy_of(finished, tmp_path_factory.mktemp("seeds"))
    ended = sweep.run("--studies", "Change_learning_rate", "--seeds", 2)
    assert ended.status == 0, ended.out + ended.err
    return Finished(sweep, ended)


def test_seed_0_is_not_trained_again_for_several_seeds(two_seeds):
    assert "seeds: 2 trainings, 4 epochs" in two_seeds.ended.out


@pytest.mark.parametrize("rate", RATES)
def test_of_what_one_seed_left_nothing_lies_beside_several(rate, two_seeds):
    names = {path.name for path in (two_seeds.results / rate).iterdir() if path.is_file()}
    assert names == {"acc.txt", *CURVES}


def test_records_name_the_weights_beside_which_they_lie(two_seeds):
    digests = weights(two_seeds.sweep.project)
    for path in two_seeds.results.glob("Change_*/**/train.json"):
        run = path.parent.relative_to(two_seeds.results)
        assert read_record(path)["weight_sha256"] == digests[str(run)]


@pytest.mark.parametrize("rate", RATES)
def test_every_seed_has_a_folder(rate, two_seeds):
    for seed in (0, 1):
        assert (two_seeds.results / rate / f"seed_{seed}/acc.txt").is_file()


@pytest.mark.parametrize("rate", RATES)
def test_several_seeds_have_a_picture_of_their_band(rate, two_seeds):
    assert (two_seeds.results / rate / "Loss_curve.png").is_file()


def test_results_csv_has_a_row_for_each_seed(two_seeds):
    rows = read_table(two_seeds.results / "results.csv")
    of_rates = [row["seed"] for row in rows if row["study"] == "Change_learning_rate"]
    assert of_rates == ["0", "1", "0", "1"]


def test_the_page_says_that_a_setting_has_several_seeds(two_seeds):
    page = (two_seeds.results / "report.html").read_text()
    assert "mean ± standard deviation of 2 seeds" in page


# --- failures --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Sweep:
    """A sweep with a bad image, a setting that diverges and one that cannot write its weights."""
    root = tmp_path_factory.mktemp("faulty")
    photos = make_photos(root / "photos")
    (photos / "train" / "cat" / "broken.jpg").write_bytes(b"")
    changes = [("[0.001, 0.01]", "[1e12, 0.001]"), ('"CrossEntropyLoss"', '"MSELoss"')]
    project = copy_project(root / "project", my_script=[*SMALL, *changes])
    options = ["--data", photos, "--image_size", 16, "--studies", "Change_learning_rate"]
    sweep = Sweep(project, options)
    for line in sweep.run("--skip_bad_images", "--dry_run").out.splitlines():
        words = shlex.split(line)
        if words[words.index("--learning_rate") + 1] == "0.001":
            Path(words[words.index("--weight_path") + 1]).mkdir(parents=True)
    return sweep


@pytest.fixture(scope="module")
def failed(faulty) -> Finished:
    """That sweep without its bad image, with all pictures drawn as for a user."""
    return Finished(faulty, faulty.run("--skip_bad_images", draws=True))


def test_bad_images_are_named(faulty):
    assert "broken.jpg (empty" in refused(faulty.run("--out", faulty.project / "out"))


def test_bad_images_leave_nothing_half_written(faulty):
    out = faulty.project / "out"
    faulty.run("--out", out)
    assert not out.exists()


def test_bad_images_that_are_left_out_are_named(failed):
    told = "left out unreadable images (1): train/cat/broken.jpg (empty file)"
    assert told in failed.ended.out


def test_a_sweep_with_a_failing_run_ends_with_1(failed):
    assert failed.ended.status == 1, failed.ended.out + failed.ended.err


def test_a_failing_run_is_named_at_once_then_at_the_end(failed):
    told = "FAILED Change_learning_rate/0_001: train.py, exit status 2"
    assert failed.ended.out.count(told) == 2


def test_a_failing_run_is_named_with_its_log(failed):
    [log] = failed.results.glob("runs/*-lr0_001-*/log.txt")
    assert failed.ended.out.count(str(log)) == 2


def test_a_failing_run_is_named_with_its_reason(failed):
    assert "is a folder; --weight_path takes a file" in failed.ended.out


def test_a_failing_run_is_on_the_page(failed):
    page = (failed.results / "report.html").read_text()
    assert "failed: Change_learning_rate/0_001" in page


def test_a_diverged_run_is_recorded(failed):
    folder = failed.results / "Change_learning_rate/1000000000000_0"
    assert read_record(folder / "train.json")["diverged"]


def test_a_diverged_run_is_on_the_page(failed):
    page = (failed.results / "report.html").read_text()
    assert "diverged at epoch" in page


def test_a_failing_run_stops_no_other(failed):
    assert (failed.results / "Change_seed/0/acc.txt").is_file()


DAMAGED = {
    "Change_epochs/4/train.json": '{"identity": [], "epochs": "4", "command": 3}',
    "Change_learning_rate/0_001/history.csv": "epoch,train_loss,valid_loss\n1,0.",
}


class Damaged(NamedTuple):
    """What was made of damaged records: by a plan, by collecting, by the next call."""

    planned: Ended
    collected: Ended
    collected_rows: list[dict[str, str]]
    project: Path
    repaired: Ended


@pytest.fixture(scope="module")
def damaged(finished, tmp_path_factory) -> Damaged:
    sweep = copy_of(finished, tmp_path_factory.mktemp("damaged"))
    results = sweep.project / "result"
    folders = {run: stored(sweep.project, run) for run in RUNS}
    for name, text in DAMAGED.items():
        run, file = name.rsplit("/", 1)
        (folders[run] / file).write_text(text)
    planned = sweep.run("--dry_run")
    collected = sweep.run("--collect")
    rows = read_table(results / "results.csv")
    return Damaged(planned, collected, rows, sweep.project, sweep.run())


def test_a_damaged_record_stops_no_plan(damaged):
    assert damaged.planned.status == 0
    assert "damaged record: train.json is not as it was written" in damaged.planned.err


def test_a_damaged_record_is_missing_where_runs_are_collected(damaged):
    assert damaged.collected.status == 1
    assert "MISSING Change_epochs/4" in damaged.collected.out


def test_a_damaged_record_takes_no_other_run_with_it(damaged):
    settings = [row["setting"] for row in damaged.collected_rows]
    assert settings == ["0", "2", "0_01"]


def test_damaged_records_are_made_again(damaged):
    assert damaged.repaired.status == 0, damaged.repaired.err
    assert len(read_table(damaged.project / "result/results.csv")) == len(RUNS)


def test_damaged_records_are_made_again_with_the_same_bits(damaged, finished):
    assert weights(damaged.project) == weights(finished.sweep.project)
