"""What was measured on a model as it is deployed: how long a call takes, what it costs, what its exported form answers.

Shape letters: R repetitions, S optimiser steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_mlspec.evidence.array import Array


@dataclass(frozen=True)
class Timing:
    """How long one call takes, with `batch` rows on `threads` threads; figures of this one run.

    `call_ms_R` is the time of each call in milliseconds, in the order in which they were made; `first_ms` that of the first
    call of all, before any warm-up. `minimum_ms` is the smallest of `call_ms_R` relative to that of a reference operation that
    was timed in between, times `reference_ms`, what the reference costs on this machine when it is left alone. `form` is what
    was called (`eager`, `export`, `onnx`, `predict`); `machine` names the processor or the GPU with its clock.
    """

    batch: int
    threads: int
    form: str
    device: str
    machine: str
    call_ms_R: Array = field(metadata={"volatile": True})
    first_ms: float = field(metadata={"volatile": True})
    minimum_ms: float = field(metadata={"volatile": True})
    reference_ms: float = field(metadata={"volatile": True})
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelCost:
    """What a model is made of and what one row costs; None where it cannot be counted, and `missing` says why.

    `parameters` counts trainable scalars, `size` the bytes of all parameters and buffers, `flops` the floating-point
    operations of a forward pass of one row, a multiplication and an addition as two.
    """

    parameters: int | None
    size: int | None
    flops: int | None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryTrace:
    """Memory after each of a number of optimiser steps, the same batch each time.

    `resident_S` is the memory of the process in bytes, `tensors_S` the number of living tensors, `tensor_bytes_S` theirs;
    `device_S` is what torch holds on a GPU, of length 0 where there is none.
    """

    steps: int
    device: str
    tensors_S: Array
    tensor_bytes_S: Array
    resident_S: Array = field(metadata={"volatile": True})
    device_S: Array = field(metadata={"volatile": True})


@dataclass(frozen=True)
class Exported:
    """A model written in a format: its file, its size in bytes, its opset where it has one, what wrote it.

    `cases` names the inputs that it is tried on; their arrays and what the model itself answers are stored beside it.
    """

    format: str
    file: str
    size: int
    opset: int | None
    written_by: str
    cases: tuple[str, ...]
    needs_user_code: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Outputs of an exported model against those of the model itself, for one case of inputs.

    `error` is why it gave none. `absolute` is max |a − b|, `relative` max |a − b| / |b|, `excess` max of |a − b| − rtol · |b| for
    the `rtol` of the job; `decisions` counts the rows whose decision is another, such as the most probable class.
    """

    rows: int
    absolute: float | None = None
    relative: float | None = None
    scale: float = 0.0
    decisions: int = 0
    worst_row: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Parity:
    """An exported model, loaded in a fresh process without the team's code, against the model that it was written from.

    `differences` by case; `metric` names what `score` (of the exported model) and `reference_score` are, on the test rows.
    """

    format: str
    differences: Mapping[str, Difference]
    loaded_with: str
    metric: str = ""
    score: float | None = None
    reference_score: float | None = None
    higher_is_better: bool = True
    rows: int = 0
    size: int = 0
    opset: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Served:
    """Raw rows through the serving path against the same rows, prepared, through the model.

    `differences` by case (whole split, one row, rows in another order, …); `scores` holds each metric as (served, reported).
    `classes` are the labels in the order in which the serving path gives them, where it says so.
    """

    path: str
    differences: Mapping[str, Difference]
    scores: Mapping[str, tuple[float, float]]
    rows: int
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
