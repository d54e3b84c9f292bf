"""From made-up runs to sentences, pictures and the page: true words, whole files, no markup."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photos
from made_up import BASE, DIVERGED, SIX, made, make
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dataset import load_data
from records.files import read_csv, write_csv, write_text
from records.runs import HISTORY_COLUMNS
from report import figures, page
from studies.settings import all_runs

pytestmark = pytest.mark.filterwarnings("error")


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
        figures.draw_answer(Path("answer.png"), {"Change_x": last}, answer.rows)
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
