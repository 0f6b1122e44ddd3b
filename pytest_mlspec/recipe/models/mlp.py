"""A multi-layer perceptron.

Shape letters: N rows, C outputs of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pytest_mlspec.recipe.models.layers import hidden_layers


class MLP(nn.Module):
    """Inputs [N, …] are flattened to `in_features` numbers a row, outputs are [N, C], without a last activation."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        hidden: Sequence[int] = (128,),
        dropout: float = 0.0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        layers, width = hidden_layers(in_features, hidden, dropout=dropout, activation=activation)
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, out_features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [N, C] for inputs [N, …]."""
        outputs_NC: Tensor = self.layers(inputs)
        return outputs_NC
