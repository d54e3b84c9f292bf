"""The same picture in several files: kept in one split, and told where that cannot be.

    notes = copy_notes(names, digests, parts, targets)

Copies are those whose decoded pixels are equal, however the files were encoded.
"""

from collections.abc import Sequence

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


# --- near-copies -----------------------------------------------------------------------------
#
# A perceptual hash: 64 bits, which of two neighbours is brighter among 9 x 9 cells of the decoded
# image. Of two hashes at most 3 bits apart, one of four bands of 16 bits is equal: so only images
# that share a band are compared.


def near_copy_notes(names: list[str], images: np.ndarray, parts: np.ndarray) -> list[str]:
    """Warn of images, uint8 (N, H, W, 3), that look alike but are no copies, turned ones too."""
    pairs = near_copies(images)
    if not pairs:
        return []
    across = [pair for pair in pairs if parts[pair[0]] != parts[pair[1]]]
    within = [pair for pair in pairs if parts[pair[0]] == parts[pair[1]]]
    examples = []
    for first, second in (across + within)[:NAMED_COPIES]:
        examples.append(f"{names[first]} ({parts[first]}) = {names[second]} ({parts[second]})")
    what = f"pairs that look alike ({len(pairs)}, {len(across)} of them in two splits)"
    return [f"{what}: {'; '.join(examples)}"]


def near_copies(images: np.ndarray) -> list[tuple[int, int]]:
    """Numbers of two images whose hashes are at most MOST_APART bits apart, at any turn or flip.

    Not those that are equal, nor those of hardly any contrast.
    """
    grids = grids_of(images)
    contrast = grids.max((1, 2)) - grids.min((1, 2))
    clear = np.flatnonzero(contrast > LEAST_CONTRAST)
    hashes = hashes_of(grids[clear])
    pairs: set[tuple[int, int]] = set()
    for quarter in range(4):
        turned = np.rot90(grids[clear], quarter, axes=(1, 2))
        for others in (hashes_of(turned), hashes_of(turned[:, :, ::-1])):
            for band in range(BANDS):
                pairs |= close_pairs(hashes, others, band)
    numbers = [(int(clear[first]), int(clear[second])) for first, second in sorted(pairs)]
    return [pair for pair in numbers if not np.array_equal(images[pair[0]], images[pair[1]])]


def grids_of(images: np.ndarray) -> np.ndarray:
    """Brightness of 9 x 9 cells of images, uint8 (N, H, W, 3): float32 (N, 9, 9)."""
    size = images.shape[1]
    edges = np.rint(np.arange(CELLS + 1) * size / CELLS).astype(int)
    lengths = np.diff(edges)
    grids = np.empty((len(images), CELLS, CELLS), np.float32)
    block = max(1, BLOCK_PIXELS // (size * size))
    for start in range(0, len(images), block):
        part = images[start : start + block]
        rows = np.add.reduceat(part, edges[:-1], axis=1, dtype=np.uint32).sum(3)
        cells = np.add.reduceat(rows, edges[:-1], axis=2)
        grids[start : start + block] = cells / (3 * np.outer(lengths, lengths))
    return grids


def hashes_of(grids: np.ndarray) -> np.ndarray:
    """Hashes of images in bands of 16 bits: uint16 (N, 4)."""
    brighter = grids[:, :-1, 1:] > grids[:, :-1, :-1]
    bits = np.packbits(brighter.reshape(len(grids), 64), axis=1)
    return bits.view(np.uint16)


def close_pairs(hashes: np.ndarray, others: np.ndarray, band: int) -> set[tuple[int, int]]:
    """Pairs of images at most MOST_APART bits apart that are equal in a band.

    A value of the band that more than CROWD images share says nothing, and is passed over.
    """
    order = np.argsort(hashes[:, band], kind="stable")
    in_order = hashes[order, band]
    first = np.searchsorted(in_order, others[:, band], side="left")
    counts = np.searchsorted(in_order, others[:, band], side="right") - first
    counts[counts > CROWD] = 0
    right = np.repeat(np.arange(len(others)), counts)
    within = np.arange(len(right)) - np.repeat(np.cumsum(counts) - counts, counts)
    left = order[np.repeat(first, counts) + within]
    left, right = left[left < right], right[left < right]
    differing = np.unpackbits((hashes[left] ^ others[right]).view(np.uint8), axis=1)
    close = differing.sum(1) <= MOST_APART
    return set(zip(left[close].tolist(), right[close].tolist(), strict=True))
