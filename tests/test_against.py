"""Two sweeps side by side, from made-up records on disk."""

from pathlib import Path

import pytest
from conftest import read_table, refused
from made_up import BASE, SIX, made, write_run

from console.errors import InputError
from records.runs import TEST_RECORD
from report.against import write_against
from studies import store, view
from studies.settings import runs_of

STUDIES = {"Change_batch_size": [16, 64]}


SEEDS = range(1)  # of each setting but the base
RUNS = runs_of(STUDIES, BASE, range(3), range(1))


def sweep(
    out: Path,
    shift: float = 0.0,
    images: str = "i",
    studies: dict = STUDIES,
    tested: str = "",
    seeds: range = SEEDS,
    more: dict | None = None,
) -> list[str]:
    """A sweep with three seeds of the base, its test accuracies moved by `shift`; its trainings."""
    names = []
    for place, run in enumerate(runs_of(studies, BASE, range(3), seeds)):
        identity = {**run.settings, **(more or {}), "images": images, "model.py": str(shift)}
        names.append(write_run(out, made(run, accuracy=SIX[place % 6] + shift), identity, tested))
    view.write_list(out, view.Listed(names, {}))
    return names


def remove_test(out: Path, name: str) -> None:
    """Have a training of a sweep be untested."""
    (store.place_of(out, name).result / TEST_RECORD).unlink()


def compare(tmp_path: Path, studies: dict = STUDIES, **options) -> list[str]:
    """Hold a sweep against one that is made with other options."""
    here, there = tmp_path / "here", tmp_path / "there"
    sweep(here)
    sweep(there, studies=studies, **options)
    runs = RUNS + [run for run in runs_of(studies, BASE, range(0), range(1)) if run not in RUNS]
    return write_against(here, there, runs)


def test_a_sweep_that_is_better_is_said_to_be(tmp_path):
    assert compare(tmp_path, shift=-0.2)[0].startswith("the base: better, +20.0 (+")


def test_a_sweep_of_a_hardly_other_accuracy_is_not(tmp_path):
    compare(tmp_path, shift=0.001)
    verdicts = {row["verdict"] for row in read_table(tmp_path / "here/result/against.csv")}
    assert verdicts <= {"too close to tell", "as good"}


def test_a_sweep_is_not_held_against_itself(tmp_path, call):
    said = refused(call("my_script", "--out", tmp_path, "--against", tmp_path))
    assert "is --out itself" in said


def test_a_comparison_leaves_these_files(tmp_path):
    compare(tmp_path, shift=-0.2)
    names = {path.name for path in (tmp_path / "here/result").glob("against.*")}
    assert names == {"against.csv", "against.html", "against.pdf", "against.png"}


def test_the_page_names_what_differs(tmp_path):
    compare(tmp_path, shift=-0.2)
    html = (tmp_path / "here/result/against.html").read_text()
    assert "What decided the results of one and not of the other: model.py." in html


def test_a_setting_that_the_other_sweep_did_not_know_has_the_bases_value(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    sweep(here, more={"gamma": 2})
    sweep(there)
    runs = [run._replace(settings=run.settings | {"gamma": 2}) for run in RUNS]
    assert len([line for line in write_against(here, there, runs) if "points" in line]) == 3


def test_a_setting_that_is_not_known_here_is_refused_by_name(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    sweep(here)
    sweep(there, more={"gamma": 2})
    with pytest.raises(InputError, match="was trained with a setting gamma; call --against where"):
        write_against(here, there, RUNS)


def test_other_images_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"the images of .* differ"):
        compare(tmp_path, images="j")


def test_settings_are_compared_by_the_seeds_that_both_have(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    sweep(here)
    remove_test(there, sweep(there)[2])
    lines = write_against(here, there, RUNS)
    assert "not all seeds are in both: the base (3 seeds here, 2 there, 2 in both)" in lines
    [base, *_] = read_table(here / "result/against.csv")
    assert base["seeds"] == "2"


def test_a_setting_without_a_common_seed_is_told_and_not_compared(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    sweep(here)
    sweep(there, seeds=range(1, 2))
    lines = write_against(here, there, RUNS)
    told = "batch size 16 (1 seed here, 1 there, 0 in both)"
    assert any(told in line for line in lines)
    assert [row["setting"] for row in read_table(here / "result/against.csv")] == ["the base"]
    assert not any(line.startswith("only in one") for line in lines)


def test_seeds_that_a_sweep_has_more_of_than_it_was_asked_for_count(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    sweep(here, seeds=range(3))
    sweep(there, seeds=range(3))
    write_against(here, there, RUNS)
    assert [row["seeds"] for row in read_table(here / "result/against.csv")] == ["3", "3", "3"]


def test_a_training_that_is_the_same_in_both_is_told_so(tmp_path):
    compare(tmp_path)
    verdicts = {row["verdict"] for row in read_table(tmp_path / "here/result/against.csv")}
    assert verdicts == {"the same weights"}


def test_a_folder_without_runs_is_refused(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    sweep(here)
    with pytest.raises(InputError, match="holds no finished run"):
        write_against(here, there, RUNS)


def test_settings_of_one_sweep_only_are_told(tmp_path):
    studies = {"Change_batch_size": [16, 128]}
    assert "only in one of the two: batch size 128, batch size 64" in compare(
        tmp_path, studies=studies
    )


def test_a_test_of_other_weights_does_not_count(tmp_path):
    with pytest.raises(InputError, match="holds no finished run"):
        compare(tmp_path, tested="other")
