"""The columns of all splits side by side: numbers as they are, anything else as codes of its texts.

Shape letters: N rows of all splits, one split after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlspec.recipe.columns import names_of

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray


@dataclass(frozen=True)
class Column:
    """One column of all splits.

    `values_N` holds numbers (float64, NaN where one is missing or infinite), or codes of `texts` (int64, −1 for a missing
    one) where `texts` is not None.
    """

    name: str
    values_N: NumpyArray
    texts: tuple[str, ...] | None = None

    @property
    def is_number(self) -> bool:
        """True where the values are numbers, False where they are codes."""
        return self.texts is None


@dataclass(frozen=True)
class Table:
    """Columns, and the number of rows of each split in them."""

    columns: tuple[Column, ...]
    sizes: Mapping[str, int]

    def __len__(self) -> int:
        return sum(self.sizes.values())

    def of_split(self, split: str) -> slice:
        """The rows of `split`."""
        names = list(self.sizes)
        start = sum(self.sizes[name] for name in names[: names.index(split)])
        return slice(start, start + self.sizes[split])


def table_of(features: Mapping[str, Any]) -> Table:
    """The columns of features by split: DataFrames, arrays [rows, …], or arrays by name."""
    return Table(tuple(_columns(list(features.values()))), {name: _rows(part) for name, part in features.items()})


def _rows(features: Any) -> int:
    return len(next(iter(features.values()))) if isinstance(features, dict) else len(features)


def _columns(parts: Sequence[Any]) -> Iterator[Column]:
    import numpy as np
    import pandas as pd

    first = parts[0]
    if isinstance(first, pd.DataFrame):
        whole = pd.concat(parts, ignore_index=True)
        for name in whole:
            yield _column(str(name), whole[name])
    elif isinstance(first, dict):
        for name in first:
            found = list(_columns([part[name] for part in parts]))
            yield from (
                Column(f"{name}[{column.name}]" if len(found) > 1 else name, column.values_N, column.texts)
                for column in found
            )
    else:
        values_NF = np.concatenate(parts)
        names = names_of(values_NF)
        flat_NF = values_NF.reshape(len(values_NF), len(names))
        for position, name in enumerate(names):
            yield _column(name, pd.Series(flat_NF[:, position]))


def _column(name: str, values: Any) -> Column:
    import numpy as np
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(values) or types.is_timedelta64_dtype(values):
        nanoseconds = values.astype("int64").to_numpy().astype(np.float64)
        return Column(name, np.where(values.isna(), np.nan, nanoseconds))
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return Column(name, np.where(np.isfinite(numbers), numbers, np.nan))
    # an object of any kind counts by its text, so that lists can be compared
    codes, texts = pd.factorize(values.astype(object).map(str, na_action="ignore"))
    return Column(name, codes.astype(np.int64), tuple(map(str, texts)))
