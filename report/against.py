"""Two sweeps side by side: every setting of one held against the same setting of the other.

    for line in write_against(Path("here"), runs_here, Path("there"), runs_there):
        print(line)

Only records are read, whatever sources they were made with: two networks, optimisers or ways of
augmentation can be compared. Nothing is trained.
"""

from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from console.errors import InputError
from records.files import Damaged, write_csv, write_text
from report.comparison import Row, compare_sweeps
from report.contents import picture
from report.figures import Entry, draw_answer
from report.findings import first_of_each, name_of, words_of
from report.results import Result, Setting, read_result, settings_of
from report.summary import difference_of, digits, number
from report.words import VERDICTS, templates
from studies.settings import BASE_STUDY, Run

COLUMNS = ("setting", "seeds", "here", "there", "difference", "low", "high", "verdict")


class Pair(NamedTuple):
    """A setting in both sweeps, and what the difference of their test accuracies says."""

    name: str
    seeds: int
    here: float
    there: float
    row: Row

    @property
    def verdict(self) -> str:
        """In the report's words."""
        return VERDICTS[self.row.verdict]


def write_against(out: Path, here: list[Run], other: Path, there: list[Run]) -> list[str]:
    """Write against.csv, .html, .png and .pdf to out/result; a line for each setting.

    InputError unless both sweeps have the same images, and each common setting the same seeds.
    """
    ours, theirs = settings_in(out, here), settings_in(other, there)
    check_images(out, ours, other, theirs)
    common = [key for key in ours if key in theirs]
    if not common:
        raise InputError(f"{out} and {other} have no setting in common; nothing can be compared")
    for key in common:
        check_seeds(ours[key], out, theirs[key], other)
    settings = [ours[key] for key in common]
    pairs = pairs_of(settings, [theirs[key] for key in common])
    alone = [name_of(setting) for key, setting in {**theirs, **ours}.items() if key not in common]
    folder = out / "result"
    draw_pairs(folder, settings, pairs)
    write_csv(folder / "against.csv", COLUMNS, [csv_row(pair) for pair in pairs])
    values = {"out": out, "other": other, "pairs": pairs, "alone": alone}
    values |= {"changed": what_differs(ours[common[0]], theirs[common[0]])}
    values |= {"number": number, "difference_of": difference_of}
    shown = picture(folder / "against.png", "against", "differences, as in the table")
    html = templates().get_template("against.html").render(picture=shown, **values)
    write_text(folder / "against.html", html)
    lines = [f"{pair.name}: {pair.verdict}, {difference_of(pair.row)} points" for pair in pairs]
    if alone:
        lines.append(f"only in one of the two: {', '.join(alone)}")
    return [*lines, f"against {other}: {folder / 'against.html'}"]


# --- the two sweeps --------------------------------------------------------------------------


def settings_in(out: Path, runs: list[Run]) -> dict[tuple, Setting]:
    """The finished settings of a sweep, by Setting.key; InputError if there are none."""
    results = [result for result in map(recorded, runs) if result]
    if not results:
        raise InputError(f"{out} holds no finished run of these studies; train them there first")
    return {setting.key: setting for setting in first_of_each(settings_of(results))}


def recorded(run: Run) -> Result | None:
    """A run as its records tell it; None where they are not those of a finished run."""
    try:
        result = read_result(run)
        identity = result.train["identity"]
        is_tested = result.test["identity"]["weight.pth"] == result.train["weight_sha256"]
        is_this = all(identity[name] == value for name, value in run.settings.items())
    except (Damaged, OSError, KeyError):
        return None
    return result if is_tested and is_this else None


def check_images(out: Path, ours: dict, other: Path, theirs: dict) -> None:
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
    seeds = [sorted(each.run.settings["seed"] for each in setting.results)
             for setting in (ours, theirs)]  # fmt: skip
    if seeds[0] != seeds[1]:
        found = f"{seeds[0]} in {out} and {seeds[1]} in {other}"
        remedy = "train both sweeps with the same --seeds, and give it here too"
        raise InputError(f"the seeds of {name_of(ours)} differ: {found}; {remedy}")


def pairs_of(ours: list[Setting], theirs: list[Setting]) -> list[Pair]:
    """Every setting of one sweep against its like in the other; InputError without noise."""
    here = {name_of(setting): setting.accuracies for setting in ours}
    there = {name_of(setting): setting.accuracies for setting in theirs}
    try:
        rows = compare_sweeps(here, there)
    except ValueError as error:
        raise InputError(f"nothing can be compared: {error}; train more seeds") from None
    pairs = []
    for name, row in rows.items():
        pairs.append(Pair(name, len(here[name]), fmean(here[name]), fmean(there[name]), row))
    return pairs


def what_differs(ours: Setting, theirs: Setting) -> list[str]:
    """What decided the results of one sweep and not those of the other, by name."""
    one = ours.results[0].train["identity"]
    two = theirs.results[0].train["identity"]
    return sorted(key for key in {**one, **two} if one.get(key) != two.get(key))


# --- what is written -------------------------------------------------------------------------


def draw_pairs(folder: Path, settings: list[Setting], pairs: list[Pair]) -> None:
    """Draw every setting's difference between the two sweeps, under what its study changes."""
    entries, heading = [], ""
    for setting, pair in zip(settings, pairs, strict=True):
        if setting.study not in (heading, BASE_STUDY):
            heading = setting.study
            entries.append(Entry(words_of(setting.changed)))
        entries.append(Entry(setting.label, pair.row))
    title = "Test accuracy: points, this sweep minus the other"
    draw_answer(folder / "against.png", entries, title, for_print=True)


def csv_row(pair: Pair) -> list[object]:
    """A line of against.csv."""
    row = pair.row
    shares = pair.here, pair.there, row.difference, row.low, row.high
    return [pair.name, pair.seeds, *map(digits, shares), row.verdict]
