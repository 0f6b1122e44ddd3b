"""What was measured on a model as it is deployed: how long a call takes, what it costs, what its exported form answers.

Shape letters: R repetitions, S optimiser steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from pytest_mlspec.evidence.array import Array


@dataclass(frozen=True)
class Timing:
    """How long one call takes, with `batch` rows on `threads` threads; figures of this one run.

    `form` is what was called (`eager`, `predict`, or an exported form); `rows` counts the different rows in the batch; `machine`
    names the processor, or the GPU with its clock. `wall_ms_R` is the time of each call in milliseconds, in the order in which
    they were made, and `own_ms_R` the same without the time in which the call could have gone on and another process had the
    processor; equal where the system does not tell (`tells_waits`). `first_ms` is the first call of all, before any warm-up.
    `relative` is the shortest call in units of a reference operation that was timed in between, and `reference_ms` what one of
    these costs on this machine when it is left alone.
    """

    batch: int
    threads: int
    form: str
    rows: int
    device: str
    machine: str
    tells_waits: bool
    wall_ms_R: Array = field(metadata={"volatile": True})
    own_ms_R: Array = field(metadata={"volatile": True})
    first_ms: float = field(metadata={"volatile": True})
    relative: float = field(metadata={"volatile": True})
    reference_ms: float = field(metadata={"volatile": True})
    notes: tuple[str, ...] = ()

    @property
    def minimum_ms(self) -> float:
        """The shortest call, as it would be on this machine left alone."""
        return self.relative * self.reference_ms


@dataclass(frozen=True)
class ModelCost:
    """What a model is made of and what one row costs; None where it cannot be counted, and `missing` says why.

    `parameters` counts trainable scalars, `size` the bytes of all parameters and buffers, `flops` the floating-point
    operations of a forward pass of one row: matrix products, convolutions and attention, a multiplication and an addition as two.
    """

    parameters: int | None
    size: int | None
    flops: int | None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryTrace:
    """Memory after each of `steps` optimiser steps, the same batch each time; the first `warmup` of them are let go by.

    Of what was made since and is held: `tensors_S` tensors of `tensor_bytes_S` bytes, graphs of `nodes_S` nodes behind them,
    `functions_S` functions, and `python_bytes_S` bytes for Python's objects and NumPy's arrays. `resident_S` is the memory of the
    process; `device_S` is what torch holds on a GPU, of length 0 where there is none. `grown` names the tensors of which there
    are more at the end, `lines` the lines of code that hold more, each with how much a step.
    """

    steps: int
    device: str
    tensors_S: Array
    tensor_bytes_S: Array
    nodes_S: Array
    functions_S: Array
    python_bytes_S: Array = field(metadata={"volatile": True})
    resident_S: Array = field(metadata={"volatile": True})
    device_S: Array = field(metadata={"volatile": True})
    warmup: int = 20
    grown: tuple[str, ...] = ()
    lines: tuple[str, ...] = field(default=(), metadata={"volatile": True})

    def growth(self, name: str) -> float:
        """By how much the series `name` grows with each step: what is never given back, without the two largest rises.

        So what comes and goes is no growth, nor what is allocated once, such as by a late import. Not a number where too few
        steps were measured.
        """
        values: list[float] = getattr(self, name).values.tolist()
        if any(math.isnan(value) for value in values):
            return math.nan
        kept = list(accumulate(reversed(values), min))[::-1]
        rises = sorted(later - earlier for earlier, later in pairwise(kept))[:-2]
        return sum(rises) / len(rises) if rises else math.nan


@dataclass(frozen=True)
class Exported:
    """A model written in a format: its file, its size in bytes, its opset where it has one, what wrote it.

    `cases` names the inputs that it is tried on; their arrays and what the model itself answers are stored beside it, and the
    positions of the rows of the case `measured` within its `split`, of which its metric is.
    """

    format: str
    file: str
    size: int
    opset: int | None
    written_by: str
    cases: tuple[str, ...]
    split: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Outputs of an exported model against those of the model itself, for one case of inputs.

    `error` is why it gave none. `absolute` is max |a − b|, `excess` max of |a − b| − rtol · |b| for the `rtol` of the job, b what
    the model itself gives; `scale` is max |b|. `decisions` counts the rows whose decision is
    another, such as the most probable class, where rounding cannot tell; `ties` those where it can. `worst_row` counts from 0.
    """

    rows: int
    absolute: float | None = None
    excess: float | None = None
    scale: float = 0.0
    decisions: int = 0
    ties: int = 0
    worst_row: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Parity:
    """An exported model, loaded in a fresh process without the team's code, against the model that it was written from.

    `differences` by case; `metric` names what `score` (of the exported model) and `reference_score` are, on `rows` rows; empty
    where the task has none, and `unscored` says why one that it has was not measured. `exact` says that the format keeps
    outputs up to rounding; `hint` is what a difference looks like.
    """

    format: str
    differences: Mapping[str, Difference]
    loaded_with: str
    exact: bool = True
    hint: str = ""
    metric: str = ""
    unscored: str = ""
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

    `differences` by case: `whole`, the test split against what the training reported; `again`, `alone`, `order`, `columns` and
    `json`, some of its rows otherwise brought, against what was served for them at first; `missing`, rows with a value less,
    against the model. `scores` holds each metric as (served, reported), `unscored` why one has no value. `permuted` are the
    classes in the order in which the model has them, where the serving path mixes them up. `records_gradients`: it answers
    with tensors of a graph, or the model that it calls does. `calls` holds, for requests of several sizes, their rows and how
    often a model was called for them; `reloaded` names what each of these requests loaded anew. `answers` says what it answers
    with: probabilities, labels or values. `golden` compares with a file; None where none was asked for, or where it is not there.
    """

    path: str
    differences: Mapping[str, Difference]
    scores: Mapping[str, tuple[float, float]]
    rows: int
    unscored: Mapping[str, str] = field(default_factory=dict)
    answers: str = "probabilities"
    permuted: tuple[str, ...] = ()
    records_gradients: bool = False
    calls: tuple[tuple[int, int], ...] = ()
    reloaded: tuple[str, ...] = ()
    golden: Difference | None = None
    device: str = "cpu"
    notes: tuple[str, ...] = ()
