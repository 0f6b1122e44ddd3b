"""A perceptron on the numbers and the embedded categories of a table.

Shape letters: N rows, F columns of numbers, K columns of categories, C outputs of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pytest_mlspec.recipe.models.layers import Embedding, hidden_layers

_LARGEST = 50
_SCALE = 0.1


class Tabular(nn.Module):
    """Each column of categories has an embedding of its own, of `dim` numbers, or as many as its ids suggest."""

    def __init__(
        self,
        numbers: int,
        vocabularies: Sequence[int],
        out_features: int,
        *,
        dim: int | None = None,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        sizes = [dim or size_of_embedding(vocabulary) for vocabulary in vocabularies]
        self.embeddings = nn.ModuleList(
            Embedding(vocabulary, size, scale=_SCALE) for vocabulary, size in zip(vocabularies, sizes, strict=True)
        )
        layers, width = hidden_layers(numbers + sum(sizes), hidden, dropout=dropout, activation=activation)
        self.layers = nn.Sequential(*layers, nn.Linear(width, out_features))

    def forward(self, numbers: Tensor | None = None, categories: Tensor | None = None) -> Tensor:
        """Outputs [N, C] for numbers [N, F] and the ids of categories [N, K]; a table without one of them leaves it out."""
        parts = [] if numbers is None else [numbers]
        if categories is not None:
            parts += [embedding(categories[:, column]) for column, embedding in enumerate(self.embeddings)]
        outputs_NC: Tensor = self.layers(torch.cat(parts, dim=1))
        return outputs_NC


def size_of_embedding(vocabulary: int) -> int:
    """Numbers of an embedding for so many ids: the rule of thumb of fastai, 1.6 · V^0.56, at most 50.

    >>> size_of_embedding(3), size_of_embedding(18), size_of_embedding(5_000)
    (3, 8, 50)
    """
    suggested: float = 1.6 * vocabulary**0.56
    return min(_LARGEST, round(suggested))
