"""The report and the figures: one whole page, nothing from outside, text never markup."""

import base64
import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photos
from PIL import Image

import plots
from dataset import load_data
from plan import all_runs
from report import Report, with_common_seeds
from runs import history_text, identity, write_json, write_text

BASE = {"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "loss_function": "CrossEntropyLoss"}
STUDIES = {
    "Change_epochs": ("epochs", [4, 8]),
    "Change_batch_size": ("batch_size", [4, 8]),
    "Change_learning_rate": ("learning_rate", [0.01, 0.1]),
    "Change_loss_function": ("loss_function", ["CrossEntropyLoss", "MSELoss"]),
}


class Page(html.parser.HTMLParser):
    """Collects what a page would load and run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.sources = [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]


@pytest.fixture
def no_pictures(monkeypatch):
    """Spare the drawing where a test does not look at it."""
    monkeypatch.setattr(plots, "draw_curves", lambda *_: None)
    monkeypatch.setattr(plots, "draw_comparison", lambda *_: None)


def make_report(tmp_path: Path, seeds: int = 1, classes=("cat", "dog")) -> Report:
    """A report on made-up runs of small real images."""
    photos = make_photos(tmp_path / "photos")
    for part in ("train", "test"):
        for old, new in zip(("cat", "dog"), classes, strict=True):
            if old != new:
                (photos / part / old).rename(photos / part / new)
    data = load_data(str(photos), 16)
    report = Report(tmp_path / "out", BASE, STUDIES, seeds, data, wanted_for(data))
    for number, run in enumerate(all_runs(STUDIES, tmp_path / "out", seeds)):
        make_run(run, data, number)
    return report


def wanted_for(data):
    return lambda settings: identity(settings, data.digest, "cpu", 1, "float32")


def make_run(run, data, number: int) -> None:
    changed, values = STUDIES[run.study]
    value = next(value for value in values if str(value).replace(".", "_") == run.setting)
    settings = {**BASE, changed: value, "seed": run.seed}
    epochs = settings["epochs"]
    random = np.random.default_rng(number)
    losses = (0.5 + 0.2 * random.random((epochs, 2))).tolist()
    rows = [[e + 1, *losses[e], 0.7 + 0.02 * e, 0.7] for e in range(epochs)]
    write_text(run.result / "history.csv", history_text(rows))
    indices = data.splits["test"]
    truth = [data.classes[data.targets[i]] for i in indices]
    predicted = [data.classes[random.integers(2)] for _ in indices]
    correct = sum(map(str.__eq__, truth, predicted))
    lines = [f'"{data.names[i]}",{t},{p},0.9' for i, t, p in
             zip(indices, truth, predicted, strict=True)]  # fmt: skip
    header = "file,true_class,predicted_class,probability"
    write_text(run.result / "predictions.csv", "\n".join([header, *lines]) + "\n")
    for name in ("Training_accuracy", "Loss_curve", "confusion_matrix"):
        Image.new("RGB", (400, 300), "white").save(run.result / f"{name}.png")
    write_text(run.result / "acc.txt", "Test accuracy: 50.0000%\nLast epoch: 50.0000%\n")
    write_json(run.result / "train.json", {
        "identity": identity(settings, data.digest, "cpu", 1, "float32"),
        "command": ["python", "train.py"], "kept_epoch": 1 + int(np.argmin(losses, axis=0)[1]),
        "diverged": False, "seconds": 1.5, "machine": "a machine", "weight_sha256": "w",
        "network": [["conv1", "3, 8", [8, 16, 16], 224]], "epochs": epochs,
    })  # fmt: skip
    write_json(run.result / "test.json", {
        "identity": {"weight.pth": "w"}, "command": ["python", "test.py"], "seconds": 0.5,
        "test_images": len(indices), "correct": correct, "last_correct": correct,
        "machine": "a machine", "finished": "2026-01-01 00:00:00",
    })  # fmt: skip


def test_the_page_is_one_file_with_its_pictures_inside(tmp_path):
    report = make_report(tmp_path)
    report.write(open_runs=0)
    page = Page(report.path.read_text(encoding="utf-8"))
    assert page.sources and all(own.startswith("data:image/png;base64,") for own in page.sources)
    for source in page.sources:
        assert base64.b64decode(source.split(",")[1]).startswith(b"\x89PNG")
    assert page.tags.count("section") == 1 + 4 + 2
    assert not {"script", "link", "iframe"} & set(page.tags)
    for study in STUDIES:
        with Image.open(tmp_path / "out" / "result" / study / "comparison.png") as image:
            assert image.width > 1000


def test_the_page_reloads_itself_only_while_runs_are_open(tmp_path, no_pictures):
    report = make_report(tmp_path)
    report.write(open_runs=3)
    text = report.path.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' in text and "8 of 11 runs are done" in text
    report.write(open_runs=0)
    assert 'http-equiv="refresh"' not in report.path.read_text(encoding="utf-8")


def test_a_report_without_runs_says_so(tmp_path, no_pictures):
    data = load_data(str(make_photos(tmp_path / "photos")), 16)
    report = Report(tmp_path / "out", BASE, STUDIES, 1, data, wanted_for(data))
    report.write(open_runs=8)
    assert "No run is finished yet" in report.path.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["images", "model.py", "torch version"])
def test_runs_that_are_out_of_date_are_left_out(key, tmp_path, no_pictures):
    report = make_report(tmp_path)
    record = tmp_path / "out/result/Change_epochs/4/train.json"
    content = json.loads(record.read_text())
    content["identity"][key] = "another"
    write_json(record, content)
    report.write(open_runs=0)
    assert "Change_epochs/4" not in [row.run.name for row in report.rows]
    assert len(report.rows) == 7


@pytest.mark.parametrize("name", ["predictions.csv", "history.csv", "test.json"])
def test_runs_whose_files_are_missing_or_half_there_are_left_out(name, tmp_path, no_pictures):
    report = make_report(tmp_path)
    path = tmp_path / "out/result/Change_epochs/8" / name
    if name == "history.csv":
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    else:
        path.unlink()
    report.write(open_runs=0)
    assert len(report.rows) == 7


def test_failed_runs_are_named_on_the_finished_page(tmp_path, no_pictures):
    report = make_report(tmp_path)
    report.write(open_runs=0, failed_runs=["Change_epochs/16"])
    assert "failed: Change_epochs/16" in report.path.read_text(encoding="utf-8")


def test_only_seeds_that_all_settings_have_are_compared(tmp_path, no_pictures):
    report = make_report(tmp_path, seeds=3)
    (tmp_path / "out/result/Change_batch_size/4/seed_0/test.json").unlink()
    (tmp_path / "out/result/Change_batch_size/4/seed_2/test.json").unlink()
    report.write(open_runs=2)
    groups = with_common_seeds(report.settings("Change_batch_size"))
    assert [[row.run.seed for row in rows] for rows in groups] == [[1], [1]]


def test_names_are_text_never_markup(tmp_path, no_pictures):
    bad = "<script>alert(1)"
    report = make_report(tmp_path, classes=("<b>$x$ & cat", bad))
    report.write(open_runs=0)
    text = report.path.read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags and "b" not in page.tags
    assert "&lt;script&gt;alert(1)" in text


def test_seeds_are_shown_as_mean_and_deviation_with_a_band(tmp_path):
    report = make_report(tmp_path, seeds=3)
    report.write(open_runs=0)
    text = report.path.read_text(encoding="utf-8")
    assert "standard deviation of 3 seeds" in text and " ± " in text
    assert "No winner can be named: with 3 seeds" in text
    assert (tmp_path / "out/result/Change_epochs/4/Loss_curve.png").is_file()


def test_pictures_are_drawn_again_only_when_older_than_what_they_show(tmp_path):
    report = make_report(tmp_path)
    report.write(open_runs=0)
    target = tmp_path / "out/result/Change_epochs/comparison.png"
    before = target.stat().st_mtime_ns
    report.write(open_runs=0)
    assert target.stat().st_mtime_ns == before
    record = tmp_path / "out/result/Change_epochs/4/train.json"
    write_text(record, record.read_text())
    report.write(open_runs=0)
    assert target.stat().st_mtime_ns > before


def test_curves_of_one_epoch_and_of_diverged_runs_can_be_drawn(tmp_path):
    for rows in ([[1, 0.7, 0.7, 0.5, 0.5]], [[1, 0.7, 0.6, 0.5, 0.5], [2, np.nan, np.nan, 0, 0]]):
        write_text(tmp_path / "history.csv", history_text(rows))
        plots.draw_curves(tmp_path)
        assert (tmp_path / "Loss_curve.png").is_file()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-sync", "--disable-background-networking", "--disable-component-update"),
]


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed (Debian: chromium)")
@pytest.mark.parametrize("width", [1200, 390])
def test_in_a_browser_every_picture_loads_nothing_runs_off_and_no_error_is_logged(width, tmp_path):
    report = make_report(tmp_path, classes=("cat", "<img src=x onerror=alert(1)>"))
    report.write(open_runs=0)
    probe = """<script>addEventListener("load", () => {
        const broken = [...document.images].filter(own => !own.naturalWidth).length;
        const root = document.documentElement;
        document.title = JSON.stringify({images: document.images.length, broken,
            beyond: root.scrollWidth - root.clientWidth});
    })</script></head>"""
    text = report.path.read_text(encoding="utf-8").replace("</head>", probe)
    write_text(tmp_path / "page.html", text)
    ended = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         f"--window-size={width},1000", "--virtual-time-budget=5000", "--dump-dom",
         (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = json.loads(re.search(r"<title>(\{.*?\})</title>", ended.stdout).group(1))
    assert found["images"] > 30
    assert found["broken"] == 0
    assert found["beyond"] <= 0
    assert "CONSOLE" not in ended.stderr, ended.stderr
