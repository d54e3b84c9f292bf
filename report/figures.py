"""Pictures of single runs, and what all pictures share; no display is needed.

    draw_curves(Path("result/Change_epochs/20"))  # of its history.csv: two PNGs
    draw_picture(Path("result/answer.png"), values, make_figure, for_print=True)  # a PDF, too

A picture carries the digest of what it shows, and is drawn only where it shows something
else.
Colours and lines stand in figures.mplstyle beside this file.
"""

import functools
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure  # not pyplot: it takes longer to import and keeps figures
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from records.files import digest_of, file_digest, replacing
from records.finished import read_predictions
from records.runs import HISTORY, PREDICTIONS, Epoch, is_finite, kept_epoch, read_history

# Of text too: their contrast on white is above 5.
BLUE, ORANGE, GREY = "#0072B2", "#B84C00", "#333333"
STYLE = Path(__file__).with_suffix(".mplstyle")
# What decides how pictures look.
DRAWING = ("figures.py", "figures.mplstyle", "study.py", "roc.py", "differences.py", "heatmap.py")
TITLE = 34  # letters that the title of a run's curves has room for
PALETTE = 128  # colours of a PNG: with fewer the edges of lines are no longer smooth
PRINT_WIDTH = 16 / 2.54  # inches, of figures for a text: that of a page's column
PRINT_TEXT, PRINT_LEGEND = 8.5, 8.0  # points
CURVES = (3.2, 2.9)  # width and height of one run's curves, inches: legible in a third of a page
FONT = "DejaVu Sans"  # matplotlib brings it
BOXES = "Last Resort"  # a font of matplotlib whose letters are boxes
CONFUSION_MATRIX = "confusion_matrix.png"
ENDINGS = (b"IEND\xaeB`\x82", b"%%EOF\n")  # of a PNG and of a PDF that are whole


class Kind(NamedTuple):
    """What a picture of curves shows: two values of each Epoch, and their name."""

    train_name: str
    valid_name: str
    name: str


PICTURES = {
    "Training_accuracy": Kind("train_accuracy", "valid_accuracy", "accuracy"),
    "Loss_curve": Kind("train_loss", "valid_loss", "loss"),
}


# --- files -----------------------------------------------------------------------------------


def draw_picture(
    path: Path, shows: object, make_figure: Callable[[bool], Figure], for_print: bool = False
) -> None:
    """Draw a PNG, and for print a PDF beside it, where they do not show these plain values yet.

    `make_figure` is told whether the figure is for print.
    """
    digest = digest_of([drawn_by(), shows])
    paths = [path, path.with_suffix(".pdf")] if for_print else [path]
    for picture in paths:
        if not is_current(picture, digest):
            letters = frozenset(json.dumps(shows, ensure_ascii=False))
            with matplotlib.rc_context({"font.family": fonts_for(letters)}):
                save_picture(make_figure, picture, digest)


@functools.cache
def drawn_by() -> list[str]:
    """What decides how a picture looks."""
    folder = Path(__file__).parent
    digests = [file_digest(folder / name) for name in DRAWING]
    return [matplotlib.__version__, *digests]


def is_current(picture: Path, digest: str) -> bool:
    """Whether a picture is there, whole, and shows what has this digest."""
    try:
        data = picture.read_bytes()
    except OSError:
        return False
    return data.endswith(ENDINGS) and digest.encode() in data


def save_picture(make_figure: Callable[[bool], Figure], path: Path, digest: str) -> None:
    """Make a figure in the look that its file asks for, and write it, whole or not at all."""
    is_for_print = path.suffix == ".pdf"
    with styled(is_for_print), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # fonts_for says it once
        figure = make_figure(is_for_print)
        with replacing(path) as temporary:
            if is_for_print:
                about = {"Keywords": digest, "CreationDate": None}  # the time would differ
                FigureCanvasPdf(figure).print_pdf(temporary, metadata=about)
            else:
                save_png(figure, temporary, digest)


def fonts_for(letters: Iterable[str]) -> list[str]:
    """Fonts to draw letters with: matplotlib's own, and one that is here and has those it lacks."""
    missing = {ord(letter) for letter in letters} - letters_in(findfont(FONT))
    if not missing:
        return [FONT]
    for font in fontManager.ttflist:
        if not font.name.startswith(BOXES) and missing <= letters_in(font.fname):
            return [FONT, font.name]
    say_letters_missing()
    return [FONT]


@functools.cache  # as there may be many fonts
def letters_in(font: str) -> Set[int]:
    """The letters of a font's file, as numbers; none of one that cannot be read."""
    try:
        return get_font(font).get_charmap().keys()
    except (OSError, RuntimeError):
        return frozenset()


@functools.cache  # once
def say_letters_missing() -> None:
    """Say what boxes in pictures mean."""
    remedy = "install one that has, such as Noto Sans CJK for Chinese, Japanese and Korean"
    print(f"note: no font here has all letters of the names in pictures; {remedy}", file=sys.stderr)


def styled(for_print: bool) -> AbstractContextManager[None]:
    """The look of figures, for the screen or for a text."""
    style = dict(matplotlib.rc_params_from_file(STYLE))
    del style["font.family"]  # that of draw_picture
    del style["backend"]  # to set it, matplotlib would import pyplot
    if for_print:
        style["font.size"] = PRINT_TEXT
        style["axes.titlesize"] = PRINT_TEXT
        style["legend.fontsize"] = PRINT_LEGEND
    return matplotlib.rc_context(style)


def save_png(figure: Figure, path: Path, digest: str) -> None:
    """Write a figure as a PNG of few colours: a quarter as large, and pages hold many."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.array(canvas.buffer_rgba())[..., :3]
    image = Image.fromarray(pixels).quantize(PALETTE - 1, Image.Quantize.FASTOCTREE)
    palette = image.getpalette() or []
    white = len(palette) // 3
    indices = np.array(image)
    indices[(pixels == 255).all(2)] = white  # paper stays white
    image = Image.fromarray(indices)
    image.putpalette([*palette, 255, 255, 255])
    about = PngInfo()
    about.add_text("Shows", digest)
    image.save(path, "PNG", pnginfo=about)


def short(name: str, length: int = 20) -> str:
    """A name that leaves room for the picture; of several values the last one is kept whole."""
    if len(name) <= length:
        return name
    first, comma, last = name.rpartition(", ")
    if comma and len(last) < length // 2:
        return f"{short(first, length - len(comma + last))}{comma}{last}"
    return f"{name[: length - 1]}…"


# --- the curves of one run, or of the seeds of one setting -----------------------------------


class Look(NamedTuple):
    """What curves say besides their values: whose they are, and the ends of their axes, by kind."""

    title: str
    limits: dict[str, tuple[float, float]]


PLAIN = Look("", {})


def draw_curves(
    folder: Path, sources: Sequence[Path] = (), look: Look = PLAIN, for_print: bool = False
) -> None:
    """Draw Training_accuracy and Loss_curve of one run, or of several seeds.

    Of one run, the epoch whose weights are kept is marked. The seeds' folders are
    `sources`: their mean in a band from the lowest to the highest.
    """
    sources = sources or [folder]
    shows = [[file_digest(source / HISTORY) for source in sources], look]
    for name, kind in PICTURES.items():
        make_figure = partial(figure_of_curves, sources, kind, look)
        draw_picture(folder / f"{name}.png", shows, make_figure, for_print)


def figure_of_curves(sources: Sequence[Path], kind: Kind, look: Look, for_print: bool) -> Figure:
    """The curves of one run, or of several seeds, whose histories lie in these folders."""
    histories = [read_history(source) for source in sources]
    figure = Figure(figsize=CURVES, dpi=170)
    axes = figure.add_subplot()
    plot_curves(axes, histories, kind)
    ends = [str(len(history)) for history in histories if not is_finite(history[-1])]
    title = short(look.title, TITLE)
    if ends:
        title = f"{title}\ndiverged at epoch {', '.join(ends)}".strip()
    axes.set_title(title, color=ORANGE if ends else "black", loc="left")
    if kind.name in look.limits:
        axes.set_ylim(look.limits[kind.name])
        valid = seeds_by_epochs(histories, kind.valid_name).mean(0)
        mark_cut(axes, valid, look.limits[kind.name][1], ORANGE)
    figure.legend(loc="outside upper left", ncols=2, handlelength=1.4, columnspacing=0.8)
    return figure


def plot_curves(axes: Axes, histories: Sequence[Sequence[Epoch]], kind: Kind) -> None:
    """Plot training and validation of one run, its kept epoch, or of several seeds."""
    plot_band(axes, seeds_by_epochs(histories, kind.train_name), f"train-{kind.name}")
    plot_band(axes, seeds_by_epochs(histories, kind.valid_name), f"valid-{kind.name}")
    if len(histories) == 1:
        mark_kept_epoch(axes, histories[0], kind)
    style_epochs(axes, kind, max(len(history) for history in histories))


def mark_kept_epoch(axes: Axes, history: Sequence[Epoch], kind: Kind) -> None:
    """Mark the epoch whose weights are kept, if there is one."""
    kept = kept_epoch(history)
    if not kept:
        return
    value = getattr(history[kept - 1], kind.valid_name)
    label = f"weights kept: epoch {kept}"
    axes.axvline(kept, color="0.6", linewidth=0.8, linestyle="-", zorder=0)
    axes.plot(kept, value, "o", color=ORANGE, markerfacecolor="white", label=label)


def plot_band(axes: Axes, values: np.ma.MaskedArray, label: str, zorder: float = 2.0) -> ColorType:
    """Plot the mean over seeds, and of several the band they cover; the line's colour.

    `values` is float (seeds, epochs).
    """
    epochs = np.arange(1, values.shape[1] + 1)
    marker = "o" if len(epochs) == 1 else None  # a line of one point is not to be seen
    (line,) = axes.plot(epochs, values.mean(0), marker=marker, label=label, zorder=zorder)
    colour = line.get_color()
    if len(values) > 1:
        axes.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.18)
    return colour


def mark_cut(axes: Axes, values: np.ma.MaskedArray, top: float, colour: ColorType) -> None:
    """Set an arrow at the epochs at which a curve is above the end of the axis."""
    cut = np.flatnonzero((values > top).filled(False))
    if len(cut):
        edge = np.full(len(cut), top - 0.03 * np.ptp(axes.get_ylim()))
        axes.plot(1 + cut, edge, "^", color=colour, markersize=6, zorder=5)


def seeds_by_epochs(histories: Sequence[Sequence[Epoch]], *names: str) -> np.ma.MaskedArray:
    """What several histories have by these names of Epoch, float (names × seeds, epochs).

    What is missing or infinite is masked: a diverged seed is shorter than the others and
    ends in no number.
    """
    longest = max(len(history) for history in histories)
    rows = []
    for name in names:
        for history in histories:
            row = np.full(longest, np.nan)
            row[: len(history)] = [getattr(epoch, name) for epoch in history]
            rows.append(row)
    return np.ma.masked_invalid(rows)


def style_epochs(axes: Axes, kind: Kind, last: int) -> None:
    """An axis of whole epochs, from the first to the last."""
    round_ones = MaxNLocator(8, steps=[1, 2, 5, 10], integer=True).tick_values(0, last)
    later = [tick for tick in round_ones if 1 < tick <= last]
    axes.set_xticks([1, *later])
    axes.set_xlabel("Epoch")
    axes.set_ylabel(kind.name.capitalize())
    axes.set_xlim(0.5, 0.5 + 1.03 * last)
    axes.grid(axis="y")


# --- the confusion matrix of one run ---------------------------------------------------------


def draw_confusion_matrix(folder: Path, classes: list[str]) -> None:
    """Draw confusion_matrix.png from predictions.csv: counts and shares."""
    shows = [file_digest(folder / PREDICTIONS), list(classes)]
    draw_picture(
        folder / CONFUSION_MATRIX, shows, partial(figure_of_confusion_matrix, folder, classes)
    )


def figure_of_confusion_matrix(folder: Path, classes: list[str], for_print: bool) -> Figure:
    """Counts and shares of a run's test images by true and predicted class."""
    pairs: Counter[tuple[str, str]] = Counter()
    for line in read_predictions(folder):
        pairs[line["true_class"], line["predicted_class"]] += 1
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for row, true_class in enumerate(classes):
        for column, predicted_class in enumerate(classes):
            counts[row, column] = pairs[true_class, predicted_class]
    figure = Figure(figsize=(3.6, 3.2))
    plot_confusion_matrix(figure.add_subplot(), counts, classes)
    return figure


def plot_confusion_matrix(axes: Axes, counts: np.ndarray, classes: list[str]) -> None:
    """Plot counts, int (true class, predicted class), shaded by shares of the true class."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap=pale_blues(), vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{counts[row, column]}\n{share:.1%}"
        axes.text(column, row, text, ha="center", va="center", fontsize=12)
    names = [short(name) for name in classes]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names, rotation=90, va="center")
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    axes.tick_params(length=0)


def pale_blues() -> ListedColormap:
    """The lighter half of matplotlib's Blues, on which black numbers are legible."""
    return ListedColormap(matplotlib.colormaps["Blues"](np.linspace(0, 0.5, 256)))
