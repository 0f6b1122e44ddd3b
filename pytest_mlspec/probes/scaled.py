"""Columns whose scale is exactly that of all rows together: a scaling that has seen the held-out rows.

Exactness tells it from chance: of measured columns none has mean 0 and deviation 1 to a millionth, or ends exactly at 0 and 1,
each at one row alone.

Shape letters: N rows of all splits, training rows first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlspec.evidence import Scaled
from pytest_mlspec.probes.table import Table

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

_EXACT = 1e-6
# Where the training rows are almost all, their own scale is nearly that of all: no answer.
_CLEARLY = 1e-5
# Fewer distinct values are those of a code or a flag: one of 1 and -1, as often, has mean 0 and deviation 1.
_FEWEST_VALUES = 5
# So many columns end at 0 and 1 by no chance.
_FEWEST_LIMITED = 3


def scaled_columns(table: Table) -> tuple[Scaled, ...]:
    """The columns of `table` that were scaled by statistics of more than its training rows."""
    train = table.of_split("train")
    limited: list[str] = []
    found: list[Scaled] = []
    for column in table.columns:
        values_N = column.values_N
        if not column.is_number or np.isnan(values_N).any() or not _is_measured(values_N):
            continue
        if _standard(values_N, _EXACT):
            if not _standard(values_N[train], _CLEARLY):
                found.append(Scaled(column.name, "standardized", _moments(values_N[train])))
        elif _ends_at_0_and_1(values_N):
            limited.append(column.name)
    return (*found, *_limits(table, limited))


def any_scaled(table: Table) -> bool:
    """True where some column has mean 0 and deviation 1 over all rows: the source itself gives it so."""
    return any(
        column.is_number and not np.isnan(column.values_N).any() and _standard(column.values_N, _EXACT)
        for column in table.columns
    )


def _limits(table: Table, limited: Sequence[str]) -> Iterator[Scaled]:
    if len(limited) < _FEWEST_LIMITED:
        return
    train = table.of_split("train")
    for column in table.columns:
        ends = float(column.values_N[train].min()), float(column.values_N[train].max())
        if column.name in limited and ends != (0.0, 1.0):
            yield Scaled(column.name, "limits", ends)


def _is_measured(values_N: NumpyArray) -> bool:
    return len(np.unique(values_N[:10_000])) >= _FEWEST_VALUES and not bool((values_N == np.round(values_N)).all())


def _standard(values_N: NumpyArray, exact: float) -> bool:
    mean, deviation = _moments(values_N)
    of_sample = deviation * np.sqrt(len(values_N) / max(1, len(values_N) - 1))
    return abs(mean) <= exact and min(abs(deviation - 1), abs(of_sample - 1)) <= exact


def _moments(values_N: NumpyArray) -> tuple[float, float]:
    return float(values_N.mean()), float(values_N.std())


def _ends_at_0_and_1(values_N: NumpyArray) -> bool:
    return bool(
        values_N.min() == 0.0 and values_N.max() == 1.0 and (values_N == 0).sum() == 1 and (values_N == 1).sum() == 1
    )
