"""Rows become batches, in an order that is a function of the seed and the epoch.

So any position of any epoch can be found again without a replay: that is what makes a resume in the middle of an epoch
exact. Left out: rows that are made in worker processes (`loader.py`), and rows that change at random (`augment.py`).

Shape letters: N rows, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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


Step = tuple[Tensor, ...]
"""The row numbers of each micro-batch of one optimiser step; every tensor is [B, int64, on the CPU]."""


class Source(Protocol):
    """Rows that can be fetched by number, and walked through in the order of an epoch. Batches lie on the device."""

    def __len__(self) -> int: ...

    def fetch(self, index: Tensor) -> Batch:
        """The batch of the rows `index` [B, int64, on the CPU], as evaluation sees them: the same at every call."""
        ...

    def steps(self, order: Sequence[Step], epoch: int) -> Iterator[list[Batch]]:
        """The micro-batches of each step of `order`, as training sees them in `epoch`.

        `order` is what is left of the epoch, so what a row looks like may not depend on the steps before it.
        """
        ...


# An epoch is put in order in pieces of at most so many bytes: one index operation serves many steps.
_PIECE_BYTES = 64_000_000
# Torch's own alignment. A library of linear algebra may round otherwise where a batch begins elsewhere.
_ALIGNMENT = 64


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

    def steps(self, order: Sequence[Step], epoch: int) -> Iterator[list[Batch]]:
        """The batches of `order`, as slices of rows that were put in order together; every epoch sees the same rows."""
        for piece in _pieces(order, self._steps_at_once(order)):
            if len(piece) == 1:
                yield [self.fetch(index) for index in piece[0]]
                continue
            indices = [index for step in piece for index in step]
            sizes = [len(index) for index in indices]
            whole = self.fetch(torch.cat(indices))
            targets = [None] * len(sizes) if whole.targets is None else torch.split(whole.targets, sizes)
            batches = map(Batch, _split(whole.inputs, sizes), targets, indices)
            for step in piece:
                yield [next(batches) for _ in step]

    def _steps_at_once(self, order: Sequence[Step]) -> int:
        """How many steps are put in order together; 1 where a slice would not begin at an aligned address."""
        rows, bytes_of_step = len(order[0][0]) if order else 0, 0
        for values in (*_tensors(self._inputs), *([] if self._targets is None else [self._targets])):
            bytes_of_batch = rows * values[:1].nbytes
            if bytes_of_batch % _ALIGNMENT:
                return 1
            bytes_of_step += bytes_of_batch * len(order[0])
        return max(1, _PIECE_BYTES // max(1, bytes_of_step))


@dataclass(frozen=True)
class EpochOrder:
    """Which rows each optimiser step of each epoch sees.

    A step takes `accumulate` micro-batches of `batch_size` rows; the last step of an epoch takes what is left, or is left
    out with `drop_last`. So `accumulate` micro-batches hold exactly the rows of one batch that is `accumulate` times as large.
    With `weights` [N], an epoch is N draws with replacement, of each row as often on average as its weight says, as in
    `torch.utils.data.WeightedRandomSampler`.
    """

    rows: int
    batch_size: int
    seed: int
    accumulate: int = 1
    shuffle: bool = True
    drop_last: bool = False
    weights: Tensor | None = field(default=None, compare=False)

    @property
    def rows_per_step(self) -> int:
        """The rows of a full step."""
        return self.batch_size * self.accumulate

    @property
    def steps_per_epoch(self) -> int:
        """The optimiser steps of an epoch; 0 where there are too few rows for one."""
        full, left = divmod(self.rows, self.rows_per_step)
        return full + (left > 0 and not self.drop_last)

    def steps(self, epoch: int) -> list[Step]:
        """The row numbers of every micro-batch of every step of `epoch` (counted from 0)."""
        if not self.rows:
            return []
        # One split into micro-batches, and no tensor operation a step: this is paid for every step of every training.
        micro_batches = torch.split(self._rows_in_order(epoch), self.batch_size)
        begins = range(0, self.steps_per_epoch * self.accumulate, self.accumulate)
        return [micro_batches[begin : begin + self.accumulate] for begin in begins]

    def _rows_in_order(self, epoch: int) -> Tensor:
        if self.weights is not None:
            heights_N = self.weights.double().cumsum(0)
            draws_N = torch.rand(self.rows, dtype=torch.float64, generator=generator(self.seed, "draws", epoch))
            # The clamp is for a draw that is rounded up to the whole height.
            return torch.searchsorted(heights_N, draws_N * heights_N[-1], right=True).clamp(max=self.rows - 1)
        if self.shuffle:
            return torch.randperm(self.rows, generator=generator(self.seed, "order", epoch))
        return torch.arange(self.rows)


def balanced_weights(classes: Tensor) -> Tensor:
    """A weight for each row [N], so that each of the `classes` [N, int64] that has rows is drawn as often."""
    counts_C = torch.bincount(classes)
    return 1 / counts_C[classes].double()


def forward(model: nn.Module, batch: Batch) -> Any:
    """The outputs of `model`: its arguments are the inputs by name where there are several, else the one tensor."""
    return model(**batch.inputs) if isinstance(batch.inputs, dict) else model(batch.inputs)


def _each(inputs: Inputs, apply: Callable[[Tensor], Tensor]) -> Inputs:
    if isinstance(inputs, dict):
        return {name: apply(values) for name, values in inputs.items()}
    return apply(inputs)


def _split(inputs: Inputs, sizes: list[int]) -> Iterable[Inputs]:
    if not isinstance(inputs, dict):
        return torch.split(inputs, sizes)
    parts = zip(*(torch.split(values, sizes) for values in inputs.values()), strict=True)
    return (dict(zip(inputs, part, strict=True)) for part in parts)


def _tensors(inputs: Inputs) -> Iterable[Tensor]:
    return inputs.values() if isinstance(inputs, dict) else (inputs,)


def _pieces(order: Sequence[Step], steps: int) -> Iterator[Sequence[Step]]:
    return (order[begin : begin + steps] for begin in range(0, len(order), steps))
