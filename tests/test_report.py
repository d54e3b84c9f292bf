"""From made-up runs to the page and its tables: true words, whole files, no foreign markup."""

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, make_photos
from made_up import BASE, CHANCE, SIX, made, make
from PIL import Image

from dataset import load_data
from records.files import read_csv, write_csv, write_text
from records.runs import HISTORY_COLUMNS
from report import citation, contents, differences, examples, links, page, pictures
from report.results import Result
from report.rules import Chance
from report.summary import area_under_roc, recognition, tex
from studies.live import LiveReport
from studies.settings import all_runs

pytestmark = pytest.mark.filterwarnings("error")
COLUMNS = ("file", "true_class", "predicted_class", "probability")
TABLES = ("summary.csv", "summary.md", "summary.tex")


class Report:
    """Five made-up runs on small images: three seeds of the base, batch sizes 16 and 32."""

    def __init__(self, folder: Path, studies: dict | None = None) -> None:
        for path in make_photos(folder / "photos").glob("*/cat"):
            path.rename(path.with_name("<script>x"))
        self.folder = folder / "out/result"
        self.data = load_data(str(folder / "photos"), 16)
        studies = studies or {"Change_batch_size": [16, 32]}
        self.runs = all_runs(studies, BASE, range(3), folder / "out", range(1))
        self.results = []
        for place, run in enumerate(self.runs):
            result = made(run, SIX[place % len(SIX)])
            self.results.append(result)
            write_history(result)
            self.predict(result, lambda index: index % 2)

    def predict(self, result: Result, predicted: Callable[[int], int]) -> None:
        """Write predictions of the test images: the class that `predicted` gives for each."""
        data, rows = self.data, []
        for index in data.splits["test"]:
            classes = data.classes[data.targets[index]], data.classes[predicted(index)]
            rows.append((data.names[index], *classes, 0.9))
        write_csv(result.run.result / "predictions.csv", COLUMNS, rows)

    def write(self, done: int | None = None, to_do: int = 0, failed: tuple = ()) -> str:
        """Write the report of some of the runs; the page."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page, "read_results", lambda *_: self.results[:done])
            page.write_report(self.folder.parent, self.runs, self.data, None, to_do, failed)
        return (self.folder / "report.html").read_text(encoding="utf-8")


def write_history(result: Result) -> None:
    """Write a made-up history where its pictures are drawn from."""
    write_csv(result.run.result / "history.csv", HISTORY_COLUMNS, result.history)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Report:
    """A report that no test changes."""
    report = Report(tmp_path_factory.mktemp("report"))
    report.write()
    return report


@pytest.fixture
def report(written, tmp_path) -> Report:
    """A report that a test may change."""
    changed = Report(tmp_path)
    shutil.copytree(written.folder, changed.folder, dirs_exist_ok=True)
    return changed


def text_of(html: str) -> str:
    """What a reader sees of a page, with single spaces."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", html)).split())


# --- the page --------------------------------------------------------------------------------


def test_the_page_is_one_file(written):
    html = (written.folder / "report.html").read_text()
    sources = re.findall(r'\ssrc="(.*?)"', html)
    assert len(sources) > 9
    assert all(source.startswith("data:image/png;base64,iV") for source in sources)


def test_links_of_the_page_lead_to_parts_of_it(written):
    html = (written.folder / "report.html").read_text()
    links = set(re.findall(r'href="#(.*?)"', html)) - {"-"}
    assert {"Change_batch_size", "settings", "cite"} <= links
    assert links <= set(re.findall(r'\sid="(.*?)"', html))


def test_names_are_no_markup(written):
    html = (written.folder / "report.html").read_text()
    assert "&lt;script&gt;x" in html
    assert "<script>x" not in html


def test_the_finding_stands_before_the_picture(written):
    html = (written.folder / "report.html").read_text()
    assert 0 < html.index('class="lead"') < html.index('id="answer-picture"')


def test_the_answers_picture_tells_its_values_in_words(written):
    html = (written.folder / "report.html").read_text()
    assert re.search(r'alt="Differences of test accuracy .*: batch size 16 \+\S+ \(−\S+ to ', html)


def test_a_name_that_is_no_text_is_shown_escaped(report):
    note = b"caf\xe9".decode(errors="surrogateescape")
    report.data = replace(report.data, warnings=(note,))
    assert "caf\\udce9" in report.write()


def test_without_a_finished_run_the_page_says_so(report):
    assert "No training is finished yet." in report.write(done=0)


def test_while_runs_are_open_the_page_reloads_itself(report):
    html = report.write(done=3, to_do=1)
    assert "1 training still to be done" in html
    assert 'http-equiv="refresh"' in html
    assert "location.reload()" in html


def test_a_page_at_rest_does_not_reload(written):
    html = (written.folder / "report.html").read_text()
    assert "reload()" not in html
    assert 'http-equiv="refresh"' not in html


def test_missing_trainings_are_counted_those_that_studies_share_once(report):
    assert "2 of 4 trainings done" in report.write(done=2)
    assert "trainings done" not in report.write()


def test_failed_runs_are_named(report):
    assert "failed: Change_batch_size/&lt;i&gt;" in report.write(failed=("Change_batch_size/<i>",))


def test_a_validation_accuracy_of_0_is_shown_and_takes_no_page_down(report):
    report.results = [result._replace(valid_accuracy=0.0) for result in report.results]
    assert "validation accuracy 0.0%" in report.write()


def test_test_images_of_one_class_take_no_page_down(report):
    splits = report.data.splits | {"test": report.data.splits["test"][:5]}
    report.data = replace(report.data, splits=splits)
    for result in report.results:
        report.predict(result, lambda index: index % 2)
    assert "test 5 0 100.0%" in text_of(report.write())


def test_a_setting_that_always_predicts_one_class_is_told(report):
    report.predict(report.results[3], lambda index: 0)
    told = "Predicts the same class for every test image, so its accuracy is only the share"
    assert f"{told} of that class: batch size 16." in text_of(report.write())


def test_a_setting_that_predicts_both_classes_is_not_told(written):
    assert "Predicts the same class" not in (written.folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("predicted", "told"), [(0, "dog taken for <script>x 90%"), (1, "<script>x taken for dog 90%")]
)
def test_mistakes_show_the_true_class_and_the_one_taken_for(predicted, told, report):
    report.predict(report.results[0], lambda index: predicted)
    text = text_of(report.write())
    assert told in text
    assert text.count("taken for") == 5 + 1  # of the ten test images, and in a sentence


@pytest.mark.parametrize(("loss", "told"), [("L1Loss", True), ("CrossEntropyLoss", False)])
def test_softmax_of_other_losses_is_said_to_be_no_calibrated_probability(loss, told, report):
    for result in report.results:
        result.run.settings["loss_function"] = loss
    assert ("is no calibrated probability" in report.write()) == told


@pytest.mark.parametrize(
    ("source", "told"), [("cifar10", True), ("/data/photos", False), ("shapes", False)]
)
def test_the_course_reports_numbers_stand_beside_comparable_data_only(source, told, report):
    report.data = replace(report.data, source=source)
    assert ("74.8 and 73.6%" in report.write()) == told


def test_the_page_says_what_to_cite(written):
    text = text_of((written.folder / "report.html").read_text())
    assert re.search(r"photos, 16 × 16 pixels: 16 train, 4 valid, 10 test", text)
    assert "A method text:" in text


def test_a_page_of_many_settings_shows_those_furthest_from_the_base(monkeypatch):
    studies, answer = make({7: {"shift": -0.2}}, studies={"Change_batch_size": list(range(1, 90))})
    shown = differences.furthest(studies["Change_batch_size"], answer)
    assert len(shown) == differences.MOST
    assert "7" in [setting.label for setting in shown]


def test_a_grid_has_its_heat_map_and_its_sentences(tmp_path):
    losses = ["CrossEntropyLoss", "L1Loss"]  # of which a cell is the base, with one seed of three
    grid = {"loss_function": losses, "learning_rate": [0.01, 0.1]}
    html = Report(tmp_path, {"Loss_by_rate": grid}).write()
    assert "each of 3 settings that differ from it in one or more values" in text_of(html)
    assert 'id="Loss_by_rate-map"' in html
    assert 'id="Loss_by_rate-validation-loss"' in html
    assert "loss function L1Loss, learning rate 0.01" in text_of(html)


def test_with_nothing_new_no_picture_is_written_again(report):
    report.write()
    pictures = [*report.folder.rglob("*.png"), *report.folder.rglob("*.pdf")]
    before = [picture.stat().st_mtime_ns for picture in pictures]
    report.write()
    assert len(pictures) > 10
    assert [picture.stat().st_mtime_ns for picture in pictures] == before


def test_sentences_link_the_settings_they_name():
    studies, _ = make()
    patterns = links.links_of(studies)
    text = "Worse: batch size 16 and 64, epochs 80. All epochs count."
    parts = links.parts_of(text, patterns)
    linked = [(part.text, part.anchor) for part in parts if part.anchor]
    assert linked == [("batch size 16 and 64", "Change_batch_size"), ("epochs 80", "Change_epochs")]
    assert "".join(part.text for part in parts).startswith("Worse: batch size 16 and 64, epochs")


def test_in_its_study_the_base_is_judged_by_all_its_seeds():
    rising = {"losses": [0.7, 0.5, *[0.6] * 18], "train": 0.9}
    studies, answer = make({"seed 1": rising, "seed 2": rising}, base=SIX[:3])
    kinds = contents.findings_of(studies["Change_epochs"], answer)
    told = [each.values for each in kinds if each.kind == "overfitting"]
    assert [(each["label"], each["count"], each["seeds"]) for each in told] == [
        ("20", 2, 3),
        ("80", 0, 1),
    ]


def test_the_method_says_how_much_the_settings_differ_from_the_base(written, tmp_path):
    text = text_of((written.folder / "report.html").read_text())
    assert "with 3 seeds, each of 1 setting that differs from it in one value with 1 seed." in text


def test_a_panel_for_each_part_of_a_studys_picture(tmp_path):
    for count in (2, 3):
        Image.new("RGB", (600 * count, 465)).save(tmp_path / "comparison.png")
        panels = pictures.panels_of(tmp_path / "comparison.png", "study", "epochs: ")
        assert len(panels) == count


def test_a_grid_of_more_curves_than_can_be_told_apart_shows_its_map_alone():
    rates = [0.001 * number for number in range(1, 10)]
    grid = {"loss_function": ["CrossEntropyLoss", "L1Loss"], "learning_rate": rates}
    studies, _ = make(studies={"Loss_by_rate": grid})
    assert contents.panels_in(Path("nowhere"), studies["Loss_by_rate"]) == []


def test_a_page_at_rest_says_what_is_so(written):
    text = text_of((written.folder / "report.html").read_text())
    for sentence in (
        "The mean is 74.7%, the standard deviation 0.6 points.",
        "an image of dog gets a higher score for dog than one of <script>x (0.5 is guessing)",
        "weights kept: those of epoch 3, validation accuracy 75.0%",
        "mean ± standard deviation of 3 seeds; curves and weights of the first",
        "76.3% 95% interval",
        "lies within 2 points either way",
        "these are of the base. With seed 0 it got 3 of 10 test images wrong.",
        "16 × 16 pixels. part <script>x dog larger class train 8 8 50.0%",
    ):
        assert sentence in text
    for sentence in ("in the table alone", "the initial ones", "diverged at", "commit ,"):
        assert sentence not in text


def test_the_page_names_the_commit_if_there_is_one(written):
    text = text_of((written.folder / "report.html").read_text())
    assert ("program commit" in text) == bool(citation.commit_of(PROJECT))


def test_images_that_the_program_draws_are_said_to_be(report):
    report.data = replace(report.data, source="shapes")
    assert "They are drawn by the program" in report.write()


def test_a_row_of_the_table_holds_all_of_a_setting_and_links_to_its_study(report):
    setting = report.results[3]
    report.results[3] = setting._replace(last_accuracy=0.61)
    html = report.write()
    assert '<th scope="row"><a href="#Change_batch_size">batch size 16</a>' in html
    assert '<th scope="row"><a href="#noise">the base</a>' in html
    difference = r"\+1\.6 \(−\S+ to \+\S+\)"
    cells = rf"batch size 16 1 76\.3 {difference} too close to tell 61\.0 60\.0 60\.0 0\.600"
    assert re.search(cells, text_of(html))
    assert "last epoch: test 61.0%" in text_of(html)
    assert read_csv(report.folder / "results.csv")[3]["last_test_accuracy"] == "0.610000"
    summary = read_csv(report.folder / "summary.csv")[1]
    assert float(summary["low"]) < float(summary["difference"]) < float(summary["high"])


def test_a_setting_of_which_some_seeds_predict_one_class_is_told_with_their_number(report):
    report.predict(report.results[1], lambda index: 0)
    assert "of that class: the base (1 of 3 seeds)." in text_of(report.write())


def test_a_setting_that_diverged_is_told_with_its_epoch(report):
    report.results[3] = made(report.runs[3], 0.7, losses=(0.7, 0.6, np.nan))
    write_history(report.results[3])
    assert "diverged at epoch 3: the loss was no number" in text_of(report.write())


@pytest.mark.parametrize(
    ("chance", "told"),
    [
        (CHANCE, "The setting to use is the base. With seed 0"),
        (Chance(0.9, 400, 0.9, 400), "No setting learned; these are of the base. With seed 0"),
    ],
)
def test_mistakes_are_those_of_the_setting_to_use_if_there_is_one(
    chance, told, report, monkeypatch
):
    monkeypatch.setattr(page, "chance_of", lambda data: chance)
    assert told in text_of(report.write())


def test_of_mistakes_those_it_was_surest_of_come_first(report):
    run = report.runs[0].result
    rows = read_csv(run / "predictions.csv")
    for number, row in enumerate(rows):
        row["probability"] = str(0.6 + 0.01 * number)
    write_csv(run / "predictions.csv", COLUMNS, [list(row.values()) for row in rows])
    mistakes = examples.mistakes_of(report.results[0], report.data)
    probabilities = [mistake.probability for mistake in mistakes]
    assert len(mistakes) == 4
    assert probabilities == sorted(probabilities, reverse=True)


def test_what_guessing_reaches_is_counted_on_the_validation_and_the_test_images(written):
    assert page.chance_of(written.data) == (0.5, 4, 0.5, 10)


def test_pictures_that_leave_settings_out_say_how_many():
    studies, _ = make(studies={"Change_batch_size": list(range(1, 70))})
    assert contents.left_out_of(studies["Change_batch_size"]) == 9
    assert contents.left_out_of(studies["Change_seed"]) == 0


# --- tables ----------------------------------------------------------------------------------


def test_results_csv_has_a_row_for_each_run_and_tells_copies(written):
    rows = read_csv(written.folder / "results.csv")
    assert [row["copy_of"] for row in rows] == ["", "", "", "", "Change_seed/0"]


def test_summary_csv_has_a_row_for_each_setting_the_base_once(written):
    rows = read_csv(written.folder / "summary.csv")
    assert [(row["setting"], row["seeds"]) for row in rows] == [
        ("the base", "3"),
        ("batch size 16", "1"),
    ]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_holds_the_difference_from_the_base(name, written):
    difference = SIX[3] - np.mean(SIX[:3])
    text = (written.folder / name).read_text().replace("$-$", "−")
    shown = f"{difference:.6f}" if name == "summary.csv" else f"{100 * difference:+.1f}"
    assert shown.replace("-", "−") in text.replace("-", "−")


def test_recalls_and_the_area_are_those_of_the_predictions(tmp_path):
    rows = [("a", "cat", "cat", 0.9), ("b", "cat", "dog", 0.6), ("c", "dog", "dog", 0.8)]
    rows.append(("d", "cat", "cat", 0.7))
    write_csv(tmp_path / "predictions.csv", COLUMNS, rows)
    recognised = recognition(tmp_path / "predictions.csv", ["cat", "dog"])
    assert recognised.recalls == [pytest.approx(2 / 3), 1.0]
    assert recognised.auc == 1.0
    assert not recognised.predicts_one_class


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex is installed")
def test_summary_tex_compiles_alone_and_within_a_text(written, tmp_path):
    shutil.copy(written.folder / "summary.tex", tmp_path)
    thesis = "\\documentclass{article}\n\\begin{document}\n\\input{summary}\n\\end{document}\n"
    (tmp_path / "thesis.tex").write_text(thesis)
    for name in ("summary", "thesis"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout[-2000:]


def test_letters_that_latex_reads_otherwise_are_escaped():
    assert tex("50% a_b & {c} −1 ± 犬") == "50\\% a\\_b \\& \\{c\\} $-$1 $\\pm$ ?"


@pytest.mark.parametrize(
    ("scores", "positive", "area"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5], [0, 1, 1], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),  # scikit-learn's example
        ([0.1, 0.2], [1, 1], None),
    ],
)
def test_area_under_roc(scores, positive, area):
    assert area_under_roc(np.array(scores), np.array(positive, dtype=bool)) == area


# --- while runs go on ------------------------------------------------------------------------


def test_a_live_report_lets_no_one_wait_and_is_written_one_at_a_time():
    held, written = threading.Event(), []

    def write(number: int) -> None:
        held.wait(10)
        written.append(number)

    with LiveReport(write, seconds=0) as live:
        started = time.monotonic()
        live.update(1)
        live.update(2)
        assert time.monotonic() - started < 5
        held.set()
    assert written == [1]


def test_a_live_report_is_written_no_more_often_than_said():
    written = []
    with LiveReport(written.append, seconds=3600) as live:
        live.update(1)
        live.under_way.result(10)
        live.update(2)
    assert written == [1]


# --- in a browser ----------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom"]
# A window is at least 500 pixels wide; a frame may be as narrow as a phone.
FRAME = """<iframe id="frame" src="page.html" style="width: {width}px; height: 900px"></iframe>
<script>onload = () => {{ const page = frame.contentDocument, root = page.documentElement;
document.title = [{values}].join(); }}</script>"""
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium (Debian: chromium)")


def browse(written: Report, folder: Path, width: int, values: str) -> list[str]:
    """Open the page in a frame, and give what JavaScript expressions on `page`, `root` say."""
    shutil.copy(written.folder / "report.html", folder / "page.html")
    write_text(folder / "frame.html", FRAME.format(width=width, values=values))
    place = [f"--user-data-dir={folder}/profile", (folder / "frame.html").as_uri()]
    ended = subprocess.run([CHROMIUM, *FLAGS, *place], capture_output=True, text=True, timeout=100)
    assert "CONSOLE" not in ended.stderr, ended.stderr
    return re.search("<title>(.*?)</title>", ended.stdout)[1].split(",")


@needs_browser
@pytest.mark.parametrize("width", [1200, 390])
def test_in_a_browser_pictures_load_and_nothing_runs_off(width, written, tmp_path):
    broken = "[...page.images].filter(image => !image.naturalWidth).length"
    values = f"{broken}, root.scrollWidth - root.clientWidth"
    assert browse(written, tmp_path, width, values) == ["0", "0"]


@needs_browser
def test_in_a_wide_window_the_table_of_all_settings_needs_no_scrolling(written, tmp_path):
    last = "page.querySelectorAll('#settings td:last-child')"
    longest = f"{last}.forEach(cell => {{ cell.textContent = 'still improving 5, diverged 1' }})"
    table = "page.querySelector('#settings .wide')"
    values = f"({longest}, {table}.scrollWidth - {table}.clientWidth)"
    assert browse(written, tmp_path, 1200, values) == ["0"]


@needs_browser
def test_on_a_phone_single_curves_are_folded(written, tmp_path):
    values = (
        "page.querySelectorAll('.curves').length, page.querySelectorAll('.curves[open]').length"
    )
    assert browse(written, tmp_path, 390, values) == ["1", "0"]


@needs_browser
def test_a_picture_opens_over_the_whole_page(written, tmp_path):
    box = "page.querySelector('#answer-picture a').getBoundingClientRect()"
    click = "page.querySelector('#answer-picture a').click()"
    values = f"({click}, Math.round({box}.width) - root.clientWidth), {box}.top"
    assert browse(written, tmp_path, 600, values) == ["0", "0"]


@needs_browser
def test_a_picture_that_is_opened_and_closed_keeps_the_place(written, tmp_path):
    figure = "page.querySelectorAll('.panels figure')[1]"
    clicks = f"{figure}.querySelector('.open').click(), {figure}.querySelector('.close').click()"
    values = f"(root.scrollTop = 900, {clicks}, root.scrollTop)"
    assert browse(written, tmp_path, 1200, values) == ["900"]
