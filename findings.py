"""Statistics and rules: numbers of runs in, tests and sentences out.

    from findings import wilson, mcnemar
    low, high = wilson(correct=1540, count=2000)

Pure functions of numbers; nothing here reads a file. Each rule's threshold stands in a
constant below and in the sentence that applies it.
"""

import math
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

ALPHA = 0.05
Z95 = 1.959963984540054  # 97.5 % point of the normal distribution
OVERFIT_RISE = 0.10  # the validation loss rises by more than this share after its minimum ...
OVERFIT_GAP = 0.05  # ... while training accuracy is more than this above validation accuracy
UNSTABLE = 0.2  # of its range that the validation loss goes up and down between two epochs
STILL_FALLING = 0.1  # fall of the validation loss over the last fifth, of its range, that counts
SAME_ANSWERS = 0.95  # two losses that agree on more of the test images give the same answer


class Result(NamedTuple):
    """One run: its history (epochs, 5), and per test image the class and whether it is right."""

    history: np.ndarray
    kept_epoch: int
    predicted: np.ndarray
    right: np.ndarray
    last_accuracy: float
    diverged: bool


class Setting(NamedTuple):
    """A setting's name in the report, its value in its study, and its runs, one a seed."""

    name: str
    value: float | str
    updates: int
    results: list[Result]

    @property
    def test_accuracy(self) -> float:
        return mean([own.right.mean() for own in self.results])

    @property
    def valid_accuracy(self) -> float:
        """Validation accuracy at the kept epoch; 0 if no epoch could be kept."""
        return mean(
            [own.history[own.kept_epoch - 1, 4] if own.kept_epoch else 0 for own in self.results]
        )

    @property
    def swing(self) -> float:
        """Mean absolute change of the validation loss from epoch to epoch."""
        return mean([swing_of(own.history[:, 2]) for own in self.results])


class Comparison(NamedTuple):
    """A setting against the best one: difference of test accuracies, p, Holm-corrected p."""

    setting: Setting
    difference: float
    p: float
    corrected: float


# --- statistics ------------------------------------------------------------------------------


def mean(values: list) -> float:
    return float(np.mean(values))


def wilson(correct: float, count: int) -> tuple[float, float]:
    """95 % interval of a share, both ends from 0 to 1 (Wilson 1927, JASA 22:209)."""
    share, z2 = correct / count, Z95 * Z95
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count)
    half *= math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of two classifiers on the same images (McNemar 1947).

    The counts are of images that only the first, only the second gets right; if both are
    equally good, each of these falls to either side with probability 1/2.
    """
    count, least = only_first + only_second, min(only_first, only_second)
    term = tail = 1  # the binomial coefficients, each from the one before: fast for any count
    for k in range(least):
        term = term * (count - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**count)


def sign_flip(differences: list[float]) -> float:
    """Exact two-sided p of paired differences: all 2^N choices of their signs (Fisher 1935)."""
    values = np.array(differences, dtype=float)
    choices = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
    sums = np.abs((1 - 2 * choices) @ values)
    return float(np.mean(sums >= abs(values.sum()) - 1e-12))


def holm(ps: list[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979), in the order given."""
    corrected, highest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = highest
    return corrected


def smallest_p(seeds: int, comparisons: int) -> float:
    """Smallest corrected p that the sign-flip test over this many seeds can give."""
    return min(1.0, comparisons * 2.0 ** (1 - seeds))


def seeds_needed(comparisons: int) -> int:
    """How many seeds it takes until a corrected p can be below ALPHA."""
    return math.floor(math.log2(comparisons / ALPHA)) + 2


# --- comparing settings ----------------------------------------------------------------------


def best_of(settings: list[Setting]) -> Setting:
    """The setting with the highest validation accuracy; the test images have no say."""
    return max(settings, key=lambda setting: setting.valid_accuracy)


def compare_with(best: Setting, settings: list[Setting]) -> list[Comparison]:
    """Test every other setting against the best: McNemar for one seed, sign flips for more."""
    others = [setting for setting in settings if setting is not best]
    ps, differences = [], []
    for other in others:
        pairs = list(zip(other.results, best.results, strict=False))
        changes = [mean(own.right) - mean(reference.right) for own, reference in pairs]
        differences.append(mean(changes))
        if len(pairs) > 1:
            ps.append(sign_flip(changes))
        else:
            own, reference = (result.right for result in pairs[0])
            ps.append(mcnemar(int((own & ~reference).sum()), int((reference & ~own).sum())))
    return [Comparison(*row) for row in zip(others, differences, ps, holm(ps), strict=True)]


def comparison_sentences(settings: list[Setting]) -> list[str]:
    """Say which setting is best, what is tied with it, and what differs beyond noise."""
    if len(settings) < 2:
        return []
    best = best_of(settings)
    comparisons = compare_with(best, settings)
    seeds = min(len(setting.results) for setting in settings)
    least, count = smallest_p(seeds, len(comparisons)), len(best.results[0].right)
    undecided = seeds > 1 and least >= ALPHA
    low, high = wilson(best.test_accuracy * count, count)
    sentences = [
        f"{'Highest' if undecided else 'Best by'} validation accuracy: {best.name}, "
        f"{percent(best.valid_accuracy)} (test {percent(best.test_accuracy)}, 95% interval "
        f"{100 * low:.1f} to {100 * high:.1f})."
    ]
    if undecided:
        sentences.append(
            f"No winner can be named: with {seeds} seeds the smallest p of the exact sign-flip "
            f"test is {2.0 ** (1 - seeds):.3g}, and {least:.3g} after Holm's correction for "
            f"{len(comparisons)} comparisons, not below {ALPHA}; "
            f"{seeds_needed(len(comparisons))} seeds could do it."
        )
        return sentences + consistent_sentences(best, comparisons)
    test = (
        f"exact McNemar test on the same {count:,} test images"
        if seeds == 1
        else f"exact sign-flip test over {seeds} seeds, smallest p {2.0 ** (1 - seeds):.2g}"
    )
    tied = [own.setting.name for own in comparisons if own.corrected >= ALPHA]
    if tied:
        sentences.append(f"Tied with it ({test}, Holm-corrected p from {ALPHA}): {and_list(tied)}.")
    for word, sign in (("worse", -1), ("better", 1)):
        named = [difference_text(own) for own in comparisons
                 if own.corrected < ALPHA and own.difference * sign > 0]  # fmt: skip
        if named:
            sentences.append(f"Tested {word} than it beyond noise ({test}): {and_list(named)}.")
    if seeds == 1:
        sentences.append(
            "With one seed this compares two trained networks, not yet their settings: "
            "another seed may change it (--seeds)."
        )
    return sentences


def consistent_sentences(best: Setting, comparisons: list[Comparison]) -> list[str]:
    """Where no test can decide: which settings scored lower than the best with every seed."""
    lower = []
    for own in comparisons:
        pairs = zip(own.setting.results, best.results, strict=False)
        if all(mean(one.right) < mean(other.right) for one, other in pairs):
            lower.append(f"{own.setting.name} ({points(own.difference)})")
    return [f"Below it with every seed: {and_list(lower)}."] if lower else []


def difference_text(comparison: Comparison) -> str:
    p = f"p = {comparison.corrected:.2g}" if comparison.corrected >= 1e-4 else "p < 0.0001"
    return f"{comparison.setting.name} ({points(comparison.difference)}, {p})"


# --- rules -----------------------------------------------------------------------------------


def swing_of(losses: np.ndarray) -> float:
    """Mean absolute change of a curve from epoch to epoch; 0 for a single epoch."""
    finite = losses[np.isfinite(losses)]
    return float(np.abs(np.diff(finite)).mean()) if len(finite) > 1 else 0.0


def up_and_down(losses: np.ndarray) -> float:
    """Mean movement between epochs beyond the net change, as a share of the curve's range."""
    net = abs(losses[-1] - losses[0]) / (len(losses) - 1)
    extent = np.ptp(losses)
    return float((swing_of(losses) - net) / extent) if extent else 0.0


def rise_of(result: Result) -> float:
    """Share by which the validation loss at the end exceeds its minimum."""
    losses = result.history[:, 2]
    least = losses[result.kept_epoch - 1] if result.kept_epoch else 0.0
    return float(losses[-1] / least - 1) if least else 0.0


def gap_of(result: Result) -> float:
    """Training accuracy above validation accuracy in the last epoch."""
    return float(result.history[-1, 3] - result.history[-1, 4])


def overfits(setting: Setting) -> bool:
    """Whether the loss rose after its minimum and the accuracies came apart, in the mean.

    A diverged training says nothing about it.
    """
    if any(result.diverged for result in setting.results):
        return False
    rise, gap = (mean([own(result) for result in setting.results]) for own in (rise_of, gap_of))
    return rise > OVERFIT_RISE and gap > OVERFIT_GAP


def convergence(result: Result, majority_share: float, valid_images: int) -> str:
    """How a training ended: diverged, did not learn, unstable, still improving, converged."""
    if result.diverged:
        return "diverged"
    noise = Z95 * math.sqrt(majority_share * (1 - majority_share) / valid_images)
    if result.history[:, 4].max() <= majority_share + noise:
        return "did not learn"
    fifth = len(result.history) // 5
    if not fifth:
        return "too short to tell"
    losses = result.history[:, 2]
    lost = result.history[-fifth:, 4].mean() <= majority_share + noise
    if lost or up_and_down(losses) > UNSTABLE:
        return "unstable"
    before, last = losses[-2 * fifth : -fifth].mean(), losses[-fifth:].mean()
    return "still improving" if before - last > STILL_FALLING * np.ptp(losses) else "converged"


def epochs_sentences(settings: list[Setting]) -> list[str]:
    """Overfitting: where the validation loss was lowest and what came after."""
    sentences = []
    for setting in settings:
        results = setting.results
        if any(result.diverged for result in results):
            sentences.append(f"{setting.name}: diverged, which says nothing about overfitting.")
            continue
        epochs = span([result.kept_epoch for result in results])
        gap = mean([gap_of(own) for own in results])
        verdict = "overfits" if overfits(setting) else "does not overfit by this rule"
        sentences.append(
            f"{setting.name}: lowest validation loss at {epochs}; afterwards it rose by "
            f"{100 * mean([rise_of(own) for own in results]):.0f}%; in the last epoch training "
            f"accuracy is {abs(100 * gap):.1f} points {'above' if gap >= 0 else 'below'} "
            f"validation accuracy; last epoch's test accuracy "
            f"{percent(mean([own.last_accuracy for own in results]))}: {verdict}."
        )
    sentences.append(
        f"Rule: a setting overfits if the validation loss ends more than "
        f"{100 * OVERFIT_RISE:.0f}% above its minimum and training accuracy more than "
        f"{100 * OVERFIT_GAP:.0f} points above validation accuracy."
    )
    return sentences


def untrained(settings: list[Setting], majority_share: float, valid_images: int) -> list[str]:
    """Names of the settings that got beyond guessing with no seed."""
    ends = {
        own.name: {convergence(run, majority_share, valid_images) for run in own.results}
        for own in settings
    }
    return [name for name, states in ends.items() if states == {"did not learn"}]


def untrained_sentences(names: list[str], majority_share: float) -> list[str]:
    """Say which settings did not learn, so that nobody reads more into them."""
    if not names:
        return []
    return [
        "Did not learn (at no epoch is the validation accuracy above the noise of the majority "
        f"share, {percent(majority_share)}): {and_list(names)}. A comparison with such a setting "
        "says no more than that, and its curve is smooth because nothing happens."
    ]


def batch_size_sentences(settings: list[Setting]) -> list[str]:
    """Swing of the validation loss, and how many updates were made."""
    settings = [own for own in settings if not any(run.diverged for run in own.results)]
    if not settings:
        return []
    swings = [f"{own.name}: {own.swing:.4f} ({own.updates:,} updates)" for own in settings]
    sentences = [
        "Swing, the mean absolute change of the validation loss between epochs: "
        + "; ".join(swings)
        + "."
    ]
    values = [own.swing for own in sorted(settings, key=lambda own: own.value)]
    steps = list(pairwise(values))
    if steps and all(after < before for before, after in steps):
        sentences.append("Of these, the curves swing less with every larger batch.")
    elif steps and values[-1] < values[0]:
        sentences.append(
            "Of these, the largest batch swings less than the smallest, but not every step falls."
        )
    elif steps:
        sentences.append("Of these, the curves do not swing less with larger batches.")
    sentences.append(
        "At a fixed number of epochs a larger batch also makes fewer updates, so this study "
        "changes two things at once."
    )
    return sentences


def learning_rate_sentences(
    settings: list[Setting], majority_share: float, valid_images: int
) -> list[str]:
    """Whether each rate learned, still improves, or has converged."""
    sentences = []
    for setting in settings:
        states = [convergence(own, majority_share, valid_images) for own in setting.results]
        counted = [
            state
            if len(states) == 1
            else f"{state} in {states.count(state)} of {len(states)} seeds"
            for state in dict.fromkeys(states)
        ]
        swing = f"; the validation loss swings by {setting.swing:.4f}"
        swing = "" if "diverged" in states else swing
        sentences.append(f"{setting.name}: {and_list(counted)}{swing}.")
    sentences.append(
        "Rules: diverged, if the loss is no longer finite; did not learn, if the best validation "
        f"accuracy is within the noise of the majority share ({percent(majority_share)}); "
        "unstable, if it was better at some epoch but the mean of the last fifth of the epochs is "
        "not, or if the validation loss goes up and down between epochs by more than "
        f"{100 * UNSTABLE:.0f}% of its range; still improving, if its mean over the last fifth is "
        f"below that over the fifth before by more than {100 * STILL_FALLING:.0f}% of its range; "
        "else converged. Fewer than 5 epochs are too short to tell."
    )
    return sentences


def loss_sentences(settings: list[Setting]) -> list[str]:
    """Which losses give the same answers on the test images."""
    same = []
    for one, other in combinations(settings, 2):
        pairs = zip(one.results, other.results, strict=False)
        agreement = mean([np.mean(a.predicted == b.predicted) for a, b in pairs])
        if agreement > SAME_ANSWERS:
            same.append(f"{one.name} and {other.name} ({percent(agreement)})")
    found = and_list(same) if same else "none"
    return [
        "The losses' values have different units; only accuracy compares them.",
        f"Pairs that give the same answer on more than {100 * SAME_ANSWERS:.0f}% of the test "
        f"images: {found}.",
    ]


# --- words -----------------------------------------------------------------------------------


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def points(difference: float) -> str:
    return f"{100 * difference:+.1f} points"


def span(epochs: list[int]) -> str:
    """Name the epochs from the first to the last of several seeds."""
    first, last = min(epochs), max(epochs)
    return f"epoch {first}" if first == last else f"epochs {first} to {last}"


def and_list(names: list[str]) -> str:
    """Join names the way a sentence does."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
