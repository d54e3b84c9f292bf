"""The same picture in several files: kept in one split, and told where that cannot be.

    notes = copy_notes(names, digests, parts, classes)

Copies are those whose decoded pixels are equal, however the files were encoded.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

NAMED_COPIES = 3  # pictures, and files of each, that a message names
CELLS = 9  # a hash looks at 9 x 9 cells
BANDS = 4  # of 16 bits, of a hash
MOST_APART = 3  # bits in which near-copies differ: fewer than there are bands
LEAST_CONTRAST = 8  # grey levels between the darkest and the brightest cell
CROWD = 64  # images that may share a band
BLOCK_PIXELS = 2**20  # of the images that are looked at together


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
        labelled = [labelled_name(number, names, labels) for number in copies[:NAMED_COPIES]]
        examples.append(" = ".join(labelled))
    count = "1 picture"
    if len(pictures) > 1:
        count = f"{len(pictures)} pictures"
    files = sum(map(len, pictures))
    return [f"{what} ({count}, {files} files): {'; '.join(examples)}"]


def labelled_name(number: int, names: list[str], labels: Sequence[str] | np.ndarray) -> str:
    """An image's name with what stands in brackets behind it."""
    return f"{names[number]} ({labels[number]})"


# --- near-copies -----------------------------------------------------------------------------
#
# A perceptual hash: 64 bits, which of two neighbours is brighter among 9 x 9 cells of the decoded
# image. Of two hashes at most 3 bits apart, one of four bands of 16 bits is equal: so only images
# that share a band are compared.


def near_copy_notes(names: list[str], images: np.ndarray, parts: np.ndarray) -> list[str]:
    """Warn of images, uint8 (N, H, W, 3), that look alike but are no copies, turned ones too."""
    across = []
    within = []
    for pair in near_copies(images):
        if parts[pair.first] != parts[pair.second]:
            across.append(pair)
        else:
            within.append(pair)
    pairs = across + within
    if not pairs:
        return []
    examples = []
    for pair in pairs[:NAMED_COPIES]:
        first = labelled_name(pair.first, names, parts)
        second = labelled_name(pair.second, names, parts)
        examples.append(f"{first} = {second}")
    what = f"pairs that look alike ({len(pairs)}, {len(across)} of them in two splits)"
    return [f"{what}: {'; '.join(examples)}"]


class Pair(NamedTuple):
    """Numbers of two images."""

    first: int
    second: int


def near_copies(images: np.ndarray) -> list[Pair]:
    """Pairs of images, uint8 (N, H, W, 3), whose hashes are at most MOST_APART bits apart.

    At any turn or flip; not those that are equal, nor those of hardly any contrast.
    """
    grids = grids_of(images)
    contrast = grids.max((1, 2)) - grids.min((1, 2))
    clear = np.flatnonzero(contrast > LEAST_CONTRAST)
    pairs = []
    for close in sorted(close_pairs(grids[clear])):
        pair = Pair(int(clear[close.first]), int(clear[close.second]))
        if not np.array_equal(images[pair.first], images[pair.second]):
            pairs.append(pair)
    return pairs


def close_pairs(grids: np.ndarray) -> set[Pair]:
    """Pairs of grids, float32 (N, 9, 9), whose hashes are close at any turn or flip."""
    hashes = hashes_of(grids)
    pairs: set[Pair] = set()
    for quarter in range(4):
        turned = np.rot90(grids, quarter, axes=(1, 2))
        flipped = turned[:, :, ::-1]
        for others in (hashes_of(turned), hashes_of(flipped)):
            for band in range(BANDS):
                pairs |= close_in_band(hashes, others, band)
    return pairs


def grids_of(images: np.ndarray) -> np.ndarray:
    """Brightness of 9 x 9 cells of images, uint8 (N, H, W, 3): float32 (N, 9, 9)."""
    size = images.shape[1]
    equal_parts = np.linspace(0, size, CELLS + 1)
    edges = np.rint(equal_parts).astype(int)
    lengths = np.diff(edges)
    values_in_cell = 3 * np.outer(lengths, lengths)
    grids = np.empty((len(images), CELLS, CELLS), np.float32)
    block = max(1, BLOCK_PIXELS // (size * size))
    for start in range(0, len(images), block):
        pixels = images[start : start + block]
        rows = np.add.reduceat(pixels, edges[:-1], axis=1, dtype=np.uint32).sum(3)
        cells = np.add.reduceat(rows, edges[:-1], axis=2)
        grids[start : start + block] = cells / values_in_cell
    return grids


def hashes_of(grids: np.ndarray) -> np.ndarray:
    """Hashes of images in bands of 16 bits: uint16 (N, 4)."""
    rows = grids[:, :-1]
    brighter = rows[:, :, 1:] > rows[:, :, :-1]
    bits = np.packbits(brighter.reshape(len(grids), 64), axis=1)
    return bits.view(np.uint16)


def close_in_band(hashes: np.ndarray, others: np.ndarray, band: int) -> set[Pair]:
    """Pairs of images at most MOST_APART bits apart that are equal in a band.

    The first image of a pair is one of `hashes`, the second one of `others`, both uint16 (N, 4).
    """
    first, second = equal_values(hashes[:, band], others[:, band])
    is_new = first < second  # each pair comes twice, and each image beside itself
    first = first[is_new]
    second = second[is_new]
    differing = hashes[first] ^ others[second]
    bits_apart = np.unpackbits(differing.view(np.uint8), axis=1).sum(1)
    is_close = bits_apart <= MOST_APART
    return set(map(Pair, first[is_close].tolist(), second[is_close].tolist()))


def equal_values(values: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where values equal others, both (N,): int64 indices of the ones and of the others.

    A value that more than CROWD images share says nothing, and is passed over.
    """
    order = np.argsort(values, kind="stable")
    in_order = values[order]
    # The values that equal one of the others stand side by side: from `start`, `counts` many.
    start = np.searchsorted(in_order, others, side="left")
    stop = np.searchsorted(in_order, others, side="right")
    counts = stop - start
    counts[counts > CROWD] = 0
    second = np.repeat(np.arange(len(others)), counts)
    pairs_before = np.cumsum(counts) - counts
    within = np.arange(len(second)) - np.repeat(pairs_before, counts)
    first = order[np.repeat(start, counts) + within]
    return first, second
