"""Damaged JPEGs: how many of each kind are noticed, and how many whole ones are accused.

    python benchmarks/damaged_jpegs.py --data FOLDER [--image_size 64] [--count 150]

All JPEGs of the folder are decoded as they are; `count` of them are damaged in every way, as
they are and written again as progressive JPEGs of quality 85.
"""

import io
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import image_files, parse, parser, print_machine
from PIL import Image

from images.decode import decode_or_reason
from images.jpeg import scans_of

END = b"\xff\xd9"
SECTOR = 4096  # bytes that a disk loses at once
RANDOM = random.Random(0)

Damage = Callable[[bytes, bytes], bytes]  # of a JPEG and another one


def data_of(jpeg: bytes) -> tuple[int, int]:
    """Where a JPEG's scans begin and end."""
    scans, end = scans_of(jpeg)
    return scans[0] + 14, end


def cut(share: float, end: bytes = END) -> Damage:
    """Keep a share of the data, and put an end marker there."""

    def damage(jpeg: bytes, _: bytes) -> bytes:
        first, last = data_of(jpeg)
        return jpeg[: first + int(share * (last - first))] + end

    return damage


def second_half_zero(jpeg: bytes, _: bytes) -> bytes:
    first, last = data_of(jpeg)
    middle = (first + last) // 2
    return jpeg[:middle] + bytes(last - middle) + jpeg[last:]


def second_half_of_another(jpeg: bytes, other: bytes) -> bytes:
    middle = sum(data_of(jpeg)) // 2
    middle_of_other = sum(data_of(other)) // 2
    return jpeg[:middle] + other[middle_of_other:]


def tenth_removed(jpeg: bytes, _: bytes) -> bytes:
    first, last = data_of(jpeg)
    length = (last - first) // 10
    start = RANDOM.randrange(first, last - length)
    return jpeg[:start] + jpeg[start + length :]


def sector(content: Callable[[int], bytes]) -> Damage:
    """Put other bytes in the place of a sector, a quarter of the data at most."""

    def damage(jpeg: bytes, _: bytes) -> bytes:
        first, last = data_of(jpeg)
        length = min(SECTOR, (last - first) // 4)
        start = RANDOM.randrange(first, last - length)
        return jpeg[:start] + content(length) + jpeg[start + length :]

    return damage


def bit_flipped(jpeg: bytes, _: bytes) -> bytes:
    damaged = bytearray(jpeg)
    place = RANDOM.randrange(*data_of(jpeg))
    bit = RANDOM.randrange(8)
    damaged[place] ^= 1 << bit
    return bytes(damaged)


KINDS: dict[str, Damage] = {
    "cut at 50 %, no end marker": cut(0.5, end=b""),
    "cut at 25 %, end marker": cut(0.25),
    "cut at 50 %, end marker": cut(0.5),
    "cut at 90 %, end marker": cut(0.9),
    "cut at 99 %, end marker": cut(0.99),
    "second half zero": second_half_zero,
    "a tenth removed": tenth_removed,
    "4,096 bytes zero": sector(bytes),
    "4,096 bytes random": sector(RANDOM.randbytes),
    "second half of another": second_half_of_another,
    "one bit flipped": bit_flipped,
}


def jpeg_of(path: str) -> bytes:
    """A picture's file, if it is a JPEG, or the picture written as one."""
    with Image.open(path) as image:
        if image.format == "JPEG":
            return Path(path).read_bytes()
        return written(image)


def written(image: Image.Image, **options: bool) -> bytes:
    """A picture as a JPEG of quality 85."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85, **options)
    return file.getvalue()


def noticed(jpegs: list[bytes], damage: Damage, image_size: int) -> int:
    """How many JPEGs cannot be decoded after a kind of damage."""
    count = 0
    with TemporaryDirectory() as folder:
        path = Path(folder, "damaged.jpg")
        for number, jpeg in enumerate(jpegs):
            path.write_bytes(damage(jpeg, jpegs[number - 1]))
            count += isinstance(decode_or_reason(str(path), image_size), str)
    return count


def main() -> None:
    options = parse(parser(__doc__, image_size=64, count=150), count=4)
    print_machine()
    paths = image_files(options.data)
    accused = sum(isinstance(decode_or_reason(path, options.image_size), str) for path in paths)
    print(f"{accused} of {len(paths)} pictures accused as they are")
    chosen = paths[:: max(1, len(paths) // options.count)][: options.count]
    jpegs = [jpeg_of(path) for path in chosen]
    rewritten = [written(Image.open(io.BytesIO(jpeg)), progressive=True) for jpeg in jpegs]
    print(f"noticed, of {len(jpegs)}:            as they are  progressive")
    for name, damage in KINDS.items():
        plain = noticed(jpegs, damage, options.image_size)
        progressive = noticed(rewritten, damage, options.image_size)
        print(f"  {name:30} {plain:8} {progressive:12}")


if __name__ == "__main__":
    main()
