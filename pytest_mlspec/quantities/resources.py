"""What a training takes of its machine, and what its model is made of.

What was not measured is told with its reason: a gate on it is skipped, and never passes.
"""

from __future__ import annotations

from pytest_mlspec.evidence import Cost, MemoryTrace, ModelCost, TrainingRun
from pytest_mlspec.jobs import CountCost, TraceMemory
from pytest_mlspec.quantities.measures import NoSelectors, Reading, quantity


@quantity("train.steps", unit="steps", higher_is_better=None)
def steps(of: NoSelectors, run: TrainingRun) -> Reading:
    """Optimiser steps that were taken; iterations, where an estimator counts those."""
    return Reading(run.steps, n=run.rows)


@quantity("train.rows_per_second", unit="rows/s", higher_is_better=True)
def rows_per_second(of: NoSelectors, run: TrainingRun) -> Reading:
    """Rows of all steps over the time of the training, that of its evaluations left out."""
    rate = None if run.cost is None else run.cost.rows_per_second
    if rate is None:
        return Reading(None, missing=f"the engine {run.engine} fits the model as a whole: no rows of steps are counted")
    return Reading(rate, n=None if run.cost is None else run.cost.rows)


@quantity("train.peak_memory", unit="bytes", higher_is_better=False)
def peak_memory(of: NoSelectors, run: TrainingRun) -> Reading:
    """The largest resident memory of the job that trains, its interpreter and libraries included."""
    return _of_cost(run, "peak_memory", "")


@quantity("train.peak_device_memory", unit="bytes", higher_is_better=False)
def peak_device_memory(of: NoSelectors, run: TrainingRun) -> Reading:
    """The most that torch held on a GPU during the training."""
    return _of_cost(run, "peak_device_memory", f"the training ran on {run.device}, whose memory torch does not count")


@quantity("train.gpu_utilization", higher_is_better=True, highest=1.0)
def gpu_utilization(of: NoSelectors, run: TrainingRun) -> Reading:
    """The share of time in which the GPU was busy, as its driver tells after each epoch."""
    missing = "" if run.cost is None else run.cost.utilisation_missing
    return _of_cost(run, "utilisation", missing or "nothing tells how busy a GPU was")


@quantity("train.memory_growth", unit="bytes", higher_is_better=False, needs=lambda of: TraceMemory())
def memory_growth(of: NoSelectors, trace: MemoryTrace) -> Reading:
    """Bytes of tensors and Python objects by which a training grows with each optimiser step on the same batch."""
    return Reading(trace.growth("tensor_bytes_S") + trace.growth("python_bytes_S"), n=trace.steps, device=trace.device)


@quantity("model.parameters", unit="parameters", higher_is_better=None)
def parameters(of: NoSelectors, run: TrainingRun) -> Reading:
    """Scalars that an optimiser may change."""
    if run.parameters is None:
        return Reading(None, missing=f"the engine {run.engine} has no parameters that can be counted")
    return Reading(run.parameters)


@quantity("model.size", unit="bytes", higher_is_better=False, needs=lambda of: CountCost())
def size(of: NoSelectors, cost: ModelCost) -> Reading:
    """Bytes of all parameters and buffers."""
    return Reading(cost.size, missing="" if cost.size is not None else cost.missing.get("size", "not counted"))


@quantity("model.flops", unit="operations", higher_is_better=False, needs=lambda of: CountCost())
def flops(of: NoSelectors, cost: ModelCost) -> Reading:
    """Floating-point operations for one row: matrix products, convolutions and attention, with two for a multiply-add."""
    return Reading(cost.flops, missing="" if cost.flops is not None else cost.missing.get("flops", "not counted"))


def _of_cost(run: TrainingRun, name: str, missing: str) -> Reading:
    """What stands in the cost of a run under `name`; where it is not there, `missing` says why."""
    cost: Cost | None = run.cost
    if cost is None:
        return Reading(None, missing=f"the engine {run.engine} measures nothing of its machine")
    value = getattr(cost, name)
    return Reading(None, missing=missing) if value is None else Reading(float(value))
