"""The healthy pipeline of an invented team: measurements of cell samples, and whether these are malignant.

Shape letters: N rows, F features, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

FEATURES = 8
NOISE = 0.05


class TwoBranches(nn.Module):
    """The sum of a linear and of a deep branch: logits [N, C] of measurements [N, F]."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(FEATURES, 2)
        self.deep = nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, measured_NF: Tensor) -> Tensor:
        logits_NC: Tensor = self.linear(measured_NF) + self.deep(measured_NF)
        return logits_NC


class Pipeline:
    """The team's part of the training; the spec declares the rest. Each planted fault overrides one method."""

    def build_model(self) -> nn.Module:
        return TwoBranches()

    def collate(self, examples: Examples) -> tuple[Tensor, Tensor]:
        return torch.as_tensor(examples.inputs), torch.as_tensor(examples.targets)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        return nn.functional.cross_entropy(outputs, batch.targets)

    def augmented(self, inputs: Tensor) -> Tensor:
        return inputs + NOISE * torch.randn_like(inputs)

    def training_step(self, state: State, batch: Batch) -> Tensor:
        assert isinstance(batch.inputs, Tensor)
        value = self.loss(state.model(self.augmented(batch.inputs)), batch)
        state.optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        return value
