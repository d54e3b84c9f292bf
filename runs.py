"""What a run is on disk: its files and their names, its record, whole-or-nothing writes.

    from runs import replacing
    with replacing(Path("result/acc.txt")) as temporary:
        temporary.write_text("Test accuracy: 75.0000%\\n")

Every program of the project writes its files through `replacing` and reports bad input by
raising `InputError`, which `run_program` turns into one line and exit status 2.
"""

import contextlib
import csv
import errno
import functools
import hashlib
import importlib.metadata
import io
import json
import math
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
TRAIN_SOURCES = (
    *("model.py", "losses.py", "dataset.py"),
    *("batches.py", "processes.py", "train.py"),
)
TEST_SOURCES = ("model.py", "dataset.py", "batches.py", "test.py")
HISTORY_COLUMNS = ("epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
TEST_FILES = ("acc.txt", "predictions.csv", "confusion_matrix.png")
RUN_FILES = (  # in the order of copying: curves after what they show, records last
    *("history.csv", "Training_accuracy.png", "Loss_curve.png", "log.txt"),
    *TEST_FILES,
    *("test.json", "train.json"),
)
NOT_TRAINED = "not trained yet"
INTERRUPTED = "history.csv is missing or that of another training"
UNFINISHED = ".unfinished"  # ending of temporary files
STALE_SECONDS = 600  # no write takes this long: an older temporary file was left by a kill
# Set for every child: two trainings of several threads each would wait for one another.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
STDIN_IS_PARENT = "CNN_STDIN_IS_PARENT"  # set for children: end when standard input closes


class InputError(Exception):
    """Bad input or surroundings; the message says what is wrong, where, and what to do."""


class RunError(Exception):
    """A run that failed for no fault of its input; the message says why and what to do."""


def run_program(main: Callable[[], int]) -> None:
    """Run a program's `main` and exit with its status.

    2 after one line on bad input, 1 after one line on a failed run, 130 on Ctrl-C.
    """
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files may hold any bytes
    if os.environ.get(STDIN_IS_PARENT):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        status = main()
        sys.stdout.flush()
    except InputError as error:
        status = _complain(str(error), 2)
    except RunError as error:
        status = _complain(str(error), 1)
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as error:
        status = _complain(describe_os_error(error), 2)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nstopped; the same command (without --fresh) goes on from here", file=sys.stderr)
        status = 130
    sys.exit(status)


def _complain(message: str, status: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return status


def _end_with_parent() -> None:
    """Wait until the parent's end of the pipe on standard input closes, then end at once."""
    while os.read(0, 1):
        pass
    os._exit(1)


def describe_os_error(error: OSError) -> str:
    """Say in one line what the system refused, where, and what to do."""
    where = f": {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            remedy = "free some space and run the same command again"
        case errno.EFBIG:
            remedy = "raise the file size limit and run the same command again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            remedy = "change its permissions or name another place"
        case errno.EISDIR:
            remedy = "a file belongs there; move the folder away or name another place"
        case errno.ENOTDIR | errno.EEXIST:
            remedy = "a folder belongs there; move the file away or name another place"
        case _:
            remedy = "check the path and the disk"
    return f"{(error.strerror or str(error)).lower()}{where}; {remedy}"


# --- writing and reading ---------------------------------------------------------------------


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write; it becomes `path` if the block ends well.

    A kill at any moment leaves the old file or the new one. Two writers do not meet: each has
    its own temporary file. OSError (with `path` in it) if the place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}{UNFINISHED}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # else a power cut could leave the name without the bytes
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all; bytes of names that are no text are escaped."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: Path, record: dict) -> None:
    """Write a record, whole or not at all."""
    write_text(path, json.dumps(record, indent=1) + "\n")


def read_json(path: Path) -> dict:
    """Read a record; empty if there is none or it cannot be understood."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def remove_stale_temporaries(folder: Path) -> None:
    """Remove what killed writers left in a folder."""
    for temporary in folder.glob(f".*{UNFINISHED}"):
        with contextlib.suppress(OSError):
            if time.time() - temporary.stat().st_mtime > STALE_SECONDS:
                temporary.unlink()


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def checkpoint_path(weight: Path) -> Path:
    """The checkpoint that belongs to a weight file."""
    return weight.with_name(f"{weight.stem}_checkpoint.pth")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table, whole or not at all; floats keep all their digits."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    write_text(path, text.getvalue())


def is_finite(row: list[float]) -> bool:
    """Whether an epoch's losses are numbers: else the training has diverged."""
    return math.isfinite(row[1]) and math.isfinite(row[2])


def kept_epoch(history: list[list[float]]) -> int:
    """The epoch with the lowest validation loss; 0, the initial weights, if none is finite."""
    finite = [row for row in history if is_finite(row)]
    return int(min(finite, key=itemgetter(2))[0]) if finite else 0


def read_history(folder: Path) -> list[list[float]]:
    """Read a run's history.csv: one row of HISTORY_COLUMNS for each epoch."""
    lines = (folder / "history.csv").read_text(encoding="utf-8").splitlines()[1:]
    return [[float(value) for value in line.split(",")] for line in lines]


# --- what decides a result -------------------------------------------------------------------


def identity(
    settings: dict, images: str, device: str, threads: int, precision: str, processes: int = 1
) -> dict:
    """All that decides the result of a training, as plain values that can be compared.

    `settings` holds learning_rate, batch_size, loss_function, seed and epochs; `images` is
    the digest of the decoded images with their classes and splits.
    """
    return {
        **settings,
        "images": images,
        "device": device,
        "threads": threads,
        "processes": processes,
        "precision": precision,
        **program_identity(),
    }


@functools.cache
def program_identity() -> dict:
    """Versions of torch and numpy, and digests of the sources that decide a training."""
    versions = {f"{name} version": importlib.metadata.version(name) for name in ("torch", "numpy")}
    return {**versions, **{name: file_digest(PROJECT / name) for name in TRAIN_SOURCES}}


def machine() -> str:
    """Name the machine: processor, cores, system, Python."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    return (
        f"{processor}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def what_changed(old: dict, new: dict, ignore: tuple[str, ...] = ()) -> str:
    """Say in a few words in what two identities differ; empty if in nothing that counts."""
    changes = []
    for key in new:
        if key in ignore or old.get(key) == new[key]:
            continue
        if key.endswith(".py") or key == "images":
            changes.append(f"{key} changed since this run")
        else:
            changes.append(f"{key} was {old.get(key)}, is {new[key]}")
    return ", ".join(changes)


def why_not_trained(result: Path, weight: Path, wanted: dict) -> str:
    """Say why a folder holds no finished training with this identity; empty if it does."""
    record = read_json(result / "train.json")
    if not record:
        return NOT_TRAINED
    changed = what_changed(record.get("identity", {}), wanted)
    if changed:
        return changed
    if file_digest(weight) != record.get("weight_sha256"):
        return f"{weight.name} is missing or changed since this run"
    if file_digest(result / "history.csv") != record.get("history_sha256"):
        return INTERRUPTED
    return ""


def count_epochs(result: Path) -> int:
    """How many epochs the history in a folder holds; 0 if there is none."""
    try:
        return len(read_history(result))
    except (OSError, ValueError):
        return 0


def test_identity(weight: Path, images: str) -> dict:
    """All that decides the result of a test."""
    return {
        "weight.pth": file_digest(weight),
        "images": images,
        **{name: file_digest(PROJECT / name) for name in TEST_SOURCES},
    }


def why_not_tested(result: Path, weight: Path, images: str) -> str:
    """Say why a folder holds no finished test of these weights; empty if it does."""
    record = read_json(result / "test.json")
    if not record:
        return "not tested yet"
    changed = what_changed(record.get("identity", {}), test_identity(weight, images))
    if changed:
        return changed
    missing = [name for name in TEST_FILES if not (result / name).is_file()]
    return f"{missing[0]} is missing" if missing else ""
