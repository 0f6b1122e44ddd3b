"""Targets shuffled over all rows before the split, so that nothing on the way to the model can have known them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.recipe.datasets import rows_stand_in_a_dataset
from pytest_mlspec.recipe.protocol import Rows

# One permutation for all, so that a leak is found in each run or in none.
_SEED = 20_000_003


def with_shuffled_targets(loaded: Rows | Mapping[str, Rows]) -> Rows | dict[str, Rows]:
    """`loaded` with its targets in another order: over all rows, across the splits that a source brings.

    Raises NotApplicableError for rows that stand in a Dataset: their targets are read there once more.
    """
    import numpy as np

    parts = {"": loaded} if isinstance(loaded, Rows) else dict(loaded)
    if any(map(rows_stand_in_a_dataset, parts.values())):
        raise NotApplicableError("the targets stand in a Dataset of the team, where they cannot be shuffled")
    targets_N = np.concatenate([rows.targets for rows in parts.values()])
    shuffled_N = targets_N[np.random.default_rng(_SEED).permutation(len(targets_N))]
    ends = np.cumsum([len(rows) for rows in parts.values()])[:-1]
    found = {
        split: replace(rows, targets=targets)
        for (split, rows), targets in zip(parts.items(), np.split(shuffled_N, ends), strict=True)
    }
    return found[""] if isinstance(loaded, Rows) else found
