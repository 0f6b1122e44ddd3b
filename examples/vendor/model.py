"""A network that was trained elsewhere: its weights lie beside this file."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights.safetensors"


class Digits(nn.Module):
    """Logits of ten digits for 64 pixels of 0 to 16."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(pixels / 16))
        return logits


def load() -> Digits:
    """The network with its weights."""
    network = Digits()
    network.load_state_dict(load_file(WEIGHTS))
    return network
