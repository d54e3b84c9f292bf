"""Every figure, drawn from the files of runs; no display is needed.

    draw_curves(Path("result/Change_epochs/20"))     # reads history.csv, writes two PNGs

A picture carries the digest of what it shows, and is drawn only where it shows something else.
Colours and lines stand in figures.mplstyle beside this file.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure  # not pyplot: it takes longer to import and keeps figures
from matplotlib.ticker import MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from records.files import digest_of, file_digest, read_csv, replacing
from records.runs import HISTORY_COLUMNS, is_finite, kept_epoch, read_history
from report.comparison import Row, mean_of, points
from report.results import Setting

BLUE, ORANGE, GREY = "#0072B2", "#B84C00", "#333333"  # of text too: contrast above 5 on white
STYLE = Path(__file__).with_suffix(".mplstyle")
PALETTE = 128  # colours of a PNG: with fewer the edges of lines are no longer smooth
PRINT_WIDTH = 16 / 2.54  # inches, of figures for a text: the width of a page's column
PRINT = {"font.size": 8.5, "axes.titlesize": 8.5, "legend.fontsize": 8}  # points
FAR_OUT = 2.0  # times the usual interval: what is beyond would press the others flat
PANELS = (4.0, 4.0, 4.0)  # widths of a study's three panels, inches
DISTINCT = 5  # settings that figures.mplstyle has a colour and a line for
LEGEND = 16  # settings that a legend has room for
ENDINGS = (b"IEND\xaeB`\x82", b"%%EOF\n")  # of a PNG and of a PDF that are whole


class Kind(NamedTuple):
    """What a picture of curves shows: two columns of a history, and their name."""

    train_column: int
    valid_column: int
    name: str


PICTURES = {"Training_accuracy": Kind(3, 4, "accuracy"), "Loss_curve": Kind(1, 2, "loss")}
Histories = Sequence[Sequence]  # of each seed: rows of HISTORY_COLUMNS


class Entry(NamedTuple):
    """A line in a picture of differences: a heading, the base, or a setting held against it."""

    label: str
    row: Row | None = None
    base_accuracy: float | None = None


# --- files -----------------------------------------------------------------------------------


def styled(style: dict | None = None) -> AbstractContextManager:
    """The look of figures, on the screen or with the style PRINT."""
    return matplotlib.rc_context({**matplotlib.rc_params_from_file(STYLE), **(style or {})})


def digest_of_picture(*shown: object) -> str:
    """The digest of a picture: of all plain values it shows and of the program that draws it."""
    return digest_of([drawn_by(), *shown])


@functools.cache
def drawn_by() -> list[str]:
    """What decides how a picture looks."""
    return [matplotlib.__version__, file_digest(Path(__file__)), file_digest(STYLE)]


def is_current(picture: Path, digest: str) -> bool:
    """Whether a picture is there, whole, and shows what has this digest."""
    try:
        content = picture.read_bytes()
    except OSError:
        return False
    return content.endswith(ENDINGS) and digest.encode() in content


def save_png(figures: Sequence[Figure], path: Path, digest: str) -> None:
    """Write figures of one height side by side as a PNG, whole or not at all.

    It has few colours, which makes it a quarter as large: pages hold many.
    """
    pixels = np.concatenate([pixels_of(figure) for figure in figures], axis=1)
    image = Image.fromarray(pixels).quantize(PALETTE, Image.Quantize.FASTOCTREE)
    palette = np.array(image.getpalette()).reshape(-1, 3)
    palette[palette.min(1) > 250] = 255  # paper stays white
    image.putpalette(palette.ravel().tolist())
    about = PngInfo()
    about.add_text("Shows", digest)
    with replacing(path) as temporary:
        image.save(temporary, "PNG", pnginfo=about)


def pixels_of(figure: Figure) -> np.ndarray:
    """A figure as pixels, uint8 (H, W, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def save_pdf(figure: Figure, path: Path, digest: str) -> None:
    """Write a figure as a PDF without the time, whole or not at all."""
    about = {"Keywords": digest, "CreationDate": None}
    with replacing(path) as temporary:
        FigureCanvasPdf(figure).print_pdf(temporary, metadata=about)


# --- one run, or the seeds of one setting ----------------------------------------------------


def draw_curves(folder: Path, sources: Sequence[Path] = ()) -> None:
    """Draw Training_accuracy.png and Loss_curve.png of one run, or of several seeds.

    Of one run, the epoch whose weights are kept is marked. The seeds' folders are `sources`:
    their mean in a band from the lowest to the highest.
    """
    sources = sources or [folder]
    digest = digest_of_picture([file_digest(source / "history.csv") for source in sources])
    pictures = [folder / f"{name}.png" for name in PICTURES]
    if all(is_current(picture, digest) for picture in pictures):
        return
    histories = [read_history(source) for source in sources]
    for picture, kind in zip(pictures, PICTURES.values(), strict=True):
        with styled():
            figure = Figure(figsize=(3.7, 2.8), dpi=150)
            plot_curves(figure.add_subplot(), histories, kind)
            save_png([figure], picture, digest)


def plot_curves(axes: Axes, histories: Histories, kind: Kind) -> None:
    """Plot training and validation of one run, with its kept epoch, or of several seeds."""
    plot_band(axes, histories, kind.train_column, label=f"train-{kind.name}")
    plot_band(axes, histories, kind.valid_column, label=f"valid-{kind.name}")
    if len(histories) == 1:
        mark_kept_epoch(axes, histories[0], kind)
    style_epochs(axes, kind, max(map(len, histories)))
    diverged = [str(len(history)) for history in histories if not is_finite(history[-1])]
    if diverged:
        axes.set_title(f"diverged at epoch {', '.join(diverged)}", color=ORANGE)
    axes.legend()


def mark_kept_epoch(axes: Axes, history: Sequence, kind: Kind) -> None:
    """Mark the epoch whose weights are kept, if there is one."""
    kept = kept_epoch(history)
    if not kept:
        return
    value = history[kept - 1][kind.valid_column]
    mark = {"color": ORANGE, "markerfacecolor": "white", "label": f"weights kept: epoch {kept}"}
    axes.axvline(kept, color="0.6", linewidth=0.8, linestyle="-", zorder=0)
    axes.plot(kept, value, "o", **mark)


def plot_band(axes: Axes, histories: Histories, column: int, **style: object) -> str:
    """Plot the mean of a column over seeds, and for several the band they cover; its colour."""
    values = column_of(histories, column)
    epochs = np.arange(1, values.shape[1] + 1)
    marker = "o" if len(epochs) == 1 else None
    (line,) = axes.plot(epochs, values.mean(0), marker=marker, **style)
    if len(values) > 1:
        axes.fill_between(epochs, values.min(0), values.max(0), color=line.get_color(), alpha=0.18)
    return line.get_color()


def column_of(histories: Histories, column: int) -> np.ma.MaskedArray:
    """A column of several histories, float (seeds, epochs), without what is missing or infinite.

    A diverged seed is shorter than the others and ends in no number.
    """
    epochs = zip_longest(*histories, fillvalue=[np.nan] * len(HISTORY_COLUMNS))
    return np.ma.masked_invalid([[row[column] for row in rows] for rows in epochs]).T


def style_epochs(axes: Axes, kind: Kind, last: int) -> None:
    """An axis of whole epochs, from the first to the last."""
    round_ones = MaxNLocator(8, steps=[1, 2, 5, 10], integer=True).tick_values(0, last)
    ticks = [1, *(tick for tick in round_ones if 1 < tick <= last)]
    axes.set(xlabel="Epoch", ylabel=kind.name.capitalize(), xticks=ticks)
    axes.set_xlim(0.5, 0.5 + 1.03 * last)
    axes.grid(axis="y")


def draw_confusion_matrix(folder: Path, classes: list[str]) -> None:
    """Draw confusion_matrix.png from predictions.csv: counts, and shares of the true class."""
    path, source = folder / "confusion_matrix.png", folder / "predictions.csv"
    digest = digest_of_picture(file_digest(source), list(classes))
    if is_current(path, digest):
        return
    pairs = Counter((row["true_class"], row["predicted_class"]) for row in read_csv(source))
    counts = np.array([[pairs[true, predicted] for predicted in classes] for true in classes])
    with styled():
        figure = Figure(figsize=(3.6, 3.2))
        plot_confusion_matrix(figure.add_subplot(), counts, classes)
        save_png([figure], path, digest)


def pale_blues() -> ListedColormap:
    """The lighter half of matplotlib's Blues: black numbers are legible on all of it."""
    return ListedColormap(matplotlib.colormaps["Blues"](np.linspace(0, 0.5, 256)))


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
    axes.set(xlabel="Predicted class", ylabel="True class")
    axes.tick_params(length=0)


# --- a study ---------------------------------------------------------------------------------


def draw_study(
    folder: Path, settings: list[Setting], entries: list[Entry], for_print: bool = False
) -> None:
    """Draw comparison.png, and comparison.pdf for a text: curves, differences from the base.

    Where there are no `entries`, the test accuracies of the seeds are shown instead.
    """
    digest = digest_of_picture(entries, [plain(setting) for setting in settings])
    if not is_current(folder / "comparison.png", digest):
        with styled():
            panels = [Figure(figsize=(width, 3.1), dpi=150) for width in PANELS]
            plot_study([panel.add_subplot() for panel in panels], settings, entries)
            save_png(panels, folder / "comparison.png", digest)
    if for_print and not is_current(folder / "comparison.pdf", digest):
        with styled(PRINT):
            heights = (2.4, 0.55 + 0.2 * len(settings))
            figure = Figure(figsize=(PRINT_WIDTH, sum(heights)))
            curves, differences = figure.add_gridspec(2, 1, height_ratios=heights)
            parts = [*curves.subgridspec(1, 2), differences]
            plot_study([figure.add_subplot(part) for part in parts], settings, entries)
            save_pdf(figure, folder / "comparison.pdf", digest)


def plain(setting: Setting) -> list:
    """All of a setting that the picture of its study shows, as plain values."""
    histories = [list(map(list, result.history)) for result in setting.results]
    return [setting.study, setting.label, setting.accuracies, histories]


def plot_study(panels: Sequence[Axes], settings: list[Setting], entries: list[Entry]) -> None:
    """Plot a study on three panels: validation curves, training faint, test accuracies."""
    accuracy, loss, last = panels
    for axes, kind in ((accuracy, PICTURES["Training_accuracy"]), (loss, PICTURES["Loss_curve"])):
        plot_validation(axes, settings, kind)
        if 1 < len(settings) <= LEGEND:
            axes.legend(ncols=1 + len(settings) // 9)
    if entries:
        plot_differences(last, entries)
        last.set_title("test accuracy: points from the base", loc="right")
    else:
        plot_accuracies(last, settings)


def plot_validation(axes: Axes, settings: list[Setting], kind: Kind) -> None:
    """One panel: the validation curves of every setting, its training curves faint."""
    if len(settings) > DISTINCT:
        shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(settings)))
        axes.set_prop_cycle(color=shades)
    usual = usual_top(settings, kind)
    for setting in settings:
        histories = [result.history for result in setting.results]
        above = 2 + 1 / max(map(len, histories))  # a shorter training is part of a longer one
        label = short(setting.label)
        colour = plot_band(axes, histories, kind.valid_column, label=label, zorder=above)
        mean = column_of(histories, kind.train_column).mean(0)
        axes.plot(range(1, len(mean) + 1), mean, "-", color=colour, alpha=0.3, linewidth=1)
        mark_cut(axes, column_of(histories, kind.valid_column).mean(0), usual, colour)
    lengths = [len(result.history) for setting in settings for result in setting.results]
    style_epochs(axes, kind, max(lengths))
    if usual < np.inf:
        axes.set_ylim(0, usual)
    seeds = "; band: seeds" if len(lengths) > len(settings) else ""
    axes.set_title(f"valid-{kind.name} (faint: train{seeds})", loc="left")


def usual_top(settings: list[Setting], kind: Kind) -> float:
    """Where a panel ends at the top: infinite, unless an exploding curve would press the others.

    Three times the median of the curves' highest values.
    """
    histories = [result.history for setting in settings for result in setting.results]
    values = column_of(histories, kind.valid_column)
    usual = float(3 * np.ma.median(values.max(1)))
    return usual if 0 < usual < values.max() else np.inf


def mark_cut(axes: Axes, values: np.ma.MaskedArray, top: float, colour: str) -> None:
    """Set an arrow at the epochs at which a curve is above the end of the axis."""
    cut = np.flatnonzero((values > top).filled(False))
    if len(cut):
        arrow = {"color": colour, "markersize": 6, "zorder": 5}
        axes.plot(1 + cut, np.full(len(cut), 0.97 * top), "^", **arrow)


def plot_accuracies(axes: Axes, settings: list[Setting]) -> None:
    """Plot the test accuracy of each seed, a line for each setting, from the top down."""
    for place, setting in enumerate(settings):
        percent = 100 * np.array(setting.accuracies)
        axes.plot(percent, [place] * len(percent), "o", alpha=0.6)
    labels = [f"{short(setting.label)}\n{mean_of(setting.accuracies)}" for setting in settings]
    axes.set_yticks(range(len(labels)), labels)
    axes.set(ylim=(len(labels) - 0.4, -0.6))
    axes.set_title("test accuracy of each seed, %", loc="right")


# --- differences from the base ---------------------------------------------------------------


def draw_answer(path: Path, entries: list[Entry], title: str, for_print: bool = False) -> None:
    """Draw differences as a PNG for the screen, and as a PDF beside it for a text."""
    digest = digest_of_picture(entries, title)
    height = 0.7 + 0.235 * len(entries)
    if not is_current(path, digest):
        with styled():
            figure = Figure(figsize=(4.4, height), dpi=200)
            plot_answer(figure.add_subplot(), entries, title)
            save_png([figure], path, digest)
    printed = path.with_suffix(".pdf")
    if for_print and not is_current(printed, digest):
        with styled(PRINT):
            figure = Figure(figsize=(PRINT_WIDTH, 0.8 * height))
            plot_answer(figure.add_subplot(), entries, title)
            save_pdf(figure, printed, digest)


def plot_answer(axes: Axes, entries: list[Entry], title: str) -> None:
    """Plot differences under a title."""
    plot_differences(axes, entries)
    axes.set_title(title, loc="right")


def plot_differences(axes: Axes, entries: list[Entry]) -> None:
    """Plot differences from the top down: a mark, its interval, the number in points.

    The base carries its accuracy. Colour and a filled mark say: better or worse; a square and a
    dashed interval: one training.
    """
    limit = limit_of([entry.row for entry in entries if entry.row])
    axes.axvline(0, color=GREY, linewidth=0.9, linestyle="-", zorder=1)
    for place, entry in enumerate(entries):
        if entry.row:
            plot_difference(axes, place, entry.row, limit)
        elif entry.base_accuracy is not None:
            axes.plot(0, place, "D", markersize=5, color=GREY)
            write_beside(axes, place, f"{entry.base_accuracy:.1%}", GREY)
    axes.set(xlim=(-limit, limit), ylim=(len(entries) - 0.5, -0.5))
    axes.set_yticks(range(len(entries)), [short(entry.label) for entry in entries])
    for entry, label in zip(entries, axes.get_yticklabels(), strict=True):
        is_heading = entry.row is None and entry.base_accuracy is None
        label.set_fontweight("bold" if is_heading else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def limit_of(rows: list[Row]) -> float:
    """Where the axis of differences ends on both sides, in points."""
    if not rows:
        return 1.0
    far = FAR_OUT * median(row.high - row.low for row in rows)
    widest = max(max(-row.low, row.high) for row in rows)
    return 108 * min(far, widest)


def plot_difference(axes: Axes, place: int, row: Row, limit: float) -> None:
    """One setting's mark, interval and number in points; arrows where they leave the axis."""
    colour = {"better": BLUE, "worse": ORANGE}.get(row.verdict, GREY)
    value, low, high = (100 * share for share in (row.difference, row.low, row.high))
    edge = 0.97 * limit
    line = (0, (2, 1)) if row.is_single else "-"
    axes.plot([low, high], [place, place], linestyle=line, color=colour, linewidth=1.8)
    arrow = {"color": colour, "markersize": 4.5}
    if low < -limit:
        axes.plot(-edge, place, "<", **arrow)
    if high > limit:
        axes.plot(edge, place, ">", **arrow)
    mark = {"color": colour, "markerfacecolor": colour if row.named else "w"}
    if value < -edge:
        axes.plot(-edge, place, "<", markersize=8, **mark)
    elif value > edge:
        axes.plot(edge, place, ">", markersize=8, **mark)
    else:
        shape = "s" if row.is_single else "o"
        axes.plot(value, place, shape, markersize=5.5, **mark)
    write_beside(axes, place, points(row.difference), colour)


def write_beside(axes: Axes, place: int, text: str, colour: str) -> None:
    """Write a number to the right of the axis."""
    beside = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
    size = 0.9 * matplotlib.rcParams["font.size"]
    style = {"color": colour, "fontsize": size, "ha": "right", "va": "center"}
    axes.annotate(text, (1, place), (4.4 * size, 0), **beside, **style)


def short(name: str, length: int = 20) -> str:
    """A name that leaves room for the picture."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
