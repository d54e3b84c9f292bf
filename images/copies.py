"""The same picture in several files: kept in one split, and told where that cannot be.

    notes = copy_notes(names, digests, parts, targets)

Copies are those whose decoded pixels are equal, however the files were encoded.
"""

from collections.abc import Sequence

import numpy as np

NAMED_COPIES = 3  # pictures, and files of each, that a message names


def copies_in(digests: Sequence[str]) -> list[list[int]]:
    """Numbers of the images that show the same pixels, for each picture in several files."""
    same: dict[str, list[int]] = {}
    for number, digest in enumerate(digests):
        same.setdefault(digest, []).append(number)
    return [numbers for numbers in same.values() if len(numbers) > 1]


def copy_notes(
    names: list[str], digests: list[str], parts: np.ndarray, classes: list[str]
) -> list[str]:
    """Warn of pictures that lie in several splits, and of those that are in both classes.

    `classes` is the class of every image.
    """
    in_several_splits = []
    in_both_classes = []
    for copies in copies_in(digests):
        if len(set(parts[copies])) > 1:
            in_several_splits.append(copies)
        if len({classes[number] for number in copies}) > 1:
            in_both_classes.append(copies)
    labels = [f"{name} ({part})" for name, part in zip(names, parts, strict=True)]
    notes = told("same pixels in several splits", in_several_splits, labels)
    labels = [f"{name} ({of_class})" for name, of_class in zip(names, classes, strict=True)]
    return notes + told("same pixels in both classes", in_both_classes, labels)


def told(what: str, pictures: list[list[int]], labels: list[str]) -> list[str]:
    """One line that counts pictures and their files and names the first, or none."""
    if not pictures:
        return []
    examples = []
    for copies in pictures[:NAMED_COPIES]:
        examples.append(" = ".join(labels[number] for number in copies[:NAMED_COPIES]))
    files = sum(map(len, pictures))
    plural = "s" if len(pictures) > 1 else ""
    return [f"{what} ({len(pictures)} picture{plural}, {files} files): {'; '.join(examples)}"]
