"""The picture of a study of several settings: a map of test accuracies.

    draw_heat_map(path, map_of(settings, answer))

Every cell carries its number, so the map can be read in grey too.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from report.answer import Answer
from report.comparison import BETTER, WORSE
from report.figures import GREY, draw_picture, pale_blues, short
from report.results import Setting, words_of

CELL = (0.62, 0.45)  # width and height of a cell, inches: the map is to be legible on a phone
LETTER = 0.085  # room for a letter of a name, inches
MARGIN = (0.45, 0.9)  # beside and below the map, besides the names, inches
NARROWEST = 5.0  # points that the colours cover at least, so that noise stays pale


class Cell(NamedTuple):
    """One setting of the grid: the names of its row and column and what is drawn there.

    `accuracy` is the mean test accuracy of the seeds, from 0 to 1. `verdict` is that of the
    comparison with the base.
    """

    row: str
    column: str
    accuracy: float
    verdict: str
    is_base: bool
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
    verdict = ""
    if setting.key in answer.rows:
        verdict = answer.rows[setting.key].verdict
    return Cell(
        row=values[0],
        column=", ".join(values[1:]),
        accuracy=answer.whole(setting).accuracy,
        verdict=verdict,
        is_base=answer.base is not None and setting.key == answer.base.key,
        learned=setting.key not in answer.unlearned,
    )


# --- the picture -----------------------------------------------------------------------------


def draw_heat_map(path: Path, heat_map: HeatMap, for_print: bool = False) -> None:
    """Draw the test accuracy of every combination.

    A solid frame: better than the base beyond noise; a dashed one: worse. Hatched: did not learn.
    """
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
    """Plot a cell for every setting, and what frames and hatches mean."""
    rows, columns = heat_map.rows, heat_map.columns
    percent = np.full((len(rows), len(columns)), np.nan)
    for cell in heat_map.cells:
        column = columns.index(cell.column)
        row = rows.index(cell.row)
        draw_cell(axes, cell, column, row)
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
    explain(axes, heat_map.cells)


def range_of(percent: np.ndarray) -> tuple[float, float]:
    """The accuracies that the colours cover, in percent: those of the settings that learned."""
    if np.isnan(percent).all():
        return 0.0, 100.0
    low = float(np.nanmin(percent))
    high = float(np.nanmax(percent))
    return min(low, high - NARROWEST), high


def draw_cell(axes: Axes, cell: Cell, column: int, row: int) -> None:
    """One cell's number and marks."""
    text = f"{100 * cell.accuracy:.1f}"
    weight = "normal"
    if cell.is_base:
        text += "\nbase"
        weight = "bold"
    axes.text(column, row, text, ha="center", va="center", fontweight=weight)
    if not cell.learned:
        hatched = frame_of(column, row)
        hatched.set_hatch("///")
        hatched.set_edgecolor("0.75")  # pale: the number is read through it
        axes.add_patch(hatched)
    if cell.verdict in (BETTER, WORSE):
        frame = frame_of(column, row)
        frame.set_edgecolor("black")
        frame.set_linewidth(1.6)
        if cell.verdict == WORSE:
            frame.set_linestyle((0, (3, 1.5)))
        axes.add_patch(frame)


def frame_of(column: int, row: int) -> Rectangle:
    """The outline of a cell, not to be seen yet."""
    return Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, linewidth=0)


def explain(axes: Axes, cells: list[Cell]) -> None:
    """Say below the map what the marks that occur mean."""
    verdicts = {cell.verdict for cell in cells}
    notes = []
    if BETTER in verdicts:
        notes.append("solid frame: better than the base")
    if WORSE in verdicts:
        notes.append("dashed frame: worse than the base")
    if not all(cell.learned for cell in cells):
        notes.append("hatched: did not learn")
    if axes.figure:
        axes.figure.supxlabel("\n".join(notes), fontsize=8, color=GREY)
