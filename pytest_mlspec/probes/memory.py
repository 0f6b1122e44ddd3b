"""`TraceMemory`: what a training holds after each of its optimiser steps, all on the same batch.

The steps are those of the loop: `take_step` with the team's own `training_step`, the schedule, and the average of the weights.
Garbage is collected before each look, so that only what is held is counted. What C++ alone holds, such as the graph behind
a kept loss, shows in the tensor that holds it, and in the resident memory.

Shape letters: S optimiser steps.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Array, MemoryTrace
from pytest_mlspec.jobs import TraceMemory
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import take_step

# The share of the steps in which optimisers make their state, and libraries what they keep.
_WARMUP = 1 / 3
_LINES, _LEAST_BYTES = 3, 64
_MOST_NODES = 100_000
_FUNCTIONS = frozenset({FunctionType, MethodType, partial})
# Fewer a step are not more of a kind, but one that has become larger.
_LEAST_MORE = 0.05


def trace_memory(job: TraceMemory, work: Work) -> Result:
    """Takes the steps and looks after each; raises NotApplicableError for an engine whose steps are not those of the loop."""
    engine = work.spec.train.engine.use
    if engine != "torch":
        raise NotApplicableError(f"the engine {engine} takes its steps itself")
    with from_outside("the probe of memory", key="model"):
        assembly = assemble(work)
        length = max(assembly.total_steps, job.steps)
        assembly = replace(assembly, settings=replace(assembly.settings, steps=length, epochs=None))
        warmup = int(job.steps * _WARMUP)
        trace = _Trace(job.steps - warmup, assembly.device.device)
        with trace.looking():
            for step in _steps(assembly, work.spec.train.seed, job.steps):
                if step == warmup - 1:
                    trace.begin()
                elif step >= warmup:
                    trace.look(step - warmup)
            grown, lines = trace.grown(), trace.lines(work.root)
    return Result(
        MemoryTrace(
            steps=job.steps,
            device=assembly.device.name,
            **{name: Array.of(values) for name, values in trace.series.items()},
            warmup=warmup,
            grown=grown,
            lines=lines,
        )
    )


def _steps(assembly: Assembly, seed: int, number: int) -> Iterator[int]:
    """Takes so many steps on the first batch, and gives the number of each, from 0, once it is taken."""
    source = assembly.source(assembly.examples)
    order = assembly.settings.order(len(source), seed).steps(0)
    batches = [source.fetch(index) for index in order[0]]
    state = assembly.new_state(seed)
    state.model.train()
    for step in range(number):
        _take(state, assembly, batches)
        yield step


def _take(state: State, assembly: Assembly, batches: list[Batch]) -> None:
    take_step(
        state,
        batches,
        loss=assembly.loss,
        training_step=assembly.recipe.training_step,
        clip_norm=assembly.settings.clip_norm,
        precision=assembly.settings.precision,
    )
    state.step += 1
    state.position += 1
    if state.average is not None:
        state.average.update(state.model, first=state.step == 1)
    if state.schedule is not None:
        state.schedule.after_step()


class _Trace:
    """What was seen after each step; everything that it holds itself is there before the first.

    Only objects that are younger than the warm-up are looked through: there are few of them, whatever the process holds.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self._steps, self._device = steps, device
        names = ("tensors_S", "tensor_bytes_S", "nodes_S", "functions_S", "python_bytes_S", "resident_S")
        self.series = {name: np.zeros(steps, dtype=np.int64) for name in names}
        self.series["device_S"] = np.zeros(steps if device.type == "cuda" else 0, dtype=np.int64)
        self._process = psutil.Process()
        self._kinds: list[Counter[str]] = []
        self._snapshots: list[tracemalloc.Snapshot] = []

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Afterwards the collector and the tracing of allocations are as they were."""
        try:
            yield
        finally:
            tracemalloc.stop()
            gc.unfreeze()

    def begin(self) -> None:
        """From here on what is allocated is seen."""
        gc.collect()
        gc.freeze()
        tracemalloc.start()

    def look(self, step: int) -> None:
        """Looks at what is held after `step`, from 0."""
        gc.collect()
        self.series["python_bytes_S"][step] = tracemalloc.get_traced_memory()[0]
        self.series["resident_S"][step] = self._process.memory_info().rss
        objects = gc.get_objects()
        # By its type: `isinstance` would ask a proxy for its class, and so import what it stands for.
        tensors = [each for each in objects if issubclass(type(each), Tensor)]
        self.series["functions_S"][step] = sum(type(each) in _FUNCTIONS for each in objects)
        self.series["tensors_S"][step] = len(tensors)
        self.series["tensor_bytes_S"][step] = sum(each.nbytes for each in tensors)
        self.series["nodes_S"][step] = _nodes_behind(tensors)
        if self._device.type == "cuda":
            self.series["device_S"][step] = torch.cuda.memory_allocated(self._device)
        if step in (0, self._steps - 1):
            self._kinds.append(_kinds(tensors))
            self._snapshots.append(tracemalloc.take_snapshot())

    def grown(self) -> tuple[str, ...]:
        """The kinds of tensors of which there are more at the end, with how many more a step."""
        first, last = self._kinds
        more = last - first
        return tuple(
            f"{kind}: {count / self._between:.2g} a step"
            if count / self._between >= _LEAST_MORE
            else f"{kind}: new at the end"
            for kind, count in more.most_common(_LINES)
        )

    def lines(self, root: Path) -> tuple[str, ...]:
        """The lines of code that hold more at the end, with how many bytes more a step."""
        ignored = [tracemalloc.Filter(False, path) for path in (__file__, tracemalloc.__file__)]
        first, last = (snapshot.filter_traces(ignored) for snapshot in self._snapshots)
        found = [each for each in last.compare_to(first, "lineno") if each.size_diff / self._between >= _LEAST_BYTES]
        return tuple(
            f"{_shown(each.traceback[0], root)}: {each.size_diff / self._between:,.0f} bytes a step"
            for each in found[:_LINES]
        )

    @property
    def _between(self) -> int:
        return self._steps - 1


def _nodes_behind(tensors: list[Tensor]) -> int:
    """The nodes of all graphs that the tensors hold."""
    waiting = [each.grad_fn for each in tensors if each.grad_fn is not None]
    # The nodes themselves, not their addresses: Python's view of one is made anew where nothing holds it.
    seen = set(waiting)
    while waiting and len(seen) < _MOST_NODES:
        for node, _ in waiting.pop().next_functions:
            if node is not None and node not in seen:
                seen.add(node)
                waiting.append(node)
    return len(seen)


def _kinds(tensors: list[Tensor]) -> Counter[str]:
    return Counter(
        f"{str(each.dtype).removeprefix('torch.')} {list(each.shape)}{' with its graph' if each.grad_fn else ''}"
        for each in tensors
    )


def _shown(frame: Any, root: Path) -> str:
    path = Path(frame.filename)
    return f"{path.relative_to(root) if path.is_relative_to(root) else path.name}:{frame.lineno}"
