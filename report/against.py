"""Two sweeps side by side: every setting of one against the same of the other.

    for line in write_against(Path("here"), Path("there"), runs):
        print(line)

Only records are read, whatever sources they were made with: two networks, optimisers or
ways of augmentation can be compared. Nothing is trained.
"""

from pathlib import Path
from typing import Any

from console.errors import InputError
from records.files import write_text
from report.answer import Rows, correct_of, first_of_each, samples_of, test_accuracy
from report.comparison import compare_sweeps, cut
from report.differences import Held, answer_entries, draw_answer
from report.noise import noise_of_images
from report.results import Setting, results_of, settings_of, write_table
from report.summary import Summary, columns_of, in_percent
from report.words import difference_of, templates
from studies.settings import Run
from studies.view import shown

TITLE = "Test accuracy: points, this sweep minus the other"

Settings = dict[tuple, Setting]  # by Setting.key


def write_against(out: Path, other: Path, runs: list[Run]) -> list[str]:
    """Write against.csv, .html, .png and .pdf to out/result; a line for each setting.

    InputError unless both have the same images, and each common setting the same seeds.
    """
    ours = settings_in(out, runs)
    theirs = settings_in(other, runs)
    refuse_other_images(out, ours, other, theirs)
    common = [setting for key, setting in ours.items() if key in theirs]
    if not common:
        raise InputError(f"{out} and {other} have no setting in common; nothing can be compared")
    for setting in common:
        refuse_other_seeds(setting, out, theirs[setting.key], other)
    rows = compare(common, theirs)
    alone = names_of_others(theirs | ours, rows)
    values = {
        "out": out,
        "other": other,
        "alone": alone,
        "decides": what_differs(common[0], theirs[common[0].key]),
    }
    write_files(out / "result", common, theirs, rows, values)
    lines = []
    for setting in common:
        row = rows[setting.key]
        lines.append(f"{setting.name}: {row.verdict}, {difference_of(row)} points")
    if alone:
        lines.append(f"only in one of the two: {', '.join(alone)}")
    lines.append(f"against {other}: {out / 'result' / 'against.html'}")
    return lines


def write_files(
    folder: Path, common: list[Setting], theirs: Settings, rows: Rows, values: dict[str, Any]
) -> None:
    """Write the table, the picture and the page; `values` are what else the page says."""
    summaries = [summary_of(setting, rows) for setting in common]
    lines = []
    for summary in summaries:
        accuracy = theirs[summary.setting.key].accuracy
        of_other = {"other_test_accuracy_percent": in_percent(accuracy)}
        lines.append(columns_of(summary, classes=[]) | of_other)
    write_table(folder / "against.csv", lines)
    entries = answer_entries(common, Held(rows, base=None, twins={}))
    draw_answer(folder / "against.png", entries, TITLE, for_print=True)
    template = templates().get_template("against.html")
    page = template.render(values, folder=folder, summaries=summaries, others=theirs)
    write_text(folder / "against.html", page)


def summary_of(setting: Setting, rows: Rows) -> Summary:
    """A line of the report's table, without what only the images could tell."""
    row = rows[setting.key]
    return Summary(setting, row, [], auc=None, one_class=0, ends={})


# --- the two sweeps --------------------------------------------------------------------------


def settings_in(out: Path, runs: list[Run]) -> Settings:
    """The finished settings of a sweep, by Setting.key; InputError if there are none."""
    results = results_of(out, runs, shown(out))
    if not results:
        raise InputError(f"{out} holds no finished run of these studies; train them there first")
    return {setting.key: setting for setting in first_of_each(settings_of(results))}


def refuse_other_images(out: Path, ours: Settings, other: Path, theirs: Settings) -> None:
    """InputError unless every training of both sweeps had the same images."""
    digests = set()
    for setting in [*ours.values(), *theirs.values()]:
        for result in setting.results:
            digests.add(result.train["identity"]["images"])
    if len(digests) > 1:
        remedy = "name two sweeps of the same images, size and split"
        raise InputError(f"the images of {out} and {other} differ; {remedy}")


def refuse_other_seeds(ours: Setting, out: Path, theirs: Setting, other: Path) -> None:
    """InputError unless a setting was trained with the same seeds in both sweeps."""
    here = sorted(ours.seeds)
    there = sorted(theirs.seeds)
    if here != there:
        both = f"{here} in {out} and {there} in {other}"
        remedy = "train both sweeps with the same --seeds, and give it here too"
        raise InputError(f"the seeds of {ours.name} differ: {both}; {remedy}")


def compare(settings: list[Setting], theirs: Settings) -> Rows:
    """Every setting against its like in the other sweep; InputError without noise."""
    here = samples_of(settings, test_accuracy)
    there = samples_of([theirs[key] for key in here], test_accuracy)
    of_images = {}
    for setting in settings:
        correct, correct_there = correct_of(setting), correct_of(theirs[setting.key])
        of_images[setting.key] = noise_of_images(correct, correct_there)
    try:
        return cut(compare_sweeps(here, there, of_images=of_images))
    except ValueError as error:
        raise InputError(f"nothing can be compared: {error}; train more seeds") from None


def names_of_others(settings: Settings, rows: Rows) -> list[str]:
    """The names of settings that only one of two sweeps has."""
    return [setting.name for key, setting in settings.items() if key not in rows]


def what_differs(ours: Setting, theirs: Setting) -> list[str]:
    """What decided the results of one sweep and not those of the other, by name."""
    here = ours.results[0].train["identity"]
    there = theirs.results[0].train["identity"]
    return [name for name in sorted(here | there) if here.get(name) != there.get(name)]
