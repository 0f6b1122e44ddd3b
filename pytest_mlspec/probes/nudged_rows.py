"""Raw rows changed by a rounding error: what is kept by the content of a row is made anew for them, and hardly differs.

Shape letters: N rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.protocol import Examples, Rows

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# Beyond this share of the scale of its column a value is another one: well above the rounding of single precision.
_OTHER = 1e-5


def nudged(rows: Rows, *, up: bool) -> Rows | None:
    """`rows` with each number that is not whole one step of its type higher or lower; None where there is none."""
    import pandas as pd

    features = rows.features
    if isinstance(features, pd.DataFrame):
        names = [name for name in features if getattr(features[name].dtype, "kind", "O") == "f"]
        columns = {name: _stepped(features[name].to_numpy(), up) for name in names}
        changed: Any = features.assign(**{str(name): column for name, column in columns.items()})
        if any(not isinstance(name, str) for name in names):
            return None
    elif features.dtype.kind == "f":
        columns, changed = {"": features}, _stepped(features, up)
    else:
        return None
    return replace(rows, features=changed) if columns else None


def share_of_others(one: Examples, other: Examples) -> float:
    """The share of the values that differ clearly, of those that vary; 0 where nothing is comparable."""
    counted, differing = 0, 0
    for found, expected in zip(by_name(one.inputs).values(), by_name(other.inputs).values(), strict=True):
        if found.shape != expected.shape or not found.size or found.dtype.kind not in "fiub":
            continue
        found_NF, expected_NF = (part.reshape(len(part), -1).astype(np.float64) for part in (found, expected))
        varies = np.ptp(expected_NF, axis=0) > 0
        scale_F = np.abs(expected_NF[:, varies]).max(axis=0, initial=0.0)
        counted += int(varies.sum()) * len(found_NF)
        differing += int((np.abs(found_NF[:, varies] - expected_NF[:, varies]) > _OTHER * scale_F).sum())
    return differing / counted if counted else 0.0


def _stepped(values: NumpyArray, up: bool) -> NumpyArray:
    stepped: NumpyArray = np.nextafter(values, values.dtype.type(np.inf if up else -np.inf))
    return stepped
