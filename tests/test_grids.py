"""Studies of several settings: what they ask for, what is refused, what is found."""

from pathlib import Path

import pytest
from made_up import CHANCE, SIX, made

from console.errors import InputError
from report.answer import Answer, make_answer
from report.grids import grid_findings
from report.heatmap import map_of
from report.results import Setting, settings_of
from report.words import say
from studies.plan import MOST_LINES, describe_plan, describe_price, make_plan
from studies.settings import all_runs, check_seeds, check_studies, check_written_once

BASE = {
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.01,
    "loss_function": "CrossEntropyLoss",
}
RATES = [0.003, 0.01]
LOSSES = ["CrossEntropyLoss", "L1Loss"]
GRID = {"Loss_by_rate": {"loss_function": LOSSES, "learning_rate": RATES}}


def runs_of(studies: dict, seeds: int = 1) -> list:
    return all_runs(studies, BASE, range(2), Path("out"), range(seeds))


def test_a_grid_asks_for_every_combination_with_the_rest_as_in_the_base():
    runs = [run for run in runs_of(GRID) if run.study == "Loss_by_rate"]
    asked = [(run.settings["loss_function"], run.settings["learning_rate"]) for run in runs]
    assert asked == [(loss, rate) for loss in LOSSES for rate in RATES]
    assert {run.settings["epochs"] for run in runs} == {20}


def test_a_grids_folders_are_study_first_second():
    names = [run.name for run in runs_of(GRID) if run.study == "Loss_by_rate"]
    assert names[0] == "Loss_by_rate/CrossEntropyLoss/0_003"
    assert names[-1] == "Loss_by_rate/L1Loss/0_01"


def test_a_grids_seeds_have_folders_below_the_setting():
    names = [run.name for run in runs_of(GRID, seeds=2) if run.study == "Loss_by_rate"]
    assert names[:2] == [f"Loss_by_rate/CrossEntropyLoss/0_003/seed_{seed}" for seed in (0, 1)]


def test_the_cell_that_is_the_base_is_trained_once():
    chains = make_plan(runs_of(GRID), [])
    trainings = [training for chain in chains for training in chain]
    assert len(trainings) == 5  # four cells, and the base's second seed
    shared = [training for training in trainings if len(training.runs) == 2]
    assert [training.names for training in shared] == [
        "Change_seed/0, Loss_by_rate/CrossEntropyLoss/0_01"
    ]


def test_a_grid_over_epochs_is_a_chain_for_each_value_of_the_other_setting():
    grid = {"Long_by_rate": {"epochs": [20, 40], "learning_rate": RATES}}
    lengths = sorted(len(chain) for chain in make_plan(runs_of(grid), []))
    assert lengths == [1, 2, 2]  # the base's second seed, and a chain for each rate


def test_a_setting_of_a_grid_and_of_a_plain_study_is_trained_once():
    studies = {**GRID, "Change_learning_rate": RATES}
    trainings = [training for chain in make_plan(runs_of(studies), []) for training in chain]
    assert len(trainings) == 5


@pytest.mark.parametrize(
    ("study", "values", "message"),
    [
        ("Loss_by_rate", {"loss_function": LOSSES}, "at least two settings"),
        ("Loss_by_rate", {"loss_function": LOSSES, "learning_rate": []}, "at least two values"),
        ("Loss_by_rate", {"loss_function": LOSSES, "learning_rate": [0.1]}, "at least two values"),
        ("Loss_by_rate", {"loss_function": LOSSES, "learning_rate": 0.1}, "at least two values"),
        ("Loss_by_rate", {"loss_function": LOSSES, "rate": RATES}, "a dict of such lists"),
        ("Loss_by_rate", {"loss_function": LOSSES, "learning_rate": [0.1, 0.1]}, "twice"),
        ("Loss_by_rate", {"loss_function": LOSSES, "learning_rate": [0.1, -1]}, "cannot be"),
        ("Loss_by_rate", {"loss_function": LOSSES, "seed": [1, 2]}, "--seeds"),
        ("Change_both", {"loss_function": LOSSES, "learning_rate": RATES}, "becomes a folder"),
        ("../rates", {"loss_function": LOSSES, "learning_rate": RATES}, "becomes a folder"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused(study, values, message):
    with pytest.raises(InputError, match=message):
        check_studies({study: values}, BASE)


def test_a_plan_of_many_settings_names_some_and_counts_the_others_before_the_total():
    rates = [number / 1000 for number in range(1, 61)]
    runs = runs_of({"Loss_by_rate": {"loss_function": LOSSES, "learning_rate": rates}})
    trainings = [training for chain in make_plan(runs, []) for training in chain]
    for training in trainings:
        training.epochs_to_do = 20
    *_, others, total = describe_plan(trainings, runs, jobs=2).splitlines()
    count = len(LOSSES) * len(rates) - MOST_LINES  # the base is among the cells
    assert others == f"  {count} more settings: {count} seeds, 0 done, {20 * count:,} epochs to do"
    assert "121 trainings, 2,420 epochs, 121 tests" in total


def test_the_price_of_many_runs_counts_shared_trainings_once():
    assert "asked for: 5 trainings, 100 epochs at most" in describe_price(runs_of(GRID))


# --- what is found ---------------------------------------------------------------------------

WIDE = [0.003, 0.01, 0.03]
CELLS = {"Loss_by_rate": {"loss_function": LOSSES, "learning_rate": WIDE}}
CROSS, L1 = LOSSES


def grid(tests: dict, valids: dict, base: list[float] = SIX) -> tuple[list[Setting], Answer]:
    """The cells of a made-up grid of six seeds, and the answer; by cell a shift of the test
    accuracy, and the validation accuracy."""
    results = []
    for run in all_runs(CELLS, BASE, range(len(base)), Path("out"), range(len(base))):
        cell = tuple(run.changed.values())
        accuracy = base[run.settings["seed"]] + tests.get(cell, 0.0)
        results.append(made(run, accuracy, valid=valids.get(cell, 0.75)))
    settings = settings_of(results)
    cells = [setting for setting in settings if setting.study == "Loss_by_rate"]
    return cells, make_answer(settings, CHANCE)


def found(tests: dict, valids: dict) -> dict[str, dict]:
    """The values of what is found in such a grid, by kind."""
    return {finding.kind: finding.values for finding in grid_findings(*grid(tests, valids))}


def test_a_grid_counts_the_cells_that_differ_from_the_base():
    cells = found({(L1, 0.03): -0.2, (L1, 0.01): -0.2, (L1, 0.003): 0.2}, {})["grid_cells"]
    assert (cells["cells"], cells["worse"], cells["better"]) == (6, 2, 1)


def test_each_value_stands_at_the_rate_of_its_highest_validation_accuracy():
    tests = {(L1, 0.003): 0.2}  # the test images have no say
    items = found(tests, {(L1, 0.03): 0.8, (CROSS, 0.003): 0.8})["grid_best"]["items"]
    assert [(item.value, item.others) for item in items] == [
        (CROSS, {"learning_rate": 0.003}),
        (L1, {"learning_rate": 0.03}),
    ]


def test_the_best_cell_of_a_value_is_held_against_the_best_cell_of_the_bases_value():
    tests = {(CROSS, 0.003): -0.1, (L1, 0.03): 0.1}
    items = found(tests, {(L1, 0.03): 0.8, (CROSS, 0.003): 0.8})["grid_best"]["items"]
    assert items[0].row is None
    assert items[1].row.difference == pytest.approx(0.2)
    assert items[1].row.verdict == "better"


def test_a_best_value_at_the_edge_of_the_grid_is_told():
    edges = found({}, {(L1, 0.03): 0.8, (CROSS, 0.01): 0.8})["grid_edges"]["items"]
    assert [(edge.value, edge.name, edge.best) for edge in edges] == [(L1, "learning rate", 0.03)]


def test_the_lowest_value_is_an_edge_too():
    edges = found({}, {(L1, 0.003): 0.8, (CROSS, 0.01): 0.8})["grid_edges"]["items"]
    assert [(edge.value, edge.best) for edge in edges] == [(L1, 0.003)]


def test_best_values_inside_the_grid_are_no_edges():
    assert "grid_edges" not in found({}, {(L1, 0.01): 0.8, (CROSS, 0.01): 0.8})


def test_an_order_that_changes_with_the_rate_beyond_noise_is_told():
    turn = found({(L1, 0.003): -0.2, (L1, 0.03): 0.2}, {})["grid_order"]["turn"]
    assert (turn.one, turn.other) == (CROSS, L1)
    assert turn.better_with == {"learning_rate": 0.003}
    assert turn.worse_with == {"learning_rate": 0.03}


def test_an_order_that_changes_within_noise_is_not_shown():
    assert found({(L1, 0.003): -0.002, (L1, 0.03): 0.002}, {})["grid_order"]["turn"] is None


def test_the_sentences_of_a_grid_name_values_rates_and_differences():
    text = "\n".join(say(grid_findings(*grid({(L1, 0.03): -0.2}, {(L1, 0.03): 0.8}))))
    assert "Of six combinations one is worse than the base and none are better" in text
    assert "Each loss function at its own best learning rate" in text
    assert "L1Loss with learning rate 0.03 (validation 80.0%, test 55.1%: worse, −20.0" in text
    assert "learning rate 0.03 for L1Loss" in text
    assert (
        "That the order of the loss functions changes with the learning rate is not shown." in text
    )


def test_where_none_goes_on_every_length_is_a_chain_of_its_own():
    runs = runs_of({"Change_epochs": [20, 40, 80]})
    assert sorted(map(len, make_plan(runs, []))) == [1, 3]
    assert sorted(map(len, make_plan(runs, [], goes_on=False))) == [1, 1, 1, 1]


@pytest.mark.parametrize("seeds", [(2**31 - 1, 6), (0.5, 6), (-1, 6), (0, 0), (0, True)])
def test_seeds_that_are_no_numbers_of_seeds_are_refused(seeds):
    with pytest.raises(InputError, match=r"_SEEDS? in my_script.py is"):
        check_seeds(*seeds)


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


def wide_grid() -> tuple[list[Setting], Answer]:
    """A made-up grid of a list and a switch."""
    base = {**BASE, "widths": [8, 24, 48], "augment": False}
    runs = all_runs({"Widths_by_augment": WIDTHS}, base, range(6), Path("out"), range(6))
    results = [made(run, SIX[run.settings["seed"]]) for run in runs]
    settings = settings_of(results)
    cells = [setting for setting in settings if setting.study == "Widths_by_augment"]
    return cells, make_answer(settings, CHANCE)


def test_a_grid_of_lists_and_switches_has_its_findings():
    found = {finding.kind: finding.values for finding in grid_findings(*wide_grid())}
    assert [item.value for item in found["grid_best"]["items"]] == ["8-16-32", "8-24-48"]
    assert found["grid_best"]["items"][1].others == {"augment": "off"}


def test_a_grid_of_lists_and_switches_has_its_map():
    heat_map = map_of(*wide_grid())
    assert (heat_map.row_title, heat_map.column_title) == ("widths", "augment")
    assert (heat_map.rows, heat_map.columns) == (["8-16-32", "8-24-48"], ["off", "on"])
    assert [cell.is_base for cell in heat_map.cells] == [False, False, True, False]


def test_the_longer_list_of_a_grid_runs_down_its_map():
    heat_map = map_of(*grid({}, {}))
    assert (heat_map.rows, heat_map.columns) == (["0.003", "0.01", "0.03"], LOSSES)
    assert (heat_map.row_title, heat_map.column_title) == ("learning rate", "loss function")
