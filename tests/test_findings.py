"""What is found in made-up runs, as kinds and values, and a sentence for every kind."""

import re
from pathlib import Path

import pytest
from made_up import make

from report import words
from report.findings import answer_findings, study_findings

pytestmark = pytest.mark.filterwarnings("error")
KINDS = re.findall(r"macro (\w+)\(v\)", (Path(words.__file__).with_suffix(".txt")).read_text())


def found(changes={}, study="", **options) -> dict[str, dict]:  # noqa: B006
    """The values of the findings by kind, of the whole answer or of one study."""
    studies, answer = make(changes, **options)
    kinds = study_findings(studies[study], answer) if study else answer_findings(answer)
    return {finding.kind: finding.values for finding in kinds}


def of_label(changes, study, kind, label, **options) -> dict:
    """The values of the finding of this kind about one setting of a study."""
    studies, answer = make(changes, **options)
    kinds = study_findings(studies[study], answer)
    return next(f.values for f in kinds if f.kind == kind and f.values["label"] == label)


def test_the_first_finding_counts_better_worse_alike_and_open():
    studies, answer = make({0.1: {"shift": -0.3}, 16: {"shift": 0.2}}, seeds=6)
    first = answer_findings(answer)[0]
    assert first.kind == "headline"
    counts = [first.values[f"{verdict}_count"] for verdict in ("worse", "better", "alike", "open")]
    assert counts == [1, 1, 3, 0]


def test_a_difference_has_its_size_its_ends_its_seeds_and_its_study():
    _, answer = make({0.1: {"shift": -0.3}})
    worse = next(finding for finding in answer_findings(answer) if finding.kind == "worse")
    (item,) = worse.values["items"]
    assert (item.name, item.seeds) == ("0.1", 1)
    assert item.low < item.difference < item.high
    assert item.difference == pytest.approx(0.3, abs=0.02)
    assert worse.study == "Change_learning_rate"
