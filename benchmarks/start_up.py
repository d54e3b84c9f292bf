"""Fixed costs: train.py and test.py on tiny data beside a bare `import torch`.

    python benchmarks/start_up.py [--rounds 5]

What train.py and test.py take beyond the import is start, one epoch on 64 images, pictures
and exit, on a warm cache.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import PROJECT, alternate, print_machine, print_ratios


def draw_folder(root: Path) -> None:
    """A small folder of the program's own drawn images."""
    import numpy as np
    import shapes
    from PIL import Image

    random = np.random.default_rng(0)
    for part in ("train", "test"):
        for target, name in enumerate(shapes.CLASSES):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(40):
                Image.fromarray(shapes.draw(target, random)).save(folder / f"{number}.png")


PHASES = """
import sys, time
started = time.perf_counter()
import torch
imported = time.perf_counter()
sys.path.insert(0, {project!r})
import train
times = {{}}
whole, sys.argv[0] = train.train, "train.py"
def timed(*arguments):
    times["first"] = time.perf_counter()
    whole(*arguments)
    times["last"] = time.perf_counter()
train.train = timed
train.main()
ended = time.perf_counter()
print(imported - started, times["first"] - imported, ended - times["last"])
"""


def print_phases(arguments: list[str], rounds: int) -> None:
    """Print medians of what stands before the first epoch and after the last."""
    code = PHASES.format(project=str(PROJECT))
    found = []
    for _ in range(rounds):
        command = [sys.executable, "-c", code, *arguments]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append([float(word) for word in answer.stdout.splitlines()[-1].split()])
    imported, before, after = map(statistics.median, zip(*found, strict=True))
    print(f"  of train.py: import torch {imported:.2f} s, then to the first epoch {before:.2f} s, ")
    print(f"  and after the last (weights, curves, record) {after:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw_folder(root / "images")
        places = ["--weight_path", str(root / "w.pth"), "--img_path", str(root / "r")]
        train = [str(PROJECT / "train.py"), "--data", str(root / "images"), "--image_size", "32"]
        train += ["--epochs", "1", "--fresh", *places]
        ways = {
            "train.py": train,
            "test.py": [str(PROJECT / "test.py"), *places],
            "import torch": ["-c", "import torch"],
        }

        def start(arguments: list[str]) -> None:
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

        medians = alternate(
            {name: lambda own=own: start(own) for name, own in ways.items()}, rounds
        )
        print_phases(train[1:], rounds)
    print_ratios("from start to exit", medians)
    for name in ("train.py", "test.py"):
        print(f"  {name} beyond import torch: {medians[name] - medians['import torch']:.2f} s")


if __name__ == "__main__":
    main()
