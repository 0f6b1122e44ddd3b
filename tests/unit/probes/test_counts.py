"""Columns that hold texts among numbers, one value, or another value in every row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.evidence import Mixed
from pytest_mlspec.probes.counts import constant_columns, filled_columns, identifying_columns, mixed_columns
from pytest_mlspec.probes.table import Table, table_of
from pytest_mlspec.recipe.protocol import Rows


def _rows(column: Any) -> dict[str, Rows]:
    table = pd.DataFrame({"it": column})
    index = np.arange(len(table))
    rows = Rows(table, np.zeros(len(table)), index)
    half = len(table) // 2
    return {"train": rows.take(index[:half]), "test": rows.take(index[half:])}


def _table(column: Any) -> Table:
    return table_of({name: part.features for name, part in _rows(column).items()})


def test_a_few_texts_among_numbers_are_counted_and_named() -> None:
    """In all splits together; a missing value is neither."""
    column: list[Any] = [str(number) for number in range(60)]
    column[7], column[8], column[50] = "n/a", None, "old"
    rows = _rows(column)

    assert mixed_columns(_table(column), rows) == {"it": Mixed(2, 59, (("row 7", "n/a"), ("row 50", "old")))}


@pytest.mark.parametrize(
    "column",
    [
        [str(number) for number in range(60)],
        ["a", "b", "c"] * 20,
        ["12", "13", "14", "A 5"] * 15,
        np.arange(60.0),
        [None] * 60,
    ],
    ids=["numbers as text", "text", "tickets", "numbers", "nothing"],
)
def test_other_columns_are_not_mixed(column: Any) -> None:
    """Where one value in four is text, it is a column of text."""
    assert mixed_columns(_table(column), _rows(column)) == {}


@pytest.mark.parametrize(
    ("column", "constant"),
    [
        ([3] * 60, True),
        ([3] * 30 + [4] * 30, True),
        ([None] * 60, True),
        ([np.nan, 3.0] * 30, False),
        (["a", "b"] * 30, False),
        ([3] * 30, False),
    ],
    ids=["constant", "constant in train", "nothing", "gaps", "two values", "few rows"],
)
def test_columns_of_one_value(column: Any, constant: bool) -> None:
    """In training; nothing is said of less than 20 rows."""
    assert constant_columns(_table(column)) == (("it",) if constant else ())


@pytest.mark.parametrize(
    ("column", "identifies"),
    [
        ([f"2026-01-31 09:{minute:02}" for minute in range(60)], True),
        (np.arange(60), True),
        ([f"C{number:05}" for number in range(60)], True),
        (np.arange(60) / 7, False),
        (np.arange(60) // 2, False),
        ([f"a text of words {number}" for number in range(60)], False),
        (["x" * 65 + str(number) for number in range(60)], False),
        (np.arange(18), False),
    ],
    ids=["times", "numbers", "words", "fractions", "repeated", "texts", "long texts", "few rows"],
)
def test_columns_that_identify_a_row(column: Any, identifies: bool) -> None:
    """Whole numbers, single words, or times."""
    assert identifying_columns(_table(column)) == (("it",) if identifies else ())


def test_zeros_far_from_all_other_values_are_told() -> None:
    """They may stand for missing ones; what may be 0, a small count and a side of both signs are none."""
    draw = np.random.default_rng(0)
    pressure = draw.normal(120, 10, 200)
    columns = {
        "pressure": np.where(np.arange(200) % 20 == 0, 0, pressure),
        "fee": np.where(np.arange(200) % 20 == 0, 0, draw.exponential(5, 200)),
        "calls": draw.poisson(1, 200).astype(float),
        "change": np.where(np.arange(200) % 20 == 0, 0, draw.choice([-1, 1], 200) * pressure),
        "gain": np.where(np.arange(200) % 5, 0, pressure),
    }
    found = filled_columns(table_of({"train": pd.DataFrame(columns)}))

    assert list(found) == ["pressure"]
    assert found["pressure"].rows == 10
