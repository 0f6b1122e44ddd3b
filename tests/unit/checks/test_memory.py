"""`memory` is green only where enough steps were looked at and nothing grew with them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.memory import MemoryParams, memory
from pytest_mlspec.evidence import Array, MemoryTrace

STEPS = 40
SERIES = ("tensors_S", "tensor_bytes_S", "nodes_S", "functions_S", "python_bytes_S", "resident_S")


def trace(warmup: int = 20, **changes: Any) -> MemoryTrace:
    """40 steps behind the warm-up that hold as much as the first of them, but for these series."""
    flat: dict[str, Any] = {**dict.fromkeys(SERIES, Array.of([1000] * STEPS)), "device_S": Array.of([])}
    made = {name: Array.of(value) if name.endswith("_S") else value for name, value in changes.items()}
    return MemoryTrace(**{"steps": STEPS + warmup, "device": "cpu", **flat, "warmup": warmup, **made})


def judged(params: MemoryParams | None = None, **series: Any) -> Verdict:
    return memory(params or MemoryParams(), trace(**series))


def rising(by: float, every: int = 1) -> list[float]:
    """1000, and `by` more after each step whose number `every` divides."""
    return [1000 + by * (step // every) for step in range(STEPS)]


def test_memory_that_stays_passes() -> None:
    """With how much each kind grew."""
    verdict = judged()

    assert verdict.status is Status.PASSED
    assert verdict.summary == "living tensors grow with each step by 0 tensors, at most 0.05 tensors"
    assert (verdict.n, len(verdict.facts)) == (60, 5)


@pytest.mark.parametrize(
    ("name", "by", "summary"),
    [
        ("tensors_S", 1, "living tensors grow with each step by 1 tensors, at most 0.05 tensors"),
        ("tensor_bytes_S", 8192, "tensors grow with each step by 8192 bytes, at most 1000 bytes"),
        ("nodes_S", 7, "graphs that are held grow with each step by 7 nodes, at most 0.05 nodes"),
        ("functions_S", 1, "functions grow with each step by 1 functions, at most 0.05 functions"),
        ("python_bytes_S", 2048, "Python's objects grow with each step by 2048 bytes, at most 1000 bytes"),
        ("resident_S", 4e6, "the process grows with each step by 4000000 bytes, at most 1000000 bytes"),
        ("device_S", 4096, "the GPU holds more with each step by 4096 bytes, at most 1000 bytes"),
    ],
)
def test_what_grows_with_each_step_fails(name: str, by: float, summary: str) -> None:
    """And what grew is named."""
    series: dict[str, Any] = {name: rising(by)}
    verdict = judged(**series, grown=("float32 []: 1 a step",), lines=("team.py:3: 90 bytes a step",))

    assert (verdict.status, verdict.summary) == (Status.FAILED, summary)
    assert {"float32 []: 1 a step", "team.py:3: 90 bytes a step"} <= set(verdict.facts)


def test_a_tensor_of_each_tenth_step_fails() -> None:
    """Three in forty steps, of which the two largest changes do not count, would be no evidence; four are."""
    assert judged(tensors_S=[*rising(1, every=8)]).status is Status.FAILED


@pytest.mark.parametrize("at", [1, 17, 39])
def test_what_is_allocated_once_is_no_growth(at: int) -> None:
    """Such as by a late import, however large, or what is made twice."""
    once = [1000 + (50_000_000 if step >= at else 0) for step in range(STEPS)]

    assert judged(python_bytes_S=once, resident_S=once, tensor_bytes_S=once).status is Status.PASSED


def test_what_comes_and_goes_is_no_growth() -> None:
    """A buffer of two sizes."""
    waves = [1000 + 50_000 * (step % 2) for step in range(STEPS)]

    assert judged(tensor_bytes_S=waves, python_bytes_S=waves).status is Status.PASSED


@pytest.mark.parametrize(("by", "status"), [(1000, Status.PASSED), (1001, Status.FAILED)])
def test_growth_may_reach_its_bound(by: int, status: Status) -> None:
    """A log of numbers is some hundred bytes a step."""
    assert judged(python_bytes_S=rising(by)).status is status


@pytest.mark.parametrize("values", [[], [1000], [1000, 1000], [math.nan] * STEPS])
def test_too_little_is_an_error(values: list[float]) -> None:
    """No growth was measured, and none is passed."""
    assert judged(tensors_S=values).status is Status.ERROR


def test_too_few_steps_are_an_error() -> None:
    """Those behind the warm-up count."""
    assert judged(steps=24).status is Status.ERROR
