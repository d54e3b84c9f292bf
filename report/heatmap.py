"""The picture of a study of several settings: a map of test accuracies.

    draw_heat_map(path, map_of(settings, answer))

Every cell carries its number and what is to be said of it, so the map can be read in grey too.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from report.answer import Answer
from report.figures import draw_picture, pale_blues, short
from report.results import Setting, words_of

CELL = (0.85, 0.45)  # width and height of a cell, inches: the map is to be legible on a phone
LETTER = 0.085  # room for a letter of a name, inches
MARGIN = (0.45, 0.6)  # beside and below the map, besides the names, inches
NARROWEST = 5.0  # points that the colours cover at least, so that noise stays pale


class Cell(NamedTuple):
    """One setting of the grid: the names of its row and column and what stands there.

    `accuracy` is the mean test accuracy of the seeds, from 0 to 1.
    """

    row: str
    column: str
    accuracy: float
    note: str
    learned: bool


class HeatMap(NamedTuple):
    """Cells, and what their rows and columns are the values of."""

    cells: list[Cell]
    row_title: str
    column_title: str

    @property
    def rows(self) -> list[str]:
        return list(dict.fromkeys(cell.row for cell in self.cells))

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(cell.column for cell in self.cells))


def map_of(settings: list[Setting], answer: Answer) -> HeatMap:
    """The map of a grid: the first setting downwards, the others beside."""
    cells = [cell_of(setting, answer) for setting in settings]
    names = [words_of(name) for name in settings[0].varied]
    return HeatMap(cells, row_title=names[0], column_title=", ".join(names[1:]))


def cell_of(setting: Setting, answer: Answer) -> Cell:
    """What the map shows of one setting."""
    values = list(map(str, setting.varied.values()))
    learned = setting.key not in answer.unlearned
    row = answer.rows.get(setting.key)
    note = ""
    if not learned:
        note = "not learned"
    elif answer.base and setting.key == answer.base.key:
        note = "base"
    elif row and row.named:
        note = row.verdict
    accuracy = answer.whole(setting).accuracy
    return Cell(values[0], ", ".join(values[1:]), accuracy, note, learned)


# --- the picture -----------------------------------------------------------------------------


def draw_heat_map(path: Path, heat_map: HeatMap, for_print: bool = False) -> None:
    """Draw the test accuracy of every combination, and below it what differs from the base."""
    draw_picture(path, heat_map, partial(heat_map_figure, heat_map), for_print)


def heat_map_figure(heat_map: HeatMap, for_print: bool) -> Figure:
    """A map as large as its cells and names need; the names of columns stand upright."""
    rows, columns = heat_map.rows, heat_map.columns
    beside = LETTER * max(len(short(row)) for row in rows)
    below = LETTER * max(len(short(column)) for column in columns)
    width = MARGIN[0] + beside + CELL[0] * len(columns)
    height = MARGIN[1] + below + CELL[1] * len(rows)
    figure = Figure(figsize=(max(3.4, width), height), dpi=200)
    plot_heat_map(figure.add_subplot(), heat_map)
    return figure


def plot_heat_map(axes: Axes, heat_map: HeatMap) -> None:
    """Plot a cell for every setting; what did not learn has no colour."""
    rows, columns = heat_map.rows, heat_map.columns
    percent = np.full((len(rows), len(columns)), np.nan)
    for cell in heat_map.cells:
        row, column = rows.index(cell.row), columns.index(cell.column)
        text = f"{100 * cell.accuracy:.1f}\n{cell.note}".strip()
        weight = "bold" if cell.note else "normal"
        axes.text(column, row, text, ha="center", va="center", fontweight=weight)
        if cell.learned:
            percent[row, column] = 100 * cell.accuracy
    low, high = range_of(percent)
    axes.imshow(percent, cmap=pale_blues(), vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(columns)), [short(column) for column in columns], rotation=90)
    axes.set_yticks(range(len(rows)), [short(row) for row in rows])
    axes.set_xlabel(heat_map.column_title)
    axes.set_ylabel(heat_map.row_title)
    axes.tick_params(length=0)
    axes.set_title("Test accuracy, %", loc="left")
    axes.spines[:].set_visible(False)


def range_of(percent: np.ndarray) -> tuple[float, float]:
    """The accuracies that the colours cover, in percent: those of the settings that learned."""
    if np.isnan(percent).all():
        return 0.0, 100.0
    low = float(np.nanmin(percent))
    high = float(np.nanmax(percent))
    return min(low, high - NARROWEST), high
