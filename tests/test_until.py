"""--until: one more seed only where it is needed, and refusals."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Sweep, copy_project, fill, make_photos, refused, small, stored
from made_up import BASE, SIX, make

from report.comparison import LEAST_SEEDS, LOOKS, MOST_SEEDS, OPEN
from report.rounds import reach, seeds_for
from studies.settings import Run, key_of, runs_of

NOISY = [0.6, 0.9] * 3  # accuracies that leave everything open


def test_what_is_open_goes_on_to_the_next_look_with_until():
    _, answer = make(base=NOISY)
    seeds = seeds_for(answer, answer.rows, until_known=True)
    still_open = {key for key, row in answer.rows.items() if row.verdict == OPEN}
    assert still_open
    assert {seeds[key] for key in still_open} == {LOOKS[1]}


def test_what_is_known_gets_no_more_seeds():
    _, answer = make({0.1: {"shift": -0.3}})
    known = {key for key, row in answer.rows.items() if row.verdict != OPEN}
    assert known
    assert not known & seeds_for(answer, answer.rows, until_known=True).keys()


def test_the_base_gets_seeds_with_what_is_open():
    _, answer = make(base=NOISY, seeds=6)
    seeds = seeds_for(answer, answer.rows, until_known=True)
    assert seeds[answer.base.key] > 6


def test_what_seems_to_differ_gets_as_many_seeds_as_a_verdict_needs():
    _, answer = make({0.1: {"shift": -0.3}}, seeds=1)
    seems = {key for key, row in answer.rows.items() if row.seems}
    seeds = seeds_for(answer, answer.rows, until_known=False)
    assert len(seems) == 1
    assert {key: seeds[key] for key in seems} == dict.fromkeys(seems, LEAST_SEEDS)


def test_what_does_not_seem_to_differ_gets_no_more_seeds():
    _, answer = make(seeds=1)
    assert seeds_for(answer, answer.rows, until_known=False) == {}


def test_what_is_not_asked_for_gets_no_more_seeds():
    _, answer = make(base=NOISY)
    asked = list(answer.rows)[:1]
    assert seeds_for(answer, asked, until_known=True).keys() == {*asked, answer.base.key}


def test_where_everything_is_known_the_rounds_end():
    _, answer = make({0.1: {"shift": -0.3}})
    assert seeds_for(answer, answer.rows, until_known=False) == {}


def test_more_than_the_stated_most_is_not_trained():
    _, answer = make(base=[0.6, 0.9] * 5, seeds=MOST_SEEDS)
    assert {row.verdict for row in answer.rows.values()} == {OPEN}
    assert seeds_for(answer, answer.rows, until_known=True) == {}


def test_where_the_noise_is_not_known_the_rounds_end():
    _, answer = make(base=[0.5] * 6)
    assert seeds_for(answer, answer.rows, until_known=True) == {}


def test_the_precision_that_the_most_seeds_reach_grows_with_the_noise():
    _, quiet = make()
    _, loud = make(base=[4 * share for share in SIX])
    assert reach(loud.pool, 15, 5, 0.0) == pytest.approx(4 * reach(quiet.pool, 15, 5, 0.0))


def test_few_test_images_put_a_precision_out_of_reach():
    _, answer = make()
    known = reach(answer.pool, 15, 5, 0.0)
    assert reach(answer.pool, 15, 5, of_images=0.01**2) > known + 0.02


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
    most = [("LOOKS = (3, 4, 6, 10)", "LOOKS = (3,)")]
    project = copy_project(root / "project", my_script=edits, **{"report/comparison": most})
    options = ["--data", photos, "--image_size", 16, "--until", "5", "--jobs", "2"]
    sweep = Sweep(project, options)
    ended = sweep.run()
    assert ended.status == 0, ended.err
    return Rounds(sweep, ended.out)


def test_an_open_setting_gets_seeds_up_to_the_stated_most(rounds):
    folders = rounds.folder_of("Change_learning_rate/0_02").glob("seed_*")
    assert {folder.name for folder in folders} == {"seed_0", "seed_1", "seed_2"}


def test_every_round_is_said_with_what_is_still_open(rounds):
    assert rounds.said.count("next round: still open: 1 setting;") == 1


def test_the_answer_is_said_once_after_the_last_round(rounds):
    last_round = rounds.said.rpartition("next round")[2]
    assert rounds.said.count("done in ") == last_round.count("done in ") == 1


def test_every_round_gives_the_base_a_seed_too(rounds):
    folders = rounds.folder_of("Change_seed").glob("[0-9]")
    seeds = {folder.name for folder in folders}
    assert seeds == {"0", "1", "2", "3"}  # two at first, and more in the next round


def test_a_precision_out_of_reach_is_said(rounds):
    assert "at this noise 3 seeds tell differences only to" in rounds.said


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


def test_collecting_says_what_missing_trainings_are_for(rounds, tmp_path):
    last = stored(rounds.sweep.project, "Change_learning_rate/0_02/seed_2")
    shutil.move(last, tmp_path / "away")
    ended = rounds.sweep.run("--collect")
    shutil.move(tmp_path / "away", last)
    assert ended.status == 1
    assert "next round: still open: 1 setting;" in ended.out
    assert "MISSING Change_learning_rate/0_02/seed_2" in ended.out


@pytest.fixture
def chosen() -> list[Run]:
    """Of studies of a list and a switch the runs of a round: 6 seeds of the base, 3 of a list."""
    base = {**BASE, "widths": [8, 24, 48], "augment": False}
    studies = {"Change_widths": [[8, 16, 32], [8, 24, 48]], "Change_augment": [False, True]}
    narrow = key_of(base | {"widths": [8, 16, 32]})
    return runs_of(studies, base, range(6), range(1), {key_of(base): 6, narrow: 3})


def test_a_setting_that_is_a_list_gets_its_seeds(chosen):
    narrow = [run.study for run in chosen if run.varied.get("widths") == [8, 16, 32]]
    assert narrow == ["Change_widths"] * 3


def test_a_base_that_holds_a_list_gets_its_seeds(chosen):
    assert sum(run.study == "Change_seed" for run in chosen) == 6
