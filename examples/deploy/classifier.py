"""A small network for images of digits, with its normaliser inside, and how the team ships it."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

HIGHEST = 16.0
"""The brightest pixel."""


class Classifier(nn.Module):
    """Raw pixels [N, 64] to the logits of ten digits [N, 10]."""

    def __init__(self, width: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 10)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.layers(pixels / HIGHEST)
        return logits


def export(model: nn.Module, directory: Path) -> None:
    """Writes `model.ts`, which gives probabilities, for a service in C++."""
    shipped = nn.Sequential(model.eval(), nn.Softmax(dim=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the service still reads TorchScript
        torch.jit.save(torch.jit.trace(shipped, (torch.zeros(2, 64),)), str(directory / "model.ts"))
