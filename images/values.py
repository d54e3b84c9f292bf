"""Pictures of more than 8 bits a channel: one scale for all the pictures of a set.

    scales = scales_of({name: picture.extent for name, picture in pictures.items()})
    pixels = scaled(picture.values, picture.extent, scales)          # uint8

A file says how many bits it has room for, not how many were used: a camera's 12 bits come in
16. So the scale follows from the largest value over the whole set.
"""

from typing import NamedTuple

import numpy as np

from console.errors import InputError

WHOLE, FLOAT, UPPER = "whole numbers", "floats", "upper 8 of 16 bits a colour"
NAMED = 3  # pictures that a message names
NEARLY_ALL = 0.99  # share of the pixels
NARROW = 32  # grey levels in which nearly all pixels should not lie
Scales = dict[str, list[float]]  # by kind of values: what becomes black, what white


class Extent(NamedTuple):
    """The values of one picture: their kind and range, and whether all of them are whole.

    With `white_is_zero` the largest is black, as an X-ray's film is.
    """

    kind: str
    low: float
    high: float
    is_whole: bool
    white_is_zero: bool = False


class Picture(NamedTuple):
    """A picture at the size wanted: uint8 (size, size, 3), and how many its file holds.

    With an `extent` it has more than 8 bits: float32 values that are still to be scaled.
    """

    values: np.ndarray
    extent: Extent | None = None
    in_file: int = 1


def scales_of(extents: dict[str, Extent], known: Scales | None = None) -> Scales:
    """The scale of each kind of values that is not known, from all pictures of a set, by name.

    Whole numbers: as many bits, 8 at least, as hold all of them. Floats: 0 to 1, or the scale
    of whole numbers if there are none but those. InputError if floats lie otherwise.
    """
    scales = {}
    if known:
        scales = dict(known)
    for kind in (WHOLE, FLOAT, UPPER):
        of_kind = extents_of(kind, extents)
        if of_kind and kind not in scales:
            scales[kind] = scale_of(kind, of_kind)
    return scales


def extents_of(kind: str, extents: dict[str, Extent]) -> dict[str, Extent]:
    """Those of one kind of values, by the pictures' names."""
    of_kind = {}
    for name, extent in extents.items():
        if extent.kind == kind:
            of_kind[name] = extent
    return of_kind


def scale_of(kind: str, extents: dict[str, Extent]) -> list[float]:
    """What becomes black and what white, for pictures of one kind."""
    low = min(extent.low for extent in extents.values())
    high = max(extent.high for extent in extents.values())
    if kind == FLOAT and low >= 0 and high <= 1:
        return [0.0, 1.0]
    if not all(extent.is_whole for extent in extents.values()):
        first_names = ", ".join(list(extents)[:NAMED])
        values = f"{kind} from {low:g} to {high:g} in {len(extents)} pictures ({first_names} …)"
        remedy = "scale them to 0 … 1 or save them with 8 or 16 bits"
        raise InputError(f"{values} fit no rule; {remedy}")
    bits = int(max(high, -low - 1)).bit_length()
    if low < 0:
        largest = 2.0 ** max(7, bits)
        return [-largest, largest - 1]
    least_bits = 1 if kind == UPPER else 8
    return [0.0, 2.0 ** max(least_bits, bits) - 1]


def scaled(values: np.ndarray, extent: Extent, scales: Scales) -> np.ndarray:
    """Scale the values of a picture of more than 8 bits: uint8 (size, size, 3)."""
    black, white = scales[extent.kind]
    share = (values - black) / (white - black)
    if extent.white_is_zero:
        share = 1 - share
    grey = np.rint(share.clip(0, 1) * 255)
    return grey.astype(np.uint8)


def scale_notes(extents: dict[str, Extent], scales: Scales) -> list[str]:
    """Say how pictures of more than 8 bits were scaled, and which lie beyond the scale."""
    notes = []
    for kind, (black, white) in scales.items():
        of_kind = extents_of(kind, extents)
        if of_kind:
            count = f"pictures of more than 8 bits ({len(of_kind)}, {kind})"
            notes.append(f"{count}: {black:g} is black, {white:g} is white")
        cut_off = []
        for name, extent in of_kind.items():
            if extent.low < black or extent.high > white:
                cut_off.append(name)
        if cut_off:
            first_names = ", ".join(cut_off[:NAMED])
            notes.append(f"values beyond {black:g} to {white:g} ({len(cut_off)}): {first_names}")
    return notes


def narrow_warnings(
    grey_levels: dict[str, np.ndarray], extents: dict[str, Extent], scales: Scales
) -> list[str]:
    """Warn of scales of which hardly a part is used; `grey_levels` counts those of pixels, by kind.

    A few odd values, or values that all lie around one of 32768, leave almost no contrast.
    """
    warnings = []
    for kind, counts in grey_levels.items():
        cumulated = np.cumsum(counts) / counts.sum()
        lowest, highest = np.searchsorted(cumulated, [1 - NEARLY_ALL, NEARLY_ALL])
        if highest - lowest < NARROW:
            of_kind = extents_of(kind, extents)
            largest = max(of_kind, key=lambda name: of_kind[name].high)
            levels = f"{highest - lowest + 1} of 256 grey levels"
            scale = f"{kind} are read as {range_in_words(scales[kind])}"
            why = f"nearly all of them lie in {levels}; the largest is in {largest}"
            remedy = "leave that picture out, or save all with 8 bits at the contrast you want"
            warnings.append(f"{scale}, and {why}: {remedy}")
    return warnings


def scale_warning(scales: Scales, trained: Scales) -> list[str]:
    """Warn of a scale that is not the one of the training, whose own pictures decided it."""
    warnings = []
    for kind, scale in scales.items():
        if kind in trained and list(trained[kind]) != list(scale):
            now = range_in_words(scale)
            then = range_in_words(trained[kind])
            warnings.append(f"{kind} are read as {now}, in training as {then}")
    return warnings


def range_in_words(scale: list[float]) -> str:
    """A scale for a reader: 0 to 4095."""
    black, white = scale
    return f"{black:g} to {white:g}"
