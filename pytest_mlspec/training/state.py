"""Everything that changes while a model trains: what is stepped, how far it has come, and what a checkpoint must hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.optim import Optimizer

from pytest_mlspec.training.early_stop import Progress
from pytest_mlspec.training.history import Record
from pytest_mlspec.training.schedule import Schedule
from pytest_mlspec.training.seeding import RandomState


@dataclass
class State:
    """A training in progress.

    `step` counts the optimiser steps taken, `epoch` the epochs completed, `position` the steps taken in the present epoch.
    `scaler` is kept for half-precision gradients and is None in every precision that the core has today. `rng` is the state
    of the global generators while the training is paused: `fit` leaves it here and takes it from here, so what a program
    draws between two calls of `fit` changes nothing. `stopped_early` says why, and is empty while it has not.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: Schedule | None
    seed: int
    device: torch.device
    scaler: None = None
    step: int = 0
    epoch: int = 0
    position: int = 0
    early_stop: Progress = field(default_factory=Progress)
    stopped_early: str = ""
    record: Record = field(default_factory=Record)
    rng: RandomState | None = None
