"""Everything that changes while a model trains: what is stepped, how far it has come, and what a checkpoint must hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from pytest_mlspec.training.early_stop import Progress
from pytest_mlspec.training.ema import Average
from pytest_mlspec.training.history import Record
from pytest_mlspec.training.schedule import Schedule
from pytest_mlspec.training.seeding import RandomState


@dataclass
class State:
    """A training in progress.

    `step` counts the optimiser steps taken, `epoch` the epochs completed, `position` the steps taken in the present epoch.
    `scaler` scales the loss of a training in fp16, and is None in every other precision. `average` is the moving average of
    the weights, where there is one. `compiled` is the model as training steps call it, where that is not the model itself.
    `micro_rows` bounds the rows that go through the model at a time, once memory has run out. `rng` is the state of the
    global generators while the training is paused: `fit` leaves it here and takes it from here, so what a program draws
    between two calls of `fit` changes nothing. `stopped_early` says why, and is empty while it has not. `notes` are what a
    reader of the run should know.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: Schedule | None
    seed: int
    device: torch.device
    scaler: GradScaler | None = None
    average: Average | None = None
    compiled: nn.Module | None = None
    micro_rows: int | None = None
    step: int = 0
    epoch: int = 0
    position: int = 0
    early_stop: Progress = field(default_factory=Progress)
    stopped_early: str = ""
    record: Record = field(default_factory=Record)
    rng: RandomState | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def evaluated(self) -> nn.Module:
        """The model that is evaluated, judged and kept: that of the average where there is one."""
        return self.model if self.average is None else self.average.module
