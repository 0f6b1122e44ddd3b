"""`inputs` is red for numbers far from the scale of standardized ones, and for rows that are all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.inputs import InputsParams, inputs
from pytest_mlspec.evidence import LayerInput, LayerInputs

LINEAR = LayerInput("layers.0", "Linear", "float32", 8, 1.0, 0.0, 1.0, -3.0, 3.5, 2, 1.25)


def judged(*layers: LayerInput, rms_at_most: float = 5.0, rows: int = 256) -> Verdict:
    return inputs(InputsParams(rms_at_most=rms_at_most), LayerInputs(rows, layers))


def linear(**changes: Any) -> LayerInput:
    return replace(LINEAR, **changes)


def test_standardized_numbers_pass() -> None:
    """With the figures of what enters."""
    verdict = judged(LINEAR)

    assert verdict.status is Status.PASSED
    assert verdict.summary == "root mean square of what enters layers.0: 1, at most 5"
    assert verdict.facts == (
        "layers.0 (Linear) takes float32 from -3 to 3.5, mean 0, deviation 1, root mean square 1, largest in column 2 of 8: 1.25",
    )


@pytest.mark.parametrize(("rms", "status"), [(5.0, Status.PASSED), (5.1, Status.FAILED), (1e-3, Status.PASSED)])
def test_the_scale_may_reach_the_bound(rms: float, status: Status) -> None:
    """Exactly the bound passes; small numbers are no finding."""
    assert judged(linear(root_mean_square=rms)).status is status


def test_unscaled_numbers_fail_with_the_column_and_the_way_out() -> None:
    """Pixels of 0 to 255."""
    verdict = judged(linear(root_mean_square=128.0, high=255.0, column=3, column_root_mean_square=200.0))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "root mean square of what enters layers.0: 128, at most 5"
    assert "largest in column 3 of 8: 200" in verdict.facts[0]
    assert "inputs: {rms_at_most: 256}" in verdict.advice[0]
    assert verdict.findings == ("inputs.scale",)


def test_the_bound_can_be_replaced() -> None:
    """By one above it."""
    assert judged(linear(root_mean_square=128.0), rms_at_most=256.0).status is Status.PASSED


def test_sparse_counts_pass() -> None:
    """Words of long texts; dense counts are numbers as others."""
    counts = linear(root_mean_square=9.0, counts=True, zeros=0.95)

    assert judged(counts).status is Status.PASSED
    assert judged(replace(counts, zeros=0.5)).status is Status.FAILED


def test_one_of_several_inputs_fails() -> None:
    """The layer that takes it is named."""
    verdict = judged(LINEAR, linear(layer="side", root_mean_square=50.0))

    assert verdict.summary == "root mean square of what enters side: 50, at most 5"


def test_rows_that_are_all_the_same_fail() -> None:
    """Where one input differs between rows, another may not."""
    verdict = judged(linear(same=True))

    assert verdict.summary == "each of 256 rows enters the model with the same numbers"
    assert verdict.findings == ("inputs.constant",)
    assert judged(linear(same=True), LINEAR).status is Status.PASSED


def test_a_scale_that_is_no_number_is_an_error() -> None:
    """NaN never passes."""
    assert judged(linear(root_mean_square=float("nan"))).status is Status.ERROR


def test_nothing_measured_is_an_error() -> None:
    """No layer, no row."""
    assert judged().status is Status.ERROR
    assert judged(LINEAR, rows=0).status is Status.ERROR


@pytest.mark.parametrize("bound", [0, -1, float("nan"), float("inf")])
def test_a_bound_is_a_finite_number_above_0(bound: float) -> None:
    """Strictly."""
    with pytest.raises(ValidationError):
        InputsParams(rms_at_most=bound)
