"""Two sweeps side by side: every setting of one against the same of the other.

    for line in write_against(Path("here"), Path("there"), runs):
        print(line)

Only records are read, whatever sources they were made with: two networks, optimisers or
ways of augmentation can be compared. Nothing is trained.
"""

import math
from pathlib import Path
from typing import Any

from console.errors import InputError
from records.files import write_text
from report.answer import (
    Rows,
    correct_of,
    first_of_each,
    same_as_base,
    samples_of,
)
from report.comparison import compare_sweeps
from report.differences import Held, answer_entries, draw_answer
from report.noise import noise_of_images
from report.results import Setting, results_of, settings_of, write_table
from report.summary import Summary, columns_of, in_percent
from report.words import difference_of, templates
from studies.settings import Run, key_of
from studies.view import shown
from studies.words import counted

TITLE = "Test accuracy: points, this sweep minus the other"

Settings = dict[tuple, Setting]  # by Setting.key


def write_against(out: Path, other: Path, runs: list[Run]) -> list[str]:
    """Write against.csv, .html, .png and .pdf to out/result; a line for each setting.

    Settings are compared by the seeds that both sweeps have. InputError unless both have the same
    images, and a setting in common.
    """
    ours = finished_settings(out, runs)
    theirs = finished_settings(other, runs)
    refuse_other_images(out, ours, other, theirs)
    common, like = by_common_seeds(ours, theirs)
    if not common:
        remedy = "nothing can be compared; train the same settings and seeds in both"
        raise InputError(f"{out} and {other} have no setting and seed in common; {remedy}")
    rows = compare(common, like)
    seeds = other_seeds(ours, theirs)
    both = ours.keys() & theirs.keys()
    alone = [setting.name for key, setting in (theirs | ours).items() if key not in both]
    values = {
        "out": out,
        "other": other,
        "alone": alone,
        "seeds": seeds,
        "decides": what_differs(common[0], like[common[0].key]),
    }
    write_files(out / "result", common, like, rows, values)
    lines = []
    for setting in common:
        row = rows[setting.key]
        lines.append(f"{setting.name}: {row.verdict}, {difference_of(row)} points")
    if seeds:
        lines.append(f"not all seeds are in both: {', '.join(seeds)}")
    if alone:
        lines.append(f"only in one of the two: {', '.join(alone)}")
    lines.append(f"against {other}: {out / 'result' / 'against.html'}")
    return lines


def write_files(
    folder: Path, common: list[Setting], theirs: Settings, rows: Rows, values: dict[str, Any]
) -> None:
    """Write the table, the picture and the page; `values` are what else the page says."""
    summaries = []  # without what only the images could tell
    for setting in common:
        row = rows[setting.key]
        summaries.append(Summary(setting, row, [], auc=math.nan, one_class=0, ends={}))
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


# --- the two sweeps --------------------------------------------------------------------------


def finished_settings(out: Path, runs: list[Run]) -> Settings:
    """The finished settings of a sweep, with all their seeds; InputError if there are none."""
    trainings = shown(out)
    settings_now = runs[0].settings
    for training in trainings:
        training.settings = with_base(training.settings, settings_now, out)
    seeds = sorted({training.settings["seed"] for training in trainings})
    results = results_of(out, of_all_seeds(runs, seeds), trainings)
    if not results:
        raise InputError(f"{out} holds no finished run of these studies; train them there first")
    return {setting.key: setting for setting in first_of_each(settings_of(results))}


def with_base(trained: dict[str, Any], base: dict[str, Any], out: Path) -> dict[str, Any]:
    """Settings in the order of the base's; what a training did not know has the base's value.

    InputError if it knew one that is unknown here.
    """
    for name in trained:
        if name not in base:
            remedy = "call --against where SETTINGS of training/settings.py has it"
            raise InputError(f"{out} was trained with a setting {name}; {remedy}")
    return {name: trained.get(name, value) for name, value in base.items()}


def of_all_seeds(runs: list[Run], seeds: list[int]) -> list[Run]:
    """The runs of the same settings with these seeds."""
    settings = {(run.study, key_of(run.settings)): run for run in runs}
    every = []
    for run in settings.values():
        for seed in seeds:
            every.append(run._replace(settings=run.settings | {"seed": seed}))
    return every


def refuse_other_images(out: Path, ours: Settings, other: Path, theirs: Settings) -> None:
    """InputError unless every training of both sweeps had the same images."""
    digests = set()
    for setting in [*ours.values(), *theirs.values()]:
        for result in setting.results:
            digests.add(result.train["identity"]["images"])
    if len(digests) > 1:
        remedy = "name two sweeps of the same images, size and split"
        raise InputError(f"the images of {out} and {other} differ; {remedy}")


def by_common_seeds(ours: Settings, theirs: Settings) -> tuple[list[Setting], Settings]:
    """The settings of which both sweeps have a seed, and their likes, with the common seeds."""
    common = []
    like = {}
    for key, setting in ours.items():
        if key not in theirs:
            continue
        seeds = set(setting.seeds) & set(theirs[key].seeds)
        if seeds:
            common.append(with_seeds(setting, seeds))
            like[key] = with_seeds(theirs[key], seeds)
    return common, like


def with_seeds(setting: Setting, seeds: set[int]) -> Setting:
    """A setting with some of its seeds, in their order."""
    results = [result for result in setting.results if result.seed in seeds]
    return setting._replace(results=sorted(results, key=lambda result: result.seed))


def other_seeds(ours: Settings, theirs: Settings) -> list[str]:
    """What both sweeps have, but not with the same seeds: batch size 16 (3 seeds here, 1 there)."""
    texts = []
    for key, setting in ours.items():
        if key in theirs and set(setting.seeds) != set(theirs[key].seeds):
            here = counted(len(setting.results), "seed")
            there = len(theirs[key].results)
            common = len(set(setting.seeds) & set(theirs[key].seeds))
            texts.append(f"{setting.name} ({here} here, {there} there, {common} in both)")
    return texts


def compare(settings: list[Setting], theirs: Settings) -> Rows:
    """Every setting against its like in the other sweep; InputError without noise."""
    here = samples_of(settings)
    there = samples_of([theirs[key] for key in here])
    of_images = {}
    for setting in settings:
        correct, correct_there = correct_of(setting), correct_of(theirs[setting.key])
        of_images[setting.key] = noise_of_images(correct, correct_there)
    try:
        rows = compare_sweeps(here, there, of_images=of_images)
    except ValueError as error:
        raise InputError(f"nothing can be compared: {error}; train more seeds") from None
    for setting in settings:
        if weight_digests(setting) == weight_digests(theirs[setting.key]):
            rows[setting.key] = same_as_base(rows[setting.key])
    return rows


def weight_digests(setting: Setting) -> list[str]:
    """The digests of a setting's weight files."""
    return [result.train["weight_sha256"] for result in setting.results]


def what_differs(ours: Setting, theirs: Setting) -> list[str]:
    """What decided the results of one sweep and not those of the other, by name."""
    here = ours.results[0].train["identity"]
    there = theirs.results[0].train["identity"]
    return [name for name in sorted(here | there) if here.get(name) != there.get(name)]
