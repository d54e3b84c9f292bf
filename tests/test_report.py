"""From made-up runs to the page and its tables: true words, whole files, no foreign markup."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
import pytest
from conftest import PATIENCE, PROJECT, make_photos, read_table
from made_up import BASE, CHANCE, SIX, made, make

from dataset import load_data
from records.files import write_csv, write_text
from records.finished import (
    PREDICTION_COLUMNS,
    PREDICTIONS,
    accuracies_text,
    read_predictions,
)
from records.runs import HISTORY, HISTORY_COLUMNS
from report import answer, examples, page
from report.results import Result, settings_of, write_accuracies
from report.roc import roc_of
from report.rules import Chance
from report.summary import OfClass, Recognition, area_under_roc, recognition
from report.words import markdown, or_larger_class, tex
from studies.settings import runs_of

pytestmark = pytest.mark.filterwarnings("error")
TABLES = ("summary.csv", "summary.md", "summary.tex")


class Report:
    """Five made-up runs on small images: three seeds of the base, batch sizes 16 and 32."""

    def __init__(self, folder: Path, studies: dict | None = None) -> None:
        for path in make_photos(folder / "photos").glob("*/cat"):
            path.rename(path.with_name("<script>x"))
        self.folder = folder / "out/result"
        self.data = load_data(str(folder / "photos"), 16)
        studies = studies or {"Change_batch_size": [16, 32]}
        self.runs = runs_of(studies, BASE, range(3), range(1))
        self.results = []
        for place, run in enumerate(self.runs):
            result = made(run, SIX[place % len(SIX)], out=folder / "out")
            self.results.append(result)
            write_history(result)
            self.predict(result, lambda index: index % 2)

    def predict(self, result: Result, predicted: Callable[[int], int]) -> None:
        """Write predictions of the test images: the class that `predicted` gives for each."""
        data, rows = self.data, []
        for index in data.splits["test"]:
            true_class = data.classes[data.targets[index]]
            predicted_class = data.classes[predicted(index)]
            rows.append((data.names[index], true_class, predicted_class, 0.9))
        write_csv(result.folder / PREDICTIONS, PREDICTION_COLUMNS, rows)

    def write(self, done: int | None = None, to_do: int = 0, failed: tuple = ()) -> str:
        """Write the report of some of the runs; the page."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page, "results_of", lambda *_: self.results[:done])
            page.write_report(self.folder.parent, self.runs, self.data, [], to_do, list(failed))
        return (self.folder / "report.html").read_text(encoding="utf-8")


def write_history(result: Result) -> None:
    """Write a made-up history where its pictures are drawn from."""
    write_csv(result.folder / HISTORY, HISTORY_COLUMNS, result.history)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Report:
    """A report that no test changes."""
    report = Report(tmp_path_factory.mktemp("report"))
    report.write()
    return report


def copy_of(written: Report, folder: Path) -> Report:
    """The same report in another folder, with pictures that need not be drawn again."""
    copy = Report(folder)
    shutil.copytree(written.folder, copy.folder, dirs_exist_ok=True)
    return copy


@pytest.fixture
def report(written, tmp_path) -> Report:
    """A report that a test may change."""
    return copy_of(written, tmp_path)


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


def test_files_that_the_page_links_to_are_beside_it(written):
    html = (written.folder / "report.html").read_text()
    links = set(re.findall(r'href="([^#].*?)"', html))
    assert {"summary.tex", "answer.pdf", "Change_batch_size/comparison.pdf"} <= links
    missing = [link for link in links if not (written.folder / unquote(link)).exists()]
    assert missing == []


def test_a_growing_page_links_to_no_picture_that_is_drawn_at_the_end(growing):
    assert not re.findall(r'href="[^"]*\.pdf"', growing)


def test_how_the_end_of_a_training_is_judged_stands_once_in_the_method(written):
    html = (written.folder / "report.html").read_text()
    assert html.count("How a training ended: diverged") == 1
    assert html.index('id="method"') < html.index("How a training ended: diverged")


def recalled(first: float, second: float, one_class: int = 0) -> SimpleNamespace:
    """What of a setting's line tells its recalls."""
    of_classes = [OfClass(first, 0.5, 0.5), OfClass(second, 0.5, 0.5)]
    return SimpleNamespace(of_classes=of_classes, one_class=one_class)


@pytest.mark.parametrize(
    ("others", "least_like"),
    [
        ([recalled(0.8, 0.7), recalled(0.75, 0.5), recalled(0.9, 0.6)], 1),
        ([recalled(0.8, 0.7), recalled(1.0, 0.0, one_class=1)], 0),  # a warning tells of it
    ],
)
def test_beside_the_base_stands_the_setting_least_like_it_in_recall(others, least_like):
    base = recalled(0.8, 0.8)
    assert page.confused_of([base, *others]) == [base, others[least_like]]


def test_a_sentence_says_how_the_setting_least_like_the_base_recalls_the_classes(written):
    text = text_of((written.folder / "report.html").read_text())
    of_both = r"recognises [\d.]+% of .* and [\d.]+% of .*"
    assert re.search(f"each class, batch size 16 {of_both}; the base {of_both}", text)


def test_bibtex_is_that_of_citation_cff(written):
    text = text_of((written.folder / "report.html").read_text())
    title = page.citation_in(PROJECT)["title"]
    assert title.startswith("What changes")
    assert f"title = {{{{{title}}}}}, author = {{{{The maintainers" in text


def test_a_copy_without_citation_cff_names_nothing_to_cite(tmp_path):
    assert page.citation_in(tmp_path) == {}


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


@pytest.fixture(scope="module")
def growing(written, tmp_path_factory) -> str:
    """The page while a run is open."""
    report = copy_of(written, tmp_path_factory.mktemp("growing"))
    return report.write(done=3, to_do=1)


def test_open_runs_are_counted(growing):
    assert "1 training still to be done" in growing


@pytest.mark.parametrize("way", ['http-equiv="refresh"', "location.reload()"])
def test_while_runs_are_open_the_page_reloads_itself(way, growing):
    assert way in growing


def test_a_page_at_rest_does_not_reload(written):
    html = (written.folder / "report.html").read_text()
    assert "reload()" not in html
    assert 'http-equiv="refresh"' not in html


def test_missing_trainings_are_counted_those_that_studies_share_once(report):
    assert "2 of the 4 trainings of all studies done" in report.write(done=2)
    assert "trainings done" not in report.write()


def test_failed_runs_are_named(report):
    assert "failed: Change_batch_size/&lt;i&gt;" in report.write(failed=("Change_batch_size/<i>",))


@pytest.mark.parametrize(
    "part", ["batch size", "too close to tell; the true differences may be", "4 trainings"]
)
def test_the_answer_stands_before_the_contents(part, written):
    html = (written.folder / "report.html").read_text()
    assert part in html[: html.index("<nav")]


def test_warnings_stand_before_the_picture(report):
    report.data = replace(report.data, warnings=("Two images are equal.",))
    html = report.write()
    warned = html.index('<p class="warn">Two images are equal.')
    assert warned < html.index('id="answer-picture"')


def test_a_validation_accuracy_of_0_is_shown(report):
    for result in report.results:
        result.history[:] = [epoch._replace(valid_accuracy=0.0) for epoch in result.history]
    assert "validation accuracy 0.0%" in report.write()


def test_the_share_of_the_larger_class_stands_beside_the_counts(report):
    splits = report.data.splits | {"test": report.data.splits["test"][:6]}
    report.data = replace(report.data, splits=splits)
    for result in report.results:
        report.predict(result, lambda index: index % 2)
    assert "test 5 1 83.3%" in text_of(report.write())


def test_a_setting_that_always_predicts_one_class_is_told(report):
    report.predict(report.results[3], lambda index: 0)
    told = "Predicts the same class for every test image, so its accuracy is only the share"
    assert f"{told} of that class: batch size 16." in text_of(report.write())


def test_a_setting_that_predicts_both_classes_is_not_told(written):
    assert "Predicts the same class" not in (written.folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("predicted", "told"),
    [(0, "dog taken for <script>x 90%"), (1, "<script>x taken for dog 90%")],
)
def test_a_mistake_shows_the_true_class_first(predicted, told, report):
    report.predict(report.results[0], lambda index: predicted)
    assert told in text_of(report.write())


def test_every_mistake_is_shown(report):
    report.predict(report.results[0], lambda index: 0)
    text = text_of(report.write())
    assert text.count("taken for") == 5 + 1  # of the ten test images, and in a sentence


@pytest.mark.parametrize(("loss", "told"), [("L1Loss", True), ("CrossEntropyLoss", False)])
def test_softmax_of_other_losses_is_said_to_be_no_calibrated_probability(loss, told, report):
    for result in report.results:
        result.run.settings["loss_function"] = loss
    assert ("is no calibrated probability" in report.write()) == told


@pytest.mark.parametrize(
    ("source", "told"),
    [("cifar10", True), ("/data/photos", False), ("shapes", False)],
)
def test_the_course_reports_numbers_stand_beside_comparable_data_only(source, told, report):
    report.data = replace(report.data, source=source)
    assert ("74.8 and 73.6%" in report.write()) == told


def test_the_page_says_what_to_cite(written):
    text = text_of((written.folder / "report.html").read_text())
    assert re.search(r"photos, 16 × 16 pixels: 16 train, 4 valid, 10 test", text)
    assert "A method text:" in text


@pytest.fixture(scope="module")
def with_grid(tmp_path_factory) -> str:
    """The page of a grid, of which a cell is the base, with one seed of three."""
    losses = ["CrossEntropyLoss", "L1Loss"]
    grid = {"loss_function": losses, "learning_rate": [0.01, 0.1]}
    report = Report(tmp_path_factory.mktemp("grid"), {"Loss_by_rate": grid})
    return report.write()


@pytest.mark.parametrize("name", ["map", "loss", "roc"])
def test_a_grid_has_its_pictures(name, with_grid):
    assert f'id="Loss_by_rate-{name}"' in with_grid


def test_the_method_says_that_settings_of_a_grid_differ_in_several_values(with_grid):
    told = "each of 3 settings that differ from it in one or more values"
    assert told in text_of(with_grid)


def test_a_setting_of_a_grid_is_named_by_its_values(with_grid):
    assert "loss function L1Loss, learning rate 0.01" in text_of(with_grid)


def test_with_nothing_new_no_picture_is_written_again(report):
    report.write()
    pictures = [*report.folder.rglob("*.png"), *report.folder.rglob("*.pdf")]
    before = [picture.stat().st_mtime_ns for picture in pictures]
    report.write()
    assert len(pictures) > 10
    assert [picture.stat().st_mtime_ns for picture in pictures] == before


def test_in_its_study_the_base_is_judged_by_all_its_seeds():
    rising = {"losses": [0.7] + [0.5] * 9 + [0.6] * 10, "train": 0.9}
    studies, answer = make({"seed 1": rising, "seed 2": rising}, base=SIX[:3])
    findings = page.findings_of(studies["Change_epochs"], answer)
    told = [finding.values for finding in findings if finding.kind == "overfitting"]
    counts = [(values["label"], values["count"], values["seeds"]) for values in told]
    assert counts == [("20", 2, 3), ("80", 0, 3)]


def test_the_method_says_how_much_the_settings_differ_from_the_base(written, tmp_path):
    text = text_of((written.folder / "report.html").read_text())
    assert "with 3 seeds, each of 1 setting that differs from it in one value with 1 seed." in text


def test_a_grid_of_more_curves_than_can_be_told_apart_shows_its_map_alone():
    rates = [0.001 * number for number in range(1, 10)]
    grid = {"loss_function": ["CrossEntropyLoss", "L1Loss"], "learning_rate": rates}
    studies, answer = make(studies={"Loss_by_rate": grid})
    assert page.study_of(studies["Loss_by_rate"], answer).panels == {}


@pytest.mark.parametrize(
    "sentence",
    [
        "The mean is 74.7%, the standard deviation 0.6 points.",
        "an image of dog gets a higher score for dog than one of <script>x (0.5 is guessing)",
        "weights kept: those of epoch 3, validation accuracy 75.0%",
        "mean ± standard deviation of 3 seeds; curves and weights of the first",
        "too close to tell weights kept: those of epoch 3",
        "lies within 2 points either way",
        "The best guess is the base. With seed 0 it got 2.59 of 10 test images wrong.",
        "A picture that is no square was squeezed to one. split <script>x dog larger class train 8",
    ],
)
def test_a_page_at_rest_says_what_is_so(sentence, written):
    assert sentence in text_of((written.folder / "report.html").read_text())


@pytest.mark.parametrize(
    "sentence", ["in the table alone", "the initial ones", "diverged at", "commit ,"]
)
def test_a_page_at_rest_says_nothing_that_is_not_so(sentence, written):
    assert sentence not in text_of((written.folder / "report.html").read_text())


def test_the_page_names_the_commit_if_there_is_one(written):
    text = text_of((written.folder / "report.html").read_text())
    assert ("the program’s commit is" in text) == bool(page.commit_of(PROJECT))


def test_images_that_the_program_draws_are_said_to_be(report):
    report.data = replace(report.data, source="shapes")
    assert "They are drawn by the program" in report.write()


@pytest.mark.parametrize(
    ("anchor", "name"),
    [("Change_batch_size", "batch size 16"), ("noise", "the base")],
)
def test_a_row_of_the_table_links_to_its_study(anchor, name, written):
    html = (written.folder / "report.html").read_text()
    assert f'<th scope="row"><a href="#{anchor}">{name}</a>' in html


@pytest.fixture(scope="module")
def with_last_epoch(written, tmp_path_factory) -> Report:
    """A report in which the last epoch of batch size 16 has another accuracy than the kept one."""
    report = copy_of(written, tmp_path_factory.mktemp("last"))
    result = report.results[3]
    report.results[3] = result._replace(test=result.test | {"last_correct": 6.1})
    report.write()
    return report


def test_a_row_of_the_table_holds_all_of_a_setting(with_last_epoch):
    text = text_of((with_last_epoch.folder / "report.html").read_text())
    difference = r"\+1\.6 \(−\S+ to \+\S+\)"
    cells = rf"batch size 16 1 76\.3 too close to tell {difference} 61\.0 0\.600"
    assert re.search(cells, text)


def test_the_table_tells_the_seconds_of_a_setting_and_of_all(report):
    for place, seconds in enumerate((10, 20, 60, 7, 10)):
        result = report.results[place]
        train, test = result.train | {"seconds": seconds}, result.test | {"seconds": 2}
        report.results[place] = result._replace(train=train, test=test)
    table = report.write().partition('id="settings"')[2]
    text = text_of(table.partition("</table>")[0])
    assert re.search(r"the base 3 .* 0\.600 30 \w.* batch size 16 1 .* 0\.600 7 ", text)
    assert text.endswith("all trainings and tests, each once 105")  # batch size 32 is the base


@pytest.mark.parametrize(("goes_on", "seconds"), [(True, 32), (False, 42)])
def test_the_time_of_a_training_holds_that_of_the_one_it_went_on_from(
    goes_on, seconds, monkeypatch
):
    monkeypatch.setattr(page, "GOES_ON", goes_on)
    results = []
    for run in runs_of({"Change_epochs": [40]}, BASE, range(1), range(1)):
        result = made(run)
        train = result.train | {"seconds": run.settings["epochs"] / 2}
        results.append(result._replace(train=train, test=result.test | {"seconds": 6}))
    assert page.computing_seconds(results) == seconds


def test_the_accuracy_of_the_last_epoch_stands_beside_that_of_the_kept_one(
    with_last_epoch,
):
    text = text_of((with_last_epoch.folder / "report.html").read_text())
    assert "last epoch: 61.0%" in text


def test_results_csv_has_the_accuracy_of_the_last_epoch(with_last_epoch):
    rows = read_table(with_last_epoch.folder / "results.csv")
    assert rows[3]["last_test_accuracy"] == "0.610000"


def test_summary_csv_has_a_difference_within_its_ends(written):
    row = read_table(written.folder / "summary.csv")[1]
    low, high = float(row["low_points"]), float(row["high_points"])
    assert low < float(row["difference_points"]) < high


def test_a_setting_of_which_some_seeds_predict_one_class_is_told_with_their_number(
    report,
):
    report.predict(report.results[1], lambda index: 0)
    assert "of that class: the base (1 of 3 seeds)." in text_of(report.write())


def test_a_setting_that_diverged_is_told_with_its_epoch(report):
    out = report.folder.parent
    report.results[3] = made(report.runs[3], 0.7, losses=(0.7, 0.6, np.nan), out=out)
    write_history(report.results[3])
    assert "diverged at epoch 3: the loss was no number" in text_of(report.write())


@pytest.mark.parametrize(
    ("chance", "told"),
    [
        (CHANCE, "The best guess is the base. With seed 0"),
        (
            Chance(0.9, 400, 0.9, 400),
            "No setting learned; these are of the base. With seed 0",
        ),
    ],
)
def test_mistakes_are_those_of_the_best_guess_if_there_is_one(chance, told, report, monkeypatch):
    monkeypatch.setattr(answer, "chance_of", lambda data: chance)
    assert told in text_of(report.write())


def test_of_mistakes_those_it_was_surest_of_come_first(report):
    path = report.results[0].folder / PREDICTIONS
    rows = read_table(path)
    for number, row in enumerate(rows):
        row["probability"] = str(0.6 + 0.01 * number)
    write_csv(path, PREDICTION_COLUMNS, [list(row.values()) for row in rows])
    mistakes = examples.mistakes_of(report.results[0], report.data)
    probabilities = [mistake.probability for mistake in mistakes]
    assert len(mistakes) == 4
    assert probabilities == sorted(probabilities, reverse=True)


def test_what_guessing_reaches_is_counted_on_the_images_of_each_split(written):
    assert answer.chance_of(written.data) == (0.5, 4, 0.5, 10)


# --- tables ----------------------------------------------------------------------------------


def test_results_csv_has_a_row_for_each_run(written):
    assert len(read_table(written.folder / "results.csv")) == len(written.runs)


def test_results_csv_tells_which_runs_are_copies(written):
    rows = read_table(written.folder / "results.csv")
    assert [row["copy_of"] for row in rows] == ["", "", "", "", "Change_seed/0"]


def test_summary_csv_has_a_row_for_each_setting_the_base_once(written):
    rows = read_table(written.folder / "summary.csv")
    seeds = {row["setting"]: row["seeds"] for row in rows}
    assert seeds == {"the base": "3", "batch size 16": "1"}
    assert len(rows) == 2


@pytest.mark.parametrize("name", TABLES)
def test_every_table_holds_the_difference_from_the_base(name, written):
    difference = SIX[3] - np.mean(SIX[:3])
    text = (written.folder / name).read_text().replace("$-$", "−")
    shown = f"{100 * difference:+.1f}"
    if name == "summary.csv":
        shown = f"{100 * difference:.4f}"
    assert shown.replace("-", "−") in text.replace("-", "−")


@pytest.fixture
def recognised(tmp_path) -> Recognition:
    """Of predictions of three cats, of which one is taken for a dog, and one dog."""
    rows = [
        ("a", "cat", "cat", 0.9),
        ("b", "cat", "dog", 0.6),
        ("c", "dog", "dog", 0.8),
        ("d", "cat", "cat", 0.7),
    ]
    write_csv(tmp_path / PREDICTIONS, PREDICTION_COLUMNS, rows)
    return recognition(read_predictions(tmp_path), ["cat", "dog"])


def test_recalls_are_those_of_the_predictions(recognised):
    assert [one.recall for one in recognised.of_classes] == [pytest.approx(2 / 3), 1.0]


def test_precision_and_f1_are_those_of_the_predictions(recognised):
    cat, dog = recognised.of_classes
    assert (cat.precision, dog.precision) == (1.0, 0.5)
    assert (cat.f1, dog.f1) == (pytest.approx(0.8), pytest.approx(2 / 3))


LARGER_CLASS = "Larger class: 90.0000%, the accuracy of always saying it"


@pytest.mark.parametrize(
    ("correct", "last", "told"), [(90, 95, True), (91, 90, True), (91, 91, False)]
)
def test_an_accuracy_that_the_larger_class_gets_is_told_so(correct, last, told):
    record = {"correct": correct, "last_correct": last, "test_images": 100, "larger_class": 90}
    lines = accuracies_text(record).splitlines()
    assert lines[0] == f"Test accuracy: {correct}.0000%"
    assert lines[2:] == [LARGER_CLASS] * told


@pytest.fixture
def unequal(report) -> Report:
    """A report in which the last epoch of the base is as right as always to say one class."""
    for place, result in enumerate(report.results):
        test = result.test | {"correct": 9.5, "last_correct": 9, "larger_class": 9}
        report.results[place] = result._replace(test=test)
    report.write()
    return report


@pytest.mark.parametrize("name", ["report.html", "summary.md"])
def test_the_larger_class_stands_beside_an_accuracy_that_does_not_exceed_it(name, unequal):
    text = text_of((unequal.folder / name).read_text())
    assert "90.0 (larger class 90.0)" in text
    assert "95.0 (larger class" not in text
    assert "95.0 ± 0.0 (larger class" not in text


def test_the_larger_class_stands_in_the_curves_cell_of_a_study(unequal):
    text = text_of((unequal.folder / "report.html").read_text())
    assert "last epoch: 90.0% (larger class 90.0)" in text


def test_a_mean_of_shares_that_equal_the_larger_class_does_not_exceed_it():
    assert or_larger_class([0.72] * 3, 0.72) == " (larger class 72.0)"  # the mean is 0.7200…01


def test_acc_txt_of_several_seeds_tells_the_larger_class(unequal, tmp_path):
    seeds = [result._replace(view=tmp_path / "seed_0") for result in unequal.results[:3]]
    write_accuracies(settings_of(seeds)[0])
    assert (tmp_path / "acc.txt").read_text().splitlines()[-1] == LARGER_CLASS


def test_the_area_is_that_of_the_predictions(recognised):
    assert recognised.auc == 1.0


def test_predictions_of_both_classes_are_not_those_of_one(recognised):
    assert not recognised.predicts_one_class


needs_latex = pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex is installed")


def compile_tex(name: str, folder: Path) -> str:
    """What pdflatex says of a text, which has to compile."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-2000:]
    return ended.stdout


@needs_latex
@pytest.mark.parametrize("name", ["summary", "thesis"])
def test_summary_tex_compiles_alone_or_within_a_text(name, written, tmp_path):
    shutil.copy(written.folder / "summary.tex", tmp_path)
    thesis = "\\documentclass{article}\n\\usepackage{booktabs,siunitx}\n"
    thesis += "\\begin{document}\n\\input{summary}\n\\end{document}\n"
    (tmp_path / "thesis.tex").write_text(thesis)
    assert "Overfull" not in compile_tex(name, tmp_path)


@needs_latex
def test_every_letter_of_a_name_compiles(report, tmp_path):
    letters = [chr(number) for number in range(32, 256)]
    report.data = replace(report.data, classes=["".join(letters), "犬 \\\\[1em] %"])
    for result in report.results:
        report.predict(result, lambda index: index % 2)
    report.write()
    shutil.copy(report.folder / "summary.tex", tmp_path)
    compile_tex("summary", tmp_path)


def test_no_letter_of_a_name_is_markup_of_a_markdown_table():
    assert markdown("<b>_a_</b> `b`|") == "\\<b\\>\\_a\\_\\</b\\> \\`b\\`\\|"
    assert markdown("[a](b) *c*") == "\\[a\\](b) \\*c\\*"


def test_a_folder_of_images_is_named_and_not_obeyed_by_a_terminal(report):
    report.data = replace(report.data, source="/photos/\x1b[31m")
    assert "/" not in report.data.title
    assert "\x1b" not in report.write() + (report.folder / "summary.tex").read_text()


def test_letters_that_latex_reads_otherwise_are_escaped():
    assert tex("50% a_b & {c} −1 ± 犬") == "50\\% a\\_b \\& \\{c\\} $-$1 $\\pm$ ?"


@pytest.mark.parametrize(
    ("scores", "positive", "area"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5], [0, 1, 1], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),  # scikit-learn's example
    ],
)
def test_area_under_roc(scores, positive, area):
    scores, positive = np.array(scores), np.array(positive, dtype=bool)
    assert area_under_roc(scores, positive) == area
    alarms, hits = roc_of(scores, positive)
    assert np.trapezoid(hits, alarms) == area


# --- in a browser ----------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--enable-logging=stderr",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--virtual-time-budget=5000",
    "--dump-dom",
]
# A window is at least 500 pixels wide; a frame may be as narrow as a phone.
FRAME = """<iframe id="frame" src="page.html" style="width: {width}px; height: 900px"></iframe>
<script>onload = () => {{ const page = frame.contentDocument, root = page.documentElement;
document.title = [{values}].join(); }}</script>"""
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium (Debian: chromium)")


def browse(written: Report, folder: Path, width: int, values: str) -> list[str]:
    """Open the page in a frame, and give what JavaScript expressions on `page`, `root` say."""
    shutil.copy(written.folder / "report.html", folder / "page.html")
    write_text(folder / "frame.html", FRAME.format(width=width, values=values))
    profile = f"--user-data-dir={folder}/profile"
    command = [CHROMIUM, *FLAGS, profile, (folder / "frame.html").as_uri()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert "CONSOLE" not in ended.stderr, ended.stderr
    title = re.search("<title>(.*?)</title>", ended.stdout)[1]
    return title.split(",")


class Browsed(NamedTuple):
    """Pictures of the page that did not load, and pixels by which it is too wide."""

    broken: str
    too_wide: str


@pytest.fixture(scope="module", params=[1200, 390])
def browsed(request, written, tmp_path_factory) -> Browsed:
    """The page in a window of this width."""
    broken = "[...page.images].filter(image => !image.naturalWidth).length"
    values = f"{broken}, root.scrollWidth - root.clientWidth"
    folder = tmp_path_factory.mktemp("browsed")
    return Browsed(*browse(written, folder, request.param, values))


@needs_browser
def test_in_a_browser_pictures_load(browsed):
    assert browsed.broken == "0"


@needs_browser
def test_in_a_browser_nothing_runs_off(browsed):
    assert browsed.too_wide == "0"


@needs_browser
def test_in_a_wide_window_the_table_of_all_settings_needs_no_scrolling(unequal, tmp_path):
    last = "page.querySelectorAll('#settings td:last-child')"
    longest = f"{last}.forEach(cell => {{ cell.textContent = 'still improving 5, diverged 1' }})"
    table = "page.querySelector('#settings .wide')"
    values = f"({longest}, {table}.scrollWidth - {table}.clientWidth)"
    assert browse(unequal, tmp_path, 1200, values) == ["0"]


@needs_browser
def test_on_a_phone_single_curves_are_folded(written, tmp_path):
    curves = "page.querySelectorAll('section > details > .study').length"
    unfolded = "page.querySelectorAll('details[open] > .study').length"
    assert browse(written, tmp_path, 390, f"{curves}, {unfolded}") == ["1", "0"]


@needs_browser
def test_on_a_phone_the_verdict_is_on_the_screen(written, tmp_path):
    cells = "[...page.querySelectorAll('.settings th:nth-child(4), .settings td:nth-child(4)')]"
    every = "page.querySelectorAll('#settings td')"
    longest = f"{every}.forEach(cell => {{ cell.textContent = 'too close to tell' }})"
    right = f"Math.max(...{cells}.map(cell => cell.getBoundingClientRect().right))"
    assert browse(written, tmp_path, 390, f"({longest}, {right} < 390)") == ["true"]


@needs_browser
def test_a_picture_opens_over_the_whole_page(written, tmp_path):
    box = "page.querySelector('#answer-picture a').getBoundingClientRect()"
    click = "page.querySelector('#answer-picture a').click()"
    values = f"({click}, Math.round({box}.width) - root.clientWidth), {box}.top"
    assert browse(written, tmp_path, 600, values) == ["0", "0"]


@needs_browser
def test_a_picture_opened_for_a_while_keeps_the_place(written, tmp_path):
    figure = "page.querySelectorAll('.panels figure')[1]"
    clicks = f"{figure}.querySelector('.open').click(), {figure}.querySelector('.close').click()"
    values = f"(root.scrollTop = 900, {clicks}, root.scrollTop)"
    assert browse(written, tmp_path, 1200, values) == ["900"]
