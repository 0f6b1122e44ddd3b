"""The rows of a training as Lightning asks for them: batches `(inputs, targets)` that lie on the device.

What comes next is read from the state of the training and not counted here, so a restored one goes on at its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.training.batches import Batch, Inputs, Source, Step
from pytest_mlspec.training.state import State

Pair = tuple[Inputs, Tensor | None]
"""What `training_step` gets: one tensor or tensors by name, and the targets."""


class TrainingRows:
    """The batches of an epoch; `batches` are those of the step that is being taken.

    A training on a few batches has one epoch, as long as it is, so that nothing is done at the end of each pass over them.
    """

    def __init__(self, assembly: Assembly, source: Source, state: Callable[[], State], seed: int) -> None:
        self.batches: list[Batch] = []
        self._assembly = assembly
        self._source = source
        self._state = state
        self._order = assembly.settings.order(len(assembly.examples), seed)
        self._length = sum(map(len, self.steps(0)))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Pair]:
        state = self._state()
        asked = time.perf_counter()
        for batches in self._source.steps(self.steps(state.epoch)[state.position :], state.epoch):
            fetching = time.perf_counter() - asked
            state.record.add_seconds("fetch", fetching)
            state.record.seconds_in_epoch += fetching
            self.batches = batches
            for batch in batches:
                yield batch.inputs, batch.targets
            asked = time.perf_counter()

    def steps(self, epoch: int) -> list[Step]:
        """The row numbers of the batches of each optimiser step of `epoch`."""
        steps = self._order.steps(epoch)
        if self._assembly.batches is None:
            return steps
        return [steps[number % len(steps)] for number in range(self._assembly.total_steps)]

    def at(self, step: int) -> list[Batch]:
        """The batches of an optimiser step of the whole training, from 0."""
        epoch, position = divmod(step, len(self.steps(0)))
        return [self._source.fetch(index) for index in self.steps(epoch)[position]]

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the position is that of the training. Lightning takes a loader without this for one that cannot go on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Does nothing, as there is nothing to load."""


class ValidationRows:
    """The batches of the validation split, in the order of its rows, for the module's `validation_step`."""

    def __init__(self, source: Source, rows: int) -> None:
        self._source = source
        self._batches = torch.split(torch.arange(len(source)), rows)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Pair]:
        for index in self._batches:
            batch = self._source.fetch(index)
            yield batch.inputs, batch.targets
