"""Sentences in pieces, of which those that name a setting link to its study.

parts_of("Worse: batch size 16 and 64.", links_of(studies))
"""

import re
from typing import NamedTuple

from report.answer import words_of
from report.results import Setting
from report.words import one_name
from studies.settings import BASE_STUDY


class Part(NamedTuple):
    """A piece of a sentence, and the study that it links to, if it names a setting."""

    text: str
    anchor: str


class Link(NamedTuple):
    """Where in a sentence a study is named, from `start` to before `stop`."""

    start: int
    stop: int
    study: str


def links_of(studies: dict[str, list[Setting]]) -> dict[str, str]:
    """What names a study's settings in a sentence, a pattern, and the study it links to."""
    links: dict[str, str] = {}
    for study, settings in studies.items():
        if study != BASE_STUDY:
            links[pattern_of(settings)] = study
    return links


def pattern_of(settings: list[Setting]) -> str:
    """Matches "batch size 16, 64 and 128", and "Batch size" where a sentence begins with it."""
    name = re.escape(words_of(settings[0].changed))
    labels = [re.escape(one_name(setting.label)) for setting in settings]
    labels.sort(key=len, reverse=True)
    label = rf"(?:{'|'.join(labels)})(?![\w./]*\w)"
    start = rf"^{name}(?=:)"
    several = rf"(?<!\w)\d+ of {name}"
    return rf"{start}|{several}|(?<!\w){name} {label}(?:(?:, | and ){label})*"


def parts_of(text: str, links: dict[str, str]) -> list[Part]:
    """A sentence cut into pieces, of which those that name settings have a link."""
    parts = []
    end = 0
    for link in found_in(text, links):
        if link.start < end:  # inside what has its link already
            continue
        parts.append(Part(text[end : link.start], ""))
        parts.append(Part(text[link.start : link.stop], link.study))
        end = link.stop
    parts.append(Part(text[end:], ""))
    return [part for part in parts if part.text]


def found_in(text: str, links: dict[str, str]) -> list[Link]:
    """Where settings are named in a sentence, in its order."""
    named = []
    for pattern, study in links.items():
        for match in re.finditer(pattern, text, re.IGNORECASE):
            named.append(Link(match.start(), match.end(), study))
    return sorted(named)
