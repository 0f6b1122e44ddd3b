"""Raw features are read by what the training rows hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError
from recipe.steps import fitted_on

TRAIN = pd.DataFrame({"age": [1.0, 2.0, None], "zip": ["89073", "050", "1"], "on": [True, None, False]})
FITTED = fitted_on(TRAIN, "one_hot")


def _prepared(**columns: Any) -> Any:
    inputs: Any = FITTED.inputs(pd.DataFrame(columns))
    return inputs.tolist()


def test_a_column_of_text_stays_text() -> None:
    """A file whose zip codes all look like numbers is read like the training file."""
    as_text = _prepared(age=[1], zip=["1"], on=[True])

    assert _prepared(age=[1], zip=[1], on=[True]) == _prepared(age=[1], zip=[1.0], on=[True]) == as_text


def test_columns_are_found_by_name() -> None:
    """Their order and further columns do not matter."""
    assert _prepared(id=[7], on=[True], zip=["050"], age=[1]) == _prepared(age=[1], zip=["050"], on=[True])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_row_alone_may_miss_any_value(missing: Any) -> None:
    """As an object, because a table of one row knows no better."""
    table = pd.DataFrame({"age": [missing], "zip": [missing], "on": [missing]}, dtype=object)
    inputs: Any = FITTED.inputs(table)

    np.testing.assert_array_equal(inputs, [[np.nan, np.nan, 0, 0, 0]])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (TRAIN.drop(columns="zip"), "row 0 has no column 'zip', and the training rows have one"),
        (
            TRAIN.assign(age=pd.Series(["1", "x", None])),
            "row 0 has '1' in the column 'age', which holds numbers in the training rows",
        ),
        (
            TRAIN.assign(on=pd.Series([None, "yes", True], dtype=object)),
            "row 1 has 'yes' in the column 'on', which holds numbers",
        ),
        (np.ones((3, 3)), "the features are an array, and a table in the training rows"),
    ],
)
def test_features_of_another_form_are_an_error(features: Any, message: str) -> None:
    """It names the row and the value."""
    with pytest.raises(DataError, match=message):
        FITTED.inputs(features)


def test_a_column_of_another_name_gets_the_near_miss() -> None:
    """As where the file of the test split spells it in another way."""
    with pytest.raises(DataError) as caught:
        FITTED.inputs(TRAIN.rename(columns={"zip": "Zip"}))

    assert caught.value.advice == "did you mean 'Zip'?"


def test_arrays_keep_their_shape() -> None:
    """A row of another one is an error, as is a table."""
    fitted = fitted_on(np.ones((4, 2, 3)), "standardize")

    with pytest.raises(DataError, match=r"a row has the shape \[3\], and \[2, 3\] in training"):
        fitted.inputs(np.ones((1, 3)))
    with pytest.raises(DataError, match="the features are a table, and an array in the training rows"):
        fitted.inputs(pd.DataFrame(np.ones((1, 3))))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[3, 0], [1, 2]], dtype=np.int32), "int64"),
        (np.array([[3, 0], [1, 2]], dtype=np.uint8), "float32"),
        (np.array([[3, 0], [1, 2]], dtype=bool), "float32"),
        (np.array([[3.0, 0.0]]), "float32"),
    ],
)
def test_whole_numbers_that_no_step_touches_are_ids(values: Any, expected: str) -> None:
    """They stay whole for an embedding; bytes are pixels."""
    inputs: Any = fitted_on(values, "none").inputs(values)

    assert inputs.dtype == expected


def test_durations_are_refused() -> None:
    """Nobody knows the unit that the model should see."""
    with pytest.raises(DataError, match="the column 'wait' holds durations"):
        fitted_on(pd.DataFrame({"wait": pd.to_timedelta([1, 2], unit="h")}), "standard")


@pytest.mark.parametrize(
    ("step", "message", "advice"),
    [
        (
            {"use": "standardize", "columns": ["zip"]},
            "'zip' holds text, and numbers are needed",
            "one_hot, ordinal, ids",
        ),
        ({"use": "standardize", "columns": ["agee"]}, "there is no column 'agee'", "did you mean 'age'?"),
        ({"use": "one_hot", "columns": ["zipp"]}, "there is no column 'zipp'", "did you mean 'zip'?"),
    ],
)
def test_columns_that_do_not_fit_are_named(step: Any, message: str, advice: str) -> None:
    """With what to write."""
    with pytest.raises(DataError, match=message) as caught:
        fitted_on(TRAIN, step)
    assert advice in caught.value.advice
    assert caught.value.key == "data.prepare.columns"
