"""What several models have in common: activations, a stack of linear layers, a table of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from pytest_mlspec.errors import RecipeError, did_you_mean

PADDING, UNKNOWN = 0, 1
"""The ids that stand for no word: behind the end of a text, and for a word that the training rows did not hold."""

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


def activation_of(name: str) -> nn.Module:
    """The activation called `name`; raises RecipeError where there is none."""
    if name not in ACTIVATIONS:
        advice = did_you_mean(name, ACTIVATIONS)
        raise RecipeError(f"unknown activation {name!r}", key="model.activation", advice=advice)
    return ACTIVATIONS[name]()


def hidden_layers(
    in_features: int, hidden: Sequence[int], *, dropout: float = 0.0, activation: str = "relu"
) -> tuple[list[nn.Module], int]:
    """Linear layers of the widths `hidden`, each with its activation and dropout, and the width of the last."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise([in_features, *hidden]):
        layers += [nn.Linear(width_in, width_out), activation_of(activation)]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return layers, hidden[-1] if hidden else in_features


class Embedding(nn.Embedding):
    """A vector for each of `vocabulary` ids. Padding is zero and stays zero; unknown words begin at zero.

    An id that no training row holds never learns: with torch's random start it would add noise to every row that has it.
    """

    def __init__(self, vocabulary: int, dim: int, *, scale: float) -> None:
        super().__init__(vocabulary, dim, padding_idx=PADDING)
        with torch.no_grad():
            self.weight.normal_(std=scale)
            self.weight[[PADDING, min(UNKNOWN, vocabulary - 1)]] = 0
