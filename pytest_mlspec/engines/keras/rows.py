"""The rows of a training as Keras asks for them: batches `(inputs, targets)` by their number within an epoch.

Shape letters: C classes.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.training.batches import Batch, Source, Step
from pytest_mlspec.training.state import State


class Rows(keras.utils.PyDataset):  # type: ignore[misc]
    """What is left of the present epoch of `state`, then whole epochs; rows weigh as much as `weight_C` says of their class.

    A training on a few batches has one epoch, as long as it is.
    """

    def __init__(self, assembly: Assembly, source: Source, state: State, weight_C: Tensor | None = None) -> None:
        super().__init__()
        self._weight_C = weight_C
        self._assembly = assembly
        self._source = source
        self._state = state
        self._order = assembly.settings.order(len(assembly.examples), state.seed)
        self._steps: list[Step] = []
        self.on_epoch_begin()

    @property
    def epochs(self) -> int:
        """The epochs of the whole training; the last one may be cut short."""
        return 1 if self._assembly.batches else math.ceil(self._assembly.total_steps / self._order.steps_per_epoch)

    @property
    def steps_per_epoch(self) -> int:
        """The steps of a whole epoch."""
        return self._assembly.total_steps if self._assembly.batches else self._order.steps_per_epoch

    def on_epoch_begin(self) -> None:
        """Takes the order of the epoch that the training has come to."""
        steps = self._order.steps(0 if self._assembly.batches else self._state.epoch)
        if self._assembly.batches:
            steps = [steps[number % len(steps)] for number in range(self._assembly.total_steps)]
        self._steps = steps[self._state.position :]

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        batch = self.batch(number)
        if self._weight_C is None or batch.targets is None:
            return batch.inputs, batch.targets
        return batch.inputs, batch.targets, self._weight_C[batch.targets]

    def batch(self, number: int) -> Batch:
        """The batch of that number, from where the epoch was taken up."""
        [batches] = self._source.steps([self._steps[number]], self._state.epoch)
        return batches[0]

    def index(self, number: int) -> Tensor:
        """The rows of the batch, by their position in the source."""
        return torch.cat(self._steps[number])
