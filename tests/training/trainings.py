"""Small trainings that the tests share: 37 rows, so that the last batch of 8 is ragged."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_mlspec.training import losses
from pytest_mlspec.training.batches import Batch, ResidentSource, Source, Step
from pytest_mlspec.training.evaluation import mean_loss
from pytest_mlspec.training.loop import Evaluate, LoopSettings
from pytest_mlspec.training.optim import build_optimizer
from pytest_mlspec.training.schedule import Schedule, build_schedule
from pytest_mlspec.training.seeding import generator, seed_everything
from pytest_mlspec.training.state import State

CPU = torch.device("cpu")
ROWS, FEATURES, CLASSES = 37, 6, 3
CROSS_ENTROPY = losses.build("cross_entropy", {})
MSE = losses.build("mse", {})


def classification() -> tuple[Tensor, Tensor]:
    """Inputs [37, 6] and the class numbers [37] that a linear rule gives them."""
    inputs = torch.randn(ROWS, FEATURES, generator=generator(0, "inputs"))
    return inputs, (inputs @ torch.randn(FEATURES, CLASSES, generator=generator(0, "rule"))).argmax(1)


def source_of(inputs: Tensor, targets: Tensor | None) -> ResidentSource:
    """The rows on the CPU."""
    return ResidentSource(inputs, targets, CPU)


def network(dropout: float = 0.0) -> nn.Sequential:
    """Six features to three classes, with weights that do not depend on what was drawn before."""
    seed_everything(0)
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, CLASSES))


def new_state(
    model: nn.Module | None = None, optimizer: tuple[str, Mapping[str, Any]] = ("adamw", {"lr": 0.01}), *, seed: int = 0
) -> State:
    """A state at step 0 without a schedule."""
    model = network() if model is None else model
    return State(model, build_optimizer(*optimizer, model), None, seed, CPU)


def with_schedule(state: State, name: str, arguments: Mapping[str, Any], settings: LoopSettings) -> State:
    """`state` with the schedule called `name` for the 37 rows."""
    state.schedule = schedule_for(state, name, arguments, settings)
    return state


def schedule_for(state: State, name: str, arguments: Mapping[str, Any], settings: LoopSettings) -> Schedule:
    """The schedule called `name` for a training of `state` on the 37 rows."""
    return build_schedule(
        name,
        arguments,
        state.optimizer,
        total_steps=settings.total_steps(ROWS),
        steps_per_epoch=settings.order(ROWS, 0).steps_per_epoch,
    )


def validation_loss(source: Source) -> Evaluate:
    """An `evaluate` that measures `val.loss` on `source`."""
    return lambda state: {"val.loss": mean_loss(state.model, source, CROSS_ENTROPY, batch_size=16)}


def scripted(*values: float, name: str = "val.loss") -> Evaluate:
    """An `evaluate` that answers with `values`, one an epoch."""
    return lambda state: {name: values[state.epoch]}


class NoisySource:
    """Rows with noise from the global generators of Python and NumPy, as in a user's augmentation."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def fetch(self, index: Tensor) -> Batch:
        """The rows `index`, scaled and shifted at random."""
        noise = torch.from_numpy(np.random.standard_normal((len(index), FEATURES))).float()
        return Batch(self.inputs[index] * random.uniform(0.9, 1.1) + 0.1 * noise, self.targets[index], index)

    def steps(self, order: Sequence[Step], epoch: int) -> Iterator[list[Batch]]:
        """The batches of `order`, each drawn when it is asked for."""
        return ([self.fetch(index) for index in step] for step in order)
