"""Dates become numbers; one that cannot be read is an error, never a silent gap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pytest_mlspec.errors import DataError
from recipe.steps import fitted_on


def _prepared(values: Any, **arguments: Any) -> tuple[tuple[str, ...], Any]:
    table = pd.DataFrame({"day": values})
    columns = {} if pd.api.types.is_datetime64_any_dtype(table["day"]) else {"columns": ["day"]}
    fitted = fitted_on(table, {"use": "dates", **columns, **arguments})
    return fitted.columns, fitted.inputs(table)


def test_a_date_becomes_its_parts() -> None:
    """The hour where any training row has one."""
    names, days = _prepared(["2024-02-29", "2025-12-31"])
    with_hours, hours = _prepared(pd.to_datetime(["2024-02-29 06:00", "2025-12-31 00:00"]))

    assert names == ("day.year", "day.month", "day.day", "day.weekday")
    assert days.tolist() == [[2024, 2, 29, 3], [2025, 12, 31, 2]]
    assert with_hours[-1] == "day.hour"
    assert hours[:, -1].tolist() == [6, 0]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("quarter", 1),
        ("week", 9),
        ("dayofyear", 60),
        ("minute", 30),
        ("second", 15),
        ("days", 19782 + (6 * 3600 + 30 * 60 + 15) / 86400),
    ],
)
def test_every_part_has_its_number(part: str, expected: float) -> None:
    """`days` is the time since 1970."""
    _, values = _prepared(["2024-02-29T06:30:15"], parts=[part])

    assert_allclose(values, [[expected]], rtol=1e-6)


def test_a_circle_brings_its_ends_together() -> None:
    """23 o'clock lies beside midnight, December beside January."""
    names, circle = _prepared(["2024-12-31T23:00", "2025-01-01T00:00"], parts=["hour", "year"], cyclic=True)

    assert names == ("day.hour.sin", "day.hour.cos", "day.year")
    assert_allclose(circle[:, :2], [[-0.258819, 0.965926], [0.0, 1.0]], atol=1e-5)


@pytest.mark.parametrize(
    ("values", "arguments", "expected"),
    [
        (["31/12/2024"], {"format": "%d/%m/%Y"}, [2024, 12, 31]),
        (["2024-12-31T23:30:00-02:00"], {}, [2025, 1, 1]),
        (pd.to_datetime(["2024-12-31 23:30"]).tz_localize("America/New_York"), {}, [2025, 1, 1]),
    ],
)
def test_dates_are_read_as_they_are_declared(values: Any, arguments: dict[str, Any], expected: list[int]) -> None:
    """By `format`, else as ISO 8601; with an offset in UTC."""
    _, found = _prepared(values, parts=["year", "month", "day"], **arguments)

    assert found.tolist() == [expected]


def test_a_missing_date_has_missing_parts() -> None:
    """Which impute fills, or the check `data` reports."""
    _, found = _prepared(["2024-12-31", None], parts=["year", "week", "days"])

    assert np.isnan(found[1]).all()


@pytest.mark.parametrize("value", ["2024-02-30", "31/12/2024", "NaT", "soon", "now", "today", ""])
def test_a_date_that_cannot_be_read_is_named(value: str) -> None:
    """With its row; how it is read never depends on the rows beside it."""
    with pytest.raises(DataError, match=f"row 1 has '{value}' in the column 'day': no date in ISO 8601") as caught:
        _prepared(["2024-12-31", value])
    assert "format" in caught.value.advice


def test_a_table_without_dates_is_an_error() -> None:
    """It says which columns hold text, because dates are often that."""
    with pytest.raises(DataError, match="dates finds no column of dates") as caught:
        fitted_on(pd.DataFrame({"since": ["2024-12-31"]}), "dates")
    assert caught.value.advice == "text: since; write {use: dates, columns: [NAME]}"
