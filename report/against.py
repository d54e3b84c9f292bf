"""Two sweeps side by side: every setting of one against the same of the other.

    for line in write_against(Path("here"), Path("there"), runs):
        print(line)

Only records are read, whatever sources they were made with: two networks, optimisers or
ways of augmentation can be compared. Nothing is trained.
"""

from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from console.errors import InputError
from records.files import write_csv, write_text
from report.answer import first_of_each, name_of
from report.comparison import Comparison, compare_sweeps
from report.differences import Entry, draw_answer, names_in_picture
from report.pictures import picture
from report.results import Setting, results_of, settings_of
from report.summary import bare_percent, difference_of, digits
from report.words import VERDICTS, templates
from studies.settings import BASE_STUDY, Run
from studies.view import shown

Settings = dict[tuple, Setting]  # by Setting.key
COLUMNS = ("setting", "seeds", "here", "there", "difference", "low", "high", "verdict")


class Pair(NamedTuple):
    """A setting in both sweeps, and what the difference of accuracies says."""

    name: str
    seeds: int
    here: float
    there: float
    comparison: Comparison

    @property
    def verdict(self) -> str:
        """In the report's words."""
        return VERDICTS[self.comparison.verdict]

    @property
    def difference(self) -> str:
        """With its interval, in points."""
        return difference_of(self.comparison)


class Sweeps(NamedTuple):
    """Two sweeps of the same images: settings that both have, and the others.

    `changed` names what decided the results of one and not of the other.
    """

    settings: list[Setting]
    pairs: list[Pair]
    alone: list[str]
    changed: list[str]


def write_against(out: Path, other: Path, runs: list[Run]) -> list[str]:
    """Write against.csv, .html, .png and .pdf to out/result; a line for each setting.

    InputError unless both have the same images, and each common setting the same seeds.
    """
    sweeps = read_sweeps(out, other, runs)
    folder = out / "result"
    draw_pairs(folder, sweeps)
    csv_rows = [csv_row(pair) for pair in sweeps.pairs]
    write_csv(folder / "against.csv", COLUMNS, csv_rows)
    write_page(folder / "against.html", out, other, sweeps)
    lines = []
    for pair in sweeps.pairs:
        lines.append(f"{pair.name}: {pair.verdict}, {pair.difference} points")
    if sweeps.alone:
        lines.append(f"only in one of the two: {', '.join(sweeps.alone)}")
    lines.append(f"against {other}: {folder / 'against.html'}")
    return lines


def read_sweeps(out: Path, other: Path, runs: list[Run]) -> Sweeps:
    """Read both sweeps and compare them; InputError if that cannot be done."""
    ours = settings_in(out, runs)
    theirs = settings_in(other, runs)
    check_images(out, ours, other, theirs)
    ours_common: list[Setting] = []
    theirs_common: list[Setting] = []
    for key, setting in ours.items():
        if key in theirs:
            check_seeds(setting, out, theirs[key], other)
            ours_common.append(setting)
            theirs_common.append(theirs[key])
    if not ours_common:
        raise InputError(f"{out} and {other} have no setting in common; nothing can be compared")
    pairs = pairs_of(ours_common, theirs_common)
    changed = what_differs(ours_common[0], theirs_common[0])
    return Sweeps(ours_common, pairs, only_in_one(ours, theirs), changed)


# --- the two sweeps --------------------------------------------------------------------------


def only_in_one(ours: Settings, theirs: Settings) -> list[str]:
    """The names of settings that only one of two sweeps has."""
    names = []
    for key, setting in (theirs | ours).items():
        if key not in ours or key not in theirs:
            names.append(name_of(setting))
    return names


def settings_in(out: Path, runs: list[Run]) -> Settings:
    """The finished settings of a sweep, by Setting.key; InputError if there are none."""
    results = results_of(runs, shown(out))
    if not results:
        raise InputError(f"{out} holds no finished run of these studies; train them there first")
    return {setting.key: setting for setting in first_of_each(settings_of(results))}


def check_images(out: Path, ours: Settings, other: Path, theirs: Settings) -> None:
    """InputError unless every training of both sweeps had the same images."""
    digests = set()
    for setting in [*ours.values(), *theirs.values()]:
        for result in setting.results:
            digests.add(result.train["identity"]["images"])
    if len(digests) > 1:
        remedy = "name two sweeps of the same images, size and split"
        raise InputError(f"the images of {out} and {other} differ; {remedy}")


def check_seeds(ours: Setting, out: Path, theirs: Setting, other: Path) -> None:
    """InputError unless a setting was trained with the same seeds in both sweeps."""
    here = seeds_of(ours)
    there = seeds_of(theirs)
    if here != there:
        both = f"{here} in {out} and {there} in {other}"
        remedy = "train both sweeps with the same --seeds, and give it here too"
        raise InputError(f"the seeds of {name_of(ours)} differ: {both}; {remedy}")


def seeds_of(setting: Setting) -> list[int]:
    """The seeds that a setting was trained with."""
    return sorted(result.run.settings["seed"] for result in setting.results)


def pairs_of(ours: list[Setting], theirs: list[Setting]) -> list[Pair]:
    """Every setting against its like in the other sweep; InputError without noise."""
    here = {name_of(setting): setting.accuracies for setting in ours}
    there = {name_of(setting): setting.accuracies for setting in theirs}
    try:
        rows = compare_sweeps(here, there)
    except ValueError as error:
        raise InputError(f"nothing can be compared: {error}; train more seeds") from None
    pairs = []
    for name, row in rows.items():
        pair = Pair(
            name=name,
            seeds=len(here[name]),
            here=fmean(here[name]),
            there=fmean(there[name]),
            comparison=row,
        )
        pairs.append(pair)
    return pairs


def what_differs(ours: Setting, theirs: Setting) -> list[str]:
    """What decided the results of one sweep and not those of the other, by name."""
    here = ours.results[0].train["identity"]
    there = theirs.results[0].train["identity"]
    names = []
    for name in sorted(here | there):
        if here.get(name) != there.get(name):
            names.append(name)
    return names


# --- what is written -------------------------------------------------------------------------


def write_page(path: Path, out: Path, other: Path, sweeps: Sweeps) -> None:
    """Write the page, with the picture that stands beside it."""
    drawn = picture(path.with_suffix(".png"), "against", "differences, as in the table")
    template = templates().get_template("against.html")
    html = template.render(
        out=out, other=other, sweeps=sweeps, picture=drawn, bare_percent=bare_percent
    )
    write_text(path, html)


def draw_pairs(folder: Path, sweeps: Sweeps) -> None:
    """Draw every setting's difference, under what its study changes."""
    entries = []
    heading = ""
    for setting, pair in zip(sweeps.settings, sweeps.pairs, strict=True):
        names = names_in_picture(setting)
        if setting.study != BASE_STUDY and names.heading != heading:
            heading = names.heading
            entries.append(Entry(heading))
        entries.append(Entry(names.label, pair.comparison))
    title = "Test accuracy: points, this sweep minus the other"
    draw_answer(folder / "against.png", entries, title, for_print=True)


def csv_row(pair: Pair) -> list[object]:
    """A line of against.csv."""
    comparison = pair.comparison
    return [
        pair.name,
        pair.seeds,
        digits(pair.here),
        digits(pair.there),
        digits(comparison.difference),
        digits(comparison.low),
        digits(comparison.high),
        VERDICTS[comparison.verdict],
    ]
