"""The answer as values: every setting held against the base, and the best guess of what to use.

    answer = make_answer(settings_of(results), chance)

What is said of it stands in findings.py.
"""

from collections.abc import Mapping
from statistics import fmean, median
from typing import NamedTuple

import numpy as np

from dataset import Data
from report import rules
from report.comparison import OPEN, SAME, SMALL, Comparison, compare_with_base
from report.noise import Noise, Pool, noise_of_images, pooled_noise
from report.results import Result, Setting, correct_images
from studies.settings import Run, key_of

Rows = dict[tuple, Comparison]  # by Setting.key


class Answer(NamedTuple):
    """Every setting against the base.

    `settings` has those that several studies share once, the base first if it is finished.
    `rows` compares the test accuracies of the kept weights, by Setting.key; empty where nothing can
    be compared: `problem` says why, if it is the noise.
    `of_images` is what the choice of test images adds to the differences of `rows`, None where it
    is not counted. `unlearned` has the keys of settings that did not learn with any seed, `twins`
    the key of another setting whose weights a setting kept, too. `close` is the difference up
    to which settings are alike. `guesses` are settings to use, the best first, as far as validation
    images tell. `is_complete`: no run that is planned is missing.
    """

    settings: list[Setting]
    base: Setting | None
    chance: rules.Chance
    close: float
    pool: Pool | None
    rows: Rows
    unlearned: list[tuple]
    twins: dict[tuple, tuple]
    problem: str
    of_images: Mapping[tuple, Noise] | None
    guesses: list[Setting]
    is_complete: bool = True

    @property
    def guess(self) -> Setting | None:
        """The best guess of what to use; None where nothing learned."""
        return self.guesses[0] if self.guesses else None

    def whole(self, setting: Setting) -> Setting:
        """A setting with all its seeds: the base has more of them than the studies it is in."""
        if self.base and setting.key == self.base.key:
            return setting._replace(results=self.base.results)
        return setting


def make_answer(
    settings: list[Setting],
    chance: rules.Chance,
    close: float = SMALL,
    planned: int = 0,
    of_images: Mapping[tuple, Noise] | None = None,
) -> Answer:
    """Hold every setting against the base, which is the first if it is finished.

    `planned` is the number of settings that there will be besides the base; `of_images` what the
    choice of test images adds to each difference.
    """
    unique = first_of_each(settings)
    base = unique[0] if unique and unique[0].is_base else None
    samples = samples_of(unique)
    pool, problem = known_noise(samples)
    twins = twins_of(unique)
    rows: Rows = {}
    if base and pool and len(unique) > 1:
        rows = compare_with_base(samples, base.key, close, of_images, planned)
        rows = without_twins_of_base(rows, twins, base)
    return Answer(
        settings=unique,
        base=base,
        chance=chance,
        close=close,
        pool=pool,
        rows=rows,
        unlearned=[setting.key for setting in unique if rules.failed(setting, chance)],
        twins=twins,
        problem=problem,
        of_images=of_images,
        guesses=guesses_of(unique, twins, chance),
    )


def answer_of_runs(
    settings: list[Setting], runs: list[Run], data: Data, until: float | None
) -> Answer:
    """The answer of what is finished of these runs; `until` is the precision asked for, points."""
    planned = len({key_of(run.settings) for run in runs}) - 1
    of_images = images_noise_of(settings)
    close = SMALL if until is None else until / 100
    answer = make_answer(settings, chance_of(data), close, planned, of_images)
    finished = sum(len(setting.results) for setting in settings)
    return answer._replace(is_complete=finished == len(runs))


def chance_of(data: Data) -> rules.Chance:
    """What guessing the larger class reaches on the validation and the test images."""
    return rules.Chance(
        valid_share=data.larger_class("valid"),
        valid_images=len(data.splits["valid"]),
        test_share=data.larger_class("test"),
        test_images=len(data.splits["test"]),
    )


def images_noise_of(settings: list[Setting]) -> dict[tuple, Noise]:
    """What the choice of test images adds to each setting's difference from the base, by key."""
    unique = first_of_each(settings)
    if not unique or not unique[0].is_base:
        return {}
    of_base = correct_of(unique[0])
    return {setting.key: noise_of_images(correct_of(setting), of_base) for setting in unique[1:]}


def variance_of_images(answer: Answer) -> float:
    """What the choice of test images adds to a difference that is open, in the middle of them."""
    variances = []
    for key, row in answer.rows.items():
        if row.verdict == OPEN and answer.of_images is not None:
            variances.append(answer.of_images[key].variance)
    return median(variances) if variances else 0.0


def correct_of(setting: Setting) -> np.ndarray:
    """Which test images each seed gets right, bool (seeds, images)."""
    return np.stack([correct_images(result.folder, result.digest) for result in setting.results])


def first_of_each(settings: list[Setting]) -> list[Setting]:
    """The settings without those that an earlier study has too."""
    unique: dict[tuple, Setting] = {}
    for setting in settings:
        unique.setdefault(setting.key, setting)
    return list(unique.values())


def samples_of(settings: list[Setting]) -> dict[tuple, list[float]]:
    """The test accuracy of every seed, by Setting.key."""
    return {setting.key: setting.accuracies for setting in settings}


def known_noise(samples: dict[tuple, list[float]]) -> tuple[Pool | None, str]:
    """The pooled noise, or why it is not known."""
    try:
        return pooled_noise(samples.values()), ""
    except ValueError as error:
        return None, str(error)


def guesses_of(
    settings: list[Setting], twins: dict[tuple, tuple], chance: rules.Chance
) -> list[Setting]:
    """Settings that learned, that of the highest mean validation accuracy first.

    A choice, and no finding. The test images have no say, not even in whether one learned. Of
    settings that are one training the first alone stands here, which has the most seeds.
    """
    guesses = []
    for setting in settings:
        if setting.key not in twins and rules.is_choosable(setting, chance):
            guesses.append(setting)
    return sorted(guesses, key=valid_mean, reverse=True)


def valid_mean(setting: Setting) -> float:
    """Mean validation accuracy over the seeds; one that kept no weights counts as always wrong."""
    return fmean(result.valid_accuracy or 0.0 for result in setting.results)


# --- trainings that kept the same weights ----------------------------------------------------


def twins_of(settings: list[Setting]) -> dict[tuple, tuple]:
    """The key of a setting, by that of one whose every training kept the same weights.

    The two are one training, tested twice. That of fewer epochs comes first.
    """
    ordered = sorted(settings, key=lambda setting: dict(setting.key)["epochs"])
    twins: dict[tuple, tuple] = {}
    for position, setting in enumerate(ordered):
        for other in ordered[:position]:
            if are_one_training(other, setting):
                twins[setting.key] = twins.get(other.key, other.key)
                break
    return twins


def without_epochs(key: tuple) -> tuple:
    """What names a setting whatever its number of epochs."""
    return tuple(pair for pair in key if pair[0] != "epochs")


def are_one_training(shorter: Setting, longer: Setting) -> bool:
    """Whether each seed of the longer setting kept the weights that the shorter one's kept."""
    by_seed = {result.seed: result for result in shorter.results}
    for result in longer.results:
        if result.seed not in by_seed or not kept_same_weights(by_seed[result.seed], result):
            return False
    return True


def kept_same_weights(one: Result, other: Result) -> bool:
    """Whether two results kept the weights of one epoch of one training.

    Where none could be kept, whether they are one training to the end.
    """
    kept = one.train["kept_epoch"]
    epochs = kept or max(len(one.history), len(other.history))
    is_same_epoch = kept == other.train["kept_epoch"]
    return is_same_epoch and one.history[:epochs] == other.history[:epochs]


def without_twins_of_base(rows: Rows, twins: dict[tuple, tuple], base: Setting) -> Rows:
    """Rows in which a setting that is one training with the base is not compared with it."""
    training = twins.get(base.key, base.key)
    told = {}
    for key, row in rows.items():
        is_same = twins.get(key, key) == training
        told[key] = same_as_base(row) if is_same else row
    return told


def same_as_base(row: Comparison) -> Comparison:
    """The row of a setting that is one training with what it is held against."""
    return row._replace(difference=0.0, low=0.0, high=0.0, verdict=SAME)


# --- settings by verdict -----------------------------------------------------------------------


def with_verdict(settings: list[Setting], rows: Rows, verdict: str) -> list[Setting]:
    """Those of the settings that have this verdict."""
    compared = with_row(settings, rows)
    return [setting for setting in compared if rows[setting.key].verdict == verdict]


def with_row(settings: list[Setting], rows: Rows) -> list[Setting]:
    """Those of the settings that are compared."""
    return [setting for setting in settings if setting.key in rows]
