"""The code that decides a result: what a program imports from this project, by its meaning.

    sources("train.py", ALSO_DECIDE)         # when it starts: {"train.py": digest, "model.py": …}
    loaded_sources("train.py", ALSO_DECIDE)  # when it has imported all: what it really runs

The meaning of a module is its syntax tree without docstrings: a comment decides nothing.
"""

import ast
import functools
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from console.errors import InputError
from records.files import digest_of, file_digest

PROJECT = Path(__file__).resolve().parent.parent
# Beginnings of names. What these files read from the command line is in the identity; what they
# say, draw or plan decides nothing.
DECIDE_NOTHING = (
    "benchmarks/",
    "console/",
    "my_script.py",
    "report/",
    "studies/",
    "tests/",
    "training/settings.py",
)
CODE_ENDINGS = (".py", ".so")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Module(NamedTuple):
    """A file of code: the digests of its bytes and of its meaning, and what it imports."""

    bytes_digest: str
    meaning: str
    imports: list[str]  # dotted names of what may be modules


def sources(program: str, also_decide: Iterable[str]) -> dict[str, str | None]:
    """Digests of all that decides a program's result, by the file's name.

    `also_decide` names other files, and environment variables ("$NAME"), which have their values.
    SyntaxError if a file of code is no Python.
    """
    values: dict[str, str | None] = {}
    values |= digests_of(import_closure(program))
    for name in also_decide:
        if name.startswith("$"):
            values[name] = os.environ.get(name[1:])
        else:
            values[name] = file_digest(PROJECT / name)
    return values


def loaded_sources(program: str, also_decide: Iterable[str]) -> dict[str, str | None]:
    """As sources, of the program that calls this, with what it has imported by other ways.

    InputError if a file means something else than when it was read: nobody knows what was loaded.
    """
    names = set(import_closure(program)) | set(loaded_files())
    for name in sorted(names):
        if is_changed(name):
            saved = "was saved while this program was starting; start it again"
            raise InputError(f"{PROJECT / name} {saved}")
    return sources(program, also_decide) | digests_of(names)


def digests_of(names: Iterable[str]) -> dict[str, str]:
    """The meanings of files of code, by name; empty where there is no file."""
    return {name: read_module(name).meaning for name in names}


def import_closure(program: str) -> list[str]:
    """The program and every file that its imports lead to, in their order.

    Imports in functions and conditions count: whether they are run cannot be read.
    """
    names: set[str] = set()
    waiting = [program]
    while waiting:
        name = waiting.pop()
        if name not in names and not name.startswith(DECIDE_NOTHING):
            names.add(name)
            for dotted in read_module(name).imports:
                waiting += files_of(dotted)
    return sorted(names)


@functools.cache  # most names stand in many modules
def files_of(dotted: str) -> list[str]:
    """The files of the project that Python runs to import a dotted name, packages' own first."""
    names = []
    stem = ""
    for part in dotted.split("."):
        stem += part
        for name in (f"{stem}/__init__.py", f"{stem}.py"):
            if (PROJECT / name).is_file():
                names.append(name)
        stem += "/"
    return names


def loaded_files() -> list[str]:
    """Files of the project that are imported by now, however that came about, if they decide."""
    as_started = Path(__file__).absolute().parent.parent  # may be a link
    packages = f"{sys.prefix}{os.sep}"  # may lie in the project's folder
    names = []
    for root in (f"{PROJECT}{os.sep}", f"{as_started}{os.sep}"):
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None) or ""
            is_package = path.startswith(packages) and not root.startswith(packages)
            if path.startswith(root) and not is_package:
                names.append(path.removeprefix(root))
    return [name for name in names if not name.startswith(DECIDE_NOTHING)]


# --- one file --------------------------------------------------------------------------------


@functools.cache  # a file is read once: all that is said of it is about the same bytes
def read_module(name: str) -> Module:
    """Read a file of the project; empty where there is none. SyntaxError if it is no Python."""
    try:
        code = (PROJECT / name).read_bytes()
    except (OSError, ValueError):  # ValueError: a damaged checkpoint names what no file can have
        return Module("", "", [])
    if not name.endswith(".py"):
        return Module(digest_of(code), digest_of(code), [])
    return parse_module(code, name)


def is_changed(name: str) -> bool:
    """Whether a file means something else by now than when it was read."""
    module = read_module(name)
    if file_digest(PROJECT / name) == module.bytes_digest:
        return False
    return read_module.__wrapped__(name).meaning != module.meaning


def parse_module(code: bytes, name: str) -> Module:
    """Understand a module's code, whose file's name tells its package."""
    if b"\0" in code:  # of these Python does not tell where
        raise InputError(f"{PROJECT / name} holds zero bytes; save it as UTF-8")
    tree = ast.parse(code, filename=PROJECT / name)
    imports: list[str] = []
    for node in [tree, *statements_in(tree)]:
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        elif isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports += names_of(node, package=Path(name).parent.parts)
    return Module(digest_of(code), digest_of(ast.dump(tree).encode()), imports)


def statements_in(node: ast.AST) -> Iterator[ast.AST]:
    """All statements in a module or a statement, however deep: a sixth of what ast.walk gives."""
    for part in ("body", "orelse", "handlers", "finalbody", "cases"):
        for statement in getattr(node, part, []):
            yield statement
            yield from statements_in(statement)


def names_of(node: ast.ImportFrom, package: tuple[str, ...]) -> list[str]:
    """Dotted names of what `from … import …` may import: the module, and modules in it."""
    parts: list[str] = []
    if node.level:  # of dots: one is the package, two the one above it
        parts += package[: len(package) - node.level + 1]
    if node.module:
        parts.append(node.module)
    module = ".".join(parts)
    names = [module]
    for alias in node.names:
        names.append(f"{module}.{alias.name}".removeprefix("."))
    return names
