"""`independence` is green only where a row's output is the same alone, in a batch, in another order and again."""

from __future__ import annotations

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks.independence import IndependenceParams, independence

from .made import rows_of_a_batch

DEFAULT = IndependenceParams()


def test_outputs_that_agree_up_to_rounding_pass() -> None:
    """Each of the three differences is told, with the precision of the comparison."""
    verdict = independence(DEFAULT, rows_of_a_batch())

    assert verdict.status is Status.PASSED
    assert verdict.summary == "two evaluations of the same batch differ by 0, at most 1e-10"
    assert verdict.facts == (
        "row 7 alone differs from itself in a batch of 16 by 2e-15, at most 1e-10",
        "a row differs from itself in the batch in another order by 1e-15, at most 1e-10",
        "compared in float64; the largest output is 8",
    )
    assert verdict.n == 16


def test_a_batch_mean_in_the_model_fails() -> None:
    """A row alone has another mean; the row is named."""
    verdict = independence(DEFAULT, rows_of_a_batch(alone=0.31))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "row 7 alone differs from itself in a batch of 16 by 0.31, at most 1e-10"
    assert "batch axis" in verdict.advice[0]


def test_an_output_that_depends_on_the_order_fails() -> None:
    """A running sum over the batch does not show in its mean."""
    verdict = independence(DEFAULT, rows_of_a_batch(order=0.5))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "a row differs from itself in the batch in another order by 0.5, at most 1e-10"


def test_dropout_that_is_always_on_fails() -> None:
    """It is named before the differences that follow from it."""
    verdict = independence(DEFAULT, rows_of_a_batch(repeat=0.12, alone=0.2, order=0.15))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "two evaluations of the same batch differ by 0.12, at most 1e-10"
    assert verdict.facts[0] == "something random is left on in evaluation mode"
    assert len(verdict.facts) == 4


@pytest.mark.parametrize("which", ["alone", "order", "repeat"])
@pytest.mark.parametrize(("difference", "status"), [(0.25, Status.PASSED), (0.2500001, Status.FAILED)])
def test_a_difference_may_reach_the_tolerance(which: str, difference: float, status: Status) -> None:
    """A stated tolerance replaces that of the measurement."""
    verdict = independence(IndependenceParams(tolerance=0.25), rows_of_a_batch(**{which: difference}))

    assert verdict.status is status


@pytest.mark.parametrize("which", ["alone", "order", "repeat", "scale", "tolerance"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_an_error(which: str, value: float) -> None:
    """NaN outputs are not equal outputs."""
    assert independence(DEFAULT, rows_of_a_batch(**{which: value})).status is Status.ERROR


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_are_an_error(rows: int) -> None:
    """One row is always alone."""
    verdict = independence(DEFAULT, rows_of_a_batch(rows=rows))

    assert verdict.status is Status.ERROR
    assert verdict.summary == f"{rows} rows: at least 2 are needed to compare a row alone with a batch"


def test_outputs_of_zero_are_an_error() -> None:
    """Where every output is 0, no difference could be seen."""
    verdict = independence(DEFAULT, rows_of_a_batch(scale=0.0, alone=0.0))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the largest output is 0, the allowed difference 1e-10: none could be seen"


def test_a_tolerance_as_large_as_the_outputs_is_an_error() -> None:
    """It would allow anything."""
    assert independence(IndependenceParams(tolerance=8.0), rows_of_a_batch()).status is Status.ERROR


FURTHER = {"large": 1e-15, "large_rows": 256, "padding": 1e-15, "causal": 0.0}


def test_a_random_model_is_told_by_its_repetition_alone() -> None:
    """What follows from it is told, and points nowhere else."""
    verdict = independence(DEFAULT, rows_of_a_batch(repeat=0.12, alone=0.2, order=0.15))

    assert verdict.findings == ("independence.repeat",)
    assert len(verdict.advice) == 1


def test_texts_in_a_large_batch_pass() -> None:
    """Each further difference is told."""
    verdict = independence(DEFAULT, rows_of_a_batch(**FURTHER))

    assert verdict.status is Status.PASSED
    assert "a row in a batch of 256 differs from itself in one of 16 by 1e-15, at most 1e-10" in verdict.facts
    assert "a text padded to another length differs by 1e-15, at most 1e-10" in verdict.facts
    assert "outputs up to a position change with the ids behind it by 0, at most 1e-10" in verdict.facts


@pytest.mark.parametrize(
    ("which", "finding"),
    [("large", "independence.alone"), ("padding", "independence.padding"), ("causal", "independence.causal")],
)
@pytest.mark.parametrize(
    ("value", "status"), [(1e-10, Status.PASSED), (1.1e-10, Status.FAILED), (float("nan"), Status.ERROR)]
)
def test_a_further_difference_may_reach_the_tolerance(which: str, finding: str, value: float, status: Status) -> None:
    """NaN is no difference of 0."""
    verdict = independence(DEFAULT, rows_of_a_batch(**{**FURTHER, which: value}))

    assert verdict.status is status
    assert verdict.findings == (() if status is Status.PASSED else (finding,))


def test_what_is_declared_is_not_asked() -> None:
    """Texts of one length, and a model that may look ahead."""
    params = IndependenceParams(padding=False, causal=False)

    assert independence(params, rows_of_a_batch(**{**FURTHER, "padding": 0.5, "causal": 0.5})).status is Status.PASSED


def test_a_row_alone_without_output_fails() -> None:
    """What the model raises is told."""
    verdict = independence(
        DEFAULT, rows_of_a_batch(alone=float("inf"), alone_error="ValueError: Expected more than 1 value")
    )

    assert verdict.status is Status.FAILED
    assert verdict.summary == "a row alone has no output: ValueError: Expected more than 1 value"
    assert verdict.findings == ("independence.alone",)


def test_a_model_that_looks_ahead_is_told_by_that_alone() -> None:
    """It sees the padding behind a text too."""
    verdict = independence(DEFAULT, rows_of_a_batch(**{**FURTHER, "causal": 0.5, "padding": 0.25}))

    assert verdict.summary == "outputs up to a position change with the ids behind it by 0.5, at most 1e-10"
    assert verdict.findings == ("independence.causal",)
    assert "a text padded to another length differs by 0.25, at most 1e-10" in verdict.facts
