"""Two sweeps side by side, from made-up records on disk."""

from pathlib import Path

import pytest
from conftest import read_csv, refused
from made_up import BASE, SIX, made, write_run

from console.errors import InputError
from report.against import write_against
from studies.settings import Run, all_runs

STUDIES = {"Change_batch_size": [16, 64]}


def sweep(
    out: Path, shift: float = 0.0, images: str = "i", studies: dict = STUDIES, tested: str = "w"
) -> list[Run]:
    """Records of a sweep with three seeds of the base, its test accuracies moved by `shift`."""
    runs = all_runs(studies, BASE, range(3), out, range(1))
    for place, run in enumerate(runs):
        identity = {**run.settings, "images": images, "model.py": str(shift)}
        write_run(run, made(run, accuracy=SIX[place] + shift), identity, tested)
    return runs


def compare(tmp_path: Path, **options) -> list[str]:
    """Hold a sweep against one that is made with other options."""
    here, there = tmp_path / "here", tmp_path / "there"
    return write_against(here, sweep(here), there, sweep(there, **options))


def test_a_sweep_that_is_better_is_said_to_be(tmp_path):
    assert compare(tmp_path, shift=-0.2)[0].startswith("the base: better, +20.0 (+")


def test_a_sweep_that_is_the_same_is_not(tmp_path):
    compare(tmp_path)
    verdicts = {row["verdict"] for row in read_csv(tmp_path / "here/result/against.csv")}
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


def test_other_images_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"the images of .* differ"):
        compare(tmp_path, images="j")


def test_other_seeds_are_refused(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    runs = sweep(there)
    (runs[2].result / "test.json").unlink()
    with pytest.raises(
        InputError, match=r"the seeds of the base differ: \[0, 1, 2\] in .*\[0, 1\]"
    ):
        write_against(here, sweep(here), there, runs)


def test_as_many_seeds_but_others_are_refused(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    ours, theirs = sweep(here), sweep(there)
    (ours[0].result / "test.json").unlink()
    (theirs[2].result / "test.json").unlink()
    with pytest.raises(InputError, match=r"\[1, 2\] in .*\[0, 1\]"):
        write_against(here, ours, there, theirs)


def test_a_folder_without_runs_is_refused(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    runs = all_runs(STUDIES, BASE, range(3), there, range(1))
    with pytest.raises(InputError, match="holds no finished run"):
        write_against(here, sweep(here), there, runs)


def test_settings_of_one_sweep_only_are_told(tmp_path):
    studies = {"Change_batch_size": [16, 128]}
    assert "only in one of the two: batch size 128, batch size 64" in compare(
        tmp_path, studies=studies
    )


def test_a_test_of_other_weights_does_not_count(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    runs = sweep(there, tested="other")
    with pytest.raises(InputError, match="holds no finished run"):
        write_against(here, sweep(here), there, runs)
