"""What the tests of this folder share: the mark that leaves them out without a CUDA device, and small trainings on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn
from training.trainings import FEATURES, classification, network

from pytest_mlspec.training.batches import ResidentSource
from pytest_mlspec.training.optim import build_optimizer
from pytest_mlspec.training.state import State

CUDA = torch.device("cuda", 0)

on_cuda = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
"""The `pytestmark` of a module."""


def rows() -> ResidentSource:
    """The 37 rows on the device."""
    return ResidentSource(*classification(), CUDA)


def new_state(
    model: nn.Module | None = None, optimizer: tuple[str, Mapping[str, Any]] = ("adamw", {"lr": 0.01})
) -> State:
    """A training on the device at its beginning."""
    model = (network() if model is None else model).to(CUDA)
    return State(model, build_optimizer(*optimizer, model), None, 0, CUDA)


class Hungry(nn.Module):
    """Takes a sixth of the free memory for each row in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(FEATURES, 3)
        self.free, _ = torch.cuda.mem_get_info(CUDA)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The outputs [B, 3]."""
        if self.training:
            torch.empty(len(inputs) * (self.free // 6), dtype=torch.uint8, device=CUDA)
        outputs_BC: torch.Tensor = self.layer(inputs)
        return outputs_BC
