"""Made-up runs for tests of the report: results, settings, and the answer they give."""

import zlib
from pathlib import Path

import numpy as np

from records.files import write_csv, write_record, write_text
from records.finished import (
    ACCURACIES,
    PREDICTION_COLUMNS,
    PREDICTIONS,
    TEST_RECORD,
    TRAIN_RECORD,
    accuracies_text,
)
from records.runs import HISTORY, HISTORY_COLUMNS, Epoch, kept_epoch
from report.answer import Answer, make_answer
from report.results import Result, Setting, settings_of, studies_of
from report.rules import Chance
from studies import store
from studies.settings import BASE_STUDY, runs_of


def curve(*first: float, then: float, epochs: int = 20) -> list[float]:
    """Losses of so many epochs: the first ones, and then always the same."""
    losses = list(first)
    losses += [then] * (epochs - len(first))
    return losses


NOWHERE = Path("/dev/null/out")  # nothing can be written there
CURVE = curve(0.7, 0.6, then=0.5)
CHANCE = Chance(0.5, 400, 0.5, 400)
BASE = {
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.01,
    "loss_function": "CrossEntropyLoss",
}
SIZES, RATES = [16, 32, 64], [0.001, 0.01, 0.1]
STUDIES = {
    "Change_epochs": [20, 80],
    "Change_batch_size": SIZES,
    "Change_learning_rate": RATES,
}
SIX = [0.741, 0.752, 0.748, 0.763, 0.757, 0.744]  # test accuracies of six seeds
DIVERGED = {"losses": [0.7, np.inf], "shift": -0.2}
IDENTITY = {
    "threads": 1,
    "device": "cpu",
    "torch version": "2",
    "numpy version": "2",
}
RECORD = {
    "train_images": 1000,
    "test_images": 10,
    "larger_class": 5,
    "finished": "today",
    "machine": "a machine",
    "command": ["python"],
    "seconds": 1.0,
    "weight_sha256": "",
    "predictions_sha256": "",
    "network": [{"name": "conv1", "text": "3, 8", "shape": [8, 16, 16], "parameters": 224}],
    "identity": IDENTITY,
    "notes": [],
}


def made(
    run, accuracy=0.75, losses=CURVE, train=0.8, valid=0.75, last=None, mark="", out=NOWHERE
) -> Result:
    """A made-up result; its accuracies are the same in all epochs, or given for each.

    Its training losses, which nothing judges, are its own; those of one `mark` are the same.
    """
    epochs = len(losses)
    trains = np.broadcast_to(train, epochs).tolist()
    valids = np.broadcast_to(valid, epochs).tolist()
    history = []
    own = 1e-9 * zlib.crc32((mark or repr(run)).encode()) / 2**32
    for number, loss in enumerate(losses):
        train_loss = loss + own
        history.append(Epoch(number + 1, train_loss, loss, trains[number], valids[number]))
    kept = kept_epoch(history)
    diverged = not np.isfinite(losses[-1])
    record = RECORD | {"kept_epoch": kept, "diverged": diverged, "epochs": epochs}
    if last is None:
        last = accuracy
    folder = out / "result" / ("nowhere" if run is None else run.name)
    images = RECORD["test_images"]
    test = RECORD | {"correct": accuracy * images, "last_correct": last * images}
    return Result(run, folder, folder, record, test, history)


def write_run(out: Path, result: Result, identity: dict, tested: str = "") -> str:
    """Write a made-up result of 1,000 test images to the store; its name there.

    `tested` is the digest of the weights that were tested, if not those that are there.
    """
    name = store.name_of(identity)
    place = store.place_of(out, name)
    folder = place.result
    weight = write_text(place.weight, f"weights of {name}")
    history = write_csv(folder / HISTORY, HISTORY_COLUMNS, result.history)
    digests = {"weight_sha256": weight, "history_sha256": history}
    write_record(folder / TRAIN_RECORD, {**result.train, "identity": identity, **digests})
    correct = round(1000 * result.accuracy)
    right, wrong = ("0.png", "cat", "cat", "0.9"), ("1.png", "cat", "dog", "0.9")
    rows = [right] * correct + [wrong] * (1000 - correct)
    counts = {"test_images": 1000, "correct": correct, "last_correct": correct, "larger_class": 500}
    digests = {
        "acc_sha256": write_text(folder / ACCURACIES, accuracies_text(counts)),
        "predictions_sha256": write_csv(folder / PREDICTIONS, PREDICTION_COLUMNS, rows),
    }
    test = RECORD | {"identity": {"weight.pth": tested or weight}} | counts | digests
    write_record(folder / TEST_RECORD, test)
    return name


def make(
    changes={},  # noqa: B006
    base=SIX,
    seeds=3,
    studies=STUDIES,
) -> tuple[dict[str, list[Setting]], Answer]:
    """Made-up settings by study, and their answer.

    `changes` are arguments of made(), by value, or by (value, seed); of the base by "base" or
    "seed 3".
    """
    results = []
    for run in runs_of(studies, BASE, range(len(base)), range(seeds)):
        change = dict(change_of(run, changes))
        shift = change.pop("shift", 0.0)
        accuracy = base[run.settings["seed"]] + shift
        results.append(made(run, accuracy, **change))
    settings = settings_of(results)
    by_study = {of_study[0].study: of_study for of_study in studies_of(settings)}
    return by_study, make_answer(settings, CHANCE)


def change_of(run, changes) -> dict:
    """What is changed of a run, the closest first."""
    seed = run.settings["seed"]
    if run.study == BASE_STUDY:
        names = [f"seed {seed}", "base"]
    else:
        values = list(run.varied.values())
        names = [(value, seed) for value in values]
        names += values
    for name in names:
        if name in changes:
            return changes[name]
    return {}
