"""How often the report says what is not so, and how often it finds what is.

    python benchmarks/false_winners.py [--draws 20000] [--only seeds]
    python benchmarks/false_winners.py --data FOLDER [--image_size 32] [--out replicas]

The first draws answers and curves, some twenty minutes on a quiet core. The second trains replicas
before, 40 of the base setting (ordinary runs of my_script.py; what is finished is not trained
again), and draws the noise from them. The answers are judged by the report's own functions, in
points of accuracy, and every share has its standard error. docs/comparison.md holds what was
printed.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from measure import parse, parser, print_machine
from replicas import key, read_replicas, train_replicas

from report.comparison import (
    ALIKE,
    BETTER,
    LEAST_SEEDS,
    LOOKS,
    MOST_SEEDS,
    OPEN,
    Comparison,
    compare_sweeps,
    compare_with_base,
    found_from,
    next_seeds,
    next_seeds_of_base,
)
from report.curves import falls, rises
from report.noise import Noise, pooled_noise
from report.rules import Learned, learned_from

SETTINGS, BASE_SEEDS = 11, 6  # as in the studies
SEEDS = 3 * MOST_SEEDS // 2  # drawn of each: the most that --until gives the base
POINT = 0.01  # the scatter between seeds, a share
SPREAD = 1.5  # of true accuracies, in that scatter
GUESSING = -29 * POINT  # what a training that fails loses: on shapes it is right in 50, not 79 %
ERROR_OF_IMAGES = {2000: 0.5, 350: 1.3, 100: 2.4}  # of a difference by images alone, points
CIFAR = (1.1, 1.1, 1.1, 1.0, 1.2, 0.3, 1.0, 2.4, 0.8, 0.6, 0.6, 0.9)  # of REPRODUCTION.md, in
PHOTOGRAPHS = (1.3, 1.3, 0.8, 1.1, 2.3, 1.9, 4.3, 3.0, 1.2, 1.4, 1.5, 1.2)  # points, base first
HALF = (1.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0)
CALM_BASE = (1 / 3, *[1.0] * SETTINGS)
ONE_NOISIER = (1.0, 3.0, *[1.0] * (SETTINGS - 1))
EQUAL = [0.0] * SETTINGS  # true differences of the settings, in that scatter
MIXED = [0.0, 0.0, 0.0, 0.0, 1.0, -1.0, -2.0, -3.5, -5.0, -10.0, -20.0]

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]  # (1 + settings, seeds)
Rows = dict[int, Comparison]


# --- noises ----------------------------------------------------------------------------------


def normal(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Normal noise with a standard deviation of 1."""
    return random.normal(size=shape)


def scattered(deviations: Sequence[float]) -> Draw:
    """Normal noise with a deviation for each setting, the base first."""
    return lambda random, shape: random.normal(size=shape) * np.array(deviations)[:, None]


def failing(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Normal noise, but a tenth of the trainings guess."""
    fails = random.random(shape) < 0.1
    return np.where(fails, GUESSING / POINT, 0.0) + random.normal(size=shape)


def heavy_tailed(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Student's t with three degrees, with a standard deviation of 1."""
    return random.standard_t(3, size=shape) / np.sqrt(3)


def low_tailed(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """An exponential tail downwards, with a standard deviation of 1."""
    return -random.exponential(size=shape)


def replicas(accuracies: list[float]) -> Draw:
    """Noise drawn with replacement from real trainings, scaled to deviation 1."""
    values = np.array(accuracies) / stdev(accuracies)
    return lambda random, shape: random.choice(values, size=shape)


NOISES: dict[str, Draw] = {
    "normal": normal,
    "10 % of trainings fail": failing,
    "half of the settings scatter 3 times as much": scattered(HALF),
    "one setting scatters 3 times as much": scattered(ONE_NOISIER),
    "the base scatters a third as much": scattered(CALM_BASE),
    "as measured on CIFAR-10": scattered(CIFAR),
    "as measured on photographs": scattered(PHOTOGRAPHS),
    "Student's t, 3 degrees": heavy_tailed,
    "exponential lower tail": low_tailed,
}


def answers(draw: Draw, draws: int) -> Iterator[np.ndarray]:
    """Accuracies of so many answers without any difference, float (1 + settings, seeds)."""
    random = np.random.default_rng(0)
    for _ in range(draws):
        yield POINT * draw(random, (1 + SETTINGS, SEEDS))


# --- shares and tables -----------------------------------------------------------------------


def share(truths: Sequence[bool] | np.ndarray) -> str:
    """In how many draws something is true, percent, with its standard error."""
    of_draws = float(np.mean(truths))
    error = (of_draws * (1 - of_draws) / len(truths)) ** 0.5
    return f"{100 * of_draws:.1f} ± {100 * error:.1f} %"


def print_row(*cells: object) -> None:
    """A line of a table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def print_heads(*heads: str) -> None:
    """The first two lines of a table."""
    print()
    print_row(*heads)
    print("|---" * len(heads) + "|", flush=True)


# --- one answer ------------------------------------------------------------------------------


def first_seeds(accuracies: np.ndarray, counts: dict[int, int]) -> dict[int, list[float]]:
    """The seeds that are trained so far, by setting; 0 is the base."""
    return {number: accuracies[number, :count].tolist() for number, count in counts.items()}


def equal_seeds(seeds: int) -> dict[int, int]:
    """So many seeds of every setting, BASE_SEEDS or more of the base."""
    return {0: max(seeds, BASE_SEEDS)} | dict.fromkeys(range(1, 1 + SETTINGS), seeds)


def look(
    accuracies: np.ndarray, counts: dict[int, int], of_images: dict[int, Noise] | None = None
) -> Rows:
    """Every setting with so many seeds."""
    return compare_with_base(first_seeds(accuracies, counts), 0, of_images=of_images)


def call(accuracies: np.ndarray, seeds: int = 1, of_images: dict[int, Noise] | None = None) -> Rows:
    """A call with --seeds; with one seed, the default call: what seems to differ gets more."""
    rows = look(accuracies, equal_seeds(seeds), of_images)
    if seeds > 1:
        return rows
    counts = equal_seeds(1)
    for number, row in rows.items():
        counts[number] = next_seeds(row, until_known=False)
    return look(accuracies, counts, of_images)


def until_known(accuracies: np.ndarray, close: float) -> Iterator[tuple[Rows, int]]:
    """The rounds of --until: rows, and trainings so far."""
    counts = equal_seeds(1)
    while True:
        rows = compare_with_base(first_seeds(accuracies, counts), 0, close)
        yield rows, sum(counts.values())
        more = {number: next_seeds(row, until_known=True) for number, row in rows.items()}
        grown = [seeds for number, seeds in more.items() if seeds > counts[number]]
        if not grown:
            return
        counts = {0: next_seeds_of_base(counts[0], max(grown))} | more


def names_one(rows: Rows) -> bool:
    """Whether a setting is said to be better or worse."""
    return any(row.named for row in rows.values())


# --- what is named falsely -------------------------------------------------------------------


def print_default(noises: dict[str, Draw], draws: int) -> None:
    """What the default call names falsely, and the trainings that it adds."""
    print_heads("the default call, noise", "named falsely", "trainings added")
    for name, draw in noises.items():
        named = []
        added = []
        for accuracies in answers(draw, draws):
            rows = call(accuracies)
            named.append(names_one(rows))
            added.append(sum(row.seeds for row in rows.values()) - SETTINGS)
        print_row(name, share(named), f"{fmean(added):.1f}")


def print_seeds(noises: dict[str, Draw], draws: int) -> None:
    """What --seeds names falsely at each look, and at any of them."""
    print_heads("noise", *[f"{seeds} seeds" for seeds in LOOKS], "any of these")
    for name, draw in noises.items():
        named = []
        for accuracies in answers(draw, draws):
            named.append([names_one(call(accuracies, seeds)) for seeds in LOOKS])
        table = np.array(named)
        print_row(name, *[share(column) for column in table.T], share(table.any(axis=1)))


def print_until(noises: dict[str, Draw], draws: int) -> None:
    """What --until says falsely at any of its rounds, and the trainings it takes; by one noise."""
    heads = ("named falsely", "alike wrongly", "still open", "trainings")
    print_heads("--until; noise; settings, in sd", *heads)
    name, draw = next(iter(noises.items()))
    for close in (2.0, 2.7):
        studies = {"equal": EQUAL, "edge": [1.001 * close] * SETTINGS, "mixed": MIXED}
        for what, true in studies.items():
            print_row(f"{close}; {name}; {what}", *until_cells(draw, close, true, draws // 4))


def until_cells(draw: Draw, close: float, true: list[float], draws: int) -> list[str]:
    """A row of the table: `true` are the differences, `close` is how close is alike, in sd."""
    differences = dict(enumerate(true, start=1))
    falsely = []
    wrongly = []
    still_open = []
    trainings = []
    for accuracies in answers(draw, draws):
        accuracies[1:] += POINT * np.array(true)[:, None]
        rounds = list(until_known(accuracies, POINT * close))
        named = alike = False
        for rows, _ in rounds:
            for number, row in rows.items():
                named |= row.named and row.difference * differences[number] <= 0
                alike |= row.verdict == ALIKE and abs(differences[number]) > close
        rows, count = rounds[-1]
        falsely.append(named)
        wrongly.append(alike)
        still_open.append(fmean(row.verdict == OPEN for row in rows.values()))
        trainings.append(count)
    cells = [share(falsely), share(wrongly)]
    return [*cells, f"{100 * fmean(still_open):.1f} %", f"{fmean(trainings):.0f}"]


def print_intervals(noises: dict[str, Draw], draws: int) -> None:
    """In how many answers all intervals hold the true differences, EQUAL or MIXED."""
    heads = ("default, equal", "default, mixed", "of these, on three trainings")
    print_heads("noise", *heads, "3 seeds, mixed", "6 seeds, mixed")
    cases = ((1, EQUAL, 1), (1, MIXED, 1), (1, MIXED, LEAST_SEEDS), (3, MIXED, 1), (6, MIXED, 1))
    for name, draw in noises.items():
        cells = []
        for seeds, true, least in cases:
            cells.append(share(all_true(draw, seeds, true, least, draws // 4)))
        print_row(name, *cells)


def all_true(draw: Draw, seeds: int, true: list[float], least: int, draws: int) -> list[bool]:
    """Whether all intervals hold the true differences `true`, in sd, of each answer.

    Those of settings with fewer than `least` trainings are passed over.
    """
    truths = []
    for accuracies in answers(draw, draws):
        accuracies[1:] += POINT * np.array(true)[:, None]
        is_true = True
        for row, difference in zip(call(accuracies, seeds).values(), true, strict=True):
            if row.seeds >= least:
                is_true &= row.low <= POINT * difference <= row.high
        truths.append(is_true)
    return truths


def print_against(draws: int) -> None:
    """What --against names falsely where the other sweep is noisier, or like this one by seed."""
    print_heads("--against, the other sweep's noise", "1 seed", "3 seeds", "6 seeds")
    for times, alike in ((1, 0.0), (3, 0.0), (5, 0.0), (1, 0.8)):
        cells = []
        for seeds in (1, 3, 6):
            counts = equal_seeds(seeds)
            named = []
            for here, there in zip(answers(normal, draws), answers_there(draws), strict=True):
                other = times * (alike * here + (1 - alike**2) ** 0.5 * there)
                rows = compare_sweeps(first_seeds(here, counts), first_seeds(other, counts))
                named.append(names_one(rows))
            cells.append(share(named))
        print_row(f"{times} times{', seeds alike' if alike else ''}", *cells)


def answers_there(draws: int) -> Iterator[np.ndarray]:
    """The answers of another sweep."""
    random = np.random.default_rng(1)
    for _ in range(draws):
        yield POINT * random.normal(size=(1 + SETTINGS, SEEDS))


# --- what is found ---------------------------------------------------------------------------


def print_power(draws: int) -> None:
    """How often a difference of one setting is named: by seeds alone, and with new images."""
    sizes = (2.0, 3.0, 4.0, 8.0)
    heads = ["named falsely", *[f"{size:.0f} sd" for size in sizes]]
    print_heads("seeds; test images", *heads)
    for seeds in (1, 3, 4, 6):
        for images, error in {0: 0.0, **ERROR_OF_IMAGES}.items():
            cells = power_cells(seeds, images, error, sizes, draws // 4)
            print_row(f"{seeds}; {images or 'these'}", *cells)


def power_cells(
    seeds: int, images: int, error: float, sizes: tuple[float, ...], draws: int
) -> list[str]:
    """A row of the table; one seed stands for the default call."""
    random = np.random.default_rng(2)
    falsely = []
    found: dict[float, list[bool]] = {size: [] for size in sizes}
    for accuracies in answers(normal, draws):
        accuracies[1:] += POINT * error * random.normal(size=(SETTINGS, 1))
        of_images = noises_of_images(images, error, random)
        falsely.append(names_one(call(accuracies, seeds, of_images)))
        for size in sizes:
            moved = accuracies.copy()
            moved[1] += POINT * size
            found[size].append(call(moved, seeds, of_images)[1].named)
    return [share(falsely), *[share(named) for named in found.values()]]


def noises_of_images(
    images: int, error: float, random: np.random.Generator
) -> dict[int, Noise] | None:
    """What so many images tell of the error that they make, by setting."""
    if not images:
        return None
    known = random.chisquare(images - 1, SETTINGS) / (images - 1)
    variances = (POINT * error) ** 2 * known
    noises = {}
    for number, variance in enumerate(variances.tolist(), start=1):
        noises[number] = Noise(variance, images - 1)
    return noises


def print_sizes(draws: int) -> None:
    """How often a difference of the size that the report tells is named, in sd."""
    print_heads("told to be found in 80 %", "size told, sd: mean", "found")
    for seeds in (1, 3, 4, 6, 10):
        told = []
        found = []
        for accuracies in answers(normal, draws // 4):
            samples = first_seeds(accuracies, equal_seeds(seeds))
            noise = pooled_noise(samples.values()).noise
            size = found_from(noise, seeds, len(samples[0]), SETTINGS)
            told.append(size / POINT)
        for size, accuracies in zip(told, answers_there(draws // 4), strict=True):
            accuracies[1] += POINT * size
            found.append(call(accuracies, seeds)[1].named)
        print_row(f"{seeds} seeds", f"{fmean(told):.1f}", share(found))


def print_choice(draws: int) -> None:
    """By how much the best setting is missed that might have been used, by three ways to choose.

    True accuracies scatter by SPREAD. The validation images, 2,000 of them, add their own error.
    """
    heads = (
        "always the base",
        "what is better, else the base",
        "the best guess",
        "worse than the base",
    )
    print_heads("missed by, sd", *heads)
    random = np.random.default_rng(3)
    for seeds in (1, 3, 6):
        missed = []
        for accuracies in answers(normal, draws // 4):
            true = SPREAD * random.normal(size=1 + SETTINGS)
            error = ERROR_OF_IMAGES[2000] * random.normal(size=1 + SETTINGS)
            accuracies += POINT * true[:, None]
            samples = first_seeds(accuracies, equal_seeds(seeds))
            valid = {name: fmean(sample) for name, sample in samples.items()}
            guess = max(valid, key=lambda name: valid[name] + POINT * error[name])
            rows = call(accuracies, seeds)
            better = [number for number, row in rows.items() if row.verdict == BETTER]
            use = max(better, key=lambda number: rows[number].difference, default=0)
            missed.append(true.max() - true[[0, use, guess]])
        table = np.array(missed)
        cells = []
        for column in table.T:
            cells.append(f"{column.mean():.2f} ± {column.std() / len(column) ** 0.5:.2f}")
        print_row(f"{seeds} seeds", *cells, share(table[:, 2] > table[:, 0]))


# --- one training ----------------------------------------------------------------------------


def print_curves(draws: int) -> None:
    """What is said of curves that are flat but for noise, and of those that rise or fall."""
    heads = ("flat: ends above its minimum", "flat: still falls", "rises by a half", "falls")
    print_heads("epochs; noise", *heads)
    random = np.random.default_rng(0)
    for epochs in (5, 10, 20, 40, 80):
        for noise in (0.03, 0.12):
            times = np.linspace(0, 1, epochs)
            rising = 1 + 0.5 * np.maximum(0, times - 0.3) / 0.7 + 2 * np.exp(-times / 0.1)
            shapes = (np.ones(epochs), np.ones(epochs), rising, 1 + np.exp(-times / 0.5))
            cells = []
            for shape, rule in zip(shapes, (rises, falls, rises, falls), strict=True):
                curves = shape * (1 + noise * random.normal(size=(draws, epochs)))
                cells.append(share([rule(curve) for curve in curves]))
            print_row(f"{epochs}; {100 * noise:.0f} %", *cells)


def print_learned(draws: int) -> None:
    """What is said of trainings that guess, or that are right more often."""
    print_heads("test images; right", *[answer.value for answer in Learned])
    random = np.random.default_rng(0)
    for images in (12, 24, 100, 350, 2000):
        for right in (0.5, 0.6, 0.8):
            counts = random.binomial(images, right, draws)
            said = [learned_from(count, images, 0.5) for count in counts.tolist()]
            cells = [share([answer == other for answer in said]) for other in Learned]
            print_row(f"{images}; {right:.0%}", *cells)


# --- all of it -------------------------------------------------------------------------------


def trained(options: argparse.Namespace) -> list[float]:
    """The test accuracies of trained replicas of the base."""
    out = options.out.resolve()
    studies = {"Change_learning_rate": [0.01]}  # the base itself
    train_replicas(options.data, options.image_size, out, options.base_seeds, 1, studies)
    return [training.accuracy for training in read_replicas(out)[key()]]


OF_NOISES = {
    "default": print_default,
    "seeds": print_seeds,
    "intervals": print_intervals,
    "until": print_until,
}
OTHERS = {
    "against": print_against,
    "power": print_power,
    "sizes": print_sizes,
    "choice": print_choice,
    "curves": print_curves,
    "learned": print_learned,
}


def main() -> None:
    numbers = {"image_size": 32, "base_seeds": 40, "draws": 20000}
    options_parser = parser(__doc__ or "", "", **numbers)
    options_parser.add_argument("--out", type=Path, default=Path("replicas"))
    tables = [*OF_NOISES, *OTHERS]
    options_parser.add_argument("--only", choices=tables, nargs="*", default=tables)
    options = parse(options_parser, draws=40)
    print_machine()
    noises = NOISES
    if options.data and not options.smoke:  # the images made for it leave no noise to draw from
        base = trained(options)
        print(f"the base: {100 * fmean(base):.1f} ± {100 * stdev(base):.2f} %, {len(base)} seeds")
        noises = {"replicas": replicas(base)}
        options.only = [table for table in options.only if table in OF_NOISES]
    for table in options.only:
        if table in OF_NOISES:
            OF_NOISES[table](noises, options.draws)
        else:
            OTHERS[table](options.draws)


if __name__ == "__main__":
    main()
