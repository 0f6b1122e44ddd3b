"""`data.prepare_target`: the targets of a regression as the loss sees them, and the model's outputs back in their unit.

Metrics, the data profile and stored predictions stay in the unit of the source; losses are those of the scaled targets.

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Examples, NumpyArray

_KEY = "data.prepare_target"


@dataclass(frozen=True)
class TargetScale:
    """`log1p` takes the logarithm of 1 + target first; what comes of it has `mean` and `deviation` on the training rows."""

    log1p: bool
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def fitted(cls, steps: Sequence[str], targets_N: NumpyArray) -> TargetScale:
        """The scale of `steps` on the training targets; raises DataError where it is not defined on them.

        >>> TargetScale.fitted(["standardize"], np.array([1.0, 3.0]))
        TargetScale(log1p=False, mean=2.0, deviation=1.0)
        """
        values_N = np.asarray(targets_N, dtype=np.float64)
        log1p = "log1p" in steps
        if log1p:
            if values_N.min() <= -1:
                raise DataError(
                    f"log1p needs targets above -1, and the lowest of the training rows is {values_N.min():g}",
                    key=_KEY,
                    advice="write prepare_target: standardize",
                )
            values_N = np.log1p(values_N)
        if "standardize" not in steps:
            return cls(log1p)
        deviation = float(values_N.std())
        if not deviation > 0:
            raise DataError(f"every training row has the same target, {targets_N[0]:g}", key=_KEY)
        return cls(log1p, float(values_N.mean()), deviation)

    def scaled(self, targets_N: Tensor) -> Tensor:
        """Targets as the loss sees them, worked out in float64 and in the type that they came in."""
        values_N = targets_N.to(torch.float64)
        values_N = values_N.log1p() if self.log1p else values_N
        return ((values_N - self.mean) / self.deviation).to(targets_N.dtype)

    def applied(self, examples: Examples) -> Examples:
        """`examples` with their targets scaled."""
        return replace(examples, targets=self.scaled(torch.from_numpy(examples.targets)).numpy())

    def restored(self, outputs_N: Tensor) -> Tensor:
        """Outputs of the model in the unit of the source."""
        values_N = outputs_N * self.deviation + self.mean
        return values_N.expm1() if self.log1p else values_N
