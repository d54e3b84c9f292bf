"""The answer as values: every setting held against the base, and the setting to use.

    answer = make_answer(settings_of(results), chance)

What is said of it stands in findings.py.
"""

from collections.abc import Callable
from statistics import fmean
from typing import NamedTuple

from report import rules
from report.comparison import (
    BETTER,
    SMALL,
    Comparison,
    Mean,
    Pool,
    compare_with_base,
    cut,
    mean_with_interval,
    pooled_noise,
)
from report.results import Result, Setting

Rows = dict[tuple, Comparison]  # by Setting.key


class Answer(NamedTuple):
    """Every setting against the base.

    `settings` has those that several studies share once, the base first if it is finished.
    `rows` compares the kept weights in test accuracy, `last_rows` those of the last epoch,
    `valid_rows` the kept ones on the validation images; all by Setting.key, empty where nothing
    can be compared: `problem` says why, if it is the noise. `means` has every setting's test
    accuracy. Of settings that learned with no seed, `unlearned` has the keys. `close` is the
    difference up to which settings are alike. `use` is the setting to use.
    """

    settings: list[Setting]
    base: Setting | None
    chance: rules.Chance
    close: float
    pool: Pool | None
    rows: Rows
    last_rows: Rows
    valid_rows: Rows
    means: dict[tuple, Mean]
    last_means: dict[tuple, Mean]
    unlearned: list[tuple]
    problem: str
    use: Setting | None


def make_answer(settings: list[Setting], chance: rules.Chance, close: float = SMALL) -> Answer:
    """Hold every setting against the base, which is the first if it is finished."""
    unique = first_of_each(settings)
    base = unique[0] if unique and unique[0].is_base else None
    unlearned = [setting.key for setting in unique if rules.learned(setting, chance) == 0]
    kept = samples_of(unique, test_accuracy)
    last = samples_of(unique, last_accuracy)
    valid_rows = rows_of(samples_of(unique, valid_accuracy), base, close)
    pool, problem = known_noise(kept)
    last_pool, _ = known_noise(last)
    return Answer(
        settings=unique,
        base=base,
        chance=chance,
        close=close,
        pool=pool,
        rows=rows_of(kept, base, close),
        last_rows=rows_of(last, base, close),
        valid_rows=valid_rows,
        means=means_of(kept, pool),
        last_means=means_of(last, last_pool),
        unlearned=unlearned,
        problem=problem,
        use=setting_to_use(unique, base, valid_rows, chance),
    )


def first_of_each(settings: list[Setting]) -> list[Setting]:
    """The settings without those that an earlier study has too."""
    unique: dict[tuple, Setting] = {}
    for setting in settings:
        unique.setdefault(setting.key, setting)
    return list(unique.values())


def samples_of(
    settings: list[Setting], measure: Callable[[Result], float]
) -> dict[tuple, list[float]]:
    """A measure of every seed, by Setting.key."""
    values = {}
    for setting in settings:
        values[setting.key] = [measure(result) for result in setting.results]
    return values


def means_of(samples: dict[tuple, list[float]], pool: Pool | None) -> dict[tuple, Mean]:
    """The mean of every sample, with its interval where the noise is known."""
    means = {}
    for key, sample in samples.items():
        means[key] = mean_with_interval(sample, pool)
    return means


def test_accuracy(result: Result) -> float:
    """Test accuracy of the kept weights."""
    return result.accuracy


def last_accuracy(result: Result) -> float:
    """Test accuracy of the last epoch's weights."""
    return result.last_accuracy


def valid_accuracy(result: Result) -> float:
    """Validation accuracy of the kept weights; a seed that kept none counts as always wrong."""
    return result.valid_accuracy or 0.0


def known_noise(samples: dict[tuple, list[float]]) -> tuple[Pool | None, str]:
    """The pooled noise, or why it is not known."""
    try:
        return pooled_noise(samples.values()), ""
    except ValueError as error:
        return None, str(error)


def rows_of(samples: dict[tuple, list[float]], base: Setting | None, close: float) -> Rows:
    """Every setting against the base; empty where nothing can be compared.

    The intervals are cut at differences that are possible.
    """
    if base is None or len(samples) < 2 or known_noise(samples)[0] is None:
        return {}
    return cut(compare_with_base(samples, base.key, close))


def setting_to_use(
    settings: list[Setting], base: Setting | None, valid_rows: Rows, chance: rules.Chance
) -> Setting | None:
    """The base, unless another setting is better on the validation images beyond noise.

    Of several that are, the best there; where the base did not learn, the best there of all that
    did. The test images have no say, not even in whether one learned. None where none did.
    """
    learned = [setting for setting in settings if rules.is_choosable(setting, chance)]
    if base not in learned:
        return max(learned, key=valid_mean, default=None)
    better = with_verdict(learned, valid_rows, BETTER)
    return max(better, key=valid_mean, default=base)


def valid_mean(setting: Setting) -> float:
    """Mean validation accuracy over the seeds."""
    return fmean(valid_accuracy(result) for result in setting.results)


# --- settings by verdict -----------------------------------------------------------------------


def with_verdict(settings: list[Setting], rows: Rows, verdict: str) -> list[Setting]:
    """Those of the settings that have this verdict."""
    compared = with_row(settings, rows)
    return [setting for setting in compared if rows[setting.key].verdict == verdict]


def with_row(settings: list[Setting], rows: Rows) -> list[Setting]:
    """Those of the settings that are compared."""
    return [setting for setting in settings if setting.key in rows]
