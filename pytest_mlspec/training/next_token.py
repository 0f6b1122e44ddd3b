"""The loss of a language model: each token against the output of the position before it; padding is not predicted.

Shape letters: N rows, L positions, V ids of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training import losses
from pytest_mlspec.training.batches import Batch

PADDING = 0
"""The id behind the end of a text."""


def build(name: str, arguments: Mapping[str, Any]) -> NextTokenLoss:
    """The loss called `name` over the predicted tokens of a batch."""
    return NextTokenLoss(losses.build(name, {**arguments, "ignore_index": PADDING}))


def next_ids(ids_NL: Tensor) -> Tensor:
    """The id that follows each position, padding behind the last: [N, L]."""
    return functional.pad(ids_NL[:, 1:], (0, 1), value=PADDING)


def demand_logits(outputs: Any, ids_NL: Tensor) -> Tensor:
    """`outputs`, logits [N, L, V] for these ids; raises TrainingError where they are not."""
    if not isinstance(outputs, Tensor) or outputs.dim() != 3 or outputs.shape[:2] != ids_NL.shape:
        found = f"outputs {list(outputs.shape)}" if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        raise TrainingError(
            f"the model returns {found} for ids {list(ids_NL.shape)}, and a language model gives logits [rows, length,"
            " vocabulary]",
            key="model",
        )
    return outputs


class NextTokenLoss:
    """The mean over all predicted tokens of a batch, however they are shared out among its rows."""

    def __init__(self, loss: losses.Loss) -> None:
        self.name = loss.name
        self._loss = loss

    def __call__(self, outputs: Any, batch: Batch) -> Tensor:
        """The mean loss of logits [N, L, V]. Raises TrainingError for another shape, or an id beyond the vocabulary."""
        assert batch.targets is not None, "the targets of a language model are its inputs"
        logits_NLV = demand_logits(outputs, batch.targets)
        # the targets are shifted and not the logits, of which that would make a copy
        return self._loss(logits_NLV.flatten(0, 1), replace(batch, targets=next_ids(batch.targets).flatten()))

    def denominator(self, batch: Batch) -> Tensor:
        """The number of predicted tokens."""
        assert batch.targets is not None, "the targets of a language model are its inputs"
        return (batch.targets[:, 1:] != PADDING).sum()
