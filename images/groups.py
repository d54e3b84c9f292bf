"""Pictures that belong together, of one patient, video or source: which, and in which splits.

keys = keys_of(items, by_name=True)      # "video03_frame" for a/video03_frame_012.png
parts = split_groups(joined(digests, keys), targets, {"train": 0.8, "valid": 0.2})
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from images.folders import Item

MANY = 8  # beginnings of names: fewer are words for a class
EXPORTED = ".rf."  # stands in names of augmented copies, before a digest
GROUP_SEED = 0  # one split for every run


def keys_of(items: Sequence[Item], by_name: bool) -> list[str]:
    """What pictures of one patient, video or source have in common; empty for one by itself.

    That is the folder below the class and, `by_name`, what the name begins with.
    """
    keys = []
    for item in items:
        key = f"{item.folder}/" if item.folder else ""
        if by_name and not key:
            key = beginning_of(item.name)
        keys.append(key)
    return keys


def beginning_of(name: str) -> str:
    """What stands in a picture's name before the last number; empty if nothing does.

    Where words follow a number that nothing precedes, it is the number: 12_left, 12_right.
    """
    stem = os.path.splitext(os.path.basename(name))[0]
    if EXPORTED in stem:
        return stem.partition(EXPORTED)[0]
    match = re.search(r"(\d+)(\D*)$", stem)
    if match is None:
        return ""
    before = stem[: match.start()].strip("_-. ([")
    number, after = match.groups()
    return before or (number if re.search(r"\w", after) else "")


def joined(digests: Sequence[str], keys: Sequence[str]) -> list[str]:
    """A name for the group of every picture, which holds its copies and those of its key."""
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    for digest, key in zip(digests, keys, strict=True):
        first, second = top(f"pixels {digest}"), top(f"key {key}")
        if key and first != second:
            above[first] = second
    return [top(f"pixels {digest}") for digest in digests]


def split_groups(groups: Sequence[str], targets: np.ndarray, shares: dict[str, float]) -> list[str]:
    """Put each group whole into one of the parts, those with the most pictures first.

    A group goes to the part that is the emptiest, in relation to its share, in the group's classes.
    """
    totals = np.bincount(targets, minlength=2)
    sizes: dict[str, np.ndarray] = {}
    for group, target in zip(groups, targets, strict=True):
        size = sizes.setdefault(group, np.zeros(2))
        size[target] += 1 / totals[target]  # a share of its class
    names = list(sizes)
    np.random.default_rng(GROUP_SEED).shuffle(names)
    names.sort(key=lambda name: -sizes[name].sum())
    filled = {part: np.zeros(2) for part in shares}
    part_of_group = {}
    for name in names:
        part = emptiest(filled, sizes[name], shares)
        filled[part] += sizes[name]
        part_of_group[name] = part
    return [part_of_group[group] for group in groups]


def emptiest(filled: dict[str, np.ndarray], size: np.ndarray, shares: dict[str, float]) -> str:
    """The part that is filled the least in the classes of a group, the first one of equals."""
    fullness = {}
    for part, share in shares.items():
        value = filled[part] @ size / share
        fullness[part] = round(value, 9)  # else chance decides between equals
    return min(fullness, key=fullness.__getitem__)


def across_warning(keys: Sequence[str], parts: np.ndarray, remedy: str) -> list[str]:
    """Warn of pictures that seem to be of one patient, video or source and lie in several splits.

    Only where many keys have several pictures each, and most pictures have such a key.
    """
    counts = Counter(filter(None, keys))
    several = {key for key, count in counts.items() if count > 1}
    pictures = sum(counts[key] for key in several)
    if len(several) < MANY or 2 * pictures < len(keys):
        return []
    places: dict[str, Counter[str]] = defaultdict(Counter)
    for key, part in zip(keys, parts, strict=True):
        if key in several:
            places[key][part] += 1
    across = [key for key, counts_by_part in places.items() if len(counts_by_part) > 1]
    if not across:
        return []
    first = across[0]
    example = ", ".join(f"{count} in {part}" for part, count in places[first].items())
    what = f"{len(across)} of {len(several)} groups of pictures whose names begin alike"
    why = "if each is one patient, video or source, the test knows it from training"
    return [f"{what} are in several splits, {first} for one ({example}); {why}: {remedy}"]
