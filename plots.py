"""Every figure, drawn from the files of a run; no display is needed.

    from plots import draw_curves
    draw_curves(Path("result/Change_epochs/20"))     # reads history.csv, writes two PNGs

Colours are Okabe and Ito's, which colour-blind readers can tell apart; line styles and
markers carry the same difference for print in grey.
"""

import csv
import functools
import hashlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: it takes longer to import and keeps figures
from PIL import Image

from runs import file_digest, is_finite, kept_epoch, read_history, replacing

BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC3311", "#AA4499"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#333333")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
PICTURES = {"Training_accuracy": (3, 4, "accuracy"), "Loss_curve": (1, 2, "loss")}
DPI = 120


class Curves(NamedTuple):
    """The histories of one setting: one array (epochs, 5) of HISTORY_COLUMNS for each seed."""

    name: str
    histories: list[np.ndarray]


class Score(NamedTuple):
    """A setting's test accuracy and its interval, as shares, with one dot for each seed."""

    name: str
    accuracy: float
    low: float
    high: float
    seeds: list[float]


def draw_curves(folder: Path, sources: list[Path] | None = None) -> None:
    """Draw Training_accuracy.png and Loss_curve.png of one run, or of several seeds.

    As with every figure here, a picture that shows the same already is left alone.
    `sources` are the folders whose history.csv is read, `folder` itself by default. Several
    are shown as their mean in a band from the lowest to the highest.
    """
    sources = sources or [folder]
    histories = [np.array(read_history(source)) for source in sources]
    shown = drawn_from([history.tolist() for history in histories])
    for name, (train_column, valid_column, kind) in PICTURES.items():
        if is_current(folder / f"{name}.png", shown):
            continue
        figure = Figure(figsize=(4.4, 3.1), dpi=DPI)
        # A fixed frame: fitting it to the labels would take as long as drawing.
        axes = figure.add_axes((0.225, 0.16, 0.745, 0.76))
        plot_band(axes, histories, train_column, color=BLUE, label=f"train-{kind}")
        plot_band(
            axes, histories, valid_column, color=ORANGE, linestyle="--", label=f"valid-{kind}"
        )
        if len(histories) == 1:
            mark_kept_epoch(axes, histories[0], valid_column)
        style_axes(axes, kind, max(map(len, histories)))
        name_diverged(axes, histories)
        axes.legend(frameon=False, fontsize=9)
        save(figure, folder / f"{name}.png", shown)


def plot_band(axes: Axes, histories: list[np.ndarray], column: int, **style: object) -> None:
    """Plot the mean of a column over seeds, and for several the band they cover."""
    values = column_of(histories, column)
    epochs = np.arange(1, values.shape[1] + 1)
    marker = "o" if len(epochs) == 1 else None
    axes.plot(epochs, values.mean(0), linewidth=1.6, marker=marker, **style)
    if len(values) > 1:
        low, high = values.min(0), values.max(0)
        axes.fill_between(epochs, low, high, color=style["color"], alpha=0.18, linewidth=0)


def column_of(histories: list[np.ndarray], column: int) -> np.ma.MaskedArray:
    """A column of several histories, float (seeds, epochs), without what is missing or infinite.

    A diverged seed is shorter than the others and ends in no number.
    """
    values = np.full((len(histories), max(map(len, histories))), np.nan)
    for row, history in zip(values, histories, strict=True):
        row[: len(history)] = history[:, column]
    return np.ma.masked_invalid(values)


def mark_kept_epoch(axes: Axes, history: np.ndarray, column: int) -> None:
    """Mark the epoch whose weights are kept; `history` is float (epochs, 5)."""
    kept = kept_epoch(history)
    if kept:
        value = history[kept - 1, column]
        axes.axvline(kept, color="0.6", linewidth=0.8, zorder=0)
        axes.plot(
            kept, value, "o", markersize=6, markerfacecolor="white", markeredgecolor=ORANGE,
            markeredgewidth=1.6, label=f"kept: epoch {kept}", zorder=3,
        )  # fmt: skip


def name_diverged(axes: Axes, histories: list[np.ndarray]) -> None:
    """Say above the curves where a run diverged, or how many seeds did."""
    diverged = [len(history) for history in histories if not is_finite(history[-1])]
    if diverged:
        seeds = f"{len(diverged)} of {len(histories)} seeds diverged"
        one = f"diverged at epoch {diverged[0]}"
        axes.set_title(seeds if len(histories) > 1 else one, fontsize=9, color=RED)


def style_axes(axes: Axes, kind: str, last: int) -> None:
    """Whole epochs from 1 to the last, few lines."""
    axes.set_xlabel("Epoch")
    axes.set_ylabel(kind.capitalize())
    axes.set_xticks(epoch_ticks(last))
    axes.ticklabel_format(axis="y", scilimits=(-3, 4))
    axes.set_xlim(0.5, last + max(0.5, 0.03 * last))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def epoch_ticks(last: int) -> list[int]:
    """The first epoch and, up to the last, at most eight round ones."""
    steps = (digit * 10**power for power in range(10) for digit in (1, 2, 5))
    step = next(step for step in steps if last <= 8 * step)
    return sorted({1, *range(step, last + 1, step)})


def draw_confusion_matrix(folder: Path, classes: list[str]) -> None:
    """Draw confusion_matrix.png from predictions.csv: counts, and shares of the true class."""
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        pairs = Counter((row["true_class"], row["predicted_class"]) for row in csv.DictReader(file))
    picture = folder / "confusion_matrix.png"
    shown = drawn_from(classes, sorted(pairs.items()))
    if is_current(picture, shown):
        return
    counts = np.array([[pairs[true, predicted] for predicted in classes] for true in classes])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(3.6, 3.2), dpi=DPI)
    axes = figure.add_axes((0.18, 0.16, 0.79, 0.8))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        colour = "white" if share > 0.55 else "black"
        text = f"{count}\n{100 * share:.1f}%"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=12)
    names = [literal(name, 16) for name in classes]
    axes.set_xticks(range(len(classes)), names)
    axes.set_yticks(range(len(classes)), names, rotation=90, va="center")
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    axes.tick_params(length=0)
    save(figure, picture, shown)


def draw_comparison(path: Path, study: str, curves: list[Curves], scores: list[Score]) -> None:
    """Draw a study in one picture: validation curves, training faint, test accuracies."""
    values = [(name, [own.tolist() for own in histories]) for name, histories in curves]
    shown = drawn_from(study, values, scores)
    if is_current(path, shown):
        return
    figure = Figure(figsize=(12, 3.8), dpi=DPI, layout="constrained")
    accuracy, loss, test = figure.subplots(1, 3, width_ratios=(4, 4, 3.2))
    histories = [history for own in curves for history in own.histories]
    band = ", band: all seeds" if len(histories) > len(curves) else ""
    looks = [(COLOURS[i % 5], STYLES[i % 5]) for i in range(len(curves))]
    for axes, (train_column, valid_column, kind) in (
        (accuracy, PICTURES["Training_accuracy"]),
        (loss, PICTURES["Loss_curve"]),
    ):
        for (name, own), (colour, style) in zip(curves, looks, strict=True):
            above = 2 + 1 / max(map(len, own))  # a shorter training is part of a longer one
            plot_band(
                axes, own, valid_column,
                color=colour, linestyle=style, label=literal(name), zorder=above,
            )  # fmt: skip
            mean = column_of(own, train_column).mean(0)
            axes.plot(range(1, len(mean) + 1), mean, color=colour, alpha=0.3, linewidth=1)
        style_axes(axes, kind, max(map(len, histories)))
        axes.set_title(f"valid-{kind} (train-{kind} faint{band})", fontsize=10)
    limit_loss(loss, curves)
    accuracy.legend(frameon=False, fontsize=8)
    plot_scores(test, scores, {c.name: look[0] for c, look in zip(curves, looks, strict=True)})
    figure.suptitle(study.replace("_", " "), fontsize=12)
    save(figure, path, shown)


def limit_loss(axes: Axes, curves: list[Curves]) -> None:
    """Keep one exploding curve from pressing all others flat."""
    highs = [float(np.nanmax(history[np.isfinite(history[:, 2]), 2], initial=0))
             for _, histories in curves for history in histories]  # fmt: skip
    usual = 3 * float(np.median(highs))
    if 0 < usual < max(highs):
        axes.set_ylim(0, usual)


def plot_scores(axes: Axes, scores: list[Score], colours: dict[str, str]) -> None:
    """Plot test accuracies as dots with their 95 % intervals, one row each."""
    for row, score in enumerate(scores):
        colour = colours.get(score.name, "black")
        axes.plot([100 * score.low, 100 * score.high], [row, row], color=colour, linewidth=2)
        axes.plot(100 * score.accuracy, row, "o", color=colour, markersize=7)
        if len(score.seeds) > 1:
            values = [100 * value for value in score.seeds]
            axes.plot(values, [row + 0.22] * len(values), "|", color=colour, markersize=7)
        label = f"{100 * score.accuracy:.1f}"
        axes.annotate(
            label, (100 * score.accuracy, row), (0, 7), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(scores)), [literal(score.name) for score in scores])
    axes.set_ylim(len(scores) - 0.4, -0.6)
    ticks = ", ticks: seeds" if len(scores[0].seeds) > 1 else ""
    axes.set_title(f"bar: 95% interval{ticks}", fontsize=10)
    axes.set_xlabel("Test accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.12)


def literal(text: str, length: int = 40) -> str:
    """Make text that matplotlib shows as it stands: no formulas, no endless names."""
    short = text if len(text) <= length else text[: length - 1] + "…"
    return short.replace("$", r"\$")


def drawn_from(*values: object) -> str:
    """A digest of the plain values that a picture shows and of the code that draws it."""
    return hashlib.sha256(repr((own_digest(), *values)).encode()).hexdigest()


@functools.cache  # as it was when this program started: it may be edited meanwhile
def own_digest() -> str:
    """The digest of this module."""
    return file_digest(Path(__file__))


def is_current(picture: Path, shown: str) -> bool:
    """Whether a picture is there and was drawn from these values."""
    try:
        with Image.open(picture) as image:
            return image.info.get("Description") == shown
    except OSError:
        return False


def save(figure: Figure, path: Path, shown: str) -> None:
    """Write a PNG, whole or not at all; it carries a digest of what it shows, but no time."""
    with replacing(path) as temporary:
        metadata = {"Software": None, "Description": shown}
        figure.savefig(temporary, format="png", metadata=metadata)
