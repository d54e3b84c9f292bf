"""Every figure, drawn from the files of runs; no display is needed.

    draw_curves(Path("result/Change_epochs/20"))     # reads history.csv, writes two PNGs

Colours and lines stand in figures.mplstyle beside this file.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from statistics import median

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure  # not pyplot: it takes longer to import and keeps figures
from matplotlib.ticker import MaxNLocator

from records.files import read_csv, replacing
from records.runs import HISTORY_COLUMNS, is_finite, kept_epoch, read_history
from report.comparison import Row, mean_of, points
from report.results import Setting

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#333333"
styled = matplotlib.rc_context(fname=Path(__file__).with_suffix(".mplstyle"))
PICTURES = {"Training_accuracy": (3, 4, "accuracy"), "Loss_curve": (1, 2, "loss")}
FAR_OUT = 2.0  # times the usual interval: what is beyond would press the others flat

Histories = Sequence[Sequence]  # of each seed: rows of HISTORY_COLUMNS


def save(axes: Axes, path: Path) -> None:
    """Write the figure of these axes as a PNG without the time, whole or not at all."""
    with replacing(path) as temporary:
        # savefig would draw everything twice where there is a layout to find.
        FigureCanvasAgg(axes.figure).print_png(temporary, metadata={"Software": None})


def is_older(picture: Path, source: Path) -> bool:
    """Whether a picture is missing or was drawn before what it shows was written."""
    return not picture.is_file() or picture.stat().st_mtime_ns < source.stat().st_mtime_ns


# --- one run, or the seeds of one setting ----------------------------------------------------


@styled
def draw_curves(folder: Path, sources: Sequence[Path] = ()) -> None:
    """Draw Training_accuracy.png and Loss_curve.png of one run, or of several seeds.

    Of one run, its kept epoch is marked, and nothing is drawn where the pictures are newer than
    its history.csv. The seeds' folders are `sources`: their mean in a band from the lowest to the
    highest.
    """
    histories = [read_history(source) for source in sources or [folder]]
    for name, (train_column, valid_column, kind) in PICTURES.items():
        path = folder / f"{name}.png"
        if not sources and not is_older(path, folder / "history.csv"):
            continue
        axes = Figure(figsize=(4.4, 3.1)).add_subplot()
        plot_band(axes, histories, train_column, label=f"train-{kind}")
        plot_band(axes, histories, valid_column, label=f"valid-{kind}")
        if not sources and (kept := kept_epoch(histories[0])):
            value, mark = histories[0][kept - 1][valid_column], f"kept: epoch {kept}"
            axes.axvline(kept, color="0.6", linewidth=0.8, linestyle="-", zorder=0)
            axes.plot(kept, value, "o", color=ORANGE, markerfacecolor="white", label=mark)
        style_epochs(axes, kind, max(map(len, histories)))
        if diverged := [str(len(history)) for history in histories if not is_finite(history[-1])]:
            axes.set_title(f"diverged at epoch {', '.join(diverged)}", color=ORANGE)
        axes.legend()
        save(axes, path)


def plot_band(axes: Axes, histories: Histories, column: int, **style: object) -> str:
    """Plot the mean of a column over seeds, and for several the band they cover; its colour."""
    values = column_of(histories, column)
    epochs = np.arange(1, values.shape[1] + 1)
    (line,) = axes.plot(epochs, values.mean(0), marker="o" if len(epochs) == 1 else None, **style)
    if len(values) > 1:
        axes.fill_between(epochs, values.min(0), values.max(0), color=line.get_color(), alpha=0.18)
    return line.get_color()


def column_of(histories: Histories, column: int) -> np.ma.MaskedArray:
    """A column of several histories, float (seeds, epochs), without what is missing or infinite.

    A diverged seed is shorter than the others and ends in no number.
    """
    epochs = zip_longest(*histories, fillvalue=[np.nan] * len(HISTORY_COLUMNS))
    return np.ma.masked_invalid([[row[column] for row in rows] for rows in epochs]).T


def style_epochs(axes: Axes, kind: str, last: int) -> None:
    """An axis of whole epochs, from the first to the last."""
    round_ones = MaxNLocator(8, steps=[1, 2, 5, 10], integer=True).tick_values(0, last)
    ticks = [1, *(tick for tick in round_ones if 1 < tick <= last)]
    axes.set(xlabel="Epoch", ylabel=kind.capitalize(), xticks=ticks, xlim=(0.5, 0.5 + 1.03 * last))
    axes.grid(axis="y")


@styled
def draw_confusion_matrix(folder: Path, classes: list[str]) -> None:
    """Draw confusion_matrix.png from predictions.csv: counts, and shares of the true class."""
    path, source = folder / "confusion_matrix.png", folder / "predictions.csv"
    if not is_older(path, source):
        return
    pairs = Counter((row["true_class"], row["predicted_class"]) for row in read_csv(source))
    counts = np.array([[pairs[true, predicted] for predicted in classes] for true in classes])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes = Figure(figsize=(3.6, 3.2)).add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text, colour = f"{counts[row, column]}\n{share:.1%}", "k" if share < 0.55 else "w"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=12)
    names = [short(name) for name in classes]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names, rotation=90, va="center")
    axes.set(xlabel="Predicted class", ylabel="True class")
    axes.tick_params(length=0)
    save(axes, path)


# --- a study ---------------------------------------------------------------------------------


@styled
def draw_study(path: Path, settings: list[Setting], rows: dict[tuple, Row]) -> None:
    """A study in one picture: validation curves, training faint, differences from the base.

    Where its settings have no `rows`, by Setting.key, the test accuracies of their seeds are shown
    instead.
    """
    *panels, last = Figure(figsize=(12, 3.8)).subplots(1, 3, width_ratios=(4, 4, 3.2))
    for axes, columns in zip(panels, PICTURES.values(), strict=True):
        plot_curves(axes, settings, columns)
    if len(settings) > 1:
        panels[0].legend()
    if any(setting.key in rows for setting in settings):
        by_place = {place: rows.get(each.key) for place, each in enumerate(settings)}
        plot_differences(last, [setting.label for setting in settings], by_place)
        last.set_title("test accuracy: points from the base")
    else:
        plot_accuracies(last, settings)
    last.figure.suptitle(path.parent.name.replace("_", " "))
    save(last, path)


def plot_curves(axes: Axes, settings: list[Setting], columns: tuple[int, int, str]) -> None:
    """One panel: the validation curves of every setting, its training curves faint."""
    train_column, valid_column, kind = columns
    for setting in settings:
        histories = [result.history for result in setting.results]
        above = 2 + 1 / max(map(len, histories))  # a shorter training is part of a longer one
        colour = plot_band(axes, histories, valid_column, label=short(setting.label), zorder=above)
        mean = column_of(histories, train_column).mean(0)
        axes.plot(range(1, len(mean) + 1), mean, "-", color=colour, alpha=0.3, linewidth=1)
    histories = [result.history for setting in settings for result in setting.results]
    values = column_of(histories, valid_column)
    style_epochs(axes, kind, values.shape[1])
    usual = 3 * np.ma.median(values.max(1))
    if 0 < usual < values.max():  # else one exploding curve would press all others flat
        axes.set_ylim(0, usual)
    seeds = ", band: all seeds" if len(histories) > len(settings) else ""
    axes.set_title(f"valid-{kind} (train-{kind} faint{seeds})")


def plot_accuracies(axes: Axes, settings: list[Setting]) -> None:
    """Plot the test accuracy of each seed, a line for each setting, from the top down."""
    for place, setting in enumerate(settings):
        percent = 100 * np.array(setting.accuracies)
        axes.plot(percent, [place] * len(percent), "o", alpha=0.6)
    labels = [f"{short(setting.label)}\n{mean_of(setting.accuracies)}" for setting in settings]
    axes.set_yticks(range(len(labels)), labels)
    axes.set(title="test accuracy of each seed, %", ylim=(len(labels) - 0.4, -0.6))


# --- differences from the base ---------------------------------------------------------------


@styled
def draw_answer(path: Path, studies: dict, rows: dict[tuple, Row]) -> None:
    """Every setting's difference from the base; `rows` is by Setting.key.

    `studies` are lists of settings by name.
    """
    labels, by_place = [], {}
    for study, settings in studies.items():
        labels.append(study.replace("_", " "))
        by_place |= {place: rows.get(each.key) for place, each in enumerate(settings, len(labels))}
        labels += [setting.label for setting in settings]
    axes = Figure(figsize=(4.4, 0.7 + 0.235 * len(labels)), dpi=200).add_subplot()
    plot_differences(axes, labels, by_place)
    axes.set_title("Test accuracy: points from the base", loc="right")
    save(axes, path)


def plot_differences(axes: Axes, labels: list[str], rows: dict[int, Row | None]) -> None:
    """Plot differences, by place from the top down: a mark, its interval, the number.

    None is the base; a label without a row is a heading. Colour and a filled mark say: better or
    worse; a square and a dashed interval: one training.
    """
    compared = [row for row in rows.values() if row]
    far = FAR_OUT * median(row.high - row.low for row in compared)
    limit = 108 * min(far, max(max(-row.low, row.high) for row in compared))
    axes.axvline(0, color=GREY, linewidth=0.9, linestyle="-", zorder=1)
    for place, row in rows.items():
        if row:
            plot_difference(axes, place, row, limit)
        else:
            axes.plot(0, place, "D", markersize=5, color=GREY)
    axes.set(xlim=(-limit, limit), ylim=(len(labels) - 0.5, -0.5))
    axes.set_yticks(range(len(labels)), map(short, labels))
    for place, label in enumerate(axes.get_yticklabels()):
        label.set_fontweight("normal" if place in rows else "bold")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def plot_difference(axes: Axes, place: int, row: Row, limit: float) -> None:
    """One setting's mark, interval and number in points; an arrow where it is beyond the axis."""
    colour = {"better": BLUE, "worse": ORANGE}.get(row.verdict, GREY)
    value, low, high = (100 * share for share in (row.difference, row.low, row.high))
    at = np.clip(value, -0.97 * limit, 0.97 * limit)
    mark = "s" if row.is_single else "o"
    if at != value:
        mark = "<" if value < 0 else ">"
    fill = colour if row.named else "w"
    line = (0, (2, 1)) if row.is_single else "-"
    axes.plot([low, high], [place, place], linestyle=line, color=colour, linewidth=1.8)
    axes.plot(at, place, mark, color=colour, markerfacecolor=fill, markersize=6)
    beside = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
    style = {"color": colour, "fontsize": 9, "ha": "right", "va": "center"}
    axes.annotate(points(row.difference), (1, place), (42, 0), **beside, **style)


def short(name: str, length: int = 20) -> str:
    """A name that leaves room for the picture."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
