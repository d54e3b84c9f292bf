"""What a study of one setting found, as kinds and values: curves, swings, how trainings ended.

    say(study_findings(settings, answer))

How its settings differ from the base stands in the answer (findings.py) and in the table.
"""

from statistics import fmean
from typing import Any, NamedTuple

from report import rules
from report.answer import Answer
from report.curves import rise_of, swing_of
from report.findings import Finding, labels_of
from report.results import Setting


class Swing(NamedTuple):
    """How much a setting's validation loss changes between epochs, and its number of steps."""

    label: str
    swing: float
    updates: int


def study_findings(settings: list[Setting], answer: Answer) -> list[Finding]:
    """What one study is about; how its settings differ from the base stands in their rows."""
    findings: list[Finding] = []
    what = settings[0].what
    if what == "epochs":
        findings += [overfitting_of(setting) for setting in settings]
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
    values["rise"] = fmean(rise_of(result.valid_losses) for result in finite)
    values["gap"] = fmean(rules.gap(result) for result in finite)
    values["count"] = sum(rules.overfits(result) for result in finite)
    values["last_accuracy"] = fmean(result.last_accuracy for result in setting.results)
    return Finding("overfitting", values)


def about_batches(settings: list[Setting], answer: Answer) -> list[Finding]:
    """How much the curves go up and down, and after how many steps."""
    swings = []
    for setting in settings:
        if setting.key in answer.unlearned or setting.diverged_runs:
            continue
        swing = fmean(swing_of(result.valid_losses) for result in setting.results)
        swings.append(Swing(setting.label, swing, rules.updates(setting)))
    return [Finding("swings", {"swings": swings})] if swings else []


def about_rates(settings: list[Setting], answer: Answer) -> list[Finding]:
    """How the trainings ended, counted."""
    findings = []
    for setting in settings:
        counts = rules.ends_of(setting, answer.chance)
        ends = [(end.value, count) for end, count in counts.items()]
        values = {"label": setting.label, "ends": ends, "seeds": len(setting.results)}
        findings.append(Finding("ends", values))
    return findings
