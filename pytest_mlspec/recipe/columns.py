"""Names and shapes of features as they come from elsewhere: a DataFrame, an array, a sparse matrix."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import Any


def names_of(features: Any) -> list[str]:
    """The names of columns: those of a DataFrame, or positions such as `3` or `0,4,7`."""
    import numpy as np

    if hasattr(features, "columns"):
        return [str(name) for name in features.columns]
    return list(positions(np.shape(features)[1:]))


@lru_cache(maxsize=8)
def positions(shape: tuple[int, ...]) -> tuple[str, ...]:
    """The names of the numbers of a row that is an array of `shape`.

    >>> positions((2,)), positions((1, 2))
    (('0', '1'), ('0,0', '0,1'))
    """
    if len(shape) < 2:
        return tuple(str(position) for position in range(math.prod(shape)))
    return tuple(",".join(map(str, place)) for place in product(*map(range, shape)))


def dense(features: Any) -> Any:
    """`features`, a sparse matrix as an array."""
    return features.toarray() if hasattr(features, "toarray") else features
