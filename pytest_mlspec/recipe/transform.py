"""`data.prepare`: features become what enters the model, by steps that are fitted on the training rows alone.

    impute         a missing number becomes the median of its column
    standardize    numbers get mean 0 and standard deviation 1; a constant column becomes 0
    one_hot        a category becomes one column for each value seen in training; an unseen value sets none of them
    ordinal        a category becomes the number of its value in sorted order; −1 for an unseen value, −2 for a missing one
    standard       impute, standardize, one_hot

Numbers and booleans are numbers; text, categories and mixed columns are categories, of which a missing value is one more.
Infinite values take no part in a fit and stay infinite, so that they are reported where they are and not here.

Shape letters: N rows, F columns.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError, did_you_mean
from pytest_mlspec.names import PREPARATIONS
from pytest_mlspec.recipe.calls import call_user, takes

if TYPE_CHECKING:
    import pandas as pd

    from pytest_mlspec.recipe.protocol import NumpyArray

_KEY = "data.prepare"

MakeStep = Callable[[], Any]
"""Makes a step that was not fitted yet: an object with fit(X, y) and transform(X)."""


@dataclass(frozen=True)
class Fitted:
    """The fitted steps, and the names of the columns that come out of them (positions, where they have none)."""

    steps: tuple[Any, ...]
    columns: tuple[str, ...]

    def apply(self, features: Any) -> Any:
        """What the steps make of `features`."""
        for step in self.steps:
            features = dense(step.transform(features))
        return features


def fit(steps: Sequence[MakeStep], features: Any, targets: NumpyArray) -> Fitted:
    """`steps` fitted one after the other, each on what the one before makes of the training `features`."""
    fitted = []
    for make in steps:
        step = make()
        step.fit(features, targets)
        features = dense(step.transform(features))
        fitted.append(step)
    return Fitted(tuple(fitted), tuple(names_of(features)))


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


def dense(features: Any) -> Any:
    """`features`, a sparse matrix as an array."""
    return features.toarray() if hasattr(features, "toarray") else features


def names_of(features: Any) -> list[str]:
    """The names of columns: those of a DataFrame, or positions such as `3` or `0,4,7`."""
    import numpy as np

    if hasattr(features, "columns"):
        return [str(name) for name in features.columns]
    shape = np.shape(features)[1:]
    return [",".join(map(str, np.unravel_index(position, shape))) for position in range(math.prod(shape))]


def as_numbers(features: Any, dtype: str) -> NumpyArray:
    """Prepared features as one array of numbers [N, …]; raises DataError that names the first column of text."""
    import numpy as np
    import pandas as pd

    if isinstance(features, pd.DataFrame):
        features = plain(features)
        categories = _categories(features)
        if categories:
            raise DataError(
                f"the column {categories[0]!r} still holds text after prepare",
                key=_KEY,
                advice="add one_hot or ordinal, or drop it from the features",
            )
        features = features.to_numpy(dtype=np.float64)
    array = np.asarray(features)
    if array.dtype.kind not in "fiub":
        raise DataError(f"prepare gives an array of {array.dtype}, not of numbers", key=_KEY)
    with np.errstate(over="ignore"):  # what is too large for single precision becomes infinite, and is counted as such
        return array.astype(dtype)


def as_columns(table: pd.DataFrame) -> dict[str, NumpyArray]:
    """The columns of a table by name: numbers as float64, categories as text, with NaN where a value is missing."""
    table = plain(table)
    return {str(name): table[name].to_numpy() for name in table.columns}


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every number as float64 and every category as text, missing values as NaN."""
    import pandas as pd

    return pd.DataFrame({name: _plain_column(table[name]) for name in table.columns}, index=table.index)


def _plain_column(column: pd.Series) -> pd.Series:
    import numpy as np
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise DataError(
            f"the column {column.name!r} holds times",
            key=_KEY,
            advice="make numbers of them in your own code, or drop it",
        )
    if types.is_numeric_dtype(column) or _holds_booleans(column):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)
    texts = [np.nan if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    return pd.Series(texts, index=column.index, dtype=object)


def _holds_booleans(column: pd.Series) -> bool:
    """True for the column of objects that a file with some booleans missing gives."""
    return column.dtype == object and {type(value) for value in column.dropna()} == {bool}


def _categories(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if table[name].dtype == object]


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

        numbers_NF, names, _ = _numbers(features)
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

        numbers_NF, names, put_back = _numbers(features)
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
        self._columns = _categories(table)
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


def _numbers(features: Any) -> tuple[NumpyArray, list[str], Callable[[NumpyArray], Any]]:
    """The numbers as float64 [N, F], the names of their columns, and how to put such an array back in their place."""
    import numpy as np

    if isinstance(features, np.ndarray):
        names = names_of(features)
        flat = features.reshape(len(features), len(names)).astype(np.float64)
        return flat, names, lambda numbers: numbers.reshape(features.shape)
    table = plain(features)
    categories = set(_categories(table))
    names = [name for name in table.columns if name not in categories]

    def put_back(numbers_NF: NumpyArray) -> pd.DataFrame:
        return table.assign(**{name: numbers_NF[:, position] for position, name in enumerate(names)})

    return table[names].to_numpy(dtype=np.float64), names, put_back


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
