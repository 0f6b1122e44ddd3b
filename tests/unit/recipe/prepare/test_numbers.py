"""Steps for numbers do what scikit-learn does, on the columns that they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, RobustScaler

from pytest_mlspec.errors import DataError, MlspecError
from recipe.steps import fitted_on

NUMBERS = np.random.default_rng(0).normal(3, 5, size=(50, 3))
TABLE = pd.DataFrame({"age": [1.0, np.nan, 3.0], "fee": [10.0, 20.0, 60.0]})


@pytest.mark.parametrize(
    ("step", "reference"),
    [
        ({"use": "min_max", "feature_range": [-1, 1]}, MinMaxScaler(feature_range=(-1, 1))),
        ({"use": "robust_scale", "quantile_range": [5, 95]}, RobustScaler(quantile_range=(5, 95))),
        (
            {"use": "quantile", "n_quantiles": 10, "output_distribution": "normal"},
            QuantileTransformer(n_quantiles=10, output_distribution="normal", random_state=0),
        ),
        ({"use": "PCA", "n_components": 0.9}, PCA(n_components=0.9, random_state=0)),
    ],
)
def test_a_step_is_the_transformer_of_scikit_learn(step: Any, reference: Any) -> None:
    """With its arguments under their own names."""
    prepared: Any = fitted_on(NUMBERS, step).inputs(NUMBERS)

    assert_allclose(prepared, reference.fit_transform(NUMBERS), rtol=1e-5, atol=1e-6)


def test_quantiles_are_no_more_than_rows() -> None:
    """Without a warning."""
    prepared: Any = fitted_on(NUMBERS[:5], "quantile").inputs(NUMBERS[:5])

    assert sorted(prepared[:, 0].tolist()) == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [2.0]),
        ({"strategy": "mean"}, [2.0]),
        ({"strategy": "most_frequent"}, [1.0]),
        ({"strategy": "constant", "fill_value": -1}, [-1.0]),
        ({"add_indicator": True}, [2.0, 1.0]),
    ],
)
def test_what_is_missing_becomes_what_the_strategy_says(arguments: dict[str, Any], expected: list[float]) -> None:
    """The median where it says nothing; the indicator is a column of its own."""
    fitted = fitted_on(TABLE[["age"]], {"use": "impute", **arguments})
    prepared: Any = fitted.inputs(TABLE[["age"]])

    assert prepared[1].tolist() == expected
    assert fitted.columns == ("age", "missing(age)")[: len(expected)]


def test_an_infinite_value_is_not_missing() -> None:
    """The indicator stays 0."""
    table = pd.DataFrame({"age": [1.0, np.nan, np.inf]})
    prepared: Any = fitted_on(table, {"use": "impute", "add_indicator": True}).inputs(table)

    assert prepared.tolist() == [[1, 0], [1, 1], [np.inf, 0]]


def test_the_columns_that_are_named_alone_change() -> None:
    """In their places."""
    fitted = fitted_on(TABLE, {"use": "standardize", "columns": ["fee"]})
    prepared: Any = fitted.inputs(TABLE)

    assert fitted.columns == ("age", "fee")
    assert_allclose(prepared[:, 0], [1, np.nan, 3])
    assert_allclose(prepared[:, 1].mean(), 0, atol=1e-6)


def test_a_transformer_makes_columns_of_its_own() -> None:
    """Behind those that it did not take, under scikit-learn's names."""
    fitted = fitted_on(TABLE, "impute", {"use": "PolynomialFeatures", "columns": ["fee"], "include_bias": False})

    assert fitted.columns == ("age", "fee", "fee^2")
    assert fitted_on(TABLE, "impute", "PCA").columns == ("pca0", "pca1")


def test_logarithms_need_more_than_minus_one() -> None:
    """The row and the column are named; a missing value stays missing."""
    prepared: Any = fitted_on(TABLE, "log1p").inputs(TABLE)

    assert_allclose(prepared[:, 0], [np.log(2), np.nan, np.log(4)], rtol=1e-6)
    with pytest.raises(DataError, match="row 1 has -1 in the column 'fee': log1p needs more than -1"):
        fitted_on(TABLE.assign(fee=[1.0, -1.0, 0.0]), "log1p").inputs(TABLE.assign(fee=[1.0, -1.0, 0.0]))


@pytest.mark.parametrize(
    ("step", "message", "advice"),
    [
        ("PCA", "row 1 has nan in the column 'age', and PCA takes none", "write impute before it"),
        ({"use": "PCA", "n_component": 2}, "PCA takes no argument 'n_component'", "did you mean 'n_components'?"),
        ({"use": "PCA", "n_components": 9, "columns": ["fee"]}, "PCA: n_components=9 must be between", ""),
        ({"use": "SelectKBest", "k": 1}, "SelectKBest needs a score_func", "one of: chi2, f_classif, f_regression"),
        ({"use": "min_max", "feature_range": [1, 0]}, "min_max: Minimum of desired feature range must be smaller", ""),
    ],
)
def test_what_scikit_learn_refuses_is_told_as_a_mistake(step: Any, message: str, advice: str) -> None:
    """Without our traceback, with the key."""
    with pytest.raises(MlspecError, match=message) as caught:
        fitted_on(TABLE, step)
    assert advice in caught.value.advice
    assert caught.value.key.startswith("data.prepare")


def test_a_later_row_that_scikit_learn_cannot_take_is_named() -> None:
    """As in training."""
    fitted = fitted_on(NUMBERS, "PCA")

    with pytest.raises(DataError, match="row 0 has inf in the column '2', and PCA takes none"):
        fitted.inputs(np.array([[1.0, 2.0, np.inf]]))


def test_a_transformer_without_numbers_is_an_error() -> None:
    """It would do nothing."""
    with pytest.raises(DataError, match="PCA finds no numbers"):
        fitted_on(pd.DataFrame({"plan": ["a", "b"]}), "PCA", "one_hot")
