"""Optimisers by name, in torch's fused form where that exists: one kernel for all parameters instead of one for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from pytest_mlspec.errors import TrainingError, did_you_mean
from pytest_mlspec.language.names import OPTIMIZERS

_KEY = "train.optimizer"
_FUSED = {"adam", "adamw", "sgd", "adagrad"}
_FUSED_DEVICES = {"adagrad": {"cpu"}}


def build_optimizer(name: str, arguments: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """The optimiser called `name` over the parameters of `model` that require a gradient, with torch's arguments.

    Whether it is fused stands in its `defaults["fused"]`. Raises TrainingError where it cannot be made.
    """
    if name not in OPTIMIZERS:
        raise TrainingError(f"unknown optimizer {name!r}", key=_KEY, advice=did_you_mean(name, OPTIMIZERS))
    entry = OPTIMIZERS[name]
    for argument in arguments:
        if argument not in entry.arguments:
            raise TrainingError(
                f"{name} takes no argument {argument!r}", key=_KEY, advice=did_you_mean(argument, entry.arguments)
            )
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise TrainingError("the model has no parameter that requires a gradient", key="model")
    # YAML has lists where torch has pairs, such as betas.
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    if _can_be_fused(name, parameters, model):
        values["fused"] = True
    try:
        optimizer: Optimizer = getattr(torch.optim, entry.torch_class)(parameters, **values)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{name} cannot be made: {error}", key=_KEY) from error
    return optimizer


def _can_be_fused(name: str, parameters: list[nn.Parameter], model: nn.Module) -> bool:
    """Torch's own condition, and that no gradient is sparse, which torch finds out in the first step only."""
    devices = _FUSED_DEVICES.get(name, {"cpu", "cuda"})
    sparse = any(isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse for module in model.modules())
    return (
        name in _FUSED
        and not sparse
        and all(parameter.device.type in devices and parameter.is_floating_point() for parameter in parameters)
    )
