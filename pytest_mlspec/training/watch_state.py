"""What an observer of a training remembers of its modules, parameters, optimisers and steps.

Shape letters: B rows of a batch.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer

from pytest_mlspec.training.watch_rows import Rows

# So much of each parameter tells whether it has moved; a copy of a large model would not be light.
_SAMPLE = 4096


@dataclass
class Root:
    """A module that the training code calls itself, not another module's forward.

    `steps` counts the optimiser steps that any of its parameters took; `start` is a sample of each parameter at the first
    forward that recorded gradients, by name.
    """

    module: nn.Module
    members: frozenset[int] = frozenset()
    start: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0

    def refresh(self) -> None:
        """Takes in the parameters as they are now; the module may have grown since."""
        self.members = frozenset(map(id, self.module.parameters()))


@dataclass
class Watched:
    """One parameter; its name is `provisional` until a module tells it.

    `arrivals` counts the backward passes that brought it a gradient since its last step, `ever` all of them. `mixed`: what it
    holds began with a gradient from before that step. `after_step` is the gradient that it had after the step, and how often
    that was written; `had_state`: its optimiser had remembered something of it.
    """

    tensor: Tensor
    name: str
    provisional: bool = False
    arrivals: int = 0
    ever: int = 0
    found: bool = False
    mixed: bool = False
    after_step: tuple[weakref.ref[Tensor], int] | None = None
    had_state: bool = False
    holder: frozenset[int] = frozenset()
    stepped: bool = False

    def is_left_from_before(self) -> bool:
        """Whether the gradient is that of the step before, untouched, and not 0."""
        gradient = self.tensor.grad
        if gradient is None or self.arrivals or self.after_step is None:
            return False
        before, version = self.after_step
        return before() is gradient and gradient._version == version and not is_zero(gradient)

    def note_step(self) -> None:
        """Takes in that a step was taken."""
        gradient = self.tensor.grad
        self.after_step = None if gradient is None else (weakref.ref(gradient), gradient._version)
        self.arrivals, self.mixed, self.stepped = 0, False, True


@dataclass
class Forward:
    """One call of a root: `rows` [B] where they were found, `count` rows in all; `at_step` the steps of the root until then.

    `changed` are buffers that it changed in evaluation mode; `alone`: it took the statistics of a batch of one row.
    """

    root: Root
    training: bool
    recorded: bool
    rows: Rows | None
    count: int
    at_step: int
    changed: tuple[str, ...] = ()
    alone: bool = False
    used: bool = False


@dataclass(frozen=True)
class Step:
    """One optimiser step: the `forwards` whose gradients it used, in `backwards` passes; `rates` of its groups."""

    forwards: tuple[Forward, ...]
    backwards: int
    rates: tuple[float, ...]


@dataclass
class Holder:
    """One optimiser: the parameters that it holds, its steps, and those that found a gradient of any of them."""

    members: frozenset[int]
    name: str
    steps: int = 0
    with_gradients: int = 0


def is_zero(gradient: Tensor) -> bool:
    """Whether every value of a gradient, dense or sparse, is 0."""
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return not bool(values.any())


def sample(tensor: Tensor) -> Tensor:
    """A copy of the first values of `tensor`, on the CPU."""
    return tensor.detach().flatten()[:_SAMPLE].to("cpu", copy=True)


def remembers(optimizer: Optimizer, parameter: Tensor) -> bool:
    """Whether `optimizer` has state of steps that `parameter` took; that which a constructor makes does not count."""
    state: dict[str, Any] = optimizer.state.get(parameter, {})
    if "step" in state:
        return float(state["step"]) > 0
    return any(isinstance(value, torch.Tensor) for value in state.values())


def normalises_batches(module: nn.Module) -> bool:
    """Whether some layer of `module` takes the statistics of its batch now."""
    return any(isinstance(each, _BatchNorm) and each.training for each in module.modules())


def depends_on_mode(module: nn.Module) -> bool:
    """Whether some layer of `module` does otherwise in evaluation than in training."""
    return any(
        (isinstance(each, _BatchNorm) and each.track_running_stats) or (isinstance(each, _DropoutNd) and each.p > 0)
        for each in module.modules()
    )


def lasting_buffers(module: nn.Module) -> dict[str, Tensor]:
    """The buffers of `module` that are saved with it: what else is a buffer may be filled when it is first needed."""
    return {
        f"{prefix}.{name}".lstrip("."): buffer
        for prefix, inner in module.named_modules()
        for name, buffer in inner._buffers.items()
        if buffer is not None and name not in inner._non_persistent_buffers_set
    }
