"""Studies of several settings: what they ask for, what is refused, what is found."""

import itertools
from pathlib import Path
from typing import NamedTuple

import pytest
from made_up import CHANCE, SIX, made

from console.errors import InputError
from report.answer import Answer, make_answer
from report.findings import Finding
from report.grids import grid_findings
from report.heatmap import map_of
from report.results import Result, Setting, settings_of
from report.words import say
from studies import plan
from studies.plan import Conditions, Plan, Request, Training, make_plan
from studies.settings import (
    Run,
    check_seeds,
    check_studies,
    check_written_once,
    runs_of,
)
from studies.words import describe_plan

BASE = {
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.01,
    "loss_function": "CrossEntropyLoss",
}
RATES = [0.003, 0.01]
LOSSES = ["CrossEntropyLoss", "L1Loss"]
GRID = {"Loss_by_rate": {"loss_function": LOSSES, "learning_rate": RATES}}


def runs_with(studies: dict, seeds: int = 1) -> list[Run]:
    return runs_of(studies, BASE, range(2), range(seeds))


def cells_of(studies: dict, seeds: int = 1) -> list[Run]:
    """The runs of Loss_by_rate."""
    return [run for run in runs_with(studies, seeds) if run.study == "Loss_by_rate"]


def test_a_grid_asks_for_every_combination():
    cells = [tuple(run.varied.values()) for run in cells_of(GRID)]
    assert cells == list(itertools.product(LOSSES, RATES))


def test_all_else_of_a_grid_is_as_in_the_base():
    assert {run.settings["epochs"] for run in cells_of(GRID)} == {20}


def test_a_grids_folders_are_study_first_second():
    names = [run.name for run in cells_of(GRID)]
    assert names[0] == "Loss_by_rate/CrossEntropyLoss/0_003"
    assert names[-1] == "Loss_by_rate/L1Loss/0_01"


def test_a_grids_seeds_have_folders_below_the_setting():
    first, second, *_ = [run.name for run in cells_of(GRID, seeds=2)]
    assert first == "Loss_by_rate/CrossEntropyLoss/0_003/seed_0"
    assert second == "Loss_by_rate/CrossEntropyLoss/0_003/seed_1"


def plan_of(runs: list[Run]) -> Plan:
    """The plan of these runs, of which nothing is done."""
    studies = {run.study for run in runs}
    return make_plan(runs, Conditions("", {}, {}, "cpu"), Request(Path("nowhere"), studies))


def trainings_of(runs: list[Run]) -> list[Training]:
    """What is trained for these runs, chain by chain."""
    return plan_of(runs).trainings


def test_every_cell_of_a_grid_is_trained():
    assert len(trainings_of(runs_with(GRID))) == 5  # four cells, and the base's second seed


def test_the_cell_that_is_the_base_is_trained_once():
    trainings = trainings_of(runs_with(GRID))
    shared = [training.names for training in trainings if len(training.runs) == 2]
    assert shared == ["Change_seed/0, Loss_by_rate/CrossEntropyLoss/0_01"]


def lengths_of(studies: dict) -> list[int]:
    """How many trainings each chain has."""
    return sorted(len(chain) for chain in plan_of(runs_with(studies)).chains)


def test_a_grid_over_epochs_is_a_chain_for_each_value_of_the_other_setting():
    grid = {"Long_by_rate": {"epochs": [20, 40], "learning_rate": RATES}}
    # The base's second seed, and a chain for each rate.
    assert lengths_of(grid) == [1, 2, 2]


def test_a_setting_that_a_grid_shares_with_a_plain_study_is_trained_once():
    runs = runs_with({**GRID, "Change_learning_rate": RATES})
    assert len(trainings_of(runs)) == 5


@pytest.mark.parametrize(
    ("study", "second", "message"),
    [
        ("Loss_by_rate", {}, "at least two settings"),
        ("Loss_by_rate", {"learning_rate": []}, "at least two values"),
        ("Loss_by_rate", {"learning_rate": [0.1]}, "at least two values"),
        ("Loss_by_rate", {"learning_rate": 0.1}, "at least two values"),
        ("Loss_by_rate", {"rate": RATES}, "a dict of such lists"),
        ("Loss_by_rate", {"learning_rate": [0.1, 0.1]}, "twice"),
        ("Loss_by_rate", {"learning_rate": [0.1, -1]}, "cannot be"),
        ("Loss_by_rate", {"seed": [1, 2]}, "--seeds"),
        ("Change_both", {"learning_rate": RATES}, "becomes a folder"),
        ("../rates", {"learning_rate": RATES}, "becomes a folder"),
        ("change_seed", {"learning_rate": RATES}, "becomes a folder"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused(study, second, message):
    grid = {"loss_function": LOSSES, **second}
    with pytest.raises(InputError, match=message):
        check_studies({study: grid}, BASE)


def test_studies_that_differ_in_case_alone_are_refused():
    [grid] = GRID.values()
    with pytest.raises(InputError, match=r"'Rates' and 'rates' of STUDIES .* are one folder"):
        check_studies({"Rates": grid, "rates": grid}, BASE)


def test_a_plan_ends_with_the_total():
    runs = runs_with(GRID)
    total = describe_plan(plan_of(runs), runs, jobs=2).splitlines()[-1]
    assert "5 trainings, 100 epochs, 5 tests" in total


# --- what is found ---------------------------------------------------------------------------

WIDE = [0.003, 0.01, 0.03]
CELLS = {"Loss_by_rate": {"loss_function": LOSSES, "learning_rate": WIDE}}
CROSS, L1 = LOSSES


class Grid(NamedTuple):
    """The cells of a made-up grid, and the answer."""

    cells: list[Setting]
    answer: Answer

    def findings(self) -> list[Finding]:
        return grid_findings(self.cells, self.answer)

    def values_of(self, kind: str) -> dict:
        """The values of what is found of one kind; none if nothing is."""
        for finding in self.findings():
            if finding.kind == kind:
                return finding.values
        return {}


def make_grid(tests: dict | None = None, valids: dict | None = None) -> Grid:
    """A grid of six seeds: by cell a shift of the test accuracy, and the validation accuracy."""
    tests, valids = tests or {}, valids or {}
    results = []
    for run in runs_of(CELLS, BASE, range(6), range(6)):
        cell = tuple(run.varied.values())
        accuracy = SIX[run.settings["seed"]] + tests.get(cell, 0.0)
        results.append(made(run, accuracy, valid=valids.get(cell, 0.75)))
    return grid_of(results, "Loss_by_rate")


def grid_of(results: list[Result], study: str) -> Grid:
    settings = settings_of(results)
    cells = [setting for setting in settings if setting.study == study]
    return Grid(cells, make_answer(settings, CHANCE))


@pytest.mark.parametrize(("what", "count"), [("cells", 6), ("worse", 2), ("better", 1)])
def test_a_grid_counts_the_cells_that_differ_from_the_base(what, count):
    grid = make_grid(tests={(L1, 0.03): -0.2, (L1, 0.01): -0.2, (L1, 0.003): 0.2})
    assert grid.values_of("grid_cells")[what] == count


def test_each_value_stands_at_the_rate_of_its_highest_validation_accuracy():
    tests = {(L1, 0.003): 0.2}  # the test images have no say
    grid = make_grid(tests, valids={(L1, 0.03): 0.8, (CROSS, 0.003): 0.8})
    best = {item.value: item.others for item in grid.values_of("grid_best")["cells"]}
    assert best == {CROSS: {"learning_rate": 0.003}, L1: {"learning_rate": 0.03}}


@pytest.mark.parametrize("edge", [0.003, 0.03])
def test_a_best_value_at_an_edge_of_the_grid_is_told(edge):
    grid = make_grid(valids={(L1, edge): 0.8, (CROSS, 0.01): 0.8})
    [told] = grid.values_of("grid_edges")["edges"]
    assert (told.value, told.name, told.best) == (L1, "learning rate", edge)


def test_best_values_inside_the_grid_are_no_edges():
    grid = make_grid(valids={(L1, 0.01): 0.8, (CROSS, 0.01): 0.8})
    assert grid.values_of("grid_edges") == {}


@pytest.mark.parametrize(
    "words",
    [
        "Of 6 combinations 1 is worse than the base and 0 are better",
        "Each loss function at its own best learning rate",
        "L1Loss with learning rate 0.03 (validation 80.0%, test 55.1%)",
        "learning rate 0.03 for L1Loss",
    ],
)
def test_what_is_found_in_a_grid_is_said(words):
    grid = make_grid({(L1, 0.03): -0.2}, {(L1, 0.03): 0.8})
    assert words in "\n".join(say(grid.findings()))


def test_longer_trainings_are_a_chain():
    assert lengths_of({"Change_epochs": [20, 40, 80]}) == [1, 3]


def test_where_none_goes_on_every_length_is_a_chain_of_its_own(monkeypatch):
    monkeypatch.setattr(plan, "GOES_ON", False)
    assert lengths_of({"Change_epochs": [20, 40, 80]}) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("first_seed", "base_seeds"),
    [(2**31 - 1, 6), (0.5, 6), (-1, 6), (0, 0), (0, True)],
)
def test_seeds_that_are_no_numbers_of_seeds_are_refused(first_seed, base_seeds):
    with pytest.raises(InputError, match=r"_SEEDS? in my_script.py is"):
        check_seeds(first_seed, base_seeds)


def test_a_study_that_is_named_twice_is_refused(tmp_path):
    script = tmp_path / "my_script.py"
    script.write_text('STUDIES = {"Change_epochs": [20], "Change_epochs": [40]}\n')
    with pytest.raises(InputError, match="names 'Change_epochs' twice"):
        check_written_once(script)


def test_a_value_that_names_no_folder_is_refused():
    base = {**BASE, "loss_function": "Focal/2"}
    with pytest.raises(InputError, match="it names a folder"):
        check_studies(GRID, base)


WIDTHS = {"widths": [[8, 16, 32], [8, 24, 48]], "augment": [False, True]}


@pytest.fixture
def wide_grid() -> Grid:
    """A made-up grid of a list and a switch."""
    base = {**BASE, "widths": [8, 24, 48], "augment": False}
    runs = runs_of({"Widths_by_augment": WIDTHS}, base, range(6), range(6))
    results = [made(run, SIX[run.settings["seed"]]) for run in runs]
    return grid_of(results, "Widths_by_augment")


def test_a_list_is_named_by_its_members_in_findings(wide_grid):
    items = wide_grid.values_of("grid_best")["cells"]
    assert [item.value for item in items] == ["8-16-32", "8-24-48"]


def test_a_switch_is_on_or_off_in_findings(wide_grid):
    items = wide_grid.values_of("grid_best")["cells"]
    assert items[1].others == {"augment": "off"}


def test_the_map_of_a_list_by_a_switch_has_titles(wide_grid):
    heat_map = map_of(wide_grid.cells, wide_grid.answer)
    assert (heat_map.row_title, heat_map.column_title) == ("widths", "augment")


def test_the_map_of_a_list_by_a_switch_has_labels(wide_grid):
    heat_map = map_of(wide_grid.cells, wide_grid.answer)
    assert heat_map.rows == ["8-16-32", "8-24-48"]
    assert heat_map.columns == ["off", "on"]


def test_the_map_of_a_list_by_a_switch_marks_the_base(wide_grid):
    heat_map = map_of(wide_grid.cells, wide_grid.answer)
    assert [cell.note == "base" for cell in heat_map.cells] == [False, False, True, False]


def test_the_first_setting_of_a_grid_runs_down_its_map():
    grid = make_grid()
    heat_map = map_of(grid.cells, grid.answer)
    assert (heat_map.row_title, heat_map.rows) == ("loss function", LOSSES)
    assert (heat_map.column_title, heat_map.columns) == ("learning rate", ["0.003", "0.01", "0.03"])
