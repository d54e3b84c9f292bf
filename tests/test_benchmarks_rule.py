"""The benchmark's copy of the rule, in arrays, against the report's own."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import answers

from report.comparison import compare_with_base


@pytest.mark.parametrize("kind", ["equal", "one noisier", "one hardly any", "base noisier"])
def test_the_rule_in_arrays_is_the_rule_of_the_report(kind):
    random = np.random.default_rng(0)
    accuracies = random.normal(0.75, 0.01, (40, 6, 6))
    column, times = {"equal": (1, 1), "one noisier": (1, 5), "one hardly any": (2, 0.01)}.get(
        kind, (0, 4)
    )
    accuracies[:, column] = 0.75 + times * (accuracies[:, column] - 0.75)
    seeds = random.integers(1, 7, (40, 6))
    seeds[:, 0] = 6
    judged = answers.judge(accuracies, seeds, answers.Rule())
    for answer, counts in enumerate(seeds):
        samples = {str(k): accuracies[answer, k, :n].tolist() for k, n in enumerate(counts)}
        rows = compare_with_base(samples, "0").values()
        low = judged.difference[answer] - judged.half[answer]
        assert [row.low for row in rows] == pytest.approx(low)
