"""Categories become columns, codes or ids; unseen and missing values have places of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError
from recipe.steps import fitted_on

TRAIN = pd.DataFrame({"plan": ["b", "a", "b", None], "store": [101, 102, 101, 101], "age": [1.0, 2.0, 3.0, 4.0]})
LATER = pd.DataFrame({"plan": ["a", "z", None], "store": [102, 999, 101], "age": [5.0, 6.0, 7.0]})


def test_ids_leave_room_for_padding_and_the_unknown() -> None:
    """0 and 1; a missing value that training has is known."""
    fitted = fitted_on(TRAIN, "ids")
    inputs: Any = fitted.inputs(LATER)

    assert inputs["categories"].tolist() == [[2], [1], [4]]
    assert inputs["categories"].dtype == np.int64
    assert inputs["numbers"].dtype == np.float32
    assert fitted.vocabularies == {"categories": (5,)}
    assert fitted.columns == ("store", "age")


def test_a_missing_value_that_training_does_not_have_is_unknown() -> None:
    """Like any other."""
    inputs: Any = fitted_on(TRAIN[["plan"]][:3], "ids").inputs(LATER[["plan"]])

    assert inputs["categories"].tolist() == [[2], [1], [1]]


def test_numbers_that_are_named_are_categories_too() -> None:
    """Written as a spec writes them, in the order of the list."""
    fitted = fitted_on(TRAIN, {"use": "ids", "columns": ["store", "plan"]})
    inputs: Any = fitted.inputs(LATER)

    assert inputs["categories"].tolist() == [[3, 2], [1, 1], [2, 4]]
    assert fitted.vocabularies == {"categories": (4, 5)}


def test_rare_values_share_the_id_of_the_unknown() -> None:
    """So that its embedding learns."""
    fitted = fitted_on(TRAIN, {"use": "ids", "min_frequency": 2})
    inputs: Any = fitted.inputs(TRAIN)

    assert inputs["categories"].ravel().tolist() == [2, 1, 2, 1]
    assert fitted.vocabularies == {"categories": (3,)}


def test_inputs_without_columns_are_left_out() -> None:
    """A model has no use for an array [N, 0]."""
    only: Any = fitted_on(TRAIN[["plan"]], "ids").inputs(TRAIN[["plan"]])

    assert list(only) == ["categories"]


def test_one_hot_takes_the_arguments_of_scikit_learn() -> None:
    """Its columns are named by value."""
    rare = fitted_on(TRAIN, {"use": "one_hot", "min_frequency": 2})
    binary = fitted_on(TRAIN, {"use": "one_hot", "drop": "if_binary", "columns": ["store", "plan"]})

    assert rare.columns == ("store", "age", "plan=b", "plan=infrequent_sklearn")
    assert binary.columns == ("age", "store=102", "plan=a", "plan=b", "plan=nan")


def test_an_unseen_value_can_be_an_error() -> None:
    """`handle_unknown: error` names it."""
    fitted = fitted_on(TRAIN, {"use": "one_hot", "handle_unknown": "error"})

    with pytest.raises(DataError, match=r"one_hot: Found unknown categories \['z'\]"):
        fitted.inputs(LATER)


def test_one_hot_of_many_values_is_an_error_with_a_way_out() -> None:
    """1,001 columns of almost nothing but 0."""
    table = pd.DataFrame({"user": [f"u{number}" for number in range(1001)]})

    with pytest.raises(DataError, match="the column 'user' has 1001 values") as caught:
        fitted_on(table, "one_hot")
    assert caught.value.advice == "write {use: one_hot, min_frequency: 20}, or {use: ids, columns: [user]}"
    assert fitted_on(table, {"use": "one_hot", "max_categories": 5}).columns[-1] == "user=infrequent_sklearn"
    assert len(fitted_on(table[:1000], "one_hot").columns) == 1000


def test_ordinal_codes_stand_behind_the_numbers() -> None:
    """−1 is unseen, −2 missing."""
    fitted = fitted_on(TRAIN, "ordinal")
    inputs: Any = fitted.inputs(LATER)

    assert fitted.columns == ("store", "age", "plan")
    assert inputs[:, 2].tolist() == [0, -1, -2]
