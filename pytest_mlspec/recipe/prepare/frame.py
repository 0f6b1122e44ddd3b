"""Features between two steps of `prepare`, and how raw features become that: by what the training rows hold.

Numbers and booleans are numbers, dates and times are times, everything else is text. A column keeps the kind that it has in
the training rows, so that a row alone is read as it is among others.

Shape letters: N rows, F numbers of a row, L ids of a text.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from pytest_mlspec.errors import DataError, did_you_mean
from pytest_mlspec.recipe.columns import positions
from pytest_mlspec.recipe.targets import label_text

if TYPE_CHECKING:
    import pandas as pd

    from pytest_mlspec.recipe.protocol import NumpyArray

KEY = "data.prepare"

Kind = Literal["number", "text", "time"]
Place = Callable[[int], str]
"""What a message calls the row at a position, such as `row 12` or `data/churn.csv:17`."""


@dataclass(frozen=True)
class Frame:
    """Features of N rows: numbers together, other columns by name.

    `numbers` [N, F] are called `names`; where the features are one array, `shape` is that of a row of it. `texts` [N] are
    objects, NaN where one is missing; `times` [N] are datetime64 in UTC. `ids` are int64, [N] for a category and [N, L] for a
    text, with as many ids as `vocabularies` say. `place` is what a message calls the row at a position; `notes` tell what steps
    did to some rows.
    """

    rows: int
    place: Place
    numbers: NumpyArray
    names: tuple[str, ...]
    texts: Mapping[str, NumpyArray] = field(default_factory=dict)
    times: Mapping[str, NumpyArray] = field(default_factory=dict)
    ids: Mapping[str, NumpyArray] = field(default_factory=dict)
    vocabularies: Mapping[str, int] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.rows

    def first(self) -> Frame:
        """The first row alone."""
        return replace(
            self,
            rows=1,
            numbers=self.numbers[:1],
            texts={name: values[:1] for name, values in self.texts.items()},
            times={name: values[:1] for name, values in self.times.items()},
            ids={name: values[:1] for name, values in self.ids.items()},
        )

    def where(self, columns: Sequence[str]) -> list[int]:
        """The positions of `columns` among the numbers; raises DataError for one that is none."""
        known = {name: position for position, name in enumerate(self.names)}
        return [known[name] if name in known else self._refuse(name, "numbers") for name in columns]

    def text_of(self, column: str) -> NumpyArray:
        """The values [N] of `column` as text, NaN where one is missing; numbers are written as a spec writes them."""
        import numpy as np

        if column in self.texts:
            return self.texts[column]
        if column not in self.names:
            self._refuse(column, "categories")
        values = self.numbers[:, self.names.index(column)]
        return np.array([np.nan if math.isnan(value) else label_text(float(value)) for value in values], dtype=object)

    def without(self, columns: Sequence[str]) -> Frame:
        """The frame with neither numbers, texts nor times of these names."""
        kept = [position for position, name in enumerate(self.names) if name not in columns]
        is_whole = len(kept) == len(self.names)
        return replace(
            self,
            numbers=self.numbers if is_whole else self.numbers[:, kept],
            names=self.names if is_whole else tuple(self.names[position] for position in kept),
            shape=self.shape if is_whole else None,
            texts={name: values for name, values in self.texts.items() if name not in columns},
            times={name: values for name, values in self.times.items() if name not in columns},
        )

    def with_numbers(self, names: Sequence[str], values_NF: NumpyArray) -> Frame:
        """The frame with further numbers behind its own."""
        import numpy as np

        joined = np.concatenate([self.numbers, values_NF], axis=1) if self.names else values_NF
        return replace(self, numbers=joined, names=(*self.names, *names), shape=None)

    def _refuse(self, column: str, wanted: str) -> Any:
        """Raises what is wrong with `column`, where a step wants another kind."""
        held = {
            "text": (self.texts, "one_hot, ordinal, ids, tokenize or tfidf take it"),
            "times": (self.times, "write {use: dates} before"),
            "ids": (self.ids, "a step before has made them of it"),
        }
        for kind, (columns, advice) in held.items():
            if column in columns:
                raise DataError(
                    f"the column {column!r} holds {kind}, and {wanted} are needed", key=f"{KEY}.columns", advice=advice
                )
        known = [*self.names, *self.texts, *self.times]
        raise DataError(f"there is no column {column!r}", key=f"{KEY}.columns", advice=did_you_mean(column, known))


@dataclass(frozen=True)
class Reading:
    """How raw features are read: the `kinds` of the columns of a table in their order, or the `shape` of a row of an array."""

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None

    @classmethod
    def of(cls, features: Any) -> Reading:
        """The reading of what the training rows hold."""
        import pandas as pd

        if isinstance(features, pd.DataFrame):
            return cls({str(name): _kind(column) for name, column in features.items()})
        return cls(shape=tuple(features.shape[1:]))

    def frame(self, features: Any, place: Place) -> Frame:
        """`features`, a table or an array of N rows, as a frame; raises DataError where they are not as in training."""
        import numpy as np
        import pandas as pd

        is_table = isinstance(features, pd.DataFrame)
        if is_table == (self.shape is not None):
            found, trained = ("a table", "an array") if is_table else ("an array", "a table")
            raise DataError(f"the features are {found}, and {trained} in the training rows", key=KEY)
        if self.shape is not None:
            if features.shape[1:] != self.shape:
                raise DataError(
                    f"a row has the shape {list(features.shape[1:])}, and {list(self.shape)} in training", key=KEY
                )
            names = positions(self.shape)
            return Frame(len(features), place, features.reshape(len(features), len(names)), names, shape=self.shape)
        columns = {str(name): column for name, column in features.items()}
        unknown = columns.keys() - self.kinds.keys()
        for name in self.kinds:
            if name not in columns:
                raise DataError(
                    f"{place(0)} has no column {name!r}, and the training rows have one",
                    key=KEY,
                    advice=did_you_mean(name, unknown) if unknown else "",
                )
        by_kind: dict[Kind, dict[str, NumpyArray]] = {"number": {}, "text": {}, "time": {}}
        for name, kind in self.kinds.items():
            by_kind[kind][name] = _READERS[kind](columns[name], place)
        read = by_kind["number"]
        numbers_NF = np.stack(list(read.values()), axis=1) if read else np.empty((len(features), 0))
        return Frame(len(features), place, numbers_NF, tuple(read), by_kind["text"], by_kind["time"])


def _kind(column: pd.Series) -> Kind:
    from pandas.api import types

    if types.is_timedelta64_dtype(column):
        raise DataError(
            f"the column {column.name!r} holds durations", key=KEY, advice="make seconds of them in your own code"
        )
    if types.is_datetime64_any_dtype(column):
        return "time"
    return "number" if types.is_numeric_dtype(column) or _holds_booleans(column) else "text"


def _holds_booleans(column: pd.Series) -> bool:
    """True for the column of objects that a file with some booleans missing gives."""
    return column.dtype == object and {type(value) for value in column.dropna()} == {bool}


def _as_numbers(column: pd.Series, place: Place) -> NumpyArray:
    import numpy as np
    from pandas.api import types

    if not types.is_numeric_dtype(column):
        for row, (value, missing) in enumerate(zip(column, column.isna(), strict=True)):
            if not missing and not isinstance(value, numbers.Real):
                raise _unlike_training(column, place(row), value, "numbers")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _as_texts(column: pd.Series, place: Place) -> NumpyArray:
    import numpy as np
    import pandas as pd

    if isinstance(column.dtype, pd.StringDtype):
        return column.to_numpy(dtype=object, na_value=np.nan)
    texts = np.empty(len(column), dtype=object)
    texts[:] = [np.nan if missing else label_text(value) for value, missing in zip(column, column.isna(), strict=True)]
    return texts


def _as_times(column: pd.Series, place: Place) -> NumpyArray:
    import datetime

    import pandas as pd
    from pandas.api import types

    if not types.is_datetime64_any_dtype(column):
        for row, (value, missing) in enumerate(zip(column, column.isna(), strict=True)):
            if not missing and not isinstance(value, datetime.datetime):
                raise _unlike_training(column, place(row), value, "times")
    return pd.to_datetime(column, utc=True).to_numpy(dtype="datetime64[us]")


def _unlike_training(column: pd.Series, row: str, value: Any, kind: str) -> DataError:
    return DataError(
        f"{row} has {value!r:.60} in the column {column.name!r}, which holds {kind} in the training rows", key=KEY
    )


_READERS: Mapping[Kind, Any] = {"number": _as_numbers, "text": _as_texts, "time": _as_times}
