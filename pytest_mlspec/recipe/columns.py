"""Columns of features: which hold numbers and which categories, what they are called, and all of them as one array.

Numbers and booleans are numbers; text, categories and mixed columns are categories.

Shape letters: N rows, F columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from pytest_mlspec.recipe.protocol import NumpyArray

_KEY = "data.prepare"


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
        texts = categories(features)
        if texts:
            raise DataError(
                f"the column {texts[0]!r} still holds text after prepare",
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


def categories(table: pd.DataFrame) -> list[str]:
    """The columns of a plain table that hold text."""
    return [name for name in table.columns if table[name].dtype == object]


def numbers(features: Any) -> tuple[NumpyArray, list[str], Callable[[NumpyArray], Any]]:
    """The numbers as float64 [N, F], the names of their columns, and how to put such an array back in their place."""
    import numpy as np

    if isinstance(features, np.ndarray):
        names = names_of(features)
        flat = features.reshape(len(features), len(names)).astype(np.float64)
        return flat, names, lambda numbers_NF: numbers_NF.reshape(features.shape)
    table = plain(features)
    texts = set(categories(table))
    names = [name for name in table.columns if name not in texts]

    def put_back(numbers_NF: NumpyArray) -> pd.DataFrame:
        return table.assign(**{name: numbers_NF[:, position] for position, name in enumerate(names)})

    return table[names].to_numpy(dtype=np.float64), names, put_back


def dense(features: Any) -> Any:
    """`features`, a sparse matrix as an array."""
    return features.toarray() if hasattr(features, "toarray") else features
