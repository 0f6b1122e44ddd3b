"""Outputs and losses of a model as it stands, in evaluation mode.

With `no_grad`, not `inference_mode`: what a forward keeps for later (lazy layers, caches of positions and masks) must be fit
for training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, Source, forward
from pytest_mlspec.training.losses import LossFunction, as_scalar, denominator


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
    with evaluation_mode(model), torch.no_grad():
        for batch in _in_order(source, batch_size):
            outputs: Any = forward(model, batch)
            if not isinstance(outputs, Tensor):
                raise TrainingError(f"the model returns a {type(outputs).__name__}, not a tensor", key="model")
            if len(outputs) != len(batch):
                raise TrainingError(f"the model returns {len(outputs)} outputs for {len(batch)} rows", key="model")
            pieces.append(outputs.cpu())
    return torch.cat(pieces)


def mean_loss(model: nn.Module, source: Source, loss: LossFunction, batch_size: int) -> float:
    """The mean loss over all rows. Synchronises once. Raises TrainingError where the loss of a batch is not one number."""
    total: Tensor | float = 0.0
    weight: Tensor | int = 0
    with evaluation_mode(model), torch.no_grad():
        for batch in _in_order(source, batch_size):
            of_batch = denominator(loss, batch)
            total = total + as_scalar(loss(forward(model, batch), batch), "the loss function") * of_batch
            weight = weight + of_batch
    return float(total / weight)


def _in_order(source: Source, batch_size: int) -> Iterator[Batch]:
    if len(source) == 0:
        raise TrainingError("there are no rows to evaluate")
    return (source.fetch(index) for index in torch.split(torch.arange(len(source)), batch_size))
