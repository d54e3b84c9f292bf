"""What a folder of images means: which folders are splits, which are classes.

    layout = find_layout(Path("photos"))
    layout.files["train"]["cat"]        # paths of pictures, in a fixed order

Public sets name their folders in many ways; whatever is taken for something by another name,
or passed over, is in `layout.notes`.
"""

import os
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from console.errors import InputError, printable
from images.walk import PassedOver, holds_pictures, is_picture, is_tool_folder, picture_files

PARTS = ("train", "valid", "test")
# Case, dashes, spaces, digits and "set" at the end aside: Training, test_set, val2017.
PART_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}
NAMED_FOLDERS = 5  # how many a message names

Files = dict[str, dict[str, list[str]]]  # paths of pictures, by split and class


class Layout(NamedTuple):
    """Pictures by split and class; the split "" is for the program to divide."""

    classes: list[str]
    files: Files
    notes: list[str]


class Place(NamedTuple):
    """What lies in one folder: names of its folders, and its pictures by their first word."""

    path: Path
    folders: list[str]
    words: dict[str, list[str]]

    def class_names(self) -> list[str]:
        """Names of the classes that may lie here, in order."""
        names = self.folders or list(self.words)
        return sorted(map(composed, names))

    def has_classes(self) -> bool:
        """Whether two classes lie here, as folders or as words that file names begin with."""
        names = self.class_names()
        return len(names) == 2 and "" not in names


def find_layout(folder: Path) -> Layout:
    """Find out what the folders of a data set are; InputError if that cannot be told."""
    passed = PassedOver()
    place = look_into(folder)
    splits = split_folders(place)
    if splits and not are_classes(place, splits):
        layout = divided_layout(folder, place, splits, passed)
    else:
        layout = undivided_layout(folder, place, passed)
    return layout._replace(notes=layout.notes + passed.notes())


def look_into(folder: Path) -> Place:
    """List a folder; where it holds but one other that holds classes or splits, list that."""
    place = list_place(folder)
    if len(place.folders) == 1 and not place.words:
        inner = look_into(folder / place.folders[0])
        if inner.has_classes() or split_folders(inner):
            return inner
    return place


def list_place(folder: Path) -> Place:
    """List a folder's folders and pictures; hidden ones and those of tools are not seen."""
    folders: list[str] = []
    words: dict[str, list[str]] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            if not is_tool_folder(entry.name):
                folders.append(entry.name)
        elif is_picture(entry.name) and not entry.name.startswith("."):
            words.setdefault(first_word(entry.name), []).append(entry.path)
    return Place(folder, folders, words)


def first_word(name: str) -> str:
    """What a file's name begins with, up to a digit, dot, dash, underscore or bracket."""
    return composed(re.split(r"[\d._(-]", name)[0].strip().lower())


def composed(name: str) -> str:
    """A name in Unicode's form NFC: some systems write the same letters as NFD."""
    return unicodedata.normalize("NFC", name)


# --- splits ----------------------------------------------------------------------------------


def split_folders(place: Place) -> dict[str, str]:
    """Which split is which folder; empty if none is for training.

    InputError if two folders could be the same split.
    """
    splits: dict[str, str] = {}
    for name in place.folders:
        part = part_of(name)
        if part and part in splits:
            both = f"{splits[part]} and {name}, which both could be {part}"
            raise InputError(f"{place.path} holds {both}; move one of them away")
        if part:
            splits[part] = name
    if splits and "train" not in splits and len(splits) == len(place.folders):
        listed = " and ".join(splits.values())
        raise InputError(f"{place.path} holds {listed}, but no train; put train there")
    return splits if "train" in splits else {}


def part_of(name: str) -> str:
    """The split that a folder's name stands for; empty if for none."""
    plain = re.sub(r"[-_ ]|\d+$", "", name.lower())
    return PART_NAMES.get(plain.removesuffix("set"), "")


def are_classes(place: Place, splits: dict[str, str]) -> bool:
    """Whether "train" is a class, beside "plane" for one: just pictures lie in both."""
    inner = [look_into(place.path / name) for name in place.folders]
    plain = [not each.folders and not each.has_classes() for each in inner]
    return len(inner) == 2 and len(splits) == 1 and all(plain)


def divided_layout(
    folder: Path, place: Place, splits: dict[str, str], passed: PassedOver
) -> Layout:
    """Layout of a folder whose folders are splits, under whatever names."""
    places = {part: look_into(place.path / splits[part]) for part in PARTS if part in splits}
    classes = two_classes(places["train"])
    notes = []
    for part in ("test", "valid"):
        if part in places and is_unlabelled(places[part], classes):
            notes.append(unlabelled_note(folder, place.path / splits[part], classes))
            del places[part]
    refuse_other_splits(place, splits, classes)
    roots = {part: place.path / splits[part] for part in places}
    if "test" not in places and "valid" in places:
        places["test"], roots["test"] = places.pop("valid"), roots.pop("valid")
    files: Files = {}
    for part in PARTS:
        if part in places:
            files[part] = files_of(places[part], classes, places["train"], passed)
    for name in sorted(set(place.folders) - set(splits.values())):
        passed.folders[shown_path(place.path / name, folder)] += 1
    if "test" not in files:
        files = {"": files["train"]}
    notes = [*taken_for(folder, place, roots, has_test="test" in splits), *notes]
    for each in (place, *places.values()):
        count_loose(each, passed)
    return Layout(classes, files, [*notes, *word_note(places["train"], classes)])


def is_unlabelled(place: Place, classes: list[str]) -> bool:
    """Whether pictures lie here, but nothing that looks like one of the classes."""
    known = set(classes) & set(place.class_names())
    if known or place.has_classes() or len(place.folders) > 1:
        return False
    return holds_pictures(place.path)


def unlabelled_note(folder: Path, root: Path, classes: list[str]) -> str:
    """Say that pictures have no classes, and what can be done with them."""
    count = sum(1 for _ in picture_files(str(root), PassedOver()))
    what = f"{shown_path(root, folder)}: {count} pictures without classes, not used"
    sort = f"sort them into folders {' and '.join(map(printable, classes))} to test on them"
    return f"{what} ({sort}, or see what is in them: test.py --predict {printable(str(root))})"


def refuse_other_splits(place: Place, splits: dict[str, str], classes: list[str]) -> None:
    """InputError if a folder with another name than a split's holds the same classes."""
    for name in place.folders:
        if name not in splits.values() and look_into(place.path / name).class_names() == classes:
            why = f"holds the same classes as {splits['train']}"
            raise InputError(f"{place.path / name} {why}; name it test or valid, or move it away")


def taken_for(folder: Path, place: Place, roots: dict[str, Path], has_test: bool) -> list[str]:
    """One line that says what the folders are taken for; none where their names say it."""
    reason = "its pictures have no classes" if has_test else "no test folder"
    if "test" not in roots:
        return [f"split: 60 / 20 / 20 % of {shown_path(roots['train'], folder)} ({reason})"]
    if place.path == folder and all(roots[part].name == part for part in roots):
        return []
    names = {part: shown_path(root, folder) for part, root in roots.items()}
    names.setdefault("valid", f"20 % of {names['train']}")
    if part_of(roots["test"].name) != "test":
        names["test"] += f" ({reason})"
    return [", ".join(f"{part}: {names[part]}" for part in PARTS)]


# --- classes ---------------------------------------------------------------------------------


def undivided_layout(folder: Path, place: Place, passed: PassedOver) -> Layout:
    """Layout of a folder of two classes that is not split yet."""
    classes = two_classes(place)
    refuse_split(place)
    notes = []
    if place.path != folder:
        notes = [f"split: 60 / 20 / 20 % of {shown_path(place.path, folder)} (no test folder)"]
    files = files_of(place, classes, place, passed)
    count_loose(place, passed)
    return Layout(classes, {"": files}, notes + word_note(place, classes))


def two_classes(place: Place) -> list[str]:
    """Names of the two classes of a place, in order; InputError if there are not two."""
    names = place.class_names()
    if place.has_classes() and names[0] != names[1]:
        return names
    if place.has_classes():
        twice = f"two folders whose names look the same ({names[0]})"
        raise InputError(f"{place.path} holds {twice}; give them different names")
    raise InputError(f"{place.path} holds {not_two_classes(place, names)}")


def not_two_classes(place: Place, names: list[str]) -> str:
    """Say what lies in a place instead of two classes, and what to do."""
    shown = ", ".join(names[:NAMED_FOLDERS])
    if len(names) > NAMED_FOLDERS:
        shown += ", …"
    hidden = hidden_folders(place.path)
    if place.folders:
        plural = "s" if len(names) != 1 else ""
        listed = f"{len(names)} class folder{plural} ({shown}){hidden}"
        return f"{listed}; a binary classifier needs exactly 2"
    if not place.words:
        return f"no class folders and no pictures{hidden}; name the folder of two class folders"
    begin = "two words, as cat.1.jpg and dog.1.jpg do"
    remedy = (
        f"put each class into a folder, let all names begin with {begin}, or name the folder above"
    )
    return f"pictures without class folders, whose names begin with {shown or 'digits'}; {remedy}"


def hidden_folders(path: Path) -> str:
    """Name the hidden folders of a place, which might be meant as classes."""
    folders = sorted(child.name for child in path.iterdir() if child.is_dir())
    hidden = [name for name in folders if is_tool_folder(name)]
    if not hidden:
        return ""
    return f" beside what is passed over ({', '.join(hidden[:NAMED_FOLDERS])}: rename to use)"


def refuse_split(place: Place) -> None:
    """InputError if the two "classes" are two parts of a set: the same folders lie in both."""
    if len(place.folders) != 2:
        return
    first, second = (folders_in(place.path / name) for name in place.folders)
    both = sorted(first & second)
    if len(both) > 1:
        parts = f"{place.folders[0]} and {place.folders[1]} hold the same folders"
        listed = ", ".join(both[:NAMED_FOLDERS])
        remedy = "name them train and test if they are splits, or rename the folders in one"
        raise InputError(f"{place.path}: {parts} ({listed}), as splits do; {remedy}")


def folders_in(path: Path) -> set[str]:
    """Names of the folders in a folder, whose files may be many."""
    names = [entry.name for entry in os.scandir(path) if entry.is_dir()]
    return {name for name in names if not is_tool_folder(name)}


def files_of(
    place: Place, classes: list[str], train: Place, passed: PassedOver
) -> dict[str, list[str]]:
    """Paths of a place's pictures by class; InputError if its classes are not those of train."""
    names = place.class_names()
    if names != classes:
        two_classes(place)
        both = f"{train.path} holds {', '.join(classes)}, {place.path} holds {', '.join(names)}"
        raise InputError(f"class folders differ: {both}; give both the same names")
    if not place.folders:
        return {name: place.words[name] for name in classes}
    folders = {composed(name): name for name in place.folders}
    files = {}
    for name in classes:
        root = place.path / folders[name]
        files[name] = list(picture_files(str(root), passed))
    return files


def word_note(place: Place, classes: list[str]) -> list[str]:
    """Say that classes are told by the names of files."""
    if place.folders:
        return []
    return [f"classes: pictures whose names begin with {' and '.join(map(printable, classes))}"]


def count_loose(place: Place, passed: PassedOver) -> None:
    """Count what lies beside the classes or splits of a place, and is not read."""
    for entry in os.scandir(place.path):
        if entry.is_dir():
            if is_tool_folder(entry.name):
                passed.folders[printable(entry.name)] += 1
        elif not is_picture(entry.name):
            passed.file(entry.name)
        elif place.folders or entry.name.startswith("."):
            passed.file(entry.name, "loose")


def shown_path(path: Path, folder: Path) -> str:
    """A path below a data set's folder, as it is shown."""
    return printable(path.relative_to(folder).as_posix())
