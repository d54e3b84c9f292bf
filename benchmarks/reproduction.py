"""The original's sentences beside ours: difference, interval and verdict, as in REPRODUCTION.md.

    python benchmarks/reproduction.py --out FOLDER [--seeds 6]

FOLDER holds finished runs of my_script.py with so many seeds or more. Nothing is trained. The
rules stand in REPRODUCTION.md.
"""

import argparse
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
from replicas import is_base, read_replicas

from report.comparison import Row, compare_with_base, pooled_noise, t_quantile
from report.results import Result
from report.rules import LOST, Chance, End, convergence, overfits, swing_of

EPOCHS, BATCH = "Change_epochs/", "Change_batch_size/"
RATE, LOSS = "Change_learning_rate/", "Change_loss_function/"
NUMBERS = [  # the original's test accuracies, percent
    ("20 epochs", "base", 74.8),
    ("40 epochs", f"{EPOCHS}40", 76.1),
    ("80 epochs", f"{EPOCHS}80", 77.6),
    ("learning rate 0.001", f"{RATE}0_001", 69.8),
    ("learning rate 0.01", "base", 73.6),
]
EARLY = 5  # epochs in which a loss falls "early"

Runs = dict[str, list[Result]]
Measure = Callable[[Result], float]


def test(result: Result) -> float:
    """Test accuracy of the kept weights."""
    return result.accuracy


def last(result: Result) -> float:
    """Test accuracy of the last epoch's weights."""
    return result.last_accuracy


def swing(result: Result) -> float:
    """Swing of the validation loss as a share of its mean, which makes losses comparable."""
    losses = result.history[:, 2]
    return swing_of(losses) / float(np.mean(losses))


def early(result: Result) -> float:
    """Training accuracy after the first epochs: the losses' common measure."""
    return float(result.history[EARLY - 1, 3])


# --- verdicts --------------------------------------------------------------------------------


def against(runs: Runs, reference: str, measure: Measure) -> dict[str, Row]:
    """Every setting held against one of them by the rule of the report, in any measure."""
    return compare_with_base(
        {name: [measure(result) for result in results] for name, results in runs.items()},
        reference,
    )


def verdict(rows: list[Row], sign: int) -> str:
    """Whether all differences have the claimed sign beyond noise, or one the other sign."""
    signs = [row.named * (1 if row.difference > 0 else -1) * sign for row in rows]
    if min(signs) > 0:
        return "confirmed"
    return "contradicted" if min(signs) < 0 else "not told apart"


def print_order(claim: str, runs: Runs, pairs: tuple, sign: int, measure: Measure) -> None:
    """A claim that settings lie above (sign 1) or below (-1) a reference."""
    reference, names = pairs
    rows = [against(runs, reference, measure)[name] for name in names]
    shown = [
        f"{100 * row.difference:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f})".replace(
            "-", "−"
        )
        for row in rows
    ]
    print(f"| {claim} | {'; '.join(shown)} | {verdict(rows, sign)} |")


def print_share(claim: str, truths: list[bool], words: str) -> None:
    """A claim about every run: confirmed if all are as claimed, contradicted if none is."""
    word = "confirmed" if all(truths) else "contradicted" if not any(truths) else "not with all"
    print(f"| {claim} | {words} | {word} ({sum(truths)} of {len(truths)} seeds) |")


def print_numbers(runs: Runs) -> None:
    """The original's accuracies: could its one run be one of ours, on other test images?"""
    noise = pooled_noise([[test(run) for run in results] for results in runs.values()]).noise
    for name, key, reported in NUMBERS:
        accuracies = [test(result) for result in runs[key]]
        mean, images = fmean(accuracies), runs[key][0].test["test_images"]
        sampling = 2 * mean * (1 - mean) / images
        error = math.sqrt(noise.variance * (1 + 1 / len(accuracies)) + sampling)
        half = 100 * t_quantile(0.05, noise.degrees) * error
        difference = reported - 100 * mean
        word = "compatible" if abs(difference) <= half else "not compatible"
        low, high = difference - half, difference + half
        shown = f"{100 * mean:.1f} %: {difference:+.1f} ({low:+.1f} to {high:+.1f})"
        print(f"| {name}: {reported} % | {shown.replace('-', '−')} | {word} |")


# --- the original's sentences ----------------------------------------------------------------


def print_epochs(runs: Runs) -> None:
    for number in ("40", "80"):
        results = runs[EPOCHS + number]
        rises = [100 * (run.history[-1, 2] / run.history[:, 2].min() - 1) for run in results]
        words = f"the loss ends {fmean(rises):.0f} % above its minimum"
        truths = [overfits(result) for result in results]
        print_share(f"{number} epochs overfit", truths, words)
    longer = ("base", [f"{EPOCHS}80"])
    print_order("80 epochs test better than 20 (kept)", runs, longer, 1, test)
    print_order("80 epochs test better than 20 (last epoch)", runs, longer, 1, last)


def print_batches(runs: Runs) -> None:
    largest = (f"{BATCH}16", [f"{BATCH}128"])
    print_order("batch 128 swings less than 16 (% of the loss)", runs, largest, -1, swing)
    print_order("batch 128 tests better than 16", runs, largest, 1, test)


def print_rates(runs: Runs) -> None:
    slow, fast = f"{RATE}0_001", f"{RATE}0_1"
    print_order("0.001 is too slow: below 0.01", runs, ("base", [slow]), -1, test)
    print_order("0.01 tests best (0.001; 0.1)", runs, ("base", [slow, fast]), -1, test)
    first = runs["base"][0].train
    images = round(first["train_images"] / 4)  # 20 % were held out of the training images
    chance = Chance(0.5, images, 0.5, runs["base"][0].test["test_images"])
    ends = [convergence(result, chance) for result in runs[fast]]
    words = ", ".join(f"{end.value} {count}×" for end, count in Counter(ends).items())
    bad = [end in (*LOST, End.UNSTABLE) for end in ends]
    print_share("0.1 oscillates and does not converge", bad, words)


def print_losses(runs: Runs) -> None:
    focal, l1, mse, smooth = (f"{LOSS}{name}Loss" for name in ("Focal", "L1", "MSE", "SmoothL1"))
    cross = "base"
    rest = (mse, [cross, focal, l1, smooth])
    print_order("MSELoss tests best (cross entropy; focal; L1; SmoothL1)", runs, rest, -1, test)
    rest = (cross, [focal, l1, mse, smooth])
    claim = f"cross entropy learns fastest (training, epoch {EARLY}; focal; L1; MSE; SmoothL1)"
    print_order(claim, runs, rest, -1, early)
    for claim, reference, name, sign in (
        ("focal loss swings less than cross entropy", cross, focal, -1),
        ("L1Loss swings more than cross entropy", cross, l1, 1),
        ("MSELoss swings more than cross entropy", cross, mse, 1),
        ("SmoothL1Loss swings less than L1Loss", l1, smooth, -1),
        ("SmoothL1Loss swings more than focal loss", focal, smooth, 1),
    ):
        print_order(f"{claim} (% of the loss)", runs, (reference, [name]), sign, swing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args()
    replicas = read_replicas(options.out)
    runs = {
        name: results[: options.seeds]
        for name, results in replicas.items()
        if name == "base" or not is_base(results, replicas["base"])
    }
    images = runs["base"][0].test["test_images"]
    print(f"{options.seeds} seeds from {runs['base'][0].run.settings['seed']} on, {images} images")
    print("\n| setting | test, kept | test, last epoch |\n|---|---|---|")
    for name, results in runs.items():
        columns = ([100 * measure(result) for result in results] for measure in (test, last))
        shown = (f"{np.mean(column):.1f} ± {np.std(column, ddof=1):.1f}" for column in columns)
        print(f"| {name} | {' | '.join(shown)} |")
    print("\n| the original | ours | verdict |\n|---|---|---|")
    print_numbers(runs)
    for print_claims in (print_epochs, print_batches, print_rates, print_losses):
        print_claims(runs)


if __name__ == "__main__":
    main()
