"""`memory`: a training holds no more after many optimiser steps than after a few."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from pytest_mlspec.check import Params, Verdict, at_most, check, errored, first_red
from pytest_mlspec.evidence import MemoryTrace
from pytest_mlspec.jobs import TraceMemory

_FEWEST = 12


class _Held(NamedTuple):
    """A series of the trace, the parameter that bounds its growth, and what is told where it grows."""

    series: str
    bound: str
    what: str
    unit: str
    advice: str


_HELD = (
    _Held("tensors_S", "tensors_at_most", "living tensors grow", "tensors", "a list of losses? keep loss.item()"),
    _Held("tensor_bytes_S", "bytes_at_most", "tensors grow", "bytes", "a buffer or a cache that is made longer?"),
    _Held("nodes_S", "tensors_at_most", "graphs that are held grow", "nodes", "a sum of losses? add loss.item()"),
    _Held("functions_S", "tensors_at_most", "functions grow", "functions", "a hook registered in every step?"),
    _Held(
        "python_bytes_S", "bytes_at_most", "Python's objects grow", "bytes", "a list or array that is never emptied?"
    ),
    _Held("resident_S", "resident_at_most", "the process grows", "bytes", "what does a library keep?"),
    _Held("device_S", "bytes_at_most", "the GPU holds more", "bytes", "what does a library keep?"),
)


class MemoryParams(Params):
    """`steps` is how many steps are taken, all on the same batch; the first third warms up.

    What is held more after one or two of the others is taken for what is made once: take more steps, three times in the last
    two thirds of them, where the team's step does something every so often.

    What may be held more after each step: `tensors_at_most` tensors, `bytes_at_most` bytes of tensors, of Python's objects, and
    on a GPU; `resident_at_most` bytes of the whole process, which other libraries take and give back as they like.
    """

    steps: int = Field(60, ge=_FEWEST, le=10_000)
    tensors_at_most: float = Field(0.05, ge=0)
    bytes_at_most: float = Field(1000.0, ge=0)
    resident_at_most: float = Field(1e6, ge=0)


@check("memory", needs=lambda p: {"trace": TraceMemory(steps=p.steps)})
def memory(params: MemoryParams, trace: MemoryTrace) -> Verdict:
    """A training holds no more memory with each optimiser step."""
    return _judged(params, trace).on(n=trace.steps, device=trace.device)


def _judged(params: MemoryParams, trace: MemoryTrace) -> Verdict:
    if trace.steps - trace.warmup < _FEWEST // 2:
        return errored(f"{trace.steps} steps were measured, {trace.warmup} of them to warm up: too few to see a growth")
    held = _HELD if len(trace.device_S) else _HELD[:-1]
    verdict = first_red(*(_growth(each, params, trace) for each in held))
    return verdict.explained(*((*trace.grown, *trace.lines) if verdict.status.red else ()))


def _growth(held: _Held, params: MemoryParams, trace: MemoryTrace) -> Verdict:
    allowed: float = getattr(params, held.bound)
    of = f"{held.what} with each step by"
    return at_most(trace.growth(held.series), allowed, of=of, unit=held.unit).explained(advice=held.advice)
