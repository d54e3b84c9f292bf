"""What the words in names of folders and files mean, in one table.

kinds_in("seg_train")    # {"mask", "train"}
kind_of("Testing_set")   # "test"
"""

import os
import re
import unicodedata

WORDS = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing"),
    "evaluation": ("eval", "evaluation", "holdout"),  # may be valid or test
    "mask": (
        *("mask", "masks", "label", "labels", "annotation", "annotations", "trimap", "trimaps"),
        *("seg", "segmentation", "segmentations", "gt", "groundtruth"),
    ),
    "picture": ("image", "images", "img", "imgs", "picture", "pictures", "photo", "photos"),
    "class": ("class", "label", "grade", "type", "category", "group", "stage", "level", "species"),
}
PARTS = ("train", "valid", "test")
SPLITS = {*PARTS, "evaluation"}
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z")
# A picture's mask beside it, on a line by itself: x_mask.png, x_mask_1.png, x-seg.png.
MASK_WORDS = "|".join(WORDS["mask"])
MASK_NAME = re.compile(
    rf"^(.+)[-_. ](?:{MASK_WORDS})(?:[-_ ]?\d+)?\.[^.\n]+$", re.IGNORECASE | re.MULTILINE
)


def composed(name: str) -> str:
    """A name in Unicode's form NFC: some systems write the same letters as NFD."""
    return unicodedata.normalize("NFC", name)


def first_word(name: str) -> str:
    """What a file's name begins with, up to a digit, dot, dash, underscore or bracket."""
    word = re.split(r"[\d._(-]", name)[0]
    return composed(word.strip().lower())


def words_in(name: str) -> list[str]:
    """The words of a name, in small letters: X_train2, trainX and Training-set hold several."""
    parted = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return re.findall(r"[^\W\d_]+", parted.lower())


def kinds_in(name: str) -> set[str]:
    """What the words of a name mean."""
    words = {word.removesuffix("set") or word for word in words_in(name)}
    return {kind for kind, known in WORDS.items() if words & set(known)}


def kind_of(name: str) -> str:
    """What a name means that is one word, numbers and "set" aside; empty if it means nothing."""
    words = [word.removesuffix("set") for word in words_in(name)]
    if len(list(filter(None, words))) != 1:
        return ""
    return next(iter(kinds_in(name)), "")


def part_named(name: str) -> str:
    """The split that a folder's name stands for; empty if for none."""
    kind = kind_of(name)
    return kind if kind in PARTS else ""


def stem_of(name: str) -> str:
    """A name without case, numbers and what a part is called: of part_1 and Part_b the same."""
    plain = re.sub(r"[\d_ .()]|-(?=\w)", "", name.lower())
    return re.sub(r"(?<=part)[a-z]$", "", plain)


def masks_among(names: list[str]) -> set[str]:
    """Names of the files that are masks of pictures beside them."""
    matches = list(MASK_NAME.finditer("\n".join(names)))  # at once: folders may be large
    if not matches:
        return set()
    stems = {os.path.splitext(name)[0] for name in names}
    return {match[0] for match in matches if match[1] in stems}
