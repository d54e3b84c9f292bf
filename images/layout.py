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


class Listing(NamedTuple):
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


class Split(NamedTuple):
    """A folder for training, validation or test, and the listing of what holds its classes."""

    root: Path
    listing: Listing


def find_layout(folder: Path) -> Layout:
    """Find out what the folders of a data set are; InputError if that cannot be told."""
    passed = PassedOver()
    listing = look_into(folder)
    names = split_folders(listing)
    if names and not are_classes(listing, names):  # a class may be called "train"
        layout = divided_layout(folder, listing, names, passed)
    else:
        layout = undivided_layout(folder, listing, passed)
    return layout._replace(notes=layout.notes + passed.notes())


def look_into(folder: Path) -> Listing:
    """List a folder; where it holds but one other that holds classes or splits, list that."""
    listing = list_folder(folder)
    if len(listing.folders) == 1 and not listing.words:
        inner = look_into(folder / listing.folders[0])
        if inner.has_classes() or split_folders(inner):
            return inner
    return listing


def list_folder(folder: Path) -> Listing:
    """List a folder's folders and pictures; hidden ones and those of tools are not seen."""
    folders: list[str] = []
    words: dict[str, list[str]] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            if not is_tool_folder(entry.name):
                folders.append(entry.name)
        elif is_picture(entry.name) and not entry.name.startswith("."):
            words.setdefault(first_word(entry.name), []).append(entry.path)
    return Listing(folder, folders, words)


def first_word(name: str) -> str:
    """What a file's name begins with, up to a digit, dot, dash, underscore or bracket."""
    word = re.split(r"[\d._(-]", name)[0]
    return composed(word.strip().lower())


def composed(name: str) -> str:
    """A name in Unicode's form NFC: some systems write the same letters as NFD."""
    return unicodedata.normalize("NFC", name)


# --- splits ----------------------------------------------------------------------------------


def split_folders(listing: Listing) -> dict[str, str]:
    """The name of each split's folder; empty if none is for training.

    InputError if two folders could be the same split.
    """
    names: dict[str, str] = {}
    for name in listing.folders:
        part = part_of(name)
        if not part:
            continue
        if part in names:
            both = f"{names[part]} and {name}, which both could be {part}"
            raise InputError(f"{listing.path} holds {both}; move one of them away")
        names[part] = name
    if "train" in names:
        return names
    if names and len(names) == len(listing.folders):
        listed = " and ".join(names.values())
        raise InputError(f"{listing.path} holds {listed}, but no train; put train there")
    return {}


def part_of(name: str) -> str:
    """The split that a folder's name stands for; empty if for none."""
    plain = re.sub(r"[-_ ]|\d+$", "", name.lower())
    return PART_NAMES.get(plain.removesuffix("set"), "")


def are_classes(listing: Listing, names: dict[str, str]) -> bool:
    """Whether "train" is a class, beside "plane" for one: just pictures lie in both."""
    if len(listing.folders) != 2 or len(names) != 1:
        return False
    for name in listing.folders:
        inner = look_into(listing.path / name)
        if inner.folders or inner.has_classes():
            return False
    return True


def divided_layout(
    folder: Path, listing: Listing, names: dict[str, str], passed: PassedOver
) -> Layout:
    """Layout of a folder whose folders are splits, under whatever names."""
    splits = splits_in(listing.path, names)
    train = splits["train"].listing
    classes = two_classes(train)
    unlabelled_notes = []
    for part in ("test", "valid"):
        if part in splits and is_unlabelled(splits[part].listing, classes):
            root = splits.pop(part).root
            unlabelled_notes.append(unlabelled_note(folder, root, classes))
    refuse_other_splits(listing, names, classes)
    if "test" not in splits and "valid" in splits:
        splits["test"] = splits.pop("valid")
    files = files_of_splits(splits, classes, passed)
    count_beside_splits(folder, listing, names, passed)
    for split in splits.values():
        count_loose(split.listing, passed)
    notes = taken_for(folder, listing, splits, has_test="test" in names)
    notes += unlabelled_notes
    for split in splits.values():
        for note in word_note(split.listing, classes):
            if note not in notes:
                notes.append(note)
    return Layout(classes, files, notes)


def splits_in(folder: Path, names: dict[str, str]) -> dict[str, Split]:
    """The splits whose folders have these names."""
    splits = {}
    for part in PARTS:
        if part in names:
            root = folder / names[part]
            splits[part] = Split(root, look_into(root))
    return splits


def files_of_splits(splits: dict[str, Split], classes: list[str], passed: PassedOver) -> Files:
    """Paths of all pictures; without a test those of train are for the program to divide."""
    train = splits["train"].listing
    files: Files = {}
    for part in PARTS:
        if part in splits:
            files[part] = files_of(splits[part].listing, classes, train, passed)
    if "test" not in files:
        return {"": files["train"]}
    return files


def count_beside_splits(
    folder: Path, listing: Listing, names: dict[str, str], passed: PassedOver
) -> None:
    """Count what lies beside the folders of splits, and is not read."""
    beside = set(listing.folders) - set(names.values())
    for name in sorted(beside):
        path = path_below(folder, listing.path / name)
        passed.folders[path] += 1
    count_loose(listing, passed)


def is_unlabelled(listing: Listing, classes: list[str]) -> bool:
    """Whether pictures lie here, but nothing that looks like one of the classes."""
    known = set(classes) & set(listing.class_names())
    if known or listing.has_classes() or len(listing.folders) > 1:
        return False
    return holds_pictures(listing.path)


def unlabelled_note(folder: Path, root: Path, classes: list[str]) -> str:
    """Say that pictures have no classes, and what can be done with them."""
    count = sum(1 for _ in picture_files(str(root), PassedOver()))
    what = f"{path_below(folder, root)}: {count} pictures without classes, not used"
    sort = f"sort them into folders {' and '.join(map(printable, classes))} to test on them"
    return f"{what} ({sort}, or see what is in them: test.py --predict {printable(str(root))})"


def refuse_other_splits(listing: Listing, names: dict[str, str], classes: list[str]) -> None:
    """InputError if a folder with another name than a split's holds the same classes."""
    for name in listing.folders:
        if name in names.values():
            continue
        path = listing.path / name
        if look_into(path).class_names() == classes:
            why = f"holds the same classes as {names['train']}"
            raise InputError(f"{path} {why}; name it test or valid, or move it away")


def taken_for(
    folder: Path, listing: Listing, splits: dict[str, Split], has_test: bool
) -> list[str]:
    """One line that says what the folders are taken for; none where their names say it."""
    reason = "no test folder"
    if has_test:
        reason = "its pictures have no classes"
    paths = {part: path_below(folder, split.root) for part, split in splits.items()}
    train = paths["train"]
    if "test" not in splits:
        return [f"split: 60 / 20 / 20 % of {train} ({reason})"]
    if listing.path == folder and are_plainly_named(splits):
        return []
    valid = paths.get("valid", f"20 % of {train}")
    test = paths["test"]
    if part_of(splits["test"].root.name) != "test":
        test = f"{test} ({reason})"
    return [f"train: {train}, valid: {valid}, test: {test}"]


def are_plainly_named(splits: dict[str, Split]) -> bool:
    """Whether every split's folder has the split's own name."""
    return all(split.root.name == part for part, split in splits.items())


# --- classes ---------------------------------------------------------------------------------


def undivided_layout(folder: Path, listing: Listing, passed: PassedOver) -> Layout:
    """Layout of a folder of two classes that is not split yet."""
    classes = two_classes(listing)
    refuse_split(listing)
    notes = []
    if listing.path != folder:
        divided = path_below(folder, listing.path)
        notes.append(f"split: 60 / 20 / 20 % of {divided} (no test folder)")
    files = files_of(listing, classes, listing, passed)
    count_loose(listing, passed)
    return Layout(classes, {"": files}, notes + word_note(listing, classes))


def two_classes(listing: Listing) -> list[str]:
    """Names of the two classes in a folder, in order; InputError if there are not two."""
    names = listing.class_names()
    if not listing.has_classes():
        raise InputError(f"{listing.path} holds {not_two_classes(listing, names)}")
    if names[0] == names[1]:  # one in Unicode's form NFC, the other in NFD
        twice = f"two folders whose names look the same ({names[0]})"
        raise InputError(f"{listing.path} holds {twice}; give them different names")
    return names


def not_two_classes(listing: Listing, names: list[str]) -> str:
    """Say what lies in a folder instead of two classes, and what to do."""
    first_names = ", ".join(names[:NAMED_FOLDERS])
    if len(names) > NAMED_FOLDERS:
        first_names += ", …"
    hidden = hidden_folders(listing.path)
    if listing.folders:
        count = f"{len(names)} class folders"
        if len(names) == 1:
            count = "1 class folder"
        return f"{count} ({first_names}){hidden}; a binary classifier needs exactly 2"
    if not listing.words:
        return f"no class folders and no pictures{hidden}; name the folder of two class folders"
    words = first_names or "digits"
    begin = "let all names begin with two words, as cat.1.jpg and dog.1.jpg do"
    remedy = f"put each class into a folder, {begin}, or name the folder above"
    return f"pictures without class folders, whose names begin with {words}; {remedy}"


def hidden_folders(path: Path) -> str:
    """Name the hidden folders in a folder, which might be meant as classes."""
    hidden = []
    for child in sorted(path.iterdir()):
        if is_tool_folder(child.name) and child.is_dir():
            hidden.append(child.name)
    if not hidden:
        return ""
    return f" beside what is passed over ({', '.join(hidden[:NAMED_FOLDERS])}: rename to use)"


def refuse_split(listing: Listing) -> None:
    """InputError if the two "classes" are two parts of a set: the same folders lie in both."""
    if len(listing.folders) != 2:
        return
    first, second = listing.folders
    in_both = folders_in(listing.path / first) & folders_in(listing.path / second)
    if len(in_both) > 1:
        parts = f"{first} and {second} hold the same folders"
        listed = ", ".join(sorted(in_both)[:NAMED_FOLDERS])
        remedy = "name them train and test if they are splits, or rename the folders in one"
        raise InputError(f"{listing.path}: {parts} ({listed}), as splits do; {remedy}")


def folders_in(path: Path) -> set[str]:
    """Names of the folders in a folder, whose files may be many."""
    names = set()
    for entry in os.scandir(path):
        if entry.is_dir() and not is_tool_folder(entry.name):
            names.add(entry.name)
    return names


def files_of(
    listing: Listing, classes: list[str], train: Listing, passed: PassedOver
) -> dict[str, list[str]]:
    """Paths of a folder's pictures by class; InputError if its classes are not those of train."""
    names = listing.class_names()
    if names != classes:
        two_classes(listing)
        train_holds = f"{train.path} holds {', '.join(classes)}"
        this_holds = f"{listing.path} holds {', '.join(names)}"
        differ = f"class folders differ: {train_holds}, {this_holds}"
        raise InputError(f"{differ}; give both the same names")
    if not listing.folders:
        return {name: listing.words[name] for name in classes}
    folders = {composed(name): name for name in listing.folders}
    files = {}
    for name in classes:
        root = listing.path / folders[name]
        files[name] = list(picture_files(str(root), passed))
    return files


def word_note(listing: Listing, classes: list[str]) -> list[str]:
    """Say that classes are told by the names of files."""
    if listing.folders:
        return []
    words = " and ".join(map(printable, classes))
    return [f"classes: pictures whose names begin with {words}"]


def count_loose(listing: Listing, passed: PassedOver) -> None:
    """Count what lies beside the classes or splits in a folder, and is not read."""
    for entry in os.scandir(listing.path):
        if entry.is_dir():
            if is_tool_folder(entry.name):
                passed.folders[entry.name] += 1
        elif not is_picture(entry.name):
            passed.file(entry.name)
        elif listing.folders or entry.name.startswith("."):
            passed.file(entry.name, "loose")


def path_below(folder: Path, path: Path) -> str:
    """A path below a data set's folder, for a reader."""
    return printable(path.relative_to(folder).as_posix())
