"""What a study of several settings found: each value of the first at its own best others.

    for finding in grid_findings(cells, answer): ...

Which of the others suits a value is chosen by validation accuracy; the test images have no say.
All cells of the grid count in the correction of every comparison.
"""

from typing import NamedTuple

from report.answer import (
    Answer,
    Rows,
    rows_of,
    test_accuracy,
    valid_mean,
    values_of,
    with_row,
    with_verdict,
    words_of,
)
from report.comparison import BETTER, WORSE, Comparison
from report.findings import Finding
from report.results import Setting
from training.settings import as_key

MOST_CELLS = 150  # of a larger grid the order of values is not examined: it would take minutes


class Best(NamedTuple):
    """A value of the first setting at its own best others, as a sentence says it.

    `others` holds these, `valid` and `test` are mean accuracies. `row` holds it against the base's
    value at its own best; None for that one itself, and where the noise is not known.
    """

    value: object
    others: dict
    valid: float
    test: float
    row: Comparison | None


class Turn(NamedTuple):
    """Two values of the first setting: with some others one is better, with others it is worse."""

    one: object
    other: object
    better_with: dict
    worse_with: dict


class Edge(NamedTuple):
    """A value of the first setting whose best number of another is the last one tried."""

    value: object
    name: str
    best: float


def is_grid(settings: list[Setting]) -> bool:
    """Whether a study changes several settings at once."""
    return len(changed(settings[0])) > 1


def changed(cell: Setting) -> dict:
    """What a cell changes, by name; lists and switches as text."""
    return {name: as_key(value) for name, value in cell.results[0].run.varied.items()}


def first_of(cell: Setting) -> object:
    """A cell's value of the first setting."""
    return next(iter(changed(cell).values()))


def others_of(cell: Setting) -> dict:
    """What a cell changes besides the first setting, by name."""
    names = list(changed(cell))
    return {name: changed(cell)[name] for name in names[1:]}


# --- findings --------------------------------------------------------------------------------


def grid_findings(cells: list[Setting], answer: Answer) -> list[Finding]:
    """What a grid is for, after how many of its cells differ from the base."""
    study = cells[0].study
    first, *others = [words_of(name) for name in changed(cells[0])]
    best = best_cells(cells)
    items = held_against_base(best, cells, answer)
    findings = [
        Finding("grid_cells", counts_of(cells, answer), study),
        Finding("grid_best", {"first": first, "others": others, "cells": items}, study),
    ]
    edges = edges_of(list(best.values()), cells)
    if edges:
        findings.append(Finding("grid_edges", {"edges": edges}, study))
    if answer.rows and len(cells) <= MOST_CELLS:
        turn = find_turn(cells, answer)
        values = {"first": first, "others": others, "turn": turn}
        findings.append(Finding("grid_order", values, study))
    return findings


def counts_of(cells: list[Setting], answer: Answer) -> dict[str, int]:
    """How many cells there are, and how many of them are better or worse than the base."""
    return {
        "cells": len(cells),
        "better": len(with_verdict(cells, answer.rows, BETTER)),
        "worse": len(with_verdict(cells, answer.rows, WORSE)),
        "known": bool(answer.rows),
    }


def best_cells(cells: list[Setting]) -> dict[object, Setting]:
    """For each value of the first setting the cell of the highest validation accuracy."""
    best: dict[object, Setting] = {}
    for cell in cells:
        value = first_of(cell)
        if value not in best or valid_mean(cell) > valid_mean(best[value]):
            best[value] = cell
    return best


def held_against_base(
    best: dict[object, Setting], cells: list[Setting], answer: Answer
) -> list[Best]:
    """Each value's best cell against that of the base's value, or against the base itself."""
    reference = reference_of(best, answer)
    rows = compared(cells, reference, answer)
    items = []
    for value, cell in best.items():
        test = answer.means[cell.key].mean
        items.append(Best(value, others_of(cell), valid_mean(cell), test, rows.get(cell.key)))
    return items


def reference_of(best: dict[object, Setting], answer: Answer) -> Setting | None:
    """The best cell of the base's own value of the first setting; the base if it has none."""
    if answer.base is None:
        return None
    some_cell = next(iter(best.values()))
    first_name = next(iter(changed(some_cell)))
    of_base = dict(answer.base.key)[first_name]
    return best.get(of_base, answer.base)


def compared(cells: list[Setting], reference: Setting | None, answer: Answer) -> Rows:
    """Every cell, and the base, against one of them; empty where the noise is not known."""
    samples = values_of(cells, test_accuracy)
    if answer.base:
        samples[answer.base.key] = [test_accuracy(run) for run in answer.base.results]
    return rows_of(samples, reference, answer.close)


def edges_of(best: list[Setting], cells: list[Setting]) -> list[Edge]:
    """Where the best number of another setting is the lowest or highest that was tried."""
    edges = []
    for cell in best:
        for name, value in others_of(cell).items():
            tried = {changed(other)[name] for other in cells}
            is_number = all(isinstance(other, int | float) for other in tried)
            if is_number and value in (min(tried), max(tried)):
                edges.append(Edge(first_of(cell), words_of(name), value))
    return edges


def find_turn(cells: list[Setting], answer: Answer) -> Turn | None:
    """Two values of the first setting whose order changes with the others, both beyond noise."""
    signs: dict[tuple, dict[str, dict]] = {}
    for column in columns_of(cells):
        for position, other in enumerate(column):
            rows = compared(cells, other, answer)
            for one in with_row(column[:position], rows):
                seen = signs.setdefault((first_of(one), first_of(other)), {})
                seen[rows[one.key].verdict] = others_of(one)
                if BETTER in seen and WORSE in seen:
                    return Turn(first_of(one), first_of(other), seen[BETTER], seen[WORSE])
    return None


def columns_of(cells: list[Setting]) -> list[list[Setting]]:
    """The cells that differ in the first setting alone."""
    columns: dict[tuple, list[Setting]] = {}
    for cell in cells:
        columns.setdefault(tuple(others_of(cell).values()), []).append(cell)
    return list(columns.values())
