"""Rounds: which settings get more trainings before the answer is given.

    more = more_seeds(sweep, until=None)     # {} when nothing is left to ask

What seems to differ on fewer trainings than a verdict needs gets as many as it needs. With --until
what is open gets more, too. Nothing is written down: the same results ask for the same again.
"""

import math
from collections.abc import Collection

from console.errors import InputError
from report.answer import Answer, answer_of_runs, variance_of_images
from report.comparison import (
    LEAST_SEEDS,
    MOST_SEEDS,
    next_seeds,
    next_seeds_of_base,
    share_of_look,
)
from report.distributions import t_quantile
from report.noise import Noise, Pool
from report.results import results_of, settings_of
from studies.settings import BASE_STUDY, Seeds, key_of
from studies.sweep import Sweep
from studies.words import counted


def more_seeds(sweep: Sweep, until: float | None) -> Seeds:
    """How many trainings settings are to have next; {} at the end, or while one is missing.

    `until` is the precision that is asked for, in points.
    """
    if not all(training.is_finished for training in sweep.plan.requested):
        return {}
    asked = {key_of(run.settings) for run in sweep.requested_runs}
    return seeds_for(answer_now(sweep, until), asked, until_known=until is not None)


def seeds_for(answer: Answer, asked: Collection[tuple], until_known: bool) -> Seeds:
    """How many trainings the settings asked for are to have after an answer; {} if it stands.

    All by Setting.key.
    """
    more: Seeds = {}
    for key, row in answer.rows.items():
        count = next_seeds(row, until_known)
        if key in asked and count > row.seeds:
            more[key] = count
    if more and answer.base:
        base_seeds = len(answer.base.results)
        more[answer.base.key] = next_seeds_of_base(base_seeds, max(more.values()))
    return more


def answer_now(sweep: Sweep, until: float | None) -> Answer:
    """The answer that a round gives, which is that of the report."""
    settings = settings_of(results_of(sweep.out, sweep.runs, sweep.plan.trainings))
    return answer_of_runs(settings, sweep.runs, sweep.data, until)


def most_to_confirm(sweep: Sweep) -> int:
    """How many trainings more there may be, of settings that seem to differ and of the base."""
    if all(training.is_finished for training in sweep.plan.requested):
        return 0
    seeds: Seeds = {}
    for training in sweep.plan.requested:
        key = key_of(training.settings)
        seeds[key] = seeds.get(key, 0) + 1
    [base] = {key_of(run.settings) for run in sweep.runs if run.study == BASE_STUDY}
    base_seeds = seeds.pop(base)
    if base_seeds < LEAST_SEEDS:  # of so few nothing seems to differ
        return 0
    more = sum(max(0, LEAST_SEEDS - count) for count in seeds.values())
    of_base = next_seeds_of_base(base_seeds, LEAST_SEEDS) - base_seeds
    return more + of_base if more else 0


def check_precision(points: float, images: int) -> None:
    """Refuse a precision that so few test images cannot give."""
    if 100 / images > points:
        step = f"the {images} test images change by {100 / images:.3g} points with each one"
        raise InputError(f"--until {points:g}: {step}; ask for as much, or take more test images")


def describe_next(sweep: Sweep, more: Seeds, until: float | None) -> str:
    """Say what the next round is for, and if the precision is out of reach."""
    answer = answer_now(sweep, until)
    settings = [key for key in more if answer.base is None or key != answer.base.key]
    if until is None:
        again = "seem to differ: to confirm it, each is trained again"
        if len(settings) == 1:
            again = "seems to differ: to confirm it, it is trained again"
        return f"{counted(len(settings), 'setting')} {again}"
    line = f"next round: still open: {counted(len(settings), 'setting')}; more seeds for each"
    if answer.pool and answer.base:
        base_seeds = next_seeds_of_base(len(answer.base.results), MOST_SEEDS)
        of_images = variance_of_images(answer)
        best = 100 * reach(answer.pool, base_seeds, len(answer.rows), of_images)
        if best > until:
            line += f"; at this noise {MOST_SEEDS} seeds tell differences only to {best:.1f} points"
    return line


def reach(pool: Pool, base_seeds: int, comparisons: int, of_images: float) -> float:
    """To within how much a difference is known, a share, with all seeds that rounds may come to.

    These are MOST_SEEDS of every setting and `base_seeds` of the base, at this noise; `of_images`
    is the variance that the choice of test images adds.
    """
    degrees = comparisons * (MOST_SEEDS - 1) + base_seeds - 1
    noise = Noise(pool.noise.variance, degrees)
    error = math.sqrt(noise.variance * (1 / MOST_SEEDS + 1 / base_seeds) + of_images)
    return t_quantile(share_of_look(MOST_SEEDS) / comparisons, noise.degrees) * error
