from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pytest_mlspec.errors import DataError, RecipeError, UserCodeError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.prepare.own import UsersStep
from pytest_mlspec.recipe.steps import built_steps
from pytest_mlspec.recipe.transform import fit

from .steps import rows_of


def _prepared(features: Any, *names: str, later: Any = None) -> Any:
    steps = [step for name in names for step in built_steps(Use(use=name))]
    fitted = fit(steps, rows_of(features))
    return fitted.columns, fitted.inputs(features if later is None else later)


def test_standard_is_what_scikit_learn_does() -> None:
    """Median, then mean 0 and deviation 1, for numbers."""
    numbers = np.random.default_rng(0).normal(3, 5, size=(50, 3))
    numbers[4, 1] = np.nan
    expected = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit_transform(numbers)
    _, prepared = _prepared(numbers, "standard")

    assert prepared.dtype == np.float32
    np.testing.assert_allclose(prepared, expected, rtol=1e-6)


def test_later_rows_are_prepared_by_what_was_learned_in_training() -> None:
    """Neither their mean nor their median counts."""
    _, prepared = _prepared(np.array([[0.0], [2.0]]), "standard", later=np.array([[np.nan], [5.0]]))

    assert prepared.tolist() == [[0.0], [4.0]]


def test_images_keep_their_shape() -> None:
    """Each pixel is standardised over the rows."""
    images = np.random.default_rng(0).normal(7, 2, size=(30, 1, 4, 4))
    columns, prepared = _prepared(images, "standard")

    assert prepared.shape == (30, 1, 4, 4)
    assert columns[:2] == ("0,0,0", "0,0,1")
    np.testing.assert_allclose(prepared.mean(axis=0), 0, atol=1e-6)


def test_a_constant_column_becomes_zero() -> None:
    """It has no deviation to divide by."""
    _, prepared = _prepared(np.full((4, 1), 3.0), "standard")

    assert prepared.tolist() == [[0], [0], [0], [0]]


def test_categories_become_columns() -> None:
    """A missing value is a category of its own, an unseen one sets no column."""
    table = pd.DataFrame({"plan": ["b", None, "a", "b"], "age": [1.0, 2.0, 3.0, 2.0]})
    later = pd.DataFrame({"plan": ["c", None, "a"], "age": [2.0, 2.0, 2.0]})
    columns, prepared = _prepared(table, "standard", later=later)

    assert columns == ("age", "plan=a", "plan=b", "plan=nan")
    assert prepared.tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]


def test_ordinal_gives_unseen_and_missing_values_codes_of_their_own() -> None:
    """−1 and −2."""
    table = pd.DataFrame({"plan": ["b", None, "a", "b"]})
    _, prepared = _prepared(table, "ordinal", later=pd.DataFrame({"plan": ["a", "b", "z", None]}))

    assert prepared.ravel().tolist() == [0, 1, -1, -2]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([True, False, True, False]), [1, -1, 1, -1]),
        (pd.Series([True, None, True, False], dtype="boolean"), [0.577, 0.577, 0.577, -1.732]),
        (pd.Series([True, None, True, False], dtype=object), [0.577, 0.577, 0.577, -1.732]),
        (pd.Series([1, None, 3, 2], dtype="Int64"), [-1.414, 0, 1.414, 0]),
        (pd.Series([1, None, 3, 2], dtype="Float64"), [-1.414, 0, 1.414, 0]),
        (pd.Series([1, 2, 3, 2], dtype="uint8"), [-1.414, 0, 1.414, 0]),
    ],
)
def test_numbers_of_every_kind_are_numbers(column: pd.Series, expected: list[float]) -> None:
    """Booleans and pandas' nullable types among them."""
    columns, prepared = _prepared(column.to_frame("x"), "standard")

    assert columns == ("x",)
    np.testing.assert_allclose(prepared.ravel(), expected, atol=1e-3)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["a", "b", "a", None], dtype="category"),
        pd.Series(["a", "b", "a", None], dtype="string"),
        pd.Series(["a", "b", "a", None], dtype=object),
        pd.Series(["a", "b", "a", None]),
    ],
)
def test_text_of_every_kind_is_a_category(column: pd.Series) -> None:
    """However pandas holds it."""
    columns, _ = _prepared(column.to_frame("x"), "one_hot")

    assert columns == ("x=a", "x=b", "x=nan")


def test_steps_apply_in_order() -> None:
    """Standardising after one_hot scales its columns too."""
    table = pd.DataFrame({"plan": ["a", "b", "a", "b"]})
    _, prepared = _prepared(table, "one_hot", "standardize")

    assert prepared.tolist() == [[1, -1], [-1, 1], [1, -1], [-1, 1]]


def test_an_infinite_value_stays_where_it_is() -> None:
    """It is no part of the fit, and is reported where it is."""
    numbers = np.array([[0.0], [2.0], [np.inf], [np.nan]])
    _, prepared = _prepared(numbers, "standard")

    assert prepared.ravel().tolist() == pytest.approx([-1.2247449, 1.2247449, np.inf, 0.0])


def test_nulls_stay_where_no_step_imputes_them() -> None:
    """The check `data` reports them."""
    _, prepared = _prepared(np.array([[0.0], [2.0], [np.nan]]), "standardize")

    assert np.isnan(prepared[2, 0])


@pytest.mark.parametrize("name", ["standard", "impute", "standardize"])
def test_a_column_without_any_value_is_an_error(name: str) -> None:
    """There is nothing to learn a median from."""
    table = pd.DataFrame({"age": [1.0, 2.0], "fee": [None, None]}, dtype="float64")

    with pytest.raises(DataError, match="the column 'fee' has no value in the 2 training rows"):
        _prepared(table, name)


def test_text_that_no_step_encodes_is_an_error() -> None:
    """It names the column."""
    with pytest.raises(DataError, match="the column 'plan' still holds text") as caught:
        _prepared(pd.DataFrame({"plan": ["a", "b"]}), "impute")
    assert "one_hot" in caught.value.advice


def test_times_are_refused() -> None:
    """No step makes numbers of them."""
    with pytest.raises(DataError, match="the column 'day' holds times"):
        _prepared(pd.DataFrame({"day": pd.date_range("2026-01-01", periods=2)}), "standard")


def test_a_number_too_large_for_single_precision_becomes_infinite() -> None:
    """And is counted as such afterwards."""
    _, prepared = _prepared(np.array([[1e300]]), "none")

    assert prepared.tolist() == [[np.inf]]


def test_columns_by_name_keep_text() -> None:
    """As an estimator's own pipeline takes them."""
    table = pd.DataFrame({"plan": ["a", None], "age": [1, 2]})
    columns: Any = fit([], rows_of(table), columns_by_name=True).inputs(table)

    assert list(columns) == ["plan", "age"]
    assert columns["age"].dtype == np.float64
    assert columns["plan"][0] == "a"
    assert pd.isna(columns["plan"][1])


class Doubling:
    def fit(self, features: Any) -> None:
        self.width = features.shape[1]

    def transform(self, features: Any) -> Any:
        return features * 2


class Failing(Doubling):
    def transform(self, features: Any) -> Any:
        raise ValueError("no")


class Losing(Doubling):
    def transform(self, features: Any) -> Any:
        return features[1:]


def test_a_transformer_of_the_team_is_a_step() -> None:
    """`fit` may do without targets."""
    fitted = fit([lambda: UsersStep(Doubling(), "mine:Doubling")], rows_of(np.ones((4, 2))))
    prepared: Any = fitted.inputs(np.ones((1, 2)))

    assert prepared.tolist() == [[2, 2]]


def test_a_transformer_that_fails_is_told_as_the_teams() -> None:
    """Exceptions, lost rows, missing methods."""
    with pytest.raises(UserCodeError, match=r"mine\.transform raised ValueError: no"):
        fit([lambda: UsersStep(Failing(), "mine")], rows_of(np.ones((4, 2))))
    with pytest.raises(RecipeError, match=r"made \[3, 2\] of \[4, 2\]"):
        fit([lambda: UsersStep(Losing(), "mine")], rows_of(np.ones((4, 2))))
    with pytest.raises(RecipeError, match="has no fit"):
        UsersStep(object(), "mine")


def test_an_unknown_step_gets_the_near_miss() -> None:
    """The names stand in `names.py`."""
    with pytest.raises(RecipeError, match="unknown step of prepare 'standardise'") as caught:
        built_steps(Use(use="standardise"))
    assert caught.value.advice == "did you mean 'standardize'?"
