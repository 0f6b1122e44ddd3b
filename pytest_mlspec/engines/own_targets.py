"""What outputs mean where the target is the input itself: of a reconstruction, and of a language model.

    task              outputs                      predictions                                           kind
    reconstruction    the shape of the inputs      the outputs as they are                               values
    language_model    logits [N, L, V]             [N, L - 1, 2]: for each token but the first, its      tokens
                                                   loss in nats and the id that was likeliest there

A vocabulary is large, so the logits of a split are never kept: each batch becomes predictions at once.

Shape letters: N rows, L positions, V ids of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pytest_mlspec.engines.predictions import FloatArray, Kind, demand_finite
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.next_token import PADDING, demand_logits


@dataclass(frozen=True)
class Reconstruction:
    """The loss of a reconstruction by name and arguments; `name` is empty for the team's own. `row` is the shape of a row."""

    name: str
    arguments: Mapping[str, Any]
    row: tuple[int, ...]
    kind: Kind = "values"
    classes: int = 0
    scale: None = None

    def demand_shape(self, shape: Sequence[int]) -> None:
        """Raises RecipeError where outputs of `shape` are no reconstruction of the inputs."""
        if tuple(shape[1:]) != self.row:
            raise RecipeError(
                f"the model's outputs have the shape {_shown(shape[1:])}; the task reconstruction needs that of the"
                f" inputs, {_shown(self.row)}",
                key="model",
                advice="write model: autoencoder, or give the last layer the shape of the inputs",
            )

    def note(self, shape: Sequence[int]) -> str:
        """Nothing: outputs are what they are."""
        return ""

    def read(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The outputs of a batch."""
        return outputs

    def predictions(self, outputs: Tensor, *, of: str = "") -> FloatArray:
        """The reconstructed inputs [N, …] in float64; `of` names the split."""
        self.demand_shape(outputs.shape)
        values = outputs.detach().cpu().to(torch.float64).numpy()
        demand_finite(values, source=f"the model{of and f', on {of},'}", key="model")
        return values

    def floor(self, targets: NDArray[Any]) -> float:
        """The lowest mean loss: no difference at all."""
        return 0.0


@dataclass(frozen=True)
class NextTokens:
    """The loss of a language model by name and arguments; `name` is empty for the team's own."""

    name: str
    arguments: Mapping[str, Any]
    vocabulary: int
    length: int
    kind: Kind = "tokens"
    classes: int = 0
    scale: None = None

    def demand_shape(self, shape: Sequence[int]) -> None:
        """Raises RecipeError where outputs of `shape` are no logits of the vocabulary for each position."""
        if len(shape) != 3 or shape[1] != self.length or shape[2] < self.vocabulary:
            raise RecipeError(
                f"the model's outputs have the shape {_shown(shape[1:])}; the task language_model needs"
                f" [N, {self.length}, {self.vocabulary}]: for each position a logit of every id",
                key="model",
                advice="write model: causal_lm, or give the last layer an output for each id",
            )

    def note(self, shape: Sequence[int]) -> str:
        """What the outputs are taken for, where the loss is the team's own."""
        return "" if self.name else "the loss is the team's own: outputs are taken as logits of the next token"

    def read(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The loss of each token but the first, and the likeliest id there: [N, L - 1, 2]; padding has a loss too."""
        assert batch.targets is not None, "the targets of a language model are its inputs"
        logits_NLV = demand_logits(outputs, batch.targets)[:, :-1].float()
        losses_NL = functional.cross_entropy(logits_NLV.transpose(1, 2), batch.targets[:, 1:].long(), reduction="none")
        # single precision holds every id below 2 ** 24, and is what every device has
        return torch.stack([losses_NL, logits_NLV.argmax(dim=2).float()], dim=2)

    def predictions(self, outputs: Tensor, *, of: str = "") -> FloatArray:
        """What `read` gave for all rows; `of` names the split."""
        values: FloatArray = outputs.detach().cpu().to(torch.float64).numpy()
        demand_finite(values, source=f"the model{of and f', on {of},'}", key="model")
        return values

    def floor(self, targets: NDArray[Any]) -> float:
        """The lowest mean loss of a model that sees nothing but what stands before a token. Not for the team's own loss.

        Texts that begin alike and go on differently leave something that no such model can tell: the entropy of the next
        token given all before it. A loss below it is that of a model that sees what it is to predict.
        """
        smoothing = float(self.arguments.get("label_smoothing", 0.0))
        return entropy_of_next(targets.astype(np.int64), vocabulary=self.vocabulary, smoothing=smoothing)


def entropy_of_next(ids_NL: NDArray[np.int64], *, vocabulary: int, smoothing: float = 0.0) -> float:
    """The mean entropy of each token but the first given those before it in its row, in nats, over the given rows.

    With `smoothing` that share of each target is spread over the vocabulary, as cross_entropy does. A row is followed up to
    its first padding; what stands behind that counts as told.

    >>> entropy_of_next(np.array([[2, 3, 4], [2, 5, 4]]), vocabulary=6) / math.log(2)
    0.5
    """
    rows_N = np.arange(len(ids_NL))
    prefix_N = np.unique(ids_NL[:, 0], return_inverse=True)[1]
    spread = smoothing / vocabulary
    total = 0.0
    for position in range(1, ids_NL.shape[1]):
        goes_on_N = ids_NL[rows_N, position] != PADDING
        rows_N, prefix_N = rows_N[goes_on_N], prefix_N[goes_on_N]
        longer, at_N, counts = np.unique(
            prefix_N * vocabulary + ids_NL[rows_N, position], return_inverse=True, return_counts=True
        )
        sizes = np.bincount(prefix_N)
        rows_of = sizes[longer // vocabulary]
        shares = (1 - smoothing) * counts / rows_of + spread
        total -= float((rows_of * shares * np.log(shares)).sum())
        if spread:
            unseen = vocabulary - np.bincount(longer // vocabulary, minlength=len(sizes))
            total -= float((sizes * unseen).sum() * spread * math.log(spread))
        prefix_N = at_N
    return total / int((ids_NL[:, 1:] != PADDING).sum())


def _shown(row: Sequence[int]) -> str:
    return f"[N{''.join(f', {size}' for size in row)}]"
