"""Rows become batches, in an order that is a function of the seed and the epoch.

So any position of any epoch can be found again without a replay: that is what makes a resume in the middle of an epoch
exact. Left out: worker processes that load data; rows either lie on the device or are collated in the training process.

Shape letters: N rows, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pytest_mlspec.training.seeding import generator

Inputs = Tensor | dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """`inputs` and `targets` of the rows `index` [B, int64, on the CPU]; targets are None where there are none."""

    inputs: Inputs
    targets: Tensor | None
    index: Tensor

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device) -> Batch:
        """The batch with inputs and targets on `device`."""
        targets = None if self.targets is None else self.targets.to(device)
        return Batch(_each(self.inputs, lambda values: values.to(device)), targets, self.index)


class Source(Protocol):
    """Rows that can be fetched by number."""

    def __len__(self) -> int: ...

    def fetch(self, index: Tensor) -> Batch:
        """The batch of the rows `index` [B, int64, on the CPU], on the device of the training."""
        ...


class ResidentSource:
    """Rows that lie on the device as a whole: a batch is an index operation there, and nothing crosses the bus."""

    def __init__(self, inputs: Inputs, targets: Tensor | None, device: torch.device) -> None:
        self._inputs = _each(inputs, lambda values: values.to(device))
        self._targets = None if targets is None else targets.to(device)
        self._device = device
        first = inputs if isinstance(inputs, Tensor) else next(iter(inputs.values()))
        self._rows = len(first)

    def __len__(self) -> int:
        return self._rows

    def fetch(self, index: Tensor) -> Batch:
        """The batch of the rows `index`."""
        at = index if self._device.type == "cpu" else index.to(self._device, non_blocking=True)
        targets = None if self._targets is None else self._targets.index_select(0, at)
        return Batch(_each(self._inputs, lambda values: values.index_select(0, at)), targets, index)


class CollatedSource:
    """Rows that a function makes into a batch when they are asked for, such as text of different lengths."""

    def __init__(self, rows: int, collate: Callable[[Tensor], Batch], device: torch.device) -> None:
        self._rows = rows
        self._collate = collate
        self._device = device

    def __len__(self) -> int:
        return self._rows

    def fetch(self, index: Tensor) -> Batch:
        """The batch that `collate` makes of the rows `index`, on the device."""
        return self._collate(index).to(self._device)


@dataclass(frozen=True)
class EpochOrder:
    """Which rows each optimiser step of each epoch sees.

    A step takes `accumulate` micro-batches of `batch_size` rows; the last step of an epoch takes what is left, or is left
    out with `drop_last`. So `accumulate` micro-batches hold exactly the rows of one batch that is `accumulate` times as large.
    """

    rows: int
    batch_size: int
    seed: int
    accumulate: int = 1
    shuffle: bool = True
    drop_last: bool = False

    @property
    def rows_per_step(self) -> int:
        """The rows of a full step."""
        return self.batch_size * self.accumulate

    @property
    def steps_per_epoch(self) -> int:
        """The optimiser steps of an epoch; 0 where there are too few rows for one."""
        full, left = divmod(self.rows, self.rows_per_step)
        return full + (left > 0 and not self.drop_last)

    def steps(self, epoch: int) -> list[tuple[Tensor, ...]]:
        """The row numbers of every micro-batch of every step of `epoch` (counted from 0)."""
        if self.shuffle:
            order_N = torch.randperm(self.rows, generator=generator(self.seed, "order", epoch))
        else:
            order_N = torch.arange(self.rows)
        steps = torch.split(order_N, self.rows_per_step)[: self.steps_per_epoch]
        return [torch.split(step, self.batch_size) for step in steps]


def forward(model: nn.Module, batch: Batch) -> Any:
    """The outputs of `model`: its arguments are the inputs by name where there are several, else the one tensor."""
    return model(**batch.inputs) if isinstance(batch.inputs, dict) else model(batch.inputs)


def _each(inputs: Inputs, apply: Callable[[Tensor], Tensor]) -> Inputs:
    if isinstance(inputs, dict):
        return {name: apply(values) for name, values in inputs.items()}
    return apply(inputs)
