"""The team's pipeline where something cannot be measured: a loss without meaning, a split without rows, a dead process."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

from .pipeline import Pipeline


class NaNLoss(Pipeline):
    """The loss of the third step is NaN."""

    def __init__(self) -> None:
        self.steps = 0

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        self.steps += torch.is_grad_enabled()
        return super().loss(outputs, batch) * (math.nan if self.steps == 3 else 1.0)


class NegatedLoss(Pipeline):
    """The sign of the loss is wrong: training drives the model away from the labels, and the loss down without end."""

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return -super().loss(outputs, batch)


class NoValidationRow(Pipeline):
    """The validation split keeps no row."""

    def split(self, rows: Rows) -> Mapping[str, Rows]:
        positions = np.arange(len(rows))
        return {
            "train": rows.take(positions[:400]),
            "val": rows.take(positions[:0]),
            "test": rows.take(positions[400:]),
        }


class OneClassInTest(Pipeline):
    """Every test row is malignant."""

    def split(self, rows: Rows) -> Mapping[str, Rows]:
        malignant = np.flatnonzero(rows.targets == "malignant")
        test = malignant[:50]
        return {"train": rows.take(np.setdiff1d(np.arange(len(rows)), test)), "test": rows.take(test)}


class LeavesAtOnce(Pipeline):
    """The process ends as if all were well, without a word."""

    def training_step(self, state: State, batch: Batch) -> Tensor:
        os._exit(0)


class LeavesPolitely(Pipeline):
    """A script's habit: `sys.exit(0)` when it thinks that it is done."""

    def training_step(self, state: State, batch: Batch) -> Tensor:
        sys.exit(0)


class Crashes(Pipeline):
    """A native library reads where nothing is."""

    def training_step(self, state: State, batch: Batch) -> Tensor:
        ctypes.string_at(0)
        return super().training_step(state, batch)


class NeverEnds(Pipeline):
    """A loop in C that keeps the interpreter's lock, so that nothing inside the process can stop it."""

    def training_step(self, state: State, batch: Batch) -> Tensor:
        sum(range(10**15))
        return super().training_step(state, batch)
