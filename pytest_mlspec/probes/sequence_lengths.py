"""Lengths of texts and sequences in each split, where they end as if one split were cut and another not.

Looked at are the words of raw texts, and what stands before the padding of prepared ids.

Shape letters: N rows, L places of a sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.evidence import Shortened
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.protocol import Examples, Rows

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# Sequences of fewer places are columns of categories.
_SHORTEST = 4


def shortened(rows: Mapping[str, Rows], examples: Mapping[str, Examples]) -> tuple[Shortened, ...]:
    """For each text or sequence and pair of splits, how much longer the first is; those with no longer row are left out."""
    return tuple(
        found
        for name, unit, lengths in (*_of_texts(rows), *_of_ids(examples))
        for longer, shorter in permutations(lengths, 2)
        if (found := _compared(name, unit, lengths, longer, shorter)).longer_rows
    )


def _compared(name: str, unit: str, lengths: Mapping[str, NumpyArray], longer: str, shorter: str) -> Shortened:
    longer_N, shorter_N = lengths[longer], lengths[shorter]
    longest = int(shorter_N.max(initial=0))
    return Shortened(
        column=name,
        unit=unit,
        split=shorter,
        longest=longest,
        rows=len(shorter_N),
        rows_at_longest=int((shorter_N == longest).sum()),
        other=longer,
        other_rows=len(longer_N),
        longer_rows=int((longer_N > longest).sum()),
    )


def _of_texts(rows: Mapping[str, Rows]) -> Iterator[tuple[str, str, dict[str, NumpyArray]]]:
    import pandas as pd

    first = rows["train"].features
    if not isinstance(first, pd.DataFrame):
        return
    for name in first:
        if all(isinstance(part.features, pd.DataFrame) and _is_text(part.features.get(name)) for part in rows.values()):
            yield (
                str(name),
                "words",
                {
                    split: _column(part, name).fillna("").astype(str).str.count(r"\S+").to_numpy(np.int64)
                    for split, part in rows.items()
                },
            )


def _column(rows: Rows, name: Any) -> Any:
    return rows.features[name]


def _is_text(column: Any) -> bool:
    """True for a column of strings, as which a category of one word counts too."""
    import pandas as pd

    return (
        column is not None
        and not isinstance(column.dtype, pd.CategoricalDtype)
        and (pd.api.types.is_string_dtype(column) or column.dtype == object)
    )


def _of_ids(examples: Mapping[str, Examples]) -> Iterator[tuple[str, str, dict[str, NumpyArray]]]:
    train = by_name(examples["train"].inputs)
    for name, values in train.items():
        if values.ndim != 2 or values.dtype.kind not in "iu" or values.shape[1] < _SHORTEST:
            continue
        padding = _padding(values)
        if padding is not None:
            yield (
                name or "ids",
                "ids",
                {split: _lengths(by_name(part.inputs)[name], padding) for split, part in examples.items()},
            )


def _padding(ids_NL: NumpyArray) -> int | None:
    """The id that most rows end with; None where the last places are like the others."""
    values, counts = np.unique(ids_NL[:, -1], return_counts=True)
    most = values[counts.argmax()]
    is_it = bool(counts.max() > len(ids_NL) / 2 and (ids_NL[:, 0] != most).mean() > 1 / 2)
    return int(most) if is_it else None


def _lengths(ids_NL: NumpyArray, padding: int) -> NumpyArray:
    """The places of each row up to the last one that is no padding."""
    places = np.arange(1, ids_NL.shape[1] + 1)
    found: NumpyArray = np.where(ids_NL != padding, places, 0).max(axis=1)
    return found
