"""What is found in made-up runs, as kinds and values, and a sentence for every kind."""

import re
from pathlib import Path

import jinja2
import numpy as np
import pytest
from made_up import CHANCE, CURVE, DIVERGED, SIX, curve, made, make

from report import curves, rules, words
from report.answer import Answer, make_answer
from report.comparison import ALIKE, OPEN, found_from
from report.findings import (
    Finding,
    answer_findings,
    headline,
    rules_of,
    size_of,
    study_lines,
    warnings_of,
)
from report.noise import Noise
from report.results import Setting
from report.studied import study_findings
from report.words import say, sentence

pytestmark = pytest.mark.filterwarnings("error")
EPOCHS, BATCHES, RATES = "Change_epochs", "Change_batch_size", "Change_learning_rate"
WORSE = {0.1: {"shift": -0.3}}  # changes for make(): a learning rate is worse than the base
WIDE = [0.72, 0.78, 0.74, 0.80, 0.76, 0.70]  # accuracies of a base that scatters widely
RISING = [0.7] + [0.5] * 20 + [0.6] * 59
STEEP = {"losses": RISING, "train": 0.9}
BELOW = {"losses": RISING, "train": 0.7}
TEMPLATE = Path(words.__file__).with_suffix(".txt").read_text()
KINDS = re.findall(r"macro (?!opening)(\w+)\(v\)", TEMPLATE)


def all_found(changes={}, study="", **options) -> list[Finding]:  # noqa: B006
    """The findings of the whole answer, or of one study."""
    studies, answer = make(changes, **options)
    if study:
        return study_findings(studies[study], answer)
    return answer_findings(answer)


def found(kind, changes={}, study="", label=None, **options) -> list[dict]:  # noqa: B006
    """The values of the findings of one kind, perhaps those about one setting of a study."""
    values = []
    for finding in all_found(changes, study, **options):
        if finding.kind == kind and label in (None, finding.values.get("label")):
            values.append(finding.values)
    return values


def only(kind, changes={}, study="", **options) -> dict:  # noqa: B006
    """The values of the only finding of a kind."""
    (values,) = found(kind, changes, study, **options)
    return values


def answer_of(changes={}, **options):  # noqa: B006
    """The answer of made-up runs."""
    return make(changes, **options)[1]


# --- the answer ------------------------------------------------------------------------------


def test_what_matters_most_stands_first():
    first, second, *_ = all_found({0.1: {"shift": -0.3}, 16: {"shift": 0.4}}, seeds=6)
    assert (first.kind, first.values["what"]) == ("matters", "batch size")
    assert (second.kind, second.values["what"]) == ("matters", "learning rate")


def test_what_makes_no_difference_is_named():
    assert only("no_difference", WORSE, seeds=6)["names"] == ["epochs", "batch size"]


def test_what_is_too_close_to_tell_is_named_with_what_may_have_gone_unseen():
    values = only("undecided", WORSE, base=WIDE)
    assert values["names"] == ["epochs", "batch size"]
    assert 0.1 < values["size"] < 0.2


def test_the_first_sentences_are_the_whole_answer_in_short():
    told = say(headline(answer_of(WORSE), source="photos"))
    assert told[0].startswith("On 400 test images of photos, learning rate matters: 0.1 (")
    assert told[0].endswith(") loses 30 points of accuracy to 0.01.")
    assert told[1].startswith("It is too close to tell whether epochs and batch size matter: ")
    assert told[2].startswith("No setting is shown to be better than the base. Best guess of what")


def test_a_gap_says_how_the_training_ended_and_how_few_steps_it_made():
    (gap,) = only("matters", {64: {"shift": -0.2, "valid": 0.54}})["gaps"]
    assert (gap.labels, gap.end, gap.steps) == (["64"], "did not learn", 0.5)


def test_a_gap_of_as_many_steps_that_converged_needs_no_reason():
    told = say(all_found({0.1: {"shift": -0.15}}))
    assert "learning rate matters: 0.1 loses 15 points" in told[0]


def test_trainings_that_kept_the_same_weights_count_once():
    rising = {"losses": curve(0.7, 0.5, then=0.6, epochs=40), "shift": -0.2, "mark": "one"}
    longer = {"losses": curve(0.7, 0.5, then=0.6, epochs=80), "shift": -0.2, "mark": "one"}
    values = only("matters", {40: rising, 80: longer}, studies={EPOCHS: [20, 40, 80]})
    assert [gap.labels for gap in values["gaps"]] == [["40", "80"]]
    told = say(all_found({40: rising, 80: longer}, studies={EPOCHS: [20, 40, 80]}))
    assert "epochs matter: 40 = 80 (the same weights" in told[0]


def test_studies_that_matter_stand_in_the_order_of_their_differences():
    changes = {0.1: {"shift": -0.3}, 16: {"shift": -0.2}, 80: STEEP | {"shift": -0.15}}
    names = [values["what"] for values in found("matters", changes)]
    assert names == ["learning rate", "batch size", "epochs"]


@pytest.mark.parametrize(
    ("study", "labels", "is_open"),
    [(RATES, ["0.1"], True), (BATCHES, [], True), (EPOCHS, [], True)],
)
def test_every_study_has_a_line(study, labels, is_open):
    lines = {values["study"]: values for values in found("line", WORSE, base=WIDE)}
    assert lines[study]["labels"] == labels
    assert lines[study]["is_open"] == is_open
    assert lines[study]["low"] < lines[study]["high"]


def test_the_line_of_a_study_that_matters_has_the_range_of_what_differs():
    line = {values["study"]: values for values in found("line", WORSE)}[RATES]
    assert line["low"] < -0.3 < line["high"] < -0.2


def test_that_there_are_few_test_images_is_a_warning():
    few = CHANCE._replace(test_images=100)
    answer = make_answer(made_settings(), few)
    assert say(warnings_of(answer))[0] == "There are only 100 test images: each is 1.0 points."
    assert not warnings_of(answer._replace(chance=CHANCE))


def test_what_seems_to_differ_on_too_few_trainings_is_said_in_its_row():
    answer = answer_of(WORSE, seeds=2)
    told = [words.verdict_word(row) for row in answer.rows.values() if row.seems]
    assert told == ["seems worse, being confirmed"]


def test_three_trainings_of_each_setting_are_enough():
    assert not found("few_trainings", WORSE, seeds=3)


def test_how_large_a_difference_is_found_is_said_where_something_is_open():
    values = only("size", WORSE, seeds=1)
    assert (values["seeds"], values["base_seeds"], values["share"]) == (1, 6, 0.8)
    assert 0.04 < values["size"] < 0.08


def test_where_nothing_is_open_no_size_is_said():
    assert not found("size", WORSE, seeds=6)


def test_seeds_that_scatter_over_everything_find_no_difference():
    assert only("size", base=[0.0, 1.0] * 3)["size"] is None


def test_the_base_is_shown_by_its_mean():
    assert only("base", seeds=3)["accuracies"] == SIX


@pytest.mark.parametrize(("base", "why"), [(SIX[:1], "two seeds"), ([0.5] * 6, "do not differ")])
def test_where_the_noise_is_not_known_nothing_is_compared(base, why):
    assert why in only("no_noise", WORSE, base=base, seeds=1)["problem"]
    assert not found("matters", WORSE, base=base, seeds=1)


@pytest.mark.parametrize("finished", [slice(0, 0), slice(0, 1), slice(1, None)])
def test_without_the_base_or_with_nothing_else_nothing_is_compared(finished):
    answer = make_answer(made_settings()[finished], CHANCE)
    assert [finding.kind for finding in answer_findings(answer)] == ["too_few"]
    assert not answer.rows


def made_settings(changes={}, **options) -> list[Setting]:  # noqa: B006
    """All made-up settings, study by study."""
    studies, _ = make(changes, **options)
    settings = []
    for group in studies.values():
        settings += group
    return settings


@pytest.mark.parametrize(("close", "verdict"), [(0.02, ALIKE), (0.001, OPEN)])
def test_how_close_is_alike_can_be_asked_for(close, verdict):
    settings = made_settings(seeds=6)
    answer = make_answer(settings, CHANCE, close)
    assert answer.rows[settings[-1].key].verdict == verdict


# --- the best guess ----------------------------------------------------------------------


def valid_of(middle) -> list[dict]:
    """Validation accuracies that scatter from seed to seed around a middle one."""
    return [{"valid": middle + share - np.mean(SIX)} for share in SIX]


def scattered(value, middle, seeds) -> dict:
    """Changes for make(): the base's seeds scatter around 75 %, a setting's around another."""
    changes = {}
    for seed, change in enumerate(valid_of(0.75)):
        changes[f"seed {seed}"] = change
    for seed, change in enumerate(valid_of(middle)[:seeds]):
        changes[(value, seed)] = change
    return changes


def guess(changes, **options) -> dict:
    """What the answer says of the best guess."""
    return only("choice", changes, **options)


def test_the_highest_validation_accuracy_is_the_best_guess():
    values = guess(scattered(16, 0.76, 6), seeds=6)
    assert values["name"] == "batch size 16"
    assert values["ahead"][0].name == "the base"
    assert values["ahead"][0].size == pytest.approx(0.01)


def test_a_guess_says_how_far_it_is_ahead_of_the_next_one_and_of_the_base():
    values = guess(scattered(16, 0.90, 6) | scattered(64, 0.95, 6), seeds=6)
    assert values["name"] == "batch size 64"
    assert [ahead.name for ahead in values["ahead"]] == ["batch size 16", "the base"]


def test_test_images_have_no_say_in_the_guess():
    changes = scattered(64, 0.75, 1) | {16: {"shift": 0.2, "valid": 0.6}}
    assert guess(changes)["name"] != "batch size 16"


@pytest.mark.parametrize(
    ("seeds", "words"),
    [(1, "in the one seed that was trained, which kept"), (3, "in all seeds, which kept")],
)
def test_epochs_that_kept_the_weights_of_the_base_changed_nothing_in_so_many_seeds(seeds, words):
    changes = {}
    for seed in range(6):
        longer = {"losses": curve(*CURVE, then=0.6, epochs=40), "mark": str(seed)}
        changes |= {f"seed {seed}": {"mark": str(seed)}, (40, seed): longer}
    findings = all_found(changes, seeds=seeds, studies={EPOCHS: [20, 40]})
    told = " ".join(say([finding for finding in findings if finding.kind != "base"]))
    assert f"epochs changed nothing {words} the weights of the base." in told


def test_a_setting_that_tests_at_chance_is_guessed_by_the_validation_images_alone():
    changes = scattered(16, 0.95, 6)
    for change in changes.values():
        change["shift"] = -0.25
    assert guess(changes, seeds=6)["name"] == "batch size 16"


def test_that_the_guess_tests_at_chance_is_said_first():
    changes = {"base": {"shift": -0.25, "valid": 0.8}}
    assert guess(changes)["tests_at_chance"]
    told = " ".join(say(headline(answer_of(changes))))
    assert "On the test images it is no better than guessing" in told


def test_that_the_guess_tests_at_chance_is_not_said_otherwise():
    assert not guess({})["tests_at_chance"]


def test_trainings_that_kept_the_same_weights_are_not_ahead_of_one_another():
    rising = [0.7, 0.5] + [0.6] * 38
    changes = {}
    for epochs in (20, 40):
        changes[epochs] = {"losses": rising[:epochs], "valid": 0.8, "mark": "one"}
    values = guess(changes | {"base": changes[20]}, studies={EPOCHS: [20, 40]}, seeds=6)
    assert values["name"] == "the base"
    assert values["ahead"] == []


def test_a_base_that_learned_in_few_of_its_trainings_tells_nothing():
    failing = {f"seed {seed}": DIVERGED for seed in range(5)}
    first = all_found(failing)[0]
    assert (first.kind, first.values["count"], first.values["seeds"]) == ("base_failed", 1, 6)
    assert "the base learned in 1 of 6 trainings: this study cannot tell" in next(
        iter(say([first]))
    )


def test_of_a_base_that_did_not_learn_no_study_is_said_to_matter():
    answer = answer_of({"base": DIVERGED, 0.1: {"shift": -0.3}})
    assert answer.rows
    assert study_lines(answer) == []


def test_an_accuracy_that_the_larger_class_gets_is_told_in_sentences():
    answer = answer_of()
    told = " ".join(say(answer_findings(answer)))
    assert "larger class" not in told
    larger = answer._replace(chance=CHANCE._replace(test_share=0.76))
    told = " ".join(say(answer_findings(larger)))
    assert "75.1% of the test images right (larger class 76.0)" in told
    assert "is right in 75.1% ± 0.8 (larger class 76.0);" in told


def test_where_the_base_diverged_the_guess_is_one_that_learned():
    assert guess({"base": DIVERGED, 16: {"valid": 0.76}})["name"] == "batch size 16"


@pytest.mark.parametrize("is_complete", [True, False])
def test_the_first_sentence_says_if_runs_are_missing(is_complete):
    answer = answer_of(WORSE)._replace(is_complete=is_complete)
    first = next(iter(say(headline(answer))))
    assert first.startswith("On 400 test" if is_complete else "So far, on 400 test")


def test_the_first_sentence_says_so_far_while_something_is_being_confirmed():
    told = next(iter(say(headline(answer_of({0.1: {"shift": -0.3}}, seeds=1)))))
    assert told.startswith("So far, on 400 test images")


def test_a_loss_that_was_zero_rises_without_end():
    losses = [0.7] + [0.0] * 5 + [0.5] * 14
    told = " ".join(say(all_found({80: {"losses": losses, "train": 1.0}}, EPOCHS)))
    assert "lowest validation loss at epoch 2, inf% above it at the end" in told


def test_a_loss_that_stays_zero_does_not_rise():
    changes = {80: {"losses": curve(0.7, then=0.0), "train": 1.0}}
    assert only("overfitting", changes, EPOCHS, label="80")["count"] == 0


def test_where_all_failed_nothing_is_guessed():
    changes = {name: {"valid": 0.5} for name in ("base", 16, 32, 64, 20, 80, 0.001, 0.01, 0.1)}
    assert guess(changes)["name"] is None
    assert answer_of(changes).guess is None


# --- seeds that failed -----------------------------------------------------------------------


def test_what_diverged_or_did_not_learn_is_named():
    values = only("unlearned", {0.1: DIVERGED, 64: {"valid": 0.54}, 16: {"valid": 0.6}})
    assert values["names"] == ["batch size 64", "learning rate 0.1"]


def test_a_setting_that_learned_with_some_seeds_only_is_counted():
    assert only("partly", {"seed 3": {"valid": 0.54}})["settings"] == [("the base", 5, 6)]


def test_the_best_of_many_epochs_must_exceed_what_guessing_reaches_at_its_best():
    assert CHANCE.valid_bound(1) == pytest.approx(0.55, abs=1e-4)
    assert CHANCE.valid_bound(20) == pytest.approx(0.575, abs=1e-4)
    result = made_settings({"base": {"valid": 0.56}})[0].results[0]
    assert rules.learned_in_validation(result, CHANCE) == rules.Learned.UNKNOWN


FEW = rules.Chance(0.5, 12, 0.5, 12)  # images, of which 9 right ones tell nothing


def test_what_too_few_images_leave_open_is_not_said_to_have_failed():
    answer = make_answer(made_settings(seeds=3), FEW)
    kinds = {finding.kind for finding in answer_findings(answer)}
    assert not kinds & {"unlearned", "partly"}
    (choice,) = [found for found in headline(answer) if found.kind == "choice"]
    assert not choice.values["tests_at_chance"]


def test_the_bound_that_is_told_is_the_one_that_is_used():
    beyond = round(CHANCE.test_bound() * 400) + 1
    result = made_settings({"base": {"last": 0.5}}, base=[beyond / 400] * 6)[0].results[0]
    assert rules.learned_in_test(result, CHANCE) == rules.Learned.YES
    result = made(result.run, CHANCE.test_bound(), last=0.5)
    assert rules.learned_in_test(result, CHANCE) == rules.Learned.UNKNOWN


def test_a_seed_that_tests_like_guessing_did_not_learn():
    assert only("unlearned", {16: {"shift": -0.21}})["names"] == ["batch size 16"]


# --- epochs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "train", "count"), [(0.56, 0.85, 1), (0.505, 0.85, 0), (0.56, 0.79, 0)]
)
def test_overfitting_needs_a_loss_that_rises_beside_accuracies_that_part(end, train, count):
    changes = {80: {"losses": [0.7] + [0.5] * 20 + [end] * 59, "train": train}}
    values = only("overfitting", changes, EPOCHS, label="80", seeds=1)
    assert (values["count"], values["seeds"]) == (count, 1)


def test_where_the_loss_was_lowest_is_told():
    values = only("overfitting", {80: STEEP}, EPOCHS, label="80")
    assert (values["first"], values["last"]) == (2, 2)


def test_overfitting_is_counted_over_the_seeds():
    values = only("overfitting", {(80, 1): STEEP}, EPOCHS, label="80", seeds=3)
    assert (values["count"], values["seeds"]) == (1, 3)


def test_a_diverged_training_says_nothing_about_overfitting():
    changes = {80: DIVERGED | {"train": 0.99}}
    assert only("epochs_diverged", changes, EPOCHS)["diverged_seeds"] == 3
    assert not found("overfitting", changes, EPOCHS, label="80")


# --- batch size ------------------------------------------------------------------------------


def test_swings_come_with_the_steps_that_were_taken():
    items = only("swings", {}, BATCHES)["swings"]
    steps = {label: count for label, _, count in items}
    assert steps == {"16": 1260, "32": 640, "64": 320}


def test_what_diverged_or_did_not_learn_has_no_swing():
    items = only("swings", {16: {"valid": 0.54}, 32: DIVERGED}, BATCHES)["swings"]
    assert [label for label, _, _ in items] == ["64"]


# --- learning rate ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "valid", "expected"),
    [
        ([0.69] * 20, 0.54, "did not learn"),
        ([0.69] * 20, 0.60, "converged"),
        ([0.6, 0.61] * 8 + [0.592, 0.602] * 2, 0.75, "converged"),
        ([0.6, 0.61] * 8 + [0.58, 0.59] * 2, 0.75, "still improving"),
        ([0.6, 0.5] + [0.5, 0.72] * 9, 0.75, "unstable"),
        ([0.6, 0.5] + [0.5, 0.65] * 9, 0.75, "converged"),
        ([0.6] * 20, [0.7] * 16 + [0.54] * 4, "unstable"),
        ([0.6] * 20, [0.7] * 16 + [0.56] * 4, "converged"),
        ([0.5, 0.4], 0.75, "too short to tell"),
        ([0.5, np.nan], 0.75, "diverged"),
    ],
)
def test_how_a_training_ended_follows_its_rules(losses, valid, expected):
    values = only(
        "ends",
        {0.1: {"losses": losses, "valid": valid}},
        RATES,
        label="0.1",
        seeds=3,
    )
    assert values["ends"] == [(expected, 3)]


def test_how_trainings_ended_is_counted():
    values = only("ends", {(0.1, 1): DIVERGED}, RATES, label="0.1", seeds=3)
    assert values["ends"] == [("converged", 2), ("diverged", 1)]


# --- loss function ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "halves"),
    [(["MSELoss", "SmoothL1Loss"], True), (["MSELoss", "L1Loss"], False)],
)
def test_losses_are_compared_at_one_rate(losses, halves):
    study = "Change_loss_function"
    values = only("one_rate", {}, study, studies={study: losses})
    assert values == {"rate": 0.01, "halves": halves}


# --- words -----------------------------------------------------------------------------------

SAME_BATCHES = {"mark": "one"}
ALIKE = {"changes": {"base": SAME_BATCHES, 64: SAME_BATCHES}, "studies": {BATCHES: [32, 64]}}
CASES = [
    {},
    {"seeds": 6, "changes": {0.1: {"shift": -0.3}, 16: {"shift": 0.2}}},
    {"seeds": 6, "changes": scattered(16, 0.95, 6)},
    {"changes": {0.1: DIVERGED, 64: {"valid": 0.54}, "seed 3": {"valid": 0.54}}},
    {"changes": {"base": DIVERGED}},
    {"changes": {80: STEEP, 16: {"last": 0.5}}},
    {"changes": {80: DIVERGED}},
    {"changes": {"base": {"valid": 0.5}}, "base": [0.5] * 6},
    {"base": [0.0, 1.0] * 3},
    {"base": SIX[:1], "seeds": 1},
    {"changes": WORSE, "seeds": 1},
    {"studies": {"Change_loss_function": ["MSELoss", "SmoothL1Loss"]}},
    {"studies": {"Grid": {"batch_size": [16, 64], "learning_rate": [0.01, 0.1]}}},
    ALIKE,
    {"changes": {20: {"mark": "one"}, 80: {"mark": "one"}}},
]


def everything(case) -> list[Finding]:
    """All findings of a case."""
    studies, answer = make(**case)
    findings = [*answer_findings(answer), rules_of(answer)]
    _, *others = studies.values()  # the first is the base's
    for settings in others:
        findings += study_findings(settings, answer)
    return findings


def test_what_differs_in_no_bit_is_told_and_is_no_finding():
    told = " ".join(say(everything(ALIKE)))
    assert "The base and batch size 64: the same training, bit for bit" in told
    assert "as good" not in told.lower()
    assert "no difference" not in told


@pytest.mark.parametrize("case", CASES)
def test_every_finding_is_said_in_whole_sentences(case):
    for text in say(everything(case)):
        assert re.fullmatch(r"\S.*[.]", text)
        assert not re.search(r"  | [,.;]|nan|None(?! is)|[a-z]_(?!script)|\{", text)


def test_every_kind_that_has_a_sentence_is_found():
    kinds = {"too_few", "few_images"}
    for case in CASES:
        kinds |= {finding.kind for finding in everything(case)}
    assert kinds == {kind for kind in KINDS if not kind.startswith("grid_")}


@pytest.mark.parametrize("word", ["beyond noise", "not told apart", "Holm", "Welch", "Bonferroni"])
def test_no_sentence_needs_a_statistician(word):
    assert word not in " ".join(say(everything(CASES[1]) + everything(CASES[3])))


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (
            {"base": SIX[:1], "seeds": 1},
            "On 400 test images, nothing can be said yet about 5 settings.",
        ),
        ({}, r"the base, with the highest validation accuracy \(75\.0%, level with "),
        (
            {"changes": scattered(16, 0.76, 6), "seeds": 6},
            r"batch size 16, with the highest validation accuracy \(76\.0%, 1\.0 points ahead of",
        ),
        (
            {"seeds": 1},
            "Too few trainings for a verdict, which needs 3 of a setting: epochs 80, batch size",
        ),
        ({"changes": {"base": DIVERGED}}, "the base learned in 0 of 6 trainings: this study"),
        (
            {"changes": {80: STEEP}, "seeds": 1},
            r"80: overfits; lowest .* 15\.0 points above validation",
        ),
        (
            {"changes": {80: BELOW}, "seeds": 1},
            r"80: does not overfit; .* 5\.0 points below validation",
        ),
        ({}, r"changes by 0\.0105 with batch size 16 \(1,260 steps\), .* two things at once\.$"),
        (
            {"studies": {"Change_loss_function": ["MSELoss", "SmoothL1Loss"]}},
            "is half of MSELoss",
        ),
    ],
)
def test_what_is_found_is_said(case, told):
    assert any(re.search(told, text) for text in say(everything(case)))


@pytest.mark.parametrize(
    ("case", "not_told"),
    [
        ({"seeds": 6}, "Too few trainings"),
        ({}, "The base itself"),
        ({}, "Nothing can be said yet"),
        (
            {"studies": {"Change_loss_function": ["MSELoss", "L1Loss"]}},
            "is half of MSELoss",
        ),
        ({"changes": {(80, 0): STEEP}, "seeds": 3}, "Training longer overfits"),
    ],
)
def test_what_is_not_so_is_not_said(case, not_told):
    assert not any(not_told in text for text in say(everything(case)))


@pytest.fixture
def once_and_twice() -> Answer:
    """An answer in which one setting was trained once and all others twice."""
    settings = made_settings(WORSE, seeds=2)
    settings[-1] = settings[-1]._replace(results=settings[-1].results[:1])
    return make_answer(settings, CHANCE)


def test_the_size_that_is_found_is_that_of_the_fewest_seeds(once_and_twice):
    findings = answer_findings(once_and_twice)
    (size,) = [finding.values["size"] for finding in findings if finding.kind == "size"]
    noise, others = once_and_twice.pool.noise, len(once_and_twice.rows)
    assert size == pytest.approx(found_from(noise, 1, 6, others))


def test_the_size_that_is_found_holds_for_new_images():
    settings = made_settings(seeds=6)
    of_images = {setting.key: Noise(0.01**2, 399) for setting in settings if not setting.is_base}
    same = make_answer(settings, CHANCE)
    new = make_answer(settings, CHANCE, of_images=of_images)
    assert size_of(new) > size_of(same) + 0.02


def test_the_size_that_is_found_is_said_with_the_fewest_seeds(once_and_twice):
    told = " ".join(say(answer_findings(once_and_twice)))
    assert "With 1 seed of a setting and 6 of the base" in told


def test_where_some_have_too_few_trainings_only_those_are_named():
    settings = made_settings()
    settings[-1] = settings[-1]._replace(results=settings[-1].results[:2])
    told = " ".join(say(answer_findings(make_answer(settings, CHANCE))))
    assert "which needs 3 of a setting: learning rate 0.1." in told


@pytest.mark.parametrize(("share", "text"), [(0.0004, "0.04"), (-0.00003, "0.003"), (0.0, "0.0")])
def test_the_end_of_an_interval_is_never_rounded_to_zero(share, text):
    assert words.bound(share) in (f"+{text}", f"−{text}")


def test_no_more_seeds_are_offered_than_rounds_give():
    values = only("size", {}, base=[0.6, 0.9] * 5, seeds=10)
    assert "--until" not in sentence(Finding("size", values))


def test_more_seeds_are_offered_where_rounds_give_them():
    assert "; --until 2 goes on" in sentence(Finding("size", only("size")))


def test_more_settings_than_a_sentence_holds_are_counted():
    sizes = list(range(16, 26))
    _, answer = make({size: {"shift": -0.3} for size in sizes}, studies={BATCHES: sizes})
    told = say(headline(answer))
    assert "batch size matters: 10 values lose 30 points of accuracy to 32." in told[0]


def test_a_label_of_several_values_is_one_name_in_a_sentence():
    assert words.listed(["L1Loss, 0.01", "MSELoss, 0.1"]) == "L1Loss/0.01 and MSELoss/0.1"


def test_a_name_that_a_template_does_not_know_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        sentence(Finding("one_rate", {"rte": 0.01}))


@pytest.mark.parametrize(
    ("count", "seeds", "text"),
    [(6, 8, " in 6 of 8 seeds"), (0, 2, " in 0 of 2 seeds"), (1, 1, ""), (0, 1, "")],
)
def test_labels_of_seeds_are_counts(count, seeds, text):
    assert words.seeds_of(count, seeds) == text


def test_thresholds_are_those_of_the_rules():
    values = rules_of(answer_of()).values
    assert values["gap"] == rules.OVERFIT_GAP
    assert values["chance"] == curves.ERROR
    assert values["valid"] == CHANCE.valid_bound(20)


def test_what_guessing_may_reach_is_at_most_every_image():
    assert rules.Chance(0.5, 4, 0.5, 4).valid_bound(20) == 1.0
