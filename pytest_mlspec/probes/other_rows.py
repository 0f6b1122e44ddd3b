"""Loaded rows with other values where they are held out, split once more by the team's own `split`.

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.recipe.preparation import rows_of
from pytest_mlspec.recipe.protocol import Recipe, Rows

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray


def other_held_out(recipe: Recipe, loaded: Rows, splits: Mapping[str, Rows]) -> tuple[Mapping[str, Rows] | None, str]:
    """The splits of `loaded` with the numbers of one held-out row in all of them; or None, and why they cannot be compared.

    All numbers are changed, and where the split goes by some of them, those that are not whole alone. Texts and dates stay.
    """
    train = splits["train"].index
    held_out_N = ~np.isin(loaded.index, train)
    if not np.isin(train, loaded.index).all() or not held_out_N.any():
        return None, "split numbers its rows anew"
    why = "split draws other training rows where held-out values change"
    for whole_too in (True, False):
        changed = _changed(loaded.features, held_out_N, whole_too=whole_too)
        if changed is None:
            why = "no held-out number can be changed"
            continue
        try:
            again = rows_of(recipe, replace(loaded, features=changed))
        except MlspecError as error:
            why = error.message
            continue
        if np.array_equal(np.sort(again["train"].index), np.sort(train)):
            return again, ""
    return None, why


def _changed(features: Any, held_out_N: NumpyArray, *, whole_too: bool) -> Any:
    """`features` in which every held-out row has the numbers of the first of them; None where that changes nothing."""
    import pandas as pd

    first = int(held_out_N.argmax())
    if not isinstance(features, pd.DataFrame):
        if features.dtype.kind != "f" and not whole_too:
            return None
        changed = features.copy()
        changed[held_out_N] = features[first]
        return changed
    kinds = "fiu" if whole_too else "f"
    names = [name for name in features if getattr(features[name].dtype, "kind", "O") in kinds]
    if not names:
        return None
    table = features.copy()
    for name in names:
        column = table[name].to_numpy(copy=True)
        column[held_out_N] = column[first]
        table[name] = column
    return table
