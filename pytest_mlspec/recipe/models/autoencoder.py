"""An autoencoder: a perceptron down to a short code, and its mirror image back to the inputs.

Shape letters: N rows, F numbers of a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from pytest_mlspec.recipe.models.layers import hidden_layers


class Autoencoder(nn.Module):
    """Inputs [N, …] to outputs of the same shape, by way of `code` numbers a row; neither end has an activation."""

    def __init__(
        self, row: Sequence[int], *, hidden: Sequence[int] = (128,), code: int = 16, activation: str = "relu"
    ) -> None:
        super().__init__()
        features = math.prod(row)
        down, width = hidden_layers(features, hidden, activation=activation)
        self.encoder = nn.Sequential(nn.Flatten(), *down, nn.Linear(width, code))
        up, width = hidden_layers(code, list(reversed(hidden)), activation=activation)
        self.decoder = nn.Sequential(*up, nn.Linear(width, features), nn.Unflatten(1, tuple(row)))

    def forward(self, inputs: Tensor) -> Tensor:
        """The reconstructed inputs, in their shape."""
        outputs: Tensor = self.decoder(self.encoder(inputs))
        return outputs
