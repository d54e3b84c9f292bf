"""Every figure, drawn from the files of runs; no display is needed.

    draw_curves(Path("result/Change_epochs/20"))     # reads history.csv, writes two PNGs

Colours and lines stand in figures.mplstyle beside this file.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: it takes longer to import and keeps figures

from records.files import read_csv, replacing
from records.runs import is_finite, kept_epoch, read_history
from report.comparison import Row

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#333333"
styled = matplotlib.rc_context(fname=Path(__file__).with_suffix(".mplstyle"))
PICTURES = {"Training_accuracy": (3, 4, "accuracy"), "Loss_curve": (1, 2, "loss")}
FAR_OUT = 3.0  # times the band: a difference beyond is an arrow, else it would press others flat

Histories = list[list[list[float]]]  # of each seed: rows of HISTORY_COLUMNS


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without the time, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


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
    for name, (train_column, valid_column, kind) in PICTURES.items():
        path = folder / f"{name}.png"
        if not sources and not is_older(path, folder / "history.csv"):
            continue
        histories = [read_history(source) for source in sources or [folder]]
        axes = Figure(figsize=(4.4, 3.1)).add_subplot()
        plot_band(axes, histories, train_column, f"train-{kind}")
        plot_band(axes, histories, valid_column, f"valid-{kind}")
        if not sources and (kept := kept_epoch(histories[0])):
            value, mark = histories[0][kept - 1][valid_column], f"kept: epoch {kept}"
            axes.axvline(kept, color="0.6", linewidth=0.8, linestyle="-", zorder=0)
            axes.plot(kept, value, "o", color=ORANGE, markerfacecolor="white", label=mark)
        style_curves(axes, kind, histories)
        axes.legend()
        save(axes.figure, path)


def plot_band(axes: Axes, histories: Histories, column: int, label: str, zorder: float = 2) -> str:
    """Plot the mean of a column over seeds, and for several the band they cover; its colour."""
    values = column_of(histories, column)
    epochs = np.arange(1, values.shape[1] + 1)
    marker = "o" if len(epochs) == 1 else None
    (line,) = axes.plot(epochs, values.mean(0), marker=marker, label=label, zorder=zorder)
    if len(values) > 1:
        axes.fill_between(epochs, values.min(0), values.max(0), color=line.get_color(), alpha=0.18)
    return line.get_color()


def column_of(histories: Histories, column: int) -> np.ma.MaskedArray:
    """A column of several histories, float (seeds, epochs), without what is missing or infinite.

    A diverged seed is shorter than the others and ends in no number.
    """
    epochs = itertools.zip_longest(*histories, fillvalue=[np.nan] * 5)
    return np.ma.masked_invalid([[row[column] for row in rows] for rows in epochs]).T


def style_curves(axes: Axes, kind: str, histories: Histories) -> None:
    """Whole epochs from 1 to the last; above the curves, which runs diverged."""
    last = max(map(len, histories))
    axes.set(xlabel="Epoch", ylabel=kind.capitalize(), xticks=epoch_ticks(last))
    axes.set_xlim(0.5, last + max(0.5, 0.03 * last))
    axes.grid(axis="y")
    if diverged := [str(len(history)) for history in histories if not is_finite(history[-1])]:
        axes.set_title(f"diverged at epoch {', '.join(diverged)}", color=ORANGE)


def epoch_ticks(last: int) -> list[int]:
    """The first epoch and, up to the last, at most eight round ones."""
    steps = (digit * 10**power for power in range(10) for digit in (1, 2, 5))
    step = next(step for step in steps if last <= 8 * step)
    return sorted({1, *range(step, last + 1, step)})


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
        text, colour = f"{counts[row, column]}\n{100 * share:.1f}%", "k" if share < 0.55 else "w"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=12)
    names = [short(name) for name in classes]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names, rotation=90, va="center")
    axes.set(xlabel="Predicted class", ylabel="True class")
    axes.tick_params(length=0)
    save(axes.figure, path)


# --- a study ---------------------------------------------------------------------------------


@styled
def draw_study(
    path: Path, curves: dict[str, Histories], rows: list[Row | None], accuracies: list[float]
) -> None:
    """A study in one picture: validation curves, training faint, differences from the base.

    Where there are no `rows`, for the base, each seed's test accuracy is shown instead.
    """
    figure = Figure(figsize=(12, 3.8))
    *panels, last = figure.subplots(1, 3, width_ratios=(4, 4, 3.2))
    for axes, columns in zip(panels, PICTURES.values(), strict=True):
        plot_curves(axes, curves, *columns)
    limit_loss(panels[1])
    if rows:
        plot_differences(last, rows)
        last.set_title("test accuracy: points from the base, 95% interval")
        last.set_yticks(range(len(curves)), [short(label) for label in curves])
        panels[0].legend()
    else:
        last.plot(accuracies, [0] * len(accuracies), "o", alpha=0.6)
        spread = f" ± {np.std(accuracies, ddof=1):.1f}" if len(accuracies) > 1 else ""
        mean = f"{np.mean(accuracies):.1f}{spread}"
        last.set(title=f"test accuracy of each seed, %: {mean}", yticks=[])
    figure.suptitle(path.parent.name.replace("_", " "))
    save(figure, path)


def plot_curves(
    axes: Axes, curves: dict[str, Histories], train_column: int, valid_column: int, kind: str
) -> None:
    """One panel: the validation curves of every setting, its training curves faint."""
    for name, histories in curves.items():
        above = 2 + 1 / max(map(len, histories))  # a shorter training is part of a longer one
        colour = plot_band(axes, histories, valid_column, short(name), above)
        mean = column_of(histories, train_column).mean(0)
        axes.plot(range(1, len(mean) + 1), mean, "-", color=colour, alpha=0.3, linewidth=1)
    style_curves(axes, kind, list(itertools.chain(*curves.values())))
    seeds = ", band: all seeds" if max(map(len, curves.values())) > 1 else ""
    axes.set_title(f"valid-{kind} (train-{kind} faint{seeds})")


def limit_loss(axes: Axes) -> None:
    """Keep one exploding curve from pressing all others flat."""
    highs = np.ma.array([np.ma.masked_invalid(line.get_ydata()).max() for line in axes.lines])
    if highs.max() > 3 * np.ma.median(highs):
        axes.set_ylim(0, 3 * np.ma.median(highs))


# --- differences from the base ---------------------------------------------------------------


@styled
def draw_answer(path: Path, studies: dict[str, dict[str, Row | None]], band: float) -> None:
    """Every setting's difference from the base, by study; None is the base itself.

    `band` is the difference, as a share, up to which nothing is named.
    """
    rows, labels, titles = [], [], []
    for study, of_study in studies.items():
        titles.append(len(labels))
        labels += [study.replace("_", " "), *of_study]
        rows += [{}, *of_study.values()]
    axes = Figure(figsize=(5, 0.7 + 0.235 * len(rows)), dpi=200).add_subplot()
    axes.axvspan(-100 * band, 100 * band, color="0.9", linewidth=0, zorder=0)
    plot_differences(axes, rows)
    axes.set_yticks(range(len(rows)), [short(label) for label in labels], fontsize=9)
    for title in titles:
        axes.get_yticklabels()[title].set_fontweight("bold")
    axes.set_title("Test accuracy: points from the base", loc="left")
    save(axes.figure, path)


def plot_differences(axes: Axes, rows: list[Row | dict | None]) -> None:
    """Plot rows of differences from the top down: a mark, its interval, the number.

    None is the base, {} leaves a row empty. Colour and a filled mark say: beyond noise.
    """
    given = [row for row in rows if row]
    far = FAR_OUT * max([(row.high - row.low) / 2 for row in given], default=0.01)
    near = [end for row in given if abs(row.difference) < far for end in (row.low, row.high)]
    limit = 108 * max(map(abs, near), default=far)
    axes.axvline(0, color=GREY, linewidth=0.9, linestyle="-", zorder=1)
    for place, row in enumerate(rows):
        if row is None:
            axes.plot(0, place, "D", markersize=5, color=GREY)
        elif row:
            plot_difference(axes, place, row, limit)
    axes.set(xlim=(-limit, limit), ylim=(len(rows) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def plot_difference(axes: Axes, place: int, row: Row, limit: float) -> None:
    """One setting's mark, interval and number in points; an arrow where it is beyond the axis."""
    colour = {"better": BLUE, "worse": ORANGE}.get(row.verdict, GREY)
    value, low, high = (100 * share for share in (row.difference, row.low, row.high))
    at = np.clip(value, -0.93 * limit, 0.93 * limit)
    mark = "o" if at == value else "<" if value < 0 else ">"
    fill = colour if row.beyond_noise else "w"
    axes.plot([low, high], [place, place], "-", color=colour, linewidth=1.8)
    axes.plot(at, place, mark, color=colour, markerfacecolor=fill, markersize=6)
    shown = f"{value:+.1f}".replace("-", "−")
    axes.text(at, place - 0.25, shown, ha="center", va="bottom", color=colour, fontsize=8)


def short(name: str, length: int = 20) -> str:
    """A name that leaves room for the picture."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
