"""`loss` is green only for a mean over rows that counts each of them and falls as outputs tell the targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.loss import LossParams, loss
from pytest_mlspec.evidence import CertainLoss, LossAnswers, RowsOfLoss, StartLoss
from pytest_mlspec.evidence.losses import LossCalls

DEFAULT = LossParams()
ROWS = RowsOfLoss(times=1.0, coupled=1e-15, reordered=1e-15, of_halves=0.97)
CERTAIN = CertainLoss(once=1e-18, twice=1e-35, undecided=2.31, lowest=1e-35)
START = StartLoss(loss=2.4, of_random=6.7, of_larger=13.4, deviation=4.0)
OF_OWN = LossAnswers(
    "the recipe's loss",
    declared="",
    told="classes",
    rows=40,
    extent="free",
    tolerance=1e-7,
    takes_logits=True,
    start=START,
    of_rows=ROWS,
    certain=CERTAIN,
    counted=40,
    agreement={"0": 1.0, "1": 1.0},
)
OF_VALUES = replace(OF_OWN, told="values", takes_logits=False, certain=None, agreement={"all": 1.0}, unseen=0.0)
OF_CALLS = LossAnswers(
    "cross_entropy",
    declared="cross_entropy",
    told="classes",
    rows=640,
    extent="free",
    weights={"a": 0.3, "b": 0.6, "c": 2.1},
    class_rows={"a": 60, "b": 30, "c": 10},
    calls=LossCalls(count=10, outputs=1920, ranged=True),
)


def verdict_on(answers: LossAnswers = OF_OWN, *, params: LossParams = DEFAULT, **changes: Any) -> Verdict:
    return loss(params, replace(answers, **changes))


def of_rows(**changes: Any) -> RowsOfLoss:
    return replace(ROWS, **changes)


@pytest.mark.parametrize("answers", [OF_OWN, OF_VALUES], ids=["classes", "values"])
def test_a_mean_over_rows_passes(answers: LossAnswers) -> None:
    """The loss of a new model is told."""
    verdict = verdict_on(answers)

    assert verdict.status is Status.PASSED
    assert verdict.summary == "the recipe's loss is a mean over rows, and falls as outputs tell the targets"
    assert verdict.facts == ("a new model has a loss of 2.4",)
    assert verdict.n == 40


@pytest.mark.parametrize(
    ("changes", "finding", "summary"),
    [
        (
            {"extent": "never negative"},
            "loss.range",
            "the outputs are never negative, and the recipe's loss takes logits",
        ),
        ({"extent": "probabilities"}, "loss.probabilities", "the outputs are probabilities, and the recipe's"),
        ({"declared": "nll", "takes_logits": False}, "loss.probabilities", "the outputs are no log-probabilities"),
        ({"start": replace(START, loss=9.7)}, "loss.start", "loss of a new model 9.7, at most 6.7"),
        ({"of_rows": of_rows(times=2.0)}, "loss.mean", "a batch and its copy have 2 times the loss of the batch"),
        ({"of_rows": of_rows(times=1.2)}, "loss.mean", "a batch and its copy have 1.2 times the loss of the batch"),
        ({"of_rows": of_rows(of_halves=1.9)}, "loss.mean", "a batch has 1.9 times the loss of its halves"),
        ({"of_rows": of_rows(reordered=0.1)}, "loss.separable", "another order of the rows changes the loss by 0.1"),
        (
            {"of_rows": of_rows(coupled=0.3, over_batch=True)},
            "loss.separable",
            "a row changes the gradients of other rows by 0.3",
        ),
        ({"counted": 0}, "loss.no_gradient", "none of 40 rows counts"),
        ({"uncounted": ("1",)}, "loss.class_uncounted", "no row of class 1 counts in the loss"),
        (
            {"agreement": {"0": 1.0, "1": 0.25}},
            "loss.direction",
            "the loss leads away from its targets (class 1 told: 0.25",
        ),
        (
            {"certain": replace(CERTAIN, once=1.46, twice=1.46, lowest=None)},
            "loss.floor",
            "the loss stays at 1.46 where outputs tell every target, at most 0.1155",
        ),
        (
            {"certain": replace(CERTAIN, once=-40.0, twice=-80.0, undecided=-0.1)},
            "loss.unbounded",
            "the loss falls without end: -40, then -80",
        ),
        (
            {"certain": replace(CERTAIN, once=-1.0, twice=-1.0, undecided=-0.1, lowest=None)},
            "loss.unbounded",
            "the loss falls to -1, and the lowest that it can be is 0",
        ),
        ({"at_padding": 0.9}, "loss.padding", "gradient of outputs at padding 0.9, at most 1e-07"),
        ({"padded": 0.3}, "loss.padding", "change of the loss by more padding 0.3, at most 1e-07"),
        (
            {"weights": {"0": 0.5, "1": 1.5}, "class_rows": {"0": 25, "1": 75}},
            "loss.weights",
            "class weights are in another order: 1 weighs most, 0 least",
        ),
    ],
)
def test_each_fault_of_a_classification_fails(changes: dict[str, Any], finding: str, summary: str) -> None:
    """With the name of what was found."""
    verdict = verdict_on(**changes)

    assert verdict.status is Status.FAILED
    assert verdict.findings == (finding,)
    assert verdict.summary.startswith(summary)
    assert verdict.advice


def test_values_in_the_order_of_chance_fail() -> None:
    """They are pairs, of which half are in order by chance."""
    assert verdict_on(OF_VALUES, agreement={"all": 0.5}).findings == ("loss.direction",)
    assert verdict_on(OF_VALUES, agreement={"all": 0.9}).status is Status.PASSED


def test_targets_that_the_loss_does_not_see_fail() -> None:
    """Up to half of them may lie where a loss is flat."""
    assert verdict_on(OF_VALUES, unseen=0.875).findings == ("loss.truncated",)
    assert verdict_on(OF_VALUES, unseen=0.5).status is Status.PASSED


def test_a_loss_that_compares_rows_passes_where_it_leads_to_the_targets() -> None:
    """As one of overlaps, of hard examples or of in-batch negatives does; the fact is told."""
    coupled = of_rows(times=1.2, coupled=0.3)
    verdict = verdict_on(of_rows=coupled)

    assert verdict.status is Status.PASSED
    assert "it compares the rows of a batch with each other" in verdict.facts


def test_a_loss_that_compares_rows_and_leads_astray_needs_to_be_meant() -> None:
    """Its outputs are then no logits."""
    changes: dict[str, Any] = {"of_rows": of_rows(times=1.2, coupled=0.3), "agreement": {"0": 0.0, "1": 1.0}}
    verdict = verdict_on(**changes)

    assert verdict.findings == ("loss.mean", "loss.separable", "loss.direction")
    assert any("coupled: true" in advice for advice in verdict.advice)
    assert verdict_on(params=LossParams(coupled=True), **changes).status is Status.PASSED


def test_a_rows_own_like_among_its_negatives_fails() -> None:
    """A loss that compares rows and stays above its floor where every row tells its target."""
    changed: dict[str, Any] = {
        "of_rows": of_rows(coupled=0.3),
        "certain": replace(CERTAIN, once=0.69, twice=0.69, lowest=0.69),
    }

    assert verdict_on(**changed).findings == ("loss.duplicates",)


def test_a_constant_added_to_a_loss_of_logits_changes_nothing() -> None:
    """Its lowest value is what free outputs reach, where wrong ones have no bound."""
    assert verdict_on(certain=CertainLoss(1.0, 1.0, 3.31, lowest=1.0)).status is Status.PASSED


def test_a_class_left_out_by_intent_passes() -> None:
    """It is named."""
    assert verdict_on(params=LossParams(uncounted=("1",)), uncounted=("1",)).status is Status.PASSED


@pytest.mark.parametrize(
    ("weights", "rows"),
    [
        ({"0": 1.5, "1": 0.5}, {"0": 25, "1": 75}),
        ({"0": 1.1, "1": 0.9}, {"0": 25, "1": 75}),
        ({"0": 0.4, "1": 1.3, "2": 1.3}, {"0": 20, "1": 100, "2": 110}),
        ({"0": 1.0, "1": 1.0}, {"0": 25, "1": 75}),
        ({"0": 0.5, "1": 1.5}, {"0": 25, "1": 0}),
        ({"0": 0.0, "1": 2.0}, {"0": 25, "1": 75}),
    ],
    ids=["balanced", "nearly", "one of leftovers", "none", "an empty class", "one left out"],
)
def test_weights_that_may_be_meant_pass(weights: dict[str, float], rows: dict[str, int]) -> None:
    """Only those that balance other classes than their own are told."""
    assert verdict_on(weights=weights, class_rows=rows).status is Status.PASSED


def test_a_start_is_judged_where_the_loss_grows_with_its_outputs() -> None:
    """A loss that has a bound, or the wrong sign, tells nothing of it; nor is it judged where that is asked for."""
    large = replace(START, loss=9.7)

    assert verdict_on(start=replace(START, loss=6.7)).status is Status.PASSED
    assert verdict_on(start=replace(large, of_larger=7.0)).status is Status.PASSED
    assert verdict_on(start=replace(large, of_random=-6.7)).status is Status.PASSED
    assert verdict_on(start=large, params=LossParams(start_deviation=None)).status is Status.PASSED
    assert verdict_on(start=replace(START, loss=float("nan"))).status is Status.ERROR


def test_a_loss_that_draws_passes_as_far_as_it_was_asked() -> None:
    """Its rows were not compared, and that is told; a sum shows all the same."""
    drawn: dict[str, Any] = {"draws": True, "of_rows": None, "certain": None, "agreement": {}}
    verdict = verdict_on(**drawn, times_drawn=1.02)

    assert verdict.status is Status.PASSED
    assert "mixup" in verdict.facts[0]
    assert verdict_on(**drawn, times_drawn=1.99).findings == ("loss.mean",)


def test_a_step_that_cannot_be_asked_is_not_applicable_with_the_reason() -> None:
    """What was seen without it stays red."""
    refused: dict[str, Any] = {"refused": "training_step calls the model's parts", "of_rows": None, "counted": None}

    assert verdict_on(**refused).status is Status.NOT_APPLICABLE
    assert verdict_on(**refused, times_drawn=2.0).findings == ("loss.mean",)
    assert verdict_on(**refused, extent="never negative", declared="cross_entropy").findings == ("loss.range",)


@pytest.mark.parametrize(
    "changes",
    [
        {"finite": False},
        {"counted": None},
        {"rows": 1},
        {"of_rows": of_rows(times=float("nan"))},
        {"of_rows": of_rows(coupled=float("nan"))},
        {"agreement": {"0": float("nan")}},
        {"padded": float("nan")},
    ],
)
def test_what_was_not_measured_is_an_error(changes: dict[str, Any]) -> None:
    """Never a pass."""
    assert verdict_on(**changes).status is Status.ERROR


def test_calls_of_an_own_fit_pass_by_what_was_seen() -> None:
    """The verdict says what that was, and rests on the rows of the calls."""
    verdict = verdict_on(OF_CALLS)
    of_range = verdict_on(OF_CALLS, weights={})

    assert verdict.status is of_range.status is Status.PASSED
    assert verdict.summary == "cross_entropy is given outputs without bounds and class weights in no wrong order"
    assert of_range.summary == "cross_entropy is given outputs without bounds"
    assert verdict.facts == (
        "10 calls with 1920 outputs in the first steps of the team's own fit; nothing else was asked",
    )
    assert verdict.n == 640


@pytest.mark.parametrize(
    ("changes", "finding", "summary"),
    [
        (
            {"class_rows": {"a": 10, "b": 30, "c": 60}},
            "loss.weights",
            "class weights are in another order: c weighs most, a least",
        ),
        ({"extent": "never negative"}, "loss.range", "the outputs are never negative, and cross_entropy takes logits"),
        ({"extent": "probabilities"}, "loss.probabilities", "the outputs are probabilities, and cross_entropy takes"),
    ],
)
def test_calls_of_an_own_fit_fail_by_weights_and_range(changes: dict[str, Any], finding: str, summary: str) -> None:
    """Each by itself."""
    verdict = verdict_on(OF_CALLS, **changes)

    assert (verdict.status, verdict.findings) == (Status.FAILED, (finding,))
    assert verdict.summary.startswith(summary)


def test_calls_of_an_own_fit_that_tell_nothing_are_not_applicable() -> None:
    """With the reason; where weights were seen, they are judged all the same."""
    few = LossCalls(count=2, outputs=40, ranged=False, notes=("its outputs are too few",))
    verdict = verdict_on(OF_CALLS, weights={}, calls=few)
    of_weights = verdict_on(OF_CALLS, calls=few)

    assert verdict.status is Status.NOT_APPLICABLE
    assert verdict.summary == "cross_entropy in the team's own fit: its outputs are too few"
    assert of_weights.summary == "cross_entropy is given class weights in no wrong order"
    assert of_weights.facts[-1] == "its outputs are too few"
