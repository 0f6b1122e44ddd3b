"""The model of `digits_cnn.mlspec.yaml`: a user's own module, named there by its import path."""

from __future__ import annotations

import torch
from torch import nn


class DigitsCNN(nn.Module):
    """Two convolutions over an 8 × 8 image. Takes pixels [N, 64], gives one logit for each digit [N, 10]."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classify = nn.Linear(2 * channels * 2 * 2, 10)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """The logits [N, 10] of pixels [N, 64]."""
        images = pixels.view(-1, 1, 8, 8)
        logits: torch.Tensor = self.classify(self.features(images).flatten(1))
        return logits
