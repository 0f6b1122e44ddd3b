"""The built-in model for torch.

Shape letters: N rows, F inputs of a row, H units of a layer, C outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from pytest_mlspec.errors import RecipeError, did_you_mean

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class MLP(nn.Module):
    """A multi-layer perceptron: inputs [N, …] are flattened to [N, F], outputs are [N, C], without a last activation."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden: Sequence[int] = (128,),
        dropout: float = 0.0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            advice = did_you_mean(activation, ACTIVATIONS)
            raise RecipeError(f"unknown activation {activation!r}", key="model.activation", advice=advice)
        widths = [in_features, *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for width_in, width_out in pairwise(widths):
            layers += [nn.Linear(width_in, width_out), ACTIVATIONS[activation]()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], out_features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [N, C] for inputs [N, …]."""
        outputs_NC: Tensor = self.layers(inputs)
        return outputs_NC
