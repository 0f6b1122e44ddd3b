"""Which parameters learn, and which belong together: found by the names of modules and parameters.

A name such as `backbone` or `head.bias` stands for the module or parameter of that name and for all that lies below it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MethodType

from torch import nn

from pytest_mlspec.errors import TrainingError, did_you_mean

_FREEZE = "train.freeze"
_GROUPS = "train.optimizer.groups"


def freeze(model: nn.Module, names: Iterable[str]) -> None:
    """Takes the parameters below `names` out of training.

    They require no gradient. A frozen module also stays in evaluation mode, whatever mode the model is set to: batch
    statistics would move with every batch, and dropout would disturb features that nothing learns to repair. Raises
    TrainingError for a name that the model does not have, and where nothing is left that learns.
    """
    modules = dict(model.named_modules())
    learns = any(parameter.requires_grad for parameter in model.parameters())
    for name in names:
        for parameter in _below(model, name, key=_FREEZE):
            parameter.requires_grad_(False)
        if name in modules:
            frozen = modules[name]
            frozen.train = MethodType(_stay_in_evaluation, frozen)
            frozen.eval()
    if learns and not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainingError(
            "every parameter is frozen: nothing learns", key=_FREEZE, advice="leave out one of the names"
        )


def frozen_names(model: nn.Module, names: Iterable[str]) -> frozenset[str]:
    """The names of the parameters below `names`, as `named_parameters` tells them."""
    frozen = {id(parameter) for name in names for parameter in _below(model, name, key=_FREEZE)}
    return frozenset(name for name, parameter in model.named_parameters() if id(parameter) in frozen)


def groups(model: nn.Module, names: Collection[str]) -> Mapping[str, list[nn.Parameter]]:
    """The parameters that require a gradient by the longest of `names` that they lie below; the others by the empty name.

    Every parameter is in one group, in the order of the model; the empty name comes first and has a group only where
    something is left for it. Raises TrainingError for a name that the model does not have, or that no parameter goes by.
    """
    below = {name: {id(parameter) for parameter in _below(model, name, key=_GROUPS)} for name in names}
    found: dict[str, list[nn.Parameter]] = {"": [], **{name: [] for name in names}}
    for parameter in model.parameters():
        if parameter.requires_grad:
            found[max((name for name in names if id(parameter) in below[name]), key=len, default="")].append(parameter)
    for name in names:
        if not found[name]:
            raise _without_effect(model, name)
    if not found[""]:
        del found[""]
    return found


def _below(model: nn.Module, name: str, *, key: str) -> list[nn.Parameter]:
    """The parameters of that name or below it, shared ones under each of their names."""
    # a tied weight stands below both of its modules, so duplicates are kept
    parameters = dict(model.named_parameters(remove_duplicate=False))
    modules = dict(model.named_modules(remove_duplicate=False))
    if name not in parameters and (name not in modules or not name):
        known = [known for known in (*modules, *parameters) if known]
        raise TrainingError(
            f"the model has no module or parameter called {name!r}", key=key, advice=did_you_mean(name, known)
        )
    found = [parameter for of, parameter in parameters.items() if f"{of}.".startswith(f"{name}.")]
    if not found:
        raise TrainingError(f"{name} has no parameters", key=key, advice="remove this name")
    return found


def _without_effect(model: nn.Module, name: str) -> TrainingError:
    learns = any(parameter.requires_grad for parameter in _below(model, name, key=_GROUPS))
    return TrainingError(
        f"each parameter of {name} is in a group of its own"
        if learns
        else f"{name} does not learn: each of its parameters is frozen",
        key=f"{_GROUPS}.{name}",
        advice="remove this group",
    )


def _stay_in_evaluation(module: nn.Module, mode: bool = True) -> nn.Module:
    """`train` of a frozen module."""
    return type(module).train(module, False)
