"""Whether a trained model's output for a row depends on that row alone: in a batch, in another order, and once more.

Beyond the row: whether a text may be padded further (`positions.py`), and whether a language model looks ahead.

The comparison runs in float64 where the model can compute in that, so that rounding cannot hide a dependence.

Shape letters: N rows, L positions of a text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import Independence, TrainingRun
from pytest_mlspec.exports import first_line
from pytest_mlspec.jobs import RowIndependence
from pytest_mlspec.probes.positions import Texts, texts_in, with_less_padding, with_other_ends
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.work import Result, Work

# What the rounding of a sum in another order explains, as a share of the largest output.
_TOLERANCE: Mapping[str, float] = {"float64": 1e-9, "float32": 1e-4}
# A batch as large as a training's, as far as its inputs fit into this.
_LARGE, _LARGE_BYTES = 256, 16_000_000


def row_independence(job: RowIndependence, work: Work) -> Result:
    """Compares outputs for rows of the test split (else validation, else training).

    Raises MeasurementError where there are less than two rows.
    """
    examples, positions = _rows(work, job.rows)
    rows = examples.take(positions)
    with from_outside("the trained model", key="model"):
        model = ENGINES.find(work.spec.train.engine.use).restore(job.of, work).precise()
        found = independence_of(model, rows)
        if not found.alone_error and math.isfinite(found.scale):
            found = _further(found, model, examples, positions, work)
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
    try:
        alone = np.concatenate([_by_row(model.outputs(rows.take(np.array([row])))) for row in range(len(rows))])
        alone_error = "" if alone.shape == batch.shape else f"its output has the shape of {len(alone)} rows"
    except Exception as error:  # whatever the team's forward raises for a single row, which the batch did not
        alone_error = first_line(error)
    if alone_error:
        alone = np.full_like(batch, np.inf)
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
        alone_error=alone_error,
    )


def _further(found: Independence, model: Rowwise, examples: Examples, positions: Positions, work: Work) -> Independence:
    """`found` with what a large batch, more padding and later ids change."""
    rows = examples.take(positions)
    left_out: dict[str, str] = {}
    large, count = _in_large_batch(model, examples, positions)
    texts = texts_in(rows, work.prepared)
    padding = causal = None
    if texts is not None:
        padding = _padded(model, rows, texts)
        if padding is None:
            left_out["padding"] = "the model takes texts of one length alone"
    if work.recipe.task == "language_model":
        causal = _ahead(model, rows, texts)
        if causal is None:
            left_out["causal"] = "the model's outputs have no positions"
    return replace(found, large=large, large_rows=count, padding=padding, causal=causal, left_out=left_out)


def _in_large_batch(model: Rowwise, examples: Examples, positions: Positions) -> tuple[float | None, int]:
    """How much the outputs for the rows at `positions` differ in one batch of many rows, and how many those are."""
    bytes_a_row = sum(values.nbytes for values in by_name(examples.inputs).values()) // max(1, len(examples))
    most = max(2 * len(positions), min(_LARGE, _LARGE_BYTES // max(1, bytes_a_row)))
    others = np.linspace(0, len(examples) - 1, most).astype(np.int64)
    many = np.union1d(positions, others)
    if len(many) <= len(positions):
        return None, len(many)
    few = _by_row(model.outputs(examples.take(positions)))
    among = _by_row(model.outputs(examples.take(many)))[np.searchsorted(many, positions)]
    return float(_difference(among, few).max()), len(many)


def _padded(model: Rowwise, rows: Examples, texts: Texts) -> float | None:
    """How much the outputs for texts differ with less padding; None where the model takes no other length."""
    otherwise = with_less_padding(rows, texts)
    if otherwise is None:
        return None
    before, after, ends_N = otherwise
    try:
        some, other = model.outputs(before), model.outputs(after)
    except Exception:  # whatever the team's forward raises for a length that it was not made for
        return None
    if some.shape != other.shape:  # an output for each position: those of the texts themselves are compared
        if some.ndim < 2 or some.shape[1] != texts.length or len(some) != len(other):
            return None
        length = other.shape[1]
        is_text = np.arange(length) < ends_N[:, None]
        some, other = some[:, :length][is_text], other[is_text]
    return float(_difference(_by_row(some), _by_row(other)).max())


def _ahead(model: Rowwise, rows: Examples, texts: Texts | None) -> float | None:
    """How much the outputs up to a position of a text differ where the ids behind it are others; None where there are none."""
    inputs = by_name(rows.inputs)
    name = "input_ids" if "input_ids" in inputs else next(iter(inputs))
    ids = inputs[name]
    length = ids.shape[1] if ids.ndim == 2 else 0
    ends_N = np.full(len(rows), length) if texts is None else texts.ends_N
    batch = model.outputs(rows)
    if length < 2 or batch.ndim < 3 or batch.shape[:2] != ids.shape:
        return None
    found = 0.0
    for at in sorted({0, length // 4, length // 2, 3 * length // 4, length - 2}):
        other = model.outputs(with_other_ends(rows, name, at, ends_N))
        until = np.minimum(at + 1, ends_N)[:, None] > np.arange(length)
        found = max(found, float(_difference(_by_row(other[until]), _by_row(batch[until])).max(initial=0.0)))
    return found


Positions = NDArray[np.int64]


def _rows(work: Work, count: int) -> tuple[Examples, Positions]:
    """A split, and the positions of `count` rows spread over it, or of all its rows where there are less."""
    splits = work.prepared.splits
    split = next(name for name in ("test", "val", "train") if len(splits.get(name, ())))
    examples = splits[split]
    if min(len(examples), count) < 2:
        raise MeasurementError(f"{min(len(examples), count)} row of split {split}: a batch of at least 2 is needed")
    return examples, np.unique(np.linspace(0, len(examples) - 1, count).astype(np.int64))


def _by_row(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """The outputs of each row as one line of numbers."""
    return outputs.reshape(len(outputs), -1).astype(np.float64)


def _difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """|first − second|, infinite where one of them is not a number."""
    return np.nan_to_num(np.abs(first - second), nan=np.inf, posinf=np.inf)
