"""What is found, as kinds and values.

    say(answer_findings(make_answer(settings_of(results), chance)))

Here is decided what is said; words.txt has a sentence for each kind.
"""

from typing import Any, NamedTuple

from report import curves, rules
from report.answer import (
    Answer,
    Rows,
    valid_mean,
    variance_of_images,
    with_row,
    with_verdict,
    without_epochs,
)
from report.comparison import (
    ALIKE,
    BETTER,
    LEAST_SEEDS,
    MOST_SEEDS,
    OPEN,
    POWER,
    SAME,
    found_from,
)
from report.results import Setting, studies_of, study_name, words_of
from report.rules import Learned

FEW_IMAGES = 100  # test images, each of which is a point or more


class Finding(NamedTuple):
    """What is to be said: a kind, for which words.txt has a sentence, and its values."""

    kind: str
    values: dict[str, Any]


class Gap(NamedTuple):
    """By how much settings of a study, which are one training, differ from the base.

    `end` says how they ended, if not as they should; `steps` is their number of steps, of the
    base's, if these are fewer.
    """

    labels: list[str]
    size: float
    end: str
    steps: float


class InSeeds(NamedTuple):
    """In how many of its seeds something is so of a setting."""

    name: str
    seeds_so: int
    seeds: int


class Ahead(NamedTuple):
    """By how much validation accuracy, a share, the best guess is ahead of another setting."""

    name: str
    size: float


def answer_findings(answer: Answer, source: str = "") -> list[Finding]:
    """All that is found in the answer; `source` names the images."""
    return [
        *headline(answer, source),
        *warnings_of(answer),
        *study_lines(answer),
        *details_of(answer),
    ]


def headline(answer: Answer, source: str = "") -> list[Finding]:
    """The answer in a few sentences: what matters, what does not, what to use."""
    base = answer.base
    if base is None or len(answer.settings) < 2:
        return [Finding("too_few", {})]
    if base_failed(base, answer):
        learned = rules.seeds_that(base, answer.chance, Learned.YES)
        findings = [Finding("base_failed", {"count": learned, "seeds": len(base.results)})]
    elif not answer.rows:
        findings = [Finding("nothing_yet", {"compared": len(answer.settings) - 1})]
    else:
        findings = what_matters(answer, base)
    confirmed = answer.is_complete and not any(row.seems for row in answer.rows.values())
    where = {"images": answer.chance.test_images, "source": source, "so_far": not confirmed}
    for number, finding in enumerate(findings):
        finding.values["where"] = where if number == 0 else None
    return [*findings, choice(answer)]


def base_failed(base: Setting, answer: Answer) -> bool:
    """Whether half of the base's trainings or more did not learn: then nothing can be told."""
    return rules.seeds_that(base, answer.chance, Learned.NO) * 2 >= len(base.results)


def choice(answer: Answer) -> Finding:
    """Whether anything is shown to be better, and the best guess of what to use."""
    better = with_verdict(answer.settings, answer.rows, BETTER)
    guess = answer.guess
    values = {
        "none_better": bool(answer.rows) and not better,
        "name": guess and guess.name,
        "valid": guess and valid_mean(guess),
        "ahead": ahead_of(guess, answer) if guess else [],
        "tests_at_chance": guess and rules.tests_at_chance(guess, answer.chance),
    }
    return Finding("choice", values)


def ahead_of(guess: Setting, answer: Answer) -> list[Ahead]:
    """How far a guess is ahead of the next one, and of the base."""
    others = answer.guesses[1:]
    shown = others[:1] + [setting for setting in others[1:] if setting.is_base]
    return [Ahead(setting.name, valid_mean(guess) - valid_mean(setting)) for setting in shown]


def what_matters(answer: Answer, base: Setting) -> list[Finding]:
    """The studies that differ from the base, the largest gap first, and those that do not."""
    findings: list[Finding] = []
    names: dict[str, list[str]] = {OPEN: [], ALIKE: [], SAME: []}
    for study in varied_studies(answer):
        name = study_name(study[0].study)
        gaps = gaps_of(study, answer, base)
        if gaps:
            largest = max(abs(gap.size) for gap in gaps)
            values = {"what": name, "base": label_of_base(study[0], base), "gaps": gaps}
            findings.append(Finding("matters", {**values, "largest": largest}))
        else:
            names[verdict_of_study(study, answer.rows)].append(name)
    findings.sort(key=lambda finding: -finding.values["largest"])
    if names[OPEN]:
        findings.append(Finding("undecided", {"names": names[OPEN], "size": size_of(answer)}))
    if names[ALIKE]:
        findings.append(Finding("no_difference", {"names": names[ALIKE], "close": answer.close}))
    if names[SAME]:
        seeds = min(row.seeds for row in answer.rows.values() if row.verdict == SAME)
        findings.append(Finding("no_change", {"names": names[SAME], "seeds": seeds}))
    return findings


def verdict_of_study(study: list[Setting], rows: Rows) -> str:
    """The verdict of a study in which nothing differs beyond noise."""
    for verdict in (OPEN, ALIKE):
        if with_verdict(study, rows, verdict):
            return verdict
    return SAME


def varied_studies(answer: Answer) -> list[list[Setting]]:
    """The settings of each study, without the base and what an earlier study has, too."""
    return studies_of([setting for setting in answer.settings if not setting.is_base])


def label_of_base(setting: Setting, base: Setting) -> str:
    """What the base is called in a study that this setting is of."""
    if setting.is_of_grid:
        return "the base"
    [name] = setting.varied
    return str(dict(base.key)[name])


def gaps_of(study: list[Setting], answer: Answer, base: Setting) -> list[Gap]:
    """What is better or worse than the base, each training once."""
    gaps: dict[tuple, Gap] = {}
    for setting in with_row(study, answer.rows):
        key = answer.twins.get(setting.key, setting.key)
        if key in gaps:
            gaps[key].labels.append(setting.label)
        elif answer.rows[setting.key].named and key != base.key:
            gaps[key] = gap_of(setting, answer, base)
    return list(gaps.values())


def gap_of(setting: Setting, answer: Answer, base: Setting) -> Gap:
    """By how much a setting differs from the base, and what may be why."""
    ends = rules.ends_of(setting, answer.chance)
    end = next(iter(ends)).value if len(ends) == 1 else ""
    if end == rules.End.CONVERGED.value:
        end = ""
    steps = min(1.0, rules.updates(setting) / rules.updates(base))
    return Gap([setting.label], answer.rows[setting.key].difference, end, steps)


def study_lines(answer: Answer) -> list[Finding]:
    """One line for each study: whether it matters, and where the true differences lie."""
    if answer.base is None or base_failed(answer.base, answer):
        return []
    lines = []
    for study in varied_studies(answer):
        compared = with_row(study, answer.rows)
        if not compared:
            continue
        named = [setting for setting in compared if answer.rows[setting.key].named]
        unknown = with_verdict(study, answer.rows, OPEN)
        shown = [answer.rows[setting.key] for setting in named or unknown or compared]
        values = {
            "study": study[0].study,
            "what": study_name(study[0].study),
            "is_open": bool(unknown),
            "is_same": not named and verdict_of_study(study, answer.rows) == SAME,
            "seeds": min(row.seeds for row in shown),
            "labels": labels_of(named),
            "low": min(row.low for row in shown),
            "high": max(row.high for row in shown),
            "close": answer.close,
        }
        lines.append(Finding("line", values))
    return lines


def warnings_of(answer: Answer) -> list[Finding]:
    """What a reader must know before the picture: why nothing is compared, what did not learn."""
    findings = []
    if answer.problem and answer.base and len(answer.settings) > 1:
        findings.append(Finding("no_noise", {"problem": answer.problem}))
    if answer.chance.test_images <= FEW_IMAGES:
        findings.append(few_images(answer))
    findings += same_trainings(answer)
    unlearned = [setting.name for setting in answer.settings if setting.key in answer.unlearned]
    if unlearned:
        findings.append(Finding("unlearned", {"names": unlearned}))
    partly: list[InSeeds] = []
    for setting in answer.settings:
        count = rules.seeds_that(setting, answer.chance, Learned.YES)
        if count and rules.seeds_that(setting, answer.chance, Learned.NO):
            partly.append(InSeeds(setting.name, count, len(setting.results)))
    if partly:
        findings.append(Finding("partly", {"settings": partly}))
    return findings


def same_trainings(answer: Answer) -> list[Finding]:
    """What was varied, not only in epochs, and changed no bit of any training."""
    names = {setting.key: setting.name for setting in answer.settings}
    findings = []
    for key, other in answer.twins.items():
        if without_epochs(key) != without_epochs(other):
            values = {"names": [names[other], names[key]]}
            findings.append(Finding("same_training", values))
    return findings


def few_images(answer: Answer) -> Finding:
    """That there are few test images, and whether they tell learning from guessing."""
    chance = answer.chance
    values: dict[str, Any] = {"images": chance.test_images, "guessing": None}
    if answer.base and rules.seeds_that(answer.base, chance, Learned.UNKNOWN):
        values["guessing"] = chance.test_bound()
    return Finding("few_images", values)


def details_of(answer: Answer) -> list[Finding]:
    """What the answer rests on."""
    base = answer.base
    if base is None or len(answer.settings) < 2:
        return []
    settings = [(words_of(name), value) for name, value in base.key]
    larger = answer.chance.test_share
    return [
        Finding("base", {"settings": settings, "accuracies": base.accuracies, "larger": larger}),
        *few_trainings(answer),
        *size_finding(answer, base),
        *guess_finding(answer),
    ]


def few_trainings(answer: Answer) -> list[Finding]:
    """What has too few trainings for a verdict; what of it seems to differ stands in the table."""
    names = []
    for setting in with_row(answer.settings, answer.rows):
        if answer.rows[setting.key].seeds < LEAST_SEEDS:
            names.append(setting.name)
    return [Finding("few_trainings", {"names": names, "needed": LEAST_SEEDS})] if names else []


def size_of(answer: Answer) -> float | None:
    """How large a true difference is found by the fewest seeds of a setting; None if none is."""
    if answer.pool is None or answer.base is None:
        return None
    size = found_from(
        answer.pool.noise,
        seeds=fewest_seeds(answer),
        base_seeds=len(answer.base.results),
        comparisons=len(answer.rows),
        of_images=variance_of_images(answer),
    )
    return size if size < 1 else None


def fewest_seeds(answer: Answer) -> int:
    """How many seeds the settings have at least of which nothing is known yet, or all."""
    rows = list(answer.rows.values())
    unknown = [row for row in rows if row.verdict == OPEN]
    return min(row.seeds for row in unknown or rows)


def size_finding(answer: Answer, base: Setting) -> list[Finding]:
    """How large a difference these seeds find, where something is open."""
    if not with_verdict(answer.settings, answer.rows, OPEN):
        return []
    seeds = fewest_seeds(answer)
    values: dict[str, Any] = {
        "seeds": seeds,
        "base_seeds": len(base.results),
        "size": size_of(answer),
        "share": POWER,
        "close": answer.close,
        "can_go_on": seeds < MOST_SEEDS,
    }
    return [Finding("size", values)]


def guess_finding(answer: Answer) -> list[Finding]:
    """What the best guess comes to on the test images, and by what it was chosen."""
    guess = answer.guess
    if guess is None:
        return []
    values = {
        "name": guess.name,
        "accuracies": guess.accuracies,
        "larger": answer.chance.test_share,
        "of": len(answer.settings),
    }
    return [Finding("guess", values)]


def rules_of(answer: Answer) -> Finding:
    """By what rules trainings are said to have learned, and to have ended as they did.

    Guessing is at its best in the longest of the trainings.
    """
    epochs = [len(result.history) for setting in answer.settings for result in setting.results]
    values = {
        "valid": answer.chance.valid_bound(max(epochs)),
        "test": answer.chance.test_bound(),
        "near": rules.NEAR,
        "unstable": rules.UNSTABLE,
        "gap": rules.OVERFIT_GAP,
        "chance": curves.ERROR,
    }
    return Finding("rules", values)


def labels_of(settings: list[Setting]) -> list[str]:
    """What settings of one study are called within it."""
    return [setting.label for setting in settings]
