"""`serving` is green only where raw rows were answered with what the training reported, in every case that was tried."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.serving import ServingParams, serving
from pytest_mlspec.evidence import Difference, Served

EQUAL = Difference(rows=64, absolute=2e-8, scale=0.5, worst_row=17)
HEALTHY = Served(
    path="predict",
    differences=dict.fromkeys(("whole", "again", "alone", "order", "columns", "json", "missing"), EQUAL),
    scores={"test.accuracy": (0.931, 0.931), "test.recall[plan=basic]": (0.75, 0.75)},
    rows=360,
)


def judged(params: ServingParams | None = None, **changes: Any) -> Verdict:
    return serving(params or ServingParams(), replace(HEALTHY, **changes))


def with_case(name: str, difference: Difference, params: ServingParams | None = None) -> Verdict:
    """The verdict where this case is another one."""
    return judged(params, differences={**HEALTHY.differences, name: difference})


def test_what_is_served_as_reported_passes() -> None:
    """Each metric and each case is told."""
    verdict = judged()

    assert verdict.status is Status.PASSED
    assert verdict.summary == "test.accuracy 0.931 reported, 0.931 served"
    assert verdict.n == 360
    assert "a row alone: row 17 differs by 2e-08, at most 5e-05" in verdict.facts


def test_a_metric_that_is_served_worse_stands_first() -> None:
    """With both values, before the rows behind it."""
    verdict = judged(
        scores={"test.accuracy": (0.402, 0.931)},
        differences={"whole": Difference(rows=360, absolute=0.9, scale=0.5, decisions=190, worst_row=3)},
    )

    assert verdict.status is Status.FAILED
    assert verdict.summary == "test.accuracy 0.931 reported, 0.402 served"
    assert (verdict.measured, verdict.allowed) == (0.402, "0.931, as reported")
    assert verdict.facts[:2] == (
        "the whole split: row 3 differs by 0.9, at most 5e-05",
        "190 of 360 rows are decided otherwise",
    )


def test_a_metric_that_is_served_better_is_red_too() -> None:
    """What was reported is then not what production does."""
    assert judged(scores={"test.accuracy": (0.95, 0.931)}).status is Status.FAILED


def test_two_metrics_are_shown_with_the_digits_that_tell_them_apart() -> None:
    """A difference of one row in many."""
    verdict = judged(scores={"test.accuracy": (0.93012, 0.93201)})

    assert verdict.summary == "test.accuracy 0.932 reported, 0.93 served"


@pytest.mark.parametrize("name", sorted(HEALTHY.differences))
def test_a_difference_in_one_case_is_red(name: str) -> None:
    """With advice of its own."""
    verdict = with_case(name, replace(EQUAL, absolute=0.3))

    assert verdict.status is Status.FAILED
    assert "differs by 0.3, at most 5e-05" in verdict.summary
    assert len(verdict.advice) == 1


def test_a_case_that_no_request_of_the_service_has_can_be_left_out() -> None:
    """That one alone."""
    params = ServingParams(without=("json",))

    assert with_case("json", replace(EQUAL, absolute=0.3), params).status is Status.PASSED
    assert with_case("alone", replace(EQUAL, absolute=0.3), params).status is Status.FAILED


@pytest.mark.parametrize("name", sorted(HEALTHY.differences.keys() - {"whole"}))
def test_a_case_that_raised_is_red(name: str) -> None:
    """With what was raised."""
    verdict = with_case(name, Difference(rows=16, error="predict raised KeyError: 'fee'"))

    assert verdict.status is Status.FAILED
    assert verdict.summary.endswith(": predict raised KeyError: 'fee'")


@pytest.mark.parametrize(("absolute", "status"), [(0.25, Status.PASSED), (0.2500001, Status.FAILED)])
def test_a_difference_may_reach_a_stated_tolerance(absolute: float, status: Status) -> None:
    """In units of the outputs."""
    verdict = with_case("whole", replace(EQUAL, absolute=absolute), ServingParams(tolerance=0.25))

    assert verdict.status is status


def test_labels_are_compared_as_decisions() -> None:
    """One row with another label is red, whatever the tolerance."""
    other = Difference(rows=360, absolute=1.0, scale=1.0, decisions=1, worst_row=5)
    verdict = judged(ServingParams(tolerance=2.0), answers="labels", differences={"whole": other})

    assert verdict.status is Status.FAILED
    assert verdict.summary == "the whole split: another label is served for 1 rows, at most 0 rows"


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 0},
        {"differences": {}},
        {"differences": {"whole": replace(EQUAL, scale=0.0)}},
        {"differences": {"whole": replace(EQUAL, scale=math.nan)}},
        {"differences": {"whole": replace(EQUAL, absolute=math.nan)}},
        {"differences": {"whole": replace(EQUAL, absolute=None)}},
        {"scores": {"test.accuracy": (math.nan, 0.9)}},
    ],
)
def test_what_was_not_compared_is_an_error(changes: dict[str, Any]) -> None:
    """No row, no output, no number."""
    assert judged(**changes).status is Status.ERROR


def test_classes_that_are_mixed_up_are_named() -> None:
    """In the order in which they are served."""
    verdict = judged(permuted=("yes", "no"), differences={"whole": replace(EQUAL, absolute=0.9)})

    assert "the classes are mixed up: in their places yes, no are served" in verdict.facts


def test_a_metric_without_a_value_is_told_and_no_pass_for_it() -> None:
    """What was compared decides."""
    verdict = judged(unscored={"test.roc_auc": "predict gives labels"})

    assert verdict.status is Status.PASSED
    assert "test.roc_auc is not compared: predict gives labels" in verdict.facts


def test_gradients_that_are_recorded_are_red() -> None:
    """Memory and time for nothing."""
    verdict = judged(records_gradients=True)

    assert verdict.status is Status.FAILED
    assert "torch.no_grad()" in verdict.advice[0]


GOLDEN = ServingParams(golden="golden.json")


def test_golden_rows_within_their_tolerance_pass() -> None:
    """A share of the largest expected output."""
    assert judged(GOLDEN, golden=Difference(rows=8, absolute=0.04, scale=1.0, worst_row=0)).status is Status.PASSED


def test_golden_rows_beyond_it_fail() -> None:
    """The row of the file is counted from 1."""
    verdict = judged(GOLDEN, golden=Difference(rows=8, absolute=0.06, scale=1.0, worst_row=2))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "golden rows: row 3 differs by 0.06, at most 0.05"


@pytest.mark.parametrize(
    "golden", [None, Difference(rows=8, absolute=0.0, scale=0.0, worst_row=0), Difference(rows=8, scale=1.0)]
)
def test_golden_rows_that_were_not_compared_are_an_error(golden: Difference | None) -> None:
    """Absent, all 0, or without a number."""
    assert judged(GOLDEN, golden=golden).status is Status.ERROR


def test_golden_rows_that_cannot_be_served_are_red() -> None:
    """With what was raised."""
    verdict = judged(GOLDEN, golden=Difference(rows=8, error="predict raised KeyError: 'fee'"))

    assert (verdict.status, verdict.summary) == (Status.FAILED, "golden rows: predict raised KeyError: 'fee'")


def test_a_call_for_each_row_is_red() -> None:
    """Where their number grows with the rows, one by one."""
    verdict = judged(calls=((8, 8), (24, 24)))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "a call of the model for each row: 24 calls for 24 rows"
    assert verdict.findings == ("serving.calls",)


@pytest.mark.parametrize(
    "calls", [((8, 1), (24, 1)), ((8, 8), (24, 8)), ((8, 1), (24, 3)), ((8, 0), (24, 0)), ((3, 3),), ()]
)
def test_calls_that_grow_slower_pass(calls: tuple[tuple[int, int], ...]) -> None:
    """Batches, several views, no model at all; too few rows tell nothing."""
    assert judged(calls=calls).status is Status.PASSED


def test_a_model_that_is_loaded_for_each_request_is_red() -> None:
    """What is loaded is named."""
    verdict = judged(reloaded=("weights.pt",))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "each request loads weights.pt again"
    assert verdict.findings == ("serving.reload",)


def test_classes_that_are_mixed_up_are_the_finding() -> None:
    """That the outputs differ follows from it."""
    whole = Difference(rows=96, absolute=0.8, scale=1.0, worst_row=3)
    verdict = judged(permuted=("no", "yes"), differences={"whole": whole})

    assert verdict.status is Status.FAILED
    assert verdict.findings == ("serving.classes",)
