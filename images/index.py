"""What is known of decoded images beside their pixels, as plain values.

index = make_index(source, decoded, images, group=False)
index["splits"]["train"]             # numbers of the images for training
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from console.errors import InputError
from images.decode import BLOCK, Decoded
from images.folders import Item, Source
from images.groups import across_warning, keys_of
from images.sources import BUILT_IN
from images.split import copy_notes, shares_of, split
from images.words import PARTS
from records.files import digest_of

NAMED_BLANK = 5  # images of a single colour that a message names
NAMED_GROUPS = 3  # in a message
FEW = 5  # images of a class in a split: with fewer, one is more than 20 points of its recall


class Seen(NamedTuple):
    """Decoded images: class, digest of the pixels and whether they are blank, for each of them."""

    items: list[Item]
    targets: np.ndarray
    digests: list[str]
    is_blank: np.ndarray


class Divided(NamedTuple):
    """The split of every image, the keys of those that were kept together, and what to say."""

    parts: np.ndarray
    keys: list[str]
    notes: list[str]
    warnings: list[str]


def make_index(source: Source, decoded: Decoded, images: np.ndarray, group: bool) -> dict[str, Any]:
    """Everything about decoded images, uint8 (N, H, W, 3), but their pixels, as plain values.

    With `group`, images whose names begin alike stay in one split. InputError if a split has
    none of a class.
    """
    seen = look_at(decoded.items, images)
    divided = divide(seen, group)
    refuse_few(source, decoded, seen, divided)
    parts = divided.parts
    splits = {part: np.flatnonzero(parts == part).tolist() for part in PARTS}
    statistics = channel_statistics(images, splits["train"])
    targets = seen.targets.tolist()
    decided_by = [seen.digests, source.classes, targets, parts.tolist(), *statistics]
    return {
        "source": source.name,
        "group": group,
        "classes": source.classes,
        "names": [item.name for item in seen.items],
        "warnings": decoded.warnings + warnings_about(source, seen, divided),
        "notes": decoded.notes + divided.notes,
        "scales": decoded.scales,
        "targets": targets,
        "splits": splits,
        "mean": statistics.mean,
        "std": statistics.std,
        "digest": digest_of(decided_by),
    }


def look_at(items: list[Item], images: np.ndarray) -> Seen:
    """What the split and the warnings need of images, uint8 (N, H, W, 3)."""
    targets = np.array([item.target for item in items], dtype=np.int64)
    digests = [digest_of(image.tobytes()) for image in images]
    is_blank = np.array([has_one_colour(image) for image in images], dtype=bool)
    return Seen(items, targets, digests, is_blank)


def has_one_colour(image: np.ndarray) -> bool:
    """Whether an image, uint8 (H, W, 3), has one single colour: nothing can be learnt there."""
    colour = image[0, 0]
    return bool((image[-1, -1] == colour).all() and (image == colour).all())  # the first is quick


# --- splits ----------------------------------------------------------------------------------


def divide(seen: Seen, group: bool) -> Divided:
    """Split images; those in one folder below a class stay together if there are enough folders.

    With `group` those whose names begin alike stay together, too; InputError if none do.
    """
    keys = keys_of(seen.items, by_name=group)
    counts = Counter(filter(None, keys))
    if group and max(counts.values(), default=0) < 2:
        why = "no two pictures have names that begin alike, or lie in one folder below a class"
        raise InputError(f"--group: {why}; leave it out")
    given = given_parts(seen.items)
    parts = split(given, seen.targets, seen.digests, keys)
    if not counts or not shares_of(given):
        return Divided(parts, keys, [], [])
    if lacks_any(parts, seen.targets) and not group:
        warning = "the folders below a class are too few to stay in one split each"
        keys = [""] * len(keys)
        parts = split(given, seen.targets, seen.digests, keys)
        return Divided(parts, keys, [], [warning])
    what = "groups of names that begin alike" if group else "folders below the classes"
    return Divided(parts, keys, [f"kept in one split each: {what} ({len(counts)})"], [])


def given_parts(items: Sequence[Item]) -> np.ndarray:
    """The splits that images came with, empty where they are to be divided."""
    return np.array([item.part for item in items])


def lacks_any(parts: np.ndarray, targets: np.ndarray) -> bool:
    """Whether a split has no image of a class."""
    filled = set(zip(parts, targets, strict=True))
    return len(filled) < len(PARTS) * len(set(targets))


def refuse_few(source: Source, decoded: Decoded, seen: Seen, divided: Divided) -> None:
    """InputError if one of train, valid and test has no image of a class; it says what there is."""
    passed_over = [note for note in source.notes if note.startswith("passed over")]
    for target, class_name in enumerate(source.classes):
        members = np.flatnonzero(seen.targets == target)
        for part in PARTS:
            if (divided.parts[members] == part).any():
                continue
            there = [what_is_there(members, seen, divided.keys), *decoded.notes, *passed_over]
            few = f"class {class_name} of {source.name} has no picture for {part}"
            remedy = "add some, other than copies"
            if any(divided.keys):
                remedy = "add some, or leave out --group"
            raise InputError(f"{few}: {'; '.join(there)}; {remedy}")


def what_is_there(members: np.ndarray, seen: Seen, keys: list[str]) -> str:
    """What the images of a class are, by their numbers, for a message."""
    texts = [f"{len(members)} readable in all"]
    different = {seen.digests[number] for number in members}
    if len(different) < len(members):
        texts.append(f"{len(different)} of them different")
    blank = seen.is_blank[members].sum()
    if blank:
        texts.append(f"{blank} of one single colour")
    groups = {keys[number] for number in members} - {""}
    if groups:
        some = ", ".join(sorted(groups)[:NAMED_GROUPS])
        texts.append(f"groups that stay together: {len(groups)} ({some})")
    return ", ".join(texts)


# --- what may be wrong -----------------------------------------------------------------------


def warnings_about(source: Source, seen: Seen, divided: Divided) -> list[str]:
    """What a reader of the results should know of the images."""
    names = [item.name for item in seen.items]
    classes = [source.classes[target] for target in seen.targets]
    warnings = list(divided.warnings)
    warnings += blank_warning(names, seen.is_blank)
    warnings += copy_notes(names, seen.digests, divided.parts, classes)
    if source.name not in BUILT_IN:
        warnings += group_warning(seen.items, divided.parts)
    return warnings + few_warning(classes, divided.parts)


def few_warning(classes: list[str], parts: np.ndarray) -> list[str]:
    """Warn of splits with very few images of a class, with their numbers."""
    few = []
    for (name, part), count in Counter(zip(classes, parts, strict=True)).items():
        if count < FEW:
            few.append(f"{count} of {name} in {part}")
    if not few:
        return []
    listed = ", ".join(sorted(few))
    return [f"very few pictures ({listed}): what is learned or measured rests on them; add some"]


def blank_warning(names: list[str], is_blank: np.ndarray) -> list[str]:
    """Warn of images of one single colour."""
    numbers = np.flatnonzero(is_blank)
    if len(numbers) == 0:
        return []
    examples = ", ".join(names[number] for number in numbers[:NAMED_BLANK])
    return [f"one single colour ({len(numbers)} of {len(names)}): {examples}"]


def group_warning(items: list[Item], parts: np.ndarray) -> list[str]:
    """Warn of images that are of one source by their names, and lie in several splits."""
    keys = keys_of(items, by_name=True)
    remedy = "keep each in one split: --group"
    if across_warning(keys, given_parts(items), ""):
        remedy = f"put each into one of your folders (where the program divides, {remedy})"
    return across_warning(keys, parts, remedy)


# --- values ----------------------------------------------------------------------------------


class Statistics(NamedTuple):
    """Mean and standard deviation of each channel, of values from 0 to 1."""

    mean: list[float]
    std: list[float]


def channel_statistics(images: np.ndarray, indices: list[int]) -> Statistics:
    """Statistics of some images, of uint8 (N, H, W, 3).

    Sums of whole numbers are exact in any order.
    """
    total = np.zeros(3, np.uint64)
    squares = np.zeros(3, np.uint64)
    for start in range(0, len(indices), BLOCK):
        block = images[indices[start : start + BLOCK]].reshape(-1, 3)
        channels = block.T.astype(np.uint32, order="C")  # so that sums run along memory
        total += channels.sum(1)
        squares += (channels * channels).sum(1)
    pixels = len(indices) * images[0, ..., 0].size
    mean = total / pixels
    variance = squares / pixels - mean * mean
    std = np.sqrt(np.maximum(variance, 1.0))  # one grey level at least
    return Statistics((mean / 255).tolist(), (std / 255).tolist())
