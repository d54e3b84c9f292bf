"""Where results may go: never among the images, and no file of a run over another.

check_weight_path(Path("weights/weight.pth"))
refuse_among_images(Path("photos"), img_path=Path("result"))
refuse_unwritable("out", Path("sweep"))
"""

import os
from pathlib import Path

from console.errors import InputError
from records.files import UNFINISHED
from records.lock import TRAINING_LOCK

ENDINGS = (".csv", ".json", ".png", ".txt", TRAINING_LOCK, UNFINISHED)  # of what a run leaves


def cache_folder() -> Path:
    """The folder of decoded images and kept trials; InputError if nothing tells where it lies."""
    caches = os.environ.get("XDG_CACHE_HOME", "")
    if not caches:
        try:
            caches = str(Path.home() / ".cache")
        except RuntimeError:  # a container's user, who is in no list
            why = "you have no home folder here to keep decoded images in"
            raise InputError(f"{why}; set XDG_CACHE_HOME to a folder for them") from None
    return Path(caches, "cnn_experiments")


def check_weight_path(weight: Path) -> None:
    """InputError if a weight file's place is a folder's, or may be that of another result."""
    if weight.name in ("", "..") or weight.is_dir():
        raise InputError(f"{weight} is a folder; --weight_path takes a file")
    if weight.name.endswith(ENDINGS):
        another = "has the ending of another result; name another file, weight.pth for one"
        raise InputError(f"--weight_path {weight} {another}")


def refuse_among_images(folder: Path | None, **places: Path) -> None:
    """InputError if a place for results, by its option's name, lies in the folder of the images.

    What the program draws there would be images to the next call. Images may have no folder.
    """
    if folder is None or not folder.is_dir():
        return
    roots = [folder.resolve()]
    for path in folder.iterdir():
        if path.is_symlink() and path.is_dir():
            roots.append(path.resolve())
    for option, place in places.items():
        for root in roots:
            if place.resolve().is_relative_to(root):
                inside = f"--{option} {place} lies in the folder of images {folder}"
                why = "where results would become images; name another place"
                raise InputError(f"{inside}, {why}")


def refuse_unwritable(option: str, place: Path) -> None:
    """InputError if the folder that an option names is none, or may not be made or written."""
    there = place.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise InputError(f"--{option} {place}: {there} is a file; name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        why = f"{there} may not be written"
        raise InputError(f"--{option} {place}: {why}; name another folder, or allow it")
