"""What a split by group or time was to keep apart is recomputed from the raw rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.language.spec import Split
from pytest_mlspec.probes.crossing import Crossing, what_crosses
from pytest_mlspec.recipe.protocol import Rows


def _rows(**columns: list[Any]) -> dict[str, Rows]:
    """Four rows for training and two for the test; the columns are not among the features."""
    index = np.arange(6)
    rows = Rows(np.zeros((6, 1)), np.zeros(6), index, others=pd.DataFrame(columns))
    return {"train": rows.take(index[:4]), "test": rows.take(index[4:])}


def test_groups_in_both_splits() -> None:
    """They are counted and named."""
    rows = _rows(user=["ann", "bob", "ann", "cy", "bob", "dan"])

    assert what_crosses(rows, Split(group="user")) == Crossing(
        "group", "user", {"train/test": 1}, {"train/test": ("bob",)}
    )


def test_rows_before_the_last_of_the_split_before() -> None:
    """A row of the same time is none."""
    rows = _rows(day=["2026-01-01", "2026-01-09", "2026-01-02", "2026-01-03", "2026-01-09", "2026-01-08"])

    assert what_crosses(rows, Split(time="day")) == Crossing(
        "time", "day", {"train/test": 1}, {"train/test": ("row 5",)}
    )


@pytest.mark.parametrize(
    "split", [Split(group="it"), Split(time="it")], ids=["groups that are apart", "times in their order"]
)
def test_nothing_crosses(split: Split) -> None:
    """It is counted all the same."""
    assert what_crosses(_rows(it=[1, 2, 3, 3, 4, 4]), split).counts == {"train/test": 0}


def test_a_random_draw_keeps_nothing_apart() -> None:
    """Nothing is counted."""
    assert what_crosses(_rows(it=[1] * 6), Split()) == Crossing()


def test_a_column_that_is_not_there() -> None:
    """The message has the nearest name."""
    with pytest.raises(DataError, match="the rows have no column 'usr'"):
        what_crosses(_rows(user=["ann"] * 6), Split(group="usr"))
