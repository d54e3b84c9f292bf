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
from runs import HISTORY_COLUMNS, file_digest, identity, write_csv, write_json, write_text

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
    monkeypatch.setattr(plots, "draw_confusion_matrix", lambda *_: None)


def make_report(tmp_path: Path, seeds: int = 1, classes=("cat", "dog")) -> Report:
    """A report on made-up runs of small real images."""
    photos = make_photos(tmp_path / "photos")
    for part in ("train", "test"):
        for old, new in zip(("cat", "dog"), classes, strict=True):
            if old != new:
                (photos / part / old).rename(photos / part / new)
    data = load_data(str(photos), 16)
    report = Report(tmp_path / "out", BASE, STUDIES, seeds, data, wanted_for(data))
    for number, run in enumerate(all_runs(STUDIES, BASE, tmp_path / "out", seeds)):
        make_run(run, data, number)
    return report


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Report:
    """A report with its pictures, for tests that only read it."""
    folder = tmp_path_factory.mktemp("report")
    report = make_report(folder, classes=("cat", "<img src=x onerror=alert(1)>"))
    report.write(open_runs=0)
    return report


def wanted_for(data):
    return lambda settings: identity(settings, data.digest, "cpu", 1, "float32")


def make_run(run, data, number: int) -> None:
    settings = run.settings
    epochs = settings["epochs"]
    random = np.random.default_rng(number)
    losses = (0.5 + 0.2 * random.random((epochs, 2))).tolist()
    rows = [[e + 1, *losses[e], 0.7 + 0.02 * e, 0.7] for e in range(epochs)]
    write_csv(run.result / "history.csv", HISTORY_COLUMNS, rows)
    indices = data.splits["test"]
    truth = [data.classes[data.targets[i]] for i in indices]
    predicted = [data.classes[random.integers(2)] for _ in indices]
    correct = sum(map(str.__eq__, truth, predicted))
    lines = [f'"{data.names[i]}",{t},{p},0.9' for i, t, p in
             zip(indices, truth, predicted, strict=True)]  # fmt: skip
    header = "file,true_class,predicted_class,probability"
    write_text(run.result / "predictions.csv", "\n".join([header, *lines]) + "\n")
    write_text(run.result / "acc.txt", "Test accuracy: 50.0000%\nLast epoch: 50.0000%\n")
    write_json(run.result / "train.json", {
        "identity": identity(settings, data.digest, "cpu", 1, "float32"),
        "command": ["python", "train.py"], "kept_epoch": 1 + int(np.argmin(losses, axis=0)[1]),
        "diverged": False, "seconds": 1.5, "machine": "a machine", "weight_sha256": "w",
        "network": [["conv1", "3, 8", [8, 16, 16], 224]], "epochs": epochs,
        "history_sha256": file_digest(run.result / "history.csv"),
    })  # fmt: skip
    write_json(run.result / "test.json", {
        "identity": {"weight.pth": "w"}, "command": ["python", "test.py"], "seconds": 0.5,
        "test_images": len(indices), "correct": correct, "last_correct": correct,
        "machine": "a machine", "finished": "2026-01-01 00:00:00",
    })  # fmt: skip


def test_the_page_is_one_file_with_its_pictures_inside(written):
    page = Page(written.path.read_text(encoding="utf-8"))
    assert page.sources and all(own.startswith("data:image/png;base64,") for own in page.sources)
    for source in page.sources:
        assert base64.b64decode(source.split(",")[1]).startswith(b"\x89PNG")
    assert page.tags.count("section") == 1 + 4 + 2
    assert not {"script", "link", "iframe"} & set(page.tags)
    for study in STUDIES:
        with Image.open(written.out / "result" / study / "comparison.png") as image:
            assert image.width > 1000


def test_the_page_reloads_itself_only_while_runs_are_open(tmp_path, no_pictures):
    report = make_report(tmp_path)
    report.write(open_runs=3)
    text = report.path.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' in text and "3 runs are still to be done" in text
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
    assert [[row.run.settings["seed"] for row in rows] for rows in groups] == [[1], [1]]


def test_names_are_text_never_markup(tmp_path, no_pictures):
    bad = "<script>alert(1)"
    report = make_report(tmp_path, classes=("<b>$x$ & cat", bad))
    report.write(open_runs=0)
    text = report.path.read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags and "b" not in page.tags
    assert "&lt;script&gt;alert(1)" in text


def test_seeds_are_shown_as_mean_and_deviation(tmp_path, no_pictures):
    report = make_report(tmp_path, seeds=3)
    report.write(open_runs=0)
    text = report.path.read_text(encoding="utf-8")
    assert "standard deviation of 3 seeds" in text and " ± " in text
    assert "No winner can be named: with 3 seeds" in text


def digests(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): file_digest(path) for path in out.glob("**/*.png")}


def test_pictures_are_drawn_again_exactly_when_they_show_something_else(tmp_path, monkeypatch):
    for study in ("Change_batch_size", "Change_learning_rate", "Change_loss_function"):
        monkeypatch.delitem(STUDIES, study)
    report = make_report(tmp_path, seeds=2)
    report.write(open_runs=0)
    whole = digests(report.out)
    times = {path: path.stat().st_mtime_ns for path in report.out.glob("**/*.png")}
    report.write(open_runs=0)
    assert times == {path: path.stat().st_mtime_ns for path in times}
    # A test that ends after the picture was drawn, of a training that ended before.
    record = report.out / "result/Change_epochs/4/seed_0/test.json"
    late = record.rename(tmp_path / "late.json")
    report.write(open_runs=1)
    partial = digests(report.out)
    changed = {name for name in whole if partial[name] != whole[name]}
    assert changed == {
        f"result/Change_epochs/{name}.png"
        for name in ("comparison", "4/Training_accuracy", "4/Loss_curve")
    }
    late.rename(record)
    report.write(open_runs=0)
    assert digests(report.out) == whole
    monkeypatch.setitem(report.studies, "Change_epochs", ("epochs", [8]))
    report.runs = all_runs(report.studies, BASE, report.out, 2)
    report.write(open_runs=0)
    comparison = "result/Change_epochs/comparison.png"
    assert digests(report.out)[comparison] != whole[comparison], "without the removed setting"


def test_a_diverged_seed_hides_no_other(tmp_path, monkeypatch):
    histories = [
        np.array([[1, 0.7, 0.7, 0.5, 0.5], [2, 0.6, 0.6, 0.5, 0.5], [3, 0.5, 0.5, 0.5, 0.5]]),
        np.array([[1, np.nan, np.nan, 0.5, 0.5]]),
    ]
    column = plots.column_of(histories, 2)
    assert column.mean(0).tolist() == pytest.approx([0.7, 0.6, 0.5])
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, *_: figures.append(figure))
    for number, history in enumerate(histories):
        write_csv(tmp_path / str(number) / "history.csv", HISTORY_COLUMNS, history.tolist())
    plots.draw_curves(tmp_path, [tmp_path / "0", tmp_path / "1"])
    axes = figures[1].axes[0]
    assert axes.get_title() == "1 of 2 seeds diverged"
    assert np.ma.count(axes.lines[1].get_ydata()) == 3


def test_the_page_tells_how_many_seeds_diverged_and_what_is_kept(tmp_path, no_pictures):
    report = make_report(tmp_path, seeds=3)
    folder = report.out / "result/Change_learning_rate/0_1/seed_1"
    write_csv(folder / "history.csv", HISTORY_COLUMNS, [[1, np.nan, np.nan, 0.5, 0.5]])
    record = json.loads((folder / "train.json").read_text())
    record |= {"diverged": True, "kept_epoch": 0, "epochs": 1}
    write_json(folder / "train.json",
               record | {"history_sha256": file_digest(folder / "history.csv")})  # fmt: skip
    report.write(open_runs=0)
    text = report.path.read_text(encoding="utf-8")
    assert "1 of 3 seeds diverged at epoch 1" in text
    assert "the initial weights of 1" in text and "kept the initial weights" not in text


@pytest.mark.parametrize(
    ("last", "ticks"),
    [(1, [1]), (4, [1, 2, 3, 4]), (20, [1, 5, 10, 15, 20]), (80, [1, *range(10, 81, 10)])],
)
def test_epoch_axes_carry_round_epochs_and_the_first(last, ticks):
    assert plots.epoch_ticks(last) == ticks


def test_commands_on_the_page_set_the_threads_of_the_sweep_and_are_listed_once(
    tmp_path, no_pictures
):
    report = make_report(tmp_path)
    report.write(open_runs=0)
    (commands,) = re.findall("<pre>(.*?)</pre>", report.path.read_text(), re.S)
    assert commands.splitlines()[0].startswith("export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1")
    assert commands.splitlines()[1:] == ["python train.py", "python test.py"]


def test_names_that_are_no_text_do_no_harm(tmp_path, no_pictures):
    report = make_report(tmp_path)
    report.data.warnings.append(b"caf\xe9".decode(errors="surrogateescape"))
    report.write(open_runs=0)
    assert "caf\\udce9" in report.path.read_text(encoding="utf-8")


def test_curves_of_one_epoch_and_of_diverged_runs_can_be_drawn(tmp_path):
    for rows in ([[1, 0.7, 0.7, 0.5, 0.5]], [[1, 0.7, 0.6, 0.5, 0.5], [2, np.nan, np.nan, 0, 0]]):
        write_csv(tmp_path / "history.csv", HISTORY_COLUMNS, rows)
        plots.draw_curves(tmp_path)
        assert (tmp_path / "Loss_curve.png").is_file()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-sync", "--disable-background-networking", "--disable-component-update"),
]


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed (Debian: chromium)")
@pytest.mark.parametrize("width", [1200, 390])
def test_in_a_browser_every_picture_loads_nothing_runs_off_and_no_error_is_logged(
    width, written, tmp_path
):
    probe = """<script>addEventListener("load", () => {
        const broken = [...document.images].filter(own => !own.naturalWidth).length;
        const root = document.documentElement;
        document.title = JSON.stringify({images: document.images.length, broken,
            beyond: root.scrollWidth - root.clientWidth});
    })</script></head>"""
    text = written.path.read_text(encoding="utf-8").replace("</head>", probe)
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
