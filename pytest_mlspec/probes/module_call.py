"""A module and what it is called with: what a trained model is looked into by.

The module of a team's own fit is taken as the team's `predict` calls it, whatever that does to the prepared inputs before. It
is a copy, so nothing of what was fitted changes.

Shape letters: N rows.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pytest_mlspec.engines import ModulePredictor
from pytest_mlspec.engines.callable import FittedCallable
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.exports import first_line
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.training.evaluation import evaluation_mode

# Of fewer rows at a time, units may be 0 by chance.
_FEWEST = 16

Given = tuple[Tensor, ...] | dict[str, Tensor]
"""What a module is called with: `module(*given)`, or by name."""


@dataclass(frozen=True)
class ModuleCall:
    """A module that nobody else uses, what it is called with, and the precision that it then computes in."""

    module: nn.Module
    given: Given
    dtype: str

    def outputs(self) -> Any:
        """What the module gives, in the mode that it is in."""
        return called(self.module, self.given)

    def rows(self) -> int:
        """N, the length of the first input."""
        values = self.given.values() if isinstance(self.given, dict) else self.given
        return len(next(iter(values)))


def called(module: nn.Module, given: Given) -> Any:
    """What `module` gives for `given`."""
    return module(**given) if isinstance(given, dict) else module(*given)


def of_predictor(predictor: ModulePredictor, rows: Examples) -> ModuleCall:
    """The module of `predictor`, called with `rows`."""
    tensors = predictor.tensors(rows)
    given: Given = dict(tensors) if isinstance(tensors, Mapping) else tuple(tensors)
    return ModuleCall(predictor.module, given, predictor.dtype)


def of_own_fit(fitted: FittedCallable, rows: Examples) -> ModuleCall:
    """A copy of the module that the team's fit returned, with what `predict` first calls it with for `rows`.

    In double precision where it computes in that. Raises NotApplicableError where there is no such module or call, or where it
    does not answer with a tensor [N, …].
    """
    module = _module_in(fitted.value)
    given = _first_given(module, fitted, rows)
    at_once = ModuleCall(module, given, "float32").rows()
    if at_once < min(len(rows), _FEWEST):
        raise NotApplicableError(f"predict calls the fitted module with {at_once} rows of {len(rows)} at a time")
    try:
        # a copy of what was compiled would be compiled again, and shows no graph
        own = copy.deepcopy(getattr(module, "_orig_mod", module))
    except Exception as error:  # whatever holds a handle that cannot be copied
        raise NotApplicableError(f"the module of the team's own fit cannot be copied: {first_line(error)}") from error
    single = ModuleCall(own, given, "float32")
    try:
        outputs = _evaluated(single)
    except Exception as error:  # whatever predict does around the call, such as a context that it enters
        raise NotApplicableError(f"a copy of the fitted module does not answer: {first_line(error)}") from error
    if not isinstance(outputs, Tensor):
        raise NotApplicableError(f"the fitted module answers with a {type(outputs).__name__}, not a tensor")
    if not outputs.is_floating_point() or outputs.dim() == 0 or len(outputs) != single.rows():
        raise NotApplicableError("the fitted module does not answer with numbers for each row")
    return _in_double(single) or single


def _module_in(value: Any) -> nn.Module:
    """`value`, or its `model`, as the engine finds it too."""
    for found in (value, getattr(value, "model", None)):
        if isinstance(found, nn.Module):
            return found
    raise NotApplicableError("what the team's own fit returned is no nn.Module, and has none as its `model`")


def _first_given(module: nn.Module, fitted: FittedCallable, rows: Examples) -> Given:
    """What enters `module` at its first call by `predict`."""
    calls: list[Given | None] = []

    def note(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if not calls:
            calls.append(_as_given(args, {name: value for name, value in named.items() if value is not None}))

    handle = module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        fitted(rows.inputs)
    finally:
        handle.remove()
    if not calls:
        raise NotApplicableError("predict does not call the fitted module as a whole")
    if calls[0] is None:
        raise NotApplicableError("predict calls the fitted module with something else than tensors [N, …]")
    # Cloned here, outside of an inference mode that predict may be in: tensors of that one take part in no graph.
    if isinstance(calls[0], dict):
        return {name: value.detach().clone() for name, value in calls[0].items()}
    return tuple(value.detach().clone() for value in calls[0])


def _as_given(args: tuple[Any, ...], named: dict[str, Any]) -> Given | None:
    """Tensors by position or by name, as long as each other; None for anything else."""
    if bool(args) == bool(named):
        return None
    values = [*args, *named.values()]
    if not all(isinstance(value, Tensor) and value.dim() for value in values):
        return None
    return (named or args) if len({len(value) for value in values}) == 1 else None


def _in_double(call: ModuleCall) -> ModuleCall | None:
    """The call in double precision; None where the module cannot compute in that."""

    def wide(value: Tensor) -> Tensor:
        return value.double() if value.is_floating_point() else value

    given = call.given
    try:
        double = replace(
            call,
            module=copy.deepcopy(call.module).double(),
            given={name: wide(value) for name, value in given.items()}
            if isinstance(given, dict)
            else tuple(map(wide, given)),
            dtype="float64",
        )
        return double if _evaluated(double).dtype == torch.float64 else None
    except Exception:  # whatever the team's forward raises where it makes tensors of its own in single precision
        return None


@torch.no_grad()
def _evaluated(call: ModuleCall) -> Any:
    with evaluation_mode(call.module):
        return call.outputs()
