"""Drawn images, for trying the program without data: striped discs that lean left or right.

    for part, target, image in draw_all(): ...

Hard in the way photographs are hard (place, size, turn, colour, light, clutter, noise), not by
wrong labels. How hard is graded: the contrast of the stripes goes from none to strong without a
gap, the fainter the more images of it. Learning starts early, on the strong ones; the better a
network is trained, the fainter are those it still reads; some are beyond any. Only whole
numbers, + - * / and square roots are used, whose results every platform rounds alike: the
images are the same everywhere.
"""

import math
from collections.abc import Iterator

import numpy as np

CLASSES = ("left", "right")  # to which side the stripes lean
COUNTS = {"train": 700, "test": 1000}  # images of each class
SIZE = 32
SEED = 20
RADIUS = (10.0, 14.0)  # of the disc, pixels
PERIOD = (4.5, 5.5)  # of the stripes, pixels
LEAN = (0.35, 0.45)  # tangent of half the stripes' angle: from 39 to 48 degrees off upright
STRONGEST = 200.0  # grey levels between dark and light stripes
SPOTS = 4  # clutter: small discs and bars behind the disc, and half as many before it
LIGHT = 1.0  # grey levels from pixel to pixel by which the light falls off to one side
NOISE = 64.0  # grey levels, the width of the noise


def draw_all() -> Iterator[tuple[str, int, np.ndarray]]:
    """Give part, target and uint8 (SIZE, SIZE, 3) image, class by class."""
    random = np.random.default_rng(SEED)
    for part, count in COUNTS.items():
        for target in range(len(CLASSES)):
            for _ in range(count):
                yield part, target, draw(target, random)


def draw(target: int, random: np.random.Generator) -> np.ndarray:
    """Draw one image of a class: uint8 (SIZE, SIZE, 3)."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    slope = random.uniform(-LIGHT, LIGHT, (2, 3))
    middle = (SIZE - 1) / 2
    light = (x - middle)[..., None] * slope[0] + (y - middle)[..., None] * slope[1]
    image = light + random.uniform(60, 195, 3)
    for _ in range(SPOTS):
        add_spot(image, x, y, random)
    radius = random.uniform(*RADIUS)
    place = random.uniform(radius / 2, SIZE - 1 - radius / 2, 2)
    lean = random.uniform(*LEAN) * (2 * target - 1)
    colour = random.uniform(60, 195, 3) + stripes(x, y, lean, random)[..., None]
    paint(image, disc(x - place[0], y - place[1], radius), colour)
    for _ in range(SPOTS // 2):
        add_spot(image, x, y, random)
    image += random.uniform(-NOISE / 2, NOISE / 2, image.shape)
    return np.clip(np.floor(image), 0, 255).astype(np.uint8)


def add_spot(image: np.ndarray, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> None:
    """Paint a small disc or bar of any colour anywhere."""
    place = random.uniform(0, SIZE - 1, 2)
    across, along = turned(x - place[0], y - place[1], random.uniform(-1, 1))
    stretch = random.uniform(0.25, 1.0)  # the smaller, the more of a bar
    cover = disc(across / stretch, along, random.uniform(1.0, 3.5))
    paint(image, cover * random.uniform(0.3, 1.0), random.uniform(20, 235, 3))


def stripes(x: np.ndarray, y: np.ndarray, lean: float, random: np.random.Generator) -> np.ndarray:
    """Light and dark stripes, grey levels around zero."""
    across, _ = turned(x, y, lean)
    phase = across / random.uniform(*PERIOD) + random.uniform(0, 1)
    wave = 4 * np.abs(phase - np.floor(phase) - 0.5) - 1  # from -1 to 1 and back
    return wave * contrast(random.uniform(0, 1)) / 2


def contrast(rank: float) -> float:
    """Grey levels between dark and light stripes that a share `rank` of the images fall below."""
    return STRONGEST * rank * rank * rank * math.sqrt(rank)


def turned(x: np.ndarray, y: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn coordinates by the angle whose half has the tangent t, from -90 to 90 degrees."""
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    return cosine * x + sine * y, cosine * y - sine * x


def disc(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """How much of each pixel a disc covers, from 0 to 1."""
    return np.clip(radius + 0.5 - np.sqrt(x * x + y * y), 0, 1)


def paint(image: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Lay a colour over the covered part of an image, in place."""
    image += cover[..., None] * (colour - image)
