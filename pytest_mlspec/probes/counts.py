"""What stands in the raw rows of a split and what reaches the model, counted by column; the first rows of each are named.

Shape letters: N rows, F columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.evidence import Filled, Mixed, SplitProfile
from pytest_mlspec.probes.table import Column, Table
from pytest_mlspec.recipe.columns import names_of
from pytest_mlspec.recipe.protocol import Examples, Rows

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# Rows that are named for each column, and columns whose rows are named.
_EXAMPLES = 3
_COLUMNS = 20
# A column of text is one of numbers, spoilt by a few texts, where so many of its values read as numbers.
_NUMBERS = 0.9
# A 0 stands for a missing value, it seems, where all others are as far from it as this share of their median. Fewer distinct
# ones are codes and small counts.
_FAR = 0.25
_MANY_VALUES = 20
# Below so many rows, values that all differ, or are all equal, say nothing of the column.
_FEW_ROWS = 20
# What identifies a row is no longer than this, and one word.
_LONGEST_IDENTIFIER = 64


def split_profile(
    rows: Rows,
    examples: Examples,
    *,
    columns: tuple[str, ...],
    classes: tuple[str, ...],
    numbers: NumpyArray,
    supervised: bool,
) -> SplitProfile:
    """The profile of one split; `columns` names the prepared columns, `numbers` are those of equal rows."""
    import numpy as np

    counts = np.bincount(examples.targets, minlength=len(classes)) if classes else ()
    nulls, infinite = _where_missing(rows.features), _where_infinite(rows.features)
    is_value = supervised and not classes
    bad_targets = np.flatnonzero(~np.isfinite(examples.targets)) if is_value else np.zeros(0, dtype=np.int64)
    reached = dict(_where_not_finite(examples.inputs, columns))
    named = {**nulls, **reached, **infinite, **({rows.target_name: bad_targets} if len(bad_targets) else {})}
    return SplitProfile(
        rows=len(rows),
        duplicates=len(rows) - len(np.unique(numbers)),
        nulls={name: len(found) for name, found in nulls.items()},
        infinite={name: len(found) for name, found in infinite.items()},
        target_nonfinite=len(bad_targets),
        classes={label: int(count) for label, count in zip(classes, counts, strict=True) if count},
        prepared_nonfinite={name: len(found) for name, found in reached.items()},
        examples={name: row_names(rows, found[:_EXAMPLES]) for name, found in list(named.items())[:_COLUMNS]},
    )


def row_names(rows: Rows, positions: Any) -> tuple[str, ...]:
    """What messages call the rows at these positions."""
    return tuple(rows.place(int(position)) for position in positions)


def mixed_columns(table: Table, rows: Mapping[str, Rows]) -> dict[str, Mixed]:
    """The columns of text that hold numbers but for a few values; `table` is that of `rows`."""
    import numpy as np
    import pandas as pd

    found: dict[str, Mixed] = {}
    for column in table.columns:
        if not column.texts:
            continue
        is_text = pd.to_numeric(pd.Series(column.texts), errors="coerce").isna().to_numpy()
        # the last code stands for −1, a missing value
        text_N = np.append(is_text, False)[column.values_N]
        texts, values = int(text_N.sum()), int((column.values_N >= 0).sum())
        if 0 < texts <= (1 - _NUMBERS) * values:
            at = np.flatnonzero(text_N)[:_EXAMPLES].tolist()
            examples = tuple((_place(rows, place), column.texts[column.values_N[place]]) for place in at)
            found[column.name] = Mixed(texts, values, examples)
    return found


def constant_columns(table: Table) -> tuple[str, ...]:
    """The columns that have one value, or none, in all training rows."""
    import numpy as np

    if table.sizes["train"] < _FEW_ROWS:
        return ()
    train = table.of_split("train")
    return tuple(column.name for column in table.columns if len(np.unique(column.values_N[train], equal_nan=True)) == 1)


def identifying_columns(table: Table) -> tuple[str, ...]:
    """The columns of whole numbers, single words or times that have another value in every row."""
    return tuple(column.name for column in table.columns if len(table) >= _FEW_ROWS and _identifies(column))


def filled_columns(table: Table) -> dict[str, Filled]:
    """The columns of numbers in which some are 0 and all others lie far from it, on one side."""
    import numpy as np

    found: dict[str, Filled] = {}
    for column in table.columns:
        values_N = column.values_N[~np.isnan(column.values_N)] if column.is_number else ()
        others = np.abs(values_N)[np.asarray(values_N) != 0] if len(values_N) else np.zeros(0)
        zeros = len(values_N) - len(others)
        one_side = len(others) > 0 and (np.min(values_N) >= 0 or np.max(values_N) <= 0)
        if not (zeros and one_side) or zeros > len(others) or len(np.unique(others)) < _MANY_VALUES:
            continue
        if others.min() >= _FAR * np.median(others):
            apart = values_N[np.asarray(values_N) != 0]
            found[column.name] = Filled(zeros, float(apart.min()), float(apart.max()))
    return found


def _place(rows: Mapping[str, Rows], position: int) -> str:
    """What messages call the row at `position` of all splits, one after the other."""
    for part in rows.values():
        if position < len(part):
            return part.place(position)
        position -= len(part)
    raise IndexError(position)


def _identifies(column: Column) -> bool:
    import numpy as np

    values_N = column.values_N
    if column.texts is not None:
        words = len(column.texts) == len(values_N)
        return words and not any(len(text) > _LONGEST_IDENTIFIER or _is_prose(text) for text in column.texts)
    is_whole = not np.isnan(values_N).any() and bool((values_N == np.round(values_N)).all())
    return is_whole and len(np.unique(values_N)) == len(values_N)


def _is_prose(text: str) -> bool:
    """True for several words; `2026-01-31 09:00` is none."""
    return len(text.split()) > 1 and any(map(str.isalpha, text))


def _where_missing(features: Any) -> dict[str, NumpyArray]:
    """The positions of missing values by raw column, columns without any left out."""
    import numpy as np
    import pandas as pd

    if isinstance(features, pd.DataFrame):
        return _positions({str(name): features[name].isna().to_numpy() for name in features})
    return dict(_of_array(np.isnan(features), names_of(features)))


def _where_infinite(features: Any) -> dict[str, NumpyArray]:
    import numpy as np
    import pandas as pd

    if not isinstance(features, pd.DataFrame):
        return dict(_of_array(np.isinf(features), names_of(features)))
    floats = [name for name in features if pd.api.types.is_float_dtype(features[name])]
    return _positions({str(name): np.isinf(features[name].to_numpy(np.float64, na_value=0.0)) for name in floats})


def _where_not_finite(inputs: Any, columns: tuple[str, ...]) -> Iterator[tuple[str, NumpyArray]]:
    """The positions of values that are not finite by prepared column, columns without any left out."""
    import numpy as np
    import pandas as pd

    by_name: Mapping[str, Any] = inputs if isinstance(inputs, Mapping) else {"": inputs}
    for name, values in by_name.items():
        width = math.prod(values.shape[1:])
        bad = pd.isna(values) if values.dtype == object else ~np.isfinite(values)
        if name:
            places = [name] if values.ndim == 1 else [f"{name}[{position}]" for position in names_of(values)]
        else:
            places = list(columns) if len(columns) == width else names_of(values)
        yield from _of_array(bad, places)


def _of_array(flags: NumpyArray, names: list[str]) -> Iterator[tuple[str, NumpyArray]]:
    import numpy as np

    flags_NF = flags.reshape(len(flags), -1)
    for position in np.flatnonzero(flags_NF.any(axis=0)):
        yield names[position], np.flatnonzero(flags_NF[:, position])


def _positions(flags: Mapping[str, NumpyArray]) -> dict[str, NumpyArray]:
    import numpy as np

    return {name: np.flatnonzero(flag_N) for name, flag_N in flags.items() if flag_N.any()}
