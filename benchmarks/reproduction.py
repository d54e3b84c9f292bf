"""The course report's sentences beside ours: difference, interval and verdict.

    python benchmarks/reproduction.py --data FOLDER [--image_size 32] --out REPLICAS
    python benchmarks/reproduction.py --data FOLDER [--image_size 32] --out REPLICAS --grids

Trains what is missing in REPLICAS with six seeds (ordinary runs of my_script.py), then prints the
tables of REPRODUCTION.md, whose rules it follows; with --grids those of two settings at once, and
draws their maps into REPLICAS.
"""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from measure import parse, parser
from replicas import Key, Results, key, read_replicas, train_replicas

from my_script import STUDIES
from report.answer import last_accuracy as last
from report.answer import test_accuracy as test
from report.answer import valid_accuracy as valid
from report.comparison import Comparison, compare_with_base, pooled_noise, t_quantile
from report.heatmap import Cell, draw_heat_map
from report.results import Result
from report.rules import LOST, Chance, End, convergence, overfits, swing_of
from studies.settings import Studies, changes_of, combinations

LOSSES = ["CrossEntropyLoss", "FocalLoss", "L1Loss", "MSELoss", "SmoothL1Loss"]
GRIDS: dict[str, dict[str, list]] = {
    "Loss_function_by_learning_rate": {
        "loss_function": LOSSES,
        "learning_rate": [0.003, 0.01, 0.03],
    },
    "Batch_size_by_learning_rate": {
        "batch_size": [16, 32, 64, 128],
        "learning_rate": [0.005, 0.01, 0.02, 0.04],
    },
}
SCALED = [{"batch_size": 16 * 2**step, "learning_rate": 0.005 * 2**step} for step in range(4)]
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


def swing(result: Result) -> float:
    """Swing of the validation loss as a share of its mean, which makes losses comparable."""
    losses = result.valid_losses
    return swing_of(losses) / float(np.mean(losses))


def early(result: Result) -> float:
    """Training accuracy after the first epochs: the losses' common measure."""
    return result.history[EARLY - 1].train_accuracy


# --- verdicts --------------------------------------------------------------------------------


def samples_of(results: Results, measure: Measure) -> dict[Key, list[float]]:
    """A measure of every seed, by setting."""
    return {name: [measure(result) for result in seeds] for name, seeds in results.items()}


def against(results: Results, reference: Key, measure: Measure) -> dict[Key, Comparison]:
    """Every setting held against one of them by the rule of the report, in any measure."""
    return compare_with_base(samples_of(results, measure), reference)


def signed(number: float) -> str:
    """A share as points: -0.012 is −1.2."""
    return f"{100 * number:+.1f}".replace("-", "−")


def in_points(row: Comparison) -> str:
    """A difference and its interval in points."""
    return f"{signed(row.difference)} ({signed(row.low)} to {signed(row.high)})"


def direction(row: Comparison) -> int:
    """1 above the reference beyond noise, -1 below it, 0 if neither is known."""
    if not row.named:
        return 0
    return 1 if row.difference > 0 else -1


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


def print_claim(claim: Claim, results: Results) -> None:
    """A claim's row: the differences, and whether it holds."""
    rows_by_setting = against(results, claim.reference, claim.measure)
    rows = [rows_by_setting[setting] for setting in claim.settings]
    differences = "; ".join(in_points(row) for row in rows)
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


def print_numbers(results: Results) -> None:
    """Its accuracies: could its one run be one of ours, on other test images?"""
    noise = pooled_noise(samples_of(results, test).values()).noise
    for number in NUMBERS:
        seeds = results[key(**number.changed)]
        mean = fmean(test(result) for result in seeds)
        sampling = 2 * mean * (1 - mean) / seeds[0].test["test_images"]
        error = math.sqrt(noise.variance * (1 + 1 / len(seeds)) + sampling)
        half = t_quantile(0.05, noise.degrees) * error
        difference = number.accuracy / 100 - mean
        word = "compatible" if abs(difference) <= half else "not compatible"
        interval = f"({signed(difference - half)} to {signed(difference + half)})"
        ours = f"{100 * mean:.1f} %: {signed(difference)} {interval}"
        print(f"| {number.name}: {number.accuracy} % | {ours} | {word} |")


def print_epochs(results: Results) -> None:
    """Overfitting, seed by seed."""
    for epochs in (40, 80):
        seeds = results[key(epochs=epochs)]
        rises = []
        for result in seeds:
            losses = result.valid_losses
            rises.append(100 * (losses[-1] / losses.min() - 1))
        words = f"the loss ends {fmean(rises):.0f} % above its minimum"
        print_count(f"{epochs} epochs overfit", words, [overfits(result) for result in seeds])


def print_fast_rate(results: Results) -> None:
    """How the trainings at learning rate 0.1 ended."""
    seeds = results[key(learning_rate=0.1)]
    ends = [convergence(result, chance_of(results)) for result in seeds]
    words = ", ".join(f"{end.value} {count}×" for end, count in Counter(ends).items())
    truths = [end in (*LOST, End.UNSTABLE) for end in ends]
    print_count("0.1 oscillates and does not converge", words, truths)


def chance_of(results: Results) -> Chance:
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


def print_studies(results: Results) -> None:
    """Every setting of the studies, then every sentence."""
    print("| setting | test, kept | test, last epoch | against the base |\n|---|---|---|---|")
    rows = against(results, key(), test)
    for setting, seeds in results.items():
        columns = [mean_and_deviation(seeds, measure) for measure in (test, last)]
        row = rows.get(setting)
        compared = f"{in_points(row)}: {row.verdict}" if row else ""
        print(f"| {name_of(setting)} | {' | '.join(columns)} | {compared} |")
    print("\n| the original | ours | verdict |\n|---|---|---|")
    print_numbers(results)
    print_epochs(results)
    print_fast_rate(results)
    for claim in claims():
        print_claim(claim, results)


def mean_and_deviation(seeds: list[Result], measure: Measure) -> str:
    """The mean over seeds and their deviation, in percent."""
    percent = [100 * measure(result) for result in seeds]
    return f"{fmean(percent):.1f} ± {stdev(percent):.1f}"


def name_of(setting: Key) -> str:
    """What differs from the base: learning_rate 0.1."""
    base = dict(key())
    changes = [f"{name} {value}" for name, value in setting if value != base[name]]
    return ", ".join(changes) or "base"


# --- two settings at once --------------------------------------------------------------------


def print_grid(study: str, results: Results, out: Path) -> None:
    """A grid's cells, each first value at its own best rate, and its map."""
    first, second = GRIDS[study]
    print(f"\n{study}: test accuracy, and validation accuracy, of the kept weights")
    print(f"| {first} | " + " | ".join(f"{rate}" for rate in GRIDS[study][second]) + " |")
    print("|---" * (1 + len(GRIDS[study][second])) + "|")
    for value in GRIDS[study][first]:
        cells = []
        for rate in GRIDS[study][second]:
            seeds = results[key(**{first: value, second: rate})]
            cells.append(f"{mean_and_deviation(seeds, test)}; {100 * mean_of(seeds, valid):.1f}")
        print(f"| {value} | {' | '.join(cells)} |")
    draw_map(study, results, out / f"{study}.png")


def mean_of(seeds: list[Result], measure: Measure) -> float:
    """The mean of a measure over seeds."""
    return fmean(measure(result) for result in seeds)


def best_rates(study: str, results: Results) -> dict[object, Key]:
    """For each value of the first setting the cell of the highest validation accuracy."""
    first, second = GRIDS[study]
    best = {}
    for value in GRIDS[study][first]:
        cells = [key(**{first: value, second: rate}) for rate in GRIDS[study][second]]
        best[value] = max(cells, key=lambda cell: mean_of(results[cell], valid))
    return best


def print_losses_fairly(results: Results) -> None:
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
    print_turns(study, results)


def print_batches_fairly(results: Results) -> None:
    """The claims about batch sizes, each at its own best rate, and along the diagonal."""
    study = "Batch_size_by_learning_rate"
    best = best_rates(study, results)
    print_best(study, best, results)
    words = "batch 128 tests worse than 16"
    print_claim(Claim(words, [best[128]], -1, best[16]), results)
    smallest, largest = key(**SCALED[0]), key(**SCALED[-1])
    print_claim(Claim("the same, 128 at 0.04 and 16 at 0.005", [largest], -1, smallest), results)
    at_base = key(batch_size=128)
    print_claim(Claim("the same, both at 0.01", [at_base], -1, key(batch_size=16)), results)
    print_turns(study, results)


def print_best(study: str, best: dict[object, Key], results: Results) -> None:
    """Each value's best rate, chosen by validation accuracy, and whether the grid ends there."""
    _, second = GRIDS[study]
    ends = min(GRIDS[study][second]), max(GRIDS[study][second])
    for value, cell in best.items():
        rate = dict(cell)[second]
        edge = ", the edge of the grid" if rate in ends else ""
        accuracy = mean_and_deviation(results[cell], test)
        print(f"- {value}: {rate}{edge}; test {accuracy}")
    print("\n| claim | difference | verdict |\n|---|---|---|")


def print_turns(study: str, results: Results) -> None:
    """Pairs of values whose order is one at a rate and the other at another, both beyond noise."""
    first, second = GRIDS[study]
    values, rates = GRIDS[study][first], GRIDS[study][second]
    turns = []
    for place, one in enumerate(values):
        for other in values[place + 1 :]:
            signs = set()
            for rate in rates:
                reference = key(**{first: other, second: rate})
                rows = against(results, reference, test)
                signs.add(direction(rows[key(**{first: one, second: rate})]))
            if {1, -1} <= signs:
                turns.append(f"{one} and {other}")
    shown = "; ".join(turns) or "of no pair"
    word = WORDS[1] if turns else "not shown"
    print(f"| the order changes with the rate | {shown} | {word} |")


def draw_map(study: str, results: Results, path: Path) -> None:
    """The grid's map as the report draws it."""
    first, second = GRIDS[study]
    rows = against(results, key(), test)
    cells = []
    for changed in combinations(GRIDS[study]):
        setting = key(**changed)
        row = rows.get(setting)
        cell = Cell(
            row=str(changed[first]),
            column=str(changed[second]),
            accuracy=mean_of(results[setting], test),
            verdict=row.verdict if row else "",
            is_base=row is None,
            learned=any(is_above_chance(result, results) for result in results[setting]),
        )
        cells.append(cell)
    draw_heat_map(path, cells, [first, second])


def is_above_chance(result: Result, results: Results) -> bool:
    """Whether a training learned something."""
    return convergence(result, chance_of(results)) not in LOST


# --- all of it -------------------------------------------------------------------------------


def of_study(studies: Studies, results: Results) -> Results:
    """The results of the base and of these studies, with the first SEEDS seeds of each."""
    chosen = {key(): results[key()][:SEEDS]}
    for study, values in studies.items():
        for changed in combinations(changes_of(study, values)):
            chosen[key(**changed)] = results[key(**changed)][:SEEDS]
    return chosen


def print_all(results: Results, with_grids: bool, out: Path) -> None:
    """All tables, of results by setting."""
    images = results[key()][0].test["test_images"]
    print(f"{SEEDS} seeds, {images} test images\n")
    if not with_grids:
        print_studies(of_study(STUDIES, results))
        return
    for study, print_fairly in zip(GRIDS, (print_losses_fairly, print_batches_fairly), strict=True):
        of_grid = of_study({study: GRIDS[study]}, results)
        print_grid(study, of_grid, out)
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
    print_all(read_replicas(out), options.grids, out)


if __name__ == "__main__":
    main()
