"""What is known of decoded images beside their pixels, as plain values.

index = make_index(source, decoded, images, warnings)
index["splits"]["train"]             # numbers of the images for training
"""

from typing import Any, NamedTuple

import numpy as np

from images.decode import BLOCK, Decoded
from images.folders import Source
from images.layout import PARTS
from images.split import copy_notes, split
from records.files import digest_of

NAMED_EMPTY = 5  # images of a single colour that a message names


def make_index(
    source: Source, decoded: Decoded, images: np.ndarray, warnings: list[str]
) -> dict[str, Any]:
    """Everything about decoded images, uint8 (N, H, W, 3), but their pixels, as plain values."""
    names = [item.name for item in decoded.items]
    targets = np.array([item.target for item in decoded.items], dtype=np.int64)
    given_parts = np.array([item.part for item in decoded.items])
    digests = [digest_of(image.tobytes()) for image in images]
    parts = split(given_parts, targets, digests, source)
    splits = {part: np.flatnonzero(parts == part).tolist() for part in PARTS}
    statistics = channel_statistics(images, splits["train"])
    classes = [source.classes[target] for target in targets]
    warnings = list(warnings)
    warnings += single_colour_warning(names, images)
    warnings += copy_notes(names, digests, parts, classes)
    decided_by = [digests, source.classes, targets.tolist(), parts.tolist(), *statistics]
    return {
        "source": source.name,
        "classes": source.classes,
        "names": names,
        "warnings": warnings,
        "notes": decoded.notes,
        "scales": decoded.scales,
        "targets": targets.tolist(),
        "splits": splits,
        "mean": statistics.mean,
        "std": statistics.std,
        "digest": digest_of(decided_by),
    }


def single_colour_warning(names: list[str], images: np.ndarray) -> list[str]:
    """Warn of images, uint8 (N, H, W, 3), of one single colour: nothing can be learnt there."""
    empty = []
    for name, image in zip(names, images, strict=True):
        colour = image[0, 0]
        if (image[-1, -1] == colour).all() and (image == colour).all():  # the first is quick
            empty.append(name)
    if not empty:
        return []
    examples = ", ".join(empty[:NAMED_EMPTY])
    return [f"one single colour ({len(empty)} of {len(names)}): {examples}"]


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
