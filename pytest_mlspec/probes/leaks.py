"""What gives the target away: a column that tells it alone, or an exact relation between it and several columns.

Looked for in the raw features where the preparation is ours, and in what it gives where it is the team's own: that may leave
columns out, or bring the target in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.evidence import Leaks
from pytest_mlspec.probes.relation import exact_relation
from pytest_mlspec.probes.table import Column, table_of
from pytest_mlspec.probes.telling import Target, tell
from pytest_mlspec.recipe.columns import names_of
from pytest_mlspec.recipe.preparation import Loaded

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# Rows that are looked at, on the side of training and on the other; fewer where a row has many values.
_MOST_ROWS = 20_000
_FEWEST_ROWS = 1_000
_MOST_VALUES = 8_000_000
# Columns whose scores are told.
_TOLD = 20


def find_leaks(loaded: Loaded, *, prepared: bool) -> Leaks:
    """The leaks of a supervised task in its raw features, or in the `prepared` ones; of 0 rows where these are too few."""
    taken = _sample(loaded)
    target = _target(loaded, taken)
    if not target.enough:
        return Leaks(0)
    columns = table_of({split: _part(loaded, split, rows, prepared) for split, rows in taken.items()}).columns
    told = sorted((tell(column, target) for column in columns), key=lambda telling: -telling.score)
    relation = exact_relation(_numbers(columns), target)
    return Leaks(len(target.values_N), tuple(told[:_TOLD]), relation, prepared)


def _sample(loaded: Loaded) -> dict[str, NumpyArray]:
    """Positions of rows of each split in random order, training first."""
    import numpy as np

    width = max(1, len(names_of(loaded.rows["train"].features)))
    most = min(_MOST_ROWS, max(_FEWEST_ROWS, _MOST_VALUES // width))
    rng = np.random.default_rng(0)
    others = [name for name in loaded.rows if name != "train"]
    return {
        name: rng.permutation(_judged(loaded, name))[: most if name == "train" else most // len(others)]
        for name in ("train", *others)
    }


def _judged(loaded: Loaded, split: str) -> NumpyArray:
    """The positions of the rows with a target; `data` tells of the others by itself."""
    import numpy as np

    return np.flatnonzero(np.isfinite(loaded.prepared.splits[split].targets))


def _target(loaded: Loaded, taken: Mapping[str, NumpyArray]) -> Target:
    import numpy as np

    classes = loaded.prepared.classes
    parts = [
        loaded.prepared.splits[split].targets[rows]
        if classes
        else loaded.rows[split].targets[rows].astype(np.float64)  # as they were read: single precision rounds
        for split, rows in taken.items()
    ]
    values_N = np.concatenate(parts)
    return Target(values_N, classes, len(taken["train"]))


def _part(loaded: Loaded, split: str, rows: NumpyArray, prepared: bool) -> Any:
    """The features of some rows of a split."""
    if prepared:
        inputs = loaded.prepared.splits[split].take(rows).inputs
        return dict(inputs) if isinstance(inputs, Mapping) else inputs
    return loaded.rows[split].take(rows).features


def _numbers(columns: tuple[Column, ...]) -> list[Column]:
    return [column for column in columns if column.is_number]
