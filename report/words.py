"""Findings -> sentences, by the templates beside this file.

    say(answer_findings(answer))

words.txt has a sentence for each kind of finding. A name that a template does not know is an
error, never another sentence.
"""

import functools
import math
from pathlib import Path

import jinja2

from report.comparison import ALIKE, BETTER, OPEN, WORSE, bound, digits_of_bound, points
from report.findings import Finding
from studies.words import counted

VERDICTS = {BETTER: "better", WORSE: "worse", ALIKE: "as good", OPEN: "too close to tell"}
MOST_NAMES = 8  # in a sentence: more settings are counted
NUMBERS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def say(findings: list[Finding]) -> list[str]:
    """A sentence, or a few, for each finding."""
    return [sentence(finding) for finding in findings]


def sentence(finding: Finding) -> str:
    """Say one finding in the words of its kind."""
    macro = getattr(words(), finding.kind)
    return " ".join(macro(finding.values).split())


@functools.cache
def words() -> object:
    """The macros of words.txt, by kind of finding."""
    return templates().get_template("words.txt").module


@functools.cache
def templates() -> jinja2.Environment:
    """The templates beside this file, with the ways to write numbers."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html"]),  # the others hold no markup
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in WRITERS:
        environment.filters[write.__name__] = write
    environment.globals |= {"VERDICTS": VERDICTS, "MOST_NAMES": MOST_NAMES}
    return environment


# --- numbers and names -----------------------------------------------------------------------


def percent(share: float, digits: int = 1) -> str:
    """A share for a reader: 0.756 -> 75.6%."""
    return f"{share:.{digits}%}"


def far(share: float) -> str:
    """By how much a loss exceeds another: 0.123 -> 12%; infinitely far, if that is zero."""
    if math.isinf(share):
        return "infinitely far"
    return percent(share, digits=0)


def size(share: float, digits: int = 1) -> str:
    """The size of a difference of shares, in points: 0.0123 -> 1.2."""
    return f"{100 * share:.{digits}f}"


def bound_size(end: float) -> str:
    """The end of an interval of sizes, in points; none that leaves out zero ends at it."""
    return size(end, digits_of_bound(end))


def whole(share: float) -> str:
    """A chosen size in points, as it was given: 0.02 -> 2, 0.005 -> 0.5."""
    return f"{round(100 * share, 6):g}"


def number(count: int) -> str:
    """A count for a sentence: in words up to ten."""
    if count < len(NUMBERS):
        return NUMBERS[count]
    return f"{count:,}"


def one_name(label: str) -> str:
    """A label of several values as one name: L1Loss, 0.01 -> L1Loss/0.01."""
    return label.replace(", ", "/")


def listed(names: list[str]) -> str:
    """Names for a sentence: 16, 64 and 128."""
    written = [one_name(name) for name in names]
    if len(written) == 1:
        return written[0]
    return f"{', '.join(written[:-1])} and {written[-1]}"


def seeds_of(count: int, seeds: int) -> str:
    """In how many of its seeds something is so, after a word; of one seed nothing."""
    if seeds > 1:
        return f" in {count} of {seeds} seeds"
    return ""


def span(first: int, last: int) -> str:
    """Name the epochs from the first to the last of several seeds."""
    if first == last:
        return f"epoch {first}"
    return f"epochs {first} to {last}"


# All ways to write a value that templates know.
WRITERS = (
    percent,
    far,
    points,
    bound,
    size,
    bound_size,
    whole,
    number,
    counted,
    one_name,
    listed,
    seeds_of,
    span,
)
