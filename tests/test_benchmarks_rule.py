"""The benchmark's copy of the rule, in arrays, against the report's own."""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import answers

from report.comparison import compare_with_base


class Noise(NamedTuple):
    """The setting that scatters otherwise than the others, and how many times as much."""

    column: int
    times: float


NOISES = {
    "equal": Noise(column=1, times=1),
    "one noisier": Noise(column=1, times=5),
    "one hardly any": Noise(column=2, times=0.01),
    "base noisier": Noise(column=0, times=4),
}


@pytest.mark.parametrize("name", NOISES)
def test_the_rule_in_arrays_is_the_rule_of_the_report(name):
    random = np.random.default_rng(0)
    accuracies = random.normal(0.75, 0.01, (40, 6, 6))  # answers, settings, seeds
    column, times = NOISES[name]
    accuracies[:, column] = 0.75 + times * (accuracies[:, column] - 0.75)
    seeds = random.integers(1, 7, (40, 6))
    seeds[:, 0] = 6
    judged = answers.judge(accuracies, seeds)
    lows = judged.difference - judged.half
    for answer, counts in enumerate(seeds):
        samples = {}
        for setting, count in enumerate(counts):
            samples[setting] = accuracies[answer, setting, :count].tolist()
        rows = compare_with_base(samples, 0)
        assert [row.low for row in rows.values()] == pytest.approx(lows[answer])
