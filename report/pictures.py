"""Pictures inside the page, as data URIs with the words for those who do not see them.

picture(Path("result/answer.png"), "answer-picture", "Differences …")
"""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from report.answer import Answer, name_of, words_of
from report.figures import PICTURES
from report.results import Setting, folder_of_seeds
from report.study import PANEL
from report.summary import SummaryRow, difference_of

SHOWN = ("validation accuracy", "validation loss", "test accuracy")  # by a study's panels


class Picture(NamedTuple):
    """A picture inside the page: its bytes as a data URI, and the values it shows in words."""

    anchor: str
    alt: str
    source: str


def data_uri(png: bytes) -> str:
    """A PNG as text that a page can hold."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def png_of(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def picture(path: Path, anchor: str, alt: str) -> Picture:
    """A PNG file as a picture of the page; OSError if there is none."""
    return Picture(anchor, alt, data_uri(path.read_bytes()))


def curves_of(out: Path, setting: Setting) -> list[Picture]:
    """The two pictures of curves of a setting."""
    first = setting.results[0].run
    folder = setting.results[0].folder
    if len(setting.results) > 1:
        folder = folder_of_seeds(out, setting) or folder
    pictures = []
    for name in PICTURES:
        anchor = f"{first.name}/{name}".replace("/", "-")
        alt = f"{words_of(name)} of {name_of(setting)}"
        pictures.append(picture(folder / f"{name}.png", anchor, alt))
    return pictures


def panels_of(path: Path, anchor: str, title: str) -> list[Picture]:
    """A study's picture cut into its panels, which stand below each other on a phone."""
    panels = []
    with Image.open(path) as image:
        count = round(image.width / image.height * PANEL[1] / PANEL[0])
        for number, shows in enumerate(SHOWN[:count]):
            left = round(number * image.width / count)
            right = round((number + 1) * image.width / count)
            panel = image.crop((left, 0, right, image.height))
            name = f"{anchor}-{shows.replace(' ', '-')}"
            panels.append(Picture(name, title + shows, data_uri(png_of(panel))))
    return panels


def picture_of_answer(folder: Path, rows: list[SummaryRow]) -> Picture:
    """The answer's picture; its alternative text gives the values."""
    values = []
    for row in rows:
        if row.comparison:
            values.append(f"{row.name} {difference_of(row.comparison)}")
    title = "Differences of test accuracy from the base in points, with 95% intervals"
    return picture(folder / "answer.png", "answer-picture", f"{title}: {'; '.join(values)}")


def picture_of_map(path: Path, settings: list[Setting], answer: Answer) -> Picture:
    """The heat map of a grid; its alternative text gives the values."""
    values = []
    for setting in settings:
        values.append(f"{name_of(setting)} {answer.means[setting.key].mean:.1%}")
    alt = f"Test accuracy of every combination: {'; '.join(values)}"
    return picture(path, f"{settings[0].study}-map", alt)
