"""Batches of raw rows, drawn from the schema of the data: what each column can hold, by the rows that are there.

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy

from pytest_mlspec.recipe.protocol import Rows

# Batches of more rows than this show no property that fewer do not, and take longer.
_MOST_ROWS, _MOST_CHANGES, _MOST_PLACES = 8, 3, 64
LEAST, LARGEST = "its least", "its largest"
"""What every number of a row of an array may become."""
# A column of texts in which more than this share differ is free text, which may also be empty.
_FREE = 0.5
_SHOWN = 60
"""Characters of a value that a message shows."""


@dataclass(frozen=True)
class Change:
    """One value of a row replaced: the column, by its position, and what it becomes, by its position among `Schema.values`."""

    column: int
    value: int


@dataclass(frozen=True)
class Row:
    """A row of the data by its position, with changes."""

    position: int
    changes: tuple[Change, ...] = ()


Batch = tuple[Row, ...]


class Schema:
    """What rows may hold: those of `rows`, with values that `train` has in the same column.

    Of a column of numbers the least, the largest, 0 where that lies between, and a missing one where training lacks some; of
    texts the shortest, the longest, the first and the last. Of an array of measured numbers, the least and the largest at some of
    its places; whole numbers may be ids, and stay. With `beyond`, values that the data need not have: an empty text where texts
    are free, a row that is its own least or largest everywhere.
    """

    def __init__(self, rows: Rows, train: Rows, *, beyond: bool = False) -> None:
        self._rows = rows
        features: Any = train.features
        self._places: list[int] = []
        if _is_table(features):
            self._columns = [str(name) for name in features.columns]
            self.values: list[Sequence[Any]] = [_values_of(features[name], beyond=beyond) for name in features.columns]
        else:
            self._places, self.values = _values_of_array(np.asarray(features))
            self._columns = [f"number {place + 1}" for place in self._places]
            if beyond and self._places:
                self._columns, self.values = [*self._columns, "every number"], [*self.values, [LEAST, LARGEST]]
        changes = [Change(column, value) for column, values in enumerate(self.values) for value in range(len(values))]
        # a column is drawn first, then its value: one of many values is no likelier to be changed than one of two
        columns = [[change for change in changes if change.column == column] for column in range(len(self.values))]
        whole = [of_column for of_column in columns if of_column and self.values[of_column[0].column][0] == LEAST]
        some = [of_column for of_column in columns if of_column and of_column not in whole]
        drawn = [strategies.sampled_from(each).flatmap(strategies.sampled_from) for each in (some, whole) if each]
        change: SearchStrategy[Change] = strategies.one_of(drawn) if drawn else strategies.nothing()
        several: SearchStrategy[list[Change]] = strategies.lists(change, max_size=_MOST_CHANGES if changes else 0)
        row = strategies.builds(Row, strategies.integers(0, len(rows) - 1), several.map(tuple))
        self.batches: SearchStrategy[Batch] = strategies.lists(row, min_size=1, max_size=_MOST_ROWS).map(tuple)
        """The strategy of batches: it shrinks to few rows of the data, unchanged."""

    def knows(self, batch: Batch) -> bool:
        """Whether `batch`, drawn by an earlier search, means something here."""
        return bool(batch) and all(
            row.position < len(self._rows)
            and all(
                change.column < len(self.values) and change.value < len(self.values[change.column])
                for change in row.changes
            )
            for row in batch
        )

    def rows(self, batch: Batch) -> Rows:
        """The raw rows of `batch`, each with the number of the row that it was made of."""
        taken = self._rows.take(np.array([row.position for row in batch]))
        before: Any = taken.features
        features = before.copy()
        for place, row in enumerate(batch):
            for change in row.changes:
                value = self.values[change.column][change.value]
                if _is_table(features):
                    name = features.columns[change.column]
                    if value is None or features[name].dtype != before[name].dtype:
                        features[name] = features[name].astype(_with_missing(features[name].dtype))
                    features.iloc[place, change.column] = value
                elif isinstance(value, str):
                    features[place] = features[place].min() if value == LEAST else features[place].max()
                else:
                    features[place].reshape(-1)[self._places[change.column]] = value
        return replace(taken, features=features)

    def shown(self, batch: Batch) -> tuple[str, ...]:
        """The rows of `batch` as text: which row of the data each is, and what is changed in it."""
        return tuple(self._told(row) for row in batch)

    def _told(self, row: Row) -> str:
        changes = [
            f"{self._columns[change.column]} = {_short(self.values[change.column][change.value])}"
            for change in row.changes
        ]
        place = self._rows.place(row.position)
        return f"{place} with {', '.join(changes)}" if changes else place


def _is_table(features: Any) -> bool:
    return isinstance(features, pd.DataFrame)


def _values_of(column: pd.Series[Any], *, beyond: bool) -> list[Any]:
    """Values of a column at its edges, and None where some are missing."""
    missing = [None] if column.isna().any() else []
    present = column.dropna()
    if not len(present):
        return missing
    if pd.api.types.is_bool_dtype(present) or isinstance(column.dtype, pd.CategoricalDtype):
        return [*dict.fromkeys(present), *missing]
    if pd.api.types.is_numeric_dtype(present) or pd.api.types.is_datetime64_any_dtype(present):
        return [*dict.fromkeys([present.min(), present.max(), *_zero(present)]), *missing]
    texts = sorted({value for value in present if isinstance(value, str)})
    if not texts:
        return missing
    edges = [min(texts, key=len), max(texts, key=len), texts[0], texts[-1]]
    empty = [""] if beyond and len(texts) > _FREE * len(present) and len(present) > 1 else []
    return [*dict.fromkeys([*edges, *empty]), *missing]


def _zero(numbers: pd.Series[Any]) -> list[Any]:
    if not pd.api.types.is_numeric_dtype(numbers):
        return []
    return [type(numbers.iloc[0])(0)] if numbers.min() < 0 < numbers.max() else []


def _values_of_array(features: np.ndarray[Any, Any]) -> tuple[list[int], list[Sequence[Any]]]:
    """Some places of a row, counted through all its axes, and the least and the largest number at each; none of ids or texts."""
    if features.dtype.kind != "f" or not len(features):
        return [], []
    flat = features.reshape(len(features), -1)
    places = np.unique(np.linspace(0, flat.shape[1] - 1, min(_MOST_PLACES, flat.shape[1])).astype(np.int64)).tolist()
    edges = {place: [*dict.fromkeys([flat[:, place].min(), flat[:, place].max()])] for place in places}
    telling = [place for place in places if len(edges[place]) > 1 and np.isfinite(edges[place]).all()]
    return telling, [edges[place] for place in telling]


def _with_missing(dtype: Any) -> Any:
    """A type that holds what `dtype` does, and missing values."""
    return np.dtype(np.float64) if isinstance(dtype, np.dtype) and dtype.kind in "iu" else dtype


def _short(value: Any) -> str:
    if value is None:
        return "missing"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(str(value))} characters)"


def from_plain(data: Any) -> Batch:
    """The batch that `to_plain` made."""
    return tuple(
        Row(int(position), tuple(Change(int(column), int(value)) for column, value in changes))
        for position, changes in data
    )


def to_plain(batch: Batch) -> list[Any]:
    """A batch as JSON can hold it."""
    return [[row.position, [[change.column, change.value] for change in row.changes]] for row in batch]
