"""The report's findings beside ours, with verdicts by rules: the tables of REPRODUCTION.md.

    python benchmarks/reproduction.py --out FOLDER [--seeds 6] [--valid_images 2000]

FOLDER is the --out of a finished `my_script.py --seeds N`. Nothing is trained.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import measure  # noqa: F401 (puts the project on the path)
import numpy as np
from findings import Setting, convergence, overfits, swing_of
from plan import all_runs

from my_script import BASE, STUDIES
from report import Row, read_row

NUMBERS = [  # the report's test accuracies
    ("20 epochs", "Change_epochs/20", 74.8),
    ("40 epochs", "Change_epochs/40", 76.1),
    ("80 epochs", "Change_epochs/80", 77.6),
    ("learning rate 0.001", "Change_learning_rate/0_001", 69.8),
    ("learning rate 0.01", "Change_learning_rate/0_01", 73.6),
]
EARLY = 5  # epochs in which a loss falls "early"


def test(row: Row) -> float:
    """Test accuracy of the kept weights, percent."""
    return 100 * row.accuracy


def last(row: Row) -> float:
    """Test accuracy of the last epoch's weights, percent."""
    return 100 * row.result.last_accuracy


def swing(row: Row) -> float:
    """Swing of the validation loss in percent of its mean, which makes losses comparable."""
    losses = row.result.history[:, 2]
    return 100 * swing_of(losses) / float(np.mean(losses))


def early(row: Row) -> float:
    """Training accuracy after the first epochs, percent: the losses' common measure."""
    return 100 * row.at(EARLY, 3)


def is_overfit(row: Row) -> bool:
    return overfits(Setting("", 0, 0, [row.result]))


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def number_verdict(values: list[float], reported: float, images: int) -> str:
    """Whether the report's run could be one of ours, seen on other test images."""
    mean = float(np.mean(values))
    sampling = mean * (100 - mean) / images
    allowed = 2 * math.sqrt(np.var(values, ddof=1) + 2 * sampling)
    word = "confirmed" if abs(reported - mean) <= allowed else "contradicted"
    return (
        f"{word} (within {allowed:.1f})" if word == "confirmed" else f"{word} (not {allowed:.1f})"
    )


def direction_verdict(higher: list[float], lower: list[float]) -> str:
    """Whether every seed shows the claimed order."""
    signs = [a > b for a, b in zip(higher, lower, strict=True)]
    count = f"{sum(signs)} of {len(signs)} seeds"
    word = "confirmed" if all(signs) else "not confirmed" if any(signs) else "contradicted"
    return f"{word} ({count})"


def share_verdict(truths: list[bool]) -> str:
    """Whether every run is as claimed."""
    word = "confirmed" if all(truths) else "not confirmed" if any(truths) else "contradicted"
    return f"{word} ({sum(truths)} of {len(truths)} seeds)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--valid_images", type=int, default=2000)
    options = parser.parse_args()
    rows: dict[str, list[Row]] = {}
    for run in all_runs(STUDIES, BASE, options.out, options.seeds):
        row = read_row(run)
        rows.setdefault(f"{run.study}/{run.setting}", []).append(row)
    images = len(rows["Change_epochs/20"][0].result.right)
    print(f"{options.seeds} seeds, {images} test images\n")
    print_settings(rows)
    print("\n| the report | ours | verdict |\n|---|---|---|")
    for name, key, reported in NUMBERS:
        values = [test(row) for row in rows[key]]
        verdict = number_verdict(values, reported, images)
        print(f"| {name}: {reported} % | {spread(values)} % | {verdict} |")
    print_claims(rows, options.valid_images)


def print_settings(rows: dict[str, list[Row]]) -> None:
    print("| setting | test, kept | test, last epoch | kept epoch | train / valid, last epoch "
          "| swing, % of the loss |\n|---|---|---|---|---|---|")  # fmt: skip
    for key, own in rows.items():
        kept = sorted(row.result.kept_epoch for row in own)
        ends = [(row.at(len(row.result.history), 3), row.at(len(row.result.history), 4))
                for row in own]  # fmt: skip
        train, valid = np.mean(ends, axis=0)
        tests, ends_of = [test(row) for row in own], [last(row) for row in own]
        print(
            f"| {key} | {spread(tests)} | {spread(ends_of)} | {kept[0]} to {kept[-1]} "
            f"| {train:.2f} / {valid:.2f} | {spread([swing(row) for row in own])} |"
        )


def print_claims(rows: dict[str, list[Row]], valid_images: int) -> None:
    def values(key: str, measure_of: Callable[[Row], float]) -> list[float]:
        return [measure_of(row) for row in rows[key]]

    def compare(claim: str, higher: str, lower: str, measure_of: Callable[[Row], float]) -> None:
        high, low = values(higher, measure_of), values(lower, measure_of)
        verdict = direction_verdict(high, low)
        print(f"| {claim} | {spread(high)} against {spread(low)} | {verdict} |")

    def against_all(claim: str, best: str, study: str, measure_of: Callable) -> None:
        others = [key for key in rows if key.startswith(study) and key != f"{study}/{best}"]
        rest = np.max([values(key, measure_of) for key in others], axis=0).tolist()
        own = values(f"{study}/{best}", measure_of)
        print(f"| {claim} | {spread(own)}, best other {spread(rest)} "
              f"| {direction_verdict(own, rest)} |")  # fmt: skip

    epochs, rate, loss = "Change_epochs/", "Change_learning_rate/", "Change_loss_function/"
    for number in ("40", "80"):
        own = rows[epochs + number]
        rises = [100 * (row.result.history[-1, 2] / np.min(row.result.history[:, 2]) - 1)
                 for row in own]  # fmt: skip
        verdict = share_verdict([is_overfit(row) for row in own])
        ends = f"loss ends {spread(rises)} % above its minimum"
        print(f"| {number} epochs overfit | {ends} | {verdict} |")
    compare("80 epochs test better than 20 (kept)", epochs + "80", epochs + "20", test)
    compare("80 epochs test better than 20 (last epoch)", epochs + "80", epochs + "20", last)
    compare("batch 16 swings more than 128", "Change_batch_size/16", "Change_batch_size/128", swing)
    compare("batch 128 tests better than 16", "Change_batch_size/128", "Change_batch_size/16", test)
    compare("0.001 too slow: below 0.01", rate + "0_01", rate + "0_001", test)
    against_all("0.01 tests best", "0_01", "Change_learning_rate", test)
    states = [convergence(row.result, 0.5, valid_images) for row in rows[rate + "0_1"]]
    named = ", ".join(f"{state} {states.count(state)}×" for state in dict.fromkeys(states))
    bad = [state in ("diverged", "did not learn", "unstable") for state in states]
    print(f"| 0.1 does not converge | {named} | {share_verdict(bad)} |")
    against_all("MSELoss tests best", "MSELoss", "Change_loss_function", test)
    against_all(f"cross entropy learns fastest early (training accuracy, epoch {EARLY})",
                "CrossEntropyLoss", "Change_loss_function", early)  # fmt: skip
    cross = loss + "CrossEntropyLoss"
    compare("focal loss smoother than cross entropy", cross, loss + "FocalLoss", swing)
    compare("L1Loss less steady than cross entropy", loss + "L1Loss", cross, swing)
    compare("MSELoss less steady than cross entropy", loss + "MSELoss", cross, swing)
    compare("SmoothL1Loss steadier than L1Loss", loss + "L1Loss", loss + "SmoothL1Loss", swing)
    compare("SmoothL1Loss less steady than focal", loss + "SmoothL1Loss", loss + "FocalLoss", swing)


if __name__ == "__main__":
    main()
