"""The exponential moving average of a model's weights, as `torch.optim.swa_utils.AveragedModel` defines it.

After the first optimiser step the average is the weights; after each further one it is `decay` of itself and `1 - decay` of
them. Buffers of floating-point type, such as the running statistics of a BatchNorm, are averaged in the same way: those of
the present weights would not fit the averaged ones. Other buffers, such as counters, are copied.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pytest_mlspec.errors import TrainingError


class Average:
    """`module` is a copy of the model that holds the average; before the first step, the weights at the beginning."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        try:
            self.module = copy.deepcopy(model)
        except Exception as error:  # whatever the team's modules hold that cannot be copied
            raise TrainingError(
                f"the model cannot be copied, so its weights cannot be averaged: {error}",
                key="train.ema",
                advice="keep parameters, buffers and plain values in the model, or remove train.ema",
            ) from error
        self._parameters = list(self.module.parameters())
        self._of_model = list(model.parameters())
        self._mean = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def update(self, model: nn.Module, *, first: bool) -> None:
        """Takes in the weights of `model` after a step; `first` where that was the first one of the training."""
        # A model may assign its buffers anew, so they are asked for each time.
        buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))
        averages = [*self._parameters, *(mine for mine, _ in buffers)]
        present = [*self._of_model, *(its for _, its in buffers)]
        with torch.no_grad():
            if first:
                _copy(averages, present)
                return
            is_mean = [tensor.is_floating_point() for tensor in averages]
            self._mean(
                [tensor for tensor, taken in zip(averages, is_mean, strict=True) if taken],
                [tensor for tensor, taken in zip(present, is_mean, strict=True) if taken],
                None,
            )
            _copy(
                [tensor for tensor, taken in zip(averages, is_mean, strict=True) if not taken],
                [tensor for tensor, taken in zip(present, is_mean, strict=True) if not taken],
            )

    def share_of_start(self, steps: int) -> float:
        """How much of the average after `steps` steps is still the weights after the first of them."""
        return float(self.decay ** (steps - 1))


def _copy(targets: list[Tensor], values: list[Tensor]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.copy_(value)
