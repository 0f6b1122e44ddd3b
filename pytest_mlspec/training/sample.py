"""One step looked at more closely: how long its phases take, and how far it moves the weights.

Only the last step of an epoch is, or of every few where epochs are short, so the others pay nothing. Only there is a device
synchronised. Untested on CUDA and MPS.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from pytest_mlspec.training.state import State
from pytest_mlspec.training.update import parameters_of

# A copy of the weights is taken before the step: of a large model, of its first parameters alone.
_WEIGHTS_COPIED = 16_000_000


class Sample:
    """Made before the step, and its Clock; `seconds` holds the time of each phase."""

    def __init__(self, state: State) -> None:
        self._device = state.device
        self._parameters = _first(parameters_of(state.optimizer))
        self._before = [parameter.detach().clone() for parameter in self._parameters]
        self.seconds: dict[str, float] = {}
        self._started = self._now()

    def lap(self, phase: str) -> None:
        """Takes the time since the phase before."""
        now = self._now()
        self.seconds[phase] = now - self._started
        self._started = now

    def update_ratio(self) -> float:
        """|w' - w| / |w|, over the weights before and after the step. Synchronises."""
        with torch.no_grad():
            pairs = zip(self._parameters, self._before, strict=True)
            change = float(get_total_norm([now - before for now, before in pairs]))
            size = float(get_total_norm(self._before))
        return change / size if size else float("inf") if change else 0.0

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()


def _first(parameters: Sequence[Tensor]) -> list[Tensor]:
    """The first of `parameters`, up to the number of weights that is copied; at least one."""
    taken: list[Tensor] = []
    weights = 0
    for parameter in parameters:
        if taken and weights + parameter.numel() > _WEIGHTS_COPIED:
            break
        taken.append(parameter)
        weights += parameter.numel()
    return taken
