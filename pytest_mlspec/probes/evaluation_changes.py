"""What a call changes of a model and of what trains it: taken before, held against after, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pytest_mlspec.training.state import State

PARTS = ("parameters", "buffers", "gradients", "requires_grad", "optimizer", "schedule", "arrays")
"""What is looked at. Whole numbers among the buffers are counts, which nothing is computed from, and are left out."""

_GRADIENT = 1e-3


class Before:
    """A model, and what trains it, as they are now. `judged` is a `State`, a module, or an object that holds some."""

    def __init__(self, judged: Any) -> None:
        self._modules = list(_modules_of(judged))
        self._optimizer = judged.optimizer if isinstance(judged, State) else None
        self._schedule = judged.schedule if isinstance(judged, State) else None
        self._arrays = _arrays_of(judged)
        self._tensors = {
            part: {name: (tensor, tensor.detach().clone()) for name, tensor in found}
            for part, found in (("parameters", self._parameters()), ("buffers", self._buffers()))
        }
        self._requires_grad = {name: parameter.requires_grad for name, parameter in self._parameters()}
        self._gradients = {name: _copied(parameter.grad) for name, parameter in self._parameters()}
        self._moments = dict(_moments(self._optimizer))
        self._rates = _rates(self._optimizer)
        self._steps = None if self._schedule is None else dict(_plain(self._schedule.state_dict()))
        self._values = {name: array.copy() for name, array in self._arrays.items()}

    def changes(self) -> dict[str, tuple[str, ...]]:
        """What is otherwise now, by part: the names of tensors and arrays, or of what the optimizer and the schedule keep."""
        found: dict[str, list[str]] = {
            part: [name for name, (tensor, was) in tensors.items() if not _equal(tensor, was)]
            for part, tensors in self._tensors.items()
        }
        now = dict(self._parameters())
        found["parameters"] += [
            name for name, (tensor, _) in self._tensors["parameters"].items() if now.get(name) is not tensor
        ]
        found["gradients"] = [
            name
            for name, parameter in now.items()
            if parameter.grad is not None
            and bool(parameter.grad.any())
            and not _equal(parameter.grad, self._gradients.get(name))
        ]
        found["requires_grad"] = [
            name for name, was in self._requires_grad.items() if name in now and now[name].requires_grad is not was
        ]
        moments = dict(_moments(self._optimizer))
        found["optimizer"] = [
            name for name in {**self._moments, **moments} if not _equal(moments.get(name), self._moments.get(name))
        ]
        found["optimizer"] += ["the learning rate"] if _rates(self._optimizer) != self._rates else []
        if self._schedule is not None:
            steps = dict(_plain(self._schedule.state_dict()))
            found["schedule"] = [name for name, value in steps.items() if value != (self._steps or {}).get(name)]
        found["arrays"] = [
            name
            for name, array in self._arrays.items()
            if not np.array_equal(array, self._values[name], equal_nan=array.dtype.kind in "fc")
        ]
        return {part: tuple(dict.fromkeys(names)) for part, names in found.items() if names}

    def put_back(self) -> None:
        """Gives every tensor and array the value that it had, so that one call does not change what the next one finds."""
        with torch.no_grad():
            for tensors in self._tensors.values():
                for tensor, was in tensors.values():
                    tensor.copy_(was)
        for name, array in self._arrays.items():
            array[...] = self._values[name]

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        for module in self._modules:
            yield from module.named_parameters()

    def _buffers(self) -> Iterator[tuple[str, Tensor]]:
        for module in self._modules:
            yield from ((name, buffer) for name, buffer in module.named_buffers() if buffer.is_floating_point())


def as_after_a_step(judged: Any) -> None:
    """Puts modules into training mode and a gradient into each parameter that learns: how a loop leaves them after a step."""
    for module in _modules_of(judged):
        module.train()
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.full_like(parameter, _GRADIENT)


def _modules_of(judged: Any) -> Iterator[nn.Module]:
    """The modules whose names are told; that of an average beside the model has the same names, and comes first."""
    if isinstance(judged, State):
        yield judged.evaluated
        if judged.average is not None:
            yield judged.model
        return
    for found in (judged, getattr(judged, "model", None)):
        if isinstance(found, nn.Module):
            yield found
            return


def _arrays_of(judged: Any) -> Mapping[str, np.ndarray[Any, Any]]:
    """The arrays that an object of the team's own holds under its names."""
    held = {} if isinstance(judged, State | nn.Module) else getattr(judged, "__dict__", {})
    return {name: value for name, value in held.items() if isinstance(value, np.ndarray) and value.flags.writeable}


def _moments(optimizer: Optimizer | None) -> Iterator[tuple[str, Tensor]]:
    state = {} if optimizer is None else optimizer.state_dict()["state"]
    for number, moments in state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                yield f"{name} of parameter {number}", value.detach().clone()


def _rates(optimizer: Optimizer | None) -> list[float]:
    return [] if optimizer is None else [float(group["lr"]) for group in optimizer.param_groups]


def _plain(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in values.items() if isinstance(value, bool | int | float | str | list))


def _copied(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().clone()


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    """Equal numbers; those that are not numbers equal each other."""
    if one is None or other is None:
        return one is other
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(torch.equal(one.detach().nan_to_num(), other.detach().nan_to_num()))
