"""What a training would lose when it goes on, read in the code before anything is trained.

    refuse_lost_values([Path("train.py"), Path("model.py")])

A checkpoint holds the state. So what lasts longer than an epoch must stand there: not in a variable
beside the loop over epochs, and not in one of a module.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from console.errors import InputError

Loop = ast.For | ast.While


def refuse_lost_values(files: Iterable[Path]) -> None:
    """InputError with file and line where a value would be lost; of train.py its loop, too."""
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Global):
                what = f"global {', '.join(node.names)}"
                refuse(file, node, what, f"write state.{node.names[0]}, set in prepare of train.py")
            if isinstance(node, ast.FunctionDef) and file.name == "train.py":
                for loop in loops_over_epochs(node):
                    refuse_values_beside(file, node, loop)
                    refuse_break(file, loop)
                    refuse_after_checkpoint(file, loop)


def refuse(file: Path, node: ast.stmt | ast.expr, what: str, remedy: str) -> NoReturn:
    """InputError that names the line."""
    why = "a training that goes on would not have it"
    raise InputError(f"{file}, line {node.lineno}: {what}; {why}: {remedy}")


def loops_over_epochs(function: ast.FunctionDef) -> Iterator[Loop]:
    """The loops of a function that train epochs, or write their checkpoints."""
    for node in ast.walk(function):
        if isinstance(node, Loop):
            code = ast.unparse(node)
            if "train_epoch(" in code or "write_checkpoint(" in code:
                yield node


def refuse_values_beside(file: Path, function: ast.FunctionDef, loop: Loop) -> None:
    """Refuse a variable that is set before a loop over epochs and set again in it."""
    before = {variable.id for variable in variables_set(function) if variable.lineno < loop.lineno}
    for variable in variables_set(loop):
        if variable.lineno > loop.lineno and variable.id in before - {"state"}:
            what = f"{variable.id} is set before the loop over epochs and again in it"
            refuse(file, variable, what, f"write state.{variable.id}, set in prepare")


def variables_set(node: ast.AST) -> Iterator[ast.Name]:
    """The variables that statements set, also at a place in them: best, best["loss"]."""
    for part in ast.walk(node):
        if isinstance(getattr(part, "ctx", None), ast.Store):
            variable = part.value if isinstance(part, ast.Subscript) else part
            if isinstance(variable, ast.Name):
                yield variable


def refuse_break(file: Path, loop: Loop) -> None:
    """Refuse to leave a loop over epochs in its midst."""
    inner = [node for node in ast.walk(loop) if isinstance(node, Loop) and node is not loop]
    of_inner = {node for other in inner for node in ast.walk(other)}
    for node in ast.walk(loop):
        if isinstance(node, ast.Break) and node not in of_inner:
            refuse(file, node, "break leaves the loop over epochs", "write it in has_ended")


def refuse_after_checkpoint(file: Path, loop: Loop) -> None:
    """Refuse what changes the state in an epoch whose checkpoint is written already."""
    is_written = False
    for statement in loop.body:
        if is_written:
            for node in filter(is_change_of_state, ast.walk(statement)):
                what = f"{ast.unparse(node)} stands after write_checkpoint"
                refuse(file, statement, what, "put it at the end of train_epoch")
        is_written = is_written or "write_checkpoint(" in ast.unparse(statement)


def is_change_of_state(node: ast.AST) -> bool:
    """Whether a part of a statement sets something in the state, or calls what stands there."""
    is_set = isinstance(getattr(node, "ctx", None), ast.Store)
    is_call = isinstance(node, ast.Call)
    return (is_set or is_call) and ast.unparse(node).startswith("state.")
