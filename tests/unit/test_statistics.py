"""The decisions of gates are numbers from numbers, held against published values and against scipy."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest, chi2_contingency

from pytest_mlspec.statistics import differ, wilson_interval


@pytest.mark.parametrize(("right", "n"), [(0, 10), (1, 10), (10, 10), (335, 360), (7, 9), (999_999, 1_000_000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_is_that_of_scipy(right: int, n: int, confidence: float) -> None:
    """Wilson's score interval, without a correction for continuity."""
    expected = binomtest(right, n).proportion_ci(confidence, method="wilson")

    assert wilson_interval(right / n, n, confidence=confidence) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_the_interval_stays_within_0_and_1() -> None:
    """All right of one row says little."""
    assert wilson_interval(0.0, 1)[0] == 0.0
    assert wilson_interval(1.0, 1)[1] == 1.0
    assert wilson_interval(1.0, 1)[0] == pytest.approx(0.2065, abs=1e-4)


@pytest.mark.parametrize(("share", "n"), [(0.5, 0), (0.5, -1), (-0.1, 10), (1.1, 10), (float("nan"), 10)])
def test_what_is_no_share_of_rows_is_refused(share: float, n: int) -> None:
    """No rows, or more than all."""
    with pytest.raises(ValueError, match="a share of rows is needed"):
        wilson_interval(share, n)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 90, "b": 10}, {"a": 80, "b": 20}),
        ({"a": 500, "b": 300, "c": 200}, {"a": 120, "b": 80, "c": 50}),
        ({"a": 500, "b": 300, "c": 200}, {"a": 100, "b": 100, "c": 50}),
        ({"a": 900, "b": 100}, {"a": 120, "b": 80}),
        ({str(number): 36 for number in range(10)}, {str(number): 8 + number % 3 for number in range(10)}),
    ],
)
def test_the_chance_of_class_counts_is_that_of_scipy(one: dict[str, int], other: dict[str, int]) -> None:
    """Pearson's test, without a correction for continuity."""
    expected = chi2_contingency([list(one.values()), list(other.values())], correction=False).pvalue

    assert differ(one, other) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("one", "other"), [({}, {}), ({"a": 3}, {"a": 4}), ({"a": 3, "b": 1}, {}), ({"a": 0}, {"a": 2})]
)
def test_nothing_to_compare_is_no_difference(one: dict[str, int], other: dict[str, int]) -> None:
    """No classes, one, or no rows."""
    assert differ(one, other) == 1.0
