"""How numbers and columns are distributed, in as few numbers as tell a change from a redraw.

Shape letters: N rows of all splits, F numbers of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pytest_mlspec.evidence import ColumnDescription, Values
from pytest_mlspec.recipe.columns import names_of
from pytest_mlspec.recipe.targets import label_text

if TYPE_CHECKING:
    import pandas as pd

    from pytest_mlspec.recipe.protocol import NumpyArray

# A cut in percent, where one value of many rows does not stand for itself: no minimum, no maximum.
_CUTS = (1, *range(5, 100, 5), 99)
_GRID = 101
# Numbers that round to the same six digits lie on one side of a cut.
_ROUNDING = 2e-6
# Values beyond these are a sample: a column of a million rows is told by 200,000 of them.
_MOST_VALUES = 200_000
# A text with fewer rows is nobody's category, and may be somebody's name.
_FEWEST_ROWS = 5
# With more texts than these, or a new one in every second row, a column holds no categories.
_MOST_CATEGORIES = 50
_COLUMNS_ONE_BY_ONE = 100
_MOST_CHANNELS = 16


def values_of(numbers: NumpyArray) -> Values:
    """The distribution of the finite ones among `numbers`, of any shape."""
    import numpy as np

    flat = np.asarray(numbers, dtype=np.float64).ravel()
    ordered = np.sort(flat[np.isfinite(flat)])
    count = len(ordered)
    if not count:
        return Values(0)
    grid = ordered[np.round(np.linspace(0, count - 1, _GRID)).astype(np.int64)]
    cuts = sorted({float(f"{grid[percent]:.6g}") for percent in _CUTS})
    reached = [cut + _ROUNDING * abs(cut) for cut in cuts]
    shares = np.searchsorted(ordered, reached, side="right") / count
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf))
    lengths = np.diff(starts, append=count)
    longest = int(lengths.argmax())
    return Values(
        count,
        tuple(cuts),
        tuple(shares.tolist()),
        float(ordered[starts[longest]]),
        float(lengths[longest] / count),
        tuple(grid.tolist()),
    )


def columns_of(features: Sequence[Any]) -> Iterator[tuple[str, ColumnDescription]]:
    """Every column of the features of all splits by name; an array of many numbers a row by channel, or as a whole."""
    import numpy as np
    import pandas as pd

    if isinstance(features[0], pd.DataFrame):
        whole = pd.concat(features, ignore_index=True)
        for name in whole:
            yield str(name), _column(whole[name])
        return
    values = np.concatenate([np.asarray(part) for part in features])
    names = names_of(values)
    if len(names) <= _COLUMNS_ONE_BY_ONE:
        flat_NF = values.reshape(len(values), len(names))
        for position, name in enumerate(names):
            yield name, _of_numbers(flat_NF[:, position], len(values))
    elif values.ndim == 4 and values.shape[1] <= _MOST_CHANNELS:
        for channel in range(values.shape[1]):
            yield f"channel {channel}", _pooled(values[:, channel])
    elif values.ndim == 4 and values.shape[3] <= _MOST_CHANNELS:
        for channel in range(values.shape[3]):
            yield f"channel {channel}", _pooled(values[..., channel])
    else:
        yield "all numbers", _pooled(values)


def _pooled(values: NumpyArray) -> ColumnDescription:
    taken = sampled(values)
    found = _of_numbers(taken, len(values))
    return replace(found, values=replace(found.values, count=min(found.values.count, len(taken))))


def sampled(values: NumpyArray) -> NumpyArray:
    """As many evenly spaced rows of `values` [N, …] as hold the values of a sample."""
    import numpy as np

    of_row = max(1, int(np.prod(values.shape[1:])))
    rows = max(1, min(len(values), _MOST_VALUES // of_row))
    return values[np.round(np.linspace(0, len(values) - 1, rows)).astype(np.int64)] if len(values) else values


def kind_of(column: pd.Series) -> Literal["number", "text", "time"]:
    """What a column holds, whichever of the types of pandas it has."""
    from pandas.api import types

    if types.is_datetime64_any_dtype(column):
        return "time"
    if types.is_bool_dtype(column) or types.is_numeric_dtype(column) or types.is_timedelta64_dtype(column):
        return "number"
    held = types.infer_dtype(column, skipna=True)
    return "number" if held in ("integer", "floating", "mixed-integer-float", "boolean", "decimal") else "text"


def as_numbers(column: pd.Series) -> NumpyArray:
    """A column of numbers or times [N, float64], NaN where one is missing; times in seconds."""
    import numpy as np
    import pandas as pd
    from pandas.api import types

    if types.is_timedelta64_dtype(column):
        return np.asarray(column.dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan))
    if types.is_datetime64_any_dtype(column):
        seconds = pd.to_datetime(column, utc=True).astype("int64").to_numpy() / 1e9
        return np.where(column.isna(), np.nan, seconds)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def as_codes(column: pd.Series) -> tuple[NumpyArray, list[str]]:
    """A column of anything else as codes [N, int64] of its texts, −1 where one is missing, and the texts."""
    import numpy as np
    import pandas as pd

    # an object of any kind counts by its text, so that lists can be compared
    codes, texts = pd.factorize(column.astype(object).map(label_text, na_action="ignore"))
    return codes.astype(np.int64), [str(text) for text in texts]


def _column(column: pd.Series) -> ColumnDescription:
    import numpy as np

    kind = kind_of(column)
    if kind != "text":
        return _of_numbers(as_numbers(column), len(column), kind=kind)
    codes, texts = as_codes(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    lengths = np.array([len(text) for text in texts], dtype=np.float64)
    present = codes[codes >= 0]
    is_few = len(texts) <= min(_MOST_CATEGORIES, len(present) / 2)
    named = {texts[code]: int(counts[code]) for code in np.flatnonzero(counts >= _FEWEST_ROWS)} if is_few else {}
    return ColumnDescription(
        kind="text",
        count=len(column),
        missing=1 - len(present) / max(1, len(column)),
        values=values_of(lengths[sampled(present)]),
        categories=dict(sorted(named.items())),
        other=int(counts.sum()) - sum(named.values()),
        identifies=0 < len(texts) == len(present),
    )


def _of_numbers(numbers: NumpyArray, rows: int, *, kind: Literal["number", "time"] = "number") -> ColumnDescription:
    import numpy as np

    numbers = np.asarray(numbers, dtype=np.float64)
    present = numbers[~np.isnan(numbers)]
    is_whole = numbers.ndim == 1 and len(present) > 1 and bool((present == np.rint(present)).all())
    return ColumnDescription(
        kind=kind,
        count=rows,
        missing=1 - present.size / max(1, numbers.size),
        values=values_of(sampled(present)),
        identifies=is_whole and len(np.unique(present)) == len(present),
    )
