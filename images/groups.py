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

    A group goes where the least stands in relation to a part's share, by its own classes.
    """
    totals = np.bincount(targets, minlength=2)
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
    for group, target in zip(groups, targets, strict=True):
        counts[group][target] += 1 / totals[target]  # a share of its class
    names = list(counts)
    np.random.default_rng(GROUP_SEED).shuffle(names)
    names.sort(key=lambda name: -counts[name].sum())
    filled = {part: np.zeros(2) for part in shares}
    part_of_group = {}
    for name in names:
        fullness = {}
        for part, share in shares.items():
            fullness[part] = round(filled[part] @ counts[name] / share, 9)  # else ties are chance
        part = min(fullness, key=fullness.__getitem__)
        filled[part] += counts[name]
        part_of_group[name] = part
    return [part_of_group[group] for group in groups]


def across_warning(keys: Sequence[str], parts: np.ndarray, remedy: str) -> list[str]:
    """Warn of pictures that seem to be of one patient, video or source and lie in several splits.

    Only where many keys have several pictures each, and most pictures have such a key.
    """
    numbers_of: dict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        if key:
            numbers_of[key].append(number)
    several = {key: numbers for key, numbers in numbers_of.items() if len(numbers) > 1}
    pictures = sum(map(len, several.values()))
    across = [key for key, numbers in several.items() if len(set(parts[numbers])) > 1]
    if len(several) < MANY or 2 * pictures < len(keys) or not across:
        return []
    first = across[0]
    counts = Counter(parts[numbers_of[first]])
    example = ", ".join(f"{count} in {part}" for part, count in counts.items())
    what = f"{len(across)} of {len(several)} groups of pictures whose names begin alike"
    why = "if each is one patient, video or source, the test knows it from training"
    return [f"{what} are in several splits, {first} for one ({example}); {why}: {remedy}"]
