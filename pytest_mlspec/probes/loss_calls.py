"""What the first steps of a team's own fit tell of its loss: the class weights it is given, and the range of its outputs.

Seen are calls of torch's `cross_entropy` and `binary_cross_entropy_with_logits`, also by modules of torch such as
`nn.CrossEntropyLoss`; they count where a gradient came back to them. Nothing of the fit is changed, but it ends after
some steps. Not seen: other losses, compiled ones, and other processes.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.overrides import TorchFunctionMode

from pytest_mlspec.engines import callable as own_fit
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.evidence import LossAnswers
from pytest_mlspec.evidence.losses import Extent, LossCalls
from pytest_mlspec.jobs import Train
from pytest_mlspec.probes.graph import last_operation
from pytest_mlspec.probes.loss_extent import OF_SUMS, extents_of
from pytest_mlspec.probes.output_range import RANGES
from pytest_mlspec.recipe.oversampling import training_examples
from pytest_mlspec.recipe.work import Result, Work

# Weights show in one step. A loop without an optimiser of torch ends by its calls.
_STEPS, _CALLS = 30, 600
# Fewer outputs tell nothing of their range, and more no more: those of a vocabulary would take gigabytes in double precision.
_FEWEST, _MOST = 200, 1_000_000
_LOSSES: Mapping[Callable[..., Any], str] = {
    functional.cross_entropy: "cross_entropy",
    functional.binary_cross_entropy_with_logits: "binary_cross_entropy_with_logits",
}
_WEIGHT, _POS_WEIGHT = 2, 6
"""Where these stand among the arguments of `cross_entropy` and `binary_cross_entropy_with_logits`."""
_BOUNDED: Mapping[tuple[float, float], Extent] = {(0.0, math.inf): "never negative", (0.0, 1.0): "between 0 and 1"}


class _Enough(BaseException):
    """Ends a fit from within a step or a loss; no `except Exception` of its code holds it up."""


@dataclass
class _Call:
    """One call of a loss: its outputs, `width` of them a row, and the weights that it was given.

    `operation` is the last one of the model, and `learned` whether a gradient came back.
    """

    name: str
    rows: int
    width: int
    numbers: int
    device: str
    extents: list[Extent]
    operation: str
    weights: tuple[float, ...] = ()
    learned: bool = False

    def arrived(self, gradient: Tensor) -> None:
        self.learned = True

    @property
    def bounds(self) -> Extent:
        """What the last operation keeps its outputs within."""
        return _BOUNDED.get(RANGES.get(self.operation, (-math.inf, math.inf)), "free")


class _Calls(TorchFunctionMode):
    """Notes the calls of losses in its block, and ends it after so many."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[_Call] = []
        self.steps = 0
        self.ended = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        value = func(*args, **given)
        if func in _LOSSES and not _is_traced():
            self._note(_LOSSES[func], value, args, given)
        return value

    def after_step(self, *_: Any) -> None:
        """Takes in that an optimiser stepped."""
        self.steps += 1
        self._end(self.steps >= _STEPS)

    def _note(self, name: str, value: Any, args: tuple[Any, ...], given: Mapping[str, Any]) -> None:
        outputs = args[0] if args else given.get("input")
        if not (isinstance(outputs, Tensor) and outputs.requires_grad and outputs.numel() and outputs.dim()):
            return
        if not (isinstance(value, Tensor) and value.requires_grad):
            return
        self._end(len(self.seen) >= _CALLS)
        call = _call_of(name, outputs, args, given)
        value.register_hook(call.arrived)  # type: ignore[no-untyped-call]
        self.seen.append(call)

    def _end(self, enough: bool) -> None:
        if enough:
            self.ended = True
            raise _Enough


def watched_loss(work: Work) -> Result:
    """Watches the losses of the first steps of the team's own fit.

    Raises NotApplicableError where none was called that the fit learned from.
    """
    calls = _Calls()
    handle = register_optimizer_step_post_hook(calls.after_step)
    try:
        with suppress(_Enough), calls:
            own_fit.restore(Train(seed=work.spec.train.seed), work)
    except MlspecError:
        if not calls.ended:  # the end itself, wrapped by somebody
            raise
    finally:
        handle.remove()
    learned = [call for call in calls.seen if call.learned]
    if not learned:
        names = " or ".join(_LOSSES.values())
        raise NotApplicableError(f"the first steps of the team's own fit learn from no {names} of torch")
    return Result(_answers(learned, work))


def _answers(calls: Sequence[_Call], work: Work) -> LossAnswers:
    classes = work.prepared.classes
    groups: dict[tuple[str, int], list[_Call]] = {}
    for call in calls:
        groups.setdefault((call.name, call.width), []).append(call)
    extents = {group: _extent(of_group) for group, of_group in groups.items()}
    bounded = [group for group, extent in extents.items() if extent not in (None, "free")]
    most = max(groups, key=lambda group: len(groups[group]))
    group = bounded[0] if bounded else most
    weights = {call.weights for call in calls if call.weights and len(call.weights) == len(classes)}
    notes = ["its class weights change from call to call"] if len(weights) > 1 else []
    if extents[group] is None:
        notes.append("its outputs are too few, or never negative by what may be chance, to tell their range")
    return LossAnswers(
        group[0],
        declared=group[0],
        told="classes" if classes else "values",
        rows=sum(call.rows for call in calls),
        extent=extents[group] or "free",
        weights=_by_class(*weights, classes=classes) if len(weights) == 1 else {},
        class_rows=_class_rows(work),
        calls=LossCalls(len(calls), sum(call.numbers for call in calls), extents[group] is not None, tuple(notes)),
        device=calls[0].device,
    )


def _extent(calls: Sequence[_Call]) -> Extent | None:
    """What the outputs of all these calls stay within, and not by chance; None where it cannot be told."""
    if sum(call.numbers for call in calls) < _FEWEST:
        return None
    possible = [extent for extent in calls[0].extents if all(extent in call.extents for call in calls)]
    if not possible:
        return "free"
    if possible[0] in OF_SUMS:  # no sum is 1 in every row by chance
        return possible[0]
    bounds = {call.bounds for call in calls}
    return bounds.pop() if len(bounds) == 1 and bounds <= set(possible) else None


def _call_of(name: str, outputs: Tensor, args: tuple[Any, ...], given: Mapping[str, Any]) -> _Call:
    values = outputs.detach()
    axis = min(1, values.dim() - 1)
    is_of_classes = name == "cross_entropy"
    rows = len(values) if values.dim() > 1 or not is_of_classes else 1
    width = values.shape[axis] if is_of_classes else values.numel() // rows
    at, key = (_WEIGHT, "weight") if is_of_classes else (_POS_WEIGHT, "pos_weight")
    weights = _listed(args[at] if len(args) > at else given.get(key))
    if not is_of_classes:  # what the positive class of one output weighs
        weights = (1.0, *weights) if width == 1 and len(weights) == 1 else ()
    return _Call(
        name=name,
        rows=rows,
        width=width,
        numbers=values.numel(),
        device=values.device.type,
        extents=extents_of(values if values.dim() == 1 else values[: max(1, _MOST * rows // values.numel())], axis),
        operation=last_operation(outputs),
        weights=weights,
    )


def _listed(weights: Any) -> tuple[float, ...]:
    return tuple(weights.detach().double().reshape(-1).tolist()) if isinstance(weights, Tensor) else ()


def _by_class(weights: Sequence[float], *, classes: Sequence[str]) -> dict[str, float]:
    """The weights by the names of the classes, with a mean of 1."""
    total = sum(weights)
    if not total or not math.isfinite(total):
        return {}
    return {name: weight * len(classes) / total for name, weight in zip(classes, weights, strict=True)}


def _class_rows(work: Work) -> dict[str, int]:
    """The training rows of each class."""
    classes, targets = work.prepared.classes, training_examples(work.prepared, work.spec).targets
    if not classes or targets.ndim != 1:
        return {}
    counts = np.bincount(targets.astype(np.int64), minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=False))


def _is_traced() -> bool:
    """Whether tensors are none with values: those of a compiler or of a transform."""
    return torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None
