"""The picture of differences: every setting's test accuracy against that of the base.

    entries = answer_entries(settings, held_in(answer))
    draw_answer(Path("result/answer.png"), entries, "Test accuracy")

One line for each setting, from the top down, under the name of its study.
"""

from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType

from report.answer import Answer, Rows, with_row
from report.comparison import BETTER, WORSE, Comparison, points
from report.figures import BLUE, GREY, ORANGE, PRINT_WIDTH, draw_picture, short
from report.results import Setting, study_name, words_of

FAR_OUT = 2.0  # times the usual interval: what is beyond would press the others flat
MARGIN = 1.08  # of the axis beyond the longest interval
NUMBER_ENDS = 4.4  # font sizes to the right of the axis
SINGLE: LineStyleType = (0, (2, 1))  # the line of an interval that rests on one training
COLOURS = {BETTER: BLUE, WORSE: ORANGE}  # of what differs from the base


class Entry(NamedTuple):
    """A line in a picture of differences: a heading, the base, or a setting held against it."""

    label: str
    row: Comparison | None = None
    is_base: bool = False


class Names(NamedTuple):
    """Below which heading of a picture a setting stands, and its name there."""

    heading: str
    label: str


class Mark(NamedTuple):
    """Where a mark stands on the axis of differences, in points, and what it looks like."""

    value: float
    shape: str
    size: float


# --- what is in a picture --------------------------------------------------------------------


class Held(NamedTuple):
    """What settings are held against: comparisons, the base, and which are one training."""

    rows: Rows
    base: Setting | None
    twins: dict[tuple, tuple]


def held_in(answer: Answer) -> Held:
    """What the settings of an answer are held against."""
    return Held(answer.rows, answer.base, answer.twins)


def study_entries(settings: list[Setting], held: Held) -> list[Entry]:
    """What the picture of a study shows of settings; nothing where none is compared."""
    if not with_row(settings, held.rows):
        return []
    names = [setting.label for setting in settings]
    return entries_below(settings, names, held)


def answer_entries(settings: list[Setting], held: Held) -> list[Entry]:
    """What the picture of all settings shows: each under the heading of its study."""
    entries = []
    for heading, group in groupby(settings, lambda setting: names_in_picture(setting).heading):
        below = list(group)
        if heading:
            entries.append(Entry(heading))
        names = [names_in_picture(setting).label for setting in below]
        entries += entries_below(below, names, held)
    return entries


def entries_below(settings: list[Setting], names: list[str], held: Held) -> list[Entry]:
    """A line for each setting; settings that kept the same weights are one training, one line."""
    entries: dict[tuple, Entry] = {}
    for setting, name in zip(settings, names, strict=True):
        key = held.twins.get(setting.key, setting.key)
        if key in entries:
            entries[key] = entries[key]._replace(label=f"{entries[key].label} = {name}")
        elif held.base and setting.key == held.base.key:
            entries[key] = Entry(name, is_base=True)
        else:
            entries[key] = Entry(name, held.rows.get(setting.key))
    return list(entries.values())


def names_in_picture(setting: Setting) -> Names:
    """A setting stands below its study, or in a grid below its value of the first setting."""
    if setting.is_base:
        return Names("", setting.label)
    if not setting.is_of_grid:
        return Names(study_name(setting.study), setting.label)
    (name, first), *others = setting.varied.items()
    label = ", ".join(str(value) for _, value in others)
    if isinstance(first, str):
        return Names(first, label)
    return Names(f"{words_of(name)} {first}", label)


# --- the picture -----------------------------------------------------------------------------


def title_of(base: Setting | None) -> str:
    """What differences from the base are, and what it gets itself."""
    accuracy = f" ({base.accuracy:.1%})" if base else ""
    return f"Test accuracy: points from the base{accuracy}"


def draw_answer(path: Path, entries: list[Entry], title: str, for_print: bool = False) -> None:
    """Draw differences as a PNG for the screen, and as a PDF beside it for a text."""
    make_figure = partial(answer_figure, entries, title)
    draw_picture(path, [entries, title], make_figure, for_print)


def answer_figure(entries: list[Entry], title: str, for_print: bool) -> Figure:
    """Differences under a title, above a key."""
    size = (4.4, 1.1 + 0.235 * len(entries))
    if for_print:
        size = (PRINT_WIDTH, 0.8 * size[1])
    figure = Figure(figsize=size, dpi=200)
    axes = figure.add_subplot()
    plot_differences(axes, entries)
    axes.set_title(title, loc="right")
    add_key(figure, entries)
    return figure


def add_key(figure: Figure, entries: list[Entry]) -> None:
    """Say below a figure what the marks mean that are in it."""
    rows = [entry.row for entry in entries if entry.row]
    named = {row.verdict: row for row in rows if row.named}
    others = {row.verdict: row for row in rows if not row.named}
    handles = []
    if any(entry.is_base for entry in entries):
        handles.append(key_mark("D", "the base", GREY, ""))
    if named:
        handles.append(key_mark("o", " or ".join(sorted(named)), GREY, ""))
    if others:
        handles.append(key_mark("o", " or ".join(sorted(others)), "w", ""))
    if any(row.is_single for row in rows):
        handles.append(key_mark("s", "one training", "w", SINGLE))
    figure.legend(handles=handles, loc="outside lower right", ncols=2, handlelength=2.4)


def key_mark(shape: str, label: str, inside: str, line: LineStyleType) -> Line2D:
    """A mark of the key, as it looks in the picture."""
    mark = Line2D([], [], color=GREY, marker=shape, markersize=5.5, label=label)
    mark.set_markerfacecolor(inside)
    mark.set_linestyle(line)
    return mark


def plot_differences(axes: Axes, entries: list[Entry]) -> None:
    """Plot differences from the top down: a mark, its interval, the number in points.

    Colour and a filled mark say: better or worse; a square and a dashed interval: one training.
    """
    limit = limit_of([entry.row for entry in entries if entry.row])
    axes.axvline(0, color=GREY, linewidth=0.9, linestyle="-", zorder=1)
    for line, entry in enumerate(entries):
        if entry.row:
            plot_difference(axes, line, entry.row, limit)
        elif entry.is_base:
            axes.plot(0, line, "D", markersize=5, color=GREY)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlim(-limit, limit)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.set_yticks(range(len(entries)), [short(entry.label) for entry in entries])
    for entry, label in zip(entries, axes.get_yticklabels(), strict=True):
        if not entry.row and not entry.is_base:  # a heading
            label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def limit_of(rows: list[Comparison]) -> float:
    """Where the axis of differences ends on both sides, in points."""
    widths = [row.high - row.low for row in rows if row.high > row.low]  # 0: the same training
    if not widths:
        return 1.0
    far = FAR_OUT * median(widths)
    widest = max(max(-row.low, row.high) for row in rows)
    return 100 * MARGIN * min(far, widest)


def plot_difference(axes: Axes, line: int, row: Comparison, limit: float) -> None:
    """One setting's mark, interval and number in points; arrows where they leave the axis."""
    colour = COLOURS.get(row.verdict, GREY)
    plot_interval(axes, line, row, limit)
    mark = mark_of(row, limit)
    inside = "w"
    if row.named:
        inside = colour
    size = mark.size
    axes.plot(mark.value, line, mark.shape, markersize=size, color=colour, markerfacecolor=inside)
    write_beside(axes, line, points(row.difference), colour)


def mark_of(row: Comparison, limit: float) -> Mark:
    """One setting's mark; an arrow where it would leave the axis."""
    value = 100 * row.difference
    edge = 0.97 * limit
    if value < -edge:
        return Mark(-edge, "<", 8)
    if value > edge:
        return Mark(edge, ">", 8)
    if row.is_single:
        return Mark(value, "s", 5.5)
    return Mark(value, "o", 5.5)


def plot_interval(axes: Axes, line: int, row: Comparison, limit: float) -> None:
    """One setting's interval, dashed where it is that of one training; arrows beyond the axis."""
    colour = COLOURS.get(row.verdict, GREY)
    low = 100 * row.low
    high = 100 * row.high
    edge = 0.97 * limit
    (interval,) = axes.plot([low, high], [line, line], "-", color=colour, linewidth=1.8)
    if row.is_single:
        interval.set_linestyle(SINGLE)
    if low < -limit:
        axes.plot(-edge, line, "<", color=colour, markersize=4.5)
    if high > limit:
        axes.plot(edge, line, ">", color=colour, markersize=4.5)


def write_beside(axes: Axes, line: int, text: str, colour: str) -> None:
    """Write a number to the right of the axis."""
    size = 0.9 * matplotlib.rcParams["font.size"]
    axes.annotate(
        text,
        xy=(1, line),
        xytext=(NUMBER_ENDS * size, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        color=colour,
        fontsize=size,
        ha="right",
        va="center",
    )
