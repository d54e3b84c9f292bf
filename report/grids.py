"""What a study of several settings found: each value of the first at its own best others.

    for finding in grid_findings(cells, answer): ...

Which of the others suits a value is chosen by validation accuracy; the test images have no say. A
choice is no finding: cells are held against the base alone, as all settings are.
"""

from typing import Any, NamedTuple

from report.answer import Answer, valid_mean, with_verdict
from report.comparison import BETTER, WORSE
from report.findings import Finding
from report.results import Setting, words_of


class Best(NamedTuple):
    """A value of the first setting at its own best others, as a sentence says it.

    `others` holds these, `valid` and `test` are mean accuracies.
    """

    value: object
    others: dict
    valid: float
    test: float


class Edge(NamedTuple):
    """A value of the first setting whose best number of another is the last one tried."""

    value: object
    name: str
    best: float


def first_of(cell: Setting) -> object:
    """A cell's value of the first setting."""
    return next(iter(cell.varied.values()))


def others_of(cell: Setting) -> dict[str, Any]:
    """What a cell varies besides the first setting, by name."""
    _, *others = cell.varied.items()
    return dict(others)


def grid_findings(cells: list[Setting], answer: Answer) -> list[Finding]:
    """What a grid is for, after how many of its cells differ from the base."""
    first, *others = map(words_of, cells[0].varied)
    best = best_cells(cells)
    items = []
    for value, cell in best.items():
        accuracy = answer.whole(cell).accuracy
        items.append(Best(value, others_of(cell), valid_mean(cell), accuracy))
    counts = {
        "cells": len(cells),
        "better": len(with_verdict(cells, answer.rows, BETTER)),
        "worse": len(with_verdict(cells, answer.rows, WORSE)),
        "known": bool(answer.rows),
    }
    findings = [
        Finding("grid_cells", counts),
        Finding("grid_best", {"first": first, "others": others, "cells": items}),
    ]
    edges = edges_of(list(best.values()), cells)
    if edges:
        findings.append(Finding("grid_edges", {"edges": edges}))
    return findings


def best_cells(cells: list[Setting]) -> dict[object, Setting]:
    """For each value of the first setting the cell of the highest validation accuracy."""
    best: dict[object, Setting] = {}
    for cell in cells:
        value = first_of(cell)
        if value not in best or valid_mean(cell) > valid_mean(best[value]):
            best[value] = cell
    return best


def edges_of(best: list[Setting], cells: list[Setting]) -> list[Edge]:
    """Where the best number of another setting is the lowest or highest that was tried."""
    edges = []
    for cell in best:
        for name, value in others_of(cell).items():
            tried = {other.varied[name] for other in cells}
            is_number = all(isinstance(other, int | float) for other in tried)
            if is_number and value in (min(tried), max(tried)):
                edges.append(Edge(first_of(cell), words_of(name), value))
    return edges
