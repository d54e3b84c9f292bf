"""From made-up runs to sentences, pictures and the page: true words, whole files, no markup."""

import re
import shutil
import subprocess
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photos
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dataset import load_data
from records.files import read_csv, write_csv, write_text
from records.runs import HISTORY_COLUMNS, kept_epoch
from report import figures, findings, page
from report.results import Result, settings_of, valid_accuracy_at
from studies.settings import BASE_STUDY, all_runs

BASE = {"epochs": 20, "batch_size": 32, "learning_rate": 0.01, "loss_function": "CrossEntropyLoss"}
SIZES, RATES = [16, 32, 64], [0.001, 0.01, 0.1]
STUDIES = {"Change_epochs": [20, 80], "Change_batch_size": SIZES, "Change_learning_rate": RATES}
SIX = [0.741, 0.752, 0.748, 0.763, 0.757, 0.744]  # test accuracies of six seeds
DIVERGED = {"losses": [0.7, np.inf], "shift": -0.2}
ORDERS = {(3, 2, 1): "every larger", (3, 1, 2): "not every step", (1, 2, 3): "do not swing"}
RECORD = {"train_images": 1000, "test_images": 10, "correct": 7, "finished": "today"}
RECORD |= {"machine": "a machine", "command": ["python"], "seconds": 1.0, "weight_sha256": ""}
RECORD |= {"network": [["conv1", "3, 8", [8, 16, 16], 224]], "identity": {"threads": 1}}
pytestmark = pytest.mark.filterwarnings("error")


def made(run, accuracy=0.75, losses=(0.7, 0.6, *[0.5] * 18), train=0.8, valid=0.75) -> Result:
    """A made-up result; its accuracies are the same in all epochs, or given for each."""
    columns = np.arange(1, len(losses) + 1), losses, losses, train, valid
    history = np.column_stack([np.broadcast_to(column, len(losses)) for column in columns])
    kept, diverged = kept_epoch(history.tolist()), not np.isfinite(losses[-1])
    train = RECORD | {"kept_epoch": kept, "diverged": diverged, "epochs": len(losses)}
    valid_accuracy = valid_accuracy_at(kept, history)
    return Result(run, train, RECORD, history, accuracy, accuracy, valid_accuracy)


def make(changes={}, base=SIX, seeds=1, studies=STUDIES) -> tuple:  # noqa: B006
    """Made-up settings by study, and their answer; `changes` are arguments of made() by value."""
    results = []
    for run in all_runs(studies, BASE, range(len(base)), Path("out"), range(seeds)):
        changed = tuple(run.changed.values())
        names = ("base", f"seed {changed[0]}") if run.study == BASE_STUDY else changed
        change = {"shift": 0.0} | next((changes[name] for name in names if name in changes), {})
        accuracy = base[run.settings["seed"]] + change.pop("shift")
        results.append(made(run, accuracy, **change))
    settings = settings_of(results)
    by_study = {study: list(group) for study, group in groupby(settings, lambda each: each.study)}
    return by_study, findings.make_answer(settings, findings.best_guess(0.5, 400))


def told(changes={}, study="", **options) -> str:  # noqa: B006
    """The sentences of a made-up answer, or of one of its studies."""
    studies, answer = make(changes, **options)
    values = {"answer": answer, "settings": studies.get(study)}
    return "\n".join(findings.sentences("study.txt" if study else "answer.txt", **values))


def test_settings_are_better_worse_or_not_told_apart_and_what_would_be_seen_is_told():
    text = told({0.1: {"shift": -0.3}, 16: {"shift": 0.2}})
    assert "test accuracy 75.1% in the mean of 6 seeds, standard deviation 0.8 points.\n" in text
    assert "Better than the base beyond noise: batch_size 16 (+19.0 points, +" in text
    assert "Worse than the base beyond noise: learning_rate 0.1 (−31.0 points, −" in text
    assert "Not told apart from the base: epochs 80, batch_size 64, learning_rate 0.001.\n" in text
    seen = r"1 seed of .* alone, from (\S+) points on, and a true one of (\S+) points would be seen"
    measured, true = map(float, re.search(seen, text).groups())
    assert 2 < measured < true < 6 and re.search(r"2 points would take --seeds \d+\.", text)
    assert "One seed cannot show that a setting scatters more than the base does" in text


def test_the_setting_to_use_has_the_highest_validation_accuracy_a_choice_and_no_finding():
    assert "): the base setting; a choice, not a finding." in told({16: DIVERGED | {"valid": 0.9}})
    assert "test 74.1%): batch_size 16; a choice, not a finding." in told({16: {"valid": 0.76}})
    better = told({16: {"valid": 0.76, "shift": 0.2}})
    assert "batch_size 16; it is also better than the base beyond noise." in better


@pytest.mark.parametrize(("base", "why"), [(SIX[:1], "two seeds"), ([0.5] * 6, "do not differ")])
def test_where_the_noise_is_not_known_nothing_is_told_apart(base, why):
    text = told({0.1: {"shift": -0.3}}, base=base)
    assert re.search(f"Nothing can be told apart: the noise .* is not known, since .*{why}", text)
    assert not re.search("beyond noise|Not told apart|would be seen|nan", text)
    text = told(base=[0.0, 1.0] * 3)  # as two test images may have it
    assert "no difference would be seen in 80% of such studies, so much do the seeds" in text


def test_without_the_base_nothing_is_compared_but_a_study_without_its_value_is():
    settings = [setting for group in make()[0].values() for setting in group]
    for finished in ([], settings[:1], settings[1:]):
        answer = findings.make_answer(finished, 0.5)
        text = findings.sentences("answer.txt", answer=answer)
        assert text == ["Too few settings are finished to be compared."] and not answer.rows
    text = told(studies={"Change_epochs": [40, 80]}, study="Change_epochs")
    assert "Not told apart from the base: 40, 80." in text


def test_what_diverged_or_did_not_learn_is_named_and_says_nothing_about_overfitting():
    text = told({0.1: DIVERGED, 64: {"valid": 0.54}, 16: {"valid": 0.56}})
    assert "above 54.9%, which guessing may reach): batch_size 64, learning_rate 0.1." in text
    assert "guessing may reach): the base setting. A comparison" in told({"base": DIVERGED})
    assert "some seeds only: the base setting (5 of 6)." in told({"seed 3": {"valid": 0.54}})
    text = told({80: DIVERGED | {"train": 0.99}, 20: {"losses": [1, 0]}}, "Change_epochs")
    assert "80: diverged, which says nothing" in text and "epoch 2; afterwards it rose by" in text


@pytest.mark.parametrize(
    ("end", "train", "overfits"), [(0.56, 0.85, True), (0.54, 0.85, False), (0.56, 0.79, False)]
)
def test_overfitting_needs_a_rise_of_the_loss_and_a_gap_of_the_accuracies(end, train, overfits):
    changes = {80: {"losses": [0.7, 0.5, *[end] * 78], "train": train}}
    line = re.search("80: lowest validation loss at epoch 2; .*", told(changes, "Change_epochs"))[0]
    assert line.endswith(": overfits." if overfits else ": does not overfit by this rule.")
    assert ("with epochs 80 the validation loss ends 12% above" in told(changes)) == overfits


@pytest.mark.parametrize(("swings", "words"), ORDERS.items())
def test_batch_sizes_are_said_to_swing_less_only_where_they_do(swings, words):
    curves = ([1, 1 + swing, 1] for swing in swings)
    changes = {size: {"losses": losses} for size, losses in zip(SIZES, curves, strict=True)}
    text = told(changes, "Change_batch_size")
    assert f"between epochs: 16: {swings[0]:.4f} (189 updates); 32: " in text
    assert re.search(f"Of these, the .*{words} ", text) and "fewer updates" in text
    lost = {16: {"valid": 0.54}, 32: DIVERGED}  # have no swing
    assert f"between epochs: 64: {swings[2]}." in told(changes | lost, "Change_batch_size")


@pytest.mark.parametrize(
    ("losses", "valid", "expected"),
    [
        ([0.69] * 20, 0.54, "did not learn"),
        ([0.69] * 20, 0.56, "converged"),
        ([0.7] * 12 + [0.5] * 4 + [0.48] * 4, 0.75, "converged"),
        ([0.7] * 12 + [0.5] * 4 + [0.476] * 4, 0.75, "still improving"),
        ([0.6, 0.5] + [0.5, 0.523] * 9, 0.75, "unstable"),
        ([0.6, 0.5] + [0.5, 0.518] * 9, 0.75, "converged"),
        ([0.6] * 20, [0.7] * 16 + [0.54] * 4, "unstable"),
        ([0.6] * 20, [0.7] * 16 + [0.56] * 4, "converged"),
        ([0.5, 0.4], 0.75, "too short to tell"),
        ([0.5, np.nan], 0.75, "diverged"),
    ],
)
def test_convergence_by_its_rules(losses, valid, expected):
    for seeds, share in ((1, ""), (3, " in 3 of 3 seeds")):
        text = told({0.1: {"losses": losses, "valid": valid}}, "Change_learning_rate", seeds=seeds)
        line = re.search(f"0.1: {expected}{share}(; the validation loss swings by .*)?\\.\n", text)
        assert (line[1] is None) == (expected == "diverged")


@pytest.fixture
def drawn(monkeypatch) -> list:
    """The axes of every figure that is saved: without a warning, nothing cut off at an edge."""

    def check(axes, path):
        FigureCanvasAgg(axes.figure).draw()
        box, (width, height) = axes.figure.get_tightbbox(), axes.figure.get_size_inches()
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01, path
        saved.append(axes.figure.axes)

    saved = []
    monkeypatch.setattr(figures, "save", check)
    return saved


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({"seeds": 3, "changes": {0.1: DIVERGED}}, ["base\n75.1% ± 0.8", "Change x", "0.1"]),
        ({"changes": {"base": DIVERGED, 0.001: DIVERGED, 0.1: DIVERGED}}, ["0.1"]),
        ({"changes": {0.1: {"losses": [1e9] * 20, "shift": -0.7}}}, ["0.1"]),
        ({"studies": {"Change_loss_function": ["W" * 40, "L1Loss"]}}, ["W" * 19 + "…"]),
        ({"base": SIX[:1]}, ["base\n74.1%", "0.1\n74.1%"]),
    ],
)
def test_every_study_and_the_answer_can_be_drawn(options, labels, drawn):
    studies, answer = make(**options)
    base, *_, last = studies.values()
    for settings in (base, last):
        figures.draw_study(Path("Change_x/comparison.png"), settings, answer.rows)
    if answer.rows:
        figures.draw_answer(Path("answer.png"), {"Change_x": last}, answer.rows, 0.02)
    assert {*labels} <= {text.get_text() for axes in drawn for text in axes[-1].get_yticklabels()}


def test_curves_have_whole_epochs_mark_the_kept_one_and_tell_where_seeds_diverged(drawn, tmp_path):
    folders = [tmp_path / str(seed) for seed in range(3)]
    for folder, losses in zip(folders, ([0.7, 0.5, 0.6], [0.7, np.nan], [0.7]), strict=True):
        write_csv(folder / "history.csv", HISTORY_COLUMNS, made(None, losses=losses).history)
        figures.draw_curves(folder)
    figures.draw_curves(tmp_path, folders)
    first, together = drawn[1][0], drawn[-1][0]  # losses
    assert first.get_xticks().tolist() == [1, 2, 3]
    assert first.get_legend_handles_labels()[1] == ["train-loss", "valid-loss", "kept: epoch 2"]
    assert together.get_title() == "diverged at epoch 2"
    assert together.lines[1].get_ydata().tolist() == pytest.approx([0.7, 0.5, 0.6])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """write(...) that gives the page about five made-up runs on small images."""
    folder = tmp_path_factory.mktemp("report")
    for path in make_photos(folder / "photos").glob("*/cat"):
        path.rename(path.with_name("<script>x"))
    data = load_data(str(folder / "photos"), 16)
    splits = data.splits | {"test": data.splits["test"][:5]}  # of one class
    note = b"caf\xe9".decode(errors="surrogateescape")  # a name that is no text
    data = replace(data, splits=splits, warnings=(note,))
    runs = all_runs({"Change_batch_size": [16, 32]}, BASE, range(3), folder / "out", range(1))
    results = [made(run, accuracy) for run, accuracy in zip(runs, SIX[:5], strict=True)]
    columns = ("file", "true_class", "predicted_class", "probability")
    for run, _, _, history, *_ in results:
        rows = [(data.names[k], data.classes[data.targets[k]], data.classes[k % 2], 0.9)
                for k in data.splits["test"]]  # fmt: skip
        write_csv(run.result / "predictions.csv", columns, rows)
        write_csv(run.result / "history.csv", HISTORY_COLUMNS, history.tolist())

    def write(done=5, open_runs=0, failed=()) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page, "read_results", lambda *_: write.results[:done])
            page.write_report(folder / "out", runs, data, None, open_runs, failed)
        return (folder / "out/result/report.html").read_text(encoding="utf-8")

    write.results = results
    write.results_csv = folder / "out/result/results.csv"
    return write


def test_the_page_is_one_file_without_foreign_markup_and_reloads_while_runs_are_open(report):
    text = report()
    assert "&lt;script&gt;x" in text and not re.search("<(script|link|iframe)", text)
    sources = re.findall(' (?:src|href)="(.*?)"', text)
    assert len(sources) > 9 and all(url.startswith("data:image/png;base64,iV") for url in sources)
    assert "<td>test</td><td>5</td><td>0</td><td>100.0%</td>" in text and "caf\\udce9" in text
    assert "No run is finished yet." in report(done=0)
    text = report(done=4, open_runs=1)
    assert 'http-equiv="refresh"' in text and "Runs still to be done: 1" in text
    names = [row["result"] for row in read_csv(report.results_csv)]
    assert names[-2:] == ["result/Change_seed/2", "result/Change_batch_size/16"] and len(names) == 4
    text = report(done=4, failed=["Change_batch_size/<i>"])
    assert 'http-equiv="refresh"' not in text and "4 of all 5 runs are done" in text
    assert "failed: Change_batch_size/&lt;i&gt;" in text


def test_a_validation_accuracy_of_0_is_shown_and_takes_no_page_down(report, monkeypatch):
    wrong = [result._replace(valid_accuracy=0.0) for result in report.results]
    monkeypatch.setattr(report, "results", wrong)
    assert "valid 0.0%" in report()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr")


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed (Debian: chromium)")
@pytest.mark.parametrize("width", [1200, 390])
def test_in_a_browser_pictures_load_nothing_runs_off_no_error_is_logged(width, report, tmp_path):
    probe = """<script>onload = () => { const root = document.documentElement;
        const broken = [...document.images].filter(image => !image.naturalWidth).length;
        document.title = [broken, root.scrollWidth - root.clientWidth]; }</script></head>"""
    path = tmp_path / "page.html"
    write_text(path, report().replace("</head>", probe))
    options = [f"--user-data-dir={tmp_path}", f"--window-size={width},1000", "--dump-dom"]
    command = [CHROMIUM, *FLAGS, *options, "--virtual-time-budget=5000", path.as_uri()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "<title>0,0</title>" in ended.stdout and "CONSOLE" not in ended.stderr, ended.stderr
