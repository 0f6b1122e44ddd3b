"""What a training gave.

Shape letters: S optimiser steps, U steps that were looked at more closely.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_mlspec.evidence.array import Array
from pytest_mlspec.evidence.schedules import SchedulerUse, Validations


@dataclass(frozen=True)
class Cost:
    """What a training took of its machine: figures of this one run.

    `rows` counts every row of every step, `rows_per_second` over the time of the steps; both are None for an engine that fits a
    model as a whole. `phase_seconds` is the time of `fetch`
    and `evaluation`, and of `forward and backward` and `update` as estimated from sampled steps (of both as `steps`, where too
    few were). `peak_memory` is the largest resident memory of the job, `peak_device_memory` the most that torch held on a GPU,
    in bytes. `utilisation` is the share of time in which the GPU was busy; None where nothing tells, and
    `utilisation_missing` says why.
    """

    rows: int | None
    rows_per_second: float | None
    phase_seconds: Mapping[str, float]
    peak_memory: int
    peak_device_memory: int | None = None
    utilisation: float | None = None
    utilisation_missing: str = ""


@dataclass(frozen=True)
class TrainingRun:
    """One training, whatever the engine. Losses are in units of the declared loss, mean over rows.

    `loss_S`, `gradient_norm_S` and `learning_rate_S` hold one value per optimiser step (length 0 where the engine keeps no
    history; the norm is that before clipping). `losses_before` and `losses` hold the loss of each split in evaluation mode
    before the first step and at the end. `weights_digest` is the SHA-256 of every parameter and buffer, empty where the
    engine has none that can be read; `predictions_digest` that of the outputs on all splits. `examples_digest` is that of
    the prepared data it was trained on. `parameters` counts trainable scalars. `predictions` says what the stored ones are:
    `probabilities`, `values`, `clusters`, `tokens`, `embeddings` (whose digest alone is kept), or `labels`, certain ones of an
    estimator that gives no probabilities; their arrays stand in `engines/predictions.py`. `skipped_steps` counts
    the steps of an fp16 training that the scaler left out; `update_ratio_U` is |update| / |weights| of the steps
    `update_step_U`, counted from 0, that were looked at more closely. `schedulers` and `validations` are those that were
    seen in a team's own fit.
    """

    engine: str
    seed: int
    device: str
    device_reason: str
    threads: int
    steps: int
    epochs: int
    planned_steps: int
    rows: int
    parameters: int | None
    stopped: str
    best_epoch: int | None
    loss_S: Array
    gradient_norm_S: Array
    learning_rate_S: Array
    epochs_log: tuple[Mapping[str, float], ...]
    losses_before: Mapping[str, float]
    losses: Mapping[str, float]
    weights_digest: str
    predictions_digest: str
    examples_digest: str
    resumed_at: int | None = None
    loss_floor: float = 0.0
    predictions: str = "probabilities"
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, metadata={"volatile": True})
    hash_seed: str = field(default="", metadata={"volatile": True})
    skipped_steps: int = 0
    update_ratio_U: Array = field(default_factory=lambda: Array.of(()))
    update_step_U: Array = field(default_factory=lambda: Array.of(()))
    cost: Cost | None = field(default=None, metadata={"volatile": True})
    schedulers: tuple[SchedulerUse, ...] = ()
    validations: Validations | None = None


@dataclass(frozen=True)
class SeedRuns:
    """The trainings of several seeds, in their order."""

    runs: tuple[TrainingRun, ...]


@dataclass(frozen=True)
class Interruption:
    """A training that was saved after `step` of its optimiser steps; `losses_before` as in `TrainingRun`."""

    step: int
    losses_before: Mapping[str, float]
