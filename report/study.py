"""The pictures of one study: its curves, its differences from the base.

draw_study(Path("result/Change_epochs"), settings, study_entries(settings, answer))
"""

from functools import partial
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
    draw_picture,
    plot_band,
    seeds_by_epochs,
    short,
    style_epochs,
)
from report.results import Setting

PANEL = (4.0, 3.1)  # width and height of a panel, inches
DISTINCT = 5  # settings that figures.mplstyle has a colour and a line for
LEGEND = 16  # settings that a legend has room for
SCREEN_SCALE = 1.2  # of a figure for a text, whose letters are smaller than those on a screen
LINES = 14  # differences that a panel has room for
KINDS = {kind.name: kind for kind in PICTURES.values()}  # by the name of their panel
# A study's panels, each a PNG: its file's name, and what it shows.
PANELS = {
    "accuracy": "validation accuracy",
    "loss": "validation loss",
    "tests": "test accuracy",
}


def draw_study(
    folder: Path, settings: list[Setting], entries: list[Entry], for_print: bool = False
) -> None:
    """Draw each panel of a study, and for print all in one: comparison.png and comparison.pdf.

    Where there are no `entries`, the test accuracies of the seeds are shown instead.
    """
    shows = [entries, [plain(setting) for setting in settings]]
    for name in panels_of(settings):
        draw_picture(folder / f"{name}.png", shows, partial(panel_figure, name, settings, entries))
    if for_print:
        path = folder / "comparison.png"
        draw_picture(path, shows, partial(whole_figure, settings, entries), for_print)


def panels_of(settings: list[Setting]) -> list[str]:
    """The panels of a study; of more differences than one has room for the answer tells."""
    names = list(PANELS)
    if len(settings) > LINES:
        names.remove("tests")
    return names


def plain(setting: Setting) -> list:
    """All of a setting that the pictures of its study show, as plain values."""
    histories = [list(map(list, result.history)) for result in setting.results]
    return [setting.study, setting.label, setting.accuracies, histories]


def panel_figure(
    name: str, settings: list[Setting], entries: list[Entry], for_print: bool
) -> Figure:
    """One panel of a study."""
    figure = Figure(figsize=PANEL, dpi=150)
    axes = figure.add_subplot()
    if name == "tests":
        plot_tests(axes, settings, entries)
    else:
        plot_validation(axes, settings, KINDS[name])
        add_legend(axes, settings)
    return figure


def whole_figure(settings: list[Setting], entries: list[Entry], for_print: bool) -> Figure:
    """A study in one figure: two panels of curves above the differences."""
    heights = (2.4, 0.55 + 0.2 * len(settings))
    scale = 1.0 if for_print else SCREEN_SCALE
    figure = Figure(figsize=(scale * PRINT_WIDTH, scale * sum(heights)), dpi=150)
    rows = figure.add_gridspec(2, 1, height_ratios=heights)
    columns = rows[0].subgridspec(1, 2)
    for place, kind in enumerate(KINDS.values()):
        axes = figure.add_subplot(columns[place])
        plot_validation(axes, settings, kind)
        add_legend(axes, settings)
    plot_tests(figure.add_subplot(rows[1]), settings, entries)
    return figure


# --- curves ----------------------------------------------------------------------------------


def add_legend(axes: Axes, settings: list[Setting]) -> None:
    """Name the curves, unless they are too many to be told apart."""
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
    valid = seeds_by_epochs(histories, kind.valid_name)
    train = seeds_by_epochs(histories, kind.train_name).mean(0)
    epochs = len(train)
    above = 2 + 1 / epochs  # a shorter training is part of a longer one
    colour = plot_band(axes, valid, short(setting.label), zorder=above)
    axes.plot(range(1, epochs + 1), train, "-", color=colour, alpha=0.3, linewidth=1)
    mark_cut(axes, valid.mean(0), top, colour)


def usual_top(settings: list[Setting], kind: Kind) -> float:
    """Where a panel ends at the top: infinite, unless an exploding curve would press the others.

    Three times the median of the curves' highest values.
    """
    values = seeds_by_epochs(all_histories(settings), kind.valid_name)
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
