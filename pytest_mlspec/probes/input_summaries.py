"""What enters the model, in a line for each input of the training split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.evidence import InputSummary
from pytest_mlspec.recipe.datasets import stand_in_a_dataset
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.protocol import Examples, Rows

# Rows that are summarised: of more the figures would be the same.
_MOST_ROWS = 10_000


def input_summaries(examples: Examples) -> tuple[InputSummary, ...]:
    """Type, shape, mean, deviation and limits of each input of numbers; none for rows that stand in a Dataset."""
    if stand_in_a_dataset(examples):
        return ()
    some = examples.take(_some(len(examples)))
    found = []
    for name, values in by_name(some.inputs).items():
        if values.dtype.kind not in "fiub" or not values.size:
            continue
        finite = values[np.isfinite(values)].astype(np.float64)
        if finite.size:
            figures = (finite.mean(), finite.std(), finite.min(), finite.max())
            mean, deviation, low, high = (float(figure) for figure in figures)
            distinct, whole = len(np.unique(finite)), bool((finite == np.floor(finite)).all())
            of_row = values.shape[1:]
            found.append(InputSummary(name, str(values.dtype), of_row, mean, deviation, low, high, distinct, whole))
    return tuple(found)


def raw_numbers(rows: Rows) -> int:
    """How many different numbers the features of `rows` hold; 0 for those that are no numbers."""
    features = rows.take(_some(len(rows))).features
    values = features if isinstance(features, np.ndarray) else features.select_dtypes("number").to_numpy()
    if values.dtype.kind not in "fiub":
        return 0
    return len(np.unique(values[np.isfinite(values)]))


def _some(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_ROWS)).astype(np.int64))
