"""What is found, as kinds and values.

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
    rows_of,
    samples_of,
    valid_mean,
    with_row,
    with_verdict,
)
from report.comparison import ALIKE, BETTER, MOST_SEEDS, OPEN, POWER, WORSE, found_from
from report.results import Result, Setting, studies_of, words_of

VERDICTS = {"worse": WORSE, "better": BETTER, "alike": ALIKE, "open": OPEN}  # by kind of finding


class Finding(NamedTuple):
    """What is to be said: a kind, for which words.txt has a sentence, and its values."""

    kind: str
    values: dict[str, Any]


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
    settings = [(words_of(name), value) for name, value in base.key]
    findings = [
        headline(answer, base),
        Finding("base", {"settings": settings, "mean": answer.means[base.key]}),
    ]
    if answer.problem:
        findings.append(Finding("no_noise", {"problem": answer.problem}))
    for study in studies_of(answer.settings):
        findings += differences_in(study, answer.rows)
    findings += close_ones(answer.settings, answer)
    findings += single_ones(answer)
    findings += size_finding(answer, base)
    findings.append(use_finding(answer, base))
    findings += unlearned_ones(answer)
    findings += longest_one(answer)
    return findings


def headline(answer: Answer, base: Setting) -> Finding:
    """What differs, what does not, what to use, in one sentence."""
    use = answer.use
    values: dict[str, Any] = {
        "compared": len(answer.settings) - 1,
        "known": bool(answer.rows),
        "use": use.name if use else "",
        "keep_base": use is base,
        "base_failed": not rules.is_choosable(base, answer.chance),
        "use_tests_at_chance": use is not None and use.key in answer.unlearned,
    }
    for kind, verdict in VERDICTS.items():
        values[kind] = with_verdict(answer.settings, answer.rows, verdict)
    return Finding("headline", values)


def differences_in(settings: list[Setting], rows: Rows) -> list[Finding]:
    """What is better and what is worse than the base, in one study."""
    findings = []
    for kind in ("better", "worse"):
        differing = with_verdict(settings, rows, VERDICTS[kind])
        if differing:
            sizes = [abs(rows[setting.key].difference) for setting in differing]
            values = {"settings": differing, "rows": rows, "least": min(sizes), "most": max(sizes)}
            findings.append(Finding(kind, values))
    return findings


def close_ones(settings: list[Setting], answer: Answer) -> list[Finding]:
    """What is alike, and what cannot be told yet."""
    findings = []
    alike = with_verdict(settings, answer.rows, ALIKE)
    if alike:
        findings.append(Finding("alike", {"settings": alike, "close": answer.close}))
    unknown = with_verdict(settings, answer.rows, OPEN)
    if unknown:
        lowest = min(answer.rows[setting.key].low for setting in unknown)
        highest = max(answer.rows[setting.key].high for setting in unknown)
        values = {"settings": unknown, "lowest": lowest, "highest": highest}
        findings.append(Finding("open", values))
    return findings


def single_ones(answer: Answer) -> list[Finding]:
    """Which of what was said rests on one training each."""
    compared = with_row(answer.settings, answer.rows)
    single = [setting for setting in compared if answer.rows[setting.key].is_single]
    if not single:
        return []
    named = [setting for setting in single if answer.rows[setting.key].named]
    return [Finding("single", {"settings": named, "all": len(single) == len(answer.rows)})]


def size_finding(answer: Answer, base: Setting) -> list[Finding]:
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
    values: dict[str, Any] = {"name": use.name, "valid": valid_mean(use)}
    values["mean"] = answer.means[use.key]
    if use is base:
        values["tested_better"] = with_verdict(answer.settings, answer.rows, BETTER)
        values["compared"] = bool(answer.valid_rows)
        return Finding("use_base", values)
    if use.key in answer.valid_rows and rules.is_choosable(base, answer.chance):
        values["row"] = answer.valid_rows[use.key]
        values["tested_better"] = answer.rows[use.key].verdict == BETTER
        values["of"] = len(answer.settings)
        return Finding("use_better", values)
    return Finding("use_without_base", values)


def unlearned_ones(answer: Answer) -> list[Finding]:
    """Settings that learned with no seed, with some only, or lost what they had learned."""
    findings = []
    unlearned = [setting for setting in answer.settings if setting.key in answer.unlearned]
    if unlearned:
        names = [setting.name for setting in unlearned]
        findings.append(Finding("unlearned", {"names": names, **guessing(unlearned, answer)}))
    partly: list[InSeeds] = []
    at_chance: list[InSeeds] = []
    for setting in answer.settings:
        seeds = len(setting.results)
        count = rules.learned(setting, answer.chance)
        if 0 < count < seeds:
            partly.append(InSeeds(setting.name, count, seeds))
        ended = sum(rules.ends_at_chance(result, answer.chance) for result in setting.results)
        if count and 2 * ended > seeds:
            at_chance.append(InSeeds(setting.name, ended, seeds))
    if partly:
        findings.append(Finding("partly", {"settings": partly}))
    if at_chance:
        findings.append(Finding("ends_at_chance", {"settings": at_chance}))
    return findings


def guessing(settings: list[Setting], answer: Answer) -> dict[str, float]:
    """The accuracies that guessing may reach, at its best in the longest of these trainings."""
    epochs = [len(result.history) for setting in settings for result in setting.results]
    return {"valid": answer.chance.valid_bound(max(epochs)), "test": answer.chance.test_bound()}


def longest_one(answer: Answer) -> list[Finding]:
    """Whether training longest overfits, in most of its seeds."""
    longest = max(answer.settings, key=lambda setting: dict(setting.key)["epochs"])
    overfitting = [result for result in longest.results if rules.overfits(result)]
    if 2 * len(overfitting) <= len(longest.results):
        return []
    values = {"name": longest.name, "count": len(overfitting), "seeds": len(longest.results)}
    values["rise"] = fmean(rules.rise(result) for result in overfitting)
    return [Finding("longest_overfits", values)]


# --- what one study found --------------------------------------------------------------------


def study_findings(settings: list[Setting], answer: Answer) -> list[Finding]:
    """What one study found: against the base, then what it is about."""
    findings = differences_in(settings, answer.rows)
    findings += close_ones(settings, answer)
    what = settings[0].what
    if what == "epochs":
        findings += about_epochs(settings, answer)
    elif what == "batch size":
        findings += about_batches(settings, answer)
    elif what == "learning rate":
        findings += about_rates(settings, answer)
    elif what == "loss function":
        rate = dict(settings[0].key)["learning_rate"]
        labels = labels_of(settings)
        halves = "SmoothL1Loss" in labels and "MSELoss" in labels
        findings.append(Finding("one_rate", {"rate": rate, "halves": halves}))
    return findings


def labels_of(settings: list[Setting]) -> list[str]:
    """What settings of one study are called within it."""
    return [setting.label for setting in settings]


def about_epochs(settings: list[Setting], answer: Answer) -> list[Finding]:
    """Overfitting seed by seed, weights kept twice, and the last epoch's weights compared."""
    findings = [overfitting_of(setting) for setting in settings]
    for shorter, longer in itertools.pairwise(settings):
        findings += same_kept_weights(shorter, longer)
    verdicts = []
    for verdict in VERDICTS.values():
        labels = labels_of(with_verdict(settings, answer.last_rows, verdict))
        if labels:
            verdicts.append((labels, verdict))
    if verdicts:
        findings.append(Finding("last_epochs", {"verdicts": verdicts}))
    limits = {"gap": rules.OVERFIT_GAP}
    findings.append(Finding("overfits_rule", limits))
    return findings


def overfitting_of(setting: Setting) -> Finding:
    """In how many seeds a setting overfits, and what its curves did in the mean."""
    values: dict[str, Any] = {"label": setting.label, "seeds": len(setting.results)}
    values["diverged_seeds"] = len(setting.diverged_runs)
    finite = [result for result in setting.results if not result.train["diverged"]]
    if not finite:
        return Finding("epochs_diverged", values)
    kept_epochs = [result.train["kept_epoch"] for result in finite]
    values["first"] = min(kept_epochs)
    values["last"] = max(kept_epochs)
    values["rise"] = fmean(rules.rise(result) for result in finite)
    values["gap"] = fmean(rules.gap(result) for result in finite)
    values["count"] = sum(rules.overfits(result) for result in finite)
    values["last_accuracy"] = fmean(result.last_accuracy for result in setting.results)
    return Finding("overfitting", values)


def same_kept_weights(shorter: Setting, longer: Setting) -> list[Finding]:
    """In how many of the common seeds two numbers of epochs kept the weights of the same epoch."""
    longer_by_seed = {result.seed: result for result in longer.results}
    same = []
    for result in shorter.results:
        if result.seed in longer_by_seed:
            same.append(has_same_kept_weights(result, longer_by_seed[result.seed]))
    if not any(same):
        return []
    values = {"shorter": shorter.label, "longer": longer.label}
    return [Finding("same_weights", {**values, "count": sum(same), "seeds": len(same)})]


def has_same_kept_weights(result: Result, other: Result) -> bool:
    """Whether two trainings were the same one up to the epoch whose weights both keep."""
    epoch = result.train["kept_epoch"]
    if epoch != other.train["kept_epoch"]:
        return False
    return result.history[:epoch] == other.history[:epoch]


def about_batches(settings: list[Setting], answer: Answer) -> list[Finding]:
    """How much the curves go up and down, and whether that is known to change with the size."""
    learned: list[Setting] = []
    swings = []
    for setting in settings:
        if setting.key in answer.unlearned or setting.diverged_runs:
            continue
        learned.append(setting)
        swing = fmean(rules.valid_swing(result) for result in setting.results)
        swings.append(Swing(setting.label, swing, rules.updates(setting)))
    findings = []
    if swings:
        findings.append(Finding("swings", {"swings": swings}))
    compared = swing_rows(learned, answer)
    if compared and answer.base:
        base_size = dict(answer.base.key)["batch_size"]
        findings.append(swing_finding(learned, compared, base_size))
    findings.append(Finding("two_things", {}))
    return findings


def swing_rows(settings: list[Setting], answer: Answer) -> Rows:
    """The settings' swings against the base's, by the rule of all comparisons."""
    base = answer.base
    if base is None or base.key in answer.unlearned or base.diverged_runs:
        return {}
    with_base = first_of_each([base, *settings])
    swings = samples_of(with_base, rules.valid_swing)
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
    return Finding("swing_order", values)


def about_rates(settings: list[Setting], answer: Answer) -> list[Finding]:
    """How the trainings ended, counted."""
    findings = []
    for setting in settings:
        counts = rules.ends_of(setting, answer.chance)
        ends = [(end.value, count) for end, count in counts.items()]
        values = {"label": setting.label, "ends": ends, "seeds": len(setting.results)}
        findings.append(Finding("ends", values))
    limits = {"unstable": rules.UNSTABLE, "near": rules.NEAR, "gap": rules.OVERFIT_GAP}
    findings.append(Finding("ends_rule", limits | guessing(settings, answer)))
    return findings
