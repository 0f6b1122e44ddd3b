"""What the last operation of a model lets its outputs become, held against what the loss and the targets ask for.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.evidence import OutputRange
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.training.batches import Batch

RANGES: Mapping[str, tuple[float, float]] = {
    "Relu": (0.0, math.inf),
    "Softplus": (0.0, math.inf),
    "Exp": (0.0, math.inf),
    "Abs": (0.0, math.inf),
    "ClampMin": (0.0, math.inf),
    "Sigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Hardtanh": (-1.0, 1.0),
}
"""The operations that bound what they give, as autograd calls them. The bounds of a clamp are not told: 0 is the usual one."""
_OF_LOGITS = frozenset({"cross_entropy", "focal", "binary_cross_entropy_with_logits"})
# A target at the edge of a closed range is reached in the limit; a few beyond it may be outliers that are clipped on purpose.
_SLACK = 1e-6
_FAR = 30.0


def output_range(operation: str, examples: Examples, assembly: Assembly) -> OutputRange | None:
    """The range of outputs that end in `operation`; None for one without bounds.

    Targets are those that the loss sees, of `examples`.
    """
    if operation not in RANGES:
        return None
    declared = assembly.declared
    if declared.classes or declared.kind == "tokens":
        logits = declared.name in _OF_LOGITS if declared.name else _own_takes_logits(examples, assembly)
        return OutputRange(operation, logits)
    reads_values = declared.kind == "values" and declared.name != "poisson_nll"
    seen = examples if declared.scale is None else declared.scale.applied(examples)
    targets = torch.from_numpy(seen.targets).double()
    if not reads_values or not targets.numel():
        return OutputRange(operation, logits=False)
    low, high = RANGES[operation]
    outside = ((targets < low - _SLACK) | (targets > high + _SLACK)).double().mean()
    return OutputRange(operation, logits=False, outside=float(outside))


def _own_takes_logits(examples: Examples, assembly: Assembly) -> bool:
    """Whether a loss of the team's own falls towards its lowest value only as outputs grow without bounds.

    That of logits does; one of probabilities is undefined there or rises, and one of values rises.
    """
    batch = assembly.source(examples).fetch(torch.arange(len(examples)))
    classes = assembly.declared.classes
    if batch.targets is None or batch.targets.dim() != 1 or assembly.declared.kind == "tokens":
        return False
    truth_N = batch.targets.long()
    one_a_row = truth_N.double() * 2 - 1
    shapes = [_logits_of(truth_N, classes)] if classes > 2 else [_logits_of(truth_N, 2), one_a_row, one_a_row[:, None]]
    return any(_falls(assembly.loss, signs, batch) for signs in shapes)


def _logits_of(truth_N: Tensor, classes: int) -> Tensor:
    signs_NC = torch.full((len(truth_N), classes), -1.0)
    signs_NC[torch.arange(len(truth_N)), truth_N] = 1.0
    return signs_NC


def _falls(loss: Callable[[Tensor, Batch], Tensor], signs: Tensor, batch: Batch) -> bool:
    found = []
    for size in (0.5, 1.0, _FAR):
        try:
            found.append(float(loss((signs * size).float().to(batch.index.device), batch)))
        except Exception:  # whatever the team's loss raises for outputs of a form that it does not take
            return False
    near, unit, far = found
    return all(map(math.isfinite, found)) and near > unit > far
