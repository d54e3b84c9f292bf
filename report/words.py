"""Findings -> sentences, and values -> words, by the templates beside this file.

    say(answer_findings(answer))

words.txt has a sentence for each kind of finding. A name that a template does not know is an
error, never another sentence.
"""

import functools
import re
from pathlib import Path
from statistics import fmean, stdev

import jinja2

from console.progress import duration
from report.comparison import BETTER, WORSE, Comparison, bound, points
from report.examples import file_uri, image_uri
from report.findings import Finding
from report.results import folder_of_setting, study_name, words_of
from studies.words import counted

DASH = "–"  # where there is no value
MOST_NAMES = 8  # in a sentence: more settings are counted
MARKDOWN = re.compile(r"[\\`*_<>\[\]&~$|]")  # letters that may begin markup
TEX = {letter: f"\\{letter}" for letter in "&%$#_{}"}
TEX |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
TEX |= {"−": "$-$", "–": "--", "×": "$\\times$", "±": "$\\pm$"}
TEX |= {"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}"}


def say(findings: list[Finding]) -> list[str]:
    """A sentence, or a few, for each finding."""
    return [sentence(finding) for finding in findings]


def sentence(finding: Finding) -> str:
    """Say one finding in the words of its kind."""
    macro = getattr(templates().get_template("words.txt").module, finding.kind)
    text = " ".join(macro(finding.values).split())
    return text[:1].upper() + text[1:]


@functools.cache
def templates() -> jinja2.Environment:
    """The templates beside this file, with the ways to write values."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html"]),  # the others hold no markup
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in WRITERS:
        environment.filters[write.__name__] = write
    environment.filters |= {"mean": fmean, "deviation": stdev, "sentence": sentence}
    environment.globals["MOST_NAMES"] = MOST_NAMES
    return environment


# --- numbers and names -----------------------------------------------------------------------


def percent(share: float, digits: int = 1) -> str:
    """A share for a reader: 0.756 -> 75.6%."""
    return f"{share:.{digits}%}"


def size(share: float | None, digits: int = 1) -> str:
    """A share in percent, or a difference of shares in points, without its sign: 0.0123 -> 1.2."""
    return DASH if share is None else f"{100 * share:.{digits}f}"


def rounded(share: float) -> str:
    """The size of a difference in whole points, of a small one with a digit: 0.244 -> 24."""
    return size(share, digits=0 if share >= 0.0095 else 1)


def whole(share: float) -> str:
    """A chosen size in points, as it was given: 0.02 -> 2, 0.005 -> 0.5."""
    return f"{round(100 * share, 6):g}"


def number(count: int) -> str:
    """A count for a sentence: 1,399."""
    return f"{count:,}"


def listed(names: list[str]) -> str:
    """Names for a sentence: 16, 64 and L1Loss/0.01, which is one of several values."""
    written = [name.replace(", ", "/") for name in names]
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


def from_to(counts: list[int], name: str) -> str:
    """The least and the greatest number of things: 6 seeds; or 1 to 6 seeds."""
    least, greatest = min(counts), max(counts)
    if least == greatest:
        return counted(least, name)
    return f"{least} to {counted(greatest, name)}"


# --- what is known of a setting --------------------------------------------------------------


def with_deviation(shares: list[float], sign: str = "") -> str:
    """The mean over seeds in percent, of several with their deviation: 75.6 ± 1.8."""
    text = f"{size(fmean(shares))}{sign}"
    if len(shares) == 1:
        return text
    return f"{text} ± {size(stdev(shares))}"


def or_larger_class(shares: list[float], larger: float) -> str:
    """What stands beside a mean accuracy that does not exceed the share of the larger class."""
    is_above = round(fmean(shares) - larger, 9) > 0  # a mean of equal shares may be off by a bit
    return "" if is_above else f" (larger class {size(larger)})"


def difference_of(row: Comparison | None) -> str:
    """A difference with its interval, in points: −1.2 (−3.0 to +0.6)."""
    if row is None:
        return DASH
    return f"{points(row.difference)} ({bound(row.low)} to {bound(row.high)})"


def verdict_word(row: Comparison | None) -> str:
    """What a comparison says: worse."""
    if row is None:
        return DASH
    if row.seems:
        return f"seems {BETTER if row.difference > 0 else WORSE}, being confirmed"
    return row.verdict


def ended(ends: dict[str, int]) -> str:
    """How the trainings of a setting ended: converged; or converged 5, diverged 1."""
    if len(ends) == 1:
        return next(iter(ends))
    return ", ".join(f"{end} {count}" for end, count in ends.items())


# --- other languages -------------------------------------------------------------------------


def markdown(text: str) -> str:
    """Text for a cell of a Markdown table, of which nothing is markup."""
    return MARKDOWN.sub(r"\\\g<0>", text.replace("\n", " "))


def tex(text: str) -> str:
    """Text for LaTeX with pdflatex; letters beyond Latin-1 become question marks."""
    letters = []
    for letter in text:
        if letter in TEX:
            letters.append(TEX[letter])
        elif letter.isprintable() and ord(letter) < 256:
            letters.append(letter)
        else:
            letters.append("?")
    return "".join(letters)


def plain_number(text: str) -> str:
    """A number for a column of siunitx, which has its own signs and aligns it at the point."""
    return "{--}" if text == DASH else text.replace("−", "-")


# All ways to write a value that templates know.
WRITERS = (
    percent,
    points,
    bound,
    size,
    rounded,
    whole,
    number,
    counted,
    listed,
    seeds_of,
    span,
    from_to,
    duration,
    with_deviation,
    or_larger_class,
    difference_of,
    verdict_word,
    ended,
    markdown,
    tex,
    plain_number,
    words_of,
    study_name,
    folder_of_setting,
    file_uri,
    image_uri,
)
