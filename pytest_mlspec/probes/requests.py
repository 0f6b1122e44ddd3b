"""Raw rows as requests bring them to a serving path: some of them, in another order, as JSON, without a value.

Features are a DataFrame, or an array [N, …]. What comes out has row numbers from 0 and shares nothing with what went in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# A number of JSON is a double: above this, whole ones are no longer exact.
_LARGEST_WHOLE = 2**53


def some(features: Any, positions: NDArray[Any]) -> Any:
    """The rows at `positions`, in that order."""
    if isinstance(features, pd.DataFrame):
        return features.iloc[positions].reset_index(drop=True)
    return features[positions]


def spread(rows: int, count: int) -> NDArray[np.int64]:
    """At most `count` positions spread over `rows` rows."""
    return np.unique(np.linspace(0, rows - 1, min(rows, count)).astype(np.int64))


def turned(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its columns from last to first."""
    return table[list(table.columns)[::-1]].copy()


def records(features: Any) -> list[Any]:
    """The rows as JSON has them: mappings of a table, lists of an array.

    Whole numbers are written without a point, a missing value is null; times stay what they are.
    """
    if isinstance(features, pd.DataFrame):
        columns = [str(name) for name in features.columns]
        table = features.astype(object)
        return [dict(zip(columns, map(plain, row), strict=True)) for row in table.itertuples(index=False, name=None)]
    found: list[Any] = np.asarray(features).tolist()
    return found


def from_records(found: list[Any], like: Any) -> Any:
    """The features of `records`, as a service makes them; `like` are features of the same source."""
    if not isinstance(like, pd.DataFrame):
        return np.asarray(found)
    table = pd.DataFrame.from_records(found)
    times = [name for name in table if name in like and pd.api.types.is_datetime64_any_dtype(like[name])]
    return table.assign(**{str(name): pd.to_datetime(table[name]) for name in times})


def lacking(table: pd.DataFrame, training: pd.DataFrame, *, most: int) -> pd.DataFrame:
    """Rows of `table` with one value less, such as the training rows lack it too.

    One row for each of at most `most` columns; none where nothing is missing in training.
    """
    columns = [str(name) for name in training.columns if training[name].isna().any() and not table[name].isna().all()]
    rows = []
    for name in columns[:most]:
        # In the type that the column has in training: that of the test rows may hold nothing missing.
        column = table[name].astype(training[name].dtype)
        row = table.assign(**{name: column})[~column.isna()].iloc[:1].copy()
        row[name] = training[name][training[name].isna()].iloc[:1].to_numpy()
        rows.append(row.astype({name: training[name].dtype}))
    return pd.concat(rows, ignore_index=True) if rows else table.iloc[:0]


def plain(value: Any) -> Any:
    """A value of a cell as JSON has it."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    is_whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    return int(value) if is_whole and abs(value) < _LARGEST_WHOLE else value
