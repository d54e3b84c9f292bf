"""--until: one more seed only where it is needed, and refusals."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from conftest import copy_project, fill, make_photos, refused, small
from forks import run_sweep
from made_up import BASE, CHANCE, SIX, made, make

from report.answer import make_answer
from report.comparison import OPEN
from report.results import settings_of
from report.rounds import MOST, next_seeds, reach, runs_of
from studies.settings import all_runs, key_of


def seeds_of(answer, count=1) -> dict:
    """Seeds as a round has them."""
    return dict.fromkeys(answer.rows, count) | {answer.base.key: 6}


def test_only_what_is_open_gets_one_more_seed_and_the_base_with_it():
    answer = make({0.1: {"shift": -0.3}})[1]
    seeds = next_seeds(answer, seeds_of(answer))
    assert seeds[answer.base.key] == 7
    for key, row in answer.rows.items():
        assert seeds[key] == (2 if row.verdict == OPEN else 1)


def test_where_everything_is_known_the_rounds_end():
    answer = make({0.1: {"shift": -0.3}}, seeds=6)[1]
    assert next_seeds(answer, seeds_of(answer, 6)) == {}


def test_more_than_the_stated_most_is_not_trained():
    wide = [0.6, 0.9] * 5
    answer = make(base=wide, seeds=MOST)[1]
    assert {row.verdict for row in answer.rows.values()} == {OPEN}
    assert next_seeds(answer, seeds_of(answer, MOST)) == {}


def test_where_the_noise_is_not_known_the_rounds_end():
    answer = make(base=[0.5] * 6)[1]
    assert next_seeds(answer, {answer.base.key: 6}) == {}


def test_the_precision_that_the_most_seeds_reach_grows_with_the_noise():
    small = reach(make()[1].pool, 15, 5)
    large = reach(make(base=[4 * share for share in SIX])[1].pool, 15, 5)
    assert large == pytest.approx(4 * small)


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
    assert why in refused(call("my_script", *options, *arguments))
    assert not out.exists()


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    """A project whose --until has come to its end, its options, and what it said.

    Its cats are as bright as its dogs: whatever a training learns is noise.
    """
    root = tmp_path_factory.mktemp("rounds")
    photos = root / "photos"
    for number, name in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        fill(photos / name, count=12, first=100 * number)
    edits = [*small('{"Change_learning_rate": [0.01, 0.02]}'), ("SEEDS = 1", "SEEDS = 2")]
    most = [("MOST = 10", "MOST = 3")]
    project = copy_project(root / "project", my_script=edits, **{"report/rounds": most})
    options = ["--data", photos, "--image_size", 16, "--until", "5", "--jobs", "2"]
    ended = run_sweep(project, *options)
    assert ended.status == 0, ended.err
    return project, options, ended.out


def test_an_open_setting_gets_a_seed_a_round_up_to_the_stated_most(rounds):
    project, _, said = rounds
    folders = (project / "result/Change_learning_rate/0_02").glob("seed_*")
    assert {folder.name for folder in folders} == {"seed_0", "seed_1", "seed_2"}
    assert said.count("next round: still open: 1 setting;") == 2


def test_every_round_gives_the_base_a_seed_too(rounds):
    project, _, _ = rounds
    seeds = {folder.name for folder in (project / "result/Change_seed").glob("[0-9]")}
    assert seeds == {"0", "1", "2", "3"}  # two at first, and one of two rounds more


def test_a_precision_out_of_reach_is_said(rounds):
    assert "at this noise 3 seeds tell differences only to" in rounds[2]


def test_the_same_call_again_finds_all_rounds_done(rounds):
    project, options, _ = rounds
    again = run_sweep(project, *options)
    assert again.status == 0
    assert "0 trainings, 0 epochs, 0 tests" in again.out
    assert "next round" not in again.out


def test_an_interrupted_round_is_gone_on_with(rounds):
    project, options, _ = rounds
    last = project / "result/Change_learning_rate/0_02/seed_2"
    before = (last / "predictions.csv").read_bytes()
    shutil.rmtree(last)
    again = run_sweep(project, *options)
    assert again.status == 0
    assert "1 training" in again.out
    assert (last / "predictions.csv").read_bytes() == before


def test_settings_that_are_lists_and_switches_get_their_seeds():
    base = {**BASE, "widths": [8, 24, 48], "augment": False}
    studies = {"Change_widths": [[8, 16, 32], [8, 24, 48]], "Change_augment": [False, True]}
    runs = all_runs(studies, base, range(MOST), Path("out"), range(MOST))
    answer = make_answer(
        settings_of([made(run, SIX[run.settings["seed"] % 6]) for run in runs]), CHANCE
    )
    wide = next(key for key in answer.rows if ("widths", "8-16-32") in key)
    chosen = runs_of(runs, {key_of(base): 6, wide: 3}, 0)
    counts = Counter(run.study for run in chosen if run.changed.get("widths") == [8, 16, 32])
    assert counts == {"Change_widths": 3}
    assert sum(run.study == "Change_seed" for run in chosen) == 6
