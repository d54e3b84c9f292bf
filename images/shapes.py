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
from typing import NamedTuple

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


class Pixels(NamedTuple):
    """Coordinates of all pixels of an image, float64 (SIZE, SIZE)."""

    x: np.ndarray
    y: np.ndarray

    def seen_from(self, point: np.ndarray) -> "Pixels":
        """Coordinates from a point, float64 (2,)."""
        return Pixels(self.x - point[0], self.y - point[1])

    def turned(self, t: float) -> "Pixels":
        """Coordinates turned by the angle whose half has the tangent t, from -90 to 90 degrees."""
        cosine = (1 - t * t) / (1 + t * t)
        sine = 2 * t / (1 + t * t)
        return Pixels(cosine * self.x + sine * self.y, cosine * self.y - sine * self.x)


def draw(target: int, random: np.random.Generator) -> np.ndarray:
    """Draw one image of a class: uint8 (SIZE, SIZE, 3)."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    pixels = Pixels(x, y)
    image = background(pixels, random)
    for _ in range(SPOTS):
        add_spot(image, pixels, random)
    add_disc(image, pixels, target, random)
    for _ in range(SPOTS // 2):
        add_spot(image, pixels, random)
    image += random.uniform(-NOISE / 2, NOISE / 2, image.shape)
    whole = np.clip(np.floor(image), 0, 255)
    return whole.astype(np.uint8)


def background(pixels: Pixels, random: np.random.Generator) -> np.ndarray:
    """A colour with the light falling off to one side: float64 (SIZE, SIZE, 3)."""
    slope = random.uniform(-LIGHT, LIGHT, (2, 3))
    middle = (SIZE - 1) / 2
    across = (pixels.x - middle)[..., None] * slope[0]
    down = (pixels.y - middle)[..., None] * slope[1]
    light = across + down
    return light + random.uniform(60, 195, 3)


def add_disc(image: np.ndarray, pixels: Pixels, target: int, random: np.random.Generator) -> None:
    """Paint the disc whose stripes lean to the side of a class."""
    radius = random.uniform(*RADIUS)
    centre = random.uniform(radius / 2, SIZE - 1 - radius / 2, 2)
    side = 2 * target - 1  # -1 or 1
    lean = random.uniform(*LEAN) * side
    colour = random.uniform(60, 195, 3) + stripes(pixels, lean, random)[..., None]
    paint(image, disc(pixels.seen_from(centre), radius), colour)


def add_spot(image: np.ndarray, pixels: Pixels, random: np.random.Generator) -> None:
    """Paint a small disc or bar of any colour anywhere."""
    centre = random.uniform(0, SIZE - 1, 2)
    turned = pixels.seen_from(centre).turned(random.uniform(-1, 1))
    stretch = random.uniform(0.25, 1.0)  # the smaller, the more of a bar
    radius = random.uniform(1.0, 3.5)
    cover = disc(Pixels(turned.x / stretch, turned.y), radius)
    opacity = random.uniform(0.3, 1.0)
    colour = random.uniform(20, 235, 3)
    paint(image, cover * opacity, colour)


def stripes(pixels: Pixels, lean: float, random: np.random.Generator) -> np.ndarray:
    """Light and dark stripes, grey levels around zero: float64 (SIZE, SIZE)."""
    across = pixels.turned(lean).x
    period = random.uniform(*PERIOD)
    phase = across / period + random.uniform(0, 1)
    wave = 4 * np.abs(phase - np.floor(phase) - 0.5) - 1  # from -1 to 1 and back
    return wave * contrast(random.uniform(0, 1)) / 2


def contrast(rank: float) -> float:
    """Grey levels between dark and light stripes that a share `rank` of the images fall below."""
    return STRONGEST * rank * rank * rank * math.sqrt(rank)


def disc(pixels: Pixels, radius: float) -> np.ndarray:
    """How much of each pixel a disc around the origin covers, from 0 to 1."""
    distance = np.sqrt(pixels.x * pixels.x + pixels.y * pixels.y)
    return np.clip(radius + 0.5 - distance, 0, 1)


def paint(image: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Lay a colour over the covered part of an image, in place."""
    image += cover[..., None] * (colour - image)
