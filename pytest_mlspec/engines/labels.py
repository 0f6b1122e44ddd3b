"""What the declared loss demands of targets that the team's `collate` or DataLoader makes, looked at on the CPU.

Without that, torch leaves rows with the target -100 out in silence, takes 5 as a probability, cuts 0.7 to class 0, and a class
number beyond the outputs ends a process on a GPU for good. Every row is seen once before the first step, when the losses of
all splits are measured. What `prepare` gives is checked when it is prepared.

Shape letters: B rows of a batch, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from pytest_mlspec.errors import DataError

# Torch leaves rows with this target out of a mean unless it is told otherwise.
_IGNORED_BY_TORCH = -100
_OF_SHARES = frozenset({"binary_cross_entropy_with_logits", "binary_cross_entropy"})


@dataclass(frozen=True)
class Labels:
    """Targets are class numbers below `classes` or `ignored`, or shares where the loss takes those.

    `column` is the name of the target, as far as the spec tells.
    """

    loss: str
    classes: int
    ignored: int | None = None
    column: str = ""

    def __call__(self, targets: Tensor, rows: Sequence[int]) -> None:
        """Raises DataError for the first of `rows` whose target [B, …] is another."""
        if len(targets) != len(rows) or targets.numel() == 0:
            return  # the loss itself tells of shapes
        if self.loss in _OF_SHARES:
            wrong = ~((targets >= 0) & (targets <= 1))
        elif targets.is_floating_point() and targets.shape[1:] == (self.classes,):
            return  # a probability for each class
        else:
            wrong = ~((targets >= 0) & (targets < self.classes) & (targets == targets.round()))
            if self.ignored is not None:
                wrong &= targets != self.ignored
        if not wrong.any():
            return
        wrong_B = wrong.reshape(len(targets), -1)
        at = int(wrong_B.any(dim=1).int().argmax())
        value = targets.reshape(len(targets), -1)[at][wrong_B[at]][0].item()
        of_column = f" of the column {self.column!r}" if self.column else ""
        raise DataError(
            f"row {rows[at]} reaches the loss with the target {value:g}{of_column}: allowed are 0 … {self.classes - 1}",
            key="data.target",
            advice=f"where such rows do not count, write `loss: {{use: {self.loss}, ignore_index: {_IGNORED_BY_TORCH}}}`"
            if value == _IGNORED_BY_TORCH and self.loss not in _OF_SHARES
            else f"give the {self.classes} classes the numbers 0 … {self.classes - 1}",
        )
