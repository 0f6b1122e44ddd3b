"""The rows that a trained model is tried on: of the split that it has not seen, and as many as are cheap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.work import Work

# Numbers that enter the model at once: 256 rows of CIFAR, 7 photographs.
_AT_ONCE = 1_000_000
_FEWEST = 16


def rows_to_try(work: Work, count: int) -> Examples:
    """At most `count` rows spread over the test split, else validation, else training; fewer where a row is large.

    Raises MeasurementError where there are less than two.
    """
    splits = work.prepared.splits
    split = next(name for name in ("test", "val", "train") if len(splits.get(name, ())))
    examples = splits[split]
    arrays = examples.inputs.values() if isinstance(examples.inputs, Mapping) else [examples.inputs]
    numbers = max(1, sum(array[:1].size for array in arrays))
    count = min(count, max(_FEWEST, _AT_ONCE // numbers))
    if min(len(examples), count) < 2:
        raise MeasurementError(f"{min(len(examples), count)} row of split {split}: a batch of at least 2 is needed")
    return examples.take(np.unique(np.linspace(0, len(examples) - 1, count).astype(np.int64)))
