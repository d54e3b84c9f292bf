"""The whole sweep beside the report's way, and beside another checkout of the project.

    python benchmarks/whole_sweep.py --data FOLDER [--image_size 32] [--before FOLDER] [--rounds 1]

FOLDER has train/ and test/. my_script.py is run for real, as it is, from nothing but decoded
images, with sharing and all its processes. The ways take turns.

The report's way, one training for each setting of the studies, would take half an hour or more:
one epoch of each batch size is timed on a quarter of the images, three times, and multiplied by
4 and by the epochs that the studies and the base's seeds ask for; its tests and start-ups count
as nothing.
"""

import sys
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import tutorial
from measure import (
    PROJECT,
    in_turn,
    parse,
    parser,
    print_machine,
    print_ratios,
    run_program,
    timed,
)

from dataset import load_data
from my_script import BASE, BASE_SEEDS, STUDIES

EVERY, TIMES = 4, 3  # the report's way is timed on one image in four, three times


def settings_of_all() -> list[dict]:
    """The settings of every training in the report's way: the base's other seeds, the studies."""
    settings = [BASE] * (BASE_SEEDS - 1)  # the studies hold the base with the first seed
    for study, values in STUDIES.items():
        name = study.removeprefix("Change_")
        settings += [{**BASE, name: value} for value in values]
    return settings


def report_seconds(options: Namespace) -> float:
    """Seconds of all trainings in the report's way, from epochs on a share of the images."""
    data, settings = load_data(options.data, options.image_size), settings_of_all()
    ways = {}
    for size in {run["batch_size"] for run in settings}:
        ways[size] = timed(tutorial.epoch_of(data, (8, 24, 48), size, EVERY))
    in_turn(ways, 1)  # warms up
    seconds = in_turn(ways, TIMES)
    return EVERY * sum(run["epochs"] * seconds[run["batch_size"]] for run in settings)


def run_script(project: Path, options: Namespace, *more: str) -> str:
    """Run a checkout's my_script.py in an empty folder; what it wrote to standard error."""
    with TemporaryDirectory() as out:
        command = [sys.executable, str(project / "my_script.py"), "--out", out, *more]
        command += ["--data", options.data, "--image_size", str(options.image_size)]
        return run_program(command).stderr


def plan_of(project: Path, options: Namespace) -> str:
    """What a checkout's my_script.py is going to do. Asking it also fills its cache of images."""
    return run_script(project, options, "--dry_run").strip().split("\n")[-1]


def main() -> None:
    options_parser = parser(__doc__, image_size=32, rounds=1)
    options_parser.add_argument("--before", type=Path, help="another checkout of the project")
    options = parse(options_parser)
    print_machine()
    epochs = [run["epochs"] for run in settings_of_all()]
    print(f"the report's way: {len(epochs)} trainings, {sum(epochs)} epochs")
    projects = {"my_script.py": PROJECT}
    if options.before:
        projects = {"my_script.py of --before": options.before.resolve(), **projects}
    for name, project in projects.items():
        print(f"{name}: {plan_of(project, options)}")
    ways: dict[str, Callable[[], float]] = {
        f"report's way, {torch.get_num_threads()} threads": partial(report_seconds, options)
    }
    for name, project in projects.items():
        ways[name] = timed(partial(run_script, project, options))
    title = "the whole sweep; the report's way by extrapolation"
    print_ratios(title, in_turn(ways, options.rounds))


if __name__ == "__main__":
    main()
