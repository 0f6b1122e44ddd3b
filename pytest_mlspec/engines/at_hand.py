"""A model that Python has at hand, as what answers for rows: a module, an estimator, or a function.

Shape letters: N rows.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.recipe.protocol import Examples, Inputs


@dataclass(frozen=True)
class ModelAtHand:
    """Calls `model` with whole batches: a module in evaluation mode, `predict_proba` or `predict`, or the function itself."""

    model: Any
    dtype: str = "float32"

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """The outputs [N, …] for `examples` as one batch."""
        return self(examples.inputs)

    def __call__(self, inputs: Inputs) -> NDArray[Any]:
        """The outputs [N, …] for `inputs`."""
        if self._is_module:
            return self._forward(inputs)
        call = getattr(self.model, "predict_proba", None) or getattr(self.model, "predict", None) or self.model
        found = call(inputs)
        return np.asarray(found.detach().cpu() if hasattr(found, "detach") else found)

    def precise(self) -> ModelAtHand:
        """The same module in float64, where it is one and computes in that; else this one."""
        if not self._is_module:
            return self
        return ModelAtHand(copy.deepcopy(self.model).double(), "float64")

    @property
    def _is_module(self) -> bool:
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(self.model, torch.nn.Module)

    def _forward(self, inputs: Inputs) -> NDArray[Any]:
        import torch

        from pytest_mlspec.training.evaluation import evaluation_mode

        device = next((each.device for each in self.model.parameters()), torch.device("cpu"))

        def tensor(values: NDArray[Any]) -> torch.Tensor:
            found = torch.from_numpy(np.ascontiguousarray(values)).to(device)
            return found.to(getattr(torch, self.dtype)) if found.is_floating_point() else found

        with evaluation_mode(self.model), torch.no_grad():
            if isinstance(inputs, Mapping):
                found = self.model(**{name: tensor(values) for name, values in inputs.items()})
            else:
                found = self.model(tensor(inputs))
        out: NDArray[Any] = found.cpu().numpy()
        return out
