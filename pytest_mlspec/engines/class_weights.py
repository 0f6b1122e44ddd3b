"""`weight: balanced` and `pos_weight: balanced` of a loss become numbers, worked out of the training rows alone.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.errors import DataError
from pytest_mlspec.language.names import BALANCED
from pytest_mlspec.language.spec import Training
from pytest_mlspec.recipe.protocol import Prepared


def balanced(training: Training, prepared: Prepared) -> Training:
    """`training` with numbers in the place of `balanced`; raises DataError where a class has no training row."""
    loss = training.loss
    if loss is None or loss.is_path or BALANCED not in loss.arguments.values():
        return training
    targets_N = prepared.splits["train"].targets
    arguments = {
        name: _weights(name, targets_N, prepared.classes) if value == BALANCED else value
        for name, value in loss.arguments.items()
    }
    return training.model_copy(update={"loss": loss.model_copy(update={"arguments": arguments})})


def _weights(name: str, targets_N: NDArray[Any], classes: tuple[str, ...]) -> float | list[float]:
    """N / (C · rows of the class), as scikit-learn's `balanced`; for `pos_weight` the ratio of the two weights."""
    counts_C = np.bincount(targets_N, minlength=len(classes))
    for label, count in zip(classes, counts_C, strict=True):
        if not count:
            raise DataError(
                f"the class {label!r} has no training row, so no weight balances it",
                key=f"train.loss.{name}",
                advice="write `split: {stratify: true}`, or the weights as numbers",
            )
    if name == "pos_weight":
        return float(counts_C[0] / counts_C[1])
    weights_C: list[float] = (len(targets_N) / (len(classes) * counts_C)).tolist()
    return weights_C
