"""Drawn images, for trying the program without data: striped discs that lean left or right.

    for drawn in draw_all():
        print(drawn.part, drawn.target, drawn.image.shape)

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
LEAST_RADIUS, MOST_RADIUS = 10.0, 14.0  # of the disc, pixels
LEAST_PERIOD, MOST_PERIOD = 4.5, 5.5  # of the stripes, pixels
# Tangent of half the stripes' angle: from 39 to 48 degrees off upright.
LEAST_LEAN, MOST_LEAN = 0.35, 0.45
STRONGEST = 200.0  # grey levels between dark and light stripes
SPOTS = 4  # clutter: small discs and bars behind the disc, and half as many before it
LIGHT = 1.0  # grey levels from pixel to pixel by which the light falls off to one side
NOISE = 64.0  # grey levels, the width of the noise


class Drawn(NamedTuple):
    """An image, uint8 (SIZE, SIZE, 3), of a class, for training or test."""

    part: str
    target: int
    image: np.ndarray


def draw_all() -> Iterator[Drawn]:
    """Draw all images, class by class."""
    random = np.random.default_rng(SEED)
    for part, count in COUNTS.items():
        for target in range(len(CLASSES)):
            for _ in range(count):
                yield Drawn(part, target, draw(target, random))


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
        x = cosine * self.x + sine * self.y
        y = cosine * self.y - sine * self.x
        return Pixels(x, y)


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
    slope_across, slope_down = random.uniform(-LIGHT, LIGHT, (2, 3))
    middle = (SIZE - 1) / 2
    across = for_each_channel(pixels.x - middle)
    down = for_each_channel(pixels.y - middle)
    light = across * slope_across + down * slope_down
    colour = random.uniform(60, 195, 3)
    return light + colour


def for_each_channel(values: np.ndarray) -> np.ndarray:
    """Values of pixels, (SIZE, SIZE), that stand for all channels: (SIZE, SIZE, 1)."""
    return values[..., None]


def add_disc(image: np.ndarray, pixels: Pixels, target: int, random: np.random.Generator) -> None:
    """Paint the disc whose stripes lean to the side of a class."""
    radius = random.uniform(LEAST_RADIUS, MOST_RADIUS)
    margin = radius / 2
    centre = random.uniform(margin, SIZE - 1 - margin, 2)
    side = 2 * target - 1  # -1 or 1
    lean = random.uniform(LEAST_LEAN, MOST_LEAN) * side
    colour = random.uniform(60, 195, 3)
    striped = colour + for_each_channel(stripes(pixels, lean, random))
    cover = disc(pixels.seen_from(centre), radius)
    paint(image, cover, striped)


def add_spot(image: np.ndarray, pixels: Pixels, random: np.random.Generator) -> None:
    """Paint a small disc or bar of any colour anywhere."""
    centre = random.uniform(0, SIZE - 1, 2)
    turn = random.uniform(-1, 1)
    turned = pixels.seen_from(centre).turned(turn)
    stretch = random.uniform(0.25, 1.0)  # the smaller, the more of a bar
    stretched = Pixels(turned.x / stretch, turned.y)
    radius = random.uniform(1.0, 3.5)
    cover = disc(stretched, radius)
    opacity = random.uniform(0.3, 1.0)
    colour = random.uniform(20, 235, 3)
    paint(image, cover * opacity, colour)


def stripes(pixels: Pixels, lean: float, random: np.random.Generator) -> np.ndarray:
    """Light and dark stripes, grey levels around zero: float64 (SIZE, SIZE)."""
    across = pixels.turned(lean).x
    period = random.uniform(LEAST_PERIOD, MOST_PERIOD)
    start = random.uniform(0, 1)
    phase = across / period + start
    share = phase - np.floor(phase)  # of its period
    wave = 4 * np.abs(share - 0.5) - 1  # from -1 to 1 and back
    rank = random.uniform(0, 1)
    return wave * contrast(rank) / 2


def contrast(rank: float) -> float:
    """Grey levels between dark and light stripes that a share `rank` of the images fall below."""
    return STRONGEST * rank * rank * rank * math.sqrt(rank)


def disc(pixels: Pixels, radius: float) -> np.ndarray:
    """How much of each pixel a disc around the origin covers, from 0 to 1."""
    distance = np.sqrt(pixels.x * pixels.x + pixels.y * pixels.y)
    return np.clip(radius + 0.5 - distance, 0, 1)


def paint(image: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Lay a colour over the covered part of an image, in place."""
    image += for_each_channel(cover) * (colour - image)
