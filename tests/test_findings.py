"""Statistics against hand-computed values and scipy; every rule on both sides of its threshold."""

import numpy as np
import pytest
from scipy import stats

import findings
from findings import Result, Setting

RIGHT = np.ones(400, dtype=bool)


def run(
    valid_loss, train_accuracy=0.8, valid_accuracy=0.75, wrong=0, last=0.75, diverged=False
) -> Result:
    """A made-up run; `wrong` test images, or a list of them, are wrong."""
    losses = np.array(valid_loss, dtype=float)
    count = len(losses)
    history = np.column_stack(
        [np.arange(1, count + 1), losses, losses,
         np.full(count, train_accuracy), np.full(count, valid_accuracy)]
    )  # fmt: skip
    right = RIGHT.copy()
    right[wrong if isinstance(wrong, list) else slice(0, wrong)] = False
    kept = int(np.nanargmin(losses)) + 1
    return Result(history, kept, np.where(right, "cat", "dog"), right, last, diverged)


def setting(name, *results, value=0, updates=100) -> Setting:
    return Setting(name, value, updates, list(results))


# --- statistics ------------------------------------------------------------------------------


def test_wilson_interval_by_hand_and_by_scipy():
    low, high = findings.wilson(8, 10)
    assert (low, high) == (pytest.approx(0.49016, abs=1e-5), pytest.approx(0.94331, abs=1e-5))
    for correct, count in ((0, 10), (10, 10), (1540, 2000), (1, 3)):
        expected = stats.binomtest(correct, count).proportion_ci(method="wilson")
        assert findings.wilson(correct, count) == pytest.approx((expected.low, expected.high))


def test_mcnemar_by_hand_and_by_scipy():
    assert findings.mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)
    assert findings.mcnemar(0, 0) == 1
    assert findings.mcnemar(3, 3) == 1
    for first, second in ((0, 6), (40, 70), (300, 200)):
        expected = stats.binomtest(first, first + second).pvalue
        assert findings.mcnemar(first, second) == pytest.approx(expected)
        assert findings.mcnemar(second, first) == pytest.approx(expected)


def test_sign_flip_by_hand_and_by_scipy():
    assert findings.sign_flip([1, 1, 1, 1, 1]) == 2 / 32
    assert findings.sign_flip([1, -1]) == 1
    assert findings.sign_flip([3, 1, -1]) == 6 / 8  # sums 5, 3, 3, 1 and their negatives
    differences = np.random.default_rng(0).normal(0.5, 1, 8)
    expected = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert findings.sign_flip(list(differences)) == pytest.approx(expected)


def test_smallest_p_is_two_to_the_one_minus_n():
    for seeds in (2, 5, 6, 8):
        assert findings.sign_flip([0.1] * seeds) == 2.0 ** (1 - seeds)
        assert findings.smallest_p(seeds, 1) == 2.0 ** (1 - seeds)
    assert findings.smallest_p(6, 3) == pytest.approx(3 / 32)


def test_holm_by_hand():
    assert findings.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert findings.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert findings.holm([]) == []


# --- comparing -------------------------------------------------------------------------------


def test_the_best_is_picked_by_validation_accuracy_never_by_test_accuracy():
    better_on_test = setting("a", run([1, 0.5], valid_accuracy=0.70, wrong=10))
    better_on_valid = setting("b", run([1, 0.5], valid_accuracy=0.71, wrong=20))
    assert findings.best_of([better_on_test, better_on_valid]).name == "b"


def test_one_seed_ties_within_noise_and_names_what_differs_beyond_it():
    best = setting("best", run([1, 0.5], valid_accuracy=0.9, wrong=20))
    tied = setting("tied", run([1, 0.5], wrong=25))
    worse = setting("worse", run([1, 0.5], wrong=120))
    better = setting("better", run([1, 0.5], wrong=0))
    text = " ".join(findings.comparison_sentences([best, tied, worse, better]))
    assert "Best by validation accuracy: best, 90.0% (test 95.0%, 95% interval 92.4 to" in text
    assert "McNemar test on the same 400 test images, Holm-corrected p from 0.05): tied." in text
    assert "Tested worse than it beyond noise" in text and "worse (-25.0 points" in text
    assert "Tested better than it beyond noise" in text and "better (+5.0 points" in text
    assert "With one seed this compares two trained networks" in text


def test_mcnemar_is_exact_for_many_images_too():
    expected = stats.binomtest(9_900, 20_000).pvalue
    assert findings.mcnemar(9_900, 10_100) == pytest.approx(expected)


def test_mcnemar_counts_the_images_on_which_two_runs_differ():
    first = setting("a", run([1, 0.5], valid_accuracy=0.9, wrong=list(range(10))))
    second = setting("b", run([1, 0.5], wrong=list(range(5, 30))))
    (comparison,) = findings.compare_with(first, [first, second])
    assert comparison.p == pytest.approx(findings.mcnemar(20, 5))
    assert comparison.difference == pytest.approx(-15 / 400)


@pytest.mark.parametrize(("seeds", "named"), [(5, False), (6, True)])
def test_no_winner_is_named_where_the_seeds_are_too_few(seeds, named):
    best = setting("best", *[run([1, 0.5], valid_accuracy=0.9, wrong=20)] * seeds)
    worse = setting("worse", *[run([1, 0.5], wrong=120)] * seeds)
    text = " ".join(findings.comparison_sentences([best, worse]))
    assert ("No winner can be named" in text) != named
    assert ("Tested worse than it beyond noise" in text) == named
    if not named:
        assert "with 5 seeds the smallest p" in text and "0.0625" in text
        assert "Below it with every seed: worse (-25.0 points)." in text
        assert "6 seeds could do it" in text


@pytest.mark.parametrize("comparisons", range(1, 20))
def test_the_number_of_seeds_asked_for_is_the_smallest_that_can_name_a_winner(comparisons):
    needed = findings.seeds_needed(comparisons)
    least = [findings.smallest_p(seeds, comparisons) for seeds in (needed - 1, needed)]
    assert least[1] < findings.ALPHA <= least[0]


def test_holms_correction_is_part_of_what_the_seeds_can_show():
    many = [setting("best", *[run([1, 0.5], valid_accuracy=0.9)] * 6)]
    many += [setting(f"other {k}", *[run([1, 0.5], wrong=100)] * 6) for k in range(2)]
    text = " ".join(findings.comparison_sentences(many))
    assert "smallest p of the exact sign-flip test is 0.0312, and 0.0625 after Holm's" in text


def test_a_single_setting_is_compared_with_nothing():
    assert findings.comparison_sentences([setting("only", run([1, 0.5]))]) == []


# --- rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "train_accuracy", "expected"),
    [(0.56, 0.85, True), (0.54, 0.85, False), (0.56, 0.79, False)],
)
def test_overfitting_needs_a_rise_of_the_loss_and_a_gap_of_the_accuracies(
    end, train_accuracy, expected
):
    own = setting("80", run([0.7, 0.5, end], train_accuracy, valid_accuracy=0.75))
    assert findings.overfits(own) == expected
    text = findings.epochs_sentences([own])
    assert text[0].endswith(": overfits." if expected else "does not overfit by this rule.")
    assert "lowest validation loss at epoch 2" in text[0]
    assert "more than 10% above" in text[-1] and "more than 5 points" in text[-1]


def test_a_diverged_training_and_a_loss_of_zero_say_nothing_about_overfitting():
    diverged = setting("a", run([0.5, np.inf], 0.99, diverged=True))
    assert not findings.overfits(diverged)
    (text, _) = findings.epochs_sentences([setting("b", run([1, 0]))])
    assert "afterwards it rose by 0%" in text


def test_settings_that_did_not_learn_are_named_and_diverged_ones_have_no_swing():
    flat = setting("128", run([0.69] * 20, valid_accuracy=0.54), value=128)
    good = setting("16", run([0.7, 0.5] * 10, valid_accuracy=0.7), value=16)
    assert findings.untrained([good, flat], 0.5, 400) == ["128"]
    (text,) = findings.untrained_sentences(["128"], 0.5)
    assert "majority share, 50.0%): 128." in text
    assert findings.untrained_sentences([], 0.5) == []
    diverged = setting("32", run([0.5, np.nan], diverged=True), value=32)
    assert "32" not in " ".join(findings.batch_size_sentences([good, diverged]))


def test_swing_is_the_mean_absolute_change_between_epochs():
    assert findings.swing_of(np.array([1.0, 0.5, 0.7])) == pytest.approx(0.35)
    assert findings.swing_of(np.array([1.0])) == 0


@pytest.mark.parametrize(
    ("swings", "sentence"),
    [
        ((0.3, 0.2, 0.1), "swing less with every larger batch"),
        ((0.3, 0.1, 0.2), "largest batch swings less than the smallest, but not every step"),
        ((0.1, 0.2, 0.3), "do not swing less with larger batches"),
    ],
)
def test_batch_sizes_are_said_to_swing_less_only_where_they_do(swings, sentence):
    settings = [
        setting(str(value), run([1, 1 - swing]), value=value, updates=1000 // value)
        for value, swing in zip((16, 32, 64), swings, strict=True)
    ]
    text = " ".join(findings.batch_size_sentences(settings))
    assert sentence in text
    assert "(62 updates)" in text and "fewer updates" in text


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (run([0.69] * 20, valid_accuracy=0.54), "did not learn"),
        (run([0.69] * 20, valid_accuracy=0.56), "converged"),
        (run(np.linspace(0.7, 0.4, 20)), "still improving"),
        (run([0.7] * 12 + [0.5] * 4 + [0.48] * 4), "converged"),
        (run([0.7] * 12 + [0.5] * 4 + [0.476] * 4), "still improving"),
        (run([0.5, np.nan], diverged=True), "diverged"),
        (run([0.5, 0.4]), "too short to tell"),
    ],
)
def test_convergence_by_its_rules(result, expected):
    # 400 validation images, half of each class: the noise is 0.049 around 0.5.
    assert findings.convergence(result, 0.5, 400) == expected
    text = findings.learning_rate_sentences([setting("0.1", result)], 0.5, 400)
    swings = "" if expected == "diverged" else "; the validation loss swings by"
    assert text[0].startswith(f"0.1: {expected}{swings}")


@pytest.mark.parametrize(("end", "expected"), [(0.54, "unstable"), (0.56, "converged")])
def test_a_run_that_loses_what_it_had_learned_is_unstable(end, expected):
    result = run([0.6] * 20)
    result.history[16:, 4] = end
    assert findings.convergence(result, 0.5, 400) == expected


def test_up_and_down_is_movement_beyond_the_net_change():
    assert findings.up_and_down(np.linspace(0.7, 0.4, 20)) == pytest.approx(0, abs=1e-9)
    assert findings.up_and_down(np.array([0.5, 0.7, 0.5])) == pytest.approx(1)


@pytest.mark.parametrize(("step", "expected"), [(0.023, "unstable"), (0.018, "converged")])
def test_a_loss_that_goes_up_and_down_by_a_fifth_of_its_range_is_unstable(step, expected):
    losses = np.array([0.6, 0.5] + [0.5 + step * (epoch % 2) for epoch in range(18)])
    share = findings.up_and_down(losses)
    assert (share > 0.2) == (expected == "unstable")
    assert findings.convergence(run(losses), 0.5, 400) == expected


@pytest.mark.parametrize(("differing", "same"), [(19, True), (21, False)])
def test_losses_give_the_same_answer_above_95_percent(differing, same):
    settings = [
        setting("MSELoss", run([1, 0.5])),
        setting("L1Loss", run([1, 0.5], wrong=differing)),
    ]
    text = findings.loss_sentences(settings)[-1]
    assert ("MSELoss and L1Loss" in text) == same
    assert ("none" in text) != same
