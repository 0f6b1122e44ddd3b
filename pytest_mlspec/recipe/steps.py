"""The steps of `data.prepare`, each an object with fit(X, y) and transform(X), fitted on the training rows alone.

    impute         a missing number becomes the median of its column
    standardize    numbers get mean 0 and standard deviation 1; a constant column becomes 0
    one_hot        a category becomes one column for each value seen in training; an unseen value sets none of them
    ordinal        a category becomes the number of its value in sorted order; −1 for an unseen value, −2 for a missing one
    standard       impute, standardize, one_hot

A missing category is a category of its own. Infinite values take no part in a fit and stay infinite, so that they are
reported where they are and not here.

Shape letters: N rows, F columns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError, did_you_mean
from pytest_mlspec.language.names import PREPARATIONS
from pytest_mlspec.recipe.calls import call_user, takes
from pytest_mlspec.recipe.columns import categories, dense, numbers, plain

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

_KEY = "data.prepare"

MakeStep = Callable[[], Any]
"""Makes a step that was not fitted yet."""


def built_steps(name: str) -> list[MakeStep]:
    """The steps that a registered name stands for."""
    if name not in PREPARATIONS:
        raise RecipeError(f"unknown step of prepare {name!r}", key=_KEY, advice=did_you_mean(name, PREPARATIONS))
    parts = ("impute", "standardize", "one_hot") if name == "standard" else (name,)
    makers: dict[str, MakeStep] = {
        "impute": partial(_NumberStep, _imputer),
        "standardize": partial(_NumberStep, _scaler),
        "one_hot": partial(_CategoryStep, _one_hot, one_column_each=False),
        "ordinal": partial(_CategoryStep, _ordinal, one_column_each=True),
    }
    return [makers[part] for part in parts if part != "none"]


def copied(transformer: Any) -> MakeStep:
    """Makes copies of a transformer that the team made, so that no fit leaves traces in it."""
    return lambda: copy.deepcopy(transformer)


class UsersStep:
    """A transformer of the team, whose exceptions are told as its own; `fit` may do without targets."""

    def __init__(self, transformer: Any, name: str) -> None:
        for method in ("fit", "transform"):
            if not callable(getattr(transformer, method, None)):
                raise RecipeError(f"{name} gives a {type(transformer).__name__}, which has no {method}", key=_KEY)
        self._transformer = transformer
        self._name = name

    def fit(self, features: Any, targets: NumpyArray) -> None:
        """Fits on the training rows."""
        fit = self._transformer.fit
        arguments = (features, targets) if takes(fit, 2) else (features,)
        call_user(fit, *arguments, key=_KEY, name=f"{self._name}.fit")

    def transform(self, features: Any) -> Any:
        """What the transformer makes of `features`: as many rows."""
        import numpy as np

        found = dense(call_user(self._transformer.transform, features, key=_KEY, name=f"{self._name}.transform"))
        if np.ndim(found) < 2 or len(found) != len(features):
            raise RecipeError(
                f"{self._name}.transform made {list(np.shape(found))} of {list(np.shape(features))}",
                key=_KEY,
                advice="return as many rows, with an axis for their columns",
            )
        return found


class _NumberStep:
    """A transformer of scikit-learn on the numbers of a table, or on an array with any number of axes."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._transformer = make()

    def fit(self, features: Any, targets: NumpyArray) -> None:
        """Fits on the finite values; raises DataError where a column has none."""
        import numpy as np

        numbers_NF, names, _ = numbers(features)
        finite_NF = np.isfinite(numbers_NF)
        empty = np.flatnonzero(~finite_NF.any(axis=0))
        if len(empty):
            raise DataError(
                f"the column {names[empty[0]]!r} has no value in the {len(numbers_NF)} training rows",
                key=_KEY,
                advice="drop it from the features",
            )
        if names:
            self._transformer.fit(np.where(finite_NF, numbers_NF, np.nan))

    def transform(self, features: Any) -> Any:
        """The features in the same form, with their numbers transformed."""
        import numpy as np

        numbers_NF, names, put_back = numbers(features)
        if not names:
            return features
        infinite_NF = np.isinf(numbers_NF)
        transformed_NF = self._transformer.transform(np.where(infinite_NF, np.nan, numbers_NF))
        return put_back(np.where(infinite_NF, numbers_NF, transformed_NF))


class _CategoryStep:
    """An encoder of scikit-learn on the categories of a table, whose columns stand after the numbers."""

    def __init__(self, make: Callable[[], Any], *, one_column_each: bool) -> None:
        self._encoder = make()
        self._one_column_each = one_column_each
        self._columns: list[str] = []

    def fit(self, features: Any, targets: NumpyArray) -> None:
        """Fits on every value of the categories."""
        import numpy as np

        if isinstance(features, np.ndarray):
            return
        table = plain(features)
        self._columns = categories(table)
        if self._columns:
            self._encoder.fit(table[self._columns].to_numpy(dtype=object))

    def transform(self, features: Any) -> Any:
        """The table with its categories as numbers; an array as it is."""
        import pandas as pd

        if not self._columns:
            return features
        table = plain(features)
        codes = self._encoder.transform(table[self._columns].to_numpy(dtype=object))
        encoded = pd.DataFrame(codes, columns=self._names(), index=table.index)
        return pd.concat([table.drop(columns=self._columns), encoded], axis="columns")

    def _names(self) -> list[str]:
        if self._one_column_each:
            return self._columns
        values = zip(self._columns, self._encoder.categories_, strict=True)
        return [f"{column}={value}" for column, known in values for value in known]


def _imputer() -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median")


def _scaler() -> Any:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler()


def _one_hot() -> Any:
    from sklearn.preprocessing import OneHotEncoder

    return OneHotEncoder(handle_unknown="ignore", sparse_output=False)


def _ordinal() -> Any:
    from sklearn.preprocessing import OrdinalEncoder

    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
