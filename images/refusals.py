"""Folders that are no data set of two classes: what was seen, and what to do, in one line.

    refuse_names(Path("photos"), "images", "masks")    # InputError

Two folders may be two splits, pictures and their masks, or two parts of one set: trained as two
classes they would give a result, and a wrong one.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from console.errors import InputError
from images.walk import Folder, is_tool_folder, passed_over
from images.words import ARCHIVES, SPLITS, WORDS, first_word, kinds_in, stem_of, words_in

if TYPE_CHECKING:
    from images.layout import ClassPictures

NAMED = 5  # names in a message
TABLES = (".csv", ".tsv", ".json")
SORT = "sort the pictures into a folder for each class"
NAME_INNER = "name a folder that holds a folder for each class"
TABLE_CHARACTERS = 1 << 20  # of a table that are looked at


def comma_list(names: Iterable[str]) -> str:
    """Names for a message, the first of many; of no word that names begin with, digits."""
    all_names = sorted(name or "digits" for name in names)
    shown = all_names[:NAMED]
    if len(all_names) > NAMED:
        shown.append("…")
    return ", ".join(shown)


# --- by their number -------------------------------------------------------------------------


def refuse_class_count(folder: Folder) -> NoReturn:
    """InputError that says what lies in a folder instead of two classes."""
    hidden = hidden_folders(folder)
    if folder.folders:
        count = len(folder.folders)
        counted = "1 class folder" if count == 1 else f"{count} class folders"
        holds = f"{counted} ({comma_list(folder.folders)}){hidden}"
        raise InputError(f"{folder.path} holds {holds}; a binary classifier needs exactly 2")
    if folder.words:
        words = comma_list(folder.words)
        begin = f"pictures without class folders, whose names begin with {words}"
        remedy = "put each class into a folder, or let all names begin with two words, as"
        remedy = f"{remedy} cat.1.jpg and dog.1.jpg do, or name the folder above"
        raise InputError(f"{folder.path} holds {begin}; {remedy}")
    passed, remedy = passed_in(folder, "name the folder of two class folders")
    holds = f"no class folders and no pictures{hidden}{passed}"
    raise InputError(f"{folder.path} holds {holds}; {remedy}")


def refuse_empty(folder: Folder) -> NoReturn:
    """InputError for a class folder without pictures, which says what lies there."""
    passed, remedy = passed_in(folder, "save them as PNG, TIFF or JPEG")
    raise InputError(f"class folder {folder.path} holds no pictures{passed}; {remedy}")


def passed_in(folder: Folder, remedy: str) -> tuple[str, str]:
    """What lies below a folder and is no picture, after a semicolon, and what to do about it."""
    told = "".join(f"; {note}" for note in passed_over(folder.below(), read=[]))
    if any(ending in re.split(r"[ ,]", told) for ending in ARCHIVES):
        remedy = "unpack them first"
    return told, remedy


def hidden_folders(folder: Folder) -> str:
    """Name the hidden folders in a folder, which might be meant as classes."""
    hidden = []
    for entry in folder.entries:
        if is_tool_folder(entry.name) and entry.is_dir():
            hidden.append(entry.name)
    if not hidden:
        return ""
    return f" beside what is passed over ({comma_list(hidden)}: rename to use)"


# --- by their splits -------------------------------------------------------------------------


def refuse_without_train(path: Path, names: list[str]) -> NoReturn:
    """InputError for folders of splits of which none is for training."""
    remedy = "put train beside it, or name the folder below if its pictures are all there are"
    raise InputError(f"{path} holds {' and '.join(names)}, but no train; {remedy}")


def refuse_unequal_splits(path: Path, inner: dict[str, list[str]]) -> NoReturn:
    """InputError for two folders of which one is divided as a class may be, but not the other."""
    holds = []
    for name, names in inner.items():
        holds.append(f"{name} holds {comma_list(names) or 'no folders'}")
    remedy = "give both classes the folders train and test, or name the one that holds the classes"
    raise InputError(f"{path}: {', '.join(holds)}; {remedy}")


# --- by their names --------------------------------------------------------------------------


def refuse_names(path: Path, first: str, second: str) -> None:
    """InputError if the names of two "classes" say that they are none."""
    if are_splits(first, second):
        remedy = f"name them train and test, and in each {SORT}"
        refuse_pair(path, (first, second), "which are splits by their names", remedy)
    mask = mask_of(first, second)
    if mask:
        why = f"and {mask} are masks or labels by their name"
        remedy = f"move {mask} away, and {SORT}; if they are a class, rename them"
        refuse_pair(path, (first, second), why, remedy)
    if are_parts(first, second):
        why = "whose names differ only in number or case, as parts of one set do"
        remedy = f"{SORT}; if they are the classes, give them other names"
        refuse_pair(path, (first, second), why, remedy)


def refuse_pair(path: Path, names: Iterable[str], why: str, remedy: str) -> NoReturn:
    """InputError for two folders, or words that names begin with, that are no classes."""
    raise InputError(f"{path} holds {' and '.join(names)}, {why}; {remedy}")


def are_splits(first: str, second: str) -> bool:
    """Whether both names hold a word for a split, and not for the same."""
    splits = kinds_in(first) & SPLITS
    others = kinds_in(second) & SPLITS
    return bool(splits and others) and splits != others


def mask_of(first: str, second: str) -> str:
    """The one of two names that means masks or labels; empty for both: with_mask, no_mask."""
    for name, other in ((first, second), (second, first)):
        words = set(words_in(name)) & set(WORDS["mask"])
        if words and not any(word in other.lower() for word in words):
            return name
    return ""


def are_parts(first: str, second: str) -> bool:
    """Whether names differ only in number, part or case; class_1 and class_2, 0 and 1 may."""
    stem = stem_of(first)
    if not stem or stem != stem_of(second):
        return False
    return first.lower() == second.lower() or "class" not in kinds_in(first)


# --- by what they hold -----------------------------------------------------------------------


def refuse_containers(classes: "dict[str, ClassPictures]", group: bool) -> None:
    """InputError if what two folders hold says that they are no classes.

    With `group`, folders below them are patients, videos or sources.
    """
    first, second = classes.values()
    if first.root == second.root:  # classes are words that names begin with
        return
    path = first.folder.path.parent
    names = (first.folder.path.name, second.folder.path.name)
    repeated = subfolders_of(first) & subfolders_of(second)
    if len(repeated) > 1 and not group and not are_numbered(repeated):
        why = f"which both hold {comma_list(repeated)}, as splits or copies of a set do"
        remedy = f"{NAME_INNER}; --group if these are patients, videos or sources of two classes"
        refuse_pair(path, names, why, remedy)
    words = two_words_of(first)
    if words and words == two_words_of(second):
        why = f"and names of pictures begin with {comma_list(words)} in both"
        refuse_pair(path, names, why, "name one of them, or name them train and test")
    table = table_of(path, first, second)
    if table:
        why = f"and {table} names their pictures, but not these folders"
        remedy = f"{NAME_INNER}, or move {table} away if these are the classes"
        refuse_pair(path, names, why, remedy)


def subfolders_of(pictures: "ClassPictures") -> set[str]:
    """Names of all folders below a class that lead to pictures."""
    names: set[str] = set()
    for folder in pictures.folders:
        names.update(folder.split(os.sep))
    return names - {""}


def are_numbered(names: set[str]) -> bool:
    """Whether names differ only in a number or letter, as those of patients and sites do."""
    stems = set()
    for name in names:
        stems.add(" ".join(word for word in words_in(name) if len(word) > 1))
    return len(stems) == 1 and (stems != {""} or len(names) > 2)


def two_words_of(pictures: "ClassPictures") -> set[str]:
    """The two words that names of pictures begin with; none if there are more or fewer."""
    words = set()
    for path in pictures.paths:
        words.add(first_word(os.path.basename(path)))
        if len(words) > 2 or "" in words:
            break
    return words if len(words) == 2 and "" not in words else set()


def table_of(path: Path, first: "ClassPictures", second: "ClassPictures") -> str:
    """The name of a table in a folder that names pictures, but not the folders they lie in."""
    folders = {first.folder.path.name.lower(), second.folder.path.name.lower()}
    for table in sorted(path.iterdir()):
        if table.suffix.lower() not in TABLES or not table.is_file():
            continue
        with table.open(encoding="utf-8", errors="ignore") as file:
            text = file.read(TABLE_CHARACTERS)
        cells = set(re.split(r"""[\s,;:/"'\[\]{}]+""", text))
        are_named = names_pictures(cells, first) or names_pictures(cells, second)
        if are_named and not folders <= {cell.lower() for cell in cells}:
            return table.name
    return ""


def names_pictures(cells: set[str], pictures: "ClassPictures") -> bool:
    """Whether a table names pictures: one is enough, but of bare numbers, which may be others."""
    names = set()
    for path in pictures.paths:
        name = os.path.basename(path)
        names.update([name, os.path.splitext(name)[0]])
    named = cells & names
    if all(name.isdecimal() for name in named):
        return 2 * len(named) > len(pictures.paths)
    return True
