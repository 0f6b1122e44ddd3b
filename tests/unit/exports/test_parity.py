"""Two answers for the same rows: how far apart, how many decisions, and what the difference looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mlspec.exports.parity import compared, hint
from pytest_mlspec.exports.readings import as_they_are, softmax

LOGITS_NC = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


def constant(values: NDArray[Any]) -> Any:
    """An exported model that gives the first rows of `values`, whatever they are asked for."""
    return lambda inputs: values[: len(inputs[""])]


def test_equal_answers_differ_by_nothing() -> None:
    """And decide the same."""
    found = compared(LOGITS_NC, LOGITS_NC.copy(), rtol=1e-4, scores=softmax)

    assert (found.rows, found.absolute, found.decisions, found.ties, found.error) == (40, 0.0, 0, 0, "")
    assert found.excess is not None
    assert found.excess < 0


def test_the_worst_row_is_told() -> None:
    """What exceeds the relative tolerance counts, so that large outputs may differ by more."""
    other_NC = LOGITS_NC.copy()
    other_NC[7, 1] += 0.5
    found = compared(other_NC, LOGITS_NC, rtol=1e-4, scores=None)

    assert found.worst_row == 7
    assert found.absolute == pytest.approx(0.5, rel=1e-5)
    assert found.excess == pytest.approx(0.5 - 1e-4 * abs(LOGITS_NC[7, 1]), rel=1e-5)


def test_decisions_on_the_fence_are_counted_apart() -> None:
    """A tie within rounding is no other decision; a clear one is."""
    expected_NC = np.array([[0.5, 0.50001], [0.9, 0.1]])
    found = compared(expected_NC[:, ::-1], expected_NC, rtol=1e-4, scores=as_they_are)

    assert (found.decisions, found.ties) == (1, 1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (LOGITS_NC[:, :2], "its outputs have the shape [40, 2], not [40, 3]"),
        (LOGITS_NC[:39], "its outputs have the shape [39, 3], not [40, 3]"),
        (np.where(LOGITS_NC > 2, np.nan, LOGITS_NC), "of 120 outputs are not finite"),
        (np.full_like(LOGITS_NC, np.inf), "120 of 120 outputs are not finite"),
    ],
)
def test_what_cannot_be_compared_is_an_error(given: NDArray[Any], told: str) -> None:
    """Never a difference of 0."""
    found = compared(given, LOGITS_NC, rtol=1e-4, scores=None)

    assert told in found.error
    assert found.absolute is None


def test_one_column_and_a_flat_array_are_the_same() -> None:
    """A writer may drop an axis of length 1."""
    assert compared(LOGITS_NC[:, 0], LOGITS_NC[:, :1], rtol=0.0, scores=None).absolute == 0.0


def test_an_empty_batch_has_no_difference() -> None:
    """There is nothing to differ."""
    assert compared(LOGITS_NC[:0], LOGITS_NC[:0], rtol=0.0, scores=softmax).absolute == 0.0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (LOGITS_NC.astype(np.float16).astype(np.float32), "half precision"),
        (softmax(LOGITS_NC), "it gives probabilities, the model itself logits"),
        (LOGITS_NC[:, [2, 0, 1]], "in another order: [1, 2, 0]"),
        (LOGITS_NC[:, :2], ""),
        (LOGITS_NC + 3, ""),
    ],
)
def test_a_difference_looks_like_its_cause(given: NDArray[Any], told: str) -> None:
    """Where it looks like none, nothing is said."""
    found = hint(constant(given), {"": LOGITS_NC}, given, LOGITS_NC)

    assert told in found
    assert bool(told) == bool(found)


def test_noise_is_told_before_all_else() -> None:
    """Two calls differ."""
    draw = np.random.default_rng(0)

    assert "two calls" in hint(
        lambda inputs: draw.normal(size=(len(inputs[""]), 3)), {"": LOGITS_NC}, LOGITS_NC, LOGITS_NC
    )


def test_statistics_of_the_batch_are_told() -> None:
    """A row alone is not what it is beside others."""

    def normalised(inputs: Any) -> NDArray[Any]:
        return np.asarray(inputs[""] - inputs[""].mean(axis=0))

    found = hint(normalised, {"": LOGITS_NC}, normalised({"": LOGITS_NC}), LOGITS_NC)

    assert "depend on the rows beside it" in found
