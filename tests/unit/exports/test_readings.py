"""How outputs become predictions, found from rows for which both are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mlspec.exports.readings import as_probabilities, found_reading, next_tokens, softmax

DRAW = np.random.default_rng(0)
VALUES_N = DRAW.normal(size=50)
LOGITS_NC = DRAW.normal(size=(50, 4))
SHARE_N = 1 / (1 + np.exp(-VALUES_N))
OF_TWO_NC = np.stack([1 - SHARE_N, SHARE_N], axis=1)


@pytest.mark.parametrize(
    ("outputs", "predictions"),
    [
        (VALUES_N[:, None], VALUES_N),
        (LOGITS_NC, softmax(LOGITS_NC)),
        (softmax(LOGITS_NC), softmax(LOGITS_NC)),
        (VALUES_N[:, None], OF_TWO_NC),
        (SHARE_N, OF_TWO_NC),
        (VALUES_N, np.exp(VALUES_N)),
    ],
)
def test_the_way_is_found(outputs: NDArray[Any], predictions: NDArray[Any]) -> None:
    """It gives the predictions again, from outputs in single precision."""
    reading = found_reading(outputs.astype(np.float32), predictions)

    assert reading is not None
    assert reading(outputs) == pytest.approx(predictions, abs=1e-6)


def test_where_no_way_fits_there_is_none() -> None:
    """So no metric is made up."""
    assert found_reading(LOGITS_NC, softmax(2 * LOGITS_NC)) is None
    assert found_reading(LOGITS_NC, LOGITS_NC[:, :3]) is None
    assert found_reading(np.full_like(LOGITS_NC, np.nan), softmax(LOGITS_NC)) is None


def test_a_way_of_the_spec_is_tried_too() -> None:
    """Such as that of a scaled target."""
    reading = found_reading(VALUES_N, 3 * VALUES_N + 7, more={"scale": lambda outputs: 3 * outputs + 7})

    assert reading is not None
    assert reading(np.array([1.0])).tolist() == [10.0]


def test_logits_of_tokens_become_their_losses() -> None:
    """The loss of each token but the first, and the likeliest id there."""
    ids_NL = np.array([[1, 2, 0]])
    logits_NLV = np.log(np.array([[[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [1.0, 1.0, 1.0]]]))
    found = next_tokens(ids_NL)(logits_NLV)

    assert found[..., 0] == pytest.approx(-np.log([[0.7, 0.6]]))
    assert found[..., 1].tolist() == [[2.0, 0.0]]


def test_one_probability_is_that_of_the_second_class() -> None:
    """As binary models give it."""
    assert as_probabilities(SHARE_N, OF_TWO_NC) == pytest.approx(OF_TWO_NC)
    assert as_probabilities(LOGITS_NC, LOGITS_NC) == pytest.approx(LOGITS_NC)
