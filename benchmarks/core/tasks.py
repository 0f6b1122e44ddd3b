"""What is trained: the three tasks of the figures.

A is a network of 85,000 parameters on scikit-learn's digits, where the work around the matrix products counts; B two
convolutions on the same images; C a small transformer on sequences of ids, where the products are nearly everything.

Shape letters: N rows, L positions, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

_VOCABULARY, _LENGTH, _WIDTH, _CLASSES = 200, 32, 64, 10


@dataclass(frozen=True)
class Task:
    """Rows, and the model that learns them. `epochs` is the length of one measured run, after one that is not measured."""

    name: str
    inputs: Tensor
    targets: Tensor
    new_model: Callable[[], nn.Module]
    epochs: int
    batch_size: int = 64

    @property
    def steps(self) -> int:
        """The steps of one measured run."""
        return self.epochs * -(-len(self.inputs) // self.batch_size)

    @property
    def parameters(self) -> int:
        """The number of parameters of the model."""
        return sum(parameter.numel() for parameter in self.new_model().parameters())

    def seeded_model(self) -> nn.Module:
        """The same initial weights for everybody."""
        torch.manual_seed(0)
        return self.new_model()


def tasks() -> list[Task]:
    """A, B and C."""
    digits = load_digits()
    images = torch.from_numpy((digits.data / 16).astype(np.float32))
    numbers = torch.from_numpy(digits.target.astype(np.int64))
    ids = torch.randint(_VOCABULARY, (512, _LENGTH), generator=torch.Generator().manual_seed(0))
    return [
        Task("A", images, numbers, mlp, epochs=4),
        Task("B", images.reshape(-1, 1, 8, 8), numbers, convolutions, epochs=3),
        Task("C", ids, ids[:, 0] % _CLASSES, Transformer, epochs=2),
    ]


def mlp() -> nn.Module:
    """64-256-256-10."""
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, _CLASSES))


def convolutions() -> nn.Module:
    """Two convolutions on images of 8 x 8, and a linear layer."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(128, _CLASSES)),
    )


class Transformer(nn.Module):
    """Two layers of width 64 over sequences of length 32, and the mean over their positions."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_VOCABULARY, _WIDTH)
        self.positions_LD = nn.Parameter(torch.randn(_LENGTH, _WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(_WIDTH, 4, 128, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(_WIDTH, _CLASSES)

    def forward(self, ids_NL: Tensor) -> Tensor:
        """Class scores."""
        scores: Tensor = self.head(self.encoder(self.embedding(ids_NL) + self.positions_LD).mean(dim=1))
        return scores
