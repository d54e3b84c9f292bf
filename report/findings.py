"""What is found, as kinds and plain values.

    say(answer_findings(make_answer(settings_of(results), chance)))

Here is decided what is said; words.txt has a sentence for each kind.
"""

import itertools
from collections.abc import Callable
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
from report.comparison import ALIKE, BETTER, OPEN, POWER, WORSE, found_from
from report.results import Setting


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
    found += lost_ones(answer)
    found += longest_one(answer)
    return found


def headline(answer: Answer, base: Setting) -> Finding:
    """What differs, what does not, what to use, in one sentence."""
    values: dict[str, Any] = {"compared": len(answer.settings) - 1, "known": bool(answer.rows)}
    for verdict in (WORSE, BETTER, ALIKE, OPEN):
        settings = with_verdict(answer.settings, answer.rows, verdict)
        values[verdict] = grouped(settings)
        values[f"{verdict}_count"] = len(settings)
    values["use"] = name_of(answer.use) if answer.use else ""
    values["keep_base"] = answer.use is base
    values["base_failed"] = base.key in answer.failed
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
            difference = abs(row.difference)
            differing.append(Difference(setting.label, difference, low, high, row.seeds))
        if differing:
            values = {"what": words_of(settings[0].changed), "items": differing}
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
        rows = [answer.rows[setting.key] for setting in unknown]
        values = {
            "settings": grouped(unknown),
            "lowest": min(row.low for row in rows),
            "highest": max(row.high for row in rows),
        }
        found.append(Finding("open", values, study))
    return found


def single_ones(answer: Answer) -> list[Finding]:
    """Which of what was said rests on one training each."""
    compared = with_row(answer.settings, answer.rows)
    single = [setting for setting in compared if answer.rows[setting.key].is_single]
    if not single:
        return []
    named = [setting for setting in single if answer.rows[setting.key].named]
    values = {"settings": grouped(named), "all": len(single) == len(answer.rows)}
    return [Finding("single", values)]


def size_found(answer: Answer, base: Setting) -> list[Finding]:
    """How large a difference these seeds find, where something is open."""
    seeds = [len(setting.results) for setting in with_row(answer.settings, answer.rows)]
    if not with_verdict(answer.settings, answer.rows, OPEN) or answer.pool is None:
        return []
    base_seeds = len(base.results)
    size = found_from(answer.pool.noise, min(seeds), base_seeds, len(seeds))
    values = {"seeds": min(seeds), "base_seeds": base_seeds}
    if size >= 1:
        return [Finding("size_none", values)]
    return [Finding("size", values | {"size": size, "share": POWER, "close": answer.close})]


def use_finding(answer: Answer, base: Setting) -> Finding:
    """Which setting to use, and by what it was chosen."""
    use = answer.use
    if use is None:
        return Finding("use_none", {})
    mean = answer.means[use.key]
    values = {"name": name_of(use), "valid": valid_mean(use), "mean": mean}
    if use is base:
        better = with_verdict(answer.settings, answer.rows, BETTER)
        values |= {"tested_better": grouped(better), "compared": bool(answer.valid_rows)}
        return Finding("use_base", values, use.study)
    if use.key in answer.valid_rows and base.key not in answer.failed:
        row = answer.rows[use.key]
        values |= {"row": answer.valid_rows[use.key], "tested_better": row.verdict == BETTER}
        return Finding("use_better", values | {"of": len(answer.settings)}, use.study)
    return Finding("use_without_base", values, use.study)


def lost_ones(answer: Answer) -> list[Finding]:
    """Settings that learned with no seed, with some only, or lost what they had learned."""
    found = []
    lost = [setting for setting in answer.settings if setting.key in answer.failed]
    if lost:
        epochs = max(len(result.history) for setting in lost for result in setting.results)
        values: dict[str, Any] = {"names": [name_of(setting) for setting in lost]}
        values |= {"valid": answer.chance.valid_bound(epochs), "test": answer.chance.test_bound()}
        found.append(Finding("lost", values))
    partly, at_chance = [], []
    for setting in answer.settings:
        seeds, count = len(setting.results), rules.learned(setting, answer.chance)
        if 0 < count < seeds:
            partly.append((name_of(setting), count, seeds))
        ended = sum(rules.ends_at_chance(each, answer.chance) for each in setting.results)
        if count and 2 * ended > seeds:
            at_chance.append((name_of(setting), ended, seeds))
    if partly:
        found.append(Finding("partly", {"items": partly}))
    if at_chance:
        found.append(Finding("ends_at_chance", {"items": at_chance}))
    return found


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
    study = settings[0].study
    found = differences_in(settings, answer.rows) + close_ones(settings, answer, study)
    about: dict[str, Callable[[list[Setting], Answer], list[Finding]]] = {
        "epochs": about_epochs,
        "batch_size": about_batches,
        "learning_rate": about_rates,
        "loss_function": about_losses,
    }
    if settings[0].changed in about:
        found += about[settings[0].changed](settings, answer)
    return found


def about_epochs(settings: list[Setting], answer: Answer) -> list[Finding]:
    """Overfitting seed by seed, weights kept twice, and the last epoch's weights compared."""
    study = settings[0].study
    found = [overfitting_of(setting) for setting in settings]
    for shorter, longer in itertools.pairwise(settings):
        same, seeds = same_kept_weights(shorter, longer)
        if same:
            values = {"shorter": shorter.label, "longer": longer.label}
            found.append(Finding("same_weights", values | {"count": same, "seeds": seeds}, study))
    if with_row(settings, answer.last_rows):
        found.append(last_epochs(settings, answer.last_rows))
    limits = {"rise": rules.OVERFIT_RISE, "gap": rules.OVERFIT_GAP}
    return [*found, Finding("overfits_rule", limits, study)]


def last_epochs(settings: list[Setting], rows: Rows) -> Finding:
    """The verdicts on the last epoch's weights."""
    verdicts = []
    for verdict in (BETTER, WORSE, ALIKE, OPEN):
        labels = [setting.label for setting in with_verdict(settings, rows, verdict)]
        if labels:
            verdicts.append((labels, verdict))
    return Finding("last_epochs", {"verdicts": verdicts}, settings[0].study)


def overfitting_of(setting: Setting) -> Finding:
    """In how many seeds a setting overfits, and what its curves did in the mean."""
    values = {"label": setting.label, "seeds": len(setting.results)}
    values["diverged"] = len(setting.diverged)
    finite = [result for result in setting.results if not result.train["diverged"]]
    if not finite:
        return Finding("epochs_diverged", values, setting.study)
    kept = [result.train["kept_epoch"] for result in finite]
    values |= {
        "first": min(kept),
        "last": max(kept),
        "rise": fmean(rules.rise(result) for result in finite),
        "gap": fmean(rules.gap(result) for result in finite),
        "count": sum(rules.overfits(result) for result in finite),
        "last_accuracy": fmean(result.last_accuracy for result in setting.results),
    }
    return Finding("overfitting", values, setting.study)


def same_kept_weights(shorter: Setting, longer: Setting) -> tuple[int, int]:
    """In how many seeds two numbers of epochs kept the weights of the same epoch; of how many."""
    by_seed = {result.run.settings["seed"]: result for result in longer.results}
    same = seeds = 0
    for result in shorter.results:
        other = by_seed.get(result.run.settings["seed"])
        if other is None:
            continue
        seeds += 1
        epoch = result.train["kept_epoch"]
        if epoch != other.train["kept_epoch"]:
            continue
        if result.history[:epoch] == other.history[:epoch]:
            same += 1
    return same, seeds


def about_batches(settings: list[Setting], answer: Answer) -> list[Finding]:
    """How much the curves go up and down, and whether that is known to change with the size."""
    study = settings[0].study
    learned = [each for each in settings if each.key not in answer.failed and not each.diverged]
    found = []
    if learned:
        items = []
        for setting in learned:
            swing = fmean(rules.valid_swing(result) for result in setting.results)
            items.append((setting.label, swing, rules.updates(setting)))
        found.append(Finding("swings", {"items": items}, study))
    compared = swing_rows(learned, answer)
    if compared and answer.base:
        base_size = dict(answer.base.key)["batch_size"]
        found.append(swing_finding(learned, compared, base_size))
    return [*found, Finding("two_things", {}, study)]


def swing_rows(settings: list[Setting], answer: Answer) -> Rows:
    """The settings' swings against the base's, by the rule of all comparisons."""
    base = answer.base
    if base is None or base.key in answer.failed or base.diverged:
        return {}
    return rows_of(values_of(first_of_each([base, *settings]), rules.valid_swing), base, 0.0)


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
        "more": [setting.label for setting in more],
        "less": [setting.label for setting in less],
        "open": [setting.label for setting in with_verdict(settings, rows, OPEN)],
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
    epochs = max(len(result.history) for each in settings for result in each.results)
    limits = {"unstable": rules.UNSTABLE, "falling": rules.STILL_FALLING}
    limits |= {"valid": answer.chance.valid_bound(epochs), "test": answer.chance.test_bound()}
    return [*found, Finding("ends_rule", limits, settings[0].study)]


def about_losses(settings: list[Setting], answer: Answer) -> list[Finding]:
    """What comparing losses at one learning rate holds fixed."""
    rate = dict(settings[0].key)["learning_rate"]
    labels = [setting.label for setting in settings]
    halves = "SmoothL1Loss" in labels and "MSELoss" in labels
    return [Finding("one_rate", {"rate": rate, "halves": halves}, settings[0].study)]
