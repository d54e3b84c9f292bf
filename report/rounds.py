"""`--until`: sweeps with more seeds for what is open, round by round.

    status = run_rounds(call, runs, first_round={base_key: 6})

What is known of a setting, better, worse or alike, is left alone. Nothing is written down: the
same results give the same rounds again.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from console.errors import InputError
from report import comparison
from report.answer import Answer, make_answer
from report.comparison import MOST_SEEDS, OPEN, share_of_look
from report.distributions import t_quantile
from report.noise import Noise, Pool
from report.page import chance_of
from report.results import results_of, settings_of
from studies.settings import BASE_STUDY, Run, key_of
from studies.sweep import Sweep
from studies.words import counted

Seeds = dict[tuple, int]  # by Setting.key; a setting that is not there has one


class Call(NamedTuple):
    """What a call is to do in each round: plan some runs, and carry out a plan.

    `points` are the precision that is asked for; `goes_on`: it trains, so there are more rounds.
    """

    points: float
    prepare: Callable[[list[Run]], Sweep]
    carry_out: Callable[[Sweep], int]
    goes_on: bool


def run_rounds(call: Call, runs: list[Run], first_round: Seeds) -> int:
    """Sweeps, each with more seeds for what the one before left open; the exit status.

    `runs` are all that the rounds may come to. InputError if so few test images cannot give the
    precision that is asked for.
    """
    seeds = first_round
    while True:
        sweep = call.prepare(runs_of(runs, seeds))
        check_precision(call.points, len(sweep.data.splits["test"]))
        if is_finished(sweep) and more_seeds(sweep, seeds, call.points):
            seeds = more_seeds(sweep, seeds, call.points)  # of a call before
            continue
        status = call.carry_out(sweep)
        more = more_seeds(sweep, seeds, call.points)
        if status or not call.goes_on or not more:
            return status
        print(describe_next(answer_of(sweep, call.points), call.points, runs), flush=True)
        seeds = more


def is_finished(sweep: Sweep) -> bool:
    """Whether nothing of a round is left to do."""
    return all(training.is_finished for training in sweep.plan.requested)


def more_seeds(sweep: Sweep, seeds: Seeds, points: float) -> Seeds:
    """The seeds of the next round; {} at the end, or while a training is missing."""
    if not is_finished(sweep):
        return {}
    return next_seeds(answer_of(sweep, points), seeds)


def answer_of(sweep: Sweep, points: float) -> Answer:
    """The answer that a round gives."""
    results = results_of(sweep.out, sweep.requested_runs, sweep.plan.requested)
    return make_answer(settings_of(results), chance_of(sweep.data), points / 100)


def check_precision(points: float, images: int) -> None:
    """Refuse a precision that so few test images cannot give."""
    if 100 / images > points:
        step = f"the {images} test images change by {100 / images:.3g} points with each one"
        raise InputError(f"--until {points:g}: {step}; ask for as much, or take more test images")


def describe_next(answer: Answer, points: float, runs: list[Run]) -> str:
    """Say what the next round is for, and if the precision is out of reach."""
    still_open = sum(row.verdict == OPEN for row in answer.rows.values())
    settings = counted(still_open, "setting")
    line = f"next round: still open: {settings}; more seeds for each and the base"
    base_seeds = sum(run.study == BASE_STUDY for run in runs)
    if answer.pool:
        best = 100 * reach(answer.pool, base_seeds, len(answer.rows))
        if best > points:
            line += f"; at this noise {MOST_SEEDS} seeds tell differences only to {best:.1f} points"
    return line


def runs_of(runs: list[Run], seeds: Seeds) -> list[Run]:
    """Those of all runs whose seed is among the first ones that their setting gets."""
    first_seed = min(run.settings["seed"] for run in runs)
    chosen = []
    for run in runs:
        if run.settings["seed"] - first_seed < seeds.get(key_of(run.settings), 1):
            chosen.append(run)
    return chosen


def next_seeds(answer: Answer, seeds: Seeds) -> Seeds:
    """More seeds for what is open, and for the base, which serves all; {} at the end."""
    more: Seeds = {}
    for key, row in answer.rows.items():
        count = comparison.next_seeds(row, until_known=True)
        if count > row.seeds:
            more[key] = count
    if not more or answer.base is None:
        return {}
    base = answer.base.key
    more[base] = comparison.next_seeds_of_base(seeds[base], max(more.values()))
    return {**seeds, **more}


def reach(pool: Pool, base_seeds: int, comparisons: int) -> float:
    """To within how much a difference is known, a share, with all seeds that rounds may come to.

    These are MOST_SEEDS of every setting and `base_seeds` of the base, at this noise.
    """
    degrees = comparisons * (MOST_SEEDS - 1) + base_seeds - 1
    noise = Noise(pool.noise.variance, degrees)
    error = math.sqrt(noise.variance * (1 / MOST_SEEDS + 1 / base_seeds))
    return t_quantile(share_of_look(MOST_SEEDS) / comparisons, noise.degrees) * error
