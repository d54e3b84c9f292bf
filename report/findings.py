"""What is found, as kinds and plain values.

    say(answer_findings(make_answer(settings_of(results), chance)))

Here is decided what is said; words.txt has a sentence for each kind.
"""

import itertools
from statistics import fmean
from typing import Any, NamedTuple

from report import rules
from report.answer import (
    Answer,
    Rows,
    first_of_each,
    name_of,
    rows_of,
    studies_of,
    valid_mean,
    values_of,
    with_row,
    with_verdict,
    words_of,
)
from report.comparison import ALIKE, BETTER, MOST_SEEDS, OPEN, POWER, WORSE, found_from
from report.results import Result, Setting


class Finding(NamedTuple):
    """What is to be said: a kind, for which words.txt has a sentence, and its values.

    `study` is the folder's name of the study that it is about, empty for the whole answer.
    """

    kind: str
    values: dict[str, Any]
    study: str = ""


class Difference(NamedTuple):
    """A setting that differs from the base: by how much, between which ends, by how many seeds."""

    name: str
    difference: float
    low: float
    high: float
    seeds: int


class InSeeds(NamedTuple):
    """In how many of its seeds something is so of a setting."""

    name: str
    seeds_so: int
    seeds: int


class Swing(NamedTuple):
    """How much a setting's validation loss changes between epochs, and its number of steps."""

    label: str
    swing: float
    updates: int


# --- what is found in all --------------------------------------------------------------------


def answer_findings(answer: Answer) -> list[Finding]:
    """The answer: first in one sentence, then what it rests on."""
    base = answer.base
    if base is None or len(answer.settings) < 2:
        return [Finding("too_few", {})]
    found = [headline(answer, base), base_finding(answer, base)]
    if answer.problem:
        found.append(Finding("no_noise", {"problem": answer.problem}))
    for study in studies_of(answer.settings):
        found += differences_in(study, answer.rows)
    found += close_ones(answer.settings, answer)
    found += single_ones(answer)
    found += size_found(answer, base)
    found.append(use_finding(answer, base))
    found += unlearned_ones(answer)
    found += longest_one(answer)
    return found


def headline(answer: Answer, base: Setting) -> Finding:
    """What differs, what does not, what to use, in one sentence."""
    values: dict[str, Any] = {"compared": len(answer.settings) - 1, "known": bool(answer.rows)}
    for verdict in (WORSE, BETTER, ALIKE, OPEN):
        settings = with_verdict(answer.settings, answer.rows, verdict)
        values[verdict] = grouped(settings)
        values[f"{verdict}_count"] = len(settings)
    values["use"] = ""
    if answer.use:
        values["use"] = name_of(answer.use)
    values["keep_base"] = answer.use is base
    values["base_failed"] = not rules.is_choosable(base, answer.chance)
    values["use_tests_at_chance"] = answer.use is not None and answer.use.key in answer.unlearned
    return Finding("headline", values)


def grouped(settings: list[Setting]) -> list[tuple[str, list[str]]]:
    """Settings for a reader, by what they change: (learning rate, [0.001, 0.1])."""
    groups: dict[str, list[str]] = {}
    for setting in settings:
        groups.setdefault(words_of(setting.changed), []).append(setting.label)
    return list(groups.items())


def base_finding(answer: Answer, base: Setting) -> Finding:
    """The base's settings and its mean."""
    settings = [(words_of(name), value) for name, value in base.key]
    values = {"settings": settings, "mean": answer.means[base.key]}
    return Finding("base", values, base.study)


def differences_in(settings: list[Setting], rows: Rows) -> list[Finding]:
    """What is better and what is worse than the base, in one study."""
    found = []
    for verdict in (BETTER, WORSE):
        differing = []
        for setting in with_verdict(settings, rows, verdict):
            row = rows[setting.key]
            low, high = sorted((abs(row.low), abs(row.high)))
            size = abs(row.difference)
            differing.append(Difference(setting.label, size, low, high, row.seeds))
        if differing:
            values = {"what": words_of(settings[0].changed), "differences": differing}
            found.append(Finding(verdict, values, settings[0].study))
    return found


def close_ones(settings: list[Setting], answer: Answer, study: str = "") -> list[Finding]:
    """What is alike, and what cannot be told yet."""
    found = []
    alike = with_verdict(settings, answer.rows, ALIKE)
    if alike:
        values: dict[str, Any] = {"settings": grouped(alike), "close": answer.close}
        found.append(Finding("alike", values, study))
    unknown = with_verdict(settings, answer.rows, OPEN)
    if unknown:
        lows = [answer.rows[setting.key].low for setting in unknown]
        highs = [answer.rows[setting.key].high for setting in unknown]
        values = {"settings": grouped(unknown), "lowest": min(lows), "highest": max(highs)}
        found.append(Finding("open", values, study))
    return found


def single_ones(answer: Answer) -> list[Finding]:
    """Which of what was said rests on one training each."""
    single: list[Setting] = []
    named: list[Setting] = []
    for setting in with_row(answer.settings, answer.rows):
        row = answer.rows[setting.key]
        if row.is_single:
            single.append(setting)
            if row.named:
                named.append(setting)
    if not single:
        return []
    values = {"settings": grouped(named), "all": len(single) == len(answer.rows)}
    return [Finding("single", values)]


def size_found(answer: Answer, base: Setting) -> list[Finding]:
    """How large a difference these seeds find, where something is open."""
    if not with_verdict(answer.settings, answer.rows, OPEN) or answer.pool is None:
        return []
    seeds = [row.seeds for row in answer.rows.values()]
    base_seeds = len(base.results)
    size = found_from(answer.pool.noise, min(seeds), base_seeds, len(seeds))
    values: dict[str, Any] = {"seeds": min(seeds), "base_seeds": base_seeds}
    if size >= 1:
        return [Finding("size_none", values)]
    values |= {"size": size, "share": POWER, "close": answer.close}
    values["can_go_on"] = min(seeds) < MOST_SEEDS
    return [Finding("size", values)]


def use_finding(answer: Answer, base: Setting) -> Finding:
    """Which setting to use, and by what it was chosen."""
    use = answer.use
    if use is None:
        return Finding("use_none", {})
    values: dict[str, Any] = {"name": name_of(use), "valid": valid_mean(use)}
    values["mean"] = answer.means[use.key]
    if use is base:
        better = with_verdict(answer.settings, answer.rows, BETTER)
        values["tested_better"] = grouped(better)
        values["compared"] = bool(answer.valid_rows)
        return Finding("use_base", values, use.study)
    if use.key in answer.valid_rows and rules.is_choosable(base, answer.chance):
        values["row"] = answer.valid_rows[use.key]
        values["tested_better"] = answer.rows[use.key].verdict == BETTER
        values["of"] = len(answer.settings)
        return Finding("use_better", values, use.study)
    return Finding("use_without_base", values, use.study)


def unlearned_ones(answer: Answer) -> list[Finding]:
    """Settings that learned with no seed, with some only, or lost what they had learned."""
    found = []
    unlearned = [setting for setting in answer.settings if setting.key in answer.unlearned]
    if unlearned:
        values: dict[str, Any] = {"names": [name_of(setting) for setting in unlearned]}
        values |= what_guessing_reaches(unlearned, answer)
        found.append(Finding("unlearned", values))
    partly: list[InSeeds] = []
    at_chance: list[InSeeds] = []
    for setting in answer.settings:
        seeds = len(setting.results)
        count = rules.learned(setting, answer.chance)
        if 0 < count < seeds:
            partly.append(InSeeds(name_of(setting), count, seeds))
        ended = sum(rules.ends_at_chance(result, answer.chance) for result in setting.results)
        if count and 2 * ended > seeds:
            at_chance.append(InSeeds(name_of(setting), ended, seeds))
    if partly:
        found.append(Finding("partly", {"settings": partly}))
    if at_chance:
        found.append(Finding("ends_at_chance", {"settings": at_chance}))
    return found


def what_guessing_reaches(settings: list[Setting], answer: Answer) -> dict[str, float]:
    """The accuracies that guessing may reach, at its best in the longest of these trainings."""
    epochs = max(longest_history(setting) for setting in settings)
    return {"valid": answer.chance.valid_bound(epochs), "test": answer.chance.test_bound()}


def longest_history(setting: Setting) -> int:
    """How many epochs the longest training of a setting came to."""
    return max(len(result.history) for result in setting.results)


def longest_one(answer: Answer) -> list[Finding]:
    """Whether training longest overfits, in most of its seeds."""
    longest = max(answer.settings, key=lambda setting: dict(setting.key)["epochs"])
    overfitting = [result for result in longest.results if rules.overfits(result)]
    if 2 * len(overfitting) <= len(longest.results):
        return []
    values = {"name": name_of(longest), "count": len(overfitting), "seeds": len(longest.results)}
    values["rise"] = fmean(rules.rise(result) for result in overfitting)
    return [Finding("longest_overfits", values, longest.study)]


# --- what one study found --------------------------------------------------------------------


def study_findings(settings: list[Setting], answer: Answer) -> list[Finding]:
    """What one study found: against the base, then what it is about."""
    found = differences_in(settings, answer.rows)
    found += close_ones(settings, answer, settings[0].study)
    changed = settings[0].changed
    if changed == "epochs":
        found += about_epochs(settings, answer)
    elif changed == "batch_size":
        found += about_batches(settings, answer)
    elif changed == "learning_rate":
        found += about_rates(settings, answer)
    elif changed == "loss_function":
        found += about_losses(settings)
    return found


def about_epochs(settings: list[Setting], answer: Answer) -> list[Finding]:
    """Overfitting seed by seed, weights kept twice, and the last epoch's weights compared."""
    found = [overfitting_of(setting) for setting in settings]
    for shorter, longer in itertools.pairwise(settings):
        found += same_kept_weights(shorter, longer)
    if with_row(settings, answer.last_rows):
        found.append(last_epochs(settings, answer.last_rows))
    limits = {"gap": rules.OVERFIT_GAP}
    found.append(Finding("overfits_rule", limits, settings[0].study))
    return found


def last_epochs(settings: list[Setting], rows: Rows) -> Finding:
    """The verdicts on the last epoch's weights."""
    verdicts = []
    for verdict in (BETTER, WORSE, ALIKE, OPEN):
        labels = labels_of(with_verdict(settings, rows, verdict))
        if labels:
            verdicts.append((labels, verdict))
    return Finding("last_epochs", {"verdicts": verdicts}, settings[0].study)


def overfitting_of(setting: Setting) -> Finding:
    """In how many seeds a setting overfits, and what its curves did in the mean."""
    diverged = len(setting.diverged)
    values: dict[str, Any] = {"label": setting.label, "diverged": diverged}
    values["seeds"] = len(setting.results)
    finite = [result for result in setting.results if not result.train["diverged"]]
    if not finite:
        return Finding("epochs_diverged", values, setting.study)
    kept_epochs = [result.train["kept_epoch"] for result in finite]
    values["first"] = min(kept_epochs)
    values["last"] = max(kept_epochs)
    values["rise"] = fmean(rules.rise(result) for result in finite)
    values["gap"] = fmean(rules.gap(result) for result in finite)
    values["count"] = sum(rules.overfits(result) for result in finite)
    values["last_accuracy"] = fmean(result.last_accuracy for result in setting.results)
    return Finding("overfitting", values, setting.study)


def same_kept_weights(shorter: Setting, longer: Setting) -> list[Finding]:
    """In how many of the common seeds two numbers of epochs kept the weights of the same epoch."""
    longer_by_seed = {result.run.settings["seed"]: result for result in longer.results}
    same = seeds = 0
    for result in shorter.results:
        other = longer_by_seed.get(result.run.settings["seed"])
        if other is None:
            continue
        seeds += 1
        if has_same_kept_weights(result, other):
            same += 1
    if same == 0:
        return []
    values: dict[str, Any] = {"shorter": shorter.label, "longer": longer.label}
    values |= {"count": same, "seeds": seeds}
    return [Finding("same_weights", values, shorter.study)]


def has_same_kept_weights(result: Result, other: Result) -> bool:
    """Whether two trainings were the same one up to the epoch whose weights both keep."""
    epoch = result.train["kept_epoch"]
    if epoch != other.train["kept_epoch"]:
        return False
    return result.history[:epoch] == other.history[:epoch]


def about_batches(settings: list[Setting], answer: Answer) -> list[Finding]:
    """How much the curves go up and down, and whether that is known to change with the size."""
    study = settings[0].study
    learned: list[Setting] = []
    swings = []
    for setting in settings:
        if setting.key in answer.unlearned or setting.diverged:
            continue
        learned.append(setting)
        swing = fmean(rules.valid_swing(result) for result in setting.results)
        swings.append(Swing(setting.label, swing, rules.updates(setting)))
    found = []
    if swings:
        found.append(Finding("swings", {"swings": swings}, study))
    compared = swing_rows(learned, answer)
    if compared and answer.base:
        base_size = dict(answer.base.key)["batch_size"]
        found.append(swing_finding(learned, compared, base_size))
    found.append(Finding("two_things", {}, study))
    return found


def swing_rows(settings: list[Setting], answer: Answer) -> Rows:
    """The settings' swings against the base's, by the rule of all comparisons."""
    base = answer.base
    if base is None or base.key in answer.unlearned or base.diverged:
        return {}
    with_base = first_of_each([base, *settings])
    swings = values_of(with_base, rules.valid_swing)
    return rows_of(swings, base, close=0.0)


def swing_finding(settings: list[Setting], rows: Rows, base_size: int) -> Finding:
    """Which sizes swing more or less than the base; a trend only if all do as it says."""
    more = with_verdict(settings, rows, BETTER)
    less = with_verdict(settings, rows, WORSE)
    smaller, larger = [], []
    for setting in settings:
        size = dict(setting.key)["batch_size"]
        if size < base_size:
            smaller.append(setting)
        elif size > base_size:
            larger.append(setting)
    values = {
        "base": base_size,
        "more": labels_of(more),
        "less": labels_of(less),
        "open": labels_of(with_verdict(settings, rows, OPEN)),
        "is_trend": bool(smaller and larger and more == smaller and less == larger),
    }
    return Finding("swing_order", values, settings[0].study)


def about_rates(settings: list[Setting], answer: Answer) -> list[Finding]:
    """How the trainings ended, counted."""
    found = []
    for setting in settings:
        counts = rules.ends_of(setting, answer.chance)
        ends = [(end.value, count) for end, count in counts.items()]
        values = {"label": setting.label, "ends": ends, "seeds": len(setting.results)}
        found.append(Finding("ends", values, setting.study))
    limits = {"unstable": rules.UNSTABLE, "near": rules.NEAR, "gap": rules.OVERFIT_GAP}
    limits |= what_guessing_reaches(settings, answer)
    found.append(Finding("ends_rule", limits, settings[0].study))
    return found


def about_losses(settings: list[Setting]) -> list[Finding]:
    """What comparing losses at one learning rate holds fixed."""
    rate = dict(settings[0].key)["learning_rate"]
    labels = labels_of(settings)
    halves = "SmoothL1Loss" in labels and "MSELoss" in labels
    return [Finding("one_rate", {"rate": rate, "halves": halves}, settings[0].study)]


def labels_of(settings: list[Setting]) -> list[str]:
    """What settings of one study are called within it."""
    return [setting.label for setting in settings]
