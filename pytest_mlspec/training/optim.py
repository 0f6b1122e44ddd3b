"""Optimisers by name, in torch's fused form where that exists: one kernel for all parameters instead of one for each.

Parts of a model may have arguments of their own, such as a lower rate for a backbone: `groups`, by the names of modules.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from pytest_mlspec.errors import TrainingError, did_you_mean
from pytest_mlspec.language.names import OPTIMIZERS
from pytest_mlspec.training.parameters import groups

_KEY = "train.optimizer"
_FUSED = {"adam", "adamw", "sgd", "adagrad"}
_FUSED_DEVICES = {"adagrad": {"cpu"}}


def build_optimizer(name: str, arguments: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """The optimiser called `name` over the parameters of `model` that require a gradient, with torch's arguments.

    `groups` among them holds, by the name of a module or parameter, the arguments that differ below it; the longest name
    counts. The group of all others comes first. Whether it is fused stands in its `defaults["fused"]`. Raises
    TrainingError where it cannot be made.
    """
    if name not in OPTIMIZERS:
        raise TrainingError(f"unknown optimizer {name!r}", key=_KEY, advice=did_you_mean(name, OPTIMIZERS))
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise TrainingError("the model has no parameter that requires a gradient", key="model")
    own: Mapping[str, Mapping[str, Any]] = arguments.get("groups") or {}
    values = _values(name, {key: value for key, value in arguments.items() if key != "groups"}, key=_KEY)
    of_group = {prefix: _values(name, given, key=f"{_KEY}.groups.{prefix}") for prefix, given in own.items()}
    for prefix, given in of_group.items():
        # torch looks at the arguments of the whole, and takes those of a group as they are
        _make(name, [nn.Parameter(torch.zeros(1))], {**values, **given}, key=f"{_KEY}.groups.{prefix}")
    if _can_be_fused(name, parameters, model):
        values["fused"] = True
    members = groups(model, of_group)
    return _make(
        name,
        [{"params": params, **of_group.get(prefix, {})} for prefix, params in members.items()],
        values,
        key=_KEY,
    )


def _values(name: str, arguments: Mapping[str, Any], *, key: str) -> dict[str, Any]:
    """The arguments as torch takes them: YAML has lists where torch has pairs, such as betas."""
    known: Collection[str] = OPTIMIZERS[name].arguments
    for argument in arguments:
        if argument not in known:
            raise TrainingError(f"{name} takes no argument {argument!r}", key=key, advice=did_you_mean(argument, known))
    return {argument: tuple(value) if isinstance(value, list) else value for argument, value in arguments.items()}


def _make(name: str, parameters: list[Any], values: Mapping[str, Any], *, key: str) -> Optimizer:
    try:
        optimizer: Optimizer = getattr(torch.optim, OPTIMIZERS[name].torch_class)(parameters, **values)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{name} cannot be made: {error}", key=key) from error
    return optimizer


def _can_be_fused(name: str, parameters: list[nn.Parameter], model: nn.Module) -> bool:
    """Torch's own condition, that no gradient is sparse, which torch finds out in the first step only, and no known fault."""
    devices = _FUSED_DEVICES.get(name, {"cpu", "cuda"})
    sparse = any(isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse for module in model.modules())
    # On the CPU, fused SGD leaves most of a parameter in half precision as it is (pytorch/pytorch#191763, in 2.13).
    faulty = name == "sgd" and any(parameter.element_size() < 4 for parameter in parameters)
    return (
        name in _FUSED
        and not sparse
        and not faulty
        and all(parameter.device.type in devices and parameter.is_floating_point() for parameter in parameters)
    )
