"""--until: more seeds only where they are needed, and refusals."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Sweep, copy_project, fill, make_photos, refused, small, stored
from made_up import BASE, SIX, make

from report.rounds import reach
from studies.settings import key_of, runs_of


def test_the_precision_that_the_most_seeds_reach_grows_with_the_noise():
    _, quiet = make()
    _, loud = make(base=[4 * share for share in SIX])
    assert reach(loud.pool, 15, 5) == pytest.approx(4 * reach(quiet.pool, 15, 5))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--until", "0"], "0 to 100"),
        (["--until", "-1"], "0 to 100"),
        (["--until", "200"], "0 to 100"),
        (["--until", "nan"], "0 to 100"),
        (["--until", "2", "--seeds", "3"], "leave out --seeds"),
        (["--until", "2", "--fresh"], "leave out"),
        (["--until", "2"], "points with each one"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_one_line(arguments, why, call, tmp_path):
    photos = make_photos(tmp_path / "photos")
    out = tmp_path / "out"
    options = ["--data", photos, "--image_size", 16, "--out", out]
    assert why in refused(call("my_script", options, arguments))
    assert not out.exists()


class Rounds(NamedTuple):
    """A sweep whose --until has come to its end, and what it said."""

    sweep: Sweep
    said: str

    def folder_of(self, setting: str) -> Path:
        return self.sweep.project / "result" / setting


@pytest.fixture(scope="module")
def rounds(tmp_path_factory) -> Rounds:
    """Its cats are as bright as its dogs: whatever a training learns is noise."""
    root = tmp_path_factory.mktemp("rounds")
    photos = root / "photos"
    for number, name in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        fill(photos / name, count=12, first=100 * number)
    edits = small('{"Change_learning_rate": [0.01, 0.02]}', ("SEEDS = 1", "SEEDS = 2"))
    most = [("LOOKS = (3, 4, 6, 10)", "LOOKS = (3, 4)")]
    project = copy_project(root / "project", my_script=edits, **{"report/comparison": most})
    options = ["--data", photos, "--image_size", 16, "--until", "5", "--jobs", "2"]
    sweep = Sweep(project, options)
    ended = sweep.run()
    assert ended.status == 0, ended.err
    return Rounds(sweep, ended.out)


def test_an_open_setting_gets_seeds_up_to_the_stated_most(rounds):
    folders = rounds.folder_of("Change_learning_rate/0_02").glob("seed_*")
    assert {folder.name for folder in folders} == {f"seed_{seed}" for seed in range(4)}


def test_every_round_is_said_with_what_is_still_open(rounds):
    assert rounds.said.count("next round: still open: 1 setting;") == 2


def test_the_rounds_give_the_base_more_seeds_too(rounds):
    folders = rounds.folder_of("Change_seed").glob("[0-9]")
    seeds = {folder.name for folder in folders}
    assert seeds == set("012345")  # two at first, and in each round half as many again


def test_a_precision_out_of_reach_is_said(rounds):
    assert "at this noise 4 seeds tell differences only to" in rounds.said


def test_the_same_call_again_finds_all_rounds_done(rounds):
    again = rounds.sweep.run()
    assert again.status == 0
    assert "0 trainings, 0 epochs, 0 tests" in again.out
    assert "next round" not in again.out


def test_an_interrupted_round_is_gone_on_with(rounds):
    last = stored(rounds.sweep.project, "Change_learning_rate/0_02/seed_2")
    before = (last / "predictions.csv").read_bytes()
    shutil.rmtree(last)
    again = rounds.sweep.run()
    assert again.status == 0
    assert "1 training" in again.out
    assert (last / "predictions.csv").read_bytes() == before


@pytest.fixture(scope="module")
def counts() -> dict[str, int]:
    """How often each study trains where a setting that is a list is to have three seeds."""
    base = {**BASE, "widths": [8, 24, 48], "augment": False}
    studies = {"Change_widths": [[8, 16, 32], [8, 24, 48]], "Change_augment": [False, True]}
    more = {key_of(base | {"widths": [8, 16, 32]}): 3}
    runs = runs_of(studies, base, range(6), range(1), more)
    narrow = [run for run in runs if run.varied.get("widths") == [8, 16, 32]]
    of_base = [run for run in runs if run.study == "Change_seed"]
    return {"narrow": len(narrow), "base": len(of_base)}


def test_a_setting_that_is_a_list_gets_its_seeds(counts):
    assert counts["narrow"] == 3


def test_a_base_that_holds_a_list_gets_its_seeds(counts):
    assert counts["base"] == 6
