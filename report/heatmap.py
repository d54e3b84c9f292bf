"""The picture of a study of several settings: a map of test accuracies.

    draw_heat_map(path, cells, ["loss_function", "learning_rate"])

Every cell carries its number, so the map can be read in grey too.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from report.figures import GREY, digest_of_picture, is_current, pale_blues, save_png, short, styled

CELL = (0.95, 0.5)  # width and height of a cell, inches
MARGIN = (1.9, 1.35)  # of the names beside and below the map, inches
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


def draw_heat_map(path: Path, cells: list[Cell], names: list[str]) -> None:
    """Draw test accuracy by the first setting, downwards, and the others, to the right.

    A solid frame: better than the base beyond noise; a dashed one: worse. Hatched: did not learn.
    """
    digest = digest_of_picture("heat map", cells, names)
    if is_current(path, digest):
        return
    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = list(dict.fromkeys(cell.column for cell in cells))
    size = MARGIN[0] + CELL[0] * len(columns), MARGIN[1] + CELL[1] * len(rows)
    with styled():
        figure = Figure(figsize=size, dpi=200)
        plot_heat_map(figure.add_subplot(), cells, names)
        save_png([figure], path, digest)


def plot_heat_map(axes: Axes, cells: list[Cell], names: list[str]) -> None:
    """Plot a cell for every setting, and what frames and hatches mean."""
    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = list(dict.fromkeys(cell.column for cell in cells))
    percent = np.full((len(rows), len(columns)), np.nan)
    for cell in cells:
        column, row = columns.index(cell.column), rows.index(cell.row)
        draw_cell(axes, cell, column, row)
        if cell.learned:
            percent[row, column] = 100 * cell.accuracy
    low, high = range_of(percent)
    axes.imshow(percent, cmap=pale_blues(), vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(columns)), [short(column) for column in columns])
    axes.set_yticks(range(len(rows)), [short(row) for row in rows])
    axes.set(xlabel=in_words(names[1:]), ylabel=in_words(names[:1]))
    axes.set_title("Test accuracy, %", loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    explain(axes, cells)


def range_of(percent: np.ndarray) -> tuple[float, float]:
    """The accuracies that the colours cover, in percent: those of the settings that learned."""
    if np.isnan(percent).all():
        return 0.0, 100.0
    low, high = np.nanmin(percent), np.nanmax(percent)
    return min(low, high - NARROWEST), high


def draw_cell(axes: Axes, cell: Cell, column: int, row: int) -> None:
    """One cell's number and marks."""
    text, weight = f"{100 * cell.accuracy:.1f}", "normal"
    if cell.is_base:
        text, weight = f"{text}\nbase", "bold"
    axes.text(column, row, text, ha="center", va="center", fontweight=weight)
    corner = column - 0.46, row - 0.44
    if not cell.learned:
        style = {"fill": False, "hatch": "////", "edgecolor": "0.55", "linewidth": 0}
        axes.add_patch(Rectangle(corner, 0.92, 0.88, **style))
    if cell.verdict in ("better", "worse"):
        dashes = "-" if cell.verdict == "better" else (0, (3, 1.5))
        style = {"fill": False, "edgecolor": "black", "linewidth": 1.6, "linestyle": dashes}
        axes.add_patch(Rectangle(corner, 0.92, 0.88, **style))


def explain(axes: Axes, cells: list[Cell]) -> None:
    """Say below the map what the marks that occur mean."""
    verdicts = {cell.verdict for cell in cells}
    notes = []
    if "better" in verdicts:
        notes.append("solid frame: better than the base")
    if "worse" in verdicts:
        notes.append("dashed frame: worse than the base")
    if not all(cell.learned for cell in cells):
        notes.append("hatched: did not learn")
    axes.figure.supxlabel("\n".join(notes), fontsize=8, color=GREY)


def in_words(names: list[str]) -> str:
    """Settings' names for a reader."""
    return ", ".join(name.replace("_", " ") for name in names)
