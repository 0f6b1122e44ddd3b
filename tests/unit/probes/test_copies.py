"""Rows that stand in two splits, equal or nearly so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pytest_mlspec.probes.copies import near_rows, row_numbers
from pytest_mlspec.probes.table import table_of
from pytest_mlspec.recipe.protocol import Rows

RNG = np.random.default_rng(0)
PEOPLE = pd.DataFrame(
    {
        "age": np.arange(20, 60),
        "height": RNG.normal(170, 10, 40),
        "town": [f"Town {number % 7}" for number in range(40)],
    }
)


def _near(train: Any, test: Any) -> tuple[int, list[tuple[int, int]]]:
    splits = {
        name: Rows(part, np.zeros(len(part)), np.arange(len(part))) for name, part in (("train", train), ("test", test))
    }
    counts, examples = near_rows(table_of({name: rows.features for name, rows in splits.items()}), row_numbers(splits))
    return counts["train/test"], examples["train/test"]


def _copied(**changes: Any) -> pd.DataFrame:
    """Person 3 once more, with changes."""
    return PEOPLE.iloc[[3]].assign(**changes)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ([0.0, 1.0], [-0.0, 1.0], True),
        ([np.nan, 1.0], [np.nan, 1.0], True),
        ([np.nan, 1.0], [0.0, 1.0], False),
        ([1.0, 2.0], [2.0, 1.0], False),
        ([1.0, 2.0], [1.0, np.nextafter(2.0, 3.0)], False),
    ],
)
def test_rows_are_equal_where_all_values_are(one: list[float], other: list[float], equal: bool) -> None:
    """Both zeros are one, and a missing value equals another; in arrays and in tables."""
    index = np.arange(1)
    arrays = {name: Rows(np.array([row]), index, index) for name, row in (("a", one), ("b", other))}
    tables = {name: Rows(pd.DataFrame([row]), index, index) for name, row in (("a", one), ("b", other))}

    assert (row_numbers(arrays)["a"][0] == row_numbers(arrays)["b"][0]) is np.bool_(equal)
    assert (row_numbers(tables)["a"][0] == row_numbers(tables)["b"][0]) is np.bool_(equal)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (np.array([0.1, 2.0], np.float32), np.array([0.1, 2.0], np.float64), True),
        (np.array([0.1, 2.0], np.float32), np.array([0.11, 2.0], np.float64), False),
        (np.array([3.0, 2.0], np.float32), np.array([3, 2], np.int64), True),
        (np.array([0.1, 2.0], np.float16), np.array([0.1, 2.0], np.float32), True),
        (np.array([2**60, 1], np.int64), np.array([2**60 + 1, 1], np.int64), False),
    ],
)
def test_a_rounded_copy_is_the_same_row(one: NDArray[Any], other: NDArray[Any], equal: bool) -> None:
    """A split in a coarser type, such as one that was stored in single precision; in arrays and in tables."""
    index = np.arange(1)
    arrays = {name: Rows(row[None], index, index) for name, row in (("a", one), ("b", other))}
    tables = {name: Rows(pd.DataFrame(row[None]), index, index) for name, row in (("a", one), ("b", other))}

    assert (row_numbers(arrays)["a"][0] == row_numbers(arrays)["b"][0]) is np.bool_(equal)
    assert (row_numbers(tables)["a"][0] == row_numbers(tables)["b"][0]) is np.bool_(equal)


def test_tables_of_mixed_columns_are_compared() -> None:
    """Text, categories, nullable numbers, and lists by their text."""
    table = pd.DataFrame(
        {
            "text": ["a", None, "a"],
            "kind": pd.Categorical(["x", "y", "x"]),
            "count": pd.Series([1, None, 1], dtype="Int64"),
            "list": [[1], [2], [1]],
        }
    )
    numbers = row_numbers({"train": Rows(table, np.zeros(3), np.arange(3))})["train"]

    assert numbers[0] == numbers[2] != numbers[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"height": PEOPLE.height[3] * (1 + 1e-9)},
        {"town": " town  3 "},
        {"height": PEOPLE.height[3] + 1e-7, "town": "TOWN 3"},
    ],
    ids=["rounding", "case and blanks", "both"],
)
def test_a_row_that_differs_by_rounding_case_or_blanks_is_a_near_copy(changes: dict[str, Any]) -> None:
    """Its position and that of the row that it copies are given."""
    assert _near(PEOPLE, _copied(**changes)) == (1, [(3, 0)])


@pytest.mark.parametrize(
    "changes",
    [{}, {"height": PEOPLE.height[3] + 0.01}, {"age": 24}, {"town": "Town 4"}, {"town": None}, {"height": np.nan}],
    ids=["equal", "another height", "another age", "another town", "no town", "no height"],
)
def test_other_rows_are_none(changes: dict[str, Any]) -> None:
    """Equal ones are counted as such, and whole numbers are never near."""
    assert _near(PEOPLE, _copied(**changes)) == (0, [])


def test_a_copy_is_near_where_both_lack_the_same_value() -> None:
    """A missing value equals another."""
    without = PEOPLE.assign(height=PEOPLE.height.where(PEOPLE.age != 23))

    assert _near(without, without.iloc[[3]].assign(town="town 3")) == (1, [(3, 0)])


def test_every_near_copy_is_counted() -> None:
    """Rows of numbers, all of which were rounded to single precision."""
    train = RNG.normal(size=(2000, 5))
    test = np.concatenate([train[:150] + 1e-8 * RNG.normal(size=(150, 5)), RNG.normal(size=(400, 5))])
    count, examples = _near(train, test)

    assert count == 150
    assert all(first == second for first, second in examples)


def test_rows_of_one_split_are_not_compared_with_each_other() -> None:
    """Near copies within the test split alone."""
    test = RNG.normal(size=(10, 2))

    assert _near(RNG.normal(size=(30, 2)), np.concatenate([test, test + 1e-9])) == (0, [])


def test_an_outlier_does_not_make_all_other_rows_near() -> None:
    """The scale of a column is that of its usual values."""
    train = RNG.normal(size=(100, 1))
    train[0] = 1e9

    assert _near(train, RNG.normal(size=(50, 1))) == (0, [])
