"""Studies of several settings at once: what they ask for and what is refused."""

from pathlib import Path

import pytest

from console.errors import InputError
from studies.plan import make_plan
from studies.settings import all_runs, check_studies

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
