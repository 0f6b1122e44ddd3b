"""The shape of a set of embeddings: how far two of them differ, how far all of them spread.

Shape letters: N texts, D dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def relative(one_ND: NDArray[Any], other_ND: NDArray[Any]) -> FloatArray:
    """|one − other| of each embedding as a share of the norm, infinite where one of them is not a number."""
    scale_N = np.maximum(np.linalg.norm(other_ND, axis=1), np.finfo(np.float32).tiny)
    moved_N: FloatArray = (np.linalg.norm(one_ND - other_ND, axis=1) / scale_N).astype(np.float64)
    return np.nan_to_num(moved_N, nan=np.inf, posinf=np.inf)


def mean_cosine(found_ND: FloatArray) -> float:
    """The mean cosine of two different texts."""
    count = len(found_ND)
    total = float((_directions(found_ND).sum(axis=0) ** 2).sum())
    return (total - count) / (count * (count - 1))


def effective_rank(found_ND: FloatArray) -> float:
    """The effective number of dimensions in which directions differ; 1 where they do not, NaN where one is not finite."""
    if not np.isfinite(found_ND).all():
        return float("nan")
    directions_ND = _directions(found_ND)
    variances_D = np.linalg.svd(directions_ND - directions_ND.mean(axis=0), compute_uv=False) ** 2
    # rounding differs in many directions: what it alone explains is none
    if variances_D.sum() <= len(found_ND) * np.finfo(np.float32).eps ** 2:
        return 1.0
    shares_D = variances_D / variances_D.sum()
    shares_D = shares_D[shares_D > 0]
    return float(np.exp(-(shares_D * np.log(shares_D)).sum()))


def _directions(found_ND: FloatArray) -> FloatArray:
    norms_N1: FloatArray = np.linalg.norm(found_ND, axis=1, keepdims=True)
    return found_ND / np.maximum(norms_N1, np.finfo(np.float64).tiny)
