"""How often the report names a difference that is not there, and how often one that is.

    python benchmarks/false_winners.py --data FOLDER [--image_size 32] [--out replicas]

Trains replicas: 40 of the base setting and 8 of every other one (ordinary runs of my_script.py;
what is finished is not trained again). Draws whole answers from them and prints in how many the
rule of report/comparison.py names a setting that is the base, and the settings that differ.
"""

import random
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev

from measure import parse, parser, print_machine
from replicas import is_base, read_replicas, train_replicas

from report.comparison import compare_with_base

SEEDS = (1, 3, 6)  # of every setting; the base has at least BASE_SEEDS
BASE_SEEDS = 6
SCATTER = 5  # times the base's scatter, of one setting
REAL = {  # against the base
    "learning rate 0.001": "Change_learning_rate/0_001",
    "learning rate 0.1": "Change_learning_rate/0_1",
    "batch size 128": "Change_batch_size/128",
    "L1Loss": "Change_loss_function/L1Loss",
}
SHIFTS = (-0.06, -0.02)  # the base's replicas, moved: what would be named at this size?

Replicas = dict[str, list[float]]


def answer(replicas: Replicas, seeds: int) -> set[str]:
    """Draw a whole answer: the settings that are named in it."""
    drawn = {
        name: random.choices(shares, k=max(seeds, BASE_SEEDS) if name == "base" else seeds)
        for name, shares in replicas.items()
    }
    return {name for name, row in compare_with_base(drawn, "base").items() if row.named}


def without_difference(base: list[float], others: int, noisier: bool) -> Replicas:
    """Replicas of an answer in which every setting is the base, one of them perhaps noisier."""
    replicas = {"base": base} | {str(number): base for number in range(others)}
    if noisier:
        middle = fmean(base)
        replicas["0"] = [middle + SCATTER * (share - middle) for share in base]
    return replicas


def rate(count: int, draws: int) -> str:
    """A share with its standard error, percent."""
    share = count / draws
    return f"{100 * share:.1f} ± {100 * (share * (1 - share) / draws) ** 0.5:.1f} %"


def draw(replicas: Replicas, draws: int) -> list[list[set[str]]]:
    """What is named in so many answers, for each number of seeds."""
    return [[answer(replicas, seeds) for _ in range(draws)] for seeds in SEEDS]


def print_false(base: list[float], others: int, draws: int) -> None:
    """How many whole answers name a setting that equals the base, in its mean or in all.

    A single seed cannot show that its setting is the noisier one: that one is counted by itself.
    """
    answers = draw(without_difference(base, others, False), draws)
    print_rates("some setting named, all equal the base", answers, bool)
    answers = draw(without_difference(base, others, True), draws)
    beside = f"beside one that scatters {SCATTER} times as much"
    print_rates(f"some setting named {beside}", answers, lambda names: names - {"0"})
    print_rates("that noisier one named", answers, lambda names: "0" in names)


def print_real(replicas: Replicas, draws: int) -> None:
    """How many answers name settings that differ: trained ones, and the base's replicas moved."""
    base = replicas["base"]
    for name, key in REAL.items():
        what = f"{name} ({100 * (fmean(replicas[key]) - fmean(base)):+.1f} points) named"
        print_rates(what, draw(replicas, draws), lambda names, key=key: key in names)
    # A moved copy takes the place of a setting, so that as many are compared as ever.
    others = dict(list(replicas.items())[:-1])
    for shift in SHIFTS:
        moved = {"moved": [share + shift for share in base]}
        what = f"the base moved by {100 * shift:+.0f} points named"
        print_rates(what, draw(others | moved, draws), lambda names: "moved" in names)


def print_rates(what: str, answers: list[list[set[str]]], counts: Callable) -> None:
    """A row of the table: for each number of seeds, in how many of the answers it is so."""
    shown = (rate(sum(map(bool, map(counts, each))), len(each)) for each in answers)
    print(f"| {what} | {' | '.join(shown)} |", flush=True)


def main() -> None:
    numbers = {"image_size": 32, "base_seeds": 40, "seeds": 8, "draws": 4000}
    options_parser = parser(__doc__, "shapes", **numbers)
    options_parser.add_argument("--out", type=Path, default=Path("replicas"))
    options = parse(options_parser, base_seeds=3, seeds=2, draws=50)
    out = options.out.resolve()
    train_replicas(options.data, options.image_size, out, options.base_seeds, options.seeds)
    results = read_replicas(out)
    replicas = {
        name: [result.accuracy for result in of_setting]
        for name, of_setting in results.items()
        if name == "base" or not is_base(of_setting, results["base"])
    }
    print_machine()
    random.seed(0)
    base = replicas["base"]
    print(f"the base: {100 * fmean(base):.1f} ± {100 * stdev(base):.2f} %, {len(base)} replicas")
    print(f"{options.draws} whole answers each, {len(replicas) - 1} settings against the base\n")
    heads = [f"{seeds} seed{'s' * (seeds > 1)}" for seeds in SEEDS]
    print(f"| of answers | {' | '.join(heads)} |\n|---|{'---|' * len(SEEDS)}")
    print_false(base, len(replicas) - 1, options.draws)
    print_real(replicas, options.draws)


if __name__ == "__main__":
    main()
