"""`--until`: which settings get one more seed, round by round.

    runs = runs_of(all_runs, seeds, FIRST_SEED)
    seeds = next_seeds(answer, seeds)

What is known of a setting, better, worse or alike, is left alone. Nothing is written down: the
same results give the same rounds again.
"""

import math

from report.comparison import OPEN, Noise, Pool, share_of_look, t_quantile
from report.findings import Answer
from studies.settings import Run, key_of

MOST = 10  # seeds of a setting; docs/comparison.md says what is false in so many looks

Seeds = dict[tuple, int]  # by Setting.key; a setting that is not there has one


def runs_of(runs: list[Run], seeds: Seeds, first_seed: int) -> list[Run]:
    """Those of all runs whose seed is among the first ones that their setting gets."""
    chosen = []
    for run in runs:
        if run.settings["seed"] - first_seed < seeds.get(key_of(run.settings), 1):
            chosen.append(run)
    return chosen


def next_seeds(answer: Answer, seeds: Seeds) -> Seeds:
    """One seed more for what is open, and for the base, which serves all; {} at the end."""
    more = {}
    for key, row in answer.rows.items():
        if row.verdict == OPEN and row.seeds < MOST:
            more[key] = seeds.get(key, 1) + 1
    if not more:
        return {}
    more[answer.base.key] = seeds[answer.base.key] + 1
    return {**seeds, **more}


def reach(pool: Pool, base_seeds: int, comparisons: int) -> float:
    """To within how much MOST seeds of every setting tell a difference, at this noise."""
    seeds = base_seeds + MOST - 1
    noise = Noise(pool.noise.variance, comparisons * (MOST - 1) + seeds - 1)
    error = math.sqrt(noise.variance * (1 / MOST + 1 / seeds))
    return t_quantile(share_of_look(MOST) / comparisons, noise.degrees) * error
