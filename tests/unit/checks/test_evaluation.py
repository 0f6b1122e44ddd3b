"""`evaluation` is red for metrics that are not what they say, for what an evaluation changes, and for slices that broke."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks.evaluation import EvaluationParams, evaluation
from pytest_mlspec.evidence import Evaluation, OwnMetric, Slice

DEFAULT = EvaluationParams()


def metric(**changes: Any) -> OwnMetric:
    """An accuracy of 0.95 on 200 rows, as scikit-learn has it, with `changes`."""
    right = OwnMetric("accuracy", "test", "whole", 0.95, "accuracy", 0.95, 1e-6, 200)
    return replace(right, **changes)


def part(**changes: Any) -> Slice:
    """50 of 200 rows, most of them right, with `changes`."""
    sound = Slice("class 3", 50, 46, 0.25, 150, 145, 200, 195, raw=50, inputs=50, outputs=50)
    return replace(sound, **{"rest_inputs": 1.0, "rest_outputs": 1.0, **changes})


def found(*metrics: OwnMetric, **changes: Any) -> Evaluation:
    """A sound evaluation of the team's own, with `changes`."""
    sound = Evaluation(
        own=True,
        metrics=metrics or (metric(),),
        forward_changed={},
        repeats={"outputs": 0.0, "own": 0.0},
        answered=200,
        slices=(part(),),
        split="test",
        rows=200,
    )
    return replace(sound, **changes)


def test_a_sound_evaluation_passes() -> None:
    """It says what was compared."""
    verdict = evaluation(DEFAULT, found())

    assert verdict.status is Status.PASSED
    assert (
        verdict.summary == "accuracy as scikit-learn computes it, an evaluation changes nothing, none of 1 slices broke"
    )
    assert verdict.n == 200


@pytest.mark.parametrize(("value", "status"), [(0.96, Status.PASSED), (0.9600001, Status.FAILED)])
def test_a_metric_may_differ_by_what_rounding_explains(value: float, status: Status) -> None:
    """Not by more."""
    assert evaluation(DEFAULT, found(metric(value=value, expected=0.75, allowed=0.21))).status is status


@pytest.mark.parametrize(
    ("mistake", "finding"),
    [
        ("other_split", "evaluation.other_split"),
        ("rows", "evaluation.rows"),
        ("batches", "evaluation.batches"),
        ("averaging", "evaluation.averaging"),
        ("", "evaluation.metric"),
    ],
)
def test_another_metric_fails_with_what_it_is(mistake: str, finding: str) -> None:
    """And with the next step for that."""
    verdict = evaluation(DEFAULT, found(metric(value=0.99, like="that of the split train", mistake=mistake)))

    assert (verdict.status, verdict.findings) == (Status.FAILED, (finding,))
    assert verdict.summary == "test.accuracy 0.99 by evaluate, 0.95 by scikit-learn on 200 rows"
    assert "0.99 is that of the split train" in verdict.facts
    assert verdict.advice


@pytest.mark.parametrize(
    ("answered", "finding"),
    [
        (150, "evaluation.rows"),
        (500, "evaluation.other_split"),
        (400, "evaluation.metric"),
        (200, "evaluation.metric"),
        (None, "evaluation.metric"),
    ],
)
def test_the_rows_that_the_model_was_asked_for_tell_too(answered: int | None, finding: str) -> None:
    """Fewer, or others; a whole multiple is asked for where answers are averaged."""
    verdict = evaluation(DEFAULT, found(metric(value=0.99), answered=answered))

    assert verdict.findings == (finding,)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_not_finite_is_an_error(value: float) -> None:
    """It is named."""
    verdict = evaluation(DEFAULT, found(metric(value=value)))

    assert verdict.status is Status.ERROR
    assert verdict.summary.startswith("test.accuracy by evaluate")


def test_one_mistake_of_a_metric_is_told_once() -> None:
    """Not for every call."""
    several = (metric(value=0.9), metric(value=0.9, case="fewer"), metric(value=0.9, split="val"))

    assert len(evaluation(DEFAULT, found(*several)).findings) == 1


def test_a_metric_that_means_something_else_is_declared() -> None:
    """It must still be the same for the same rows."""
    params = EvaluationParams(other=("accuracy",))
    another, unsteady = metric(value=0.9), metric(value=0.9, case="again")

    assert evaluation(params, found(another)).status is Status.PASSED
    assert evaluation(params, found(unsteady)).status is Status.FAILED


def test_what_is_not_compared_is_told() -> None:
    """With the reason."""
    verdict = evaluation(DEFAULT, found(metric(unscored="one class"), unknown={"test.hits@3": 0.9}))

    assert "accuracy is not compared: one class" in verdict.facts
    assert "not compared, for scikit-learn has no such name: test.hits@3" in verdict.facts


@pytest.mark.parametrize(("case", "finding"), [("again", "evaluation.repeat"), ("order", "evaluation.batches")])
def test_other_numbers_for_the_same_rows_fail(case: str, finding: str) -> None:
    """Once more, or in another order."""
    verdict = evaluation(DEFAULT, found(metric(case=case, value=0.94)))

    assert verdict.findings == (finding,)
    assert verdict.summary.startswith("test.accuracy 0.94 on the same rows")


@pytest.mark.parametrize("name", ["inputs", "outputs", "own"])
@pytest.mark.parametrize(
    ("difference", "status"),
    [(1e-4, Status.PASSED), (2e-4, Status.FAILED), (float("inf"), Status.FAILED), (float("nan"), Status.ERROR)],
)
def test_an_evaluation_repeats(name: str, difference: float, status: Status) -> None:
    """Rows, answers, and what the team's evaluate is answered."""
    assert evaluation(DEFAULT, found(repeats={name: difference})).status is status


def test_training_mode_is_told() -> None:
    """It is the usual cause."""
    verdict = evaluation(DEFAULT, found(repeats={"own": 0.3}, in_training=True))

    assert "evaluate calls the model in training mode" in verdict.facts


@pytest.mark.parametrize(
    "part_changed", ["parameters", "buffers", "gradients", "requires_grad", "optimizer", "schedule"]
)
def test_what_an_evaluation_changes_fails(part_changed: str) -> None:
    """By the team's evaluate, or by the model itself."""
    by_own = evaluation(DEFAULT, found(changed={part_changed: ("head.weight",)}))
    by_forward = evaluation(DEFAULT, found(forward_changed={part_changed: ("head.weight",)}))

    assert by_own.findings == by_forward.findings == ("evaluation.changes",)
    assert by_own.summary == f"evaluate changes {part_changed}: head.weight"
    assert by_forward.summary == f"a forward in evaluation mode changes {part_changed}: head.weight"


@pytest.mark.parametrize(
    ("case", "status"),
    [("whole", Status.FAILED), ("again", Status.FAILED), ("order", Status.PASSED), ("fewer", Status.PASSED)],
)
def test_an_evaluate_that_raises_fails(case: str, status: Status) -> None:
    """With its rows as they are; with others it may refuse."""
    verdict = evaluation(DEFAULT, found(failed={case: "evaluate raised KeyError"}))

    assert verdict.status is status
    assert any("KeyError" in text for text in (verdict.summary, *verdict.facts))


def test_no_metric_at_all_is_an_error() -> None:
    """Nothing was said."""
    assert evaluation(DEFAULT, replace(found(), metrics=())).status is Status.ERROR


def test_rows_that_became_one_input_fail() -> None:
    """Whatever the answers are."""
    verdict = evaluation(DEFAULT, found(slices=(part(), part(name="plan=basic", inputs=1))))

    assert (verdict.status, verdict.findings) == (Status.FAILED, ("evaluation.slice",))
    assert verdict.summary == "slice plan=basic broke: its 50 different rows are one input of the model"


@pytest.mark.parametrize(
    "changes",
    [
        {"rest_inputs": 0.5},  # inputs of few values are equal everywhere
        {"raw": 20},  # so were the rows
        {"raw": 0, "inputs": 0},  # not counted
        {"rest_rows": 5000},  # one percent of the rows
    ],
    ids=str,
)
def test_equal_inputs_are_no_alarm_where_they_are_usual(changes: dict[str, Any]) -> None:
    """Only where all other rows are told apart."""
    assert evaluation(DEFAULT, found(slices=(part(**{"inputs": 1, **changes}),))).status is Status.PASSED


@pytest.mark.parametrize(("correct", "status"), [(20, Status.FAILED), (50, Status.PASSED)])
def test_one_answer_for_different_rows_fails_where_it_is_often_wrong(correct: int, status: Status) -> None:
    """A sure model may answer a whole class with 1 and 0."""
    assert evaluation(DEFAULT, found(slices=(part(outputs=1, correct=correct),))).status is status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"correct": 1}, Status.FAILED),  # 1 of 50 where 12 are had for nothing
        ({"correct": 8}, Status.PASSED),  # may be chance
        ({"correct": 1, "train_correct": 10}, Status.PASSED),  # it was never learned
        ({"correct": 1, "train_rows": 19, "train_correct": 19}, Status.PASSED),  # too few to have been learned
        ({"correct": 1, "rest_correct": 30}, Status.PASSED),  # so are the others
        ({"correct": 0, "useless": 0.0}, Status.PASSED),  # a rare class
    ],
    ids=str,
)
def test_answers_worse_than_those_of_somebody_who_sees_no_row_fail(changes: dict[str, Any], status: Status) -> None:
    """Where the same part of the training rows was learned."""
    assert evaluation(DEFAULT, found(slices=(part(**changes),))).status is status


def test_the_bound_is_shared_by_all_slices() -> None:
    """The more are looked at, the less is chance."""
    share = part(correct=2)
    one = evaluation(DEFAULT, found(slices=(share,)))
    many = evaluation(DEFAULT, found(slices=(share, *[part()] * 5000)))

    assert (one.status, many.status) == (Status.FAILED, Status.PASSED)


def test_nothing_to_look_at_is_not_applicable() -> None:
    """An estimator of values without an evaluate of the team's own."""
    assert evaluation(DEFAULT, Evaluation(own=False)).status is Status.NOT_APPLICABLE


def test_without_an_own_evaluate_the_model_and_the_slices_are_judged() -> None:
    """And it is said."""
    verdict = evaluation(DEFAULT, Evaluation(own=False, forward_changed={}, slices=(part(),), split="test", rows=200))

    assert verdict.status is Status.PASSED
    assert "the recipe gives no evaluate: metrics are those of this package" in verdict.facts
