"""Prepared rows that should be equal, compared: how far they lie apart, as a share of the scale of their column, and where.

Shape letters: N rows, F numbers of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.recipe.columns import names_of
from pytest_mlspec.recipe.packing import NUMBERS, by_name
from pytest_mlspec.recipe.protocol import Examples

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# What the rounding of sums over the values of a row explains, where they are taken in other blocks: a product of matrices, an
# encoder in single precision. Statistics over the rows of a split differ by a share of 1 / sqrt(rows).
_TOLERANCE = {"f8": 1e-9, "f2": 1e-2}
_TOLERANCE_OF_SINGLE = 1e-4
# A column far below the others may be the small difference of large ones: it counts as no smaller than this share of them.
_SMALLEST = 1e-2


@dataclass(frozen=True)
class Apart:
    """The largest difference as a share of the scale of its column, what rounding explains, and where it stands."""

    share: float
    tolerance: float
    where: str = ""
    told: str = ""


def apart(one: Examples, other: Examples, *, name_row: Callable[[int], str]) -> Apart:
    """How far the inputs of `one` lie from those of `other`, row by row; `name_row` is what messages call a row."""
    found, expected = by_name(one.inputs), by_name(other.inputs)
    if list(found) != list(expected):
        return _another_form(f"inputs {', '.join(found)} in the place of {', '.join(expected)}")
    worst = Apart(0.0, 0.0)
    for name in found:
        this = _apart(found[name], expected[name], name, name_row)
        if this.share - this.tolerance >= worst.share - worst.tolerance:
            worst = this
    return worst


def _apart(one: NumpyArray, other: NumpyArray, name: str, name_row: Callable[[int], str]) -> Apart:
    if one.shape != other.shape:
        cut = _without_padding(one, other)
        if cut is None:
            return _another_form(f"{_form(one)} in the place of {_form(other)}")
        one, other = cut
    if other.dtype.kind != "f":
        differ = _unequal(one, other)
        share_NF, tolerance = np.where(differ, np.inf, 0.0).reshape(len(one), -1), 0.0
    else:
        tolerance = _TOLERANCE.get(other.dtype.str[1:], _TOLERANCE_OF_SINGLE)
        share_NF = _shares(one.reshape(len(one), -1).astype(np.float64), other.reshape(len(one), -1).astype(np.float64))
    if not share_NF.size:
        return Apart(0.0, tolerance)
    row, column = np.unravel_index(int(share_NF.argmax()), share_NF.shape)
    share = float(share_NF[row, column])
    where = f"{name_row(int(row))}, column {_column(other, name, int(column))}" if share else ""
    return Apart(share, tolerance, where)


def _shares(one_NF: NumpyArray, other_NF: NumpyArray) -> NumpyArray:
    """|one − other| over the largest |value| of the column; infinite where one of them alone is a number."""
    both_NF = np.isfinite(one_NF) & np.isfinite(other_NF)
    size_NF = np.where(both_NF, np.abs(other_NF), 0.0)
    scale_F = size_NF.max(axis=0, initial=0.0)
    scale_F = np.maximum(scale_F, _SMALLEST * scale_F.max(initial=0.0))
    scale_F[scale_F == 0] = 1.0
    with np.errstate(invalid="ignore"):  # inf − inf; equal ones are told apart below
        differences_NF = np.abs(one_NF - other_NF) / scale_F
    same_NF = (one_NF == other_NF) | (np.isnan(one_NF) & np.isnan(other_NF))
    return np.where(same_NF, 0.0, np.where(both_NF, differences_NF, np.inf))


def _unequal(one: NumpyArray, other: NumpyArray) -> NumpyArray:
    import pandas as pd

    differ: NumpyArray = one != other
    if one.dtype.kind in NUMBERS and other.dtype.kind in NUMBERS:
        return differ
    found: NumpyArray = differ & ~(pd.isna(one) & pd.isna(other))
    return found


def _without_padding(one: NumpyArray, other: NumpyArray) -> tuple[NumpyArray, NumpyArray] | None:
    """Both cut to the shorter length, where they are sequences of which one is longer by padding alone; else None."""
    if one.ndim < 2 or one.ndim != other.ndim or len(one) != len(other) or one.shape[2:] != other.shape[2:]:
        return None
    longer = one if one.shape[1] > other.shape[1] else other
    shared = min(one.shape[1], other.shape[1])
    behind, before = longer[:, shared:], longer[:, :-shared] if shared else longer
    if (behind == behind.flat[0]).all():
        return one[:, :shared], other[:, :shared]
    if (before == before.flat[0]).all():
        return one[:, -shared:], other[:, -shared:]
    return None


def _another_form(told: str) -> Apart:
    return Apart(float("inf"), 0.0, told=told)


def _form(values: NumpyArray) -> str:
    return f"{values.dtype} {list(values.shape)}"


def _column(values: Any, name: str, position: int) -> str:
    places = names_of(values)
    if len(places) <= 1:
        return name or "0"
    return f"{name}[{places[position]}]" if name else places[position]
