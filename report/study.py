"""The picture of one study: its curves side by side, its differences from the base.

draw_study(Path("result/Change_epochs"), settings, entries_of(settings, answer))
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from records.runs import Epoch
from report.comparison import mean_of
from report.differences import Entry, plot_differences
from report.figures import (
    PICTURES,
    PRINT_WIDTH,
    Kind,
    digest_of_picture,
    is_current,
    plot_band,
    save_pdf,
    save_png,
    short,
    style_epochs,
    styled,
    values_of,
)
from report.results import Setting

PANEL = (4.0, 3.1)  # width and height of each of a study's three panels, inches
DISTINCT = 5  # settings that figures.mplstyle has a colour and a line for
LEGEND = 16  # settings that a legend has room for
LINES = 14  # differences that a panel has room for


def draw_study(
    folder: Path, settings: list[Setting], entries: list[Entry], for_print: bool = False
) -> None:
    """Draw comparison.png, and comparison.pdf for a text: curves, differences from the base.

    Where there are no `entries`, the test accuracies of the seeds are shown instead. Where there
    are more than a panel has room for, they are left out: the answer's picture has them.
    """
    digest = digest_of_picture(entries, [plain(setting) for setting in settings])
    path = folder / "comparison.png"
    if not is_current(path, digest):
        with styled():
            save_png(screen_panels(settings, entries), path, digest)
    printed = path.with_suffix(".pdf")
    if for_print and not is_current(printed, digest):
        with styled(for_print=True):
            save_pdf(printed_figure(settings, entries), printed, digest)


def plain(setting: Setting) -> list:
    """All of a setting that the picture of its study shows, as plain values."""
    histories = []
    for result in setting.results:
        rows = [list(epoch) for epoch in result.history]
        histories.append(rows)
    return [setting.study, setting.label, setting.accuracies, histories]


def screen_panels(settings: list[Setting], entries: list[Entry]) -> list[Figure]:
    """The panels of a study, side by side: a figure each."""
    accuracies = Figure(figsize=PANEL, dpi=150)
    losses = Figure(figsize=PANEL, dpi=150)
    plot_curves(accuracies.add_subplot(), losses.add_subplot(), settings)
    if len(settings) > LINES:
        return [accuracies, losses]
    tests = Figure(figsize=PANEL, dpi=150)
    plot_tests(tests.add_subplot(), settings, entries)
    return [accuracies, losses, tests]


def printed_figure(settings: list[Setting], entries: list[Entry]) -> Figure:
    """A study as one figure for a text: two panels of curves above the differences."""
    heights = (2.4, 0.55 + 0.2 * len(settings))
    figure = Figure(figsize=(PRINT_WIDTH, sum(heights)))
    rows = figure.add_gridspec(2, 1, height_ratios=heights)
    columns = rows[0].subgridspec(1, 2)
    accuracies = figure.add_subplot(columns[0])
    losses = figure.add_subplot(columns[1])
    plot_curves(accuracies, losses, settings)
    plot_tests(figure.add_subplot(rows[1]), settings, entries)
    return figure


# --- curves ----------------------------------------------------------------------------------


def plot_curves(accuracies: Axes, losses: Axes, settings: list[Setting]) -> None:
    """Plot the validation curves of a study on two panels."""
    accuracy, loss = PICTURES.values()
    plot_validation(accuracies, settings, accuracy)
    plot_validation(losses, settings, loss)
    if 1 < len(settings) <= LEGEND:
        columns = 1 + len(settings) // 9
        accuracies.legend(ncols=columns)
        losses.legend(ncols=columns)


def plot_validation(axes: Axes, settings: list[Setting], kind: Kind) -> None:
    """One panel: the validation curves of every setting, its training curves faint."""
    if len(settings) > DISTINCT:
        shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(settings)))
        axes.set_prop_cycle(color=shades)
    top = usual_top(settings, kind)
    for setting in settings:
        plot_setting(axes, setting, kind, top)
    histories = all_histories(settings)
    style_epochs(axes, kind, max(map(len, histories)))
    if top < np.inf:
        axes.set_ylim(0, top)
    faint = "train"
    if len(histories) > len(settings):
        faint = "train; band: seeds"
    axes.set_title(f"valid-{kind.name} (faint: {faint})", loc="left")


def all_histories(settings: list[Setting]) -> list[list[Epoch]]:
    """The histories of all seeds of several settings."""
    histories = []
    for setting in settings:
        for result in setting.results:
            histories.append(result.history)
    return histories


def plot_setting(axes: Axes, setting: Setting, kind: Kind, top: float) -> None:
    """The validation curve of a setting, with the training curve faint."""
    histories = [result.history for result in setting.results]
    valid = values_of(histories, kind.valid_name)
    train = values_of(histories, kind.train_name).mean(0)
    epochs = len(train)
    above = 2 + 1 / epochs  # a shorter training is part of a longer one
    colour = plot_band(axes, valid, short(setting.label), zorder=above)
    axes.plot(range(1, epochs + 1), train, "-", color=colour, alpha=0.3, linewidth=1)
    mark_cut(axes, valid.mean(0), top, colour)


def usual_top(settings: list[Setting], kind: Kind) -> float:
    """Where a panel ends at the top: infinite, unless an exploding curve would press the others.

    Three times the median of the curves' highest values.
    """
    values = values_of(all_histories(settings), kind.valid_name)
    usual = float(3 * np.ma.median(values.max(1)))
    if 0 < usual < values.max():
        return usual
    return np.inf


def mark_cut(axes: Axes, values: np.ma.MaskedArray, top: float, colour: ColorType) -> None:
    """Set an arrow at the epochs at which a curve is above the end of the axis."""
    cut = np.flatnonzero((values > top).filled(False))
    if len(cut):
        edge = np.full(len(cut), 0.97 * top)
        axes.plot(1 + cut, edge, "^", color=colour, markersize=6, zorder=5)


# --- test accuracies -------------------------------------------------------------------------


def plot_tests(axes: Axes, settings: list[Setting], entries: list[Entry]) -> None:
    """Plot differences from the base, or where nothing can be compared the accuracies."""
    if entries:
        plot_differences(axes, entries)
        axes.set_title("test accuracy: points from the base", loc="right")
    else:
        plot_accuracies(axes, settings)


def plot_accuracies(axes: Axes, settings: list[Setting]) -> None:
    """Plot the test accuracy of each seed, a line for each setting, from the top down."""
    labels = []
    for line, setting in enumerate(settings):
        percent = [100 * accuracy for accuracy in setting.accuracies]
        axes.plot(percent, [line] * len(percent), "o", alpha=0.6)
        labels.append(f"{short(setting.label)}\n{mean_of(setting.accuracies)}")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_title("test accuracy of each seed, %", loc="right")
