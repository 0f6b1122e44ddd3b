from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError, MlspecError, RecipeError
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.rows import as_loaded, as_splits, joined
from pytest_mlspec.sources.origins import Lines, Table

TABLE = pd.DataFrame({"age": [1, 2, 3], "plan": ["a", "b", "a"], "left": ["y", "n", "y"]})


def _loaded(value: Any, **more: Any) -> Any:
    return as_loaded(value, key="data.source", name="load", **more)


def test_a_pair_becomes_numbered_rows() -> None:
    """(X, y), with arrays or a DataFrame."""
    rows = _loaded((TABLE[["age"]], TABLE["left"]))

    assert rows.index.tolist() == [0, 1, 2]
    assert rows.targets.tolist() == ["y", "n", "y"]
    assert list(rows.features.columns) == ["age"]


def test_a_table_gives_up_its_target() -> None:
    """The target is never among the features, and messages know its name."""
    rows = _loaded(TABLE, target="left")

    assert list(rows.features.columns) == ["age", "plan"]
    assert rows.target_name == "left"


def test_rows_keep_their_place_beside_dropped_columns() -> None:
    """A message names the line of a row whether or not a column is left out."""
    table = Table(TABLE, Lines("churn.csv", range(2, 5)))

    assert _loaded(table, target="left", drop=["plan"]).place(1) == "churn.csv:3"


def test_dropped_columns_are_kept_apart() -> None:
    """A split and a slice may still go by them."""
    rows = _loaded(TABLE, target="left", drop=["plan"])
    taken = rows.take(np.array([2, 0]))

    assert list(rows.features.columns) == ["age"]
    assert taken.others is not None
    assert taken.others["plan"].tolist() == ["a", "a"]
    assert taken.index.tolist() == [2, 0]


def test_splits_of_the_source_are_kept() -> None:
    """A loader may have split its rows already."""
    splits = _loaded({"test": TABLE, "train": TABLE}, target="left")

    assert list(splits) == ["train", "test"]


def test_a_column_of_targets_is_flattened() -> None:
    """[N, 1] is one target a row."""
    assert _loaded((np.zeros((2, 3)), [[1], [2]])).targets.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "load returned a NoneType"),
        ([1, 2], "load returned a list"),
        ((np.zeros((2, 1)), [1], [2]), "load returned a tuple of 3"),
        ({"data": 1}, "a dict with the key 'data'"),
        ({"test": (np.zeros((2, 1)), [1, 2])}, "no split called 'train'"),
        ((np.zeros((2, 1)), [1, 2, 3]), "2 rows of features and 3 targets"),
        ((np.zeros(2), [1, 2]), "features that are an array"),
        ((np.array([["a"], ["b"]]), [1, 2]), "features that are an array"),
        (([[1], [2, 3]], [1, 2]), "features that are no array"),
        ((np.zeros((2, 1)), np.zeros((2, 2))), "targets that are an array"),
        ((np.zeros((0, 1)), []), "load has 0 rows"),
        ({"train": (np.zeros((2, 1)), [1, 2]), "test": (np.zeros((0, 1)), [])}, "0 rows in split test"),
        (Rows(np.zeros((2, 1)), np.zeros(2), np.zeros(2, dtype=int)), "an index that does not number its rows"),
        (Rows(np.zeros((2, 1)), [1, 2], np.arange(2)), "targets that are no array"),  # type: ignore[arg-type]
        (TABLE, "and no target is declared"),
    ],
)
def test_what_is_no_table_of_rows_is_refused(value: Any, message: str) -> None:
    """Each with a message of its own."""
    with pytest.raises(MlspecError, match=message) as caught:
        _loaded(value)
    assert caught.value.key == "data.source"


def test_a_missing_target_gets_the_near_miss() -> None:
    """With the columns that there are."""
    with pytest.raises(DataError, match="load has no column 'lfet'") as caught:
        _loaded(TABLE, target="lfet")
    assert caught.value.advice == "did you mean 'left'?"


def test_a_column_to_drop_must_exist() -> None:
    """Else the misspelt column would stay a feature."""
    with pytest.raises(DataError, match="load has no column 'paln'") as caught:
        _loaded(TABLE, target="left", drop=["paln"])
    assert (caught.value.key, caught.value.advice) == ("data.drop", "did you mean 'plan'?")
    with pytest.raises(DataError, match="without column names"):
        _loaded((np.zeros((2, 1)), [1, 2]), drop=["plan"])


def test_a_split_function_must_return_rows_by_name() -> None:
    """Known names, and Rows."""
    rows = _loaded(TABLE, target="left")

    with pytest.raises(RecipeError, match="split returned a tuple of 2"):
        as_splits((rows, rows), key="recipe.split", name="split")
    with pytest.raises(RecipeError, match="returned a DataFrame for the split 'train'"):
        as_splits({"train": TABLE}, key="recipe.split", name="split")
    with pytest.raises(RecipeError, match="key 'valid'") as caught:
        as_splits({"valid": rows}, key="recipe.split", name="split")
    assert "val" in caught.value.advice


def test_rows_of_several_files_keep_their_places() -> None:
    """Joined and numbered anew, a row is still called by the file and line that it came from."""
    first = replace(_loaded((np.zeros((2, 1)), [1, 2])), origin="a.csv:{}".format)
    second = replace(_loaded((np.ones((3, 1)), [3, 4, 5])), origin="b.csv:{}".format)
    unnamed = _loaded((np.ones((1, 1)), [6]))
    rows = joined([first.take(np.array([1])), second, unnamed]).take(np.array([4, 0, 2]))

    assert rows.targets.tolist() == [6, 2, 4]
    assert [rows.place(position) for position in range(3)] == ["row 0", "a.csv:1", "b.csv:1"]


def test_parts_of_one_source_joined_keep_their_numbers() -> None:
    """As the training and the validation rows of a fold."""
    whole = replace(_loaded((np.zeros((3, 1)), [1, 2, 3])), origin="a.csv:{}".format)
    rows = joined([whole.take(np.array([2])), whole.take(np.array([0]))])

    assert rows.index.tolist() == [2, 0]
    assert rows.place(0) == "a.csv:2"


def test_rows_without_a_place_are_called_by_their_number() -> None:
    """Within the source."""
    assert _loaded(TABLE, target="left").take(np.array([2])).place(0) == "row 2"
