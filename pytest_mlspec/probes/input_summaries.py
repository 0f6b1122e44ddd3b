"""What enters the model, in a line for each input of the training split."""

from __future__ import annotations

import numpy as np

from pytest_mlspec.evidence import InputSummary
from pytest_mlspec.recipe.datasets import stand_in_a_dataset
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.protocol import Examples

# Rows that are summarised: of more the figures would be the same.
_MOST_ROWS = 10_000


def input_summaries(examples: Examples) -> tuple[InputSummary, ...]:
    """Type, shape, mean, deviation and limits of each input of numbers; none for rows that stand in a Dataset."""
    if stand_in_a_dataset(examples):
        return ()
    some = examples.take(np.unique(np.linspace(0, len(examples) - 1, min(len(examples), _MOST_ROWS)).astype(np.int64)))
    found = []
    for name, values in by_name(some.inputs).items():
        if values.dtype.kind not in "fiub" or not values.size:
            continue
        finite = values[np.isfinite(values)].astype(np.float64)
        if finite.size:
            figures = (finite.mean(), finite.std(), finite.min(), finite.max())
            mean, deviation, low, high = (float(figure) for figure in figures)
            found.append(InputSummary(name, str(values.dtype), values.shape[1:], mean, deviation, low, high))
    return tuple(found)
