"""Rows that stand in two splits: equal in every feature, or equal up to rounding, case and blanks.

Shape letters: N rows of all splits, F columns, P pairs of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pytest_mlspec.probes.table import Column, Table
from pytest_mlspec.probes.telling import ROUNDING, usual_deviation
from pytest_mlspec.recipe.protocol import Rows

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# Pairs of rows that are named for each pair of splits.
_EXAMPLES = 3
# Near copies lie next to each other on a random line, where a stranger or two may come between them.
_NEIGHBOURS = 4

Pairs = dict[str, list[tuple[int, int]]]
"""Positions of rows in the first and in the second split, by pair of splits such as `train/test`."""


def row_numbers(splits: Mapping[str, Rows]) -> dict[str, NumpyArray]:
    """A number for each row of each split: equal exactly where all features are, a missing value equal to another.

    Numbers are compared in the coarsest type that a split has: 0.1 in single precision is that in double.
    """
    import numpy as np
    import pandas as pd

    tables: list[Any] = [rows.features for rows in splits.values()]
    if all(isinstance(table, pd.DataFrame) for table in tables):
        whole: Any = pd.concat(tables, ignore_index=True)
        # an object of any kind counts by its text, so that lists can be compared
        columns = [
            column.map(str, na_action="ignore")
            if column.dtype == object
            else column.astype(_coarsest(table[name] for table in tables if name in table))
            if pd.api.types.is_float_dtype(column)
            else column
            for name, column in whole.items()
        ]
        values_NF = np.stack([pd.factorize(column)[0] for column in columns], axis=1)
    else:
        arrays = [np.asarray(table).reshape(len(table), -1) for table in tables]
        if any(array.dtype.kind == "f" for array in arrays):
            # adding 0.0 makes one zero of both
            arrays = [array.astype(_coarsest(arrays)).astype(np.float64) + 0.0 for array in arrays]
        values_NF = np.concatenate(arrays)
        if values_NF.dtype.kind == "f":
            values_NF[np.isnan(values_NF)] = np.nan
    rows = np.ascontiguousarray(values_NF)
    numbers, _ = pd.factorize(np.array([row.tobytes() for row in rows], dtype=object))
    ends = np.cumsum([len(part) for part in splits.values()])[:-1]
    return dict(zip(splits, np.split(numbers, ends), strict=True))


def shared_rows(numbers: Mapping[str, NumpyArray]) -> tuple[dict[str, int], Pairs]:
    """The distinct rows in both splits of each pair, and a few of them; `numbers` are those of `row_numbers`."""
    import numpy as np

    counts: dict[str, int] = {}
    examples: Pairs = {}
    for first, second in combinations(numbers, 2):
        _, at_first, at_second = np.intersect1d(numbers[first], numbers[second], return_indices=True)
        counts[f"{first}/{second}"] = len(at_first)
        pairs = zip(at_first.tolist(), at_second.tolist(), strict=True)
        examples[f"{first}/{second}"] = list(pairs)[:_EXAMPLES]
    return counts, examples


def near_rows(table: Table, numbers: Mapping[str, NumpyArray]) -> tuple[dict[str, int], Pairs]:
    """The distinct rows of the second split of each pair that nearly equal one of the first, and equal none of it.

    Numbers are nearly equal where they differ by less than a millionth of the usual deviation of their column, and whole
    numbers where they are equal; texts where case and blanks alone differ.
    """
    import numpy as np

    number_N = np.concatenate(list(numbers.values()))
    _, first_N = np.unique(number_N, return_index=True)  # one row for each number: its first
    one_P, other_P = _pairs(table, first_N)
    one_P, other_P = np.concatenate([one_P, other_P]), np.concatenate([other_P, one_P])
    counts: dict[str, int] = {}
    examples: Pairs = {}
    for first, second in combinations(numbers, 2):
        in_first, in_second = set(numbers[first].tolist()), set(numbers[second].tolist())
        found = {
            second_number: first_number
            for first_number, second_number in zip(number_N[one_P].tolist(), number_N[other_P].tolist(), strict=True)
            if first_number in in_first and second_number in in_second and second_number not in in_first
        }
        counts[f"{first}/{second}"] = len(found)
        examples[f"{first}/{second}"] = [
            (int((numbers[first] == first_number).argmax()), int((numbers[second] == second_number).argmax()))
            for second_number, first_number in list(found.items())[:_EXAMPLES]
        ]
    return counts, examples


def _coarsest(columns: Iterable[Any]) -> Any:
    """The floating-point type among those of `columns` that has the fewest digits; double precision where none has one."""
    import numpy as np

    floats = [column.dtype for column in columns if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"]
    return min(floats, key=lambda dtype: dtype.itemsize, default=np.dtype(np.float64))


def _pairs(table: Table, rows: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Pairs among `rows`, each unlike all others, that are nearly equal."""
    import numpy as np

    none = np.zeros(0, dtype=np.int64)
    scaled = [each for column in table.columns for each in _scaled(column)]
    if not any(tolerance or is_folded for _, tolerance, is_folded in scaled):
        return none, none  # whole numbers alone: equal or not
    weights = np.random.default_rng(0).normal(size=len(scaled))
    place_N = sum(weight * values_N[rows] for weight, (values_N, _, _) in zip(weights, scaled, strict=True))
    reach = sum(abs(weight) * tolerance for weight, (_, tolerance, _) in zip(weights, scaled, strict=True)) + 1e-9
    order = np.argsort(place_N)
    found_one, found_other = [none], [none]
    for distance in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
        one_P, other_P = order[:-distance], order[distance:]
        close = place_N[other_P] - place_N[one_P] <= reach
        one_P, other_P = rows[one_P[close]], rows[other_P[close]]
        for values_N, tolerance, _ in scaled:
            same = np.abs(values_N[one_P] - values_N[other_P]) <= tolerance
            one_P, other_P = one_P[same], other_P[same]
        found_one.append(one_P)
        found_other.append(other_P)
    return np.concatenate(found_one), np.concatenate(found_other)


def _scaled(column: Column) -> Iterator[tuple[NumpyArray, float, bool]]:
    """Arrays that stand for a column, how far nearly equal values of each may be apart, and whether texts were made equal."""
    import numpy as np

    if column.texts is not None:
        folded = [" ".join(text.split()).casefold() for text in column.texts]
        codes = {text: code for code, text in enumerate(dict.fromkeys(folded))}
        of_code = np.array([*(codes[text] for text in folded), -1])  # the last one is that of a missing text
        yield of_code[column.values_N] / max(len(codes), 1), 0.0, len(codes) < len(folded)
        return
    missing_N = np.isnan(column.values_N)
    present = column.values_N[~missing_N]
    if missing_N.any():
        yield missing_N.astype(np.float64), 0.0, False
    scale = usual_deviation(present) if len(present) else 0.0
    is_whole = bool((present == np.round(present)).all())
    if scale:
        yield np.where(missing_N, 0.0, column.values_N / scale), 0.0 if is_whole else ROUNDING, False
