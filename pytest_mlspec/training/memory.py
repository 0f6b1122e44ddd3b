"""Out of memory: the micro-batch is halved, and a step keeps its rows.

A step is then the sum over more, smaller micro-batches, each by its share of the rows: the same gradient but for rounding.
Refused where that does not hold: with batch statistics in training, and where the team's code owns the step. CUDA's
`OutOfMemoryError` is untested on CUDA; the CPU allocator raises a plain RuntimeError.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

_KEY = "train.batch_size"
_CPU_ALLOCATOR = "DefaultCPUAllocator"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch raised `error` because a tensor could not be allocated."""
    return isinstance(error, torch.OutOfMemoryError) or _CPU_ALLOCATOR in str(error)


def shrink(state: State, batches: Sequence[Batch], *, owned: bool) -> None:
    """Halves the micro-batch of `state` after `batches` did not fit; raises TrainingError where that would not be exact.

    `owned` says that the team's code takes the steps.
    """
    rows = max(map(len, batches))
    at = f"out of memory at step {state.step + 1} with {rows} {'row' if rows == 1 else 'rows'} at a time"
    statistics = [name for name, module in state.model.named_modules() if _has_batch_statistics(module)]
    if owned:
        raise TrainingError(
            f"{at}; training_step is given whole batches, which cannot be made smaller",
            key=_KEY,
            advice="lower train.batch_size, or let training_step go: loss and accumulate do without it",
        )
    if statistics:
        raise TrainingError(
            f"{at}; smaller micro-batches would change the batch statistics of {statistics[0]}",
            key=_KEY,
            advice="lower train.batch_size, or take a normalisation within the row (GroupNorm, LayerNorm)",
        )
    if rows == 1:
        raise TrainingError(at, key=_KEY, advice="make the model or its inputs smaller, or use precision: bf16")
    if state.device.type == "cuda":
        torch.cuda.empty_cache()
    state.micro_rows = (rows + 1) // 2
    state.notes.append(f"{at}: from there on micro-batches of {state.micro_rows}, with the same rows in a step")


def divided(batches: Sequence[Batch], rows: int) -> list[Batch]:
    """`batches` in parts of at most `rows` rows."""
    return [
        _part(batch, begin, min(begin + rows, len(batch))) for batch in batches for begin in range(0, len(batch), rows)
    ]


def _part(batch: Batch, begin: int, end: int) -> Batch:
    def taken(values: Tensor) -> Tensor:
        return values[begin:end]

    inputs = batch.inputs
    return Batch(
        {name: taken(values) for name, values in inputs.items()} if isinstance(inputs, dict) else taken(inputs),
        None if batch.targets is None else taken(batch.targets),
        taken(batch.index),
    )


def _has_batch_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and (module.training or not module.track_running_stats)
