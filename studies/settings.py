"""What the studies ask for: a run for every setting and seed.

    runs = runs_of(STUDIES, BASE, base_seeds=range(6), seeds=range(1))

A study of one setting is "Change_epochs": [20, 40]. A study of several is a grid, every value of
one with every value of the other: "Loss_by_rate": {"loss_function": [...], "learning_rate": [...]}.
"""

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from console.errors import InputError
from console.options import OPTIONS, Reader, did_you_mean, value_text
from records.sources import PROJECT
from training.settings import SETTINGS, as_key, check_settings, is_value

RUNS = "runs"  # in result/ and weights/: every training, whatever study asks for it
BASE_STUDY = "Change_seed"  # the base setting again and again: what differs is noise
SEEDS_LIMIT = 1000  # more take minutes to plan, and would be a mistake in typing
PREFIX = "Change_"  # of a study of one setting, before the setting's name

# By name a list of values, or a grid: lists by setting; see check_studies.
Studies = Mapping[str, Any]
Seeds = dict[tuple, int]  # how many trainings settings are to have, by key_of


class Run(NamedTuple):
    """One setting of a study with one seed: a row of the results.

    `varied` holds what its study varies, by the setting's name; `settings` all of them and the
    seed. `name` is its place in result/ and weights/, with slashes.
    """

    study: str
    varied: dict[str, Any]
    settings: dict[str, Any]
    name: str


# --- the studies as they are written in my_script.py ------------------------------------------


def values_in(study: str, values: list | dict[str, list]) -> dict[str, list]:
    """The values that a study gives to each setting that it varies, in its order."""
    if isinstance(values, dict):
        return values
    return {study.removeprefix(PREFIX): values}


def is_grid(values: list | dict[str, list]) -> bool:
    """Whether a study varies several settings at once."""
    return isinstance(values, dict)


def check_tables(studies: Studies, base: dict, first_seed: object, base_seeds: object) -> None:
    """Refuse tables of my_script.py, and settings, that cannot be used; InputError."""
    check_settings()
    check_written_once(PROJECT / "my_script.py")
    check_seeds(first_seed, base_seeds)
    check_studies(studies, base)


def check_studies(studies: Studies, base: dict) -> None:
    """Refuse studies that cannot be run, before any is; InputError that says what is wrong."""
    if not studies:
        raise InputError("STUDIES in my_script.py names no study; it must name one")
    check_base(base)
    refuse_same_folder("STUDIES", studies)
    for study, values in studies.items():
        if is_grid(values):
            check_grid(study, values)
        elif not study.startswith(PREFIX):
            raise InputError(what_a_study_is(study))
        elif not isinstance(values, list) or not values:
            raise InputError(f"{study} in my_script.py is {values!r}; {as_a_list(values)}")
        for name, values_of_setting in values_in(study, values).items():
            if name not in SETTINGS:
                meant = did_you_mean(name, SETTINGS)
                if name in OPTIONS and not is_grid(values):
                    meant = f"; call it with --{name} for each value, each with an --out of its own"
                raise InputError(f"{what_a_study_is(study)}{meant}")
            check_values(study, name, values_of_setting)


def check_base(base: dict) -> None:
    """Refuse a base that is not a value for each setting."""
    for name in base:
        if name not in SETTINGS:
            meant = did_you_mean(name, SETTINGS) or "; it is to be added there"
            unknown = "which SETTINGS of training/settings.py does not have"
            raise InputError(f"BASE in my_script.py names {name!r}, {unknown}{meant}")
    for name in SETTINGS:
        if name not in base:
            lacking = (
                f"BASE in my_script.py lacks {name!r}, which SETTINGS of training/settings.py has"
            )
            raise InputError(f"{lacking}; give it a value")
    for name, value in base.items():
        check_value("BASE", name, value)


def what_a_study_is(study: str) -> str:
    """Say what one that is none has to be."""
    single = f"Change_ with one of {', '.join(SETTINGS)} and a list of values"
    several = "a name and a dict of such lists"
    return f"{study!r} in my_script.py must be {single}, or {several}; for seeds there is --seeds"


def check_grid(study: str, varied: dict[str, list]) -> None:
    """Refuse a study of several settings whose name or lists will not do."""
    what = f"{study!r} in my_script.py"
    is_taken = study.lower().startswith(PREFIX.lower()) or study.lower() == RUNS
    if is_taken or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", study):
        remedy = "name it with letters, digits and _, not Change_ or runs: it becomes a folder"
        raise InputError(f"{what} varies several settings; {remedy}")
    if len(varied) < 2:
        remedy = 'write "Change_epochs": [20, 40] for a study of one setting'
        raise InputError(f"{what} needs at least two settings; {remedy}")
    for name, values in varied.items():
        if not isinstance(values, list) or len(values) < 2:
            remedy = f"give {name} a list of at least two values, or leave it to BASE"
            raise InputError(f"{what} does not vary {name}; {remedy}")


def as_a_list(values: object) -> str:
    """What to write instead of values that are no list."""
    listed = list(values) if isinstance(values, (tuple, set, range)) else [values]
    return f"use a list: {listed}" if values else "give it a list of values"


def check_values(study: str, name: str, values: list) -> None:
    """Refuse values of a setting that cannot be used or stand there twice."""
    for index, value in enumerate(values):
        check_value(study, name, value)
        if value in values[:index]:
            raise InputError(f"{study} in my_script.py lists {value!r} twice; remove one")
    refuse_same_folder(study, values)


def refuse_same_folder(table: str, names: Iterable[object]) -> None:
    """Refuse names of which two would be one folder, also where case makes no difference."""
    folders: dict[str, object] = {}
    for name in names:
        folder = folder_name(name).lower()
        if folder in folders:
            both = f"{folders[folder]!r} and {name!r}"
            raise InputError(f"{both} of {table} in my_script.py are one folder; change one")
        folders[folder] = name


def check_value(study: str, name: str, value: object) -> None:
    """Refuse a value that train.py would not read, or that cannot name a folder."""
    what = f"{value!r} of {study} in my_script.py"
    if not is_value(name, value):
        raise InputError(f"{what} cannot be {name}{meant_value(SETTINGS[name].read, value)}")
    if not re.fullmatch(r"[\w+-]+", folder_name(value)):
        remedy = "name it with letters, digits, dots, _, + and -: it names a folder"
        raise InputError(f"{what} will not do; {remedy}")


def meant_value(read: Callable[[str], Any], value: object) -> str:
    """Say what a value that will not do should be, and what was probably meant, if anything."""
    if not isinstance(read, Reader):
        return "; see --help"
    hint = read.hint(str(value))
    if value == 0 and read.convert is float:
        hint = "; for 0,1 write 0.1, with a decimal point; to allow 0 give SETTINGS another reader"
    return f": it is not {read.meaning}{hint}"


def check_seeds(first: object, count: object) -> None:
    """Refuse FIRST_SEED and BASE_SEEDS that are no numbers of seeds."""
    check_number("FIRST_SEED", first, 0, 2**31 - 2 * SEEDS_LIMIT)
    check_number("BASE_SEEDS", count, 1, SEEDS_LIMIT)


def check_number(name: str, value: object, least: int, most: int) -> None:
    """Refuse a constant of my_script.py that is no whole number from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        remedy = f"give a whole number from {least} to {most}"
        raise InputError(f"{name} in my_script.py is {value!r}; {remedy}")


def check_written_once(script: Path) -> None:
    """Refuse a table that names something twice, of which Python keeps the last in silence."""
    for table in ast.walk(ast.parse(script.read_bytes())):
        if not isinstance(table, ast.Dict):
            continue
        keys = [key.value for key in table.keys if isinstance(key, ast.Constant)]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise InputError(f"{script.name} names {key!r} twice in one table; remove one")


# --- the runs --------------------------------------------------------------------------------


def runs_of(
    studies: Studies, base: dict, base_seeds: range, seeds: range, more: Seeds | None = None
) -> list[Run]:
    """Every run that the studies ask for, those of the base setting first.

    Settings of which there are to be `more` have as many of the base's seeds.
    """
    runs = []
    for seed in base_seeds:
        only_seed = {"seed": seed}
        runs.append(Run(BASE_STUDY, only_seed, base | only_seed, f"{BASE_STUDY}/{seed}"))
    for study, values in studies.items():
        for varied in combinations(values_in(study, values)):
            key = key_of(base | varied)
            seeds_of_setting = seeds
            if more and key != key_of(base):  # which has seeds of its own
                seeds_of_setting = base_seeds[: max(len(seeds), more.get(key, 0))]
            for seed in seeds_of_setting:
                name = f"{study}/{folder_of(varied)}"
                if len(seeds_of_setting) > 1:
                    name = f"{name}/seed_{seed}"
                runs.append(Run(study, varied, base | varied | {"seed": seed}, name))
    return runs


def key_of(settings: dict) -> tuple:
    """What names a setting whatever its seed: (name, value) of each; lists and switches as text."""
    pairs = []
    for name, value in settings.items():
        if name != "seed":
            pairs.append((name, as_key(value)))
    return tuple(pairs)


def combinations(varied: dict[str, list]) -> list[dict]:
    """Every value of each setting with every value of the others."""
    products = itertools.product(*varied.values())
    return [dict(zip(varied, values, strict=True)) for values in products]


def folder_of(varied: dict) -> str:
    """A setting's folder below that of its study: one level for each setting that it varies."""
    return "/".join(map(folder_name, varied.values()))


def folder_name(value: object) -> str:
    """A value as the name of a folder: 0.01 is 0_01."""
    return value_text(value).replace(".", "_")
