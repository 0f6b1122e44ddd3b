"""Outputs of an exported model against those of the model itself: how far apart, how many decisions, and what it looks like.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.evidence import Difference
from pytest_mlspec.exports import Named, Opened
from pytest_mlspec.exports.readings import softmax

Scores = Callable[[NDArray[Any]], NDArray[np.float64]]
"""From outputs to a score of each class in the last axis, of which the highest decides."""

# Half precision holds 11 binary digits.
_HALF = 2.0**-10
_MOST_CLASSES = 100


def compared(given: NDArray[Any], expected: NDArray[Any], *, rtol: float, scores: Scores | None) -> Difference:
    """The difference of two answers for the same rows; `scores` is None where nothing is decided."""
    rows = len(expected)
    if given.shape != expected.shape and given.size == expected.size and len(given) == rows:
        given = given.reshape(expected.shape)
    if given.shape != expected.shape:
        return Difference(rows, error=f"its outputs have the shape {list(given.shape)}, not {list(expected.shape)}")
    finite = np.isfinite(given)
    if not finite.all():
        return Difference(rows, error=f"{int((~finite).sum())} of {given.size} outputs are not finite")
    if not given.size:
        return Difference(rows, absolute=0.0, excess=0.0)
    of_row = expected.astype(np.float64).reshape(rows, -1)
    error = np.abs(given.astype(np.float64).reshape(rows, -1) - of_row)
    excess_N = (error - rtol * np.abs(of_row)).max(axis=1)
    others, ties = (0, 0) if scores is None else _decisions(scores(given), scores(expected), rtol)
    return Difference(
        rows=rows,
        absolute=float(error.max()),
        excess=float(excess_N.max()),
        scale=float(np.abs(of_row).max()),
        decisions=others,
        ties=ties,
        worst_row=int(excess_N.argmax()),
    )


def hint(opened: Opened, inputs: Named, given: NDArray[Any], expected: NDArray[Any]) -> str:
    """What a difference looks like, where it looks like something: the first that fits of the common faults."""
    if not np.array_equal(opened(inputs), given, equal_nan=True):
        return "two calls with the same rows differ: it was exported in training mode, with its dropout"
    first = opened({name: values[:2] for name, values in inputs.items()})
    if len(given) > 2 and not np.allclose(first, given[:2], rtol=1e-3, atol=1e-5):
        return "a row's outputs depend on the rows beside it: exported in training mode, with statistics of the batch?"
    if given.shape != expected.shape:
        return ""
    scale = float(np.abs(expected).max())
    if np.allclose(given, expected, rtol=_HALF, atol=_HALF * scale):
        return "differences of this size come from half precision (float16 or bfloat16)"
    if expected.ndim == 2 and 1 < expected.shape[1] <= _MOST_CLASSES:
        if np.allclose(given, softmax(expected), rtol=1e-3, atol=1e-5):
            return "it gives probabilities, the model itself logits; where that is meant, write gives: predictions"
        order = [int(np.abs(given - column_N[:, None]).max(axis=0).argmin()) for column_N in expected.T]
        if sorted(order) == list(range(len(order))) and np.allclose(given[:, order], expected, rtol=1e-3, atol=1e-5):
            return f"its columns are those of the model in another order: {order}"
    return ""


def _decisions(given: NDArray[np.float64], expected: NDArray[np.float64], rtol: float) -> tuple[int, int]:
    """How many decisions are others, and how many more where the two best scores are equal up to rounding."""
    best = np.partition(expected, -2, axis=-1)[..., -2:]
    is_other = given.argmax(axis=-1) != expected.argmax(axis=-1)
    is_tie = best[..., 1] - best[..., 0] <= 2 * rtol
    return int((is_other & ~is_tie).sum()), int((is_other & is_tie).sum())
