"""Whether a trained model's output for a row depends on that row alone: in a batch, in another order, and once more.

The comparison runs in float64 where the model can compute in that, so that rounding cannot hide a dependence.

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import Independence, TrainingRun
from pytest_mlspec.jobs import RowIndependence
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.work import Result, Work

# What the rounding of a sum in another order explains, as a share of the largest output.
_TOLERANCE: Mapping[str, float] = {"float64": 1e-9, "float32": 1e-4}


def row_independence(job: RowIndependence, work: Work) -> Result:
    """Compares outputs for rows of the test split (else validation, else training).

    Raises MeasurementError where there are less than two rows.
    """
    rows = _rows(work, job.rows)
    with from_outside("the trained model", key="model"):
        model = ENGINES.find(work.spec.train.engine.use).restore(job.of, work).precise()
        found = independence_of(model, rows)
    run = work.needed[job.of].evidence
    return Result(replace(found, device=run.device if isinstance(run, TrainingRun) else "cpu"))


class Rowwise(Protocol):
    """What answers for a batch of rows, in one precision."""

    @property
    def dtype(self) -> str:
        """`float32` or `float64`."""

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """The outputs [N, …] for `examples` as one batch."""


def independence_of(model: Rowwise, rows: Examples) -> Independence:
    """The outputs of `model` for each of `rows` alone, in another order and once more, held against those of the batch.

    Raises MeasurementError where all rows are the same: what depends on the others would then be the same too.
    """
    arrays = rows.inputs.values() if isinstance(rows.inputs, Mapping) else [rows.inputs]
    if all(np.array_equal(array, np.broadcast_to(array[:1], array.shape)) for array in arrays):
        raise MeasurementError(f"{len(rows)} rows are all the same: none could be seen to depend on the others")
    batch = _by_row(model.outputs(rows))
    again = _by_row(model.outputs(rows))
    order_N = np.random.default_rng(0).permutation(len(rows))
    shuffled = np.empty_like(batch)
    shuffled[order_N] = _by_row(model.outputs(rows.take(order_N)))
    alone = np.concatenate([_by_row(model.outputs(rows.take(np.array([row])))) for row in range(len(rows))])
    of_row_N = _difference(alone, batch).max(axis=1)
    worst = int(of_row_N.argmax())
    scale = float(np.abs(batch).max())
    # In float64 the tolerance has a floor, so that outputs near 0 are compared at all.
    tolerance = _TOLERANCE[model.dtype] * (max(1.0, scale) if model.dtype == "float64" else scale)
    return Independence(
        rows=len(rows),
        alone=float(of_row_N[worst]),
        order=float(_difference(shuffled, batch).max()),
        repeat=float(_difference(again, batch).max()),
        scale=scale,
        tolerance=tolerance,
        dtype=model.dtype,
        worst_row=int(rows.index[worst]),
    )


def _rows(work: Work, count: int) -> Examples:
    """`count` rows spread over the split, or all of it where there are less."""
    splits = work.prepared.splits
    split = next(name for name in ("test", "val", "train") if len(splits.get(name, ())))
    examples = splits[split]
    if min(len(examples), count) < 2:
        raise MeasurementError(f"{min(len(examples), count)} row of split {split}: a batch of at least 2 is needed")
    return examples.take(np.unique(np.linspace(0, len(examples) - 1, count).astype(np.int64)))


def _by_row(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """The outputs of each row as one line of numbers."""
    return outputs.reshape(len(outputs), -1).astype(np.float64)


def _difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """|first − second|, infinite where one of them is not a number."""
    return np.nan_to_num(np.abs(first - second), nan=np.inf, posinf=np.inf)
