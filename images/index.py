"""What is known of decoded images beside their pixels, as plain values.

index = make_index(source, decoded, images, group=False)
index["splits"]["train"]             # numbers of the images for training
"""

from collections import Counter
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


def make_index(source: Source, decoded: Decoded, images: np.ndarray, group: bool) -> dict[str, Any]:
    """Everything about decoded images, uint8 (N, H, W, 3), but their pixels, as plain values.

    With `group`, images whose names begin alike stay in one split. InputError if a split has
    none of a class.
    """
    items = decoded.items
    names = [item.name for item in items]
    targets = np.array([item.target for item in items], dtype=np.int64)
    digests = [digest_of(image.tobytes()) for image in images]
    blank = np.array([is_blank(image) for image in images], dtype=bool)
    divided = divide(items, targets, digests, group)
    parts = divided.parts
    passed_over = [note for note in source.notes if note.startswith("passed over")]
    for target, class_name in enumerate(source.classes):
        members = np.flatnonzero(targets == target)
        seen = [seen_of(members, digests, blank, divided.keys), *decoded.notes, *passed_over]
        refuse_few(f"class {class_name} of {source.name}", parts[members], seen)
    splits = {part: np.flatnonzero(parts == part).tolist() for part in PARTS}
    statistics = channel_statistics(images, splits["train"])
    classes = [source.classes[target] for target in targets]
    warnings = decoded.warnings + divided.warnings
    warnings += few_warning(source.classes, targets, parts)
    warnings += blank_warning(names, blank)
    warnings += copy_notes(names, digests, parts, classes)
    if source.name not in BUILT_IN:
        warnings += group_warning(items, parts)
    decided_by = [digests, source.classes, targets.tolist(), parts.tolist(), *statistics]
    return {
        "source": source.name,
        "classes": source.classes,
        "names": names,
        "warnings": warnings,
        "notes": decoded.notes + divided.notes,
        "scales": decoded.scales,
        "targets": targets.tolist(),
        "splits": splits,
        "mean": statistics.mean,
        "std": statistics.std,
        "digest": digest_of(decided_by),
    }


def is_blank(image: np.ndarray) -> bool:
    """Whether an image, uint8 (H, W, 3), has one single colour: nothing can be learnt there."""
    colour = image[0, 0]
    return bool((image[-1, -1] == colour).all() and (image == colour).all())  # the first is quick


# --- splits ----------------------------------------------------------------------------------


class Divided(NamedTuple):
    """The split of every image, the keys of those that were kept together, and what to say."""

    parts: np.ndarray
    keys: list[str]
    notes: list[str]
    warnings: list[str]


def divide(items: list[Item], targets: np.ndarray, digests: list[str], group: bool) -> Divided:
    """Split images; those in one folder below a class stay together where there are enough folders.

    With `group` those whose names begin alike stay together, too; InputError if none do.
    """
    given = np.array([item.part for item in items])
    keys = keys_of(items, by_name=group)
    counts = Counter(filter(None, keys))
    if group and max(counts.values(), default=0) < 2:
        why = "no two pictures have names that begin alike, or lie in one folder below a class"
        raise InputError(f"--group: {why}; leave it out")
    parts = split(given, targets, digests, keys)
    if not any(keys) or not shares_of(given):
        return Divided(parts, keys, [], [])
    if not group and lacks_any(parts, targets):
        none = [""] * len(items)
        warning = "the folders below a class are too few to stay in one split each"
        return Divided(split(given, targets, digests, none), none, [], [warning])
    what = "groups of names that begin alike" if group else "folders below the classes"
    note = f"kept in one split each: {what} ({len(counts)})"
    return Divided(parts, keys, [note], [])


def lacks_any(parts: np.ndarray, targets: np.ndarray) -> bool:
    """Whether a split has no image of a class."""
    return len(set(zip(parts, targets, strict=True))) < len(PARTS) * len(set(targets))


def seen_of(members: np.ndarray, digests: list[str], blank: np.ndarray, keys: list[str]) -> str:
    """What the images of a class are, by their numbers, for a message."""
    different = {digests[number] for number in members}
    groups = {keys[number] for number in members} - {""}
    texts = [f"{len(members)} readable in all"]
    if len(different) < len(members):
        texts.append(f"{len(different)} of them different")
    if blank[members].any():
        texts.append(f"{blank[members].sum()} of one single colour")
    if groups:
        texts.append(f"groups that stay together: {len(groups)}")
    return ", ".join(texts)


def refuse_few(class_name: str, parts: np.ndarray, seen: list[str]) -> None:
    """InputError if one of train, valid and test has no image of a class."""
    for part in PARTS:
        if not (parts == part).any():
            few = f"has no picture for {part}: {'; '.join(seen)}"
            raise InputError(f"{class_name} {few}; add some, other than copies")


# --- what may be wrong -----------------------------------------------------------------------


def few_warning(classes: tuple[str, str], targets: np.ndarray, parts: np.ndarray) -> list[str]:
    """Warn of splits with a single image of a class: an accuracy there is that of one picture."""
    few = []
    for target, name in enumerate(classes):
        for part in PARTS:
            if ((parts == part) & (targets == target)).sum() == 1:
                few.append(f"of {name} in {part}")
    if not few:
        return []
    return [f"a single picture {', '.join(few)}: what is measured there rests on it; add some"]


def blank_warning(names: list[str], blank: np.ndarray) -> list[str]:
    """Warn of images of one single colour."""
    numbers = np.flatnonzero(blank)
    if len(numbers) == 0:
        return []
    examples = ", ".join(names[number] for number in numbers[:NAMED_BLANK])
    return [f"one single colour ({len(numbers)} of {len(names)}): {examples}"]


def group_warning(items: list[Item], parts: np.ndarray) -> list[str]:
    """Warn of images that are of one source by their names, and lie in several splits."""
    keys = keys_of(items, by_name=True)
    given = np.array([item.part for item in items])
    in_given = across_warning(keys, given, "put each into one of your folders")
    return in_given or across_warning(keys, parts, "keep each in one split: --group")


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
