"""How far embeddings differ and spread, on sets whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_mlspec.probes.geometry import effective_rank, mean_cosine, relative

AXES = np.eye(4)


def test_a_change_is_a_share_of_the_norm() -> None:
    """Of each embedding by itself."""
    assert relative(np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([[3.0, 5.0], [0.0, 2.0]])).tolist() == [
        pytest.approx(1 / math.sqrt(34)),
        0.0,
    ]


def test_a_value_that_is_not_finite_is_an_infinite_change() -> None:
    """NaN is not equal to itself."""
    assert relative(np.array([[np.nan]]), np.array([[np.nan]])).tolist() == [math.inf]


@pytest.mark.parametrize(
    ("embeddings_ND", "cosine", "rank"),
    [
        (AXES, 0.0, 3.0),
        (np.vstack([AXES, -AXES]), -1 / 7, 4.0),
        (np.ones((5, 3)), 1.0, 1.0),
        (np.array([[1.0, 0.0], [-1.0, 0.0]]), -1.0, 1.0),
        (7 * AXES, 0.0, 3.0),
    ],
)
def test_the_spread_of_a_known_set(embeddings_ND: np.ndarray, cosine: float, rank: float) -> None:
    """Four axes differ in three dimensions; lengths do not count."""
    assert mean_cosine(embeddings_ND) == pytest.approx(cosine)
    assert effective_rank(embeddings_ND) == pytest.approx(rank)


def test_rounding_is_no_dimension() -> None:
    """Equal embeddings in single precision differ in their last bits, in all directions."""
    draw = np.random.default_rng(0)
    found_ND = np.ones((64, 16)) + 1e-8 * draw.standard_normal((64, 16))

    assert effective_rank(found_ND) == 1.0
    assert math.isnan(effective_rank(np.full((3, 2), np.nan)))
