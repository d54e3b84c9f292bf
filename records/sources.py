"""The code that decides a result: what a program imports from this project, by its meaning.

    sources("train.py")            # as this sweep found them: {"train.py": digest, "model.py": …}
    imported_sources("train.py")   # those that this very program has imported

The meaning of a module is its syntax tree without docstrings: a comment decides nothing. A sweep
reads the code once, when it starts, and hands the digests to its programs; one that has imported
something else can tell.
"""

import ast
import contextlib
import functools
import gc
import importlib.util
import json
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from console.errors import STARTED, InputError
from records.files import digest_of, file_digest

PROJECT = Path(__file__).resolve().parent.parent
PROGRAMS = ("train.py", "test.py")
# What they read from the command line is in the identity; what they say or draw decides nothing.
DECIDE_NOTHING = {
    "console/cores.py",
    "console/errors.py",
    "console/options.py",
    "console/progress.py",
    "report/figures.py",
    "training/settings.py",
}
# Loaded by the modules above, or, in the process of a test, by no program at all.
NOT_LOOKED_FOR = ("benchmarks", "console", "report", "studies", "tests", "my_script.py")
CODE_ENDINGS = (".py", ".so", ".pyd")
HANDED = "CNN_SOURCES"  # environment variable: what a sweep read when it started, as JSON
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
# Of a node of a syntax tree: what follows from the nodes around it, or means nothing.
NO_MEANING = ("ctx", "kind", "type_comment")


class Module(NamedTuple):
    """A file of code: the digests of its bytes and of its meaning, and what it imports."""

    bytes_digest: str
    meaning: str
    imports: list[str]  # dotted names of what may be modules


# --- one file --------------------------------------------------------------------------------


@functools.cache  # a file is read once, so that all that is said of it is about the same bytes
def read_module(name: str) -> Module:
    """Read a file of the project; empty where there is none."""
    try:
        code = (PROJECT / name).read_bytes()
    except (OSError, ValueError):  # ValueError: a damaged record gives names that no file can have
        return Module("", "", [])
    return parse_module(code, package=Path(name).parent.parts)


def parse_module(code: bytes, package: tuple[str, ...]) -> Module:
    """Understand code of a package; its bytes are its meaning where they are no Python."""
    try:
        with no_garbage_looked_for():
            tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return Module(digest_of(code), digest_of(code), [])
    remove_docstring(tree)
    imports: list[str] = []
    for node in statements_in(tree):
        if isinstance(node, DEFINITIONS):
            remove_docstring(node)
        elif isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports += names_of(node, package)
    parts: list[str] = []
    write_tree(tree, parts)
    return Module(digest_of(code), digest_of("\n".join(parts).encode()), imports)


@contextlib.contextmanager
def no_garbage_looked_for() -> Iterator[None]:
    """Switch the collector off: to search a growing syntax tree takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def write_tree(node: ast.AST, parts: list[str]) -> None:
    """Append a syntax tree as words, no two trees the same: a third of the time of ast.dump."""
    parts.append(type(node).__name__)
    for name in meaningful(node._fields):
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            write_tree(value, parts)
        elif isinstance(value, list):
            parts.append("[")
            for item in value:
                if isinstance(item, ast.AST):
                    write_tree(item, parts)
                else:
                    parts.append(repr(item))
            parts.append("]")
        else:
            parts.append(repr(value))


@functools.cache
def meaningful(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Of the fields of a node of a syntax tree those that mean something."""
    return tuple(name for name in fields if name not in NO_MEANING)


def statements_in(node: ast.AST) -> Iterator[ast.AST]:
    """All statements in a module or a statement, however deep: a sixth of what ast.walk gives."""
    for part in ("body", "orelse", "handlers", "finalbody", "cases"):
        for statement in getattr(node, part, []):
            yield statement
            yield from statements_in(statement)


def remove_docstring(node: Documented) -> None:
    """Take away the docstring of a module, class or function, if it has one."""
    if not node.body or not isinstance(node.body[0], ast.Expr):
        return
    value = node.body[0].value
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        del node.body[0]


def names_of(node: ast.ImportFrom, package: tuple[str, ...]) -> list[str]:
    """Dotted names of what `from … import …` may import: the module, and modules in it."""
    parts: list[str] = []
    if node.level:  # of dots: one is the package, two the one above it
        parts += package[: len(package) - node.level + 1]
    if node.module:
        parts.append(node.module)
    names = []
    if parts:
        names.append(".".join(parts))
    for alias in node.names:
        names.append(".".join([*parts, alias.name]))
    return names


def files_of(dotted: str) -> Iterator[str]:
    """The files of the project that Python runs to import a dotted name, packages' own first."""
    parts = dotted.split(".")
    for length in range(1, len(parts) + 1):
        if name := file_of("/".join(parts[:length])):
            yield name


@functools.cache  # most names stand in many modules
def file_of(stem: str) -> str:
    """The file of a module or package of the project, by its path without ending; "" if none."""
    for name in (f"{stem}/__init__.py", f"{stem}.py"):
        if (PROJECT / name).is_file():
            return name
    return ""


# --- all that decides ------------------------------------------------------------------------


@functools.cache
def import_closure(program: str) -> list[str]:
    """The program and every file that its imports lead to, as they are written, in their order.

    Imports in functions and conditions count: whether they are run cannot be read.
    """
    names, waiting = [], [program]
    while waiting:
        name = waiting.pop()
        if name in names or name in DECIDE_NOTHING:
            continue
        names.append(name)
        for dotted in read_module(name).imports:
            waiting += files_of(dotted)
    return sorted(names)


def sources(program: str) -> dict[str, object]:
    """Digests of all that decides a program's result: those handed over, or else read now."""
    handed = handed_over()
    if handed:
        return handed[program]
    return digests_of(import_closure(program)) | named_by_user()


def digests_of(names: list[str]) -> dict[str, str]:
    """The meanings of files, by name."""
    return {name: read_module(name).meaning for name in names}


@functools.cache
def named_by_user() -> dict[str, object]:
    """The files and environment variables of ALSO_DECIDE: digests and values."""
    from training.settings import ALSO_DECIDE

    values: dict[str, object] = {}
    for name in ALSO_DECIDE:
        if name.startswith("$"):
            values[name] = os.environ.get(name[1:])
        else:
            values[name] = file_digest(PROJECT / name)
    return values


# --- from a sweep to its programs ------------------------------------------------------------


def hand_over_code() -> dict[str, str]:
    """An environment variable that gives a sweep's programs what it has read itself."""
    handed = {program: sources(program) for program in PROGRAMS}
    handed["bytes"] = {}
    for name in files_of_programs():
        remove_old_bytecode(PROJECT / name)
        handed["bytes"][name] = read_module(name).bytes_digest
    return {HANDED: json.dumps(handed)}


def files_of_programs() -> list[str]:
    """Every file that decides a result of train.py or test.py."""
    names: set[str] = set()
    for program in PROGRAMS:
        names |= set(import_closure(program))
    return sorted(names)


def remove_old_bytecode(path: Path) -> None:
    """Remove bytecode that is older than the last change of its file.

    Python compares whole seconds and sizes, so it might run what stood there before.
    """
    bytecode = Path(importlib.util.cache_from_source(path))
    with contextlib.suppress(OSError):
        changed = path.stat().st_ctime_ns  # tools that copy files set their mtime back
        if bytecode.stat().st_mtime_ns < changed:
            bytecode.unlink()


def handed_over() -> dict[str, dict[str, Any]]:
    """What the sweep that started this program has read; empty for a program by itself."""
    handed: dict[str, dict[str, Any]] = json.loads(os.environ.get(HANDED) or "{}")
    return handed


def changed_since_read() -> list[str]:
    """Files that mean something else now than when a sweep read them."""
    before = {name: read_module(name) for name in files_of_programs()}
    edited = changed_bytes({name: module.bytes_digest for name, module in before.items()})
    forget()
    return [name for name in edited if read_module(name).meaning != before[name].meaning]


# --- what was really imported ----------------------------------------------------------------


def imported_sources(program: str) -> dict[str, object]:
    """Digests of all that decides the result of this program, which has imported it.

    InputError if a file was saved while it was imported: nobody knows what was run then. And if
    one is not what it was when the sweep began, to which this program belongs.
    """
    handed = handed_over()
    if not handed:
        return sources_alone(program)
    before = handed[program]
    code = before | named_by_user()
    if changed_bytes(handed["bytes"]):
        forget()
        code = digests_of(import_closure(program)) | named_by_user()
    changed = [name for name, value in before.items() if code.get(name) != value]
    if changed:
        since = "changed since the sweep began; start my_script.py again"
        raise InputError(f"{', '.join(changed)} {since}")
    return code | digests_of(loaded_besides(code))


def sources_alone(program: str) -> dict[str, object]:
    """As imported_sources, of a program that no sweep has started."""
    names = import_closure(program)
    names = names + loaded_besides(names)
    refuse_saved_meanwhile(names)
    return digests_of(names) | named_by_user()


def loaded_besides(names: Collection[str]) -> list[str]:
    """Imported files of the project that are not among these."""
    return [name for name in loaded_files() if name not in names and name not in DECIDE_NOTHING]


def forget() -> None:
    """Read all files anew."""
    read_module.cache_clear()
    file_of.cache_clear()
    import_closure.cache_clear()
    named_by_user.cache_clear()


def changed_bytes(digests: dict[str, str]) -> list[str]:
    """The files that no longer hold the bytes of these digests."""
    return [name for name, digest in digests.items() if file_digest(PROJECT / name) != digest]


def loaded_files() -> list[str]:
    """Files of the project that are imported by now, however that came about."""
    as_started = Path(__file__).absolute().parent.parent  # which may be a link
    roots = (f"{PROJECT}{os.sep}", f"{as_started}{os.sep}")
    packages = f"{sys.prefix}{os.sep}"  # an environment may lie in the project's folder
    names = set()
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None) or ""
        if not path.startswith(roots) or path.startswith(packages):
            continue
        file = Path(path).resolve()
        if file.is_relative_to(PROJECT):
            name = file.relative_to(PROJECT)
            if name.parts[0] not in NOT_LOOKED_FOR:
                names.add(name.as_posix())
    return sorted(names)


def refuse_saved_meanwhile(names: list[str]) -> None:
    """InputError if a file has changed since this program began."""
    for name in names:
        path = PROJECT / name
        if path.exists() and path.stat().st_ctime > STARTED:
            raise InputError(f"{path} was saved while this program was starting; start it again")
