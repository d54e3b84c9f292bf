"""The picture of one study: its curves side by side, its differences from the base.

draw_study(Path("result/Change_epochs"), settings, entries_of(settings, answer))
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from report.comparison import mean_of
from report.differences import Entry, plot_differences
from report.figures import (
    PICTURES,
    PRINT_WIDTH,
    Kind,
    column_of,
    digest_of_picture,
    is_current,
    plot_band,
    save_pdf,
    save_png,
    short,
    style_epochs,
    styled,
)
from report.results import Result, Setting

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
    path, printed = folder / "comparison.png", folder / "comparison.pdf"
    if not is_current(path, digest):
        with styled():
            save_png(screen_panels(settings, entries), path, digest)
    if for_print and not is_current(printed, digest):
        with styled(for_print=True):
            save_pdf(printed_figure(settings, entries), printed, digest)


def plain(setting: Setting) -> list:
    """All of a setting that the picture of its study shows, as plain values."""
    histories = []
    for result in setting.results:
        histories.append([list(epoch) for epoch in result.history])
    return [setting.study, setting.label, setting.accuracies, histories]


def screen_panels(settings: list[Setting], entries: list[Entry]) -> list[Figure]:
    """The panels of a study, side by side: a figure each."""
    count = 3 if len(settings) <= LINES else 2
    figures = [Figure(figsize=PANEL, dpi=150) for _ in range(count)]
    panels = [figure.add_subplot() for figure in figures]
    plot_curves(panels[:2], settings)
    if count == 3:
        plot_tests(panels[2], settings, entries)
    return figures


def printed_figure(settings: list[Setting], entries: list[Entry]) -> Figure:
    """A study as one figure for a text: two panels of curves above the differences."""
    heights = (2.4, 0.55 + 0.2 * len(settings))
    figure = Figure(figsize=(PRINT_WIDTH, sum(heights)))
    above, below = 0, 1
    rows = figure.add_gridspec(2, 1, height_ratios=heights)
    columns = rows[above].subgridspec(1, 2)
    plot_curves([figure.add_subplot(columns[column]) for column in (0, 1)], settings)
    plot_tests(figure.add_subplot(rows[below]), settings, entries)
    return figure


# --- curves ----------------------------------------------------------------------------------


def plot_curves(panels: Sequence[Axes], settings: list[Setting]) -> None:
    """Plot the validation curves of a study on two panels: accuracy and loss."""
    for axes, kind in zip(panels, PICTURES.values(), strict=True):
        plot_validation(axes, settings, kind)
        if 1 < len(settings) <= LEGEND:
            axes.legend(ncols=1 + len(settings) // 9)


def plot_validation(axes: Axes, settings: list[Setting], kind: Kind) -> None:
    """One panel: the validation curves of every setting, its training curves faint."""
    if len(settings) > DISTINCT:
        shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(settings)))
        axes.set_prop_cycle(color=shades)
    top = usual_top(settings, kind)
    for setting in settings:
        plot_setting(axes, setting, kind, top)
    results = all_results(settings)
    style_epochs(axes, kind, max(len(result.history) for result in results))
    if top < np.inf:
        axes.set_ylim(0, top)
    seeds = "; band: seeds" if len(results) > len(settings) else ""
    axes.set_title(f"valid-{kind.name} (faint: train{seeds})", loc="left")


def all_results(settings: list[Setting]) -> list[Result]:
    """The results of several settings."""
    results = []
    for setting in settings:
        results += setting.results
    return results


def plot_setting(axes: Axes, setting: Setting, kind: Kind, top: float) -> None:
    """The validation curve of a setting, with the training curve faint."""
    histories = [result.history for result in setting.results]
    valid = column_of(histories, kind.valid_column)
    train = column_of(histories, kind.train_column).mean(0)
    epochs = len(train)
    above = 2 + 1 / epochs  # a shorter training is part of a longer one
    colour = plot_band(axes, valid, short(setting.label), zorder=above)
    axes.plot(range(1, epochs + 1), train, "-", color=colour, alpha=0.3, linewidth=1)
    mark_cut(axes, valid.mean(0), top, colour)


def usual_top(settings: list[Setting], kind: Kind) -> float:
    """Where a panel ends at the top: infinite, unless an exploding curve would press the others.

    Three times the median of the curves' highest values.
    """
    histories = [result.history for result in all_results(settings)]
    values = column_of(histories, kind.valid_column)
    usual = float(3 * np.ma.median(values.max(1)))
    return usual if 0 < usual < values.max() else np.inf


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
