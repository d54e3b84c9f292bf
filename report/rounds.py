"""`--until`: sweeps with one more seed for what is open, round by round.

    status = run_rounds(sweep, runs, seeds={base_key: 6}, first_seed=0)

What is known of a setting, better, worse or alike, is left alone. Nothing is written down: the
same results give the same rounds again.
"""

import math

from console.errors import InputError
from report.answer import Answer, make_answer
from report.comparison import MOST_SEEDS, OPEN, Noise, Pool, share_of_look, t_quantile
from report.page import chance_of
from report.results import read_results, settings_of
from studies.plan import counted
from studies.settings import BASE_STUDY, Run, key_of
from studies.sweep import Sweep, run_sweep, trains_here

Seeds = dict[tuple, int]  # by Setting.key; a setting that is not there has one


def run_rounds(sweep: Sweep, runs: list[Run], seeds: Seeds, first_seed: int) -> int:
    """Sweeps, each with one more seed for what the one before left open; the exit status.

    `runs` are all that the rounds may come to, `seeds` those of the first. InputError if so few
    test images cannot give the precision that is asked for.
    """
    check_precision(sweep.options.until, len(sweep.data.splits["test"]))
    seeds = seeds_of_unfinished_round(sweep, runs, seeds, first_seed)
    while True:
        chosen = runs_of(runs, seeds, first_seed)
        status = run_sweep(sweep, chosen)
        if status or not trains_here(sweep.options):
            return status
        answer = answer_of(sweep, chosen)
        more = next_seeds(answer, seeds) if answer else {}
        if not answer or not more:
            return 0
        print(describe_next(answer, sweep.options.until, runs), flush=True)
        seeds = more


def check_precision(points: float, images: int) -> None:
    """Refuse a precision that so few test images cannot give."""
    if 100 / images > points:
        step = f"the {images} test images change by {100 / images:.3g} points with each one"
        raise InputError(f"--until {points:g}: {step}; ask for as much, or take more test images")


def seeds_of_unfinished_round(
    sweep: Sweep, runs: list[Run], seeds: Seeds, first_seed: int
) -> Seeds:
    """The seeds of the first round in which a run is missing; of the last one if none is."""
    while True:
        answer = answer_of(sweep, runs_of(runs, seeds, first_seed))
        more = next_seeds(answer, seeds) if answer else {}
        if not more:
            return seeds
        seeds = more


def answer_of(sweep: Sweep, runs: list[Run]) -> Answer | None:
    """The answer that these runs give; None while one of them is missing."""
    results = read_results(runs, sweep.identity_of, sweep.data.digest)
    if len(results) < len(runs):
        return None
    close = sweep.options.until / 100
    return make_answer(settings_of(results), chance_of(sweep.data), close)


def describe_next(answer: Answer, points: float, runs: list[Run]) -> str:
    """Say what the next round is for, and if the precision is out of reach."""
    still_open = sum(row.verdict == OPEN for row in answer.rows.values())
    settings = counted(still_open, "setting")
    line = f"next round: still open: {settings}; a seed more for each and the base"
    base_seeds = sum(run.study == BASE_STUDY for run in runs)
    if answer.pool:
        best = 100 * reach(answer.pool, base_seeds, len(answer.rows))
        if best > points:
            line += f"; at this noise {MOST_SEEDS} seeds tell differences only to {best:.1f} points"
    return line


def runs_of(runs: list[Run], seeds: Seeds, first_seed: int) -> list[Run]:
    """Those of all runs whose seed is among the first ones that their setting gets."""
    chosen = []
    for run in runs:
        if run.settings["seed"] - first_seed < seeds.get(key_of(run.settings), 1):
            chosen.append(run)
    return chosen


def next_seeds(answer: Answer, seeds: Seeds) -> Seeds:
    """One seed more for what is open, and for the base, which serves all; {} at the end."""
    more: Seeds = {}
    for key, row in answer.rows.items():
        if row.verdict == OPEN and row.seeds < MOST_SEEDS:
            more[key] = seeds.get(key, 1) + 1
    if not more or answer.base is None:
        return {}
    more[answer.base.key] = seeds[answer.base.key] + 1
    return {**seeds, **more}


def reach(pool: Pool, base_seeds: int, comparisons: int) -> float:
    """To within how much a difference is known, a share, with all seeds that rounds may come to.

    These are MOST_SEEDS of every setting and `base_seeds` of the base, at this noise.
    """
    degrees = comparisons * (MOST_SEEDS - 1) + base_seeds - 1
    noise = Noise(pool.noise.variance, degrees)
    error = math.sqrt(noise.variance * (1 / MOST_SEEDS + 1 / base_seeds))
    return t_quantile(share_of_look(MOST_SEEDS) / comparisons, noise.degrees) * error
