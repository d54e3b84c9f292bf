"""The course report's sentences beside ours: difference, interval and verdict.

    python benchmarks/reproduction.py --data FOLDER [--image_size 32] --out REPLICAS
    python benchmarks/reproduction.py --data FOLDER [--image_size 32] --out REPLICAS --grids

Trains what is missing in REPLICAS with six seeds (ordinary runs of my_script.py, whose report draws
the maps of two settings at once), then prints the tables of REPRODUCTION.md, whose rules it
follows; with --grids those of two settings at once.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
from measure import parse, parser
from replicas import Key, Trainings, key, read_replicas, train_replicas

from my_script import STUDIES
from report.comparison import Comparison, compare_with_base, points
from report.curves import rise_of, swing_of
from report.distributions import t_quantile
from report.noise import noise_of_images, pooled_noise
from report.results import Result, correct_images
from report.rules import Chance, End, end_of, overfits
from report.words import difference_of, with_deviation

LOSSES = ["CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss"]
GRIDS: dict[str, dict[str, list]] = {  # as studies of two settings
    "Loss_function_by_learning_rate": {
        "loss_function": LOSSES,
        "learning_rate": [0.003, 0.01, 0.03],
    },
    "Batch_size_by_learning_rate": {
        "batch_size": [16, 32, 64, 128],
        "learning_rate": [0.005, 0.01, 0.02, 0.04],
    },
}
# The ends of the grid's diagonal, on which the rate grows as the batch does.
SMALLEST = {"batch_size": 16, "learning_rate": 0.005}
LARGEST = {"batch_size": 128, "learning_rate": 0.04}
SEEDS = 6
EARLY = 5  # epochs in which a loss falls "early"
WORDS = {1: "confirmed", -1: "contradicted", 0: "not told apart"}

Measure = Callable[[Result], float]


class Number(NamedTuple):
    """A test accuracy that the course report states, in percent."""

    name: str
    changed: dict
    accuracy: float


NUMBERS = [
    Number("20 epochs", {}, 74.8),
    Number("40 epochs", {"epochs": 40}, 76.1),
    Number("80 epochs", {"epochs": 80}, 77.6),
    Number("learning rate 0.001", {"learning_rate": 0.001}, 69.8),
    Number("learning rate 0.01", {}, 73.6),
]


# --- measures of one training ----------------------------------------------------------------


def test(result: Result) -> float:
    """Test accuracy of the kept weights."""
    return result.accuracy


def last(result: Result) -> float:
    """Test accuracy of the last epoch's weights."""
    return result.last_accuracy


def valid(result: Result) -> float:
    """Validation accuracy of the kept weights."""
    return result.valid_accuracy or 0.0


def swing(result: Result) -> float:
    """Swing of the validation loss as a share of its mean, which makes losses comparable."""
    losses = result.valid_losses
    return swing_of(losses) / float(losses.mean())


def early(result: Result) -> float:
    """Training accuracy after the first epochs: the losses' common measure."""
    return float(result.history[EARLY - 1].train_accuracy)


# --- verdicts --------------------------------------------------------------------------------


def samples_of(results: Trainings, measure: Measure) -> dict[Key, list[float]]:
    """A measure of every seed, by setting."""
    samples = {}
    for setting, seeds in results.items():
        samples[setting] = [measure(result) for result in seeds]
    return samples


def against(results: Trainings, reference: Key, measure: Measure) -> dict[Key, Comparison]:
    """Every setting held against one of them by the rule of the report, in any measure.

    That of test accuracy counts new test images, too: of the kept weights it is known which are
    right.
    """
    of_images = None
    if measure is test:
        of_images = {}
        base = correct_of(results[reference])
        for setting, seeds in results.items():
            of_images[setting] = noise_of_images(correct_of(seeds), base)
    return compare_with_base(samples_of(results, measure), reference, of_images=of_images)


def correct_of(seeds: list[Result]) -> np.ndarray:
    """Which test images each seed gets right, bool (seeds, images)."""
    return np.stack([correct_images(result.folder, result.digest) for result in seeds])


def direction(row: Comparison) -> int:
    """1 above the reference beyond noise, -1 below it, 0 if neither is known."""
    if not row.named:
        return 0
    if row.difference > 0:
        return 1
    return -1


def verdict(rows: list[Comparison], sign: int) -> str:
    """Whether all differences have the claimed sign beyond noise, or one the other sign."""
    directions = [direction(row) * sign for row in rows]
    if -1 in directions:
        return WORDS[-1]
    return WORDS[min(directions)]


class Claim(NamedTuple):
    """That settings lie above (sign 1) or below (sign -1) a reference in some measure."""

    words: str
    settings: list[Key]
    sign: int
    reference: Key
    measure: Measure = test


def print_claim(claim: Claim, results: Trainings) -> None:
    """A claim's row: the differences, and whether it holds."""
    rows_by_setting = against(results, claim.reference, claim.measure)
    rows = [rows_by_setting[setting] for setting in claim.settings]
    differences = "; ".join(difference_of(row) for row in rows)
    print(f"| {claim.words} | {differences} | {verdict(rows, claim.sign)} |")


def print_count(claim: str, words: str, truths: list[bool]) -> None:
    """A claim about every seed: confirmed if all are as claimed, contradicted if none is."""
    word = "not with all"
    if all(truths):
        word = "confirmed"
    elif not any(truths):
        word = "contradicted"
    print(f"| {claim} | {words} | {word} ({sum(truths)} of {len(truths)} seeds) |")


# --- the course report's sentences -----------------------------------------------------------


def print_numbers(results: Trainings) -> None:
    """Its accuracies: could its one run be one of ours, on other test images?"""
    noise = pooled_noise(samples_of(results, test).values()).noise
    for number in NUMBERS:
        seeds = results[key(**number.changed)]
        mean = mean_of(seeds, test)
        sampling = 2 * mean * (1 - mean) / seeds[0].test["test_images"]
        training = noise.variance * (1 + 1 / len(seeds))
        error = math.sqrt(training + sampling)
        half = t_quantile(0.05, noise.degrees) * error
        difference = number.accuracy / 100 - mean
        word = "not compatible"
        if abs(difference) <= half:
            word = "compatible"
        interval = f"({points(difference - half)} to {points(difference + half)})"
        ours = f"{100 * mean:.1f} %: {points(difference)} {interval}"
        print(f"| {number.name}: {number.accuracy} % | {ours} | {word} |")


def print_epochs(results: Trainings) -> None:
    """Overfitting, seed by seed."""
    for epochs in (40, 80):
        seeds = results[key(epochs=epochs)]
        mean_rise = fmean(rise_of(result.valid_losses) for result in seeds)
        words = f"the loss ends {100 * mean_rise:.0f} % above its minimum"
        truths = [overfits(result) for result in seeds]
        print_count(f"{epochs} epochs overfit", words, truths)


def print_fast_rate(results: Trainings) -> None:
    """How the trainings at learning rate 0.1 ended."""
    seeds = results[key(learning_rate=0.1)]
    ends = [end_of(result, chance_of(results)) for result in seeds]
    words = ", ".join(f"{end.value} {count}×" for end, count in Counter(ends).items())
    truths = [end in (End.DIVERGED, End.NOT_LEARNED, End.UNSTABLE) for end in ends]
    print_count("0.1 oscillates and does not converge", words, truths)


def chance_of(results: Trainings) -> Chance:
    """What guessing reaches, where both classes have as many images."""
    base = results[key()][0]
    valid_images = round(base.train["train_images"] / 4)  # 20 % of the images are held out
    return Chance(0.5, valid_images, 0.5, base.test["test_images"])


def claims() -> list[Claim]:
    """What it says of one setting beside others."""
    base, eighty = key(), key(epochs=80)
    small, large = key(batch_size=16), key(batch_size=128)
    slow, fast = key(learning_rate=0.001), key(learning_rate=0.1)
    focal, l1 = key(loss_function="FocalLoss"), key(loss_function="L1Loss")
    mse, smooth = key(loss_function="MSELoss"), key(loss_function="SmoothL1Loss")
    best_loss = "MSELoss tests best (cross entropy; focal; L1; SmoothL1)"
    fastest = f"cross entropy learns fastest (training, epoch {EARLY}; focal; L1; MSE; SmoothL1)"
    return [
        Claim("80 epochs test better than 20 (kept)", [eighty], 1, base),
        Claim("80 epochs test better than 20 (last epoch)", [eighty], 1, base, last),
        Claim("batch 128 swings less than 16 (% of the loss)", [large], -1, small, swing),
        Claim("batch 128 tests better than 16", [large], 1, small),
        Claim("0.001 is too slow: below 0.01", [slow], -1, base),
        Claim("0.01 tests best (0.001; 0.1)", [slow, fast], -1, base),
        Claim(best_loss, [base, focal, l1, smooth], -1, mse),
        Claim(fastest, [focal, l1, mse, smooth], -1, base, early),
        Claim(
            "focal loss swings less than cross entropy (% of the loss)", [focal], -1, base, swing
        ),
        Claim("L1Loss swings more than cross entropy (% of the loss)", [l1], 1, base, swing),
        Claim("MSELoss swings more than cross entropy (% of the loss)", [mse], 1, base, swing),
        Claim("SmoothL1Loss swings less than L1Loss (% of the loss)", [smooth], -1, l1, swing),
        Claim(
            "SmoothL1Loss swings more than focal loss (% of the loss)", [smooth], 1, focal, swing
        ),
    ]


def print_studies(results: Trainings) -> None:
    """Every setting of the studies, then every sentence."""
    print("| setting | test, kept | test, last epoch | against the base |")
    print("|---|---|---|---|")
    rows = against(results, key(), test)
    for setting, seeds in results.items():
        kept_accuracy = with_deviation(list(map(test, seeds)))
        last_accuracy = with_deviation(list(map(last, seeds)))
        compared = ""
        if setting in rows:
            compared = f"{difference_of(rows[setting])}: {rows[setting].verdict}"
        print(f"| {name_of(setting)} | {kept_accuracy} | {last_accuracy} | {compared} |")
    print("\n| the original | ours | verdict |")
    print("|---|---|---|")
    print_numbers(results)
    print_epochs(results)
    print_fast_rate(results)
    for claim in claims():
        print_claim(claim, results)


def name_of(setting: Key) -> str:
    """What differs from the base: learning_rate 0.1."""
    base = dict(key())
    changes = []
    for name, value in setting:
        if value != base[name]:
            changes.append(f"{name} {value}")
    return ", ".join(changes) or "base"


# --- two settings at once --------------------------------------------------------------------


def print_grid(study: str, results: Trainings) -> None:
    """A grid's cells."""
    first, second = GRIDS[study]
    rates = GRIDS[study][second]
    print(f"\n{study}: test accuracy, and validation accuracy, of the kept weights")
    print(f"| {first} | {' | '.join(map(str, rates))} |")
    columns = 1 + len(rates)
    print("|---" * columns + "|")
    for value, row in rows_of_grid(study).items():
        cells = []
        for setting in row:
            seeds = results[setting]
            valid_accuracy = 100 * mean_of(seeds, valid)
            cells.append(f"{with_deviation(list(map(test, seeds)))}; {valid_accuracy:.1f}")
        print(f"| {value} | {' | '.join(cells)} |")


def rows_of_grid(study: str) -> dict[object, list[Key]]:
    """The settings of a grid, for each value of the first: one for each value of the second."""
    first, second = GRIDS[study]
    rows: dict[object, list[Key]] = {}
    for value in GRIDS[study][first]:
        rows[value] = []
        for rate in GRIDS[study][second]:
            changed = {first: value, second: rate}
            rows[value].append(key(**changed))
    return rows


def mean_of(seeds: list[Result], measure: Measure) -> float:
    """The mean of a measure over seeds."""
    return fmean(measure(result) for result in seeds)


def best_rates(study: str, results: Trainings) -> dict[object, Key]:
    """For each value of the first setting the cell of the highest validation accuracy."""
    best = {}
    for value, row in rows_of_grid(study).items():
        best[value] = max(row, key=lambda setting: mean_of(results[setting], valid))
    return best


def print_losses_fairly(results: Trainings) -> None:
    """The claims about losses, each at its own best rate."""
    study = "Loss_function_by_learning_rate"
    best = best_rates(study, results)
    print_best(study, best, results)
    others = [best[name] for name in LOSSES if name != "MSELoss"]
    words = "MSELoss tests best (cross entropy; focal; L1; SmoothL1)"
    print_claim(Claim(words, others, -1, best["MSELoss"]), results)
    smooth, cross = best["SmoothL1Loss"], best["CrossEntropyLoss"]
    words = "SmoothL1Loss is worse than cross entropy"
    print_claim(Claim(words, [smooth], -1, cross), results)
    at_base = key(loss_function="SmoothL1Loss")
    print_claim(Claim("the same, both at 0.01", [at_base], -1, key()), results)
    print_pairs(best, results)
    print_turns(study, results)


def print_batches_fairly(results: Trainings) -> None:
    """The claims about batch sizes, each at its own best rate, and along the diagonal."""
    study = "Batch_size_by_learning_rate"
    best = best_rates(study, results)
    print_best(study, best, results)
    words = "batch 128 tests worse than 16"
    print_claim(Claim(words, [best[128]], -1, best[16]), results)
    diagonal = Claim("the same, 128 at 0.04 and 16 at 0.005", [key(**LARGEST)], -1, key(**SMALLEST))
    print_claim(diagonal, results)
    at_base = key(batch_size=128)
    print_claim(Claim("the same, both at 0.01", [at_base], -1, key(batch_size=16)), results)
    print_pairs(best, results)
    print_turns(study, results)


def print_best(study: str, best: dict[object, Key], results: Trainings) -> None:
    """Each value's best rate, chosen by validation accuracy, and whether the grid ends there."""
    _, second = GRIDS[study]
    rates = GRIDS[study][second]
    for value, setting in best.items():
        rate = dict(setting)[second]
        words = str(rate)
        if rate in (min(rates), max(rates)):
            words += ", the edge of the grid"
        accuracy = with_deviation(list(map(test, results[setting])))
        print(f"- {value}: {words}; test {accuracy}")
    print("\n| claim | difference | verdict |")
    print("|---|---|---|")


def print_pairs(best: dict[object, Key], results: Trainings) -> None:
    """Pairs of values that are told apart, each at its own best rate."""
    told_apart = []
    for one, other in itertools.combinations(best, 2):
        compared = against(results, best[other], test)
        if direction(compared[best[one]]):
            told_apart.append(f"{one} and {other}")
    pairs, word = "no pair", "not shown"
    if told_apart:
        pairs, word = "; ".join(told_apart), WORDS[1]
    print(f"| any two are told apart | {pairs} | {word} |")


def print_turns(study: str, results: Trainings) -> None:
    """Pairs of values whose order is one at a rate and the other at another, both beyond noise."""
    rows = rows_of_grid(study)
    turns = []
    for one, other in itertools.combinations(rows, 2):
        signs = set()
        for setting, reference in zip(rows[one], rows[other], strict=True):
            compared = against(results, reference, test)
            signs.add(direction(compared[setting]))
        if {1, -1} <= signs:
            turns.append(f"{one} and {other}")
    pairs, word = "no pair", "not shown"
    if turns:
        pairs, word = "; ".join(turns), WORDS[1]
    print(f"| the order changes with the rate | {pairs} | {word} |")


# --- all of it -------------------------------------------------------------------------------


def of_studies(studies: dict, results: Trainings) -> Trainings:
    """The results of the base and of these studies, with the first SEEDS seeds of each."""
    chosen = {key(): results[key()][:SEEDS]}
    for study, values in studies.items():
        grid = values
        if not isinstance(values, dict):
            grid = {study.removeprefix("Change_"): values}
        for combination in itertools.product(*grid.values()):
            setting = key(**dict(zip(grid, combination, strict=True)))
            chosen[setting] = results[setting][:SEEDS]
    return chosen


FAIRLY = {
    "Loss_function_by_learning_rate": print_losses_fairly,
    "Batch_size_by_learning_rate": print_batches_fairly,
}


def print_all(results: Trainings, with_grids: bool) -> None:
    """All tables, of results by setting."""
    images = results[key()][0].test["test_images"]
    print(f"{SEEDS} seeds, {images} test images\n")
    if not with_grids:
        print_studies(of_studies(STUDIES, results))
        return
    for study, print_fairly in FAIRLY.items():
        of_grid = of_studies({study: GRIDS[study]}, results)
        print_grid(study, of_grid)
        print()
        print_fairly(of_grid)


def main() -> None:
    options_parser = parser(__doc__ or "", image_size=32)
    options_parser.add_argument("--out", type=Path, required=True)
    options_parser.add_argument("--grids", action="store_true")
    options = parse(options_parser)
    out = options.out.resolve()
    studies = GRIDS if options.grids else STUDIES
    train_replicas(options.data, options.image_size, out, SEEDS, SEEDS, studies)
    print_all(read_replicas(out), options.grids)


if __name__ == "__main__":
    main()
