"""How time and memory grow: with the runs of a sweep, with the images of a folder, with their size.

    python benchmarks/growth.py --data FOLDER [--counts 1000 10000 100000] [--sizes 32 64 128]
                                              [--runs 30 120 480] [--settings 1 1000 4000]

Runs are copies of one small training, each with another learning rate or seed in its record: as
many settings of one seed, then an eighth of them with eight seeds. my_script.py plans them
(--dry_run), does a line whose work is done, draws and reports on all (--collect), and finds
nothing to do. Settings of which nothing is done are planned too; their time has that of a trial
training in it, 3 s or so. These times are processor seconds, user and system.

Folders of any size are made by linking FOLDER's images again and again under other names. Each
is read once, scanned again, and trained on by train.py: one training, then two at once, each on
one thread.
Memory is the highest seen while a program runs: its own (anonymous) pages, which add up over
programs, beside pages of the decoded images, which all programs share and the system may drop.
"""

import argparse
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from measure import (
    PROJECT,
    environment,
    image_files,
    parse,
    parser,
    print_machine,
    smoke_images,
    train_command,
)

from records.files import read_record, write_record

READ = """
import sys, time
from dataset import load_data
started = time.perf_counter()
load_data(sys.argv[1], int(sys.argv[2]))
read = time.perf_counter()
load_data(sys.argv[1], int(sys.argv[2]))
print(read - started, time.perf_counter() - read)
"""
ROW = "{:>8} {:>6} {:>10} {:>10} {:>10} {:>12} {:>14} {:>14}"
RUNS_ROW = "{:>8} {:>6} {:>10} {:>10} {:>10} {:>14} {:>14}"
SEEDS = (1, 8)  # of each setting
TRAINED = "Change_seed/0"  # the run of which the others are copies
SETTINGS = {  # of my_script.py: what is to be found there, what takes its place
    r"BASE_SEEDS = 6": "BASE_SEEDS = 1",
    r"STUDIES = {.*?\n}": 'STUDIES = {"Change_learning_rate": [0.01]}',
}


def repeat(paths: list[str], count: int, root: Path) -> None:
    """Two class folders of `count` links to copies of the given images."""
    copies = []
    for number, path in enumerate(paths):
        copy = root.with_name(f"{number}{Path(path).suffix}")
        shutil.copy(path, copy)
        copies.append(copy)
    for number in range(count):
        folder = root / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        source = copies[number % len(copies)]
        os.link(source, folder / f"{number}{source.suffix}")


def private_memory(process: subprocess.Popen) -> float:
    """A program's own pages now, MB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    for line in lines:
        if line.startswith("RssAnon"):
            kilobytes = line.split()[1]
            return int(kilobytes) / 1024
    return 0.0


class Ran(NamedTuple):
    """Of programs that ran side by side: what the first printed, the highest memory of each."""

    printed: str
    megabytes: list[float]


def run(commands: list[list[str]], cache: Path) -> Ran:
    """Run programs side by side."""
    variables = environment(1)
    variables["XDG_CACHE_HOME"] = str(cache)
    running = []
    for command in commands:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
    highest = [0.0] * len(running)
    while any(process.poll() is None for process in running):
        for number, process in enumerate(running):
            highest[number] = max(highest[number], private_memory(process))
        time.sleep(0.02)
    printed = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("a program failed")
    return Ran(printed[0], highest)


def print_case(images: Path, count: int, image_size: int) -> None:
    """Read and train on one folder at one size, and print a line."""
    cache = images.with_name("cache")
    read_command = [sys.executable, "-c", READ, str(images), str(image_size)]
    reading = run([read_command], cache)
    read_seconds, scan_seconds = map(float, reading.printed.split())
    options = argparse.Namespace(data=images, image_size=image_size, epochs=2)
    first, second = images.with_name("out_0"), images.with_name("out_1")
    trainings = [train_command(options, out, "--fresh") for out in (first, second)]
    one = run(trainings[:1], cache)
    record = read_record(first / "train.json")
    two = run(trainings, cache)
    epoch_seconds = record["seconds"] / options.epochs / record["train_images"]
    row = ROW.format(
        count,
        image_size,
        f"{1000 * read_seconds / count:.2f} ms",
        f"{1000 * scan_seconds / count:.3f} ms",
        f"{sum(reading.megabytes):.0f} MB",
        f"{1000 * epoch_seconds:.3f} ms",
        f"{sum(one.megabytes):.0f} MB",
        f"{sum(two.megabytes):.0f} MB",
    )
    print(row, flush=True)


# --- runs ------------------------------------------------------------------------------------


def make_project(folder: Path) -> Path:
    """A copy of the project with one small training, asked for by two runs."""
    left_out = shutil.ignore_patterns("result", "weights", "data", ".*", "__pycache__", "tests")
    shutil.copytree(PROJECT, folder, ignore=left_out)
    shutil.copytree(smoke_images(), folder / "data")
    script, text = folder / "my_script.py", (folder / "my_script.py").read_text()
    for old, new in SETTINGS.items():
        text = re.sub(old, new, text, count=1, flags=re.DOTALL)
    script.write_text(text)
    processor_seconds(folder)
    return folder


def ask_for(project: Path, settings: int) -> list[float]:
    """Have the project's studies ask for so many settings; their learning rates."""
    rates = [round(0.01 + number * 1e-6, 6) for number in range(settings)]
    script = project / "my_script.py"
    listed = f'"Change_learning_rate": {rates}'
    script.write_text(re.sub(r'"Change_learning_rate": \[.*?\]', listed, script.read_text()))
    return rates


def copy_runs(project: Path, count: int, seeds: int) -> None:
    """Bring the project to so many finished runs, with no picture of them."""
    rates = ask_for(project, count // seeds - 1)
    for seed in range(seeds):
        copy_run(project, f"Change_seed/{seed}", {"seed": seed})
        for rate in rates:
            name = f"Change_learning_rate/{rate}".replace(".", "_")
            if seeds > 1:
                name += f"/seed_{seed}"
            copy_run(project, name, {"learning_rate": rate, "seed": seed})
    for picture in project.glob("result/**/*.png"):
        picture.unlink()


def copy_run(project: Path, name: str, settings: dict) -> None:
    """Copy the one training to where another run belongs, as if it had been trained so."""
    if name != TRAINED:
        for room in ("result", "weights"):
            shutil.copytree(project / room / TRAINED, project / room / name, dirs_exist_ok=True)
    record_path = project / "result" / name / "train.json"
    record = read_record(record_path)
    record["identity"] |= settings
    write_record(record_path, record)


def processor_seconds(project: Path, *arguments: str) -> float:
    """Processor time of my_script.py with its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "my_script.py", *arguments]
    ended = subprocess.run(command, cwd=project, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"my_script.py failed:\n{ended.stdout}{ended.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def line_of_first(project: Path, *options: str) -> list[str]:
    """The arguments that do the first line of the plan."""
    command = [sys.executable, "my_script.py", "--fresh", "--dry_run", *options]
    printed = subprocess.run(command, cwd=project, capture_output=True, text=True).stdout
    words = shlex.split(printed.splitlines()[0])[2:]
    return [word for word in words if word != "--fresh"]


def print_runs(project: Path, count: int, seeds: int) -> None:
    """Time what my_script.py does with so many finished runs, and print a line."""
    copy_runs(project, count, seeds)
    options = ["--seeds", str(seeds)]
    collect = ["--collect", *options]
    calls = (["--dry_run", *options], line_of_first(project, *options), collect, collect, options)
    seconds = [f"{processor_seconds(project, *call):.1f} s" for call in calls]
    print(RUNS_ROW.format(count, seeds, *seconds), flush=True)


def print_growth_of_runs(runs: list[int], settings: list[int]) -> None:
    """Time sweeps of so many finished runs, and plans of so many settings."""
    print("\nprocessor seconds of my_script.py with finished runs")
    columns = ("to plan", "a line", "to report", "again", "nothing to do")
    print(RUNS_ROW.format("runs", "seeds", *columns))
    with TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        trained = make_project(Path(folder, "project"))
        for seeds in SEEDS:
            for count in runs:
                project = Path(folder, f"{count}_{seeds}")
                shutil.copytree(trained, project)
                print_runs(project, count, seeds)
                shutil.rmtree(project)
        print("\nprocessor seconds to plan settings of which nothing is done")
        for count in settings:
            ask_for(trained, count)
            out = ["--out", str(Path(folder, "nothing"))]
            print(f"{count:>8} {processor_seconds(trained, '--dry_run', *out):.1f} s", flush=True)


def print_growth_of_images(options: argparse.Namespace) -> None:
    """Read, scan and train on folders of so many images, the middle one at every size."""
    counts, sizes = options.counts, options.sizes
    print("\ntimes are for one image: to read it; an epoch's (with validation), by training images")
    columns = ("to read", "to scan", "memory", "to train", "one training", "two")
    print(ROW.format("images", "pixels", *columns))
    paths = image_files(options.data)
    cases = [(count, sizes[0]) for count in counts]
    cases += [(counts[len(counts) // 2], size) for size in sizes[1:]]
    for count, image_size in cases:
        with TemporaryDirectory() as folder:
            repeat(paths[: counts[0]], count, Path(folder, "images"))
            print_case(Path(folder, "images"), count, image_size)


def main() -> None:
    options_parser = parser(__doc__)
    options_parser.add_argument("--counts", type=int, nargs="*", default=[1000, 10000, 100000])
    options_parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128])
    options_parser.add_argument("--runs", type=int, nargs="*", default=[30, 120, 480])
    options_parser.add_argument("--settings", type=int, nargs="*", default=[1, 1000, 4000])
    options = parse(options_parser, counts=[20], sizes=[32], runs=[16], settings=[2])
    print_machine()
    if options.runs or options.settings:
        print_growth_of_runs(options.runs, options.settings)
    if options.counts:
        print_growth_of_images(options)


if __name__ == "__main__":
    main()
