"""Where a loss or gradient that is not finite comes from: the rows, and the layer.

On the CPU a training looks at the loss and at the norm of every step before the update, so the step can be taken again with
the weights that it began with. On other devices that would be a synchronisation a step: there the numbers are read once an
epoch, the weights have been overwritten meanwhile, and the layer is named only where they have stayed finite. Untested on
CUDA and MPS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch

_ROWS_SHOWN = 20
_ADVICE = "look at these rows and this layer, lower the learning rate, or set clip_norm"
IN_FP16 = "fp16 holds numbers up to 65,504: write precision: bf16, or scale down what this layer is given"
NO_LAYER = "the step was finite when it was taken again: look at what it draws at random"


class NotFiniteError(Exception):
    """Raised within a step, before its update: the loss and the gradient norm, one of which is not finite."""

    def __init__(self, loss: float, gradient_norm: float = math.nan) -> None:
        super().__init__()
        self.loss = loss
        self.gradient_norm = gradient_norm


class NonFiniteError(TrainingError):
    """A loss or gradient that is not finite. `rows` are the positions of the step's rows in the source."""

    def __init__(self, what: str, rows: Sequence[int], layer: str = "", *, advice: str = _ADVICE) -> None:
        more = f", … ({len(rows)} in all)" if len(rows) > _ROWS_SHOWN else ""
        where = f": {layer}" if layer else ""
        super().__init__(
            f"{what}{where}; rows {', '.join(map(str, rows[:_ROWS_SHOWN]))}{more}",
            advice=advice,
        )
        self.what = what
        self.rows = tuple(rows)
        self.layer = layer


def bad_rows(batches: Sequence[Batch]) -> list[int]:
    """The rows whose inputs or targets are not finite."""
    found: list[int] = []
    for batch in batches:
        inputs = batch.inputs.values() if isinstance(batch.inputs, dict) else [batch.inputs]
        for values in (*inputs, *([] if batch.targets is None else [batch.targets])):
            if values.is_floating_point():
                bad_N = ~torch.isfinite(values.detach()).reshape(len(values), -1).all(dim=1)
                found += batch.index[bad_N.cpu()].tolist()
    return sorted(set(found))


def layer_of(model: nn.Module, loss_again: Callable[[], Tensor]) -> str:
    """What in `model` is first not finite while `loss_again` takes the gradients of the step again; empty for nothing."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_floating_point() and not _is_finite(tensor):
            return f"the weights {name} are not finite before the step"
    with _watched(model) as (outputs, gradients):
        try:
            loss = loss_again()
        except Exception:  # the step failed already: what comes up now must not hide that
            return ""
    if outputs:
        return f"first in the output of {outputs[0]}"
    if not _is_finite(loss):
        return "the outputs of every layer are finite, the loss of them is not"
    return f"first in the gradient of {gradients[0]}" if gradients else ""


@contextmanager
def _watched(model: nn.Module) -> Iterator[tuple[list[str], list[str]]]:
    """Collects the modules whose outputs, and the parameters whose gradients, are not finite, in the order they come up."""
    outputs: list[str] = []
    gradients: list[str] = []

    def of_module(name: str, module: nn.Module, arguments: Any, output: Any) -> None:
        if not all(map(_is_finite, _tensors(output))):
            outputs.append(f"{name or 'the model'} ({type(module).__name__})")

    def of_parameter(name: str, gradient: Tensor) -> None:
        if not _is_finite(gradient):
            gradients.append(name)

    hooks = [module.register_forward_hook(partial(of_module, name)) for name, module in model.named_modules()]
    hooks += [
        parameter.register_hook(partial(of_parameter, name))  # type: ignore[no-untyped-call]
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    ]
    try:
        yield outputs, gradients
    finally:
        for hook in hooks:
            hook.remove()


def _tensors(output: Any) -> list[Tensor]:
    """The floating-point tensors in what a module returned."""
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    if isinstance(output, dict):
        output = list(output.values())
    return [tensor for item in output for tensor in _tensors(item)] if isinstance(output, (list, tuple)) else []


def _is_finite(tensor: Tensor) -> bool:
    values = tensor.detach()
    return bool(torch.isfinite(values.coalesce().values() if values.is_sparse else values).all())
