"""Metrics of predictions that no target is needed for, or one that no fit has seen: of clusters, and of tokens.

Shape letters: N rows, L positions of a text.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.quantities import Metric
from pytest_mlspec.recipe.unsupervised import PADDING

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import Inputs, NumpyArray


def cluster_value(metric: Metric, targets_N: NumpyArray, clusters_N: NumpyArray, inputs: Inputs) -> float:
    """The agreement of clusters with the classes, or how well the prepared inputs fall into them.

    Raises MeasurementError for one cluster, and for a cluster of its own for each row: both would score, and mean nothing.
    """
    import numpy as np
    import sklearn.metrics

    found = len(np.unique(clusters_N))
    if found in (1, len(clusters_N)):
        held = "all rows are in one cluster" if found == 1 else f"each of the {found} rows is a cluster of its own"
        raise MeasurementError(f"{metric.name} is not defined: {held}")
    if metric.reads == "clusters" and targets_N.ndim != 1:
        raise MeasurementError(
            f"{metric.name} compares with classes, and the rows have none", advice="name their column under data.target"
        )
    first = targets_N if metric.reads == "clusters" else as_table(inputs)
    function: Callable[..., float] = getattr(sklearn.metrics, metric.function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(function(first, clusters_N))
        except ValueError as error:
            raise MeasurementError(f"{metric.name} is not defined: {str(error).splitlines()[0]}") from error


def as_table(inputs: Inputs) -> NumpyArray:
    """Prepared inputs as numbers [N, F]; raises MeasurementError where a column holds text."""
    import numpy as np

    columns: list[Any] = list(inputs.values()) if isinstance(inputs, Mapping) else [inputs]
    names = list(inputs) if isinstance(inputs, Mapping) else [""]
    for name, values in zip(names, columns, strict=True):
        if values.dtype.kind not in "fiub":
            raise MeasurementError(
                f"the prepared column {name!r} holds text, and clusters are judged by distances",
                key="data.prepare",
                advice="write prepare: standard",
            )
    return np.concatenate([values.reshape(len(values), -1).astype(np.float64) for values in columns], axis=1)


def token_value(metric: Metric, ids_NL: NumpyArray, tokens: NumpyArray) -> float:
    """The perplexity of the predicted tokens, or the share whose id was the likeliest; padding does not count.

    `tokens` [N, L - 1, 2] holds the loss of each token but the first, and the likeliest id there.
    """
    import numpy as np

    next_NL = ids_NL[:, 1:]
    counted_NL = next_NL != PADDING
    if not counted_NL.any():
        raise MeasurementError(f"{metric.name} is not defined: there is no token to predict")
    if metric.name == "token_accuracy":
        return float((tokens[..., 1] == next_NL)[counted_NL].mean())
    with np.errstate(over="ignore"):
        value = float(np.exp(tokens[..., 0][counted_NL].mean()))
    if not math.isfinite(value):
        raise MeasurementError(f"{metric.name} is {value}: the mean loss is {tokens[..., 0][counted_NL].mean():.4g}")
    return value
