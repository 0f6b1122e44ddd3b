"""Updates that are lost because weights are kept in half precision: they round to nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim import Optimizer

_HALF = (torch.bfloat16, torch.float16)
# So many steps tell the share.
_STEPS = 20


@dataclass
class HalfUpdates:
    """`lost` is the share of updates that changed no bit of a weight of the type `dtype`, for each of the first steps."""

    dtype: str = ""
    lost: list[float] = field(default_factory=list)
    _before: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def before_step(self, optimizer: Optimizer) -> None:
        """Copies what is stepped by torch's own arithmetic: other optimisers may round by chance, or keep the rest."""
        self._before = []
        if len(self.lost) >= _STEPS or not type(optimizer).__module__.startswith("torch.optim."):
            return
        for group in optimizer.param_groups:
            if float(group.get("lr", 1.0)) == 0.0:
                continue
            for parameter in group["params"]:
                if parameter.dtype in _HALF and parameter.grad is not None:
                    self.dtype = str(parameter.dtype).removeprefix("torch.")
                    self._before.append((parameter, parameter.detach().clone()))

    def after_step(self) -> None:
        """Compares; a weight without a gradient is not meant to move."""
        total = lost = 0
        for parameter, before in self._before:
            if parameter.grad is not None and not parameter.grad.is_sparse:
                wanted = parameter.grad != 0
                total += int(wanted.sum())
                lost += int((wanted & (parameter == before)).sum())
        self._before = []
        if total:
            self.lost.append(lost / total)
