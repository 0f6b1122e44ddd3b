"""A team's own pipeline: its data, its model, its loss and its training step. The loop around the step is pytest-mlspec's.

The model scores documents for queries; it is trained on pairs, of which the first document is the better one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.state import State

FEATURES = 12


def load() -> tuple[np.ndarray, np.ndarray]:
    """Pairs of documents as differences of their features [N, 12], and which of the two was clicked [N], 0 or 1."""
    draw = np.random.default_rng(7)
    first, second = draw.normal(size=(2, 1200, FEATURES)).astype(np.float32)
    taste = np.linspace(1.0, -1.0, FEATURES, dtype=np.float32)
    utility = (first - second) @ taste + 0.6 * np.sin(3 * (first[:, 0] - second[:, 0]))
    clicked = (utility + draw.logistic(scale=0.3, size=len(utility)) > 0).astype(np.int64)
    return first - second, clicked


def build_model() -> nn.Module:
    """From the difference of two documents to the logits of [second, first] being clicked."""
    return nn.Sequential(nn.Linear(FEATURES, 32), nn.Tanh(), nn.Linear(32, 2))


def loss(outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The logistic loss of a pair: log(1 + exp(-(margin of the clicked document))), mean over pairs."""
    margin = (outputs[:, 1] - outputs[:, 0]) * (2 * batch.targets - 1)
    return nn.functional.softplus(-margin).mean()


def training_step(state: State, batch: Batch) -> torch.Tensor:
    """One step, whole: clear, forward, backward, clip, step."""
    state.optimizer.zero_grad()
    value = loss(state.model(batch.inputs), batch)
    value.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimizer.step()
    return value
