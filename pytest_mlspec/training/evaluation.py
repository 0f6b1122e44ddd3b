"""Outputs and losses of a model as it stands, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, Source, forward
from pytest_mlspec.training.losses import LossFunction, denominator


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


def model_outputs(model: nn.Module, source: Source, batch_size: int) -> Tensor:
    """The outputs for all rows, in their order, on the CPU. Raises TrainingError where the model returns no tensor."""
    pieces: list[Tensor] = []
    with evaluation_mode(model), torch.inference_mode():
        for batch in _in_order(source, batch_size):
            outputs: Any = forward(model, batch)
            if not isinstance(outputs, Tensor):
                raise TrainingError(f"the model returns a {type(outputs).__name__}, not a tensor", key="model")
            if len(outputs) != len(batch):
                raise TrainingError(f"the model returns {len(outputs)} outputs for {len(batch)} rows", key="model")
            pieces.append(outputs.cpu())
    return torch.cat(pieces)  # outside inference mode, so that the result is an ordinary tensor


def mean_loss(model: nn.Module, source: Source, loss: LossFunction, batch_size: int) -> float:
    """The mean loss over all rows. Synchronises once."""
    total: Tensor | float = 0.0
    weight: Tensor | int = 0
    with evaluation_mode(model), torch.inference_mode():
        for batch in _in_order(source, batch_size):
            of_batch = denominator(loss, batch)
            total = total + loss(forward(model, batch), batch) * of_batch
            weight = weight + of_batch
    return float(total / weight)


def _in_order(source: Source, batch_size: int) -> Iterator[Batch]:
    if len(source) == 0:
        raise TrainingError("there are no rows to evaluate")
    return (source.fetch(index) for index in torch.split(torch.arange(len(source)), batch_size))
