"""The pictures of one study: its curves, its differences from the base.

draw_study(Path("result/Change_epochs"), settings, held_in(answer))
"""

from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from records.runs import Epoch
from report.differences import (
    Entry,
    Held,
    add_key,
    plot_differences,
    study_entries,
    title_of,
)
from report.figures import (
    PICTURES,
    PRINT_WIDTH,
    Kind,
    Look,
    draw_picture,
    mark_cut,
    plot_band,
    seeds_by_epochs,
    short,
    style_epochs,
)
from report.results import Setting

PANEL = (4.0, 2.6)  # width and height of a panel without its legend, inches
ROW, HANDLE, LETTER = 0.2, 0.65, 0.078  # of a legend: height of a line, width of a mark, a letter
DISTINCT = 5  # settings that figures.mplstyle has a colour and a line for
LEGEND = 16  # settings that a legend has room for
SCREEN_SCALE = 1.2  # of a figure for a text, whose letters are smaller than those on a screen


def draw_study(folder: Path, settings: list[Setting], held: Held, for_print: bool = False) -> None:
    """Draw the curves of a study, and for print with its differences: comparison.png and .pdf."""
    curves = [plain(setting) for setting in settings]
    for kind in PICTURES.values():
        draw_picture(folder / f"{kind.name}.png", curves, partial(panel_figure, settings, kind))
    entries = study_entries(settings, held)
    title = title_of(held.base)
    shows = [entries, title, curves]
    if for_print:
        make_figure = partial(whole_figure, settings, entries, title)
        draw_picture(folder / "comparison.png", shows, make_figure, for_print)


def plain(setting: Setting) -> list:
    """All of a setting that the pictures of its study show, as plain values."""
    histories = [list(map(list, result.history)) for result in setting.results]
    return [setting.study, setting.label, setting.accuracies, histories]


def panel_figure(settings: list[Setting], kind: Kind, for_print: bool) -> Figure:
    """The curves of one kind of a study."""
    figure, axes = empty_panel(settings)
    plot_validation(axes, settings, kind)
    add_legend(figure, axes, settings)
    return figure


def empty_panel(settings: list[Setting]) -> tuple[Figure, Axes]:
    """Axes in a figure that has room for the names of a study's settings."""
    width, height = PANEL
    figure = Figure(figsize=(width, height + ROW * legend_rows(settings, width)), dpi=150)
    return figure, figure.add_subplot()


def whole_figure(
    settings: list[Setting], entries: list[Entry], title: str, for_print: bool
) -> Figure:
    """A study in one figure: two panels of curves above the differences, if there are some."""
    heights = [2.4]
    if entries:
        heights.append(0.55 + 0.2 * len(settings))
    scale = 1.0 if for_print else SCREEN_SCALE
    above = ROW * legend_rows(settings, PRINT_WIDTH)
    size = (scale * PRINT_WIDTH, scale * (sum(heights) + above + 2 * ROW))
    figure = Figure(figsize=size, dpi=150)
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    columns = rows[0].subgridspec(1, 2)
    for place, kind in enumerate(PICTURES.values()):
        axes = figure.add_subplot(columns[place])
        plot_validation(axes, settings, kind)
    add_legend(figure, axes, settings)
    if entries:
        axes = figure.add_subplot(rows[1])
        plot_differences(axes, entries)
        axes.set_title(title, loc="right")
        axes.set_ylabel(settings[0].what)
        add_key(figure, entries)
    return figure


# --- curves ----------------------------------------------------------------------------------


def add_legend(figure: Figure, axes: Axes, settings: list[Setting]) -> None:
    """Name the curves above all axes, once, unless they are too many to be told apart."""
    if 1 < len(settings) <= LEGEND:
        handles, labels = axes.get_legend_handles_labels()
        width = figure.get_size_inches()[0]
        columns = legend_columns(settings, width)
        legend = figure.legend(handles, labels, loc="outside upper left", ncols=columns)
        legend.set_title(settings[0].what)
        legend.set_alignment("left")


def legend_columns(settings: list[Setting], width: float) -> int:
    """How many names stand side by side above a figure so many inches wide."""
    longest = max(len(short(setting.label)) for setting in settings)
    return max(1, min(len(settings), int(width / (HANDLE + LETTER * longest))))


def legend_rows(settings: list[Setting], width: float) -> int:
    """How many lines names and their title take above a figure so many inches wide."""
    if not 1 < len(settings) <= LEGEND:
        return 1
    return 1 + -(-len(settings) // legend_columns(settings, width))


def plot_validation(axes: Axes, settings: list[Setting], kind: Kind) -> None:
    """One panel: the validation curves of every setting, its training curves faint."""
    colour_curves(axes, settings)
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
    title = f"valid-{kind.name} (faint: {faint})"
    if len(settings) == 1:
        title = f"{settings[0].name}\n{title}"
    axes.set_title(title, loc="left")


def colour_curves(axes: Axes, settings: list[Setting]) -> None:
    """Give the curves of more settings than the style has colours for a shade each."""
    if len(settings) > DISTINCT:
        shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(settings)))
        axes.set_prop_cycle(color=shades)


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


# --- what the curves of single settings share ------------------------------------------------


def look_of(setting: Setting, study: list[Setting]) -> Look:
    """The title of a setting's curves, and the axes that it shares with the others of its study.

    Losses of different loss functions have different units: they share none.
    """
    title = setting.label if setting.is_of_grid else setting.name
    alike = [other for other in study if loss_function(other) == loss_function(setting)]
    limits = {}
    for settings, kind in zip((study, alike), PICTURES.values(), strict=True):
        values = seeds_by_epochs(all_histories(settings), kind.train_name, kind.valid_name)
        if values.count():
            low = float(values.min())
            high = min(float(values.max()), usual_top(settings, kind))
            margin = 0.05 * (high - low) or 0.05
            limits[kind.name] = (low - margin, high + margin)
    return Look(title, limits)


def loss_function(setting: Setting) -> object:
    """The loss function of a setting."""
    return dict(setting.key)["loss_function"]
