"""Whether the tests of the report notice a wrong word, condition or value.

    python tests/mutations.py               # every change below
    python tests/mutations.py page.html     # those of this file

Each change is made in a copy of the project, and the tests of the report run there until one
fails. A change that no test notices is printed. Exit status 1 if more than one in twenty goes
unnoticed; 2 if the tests fail without a change, or the list is at fault.
"""

import contextlib
import importlib
import os
import shutil
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
JOBS = 2  # changes tried at once
UNNOTICED = 20  # one in so many may be
PACKAGES = ("pytest", "scipy.stats", "matplotlib.figure", "PIL.Image", "jinja2")
TESTS = ("findings", "grids", "against", "report")
FIRST = {  # those that are most likely to notice a change of a file
    "report/comparison.py": "comparison",
    "report/noise.py": "comparison",
    "report/curves.py": "curves",
    "report/rules.py": "learned",
    "report/differences.py": "figures",
    "report/grids.py": "grids",
    "report/against.py": "against",
    "report/page.html": "report",
    "report/macros.html": "report",
    "report/examples.py": "report",
    "report/summary.py": "report",
    "report/results.py": "report",
    "report/page.py": "report",
}
# In a changed copy a browser and LaTeX take too long.
LEFT_OUT = "not browser and not phone and not opens and not opened and not wide_window"
LEFT_OUT += " and not compiles"


class Change(NamedTuple):
    """A text of a file, and what is put in its place."""

    file: str
    old: str
    new: str


CHANGES = {  # of each file: a text that stands there once, and another in its place
    "report/page.html": [
        ("status.to_do > 0 %}", "status.failed %}"),
        ("{% elif status.done < status.trainings %}", "{% elif status.done %}"),
        ("{{ status.done }} of the {{", "{{ status.to_do }} of the {{"),
        ("{% if status.failed %}", "{% if not status.failed %}"),
        ("{% if not answer %}", "{% if answer %}"),
        ("{% if one_class %}", "{% if not one_class %}"),
        ("{% if summary.one_class < summary", "{% if summary.one_class == summary"),
        ("{% if is_comparable %}", "{% if not is_comparable %}"),
        ("{% if base.accuracies|length > 1 %}", "{% if base.accuracies|length == 1 %}"),
        ("(0.5 is guessing)", "(0 is guessing)"),
        (
            "for {{ data.classes[1] }} than one of {{ data.classes[0] }}",
            "for {{ data.classes[0] }} than one of {{ data.classes[1] }}",
        ),
        ("{% if study.settings[0].is_of_grid %}", "{% if not study.settings[0].is_of_grid %}"),
        ("{% elif answer.base and setting.key == answer.base.key %}", "{% else %}"),
        ("{% if count == 1 %}; curves", "{% if count > 1 %}; curves"),
        ("{% if setting.diverged_runs %}", "{% if not setting.diverged_runs %}"),
        ("{% if kept %}those", "{% if kept|length < count %}those"),
        ("(count - kept|length)", "(kept|length)"),
        ("{% if loss_function in calibrated %}", "{% if loss_function not in calibrated %}"),
        ("if answer.guess else", "if not answer.guess else"),
        ("shown.test.test_images - shown", "shown"),
        ("(numbers|max / numbers|sum)", "(numbers|min / numbers|sum)"),
        (
            "{{ mistake.true_class }} taken for {{ mistake.predicted_class }}",
            "{{ mistake.predicted_class }} taken for {{ mistake.true_class }}",
        ),
        ("{% if not is_drawn %}", "{% if is_drawn %}"),
        ("{% if commit %}", "{% if not commit %}"),
        ("lies within {{ answer.close|whole }} points", "lies within {{ answer.close }} points"),
        ("whole.last_accuracies|with_deviation", "whole.accuracies|with_deviation"),
        ("{{ lead[0] }}", "{{ lead[-1] }}"),
    ],
    "report/macros.html": [
        ("{{ summary.comparison|difference_of }}", "{{ summary.mean|with_deviation }}"),
        ("setting.last_accuracies|mean|size", "setting.accuracies|mean|size"),
        ("{{ anchor_of(summary.setting) }}", "cite"),
        ("{% if others %}{{ summary", "{% if not others %}{{ summary"),
    ],
    "report/words.txt": [
        ("{% if v.where %}", "{% if not v.where %}"),
        ('"size", "lt", 0)', '"size", "gt", 0)'),
        ("{% if gap.steps < 0.9 %}{{", "{% if gap.steps > 0.9 %}{{"),
        ("{% elif v.is_open %}", "{% elif not v.is_open %}"),
        ("{% if v.none_better %}", "{% if not v.none_better %}"),
        ('"So far, on" if v.where.so_far', '"So far, on" if not v.where.so_far'),
        ("{% if ahead.size < 0.0005 %}", "{% if ahead.size >= 0.0005 %}"),
        ('{{ "above" if v.gap >= 0 else "below" }}', '{{ "below" if v.gap >= 0 else "above" }}'),
        ('{{ "does not overfit" if v.seeds == 1 and not v.count else "overfits" }}', "overfits"),
        ("{%- if v.can_go_on %}", "{%- if not v.can_go_on %}"),
        ("{% if v.tests_at_chance %}", "{% if not v.tests_at_chance %}"),
        ("{% if v.halves %}", "{% if not v.halves %}"),
    ],
    "report/words.py": [
        ('else f"{100 * share:.{digits}f}"', 'else f"{share:.{digits}f}"'),
        ("({bound(row.low)} to {bound(row.high)})", "({bound(row.high)} to {bound(row.low)})"),
        ("    if seeds > 1:\n", "    if seeds > 2:\n"),
        ("larger, 9) > 0", "larger, 9) >= 0"),
    ],
    "report/answer.py": [
        ('data.larger_class("valid")', 'data.larger_class("train")'),
        ("if rules.failed(setting, chance)]", "if not rules.failed(setting, chance)]"),
        (
            "return sorted(guesses, key=valid_mean, reverse=True)",
            "return sorted(guesses, key=valid_mean)",
        ),
        ("finished == len(runs)", "finished != len(runs)"),
        ("if rows[setting.key].verdict == verdict]", "if rows[setting.key].verdict != verdict]"),
        ("if self.base and setting.key == self.base.key:", "if not self.base:"),
        ("if result.seed not in by_seed or not kept", "if result.seed in by_seed and not kept"),
    ],
    "report/findings.py": [
        ("answer.rows[setting.key].seeds < LEAST_SEEDS:", "answer.rows[setting.key].is_single:"),
        ("row.seeds for row in unknown or rows)", "row.seeds for row in rows)"),
        ("return size if size < 1 else None", "return size"),
        ("key=lambda finding: -finding", "key=lambda finding: finding"),
        ("and key != base.key:", "and key == base.key:"),
        ("in named or unknown or compared]", "in compared]"),
        ("test_images <= FEW_IMAGES", "test_images > FEW_IMAGES"),
        ("if count and rules.seeds_that(", "if rules.seeds_that("),
    ],
    "report/studied.py": [
        (
            "findings += about_rates(settings, answer)",
            "findings += about_batches(settings, answer)",
        ),
        (
            "if setting.key in answer.unlearned or setting.diverged_runs:",
            "if setting.diverged_runs:",
        ),
    ],
    "report/comparison.py": [
        ("FIRST_LOOK, LATER_LOOK = 0.016, 0.021", "FIRST_LOOK, LATER_LOOK = 0.05, 0.05"),
        ("SMALL = 0.02 ", "SMALL = 0.03 "),
        ("LEAST_SEEDS = 3 ", "LEAST_SEEDS = 2 "),
        ("SEEMS = 0.01 ", "SEEMS = 0.05 "),
        ("    if low > 0:\n        return BETTER", "    if low >= -0.01:\n        return BETTER"),
        ("if -close <= low and high <= close:", "if -close <= low or high <= close:"),
        ("difference.row(comparisons - len(named), close)", "difference.row(comparisons, close)"),
        ("max(planned, len(differences))", "len(differences)"),
        (
            "pooled_noise(here.values()), pooled_noise(there",
            "pooled_noise(here.values()), pooled_noise(here",
        ),
    ],
    "report/noise.py": [
        ("FAR = 3.0 ", "FAR = 300.0 "),
        ("UNEQUAL = 0.1 ", "UNEQUAL = 0.001 "),
        ("WILD = 7.0 ", "WILD = 700.0 "),
        ("max(own.variance, pool.noise.variance)", "own.variance"),
        (
            "variance = differences.var(ddof=1) - of_seeds.mean()",
            "variance = differences.var(ddof=1)",
        ),
    ],
    "report/grids.py": [
        (
            "valid_mean(cell) > valid_mean(best[value])",
            "valid_mean(cell) < valid_mean(best[value])",
        ),
        ("value in (min(tried), max(tried))", "value == max(tried)"),
        ("with_verdict(cells, answer.rows, BETTER)", "with_verdict(cells, answer.rows, WORSE)"),
    ],
    "report/examples.py": [
        ("key=lambda mistake: -mistake.probability", "key=lambda mistake: mistake.probability"),
    ],
    "report/summary.py": [
        ('row["true_class"] == classes[1]', 'row["true_class"] == classes[0]'),
        (
            'row["predicted_class"] == classes[1] else 1 - probability',
            'row["predicted_class"] == classes[0] else 1 - probability',
        ),
        (
            "len(set(predicted_classes)) < len(set",
            "len(set(predicted_classes)) <= len(set",
        ),
        ("fmean(summary.setting.last_accuracies)", "fmean(summary.setting.accuracies)"),
        (
            'values["low_points"] = in_percent(row.low',
            'values["low_points"] = in_percent(row.high',
        ),
    ],
    "report/results.py": [
        ("copy_of = trained.name", 'copy_of = ""'),
        ("last_accuracies) <= setting.larger_class", "last_accuracies) > setting.larger_class"),
        ('"last_test_accuracy": result.last_accuracy', '"last_test_accuracy": result.accuracy'),
    ],
    "report/page.py": [
        ('COMPARABLE = ("cifar10",)', 'COMPARABLE = ("cifar10", "shapes")'),
        ('"is_drawn": data.source == SHAPES', '"is_drawn": data.source != SHAPES'),
        ("if GOES_ON:", "if not GOES_ON:"),
        ("if settings[0].is_of_grid and len(settings) > LEGEND:", "if settings[0].is_of_grid:"),
        ("if not summary.one_class]", "if summary]"),
        ("[first, *others[-1:]]", "[first, *others[:1]]"),
    ],
    "report/differences.py": [
        ("setting.key == held.base.key", "setting.key != held.base.key"),
        ("held.twins.get(setting.key, setting.key)", "setting.key"),
    ],
    "report/rules.py": [
        ("OVERFIT_GAP = 0.05 ", "OVERFIT_GAP = 0.07 "),
        ("rises(result.valid_losses) and gap", "rises(result.valid_losses) or gap"),
        ("images, share) * looks < GUESSES", "images, share) < GUESSES"),
        ("better = min(1.0, share + NEAR)", "better = share"),
        ("return 2 * answers.count(Learned.NO) >", "return 3 * answers.count(Learned.NO) >"),
    ],
    "report/curves.py": [
        ("places = 2 * (len(losses) // fifth - 1)", "places = 1"),
        ("math.sqrt(2 / fifth)", "math.sqrt(1 / fifth)"),
    ],
    "report/against.py": [
        ("    if len(digests) > 1:\n", "    if len(digests) > 2:\n"),
        (
            "set(setting.seeds) & set(theirs[key].seeds)\n        if",
            "set(setting.seeds)\n        if",
        ),
        ("weight_digests(setting) == weight_digests", "weight_digests(setting) != weight_digests"),
        ("set(setting.seeds) != set(theirs", "set(setting.seeds) == set(theirs"),
    ],
}


def main() -> int:
    words = sys.argv[1:]
    changes = [change for change in all_changes() if not words or is_about(change, words)]
    faults = faults_of(changes)
    if faults:
        print(*faults, sep="\n")
        return 2
    for package in PACKAGES:
        importlib.import_module(package)  # once, for all the forks
    with get_context("fork").Pool(JOBS, maxtasksperchild=1) as pool:
        if pool.apply(is_noticed, [None]):
            print("the tests fail without any change; mend that first")
            return 2
        unnoticed = []
        for change, noticed in zip(changes, pool.imap(is_noticed, changes), strict=True):
            print("noticed  " if noticed else "UNNOTICED", described(change), flush=True)
            if not noticed:
                unnoticed.append(change)
    print(f"{len(changes) - len(unnoticed)} of {len(changes)} changes are noticed")
    return 1 if len(unnoticed) * UNNOTICED > len(changes) else 0


def all_changes() -> list[Change]:
    """CHANGES as a list."""
    changes = []
    for file, pairs in CHANGES.items():
        for old, new in pairs:
            changes.append(Change(file, old, new))
    return changes


def is_about(change: Change, words: list[str]) -> bool:
    """Whether one of the words stands in a change."""
    return any(word in text for word in words for text in change)


def faults_of(changes: list[Change]) -> list[str]:
    """What is wrong with the list: a text that does not stand in its file once."""
    faults = []
    for change in changes:
        count = (PROJECT / change.file).read_text(encoding="utf-8").count(change.old)
        if count != 1 or change.old == change.new:
            faults.append(f"{described(change)}: the old text stands there {count} times")
    return faults


def described(change: Change) -> str:
    """A change in one line."""
    return f"{change.file}: {change.old.strip()!r} -> {change.new.strip()!r}"


def is_noticed(change: Change | None) -> bool:
    """Whether a test fails in a copy of the project with this change, or with none."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "project")
        shutil.copytree(PROJECT, copy, ignore=is_no_code)
        if change:
            path = copy / change.file
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(change.old, change.new), encoding="utf-8")
        first = FIRST.get(change.file, TESTS[0]) if change else TESTS[0]
        return run_tests(copy, [first, *(name for name in TESTS if name != first)]) != 0


def is_no_code(folder: str, names: list[str]) -> set[str]:
    """Names of a folder that no test of the report needs."""
    left_out = {name for name in names if name.startswith(".") or name == "__pycache__"}
    if Path(folder) == PROJECT:
        left_out |= {"result", "weights", "data", "docs"} & set(names)
    return left_out


def run_tests(project: Path, names: list[str]) -> int:
    """The exit status of pytest in these files, which stops at the first failure."""
    import pytest

    sys.path = [path for path in sys.path if not Path(path or ".").is_relative_to(PROJECT)]
    os.chdir(project)
    if "figures" not in names:
        draw_nothing(project)
    sys.dont_write_bytecode = True
    files = [f"tests/test_{name}.py" for name in names]
    flags = ["-x", "-q", "-p", "no:cacheprovider", "-k", LEFT_OUT]
    with (project / "log").open("w") as log, contextlib.redirect_stdout(log):
        return int(pytest.main([*flags, *files]))


def draw_nothing(project: Path) -> None:
    """Save blank pictures: drawing takes long."""
    sys.path[:0] = [str(project), str(project / "tests")]
    from forks import save_blank

    from report import figures

    vars(figures)["save_picture"] = save_blank


if __name__ == "__main__":
    sys.exit(main())
