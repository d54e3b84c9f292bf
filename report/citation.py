"""What a text needs to say about these trainings: date, command, program, data, versions.

cited = citation(results, rows, data)
"""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from dataset import Data
from records.sources import PROJECT
from report.grids import is_grid
from report.results import Result
from report.summary import SummaryRow
from studies.words import counted


class Citation(NamedTuple):
    """What a text needs to say about these trainings, as texts and numbers.

    `commit` is empty where there is none. `settings` counts those besides the base, of which
    some change several values if there `has_grid`.
    """

    finished: str
    command: str
    commit: str
    images: str
    counts: list[str]
    classes: list[str]
    versions: str
    parameters: str
    settings: int
    has_grid: bool
    base_seeds: int
    seeds: str


def citation(results: list[Result], rows: list[SummaryRow], data: Data) -> Citation:
    """Date, command, program, data and versions, for a text; `rows` begin with the base."""
    train = results[0].train
    identity = train["identity"]
    packages = [f"{name} {identity[name + ' version']}" for name in ("torch", "numpy")]
    program = Path(sys.argv[0])
    side = data.images.shape[1]
    others = rows[1:]
    return Citation(
        finished=max(result.test["finished"] for result in results),
        command=shlex.join(["python", program.name, *sys.argv[1:]]),
        commit=commit_of(PROJECT),
        images=f"{Path(data.source).name}, {side} × {side} pixels",
        counts=[f"{len(indices):,} {part}" for part, indices in data.splits.items()],
        classes=list(data.classes),
        versions=f"Python {sys.version.split()[0]}, {', '.join(packages)}",
        parameters=f"{parameters_of(train['network']):,}",
        settings=len(others),
        has_grid=any(is_grid([row.setting]) for row in others),
        base_seeds=len(rows[0].setting.results),
        seeds=from_to([len(row.setting.results) for row in others or rows]),
    )


def parameters_of(network: list[dict[str, Any]]) -> int:
    """How many parameters the layers of a network have together."""
    return sum(layer["parameters"] for layer in network)


def from_to(seeds: list[int]) -> str:
    """The least and the greatest number of seeds: 6 seeds; or 1 to 6 seeds."""
    least, greatest = min(seeds), max(seeds)
    if least == greatest:
        return counted(least, "seed")
    return f"{least} to {greatest} seeds"


def commit_of(folder: Path) -> str:
    """The commit of a folder, and whether files differ from it; empty without one."""
    if not (folder / ".git").exists():
        return ""
    commit = git(folder, "rev-parse", "--short=12", "HEAD")
    changes = git(folder, "status", "--porcelain", "--untracked-files=no")
    if commit and changes:
        return f"{commit} with changes"
    return commit


def git(folder: Path, *arguments: str) -> str:
    """What git prints; empty if it fails or is not there."""
    command = ["git", *arguments]
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""
