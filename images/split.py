"""Train, valid and test: which image goes where, and the same picture in several files.

    parts = split(given_parts, targets, digests, keys)
    warnings = copy_notes(names, digests, parts, classes)

Copies are pictures whose decoded pixels are equal, however the files were encoded.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from images.groups import joined, split_groups

HELD_OUT = 0.2  # share of a class that becomes valid, and test where there is none
SPLIT_SEED = 0  # one split for every run, so that runs are compared on the same images
NAMED_COPIES = 3  # pictures, and files of each, that a message names


def split(
    given: np.ndarray, targets: np.ndarray, digests: list[str], keys: list[str]
) -> np.ndarray:
    """Assign every image to train, valid or test, each class by itself (stratified).

    Images that come with a part keep it; without valid, 20 % of train is held out; without
    any parts, 60 / 20 / 20 %. Copies, of equal digests, stay together, and so do images of equal
    keys, unless these are empty. Where there are too few for that, a part is left without any.
    """
    parts = given.astype(object)
    shares = shares_of(given)
    if not shares:
        return parts
    divided = "" if "test" in shares else "train"
    numbers = np.flatnonzero(given == divided)
    if any(keys):
        groups = joined(digests, keys)
        groups_divided = [groups[number] for number in numbers]
        parts[numbers] = split_groups(groups_divided, targets[numbers], shares)
        return parts
    random = np.random.default_rng(SPLIT_SEED)
    part_of_copies: dict[str, str] = {}
    held_out = sorted(shares.keys() - {"train"})  # test before valid
    for target in range(2):
        order = random.permutation(numbers[targets[numbers] == target])
        digests_in_order = [digests[number] for number in order]
        parts[order] = hold_out(held_out, digests_in_order, part_of_copies)
    return parts


def shares_of(given: np.ndarray) -> dict[str, float]:
    """The shares of the parts into which images are to be divided; none if that is done."""
    if (given == "").any():
        return {"train": 1 - 2 * HELD_OUT, "valid": HELD_OUT, "test": HELD_OUT}
    if not (given == "valid").any():
        return {"train": 1 - HELD_OUT, "valid": HELD_OUT}
    return {}


def hold_out(parts: list[str], digests: list[str], part_of_copies: dict[str, str]) -> list[str]:
    """Put the first fifth of some images into the first part, and so on; the others are train.

    Images of equal digests, copies, go where the first of them goes, of other classes too, as
    `part_of_copies` remembers. So a part takes what still has room there, and one picture with
    its copies in any case.
    """
    counts = Counter(digests)
    fifth = max(1, round(HELD_OUT * len(digests)))
    size = max(fifth, min(counts.values(), default=0))
    room = dict.fromkeys(parts, size)
    for digest, count in counts.items():
        if digest not in part_of_copies:
            part_of_copies[digest] = part_with_room(room, count)
        part = part_of_copies[digest]
        if part in room:
            room[part] -= count
    return [part_of_copies[digest] for digest in digests]


def part_with_room(room: dict[str, int], count: int) -> str:
    """The first part with room for a picture and its copies; train if there is none."""
    for part, images in room.items():
        if images >= count:
            return part
    return "train"


def copies_in(digests: Sequence[str]) -> list[list[int]]:
    """Numbers of the images that show the same pixels, for each picture in several files."""
    numbers_of: dict[str, list[int]] = {}
    for number, digest in enumerate(digests):
        numbers_of.setdefault(digest, []).append(number)
    return [numbers for numbers in numbers_of.values() if len(numbers) > 1]


def copy_notes(
    names: list[str], digests: list[str], parts: np.ndarray, classes: list[str]
) -> list[str]:
    """Warn of pictures that lie in several splits, and of those that are in both classes.

    `classes` is the class of every image.
    """
    in_several_splits = []
    in_both_classes = []
    for copies in copies_in(digests):
        parts_of_copies = {parts[number] for number in copies}
        classes_of_copies = {classes[number] for number in copies}
        if len(parts_of_copies) > 1:
            in_several_splits.append(copies)
        if len(classes_of_copies) > 1:
            in_both_classes.append(copies)
    notes = copy_note("same pixels in several splits", in_several_splits, names, parts)
    return notes + copy_note("same pixels in both classes", in_both_classes, names, classes)


def copy_note(
    what: str, pictures: list[list[int]], names: list[str], labels: Sequence[str] | np.ndarray
) -> list[str]:
    """One line that counts pictures and their files and names the first, or none.

    `labels` are what stands in brackets behind the name of every image.
    """
    if not pictures:
        return []
    examples = []
    for copies in pictures[:NAMED_COPIES]:
        labelled = [f"{names[number]} ({labels[number]})" for number in copies[:NAMED_COPIES]]
        examples.append(" = ".join(labelled))
    count = "1 picture"
    if len(pictures) > 1:
        count = f"{len(pictures)} pictures"
    files = sum(map(len, pictures))
    return [f"{what} ({count}, {files} files): {'; '.join(examples)}"]
