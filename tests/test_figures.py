"""Pictures from made-up runs: what they show, where they are cut, when they are drawn again."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up import CURVE, DIVERGED, SIX, curve, made, make
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from records.files import write_csv
from records.finished import PREDICTION_COLUMNS, PREDICTIONS
from records.runs import HISTORY, HISTORY_COLUMNS
from report import figures, roc, study
from report.answer import Answer
from report.differences import Entry, answer_entries, draw_answer, held_in, study_entries, title_of
from report.figures import draw_confusion_matrix, draw_curves, draw_picture
from report.heatmap import draw_heat_map, map_of
from report.results import Setting
from report.study import draw_study

pytestmark = pytest.mark.filterwarnings("error")
LONG = "BinaryCrossEntropyLossWithLogits"  # a name that pictures cut
RATES = {"Change_learning_rate": [0.001, 0.01, 0.1]}
GRID = {
    "Loss_by_rate": {
        "loss_function": ["L1Loss", "MSELoss"],
        "learning_rate": [0.001, 0.1],
    }
}


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """Every figure that is saved: without a warning, nothing cut off at an edge."""
    saved: list[Figure] = []

    def save_picture(make_figure: Callable[[bool], Figure], path: Path, digest: str) -> None:
        is_for_print = path.suffix == ".pdf"
        with figures.styled(is_for_print):
            figure = make_figure(is_for_print)
            figure.draw_without_rendering()
            check_edges(figure)
            check_overlaps(figure)
        saved.append(figure)

    monkeypatch.setattr(figures, "save_picture", save_picture)
    return saved


def check_edges(figure: Figure) -> None:
    """Nothing is cut off at an edge."""
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) > -0.01
    assert box.x1 < width + 0.01
    assert box.y1 < height + 0.01


def check_overlaps(figure: Figure) -> None:
    """No text covers another one, neither a text nor a legend covers data."""
    boxes = {text.get_text(): shrunk(text) for text in texts_shown(figure)}
    for (text, box), (other, other_box) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(other_box), f"{text!r} covers {other!r}"
    for number, legend in enumerate(legends_of(figure)):
        boxes[f"legend {number}"] = shrunk(legend)
    for axes in figure.axes:
        points = points_of(axes)
        for text, box in boxes.items():
            inside = (points > (box.x0, box.y0)) & (points < (box.x1, box.y1))
            assert not inside.all(axis=1).any(), f"{text!r} covers data"


def shrunk(artist: Artist) -> Bbox:
    """The box of an artist in pixels, without the air around letters."""
    return artist.get_window_extent().padded(-1.5)


def legends_of(figure: Figure) -> list[Legend]:
    inside = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return [*figure.legends, *inside]


def texts_shown(figure: Figure) -> list[Text]:
    """The texts of a figure: of ticks those that are drawn."""
    found = list(figure.texts)
    if figure._supxlabel:
        found.append(figure._supxlabel)
    for legend in legends_of(figure):
        found += [*legend.get_texts(), legend.get_title()]
    for axes in figure.axes:
        found += [axes.title, axes._left_title, axes._right_title, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            found += [axis.label, *(tick.label1 for tick in axis._update_ticks())]
    return [text for text in found if text.get_text().strip()]


def points_of(axes: Axes) -> np.ndarray:
    """Points along the curves and at the marks of axes, in pixels, float (points, 2)."""
    points = [np.empty((0, 2))]
    for line in axes.lines:
        if line.get_transform() != axes.transData:  # a line across the axes is no data
            continue
        ends = axes.transData.transform(np.ma.filled(line.get_xydata().astype(float), np.nan))
        points.append(ends)
        for start, stop in itertools.pairwise(ends):
            points.append(np.linspace(start, stop, 20))
    every = np.concatenate(points)
    within = axes.bbox
    is_shown = (every >= (within.x0, within.y0)) & (every <= (within.x1, within.y1))
    return every[is_shown.all(axis=1)]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_of_several_values_the_last_one_is_shown_whole():
    assert figures.short("CrossEntropyLoss, 0.01") == "CrossEntropyL…, 0.01"


def draw_all(tmp_path: Path, for_print: bool = False, **options) -> None:
    """Draw the answer and every study, for the screen and perhaps for print."""
    studies, answer = make(**{"seeds": 1} | options)
    for settings in studies.values():
        draw_study(tmp_path, settings, held_in(answer), for_print)
        if settings[0].is_of_grid:
            draw_heat_map(tmp_path / "heatmap.png", map_of(settings, answer), for_print)
    if answer.rows:
        entries = entries_of(studies, answer)
        draw_answer(tmp_path / "answer.png", entries, "Test accuracy", for_print)


def write_histories(folder: Path, setting: Setting) -> list[Path]:
    """Write the history of each seed; their folders."""
    folders = []
    for result in setting.results:
        folders.append(folder / str(result.seed))
        write_csv(folders[-1] / HISTORY, HISTORY_COLUMNS, result.history)
    return folders


def entries_of(studies: dict[str, list[Setting]], answer: Answer) -> list[Entry]:
    """What the answer's picture shows."""
    varied = [setting for of_study in studies.values() for setting in of_study if setting.varied]
    return answer_entries(varied, held_in(answer))


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({"seeds": 3, "changes": {0.1: DIVERGED}}, "0.1"),
        (
            {
                "changes": {"base": DIVERGED, 0.001: DIVERGED, 0.1: DIVERGED},
                "studies": RATES,
            },
            "0.1",
        ),
        (
            {
                "changes": {0.1: {"losses": [1e9] * 20, "shift": -0.7}},
                "studies": RATES,
            },
            "0.1",
        ),
        (
            {"studies": {"Change_loss_function": ["w" * 40, "L1Loss"]}},
            "w" * 19 + "…",
        ),
        ({"studies": {"Change_batch_size": list(range(1, 25))}}, "1"),
        ({"studies": GRID}, "L1Loss"),
        (
            {"studies": GRID, "changes": {0.1: {"valid": 0.5}}},
            "74.1\nnot learned",
        ),
        ({"base": SIX[:1], "studies": RATES}, "0.1"),
    ],
)
def test_pictures_of_odd_runs_can_be_drawn(options, label, drawn, tmp_path):
    draw_all(tmp_path, **options)
    labels = [text for figure in drawn for text in texts(figure)]
    assert label in labels


def random_curves(seed: int, epochs: int) -> dict:
    """Changes for make(): curves that wander, one of which explodes now and then."""
    numbers = np.random.default_rng(seed)
    changes = {}
    names = [20, 40, 80, 16, 32, 64, 128, 0.001, 0.01, 0.1, "L1Loss", "MSELoss", "base"]
    for name in [*names, *(f"seed {number}" for number in range(6))]:
        steps = numbers.normal(-0.01, 0.05, epochs)
        losses = np.maximum(0.7 + steps.cumsum(), 0.01) * numbers.choice([1, 1, 1, 9])
        shares = {"train": numbers.uniform(0, 1, epochs), "valid": numbers.uniform(0, 1, epochs)}
        shift = numbers.choice([0, 0.001, -0.05, -0.3])
        changes[name] = {"losses": losses.tolist(), "shift": shift, **shares}
    return changes


def random_predictions(seed: int) -> list[dict[str, str]]:
    """Rows of predictions.csv that are right as often as chance has it."""
    numbers = np.random.default_rng(seed)
    rows = []
    for number in range(50):
        predicted = str(numbers.choice(["cat", LONG]))
        probability = str(numbers.uniform(0.5, 1))
        row = {"true_class": ["cat", LONG][number % 2], "predicted_class": predicted}
        rows.append(row | {"probability": probability})
    return rows


@pytest.mark.parametrize(("seed", "epochs"), [(0, 1), (1, 7), (2, 80)])
def test_nothing_covers_random_curves(seed, epochs, drawn, tmp_path, monkeypatch):
    options = {
        "studies": {"Change_loss_function": ["CrossEntropyLoss", LONG, "L1Loss"], **GRID},
        "changes": random_curves(seed, epochs),
        "seeds": 1 + seed % 2,
    }
    draw_all(tmp_path, for_print=True, **options)
    studies, _ = make(**options)
    for settings in studies.values():
        sources = write_histories(tmp_path, settings[-1])
        draw_curves(tmp_path, sources, study.look_of(settings[-1], settings))
    monkeypatch.setattr(roc, "read_predictions", lambda _: random_predictions(seed))
    roc.draw_roc(tmp_path / "roc.png", settings, ["cat", LONG], for_print=True)
    assert len(drawn) > 20


@pytest.fixture
def printed(drawn, tmp_path) -> list[Figure]:
    """The figures for print: 16 cm wide."""
    studies = {
        "Change_loss_function": ["w" * 40, "L1Loss"],
        "Change_epochs": [20, 80],
    }
    draw_all(tmp_path, for_print=True, studies=studies)
    width = pytest.approx(16 / 2.54)
    return [figure for figure in drawn if figure.get_size_inches()[0] == width]


def test_figures_for_print_have_text_of_8_to_9_points(printed):
    assert len(printed) == 4  # the answer, the base's seeds and two studies
    for figure in printed:
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
        assert min(sizes) >= 7.6
        assert max(sizes) <= 9


def test_the_title_carries_the_accuracy_of_the_base():
    _, answer = make()
    assert title_of(answer.base) == "Test accuracy: points from the base (75.1%)"


def test_the_key_names_the_marks_that_are_in_the_picture(drawn, tmp_path):
    studies, answer = make({0.1: {"shift": -0.3}}, seeds=1)
    draw_answer(tmp_path / "answer.png", entries_of(studies, answer), "")
    key = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert key == ["the base", "too close to tell", "one training"]


def test_the_curves_of_a_study_share_their_axes():
    studies, _ = make({0.1: {"losses": [0.1] * 20}})
    settings = studies["Change_learning_rate"]
    looks = [study.look_of(setting, settings) for setting in settings]
    assert looks[0].limits == looks[2].limits
    low, high = looks[0].limits["loss"]
    assert low < 0.1 < 0.7 < high


def test_losses_of_different_loss_functions_share_no_axis():
    losses = {"Change_loss_function": ["CrossEntropyLoss", "L1Loss"]}
    studies, _ = make({"L1Loss": {"losses": [0.1] * 20}}, studies=losses)
    settings = studies["Change_loss_function"]
    one, other = [study.look_of(setting, settings).limits for setting in settings]
    assert one["accuracy"] == other["accuracy"]
    assert one["loss"] != other["loss"]


def test_curves_are_a_pdf_too(seeds):
    draw_curves(seeds[0], for_print=True)
    assert (seeds[0] / "Loss_curve.pdf").read_bytes().startswith(b"%PDF")


def test_a_grid_is_grouped_by_its_first_setting_so_that_no_two_lines_read_the_same():
    rates = [0.0003, 0.001, 0.003, 0.01]
    grid = {
        "loss_function": ["CrossEntropyLoss", "SmoothL1Loss"],
        "learning_rate": rates,
    }
    studies, answer = make(studies={"Loss_by_rate": grid})
    labels = [entry.label for entry in entries_of(studies, answer)]
    names = [str(rate) for rate in rates]
    assert labels == ["CrossEntropyLoss", *names, "SmoothL1Loss", *names]


SAME = {
    "losses": curve(0.7, 0.5, then=0.6, epochs=40),
    "mark": "one",
}  # as 80 epochs, up to the kept epoch


def test_trainings_that_kept_the_same_weights_are_one_line():
    changes = {40: SAME, 80: {"losses": curve(0.7, 0.5, then=0.6, epochs=80), "mark": "one"}}
    studies, answer = make(changes, studies={"Change_epochs": [20, 40, 80]})
    labels = [entry.label for entry in study_entries(studies["Change_epochs"], held_in(answer))]
    assert labels == ["20", "40 = 80"]


def test_a_training_that_kept_the_weights_of_the_base_is_the_base():
    longer = {"losses": curve(*CURVE, then=0.6, epochs=40), "mark": "one"}
    changes = {"base": {"mark": "one"}, 40: longer}
    studies, answer = make(changes, studies={"Change_epochs": [20, 40]})
    (entry,) = study_entries(studies["Change_epochs"], held_in(answer))
    assert entry == Entry("20 = 40", is_base=True)


def test_trainings_that_kept_the_same_weights_with_some_seeds_only_are_two_lines():
    changes = {40: SAME, (80, 0): {"losses": curve(0.7, 0.5, then=0.6, epochs=80), "mark": "one"}}
    _, answer = make(changes, seeds=2, studies={"Change_epochs": [20, 40, 80]})
    assert answer.twins == {}


def markers(figure: Figure) -> list[str]:
    lines = [line for axes in figure.axes for line in axes.lines]
    return [line.get_marker() for line in lines if len(line.get_xdata())]


def test_a_difference_beyond_the_axis_has_an_arrow(drawn, tmp_path):
    studies, answer = make({0.1: {"shift": -0.7}})
    draw_answer(tmp_path / "answer.png", entries_of(studies, answer), "")
    assert "<" in markers(drawn[0])


def test_an_interval_beyond_the_axis_has_an_arrow(drawn, tmp_path):
    studies, answer = make({0.1: {"shift": -0.12}, 0.001: {"shift": -0.2}})
    entries = entries_of(studies, answer)
    labels = [entry.label for entry in entries]
    number = labels.index("0.1")
    wide = entries[number].row._replace(high=0.9)
    entries[number] = entries[number]._replace(row=wide)
    draw_answer(tmp_path / "answer.png", entries, "")
    assert ">" in markers(drawn[0])


def test_a_curve_above_the_axis_has_an_arrow(drawn, tmp_path):
    studies, answer = make({0.1: {"losses": [0.7] * 19 + [50.0]}})
    settings = studies["Change_learning_rate"]
    draw_study(tmp_path, settings, held_in(answer))
    loss = drawn[1]
    assert loss.axes[0].get_ylim()[1] < 50
    assert "^" in markers(loss)


def contrast(colour: str) -> float:
    """Against white, by WCAG 2.1."""
    parts = np.array(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return 1.05 / (0.05 + luminance)


@pytest.mark.parametrize("colour", [figures.BLUE, figures.ORANGE, figures.GREY])
def test_coloured_text_has_a_contrast_of_5_that_stands_dimming_in_the_dark(colour):
    assert contrast(colour) > 5


def write_history(folder: Path, losses: list[float]) -> None:
    write_csv(folder / HISTORY, HISTORY_COLUMNS, made(None, losses=losses).history)


@pytest.fixture
def seeds(tmp_path) -> list[Path]:
    """Folders of three seeds, of which one diverged and one is short."""
    write_history(tmp_path / "0", [0.7, 0.5, 0.6])
    write_history(tmp_path / "1", [0.7, np.nan])
    write_history(tmp_path / "2", [0.7])
    return [tmp_path / "0", tmp_path / "1", tmp_path / "2"]


def test_curves_have_whole_epochs(drawn, seeds):
    draw_curves(seeds[0])
    assert drawn[1].axes[0].get_xticks().tolist() == [1, 2, 3]


def test_curves_mark_the_epoch_whose_weights_are_kept(drawn, seeds):
    draw_curves(seeds[0])
    named = drawn[1].axes[0].get_legend_handles_labels()[1]
    assert named == ["train-loss", "valid-loss", "weights kept: epoch 2"]


def test_curves_of_several_seeds_tell_where_one_diverged(drawn, seeds, tmp_path):
    draw_curves(tmp_path, seeds)
    assert drawn[1].axes[0].get_title(loc="left") == "diverged at epoch 2"


def test_curves_of_several_seeds_are_the_mean_of_those_that_go_on(drawn, seeds, tmp_path):
    draw_curves(tmp_path, seeds)
    assert drawn[1].axes[0].lines[1].get_ydata().tolist() == pytest.approx([0.7, 0.5, 0.6])


# --- files -----------------------------------------------------------------------------------


def test_a_picture_is_not_drawn_again_where_it_shows_the_same(seeds, tmp_path):
    draw_curves(tmp_path, seeds)
    before = (tmp_path / "Loss_curve.png").stat().st_mtime_ns
    draw_curves(tmp_path, seeds)
    assert (tmp_path / "Loss_curve.png").stat().st_mtime_ns == before


def test_a_picture_is_drawn_again_where_a_seed_has_changed(seeds, tmp_path):
    draw_curves(tmp_path, seeds)
    before = (tmp_path / "Loss_curve.png").read_bytes()
    write_history(seeds[0], [0.7, 0.4])
    draw_curves(tmp_path, seeds)
    assert (tmp_path / "Loss_curve.png").read_bytes() != before


def test_a_picture_that_was_cut_short_is_drawn_again(seeds):
    draw_curves(seeds[0])
    path = seeds[0] / "Loss_curve.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    draw_curves(seeds[0])
    assert path.read_bytes() == whole


def test_the_same_run_gives_the_same_bytes(seeds):
    write_history(seeds[1], [0.7, 0.5, 0.6])
    first, second, _ = seeds
    draw_curves(first)
    draw_curves(second)
    picture = "Loss_curve.png"
    assert (first / picture).read_bytes() == (second / picture).read_bytes()


def test_paper_is_white(seeds):
    draw_curves(seeds[0])
    with Image.open(seeds[0] / "Loss_curve.png") as image:
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_a_picture_is_a_small_file(seeds):
    draw_curves(seeds[0])
    assert (seeds[0] / "Loss_curve.png").stat().st_size < 20_000


def test_a_cell_of_a_confusion_matrix_has_its_count_above_its_share(drawn, tmp_path):
    rows = [("a", "cat", "cat", 0.9)] * 3 + [("b", "cat", "dog", 0.6)]
    write_csv(tmp_path / PREDICTIONS, PREDICTION_COLUMNS, rows)
    draw_confusion_matrix(tmp_path, ["cat", "dog"])
    assert "3\n75.0%" in texts(drawn[0])


def test_black_numbers_are_legible_on_every_shade():
    darkest = figures.pale_blues()(1.0)
    assert contrast("black") / contrast(darkest) > 7


def test_the_answer_is_a_pdf_too(tmp_path):
    studies, answer = make()
    entries = entries_of(studies, answer)
    draw_answer(tmp_path / "answer.png", entries, "Test accuracy", for_print=True)
    assert (tmp_path / "answer.pdf").read_bytes().startswith(b"%PDF")


def told_of(letter: str, folder: Path, capsys: pytest.CaptureFixture) -> str:
    """What is told when two pictures are drawn with this letter in a name."""
    figures.say_letters_missing.cache_clear()
    for name in (f"one {letter}", f"other {letter}"):
        draw_picture(folder / "picture.png", name, lambda _, name=name: named_figure(name))
    return capsys.readouterr().err


def test_letters_that_no_font_has_are_told_in_one_line(tmp_path, capsys, monkeypatch):
    fonts = [font for font in figures.fontManager.ttflist if "matplotlib" in font.fname]
    monkeypatch.setattr(figures.fontManager, "ttflist", fonts)
    told = told_of("\u732b", tmp_path, capsys)
    assert told.count("\n") == 1
    assert "note: no font here has all letters of the names in pictures" in told


def test_letters_are_drawn_with_a_font_that_has_them(tmp_path, capsys):
    assert told_of("\u20df", tmp_path, capsys) == ""  # which DejaVu Sans lacks, and STIX has
    assert figures.fonts_for("a\u20df")[0] == "DejaVu Sans"
    assert len(figures.fonts_for("a\u20df")) == 2


def test_usual_letters_need_no_other_font():
    assert figures.fonts_for("cat, ä") == ["DejaVu Sans"]


def named_figure(name: str) -> Figure:
    figure = Figure(figsize=(2, 2))
    figure.suptitle(name)
    return figure


def test_paper_is_white_beside_pale_colours(tmp_path):
    rows = []
    for true, predicted, count in (("a", "a", 7), ("a", "b", 168), ("b", "a", 2), ("b", "b", 173)):
        rows += [["file", true, predicted, 0.9]] * count
    write_csv(tmp_path / PREDICTIONS, PREDICTION_COLUMNS, rows)
    draw_confusion_matrix(tmp_path, ["a", "b"])
    with Image.open(tmp_path / "confusion_matrix.png") as picture:
        assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
