"""JPEGs whose data end early although an end marker stands there: a broken download, mended.

    if ends_early(image, image_size=64): ...

A decoder fills what is missing with grey, or leaves it blurred, and says nothing. What such a
check finds, and what not, is in docs/images.md.
"""

import io
import os
import re
from pathlib import Path

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

GREY = 128  # what libjpeg writes where data are missing
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
ALONE = {0x01}.union(range(0xD0, 0xD9))  # markers without a length
# In the data of a scan, FF stands before 00, before a restart marker, or before FF.
NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Any data will do that a decoder takes for pixels where it lacks some; the 0 in front makes data
# of an FF before it too.
MORE_DATA = bytes(range(250))


def ends_early(image: JpegImageFile, image_size: int) -> bool:
    """Whether a JPEG that has been decoded holds fewer data than its size needs.

    Costs one pixel, and a second decoding where that pixel is grey; for progressive files a
    look at their markers.
    """
    progressive = bool(image.info.get("progressive"))
    if not progressive and not ends_grey(image):
        return False
    data = Path(os.fsdecode(image.filename)).read_bytes()
    scans, end = scans_of(data)
    if progressive:
        return not is_complete(data, scans)
    longer = data[:end] + MORE_DATA + data[end:]
    with JpegImageFile(io.BytesIO(longer)) as image_of_more:
        image_of_more.draft(None, (image_size, image_size))
        image_of_more.load()
        return image_of_more.tobytes() != image.tobytes()


def ends_grey(image: Image.Image) -> bool:
    """Whether the last pixel is one of those that libjpeg writes where data are missing."""
    last = image.crop((image.width - 1, image.height - 1, image.width, image.height))
    return all(map(is_grey, last.tobytes()))  # a byte for each channel


def is_grey(value: float) -> bool:
    """Whether a channel's value is what libjpeg writes where data are missing."""
    return abs(value - GREY) <= 1


def scans_of(data: bytes) -> tuple[list[int], int]:
    """Where the headers of a JPEG's scans lie, and where its last scan ends."""
    scans = []
    offset = 2
    while offset + 4 <= len(data):
        marker = data[offset + 1]
        if data[offset] != 0xFF or marker == END_OF_IMAGE:
            break
        if marker == 0xFF:
            offset += 1
        elif marker in ALONE:
            offset += 2
        else:
            length = int.from_bytes(data[offset + 2 : offset + 4], "big")
            end = offset + 2 + length
            if marker == START_OF_SCAN:
                scans.append(offset)
                end = end_of_scan(data, end)
            offset = end
    return scans, offset


def end_of_scan(data: bytes, start: int) -> int:
    """Where the data of a scan end that begin at `start`."""
    marker = NEXT_MARKER.search(data, start)
    if marker is None:
        return len(data)
    return marker.start()


def is_complete(data: bytes, scans: list[int]) -> bool:
    """Whether the scans of a progressive JPEG bring all coefficients to full precision.

    A scan names its components, a range of coefficients and how many low bits are left for
    later scans (ITU-T T.81, B.2.3 and G.1).
    """
    bits_left: dict[tuple[int, int], int] = {}  # by component and coefficient
    for scan in scans:
        count = data[scan + 4]
        end = scan + 5 + 2 * count
        components = data[scan + 5 : end : 2]
        first, last, precision = data[end : end + 3]
        for component in components:
            for coefficient in range(first, last + 1):
                bits_left[component, coefficient] = precision & 15
    components_seen = {component for component, _ in bits_left}
    for component in components_seen:
        for coefficient in range(64):
            if bits_left.get((component, coefficient), 1) > 0:
                return False
    return True
