"""How often the report names a difference that is not there, and how often one that is.

    python benchmarks/false_winners.py [--draws 20000]
    python benchmarks/false_winners.py --data FOLDER [--image_size 32] [--out replicas]

The first draws answers from normal noise, in some minutes. The second trains replicas before, 40 of
the base setting and 8 of every other one (ordinary runs of my_script.py; what is finished is not
trained again), and draws from them. Every share has its standard error. docs/comparison.md holds
what was printed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from answers import (
    BASE_SEEDS,
    CHUNK,
    Judged,
    Noise,
    equal_seeds,
    heavy_tailed,
    judge,
    normal,
    replicas,
)
from measure import parse, parser, print_machine
from replicas import Key, key, read_replicas, train_replicas

from report.comparison import MOST_SEEDS, found_from
from report.comparison import Noise as Variance

LOOKS = (1, 2, 3, 6)
SETTINGS = 11  # beside the base, as in the studies
NOISIER = (3.0, 5.0)  # times the others' scatter, of one setting
CALIBRATED_SETTINGS = (2, 11, 30)
CALIBRATED_SEEDS = (1, 2, 3, 4, 6, 10)
REAL = {  # against the base
    "learning rate 0.001": key(learning_rate=0.001),
    "learning rate 0.1": key(learning_rate=0.1),
    "batch size 128": key(batch_size=128),
    "L1Loss": key(loss_function="L1Loss"),
}


class Count(NamedTuple):
    """How many of the draws something is true of."""

    true: int
    draws: int

    def __str__(self) -> str:
        share = self.true / self.draws
        error = (share * (1 - share) / self.draws) ** 0.5
        return f"{100 * share:.1f} ± {100 * error:.1f} %"


def count(draws: np.ndarray | np.bool) -> Count:
    """In how many draws something is true."""
    truths = np.asarray(draws)
    return Count(int(truths.sum()), truths.size)


def print_row(name: str, cells: Sequence[object]) -> None:
    """A line of a table."""
    texts = [name]
    texts += map(str, cells)
    print(f"| {' | '.join(texts)} |", flush=True)


def print_heads(name: str, heads: Sequence[str]) -> None:
    """The first two lines of a table."""
    print_row(name, heads)
    columns = 1 + len(heads)
    print("|---" * columns + "|", flush=True)


def seed_words(numbers: Sequence[int]) -> list[str]:
    """Heads of columns: 1 seed, 2 seeds."""
    return [f"{number} seed{'s' * (number != 1)}" for number in numbers]


# --- answers without a difference ------------------------------------------------------------


class Looks(NamedTuple):
    """The same answers looked at with more and more seeds, by number of seeds."""

    by_seeds: dict[int, Judged]

    def named_at_any(self, looks: tuple[int, ...]) -> Count:
        """In how many answers some setting is named at some of the looks."""
        named = [self.by_seeds[seeds].named.any(1) for seeds in looks]
        return count(np.stack(named).any(axis=0))

    def named(self, looks: Sequence[int]) -> list[Count]:
        """In how many answers some setting is named, at each of the looks."""
        return [count(self.by_seeds[seeds].named.any(1)) for seeds in looks]

    def named_if(self, size: float, looks: Sequence[int]) -> list[Count]:
        """In how many answers a difference of this size of the first setting is named."""
        return [count(needed(self.by_seeds[seeds]) < size) for seeds in looks]


def look(
    noise: Noise, draws: int, settings: int = SETTINGS, most: int = 6, noisy: float = 1
) -> Looks:
    """Draw answers in which every setting equals the base; the first may scatter `noisy` times."""
    random = np.random.default_rng(0)
    chunks: dict[int, list[Judged]] = {seeds: [] for seeds in range(1, most + 1)}
    for start in range(0, draws, CHUNK):
        size = min(CHUNK, draws - start)
        drawn = noise(random, (size, 1 + settings, max(most, BASE_SEEDS)))
        drawn[:, 1] *= noisy
        for seeds, judged in chunks.items():
            counts = equal_seeds(size, settings, seeds)
            judged.append(judge(drawn, counts))
    return Looks({seeds: joined(judged) for seeds, judged in chunks.items()})


def joined(chunks: list[Judged]) -> Judged:
    """Chunks of answers as one."""
    return Judged(
        difference=np.concatenate([judged.difference for judged in chunks]),
        error=np.concatenate([judged.error for judged in chunks]),
        half=np.concatenate([judged.half for judged in chunks]),
        known=np.concatenate([judged.known for judged in chunks]),
    )


def needed(judged: Judged) -> np.ndarray:
    """The difference that the first setting would have needed to be named, in each answer."""
    return judged.half[:, 0] - judged.difference[:, 0]


# --- the rule --------------------------------------------------------------------------------


def print_looks(noises: dict[str, Noise], draws: int) -> None:
    """What is named falsely at each look and at any of them, by noise and number of settings."""
    heads = seed_words(LOOKS)
    heads += ["any of these", "any of 1 to 6", "any of 1 to 12"]
    print_heads("noise, settings", heads)
    for name, noise in noises.items():
        for settings in (2, SETTINGS, 30):
            looks = look(noise, draws // 2, settings, most=12)
            cells = looks.named(LOOKS)
            cells.append(looks.named_at_any(LOOKS))
            cells.append(looks.named_at_any(tuple(range(1, 7))))
            cells.append(looks.named_at_any(tuple(range(1, 13))))
            print_row(f"{name}, {settings}", cells)


def print_noisier(noises: dict[str, Noise], draws: int) -> None:
    """What is named falsely beside one setting that scatters more: itself, and any other."""
    heads = seed_words(LOOKS)
    heads.append("another one, at any")
    print_heads("noise", heads)
    for name, noise in noises.items():
        for times in NOISIER:
            looks = look(noise, draws // 2, noisy=times)
            cells = []
            others = []
            for seeds in LOOKS:
                named = looks.by_seeds[seeds].named
                cells.append(count(named[:, 0]))
                others.append(named[:, 1:].any(1))
            cells.append(count(np.stack(others).any(axis=0)))
            print_row(f"{name}, {times:.0f} times", cells)


def print_calibration(draws: int) -> None:
    """How often a difference of the size that the report tells is named."""
    print_heads("settings", seed_words(CALIBRATED_SEEDS))
    for settings in CALIBRATED_SETTINGS:
        looks = look(normal, draws // 2, settings, most=max(CALIBRATED_SEEDS))
        cells = []
        for seeds in CALIBRATED_SEEDS:
            judged = looks.by_seeds[seeds]
            sizes = sizes_told(judged.known, seeds, settings)
            named = count(needed(judged) < sizes)
            cells.append(f"{sizes.mean():.1f} sd: {named}")
        print_row(str(settings), cells)


def sizes_told(known: np.ndarray, seeds: int, settings: int) -> np.ndarray:
    """The size that each answer tells, where it knows the noise, 1, with so many degrees."""
    all_degrees, positions = np.unique(known, return_inverse=True)
    base_seeds = max(seeds, BASE_SEEDS)
    sizes = []
    for degrees in all_degrees:
        noise = Variance(1.0, degrees)
        sizes.append(found_from(noise, seeds, base_seeds, settings))
    return np.array(sizes)[positions]


# --- rounds ----------------------------------------------------------------------------------


class Rounds(NamedTuple):
    """What --until did in many studies; `equal` trainings give every setting the same seeds."""

    named_falsely: Count
    alike_wrongly: Count
    open: Count
    trainings: float
    equal: float


def simulate_until(true_differences: list[float], close: float, draws: int) -> Rounds:
    """Rounds of one more seed for what is open, as report/rounds.py has them; all in sd."""
    random = np.random.default_rng(0)
    settings = len(true_differences)
    differences = np.array(true_differences)
    accuracies = normal(random, (draws, 1 + settings, BASE_SEEDS + MOST_SEEDS))
    accuracies[:, 1:] += differences[:, None]
    seeds = equal_seeds(draws, settings, 1)
    falsely = np.zeros(draws, bool)
    wrongly = np.zeros(draws, bool)
    for _ in range(MOST_SEEDS):
        judged = judge(accuracies, seeds)
        alike = judged.is_alike(close)
        other_sign = np.sign(judged.difference) != np.sign(differences)  # of equal ones, any sign
        falsely |= (judged.named & other_sign).any(1)
        wrongly |= (alike & (np.abs(differences) > close)).any(1)
        still_open = ~judged.named & ~alike
        gets_a_seed = still_open & (seeds[:, 1:] < MOST_SEEDS)
        seeds[:, 1:] += gets_a_seed
        seeds[:, 0] += gets_a_seed.any(1)  # the base
    equal = equal_trainings(accuracies, close, still_open.sum(1))
    trainings = float(seeds.sum(1).mean())
    return Rounds(count(falsely), count(wrongly), count(still_open), trainings, equal)


def equal_trainings(accuracies: np.ndarray, close: float, still_open: np.ndarray) -> float:
    """The trainings, in the mean, if all settings get the fewest seeds that leave no more open."""
    draws = accuracies.shape[0]
    settings = accuracies.shape[1] - 1
    needed_seeds = np.full(draws, MOST_SEEDS)
    for number in range(MOST_SEEDS, 0, -1):
        judged = judge(accuracies, equal_seeds(draws, settings, number))
        is_open = ~judged.named & ~judged.is_alike(close)
        needed_seeds[is_open.sum(1) <= still_open] = number
    of_base = np.maximum(needed_seeds, BASE_SEEDS)
    trainings = needed_seeds * settings + of_base
    return float(trainings.mean())


def print_rounds(draws: int) -> None:
    """What --until says falsely, and the trainings it takes."""
    heads = ["named falsely", "alike wrongly", "open", "trainings", "equal"]
    print_heads("precision, sd; settings", heads)
    for close in (2.0, 2.7):
        studies = {
            "equal": [0.0] * SETTINGS,
            "edge": [1.001 * close] * SETTINGS,
            "mixed": [0.0, 0.0, 0.0, 0.0, 1.0, -1.0, -2.0, -3.5, -5.0, -10.0, -20.0],
        }
        for name, true in studies.items():
            rounds = simulate_until(true, close, draws // 5)
            cells: list[object] = [rounds.named_falsely, rounds.alike_wrongly, rounds.open]
            cells.append(f"{rounds.trainings:.0f}")
            cells.append(f"{rounds.equal:.0f}")
            print_row(f"{close}; {name}", cells)


# --- real trainings --------------------------------------------------------------------------


def print_real(accuracies: dict[Key, list[float]], draws: int) -> None:
    """How many answers name settings that were trained and do differ, or the base moved."""
    print_heads("of answers", seed_words(LOOKS))
    base = accuracies[key()]
    looks = look(replicas(base), draws // 4)
    for shift in (-6.0, -2.0):
        size = abs(shift) / (100 * stdev(base))
        print_row(f"the base moved by {shift:+.0f} points named", looks.named_if(size, LOOKS))
    random = np.random.default_rng(1)
    for what, name in REAL.items():
        if name not in accuracies:
            continue
        cells = []
        for seeds in LOOKS:
            named = named_of(accuracies, name, seeds, draws // 4, random)
            cells.append(count(named))
        difference = 100 * (fmean(accuracies[name]) - fmean(base))
        print_row(f"{what} ({difference:+.1f} points) named", cells)


def named_of(
    accuracies: dict[Key, list[float]],
    name: Key,
    seeds: int,
    draws: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Whether a setting is named, in each of so many answers drawn from all real trainings."""
    most = max(seeds, BASE_SEEDS)
    columns = [random.choice(shares, (draws, most)) for shares in accuracies.values()]
    counts = equal_seeds(draws, len(columns) - 1, seeds)
    judged = judge(np.stack(columns, axis=1), counts)
    return judged.named[:, list(accuracies).index(name) - 1]


def main() -> None:
    numbers = {"image_size": 32, "base_seeds": 40, "seeds": 8, "draws": 20000}
    options_parser = parser(__doc__, "", **numbers)
    options_parser.add_argument("--out", type=Path, default=Path("replicas"))
    options = parse(options_parser, draws=200)
    if options.smoke:
        options.data = ""  # the images made for it leave no noise to draw from
    print_machine()
    noises: dict[str, Noise] = {"normal": normal, "Student's t, 3 degrees": heavy_tailed}
    accuracies: dict[Key, list[float]] = {}
    if options.data:
        accuracies = trained(options)
        base = accuracies[key()]
        noises = {"replicas": replicas(base)}
        print(f"the base: {100 * fmean(base):.1f} ± {100 * stdev(base):.2f} %, {len(base)} seeds")
    else:
        print_calibration(options.draws)
        print_rounds(options.draws)
    print_looks(noises, options.draws)
    print_noisier(noises, options.draws)
    if accuracies:
        print_real(accuracies, options.draws)


def trained(options: argparse.Namespace) -> dict[Key, list[float]]:
    """The test accuracies of trained replicas, by setting, the base first."""
    out = options.out.resolve()
    train_replicas(options.data, options.image_size, out, options.base_seeds, options.seeds)
    accuracies = {}
    for setting, results in read_replicas(out).items():
        accuracies[setting] = [result.accuracy for result in results]
    return accuracies


if __name__ == "__main__":
    main()
