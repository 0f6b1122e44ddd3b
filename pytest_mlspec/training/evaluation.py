"""Outputs and losses of a model as it stands, in evaluation mode.

With `no_grad`, not `inference_mode`: what a forward keeps for later (lazy layers, caches of positions and masks) must be fit
for training. Out of memory, the rest goes in batches of half the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, Source, forward
from pytest_mlspec.training.losses import LossFunction, as_scalar, denominator
from pytest_mlspec.training.memory import is_out_of_memory

T = TypeVar("T")


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for every module; afterwards each is back in the mode that it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def model_outputs(
    model: nn.Module,
    source: Source,
    batch_size: int,
    *,
    read: Callable[[Tensor, Batch], Tensor] = lambda outputs, batch: outputs,
) -> Tensor:
    """What `read` keeps of the outputs for all rows, in their order, on the CPU.

    Raises TrainingError where the model returns no tensor.
    """

    def outputs_of(batch: Batch) -> Tensor:
        outputs: Any = forward(model, batch)
        if not isinstance(outputs, Tensor):
            raise TrainingError(f"the model returns a {type(outputs).__name__}, not a tensor", key="model")
        if len(outputs) != len(batch):
            raise TrainingError(f"the model returns {len(outputs)} outputs for {len(batch)} rows", key="model")
        return read(outputs, batch).cpu()

    with evaluation_mode(model), torch.no_grad():
        return torch.cat(list(_of_all_rows(source, batch_size, outputs_of)))


def mean_loss(model: nn.Module, source: Source, loss: LossFunction, batch_size: int) -> float:
    """The mean loss over all rows. Synchronises once. Raises TrainingError where the loss of a batch is not one number."""

    def loss_of(batch: Batch) -> tuple[Tensor, Tensor | int]:
        return as_scalar(loss(forward(model, batch), batch), "the loss function"), denominator(loss, batch)

    total: Tensor | float = 0.0
    weight: Tensor | int = 0
    with evaluation_mode(model), torch.no_grad():
        for mean, of_batch in _of_all_rows(source, batch_size, loss_of):
            total = total + mean * of_batch
            weight = weight + of_batch
    return float(total / weight)


def _of_all_rows(source: Source, batch_size: int, measure: Callable[[Batch], T]) -> Iterator[T]:
    """What `measure` gives for each batch, in the order of the rows."""
    if len(source) == 0:
        raise TrainingError("there are no rows to evaluate")
    begin = 0
    while begin < len(source):
        batch = source.fetch(torch.arange(begin, min(begin + batch_size, len(source))))
        try:
            measured = measure(batch)
        except RuntimeError as error:
            if len(batch) == 1 or not is_out_of_memory(error):
                raise
            batch_size = (len(batch) + 1) // 2
            continue
        yield measured
        begin += len(batch)
