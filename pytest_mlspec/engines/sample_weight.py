"""The weights of the training rows, for the fit of an estimator: a column of the raw rows, or balanced over classes.

Shape letters: N rows.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.language.names import BALANCED
from pytest_mlspec.recipe.preparation import load_rows
from pytest_mlspec.recipe.splitting import column_of

if TYPE_CHECKING:
    from pytest_mlspec.engines.predictions import FloatArray
    from pytest_mlspec.recipe.protocol import Examples
    from pytest_mlspec.recipe.work import Work

KEY = "train.engine.sample_weight"


def weights_of(work: Work, train: Examples, *, fold: int | None) -> FloatArray | None:
    """The weight of each training row [N], in the order of `train`; None where the spec names none.

    Raises DataError where a weight is negative or not finite, or all are 0.
    """
    declared = work.spec.train.engine.arguments.get("sample_weight")
    if declared is None:
        return None
    if declared == BALANCED:
        from sklearn.utils.class_weight import compute_sample_weight

        if not work.prepared.classes:
            raise RecipeError("balanced weighs classes, and the targets are values", key=KEY)
        return np.asarray(compute_sample_weight("balanced", train.targets), dtype=np.float64)
    rows = load_rows(work.recipe, fold=fold)["train"]
    column = column_of(rows, declared, key=KEY)
    try:
        values_N = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataError(f"the column {declared!r} holds no numbers", key=KEY) from None
    bad = np.flatnonzero(~np.isfinite(values_N) | (values_N < 0))
    if len(bad):
        raise DataError(f"{rows.place(int(bad[0]))} has the weight {values_N[bad[0]]:g}", key=KEY)
    if not values_N.any():
        raise DataError("every weight is 0", key=KEY)
    # Repeated rows have the weight of the row that they repeat.
    order = np.argsort(rows.index, kind="stable")
    places = np.searchsorted(rows.index, train.index, sorter=order).clip(max=len(order) - 1)
    positions = order[places]
    if not np.array_equal(rows.index[positions], train.index):
        raise DataError(
            "the training rows were others when they were loaded again",
            key=KEY,
            advice="make load and split give the same rows each time: seed what they draw",
        )
    return np.asarray(values_N[positions])


def fit_parameters(estimator: Any, weights_N: FloatArray | None) -> dict[str, Any]:
    """The weights under the name by which the fit of `estimator` takes them; raises RecipeError where it takes none."""
    if weights_N is None:
        return {}
    final, prefix = estimator, ""
    while hasattr(final, "steps"):
        name, final = final.steps[-1]
        prefix = f"{prefix}{name}__"
    parameters = inspect.signature(final.fit).parameters.values()
    if not any(each.name == "sample_weight" or each.kind is each.VAR_KEYWORD for each in parameters):
        advice = "take another estimator, or class_weight where it has one"
        raise RecipeError(f"{type(final).__name__}.fit takes no sample_weight", key=KEY, advice=advice)
    return {f"{prefix}sample_weight": weights_N}
