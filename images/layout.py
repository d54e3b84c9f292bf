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
from images.walk import Folder, passed_over
from images.words import PARTS, composed, kinds_in, part_named

BY_FOLDER, BY_WORD = "folders", "words that names begin with"  # what tells the classes
NO_TEST = "no test folder"


class ClassPictures(NamedTuple):
    """Pictures of a class: the folder, and their paths in it or below."""

    folder: Folder
    paths: list[str]

    @property
    def root(self) -> str:
        return str(self.folder.path)

    @property
    def folders(self) -> set[str]:
        """The folders below that of the class in which they lie, as paths from there."""
        folders = {path.rpartition(os.sep)[0] for path in self.paths}
        return {folder[len(self.root) + 1 :] for folder in folders}


Files = dict[str, dict[str, ClassPictures]]  # by split and class


class Layout(NamedTuple):
    """Pictures by split and class; the split "" is for the program to divide.

    `beside` are folders above those of the classes, whose loose pictures are not read, `apart`
    the paths of folders that are not looked into.
    """

    classes: list[str]
    files: Files
    notes: list[str]
    beside: list[Folder]
    apart: tuple[str, ...] = ()


def find_layout(path: Path, group: bool = False) -> Layout:
    """Find out what the folders of a data set are; InputError if that cannot be told.

    With `group`, the user has said that folders below a class are patients, videos or sources.
    """
    top = look_into(Folder(path))
    refuse_lone_split(path, top)
    names = split_folders(top)
    if names and not are_classes(top, names):  # a class may be called "train"
        layout = divided_layout(path, top, names)
    elif splits := splits_of_classes(top):
        layout = layout_of_divided_classes(top, splits)
    else:
        layout = undivided_layout(path, top)
    folders = {folder.path: folder for folder in layout.beside}
    read: list[str] = []
    for classes in layout.files.values():
        refusals.refuse_containers(classes, group)
        for pictures in classes.values():
            read += pictures.paths
            folders |= {folder.path: folder for folder in pictures.folder.below()}
    notes = passed_over(folders.values(), read, layout.apart)
    return layout._replace(notes=layout.notes + notes)


def look_into(folder: Folder) -> Folder:
    """A folder; where it holds but one other that holds classes or splits, that one."""
    if len(folder.folders) == 1 and not folder.words:
        [only] = folder.folders.values()
        inner = look_into(only)
        if inner.has_classes() or split_folders(inner) or len(inner.folders) > 1:
            return inner
    return folder


# --- splits ----------------------------------------------------------------------------------


def split_folders(folder: Folder) -> dict[str, str]:
    """The name of each split's folder; empty if none is for training.

    InputError if two folders could be the same split, or training is missing.
    """
    names: dict[str, str] = {}
    for name in folder.folders:
        part = part_named(name)
        if not part:
            continue
        if part in names:
            both = f"{names[part]} and {name}, which both could be {part}"
            raise InputError(f"{folder.path} holds {both}; move one of them away")
        names[part] = name
    if "train" in names:
        return names
    for name in names.values():
        if len(names) == len(folder.folders) or holds_two(folder.folders[name]):
            refusals.refuse_without_train(folder.path, list(names.values()))
    return {}


def holds_two(folder: Folder) -> bool:
    """Whether a folder holds two others that may be classes, as that of a split does."""
    return len(folder.folders) == 2 and not refusals.are_numbered(set(folder.folders))


def refuse_lone_split(path: Path, top: Folder) -> None:
    """InputError if the classes lie in a folder for validation or test that stands alone."""
    for name in top.path.relative_to(path).parts:
        if part_named(name) in ("valid", "test"):
            refusals.refuse_without_train(path, [name])


def are_classes(top: Folder, names: dict[str, str]) -> bool:
    """Whether "train" is a class, beside "plane" for one: just pictures lie in both."""
    if len(top.folders) != 2 or len(names) != 1:
        return False
    for folder in top.folders.values():
        inner = look_into(folder)
        if inner.folders or inner.has_classes():
            return False
    return True


def divided_layout(path: Path, top: Folder, names: dict[str, str]) -> Layout:
    """Layout of a folder whose folders are splits, under whatever names."""
    splits = {part: top.folders[names[part]] for part in PARTS if part in names}
    train = look_into(splits["train"])
    classes = two_classes(train)
    notes = drop_unlabelled(path, splits, classes)
    refuse_other_splits(top, names, classes)
    if "test" not in splits and "valid" in splits:
        splits["test"] = splits.pop("valid")
    files = {}
    beside = [top]
    kind = BY_FOLDER
    for part, split in splits.items():
        inner = look_into(split)
        files[part] = files_of_split(inner, classes, train)
        beside.append(inner)
        if not inner.folders:
            kind = BY_WORD
    roots = {part: path_below(path, split) for part, split in splits.items()}
    reason = "its pictures have no classes" if "test" in names else NO_TEST
    note = what_became(classes, kind, roots, reason)
    if "test" not in files:
        files = {"": files["train"]}
    apart = set(top.folders) - set(names.values())
    paths_apart = tuple(str(top.path / name) for name in apart)
    return Layout(classes, files, [note, *notes], beside, paths_apart)


def drop_unlabelled(path: Path, splits: dict[str, Folder], classes: list[str]) -> list[str]:
    """Leave out splits whose pictures have no classes; a line for each."""
    notes = []
    for part in ("test", "valid"):
        if part in splits and is_unlabelled(look_into(splits[part]), classes):
            notes.append(unlabelled_note(path, splits.pop(part), classes))
    return notes


def is_unlabelled(folder: Folder, classes: list[str]) -> bool:
    """Whether pictures lie here, but nothing that looks like one of the classes."""
    known = set(classes) & set(folder.class_names())
    if known or folder.has_classes() or len(folder.folders) > 1:
        return False
    return bool(folder.all_pictures())


def unlabelled_note(path: Path, folder: Folder, classes: list[str]) -> str:
    """Say that pictures have no classes, and what can be done with them."""
    count = len(folder.all_pictures())
    what = f"{path_below(path, folder)}: {count} pictures without classes, not used"
    first, second = map(printable, classes)
    sort = f"sort them into folders {first} and {second} to test on them"
    predict = f"test.py --predict {printable(str(folder.path))}"
    return f"{what} ({sort}, or see what is in them: {predict})"


def refuse_other_splits(top: Folder, names: dict[str, str], classes: list[str]) -> None:
    """InputError if a folder with another name than a split's holds the same classes."""
    for name, folder in top.folders.items():
        if name in names.values() or "mask" in kinds_in(name):
            continue
        if look_into(folder).class_names() == classes:
            why = f"holds the same classes as {names['train']}"
            raise InputError(f"{folder.path} {why}; name it test or valid, or move it away")


# --- classes ---------------------------------------------------------------------------------


def undivided_layout(path: Path, top: Folder) -> Layout:
    """Layout of a folder of two classes that is not split yet."""
    classes = two_classes(top)
    files = files_of_split(top, classes, top)
    kind = BY_FOLDER if top.folders else BY_WORD
    if top.path != path:
        kind = f"{kind} in {path_below(path, top)}"
    return Layout(classes, {"": files}, [what_became(classes, kind, {}, NO_TEST)], [top])


def splits_of_classes(top: Folder) -> dict[str, dict[str, str]]:
    """Names of the folders of splits in each of two class folders; empty if none hold any.

    InputError if one class is divided and the other is not, or not alike.
    """
    if len(top.folders) != 2:
        return {}
    inner = {name: list(folder.folders) for name, folder in top.folders.items()}
    splits = {composed(name): split_folders(folder) for name, folder in top.folders.items()}
    first, second = splits.values()
    if max(len(first), len(second)) < 2:
        return {}
    count = sum(map(len, inner.values()))
    if first.keys() != second.keys() or count > len(first) + len(second):
        refusals.refuse_unequal_splits(top.path, inner)
    return splits


def layout_of_divided_classes(top: Folder, splits: dict[str, dict[str, str]]) -> Layout:
    """Layout of two class folders, each of which holds folders of the same splits."""
    classes = two_classes(top)
    files: Files = {}
    roots = {}
    for class_folder, folder in top.folders.items():
        name = composed(class_folder)
        for part, inner in splits[name].items():
            files.setdefault(part, {})[name] = pictures_below(folder.folders[inner])
            roots[part] = f"*/{printable(inner)}"
    if "test" not in files:
        files["test"] = files.pop("valid")
        roots["test"] = roots.pop("valid")
    note = what_became(classes, f"{BY_FOLDER}, which hold the splits", roots, NO_TEST)
    return Layout(classes, files, [note], [top, *top.folders.values()])


def two_classes(folder: Folder) -> list[str]:
    """Names of the two classes in a folder, in order; InputError if there are not two."""
    names = folder.class_names()
    if not folder.has_classes():
        refusals.refuse_class_count(folder)
    if names[0] == names[1]:  # one in Unicode's form NFC, the other in NFD
        twice = f"two folders whose names look the same ({names[0]})"
        raise InputError(f"{folder.path} holds {twice}; give them different names")
    refusals.refuse_names(folder.path, *names)
    return names


def files_of_split(folder: Folder, classes: list[str], train: Folder) -> dict[str, ClassPictures]:
    """A folder's pictures by class; InputError if its classes are not those of train."""
    names = folder.class_names()
    if names != classes:
        two_classes(folder)
        train_holds = f"{train.path} holds {', '.join(classes)}"
        this_holds = f"{folder.path} holds {', '.join(names)}"
        differ = f"class folders differ: {train_holds}, {this_holds}"
        raise InputError(f"{differ}; give both the same names")
    if not folder.folders:
        return {name: ClassPictures(folder, folder.words[name]) for name in classes}
    inner = {composed(name): below for name, below in folder.folders.items()}
    return {name: pictures_below(inner[name]) for name in classes}


def pictures_below(folder: Folder) -> ClassPictures:
    """The pictures of a class folder; InputError if there are none."""
    paths = folder.all_pictures()
    if not paths:
        refusals.refuse_empty(folder)
    return ClassPictures(folder, paths)


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


def path_below(path: Path, folder: Folder) -> str:
    """A folder's path below that of the data set, for a reader."""
    return printable(folder.path.relative_to(path).as_posix())
