"""What a folder of images means: which folders are splits, which are classes.

    layout = find_layout(Path("photos"))
    layout.files["train"]["cat"].paths  # of pictures, in a fixed order

Public sets name their folders in many ways; what was taken for what, and what is passed over, is
in `layout.notes`. What is no data set of two classes is refused in images/refusals.py.
"""

import os
from pathlib import Path
from typing import NamedTuple

from console.errors import InputError, printable
from images import refusals
from images.walk import PassedOver, holds_pictures, is_picture, is_tool_folder, picture_files
from images.words import PARTS, composed, first_word, kinds_in, masks_among, part_named

BY_FOLDER, BY_WORD = "folders", "words that names begin with"  # what tells the classes
NO_TEST = "no test folder"


class ClassPictures(NamedTuple):
    """Pictures of a class: its folder, their paths in it or below, and all folders they lie in."""

    root: str
    paths: list[str]
    folders: set[str]


Files = dict[str, dict[str, ClassPictures]]  # by split and class


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


def find_layout(folder: Path, group: bool = False) -> Layout:
    """Find out what the folders of a data set are; InputError if that cannot be told.

    With `group`, the user has said that folders below a class are patients, videos or sources.
    """
    passed = PassedOver()
    listing = look_into(folder)
    refuse_lone_split(folder, listing)
    names = split_folders(listing)
    if names and not are_classes(listing, names):  # a class may be called "train"
        layout = divided_layout(folder, listing, names, passed)
    elif splits := splits_of_classes(listing):
        layout = layout_of_divided_classes(listing, splits, passed)
    else:
        layout = undivided_layout(folder, listing, passed)
    for classes in layout.files.values():
        refusals.refuse_containers(classes, group)
    return layout._replace(notes=layout.notes + passed.notes())


def look_into(folder: Path) -> Listing:
    """List a folder; where it holds but one other that holds classes or splits, list that."""
    listing = list_folder(folder)
    if len(listing.folders) == 1 and not listing.words:
        inner = look_into(folder / listing.folders[0])
        if inner.has_classes() or split_folders(inner) or len(inner.folders) > 1:
            return inner
    return listing


def list_folder(folder: Path) -> Listing:
    """List a folder's folders and pictures; masks, hidden and tools' entries are not seen."""
    folders: list[str] = []
    pictures: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            if not is_tool_folder(entry.name):
                folders.append(entry.name)
        elif is_picture(entry.name) and not entry.name.startswith("."):
            pictures.append(entry.name)
    words: dict[str, list[str]] = {}
    masks = masks_among(pictures)
    for name in pictures:
        if name not in masks:
            words.setdefault(first_word(name), []).append(str(folder / name))
    return Listing(folder, folders, words)


# --- splits ----------------------------------------------------------------------------------


def split_folders(listing: Listing) -> dict[str, str]:
    """The name of each split's folder; empty if none is for training.

    InputError if two folders could be the same split, or training is missing.
    """
    names: dict[str, str] = {}
    for name in listing.folders:
        part = part_named(name)
        if not part:
            continue
        if part in names:
            both = f"{names[part]} and {name}, which both could be {part}"
            raise InputError(f"{listing.path} holds {both}; move one of them away")
        names[part] = name
    if "train" in names:
        return names
    for name in names.values():
        if len(names) == len(listing.folders) or holds_two(listing.path / name):
            refusals.refuse_without_train(listing.path, list(names.values()))
    return {}


def holds_two(folder: Path) -> bool:
    """Whether a folder holds two others that may be classes, as that of a split does."""
    names = refusals.folders_in(folder)
    return len(names) == 2 and not refusals.are_numbered(names)


def refuse_lone_split(folder: Path, listing: Listing) -> None:
    """InputError if the classes lie in a folder for validation or test that stands alone."""
    for name in listing.path.relative_to(folder).parts:
        if part_named(name) in ("valid", "test"):
            refusals.refuse_without_train(folder, [name])


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
    unlabelled_notes = drop_unlabelled(folder, splits, classes)
    refuse_other_splits(listing, names, classes)
    if "test" not in splits and "valid" in splits:
        splits["test"] = splits.pop("valid")
    files = {}
    roots = {}
    kind = BY_FOLDER
    for part, split in splits.items():
        files[part] = files_of_split(split.listing, classes, train, passed)
        roots[part] = path_below(folder, split.root)
        count_loose(split.listing, passed)
        if not split.listing.folders:
            kind = BY_WORD
    count_beside_splits(folder, listing, names, passed)
    reason = "its pictures have no classes" if "test" in names else NO_TEST
    note = what_became(classes, kind, roots, reason)
    if "test" not in files:
        files = {"": files["train"]}
    return Layout(classes, files, [note, *unlabelled_notes])


def splits_in(folder: Path, names: dict[str, str]) -> dict[str, Split]:
    """The splits whose folders have these names."""
    splits = {}
    for part in PARTS:
        if part in names:
            root = folder / names[part]
            splits[part] = Split(root, look_into(root))
    return splits


def count_beside_splits(
    folder: Path, listing: Listing, names: dict[str, str], passed: PassedOver
) -> None:
    """Count what lies beside the folders of splits, and is not read."""
    beside = set(listing.folders) - set(names.values())
    for name in sorted(beside):
        passed.folder(path_below(folder, listing.path / name))
    count_loose(listing, passed)


def drop_unlabelled(folder: Path, splits: dict[str, Split], classes: list[str]) -> list[str]:
    """Leave out splits whose pictures have no classes; a line for each."""
    notes = []
    for part in ("test", "valid"):
        if part in splits and is_unlabelled(splits[part].listing, classes):
            root = splits.pop(part).root
            notes.append(unlabelled_note(folder, root, classes))
    return notes


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
    first, second = map(printable, classes)
    sort = f"sort them into folders {first} and {second} to test on them"
    predict = f"test.py --predict {printable(str(root))}"
    return f"{what} ({sort}, or see what is in them: {predict})"


def refuse_other_splits(listing: Listing, names: dict[str, str], classes: list[str]) -> None:
    """InputError if a folder with another name than a split's holds the same classes."""
    for name in listing.folders:
        if name in names.values() or "mask" in kinds_in(name):
            continue
        path = listing.path / name
        if look_into(path).class_names() == classes:
            why = f"holds the same classes as {names['train']}"
            raise InputError(f"{path} {why}; name it test or valid, or move it away")


# --- classes ---------------------------------------------------------------------------------


def undivided_layout(folder: Path, listing: Listing, passed: PassedOver) -> Layout:
    """Layout of a folder of two classes that is not split yet."""
    classes = two_classes(listing)
    files = files_of_split(listing, classes, listing, passed)
    count_loose(listing, passed)
    kind = BY_FOLDER if listing.folders else BY_WORD
    if listing.path != folder:
        kind = f"{kind} in {path_below(folder, listing.path)}"
    return Layout(classes, {"": files}, [what_became(classes, kind, {}, NO_TEST)])


def splits_of_classes(listing: Listing) -> dict[str, dict[str, str]]:
    """Names of the folders of splits in each of two class folders; empty if none hold any.

    InputError if one class is divided and the other is not, or not alike.
    """
    if len(listing.folders) != 2:
        return {}
    inner = {}
    splits = {}
    for name in listing.folders:
        folders = sorted(refusals.folders_in(listing.path / name))
        inner[name] = folders
        splits[composed(name)] = split_folders(Listing(listing.path / name, folders, {}))
    first, second = splits.values()
    if max(len(first), len(second)) < 2:
        return {}
    count = sum(map(len, inner.values()))
    if first.keys() != second.keys() or count > len(first) + len(second):
        refusals.refuse_unequal_splits(listing.path, inner)
    return splits


def layout_of_divided_classes(
    listing: Listing, splits: dict[str, dict[str, str]], passed: PassedOver
) -> Layout:
    """Layout of two class folders, each of which holds folders of the same splits."""
    classes = two_classes(listing)
    files: Files = {}
    roots = {}
    for class_folder in listing.folders:
        name = composed(class_folder)
        for part, inner in splits[name].items():
            root = listing.path / class_folder / inner
            files.setdefault(part, {})[name] = pictures_below(root, passed)
            roots[part] = f"*/{printable(inner)}"
        count_loose(list_folder(listing.path / class_folder), passed)
    if "test" not in files:
        files["test"] = files.pop("valid")
        roots["test"] = roots.pop("valid")
    count_loose(listing, passed)
    note = what_became(classes, f"{BY_FOLDER}, which hold the splits", roots, NO_TEST)
    return Layout(classes, files, [note])


def two_classes(listing: Listing) -> list[str]:
    """Names of the two classes in a folder, in order; InputError if there are not two."""
    names = listing.class_names()
    if not listing.has_classes():
        refusals.refuse_class_count(listing.path, listing.folders, list(listing.words))
    if names[0] == names[1]:  # one in Unicode's form NFC, the other in NFD
        twice = f"two folders whose names look the same ({names[0]})"
        raise InputError(f"{listing.path} holds {twice}; give them different names")
    refusals.refuse_names(listing.path, *names)
    return names


def files_of_split(
    listing: Listing, classes: list[str], train: Listing, passed: PassedOver
) -> dict[str, ClassPictures]:
    """A folder's pictures by class; InputError if its classes are not those of train."""
    names = listing.class_names()
    if names != classes:
        two_classes(listing)
        train_holds = f"{train.path} holds {', '.join(classes)}"
        this_holds = f"{listing.path} holds {', '.join(names)}"
        differ = f"class folders differ: {train_holds}, {this_holds}"
        raise InputError(f"{differ}; give both the same names")
    files = {}
    if not listing.folders:
        root = str(listing.path)
        for name in classes:
            files[name] = ClassPictures(root, listing.words[name], {root})
        return files
    folders = {composed(name): name for name in listing.folders}
    for name in classes:
        files[name] = pictures_below(listing.path / folders[name], passed)
    return files


def pictures_below(root: Path, passed: PassedOver) -> ClassPictures:
    """The pictures of a class folder; InputError if there are none."""
    paths = list(picture_files(str(root), passed))
    if not paths:
        refusals.refuse_empty(root)
    folders = {path.rpartition(os.sep)[0] for path in paths}
    return ClassPictures(str(root), paths, folders)


def count_loose(listing: Listing, passed: PassedOver) -> None:
    """Count what lies beside the classes or splits in a folder, and is not read."""
    read = set()
    for paths in listing.words.values():
        read.update(paths)
    for entry in sorted(os.scandir(listing.path), key=lambda entry: entry.name):
        if entry.is_dir():
            if is_tool_folder(entry.name):
                passed.folder(entry.name)
        elif not is_picture(entry.name):
            passed.file(entry.name)
        elif listing.folders or entry.name.startswith("."):
            passed.file(entry.name, "loose")
        elif entry.path not in read:
            passed.file(entry.name, "mask")


# --- what is said ----------------------------------------------------------------------------


def what_became(classes: list[str], kind: str, roots: dict[str, str], reason: str) -> str:
    """One line that says what became classes and splits; `reason` says why there is no test."""
    names = ", ".join(map(printable, classes))
    said = f"classes: {names} ({kind})"
    if not roots:
        return f"{said}; split: 60 / 20 / 20 % ({reason})"
    train = roots["train"]
    if "test" not in roots:
        return f"{said}; split: 60 / 20 / 20 % of {train} ({reason})"
    valid = roots.get("valid", f"20 % of {train}")
    test = roots["test"]
    if part_named(Path(test).name) != "test":
        test = f"{test} ({reason})"
    return f"{said}; train: {train}, valid: {valid}, test: {test}"


def path_below(folder: Path, path: Path) -> str:
    """A path below a data set's folder, for a reader."""
    return printable(path.relative_to(folder).as_posix())
