"""The second half of an optimiser step: from the gradients to the new parameters.

The numbers are those of `torch.nn.utils.get_total_norm`, `clip_grads_with_norm_` and `Optimizer.step`, to the last bit. Where
all gradients are alike, their kernels are called directly: what torch does around them costs a small model more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import SGD, Optimizer

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.fused import take_fused_step
from pytest_mlspec.training.nonfinite import NotFiniteError

_EPSILON = 1e-6
"""What torch adds to the norm that it divides by."""


def apply_update(
    optimizer: Optimizer,
    *,
    clip_norm: float | None = None,
    scaler: GradScaler | None = None,
    loss: Tensor | None = None,
) -> Tensor:
    """Clips the gradients to `clip_norm` and steps; the 2-norm of all gradients before clipping, still on the device.

    With `loss`, that of the step, a norm that lies on the CPU and is not finite raises NotFiniteError before the step. A
    `scaler` takes its scale from the gradients first, and leaves the step out where they are then not finite.
    """
    parameters = parameters_of(optimizer)
    if scaler is not None:
        if isinstance(optimizer, SGD):
            # Asked to leave out its first step itself, the fused one keeps a momentum that nothing has set (torch 2.13).
            optimizer._step_supports_amp_scaling = False
        scaler.unscale_(optimizer)
    gradients = _gradients(parameters)
    alike = _are_alike(gradients)
    norm = _norm(gradients, alike=alike)
    if loss is not None and scaler is None and norm.is_cpu and not math.isfinite(norm):
        raise NotFiniteError(float(loss), float(norm))
    if clip_norm is not None:
        if alike:
            _clip(gradients, clip_norm, norm)
        else:
            clip_grads_with_norm_(parameters, clip_norm, norm)
    if scaler is not None:
        scaler.step(optimizer)
        scaler.update()
        # A step that is left out counts for the schedule too, and needs no warning of torch that none was taken.
        optimizer._opt_called = True  # type: ignore[attr-defined]
    elif not (alike and take_fused_step(optimizer)):
        optimizer.step()
    return norm


def clear_gradients(optimizer: Optimizer) -> None:
    """What `optimizer.zero_grad()` does, without the profiler's mark around it, unless its class has one of its own."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad or "zero_grad" in vars(optimizer):
        optimizer.zero_grad(set_to_none=True)
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """The parameters of all groups, in their order."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The 2-norm over the gradients of `parameters`; raises TrainingError where there is none."""
    gradients = _gradients(parameters)
    return _norm(gradients, alike=_are_alike(gradients))


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    gradients = [gradient for parameter in parameters if (gradient := parameter.grad) is not None]
    if not gradients:
        raise TrainingError(
            "no parameter of the optimizer has a gradient",
            key="model",
            advice="is the model detached from the loss, or the optimizer made for another model?",
        )
    return gradients


def _are_alike(gradients: list[Tensor]) -> bool:
    """Whether they are dense tensors on one device, CPU or CUDA, and of one type."""
    [(kind, device, _, layout), *others] = {(type(one), one.device, one.dtype, one.layout) for one in gradients}
    return not others and kind is Tensor and device.type in ("cpu", "cuda") and layout is torch.strided


def _norm(gradients: list[Tensor], *, alike: bool) -> Tensor:
    if not alike:
        # The norm of a sparse gradient, as of an embedding, is that of the values that it has.
        return get_total_norm([one.coalesce().values() if one.is_sparse else one for one in gradients])
    with torch.no_grad():
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm


def _clip(gradients: list[Tensor], clip_norm: float, norm: Tensor) -> None:
    """Scales `gradients`, which are alike and whose 2-norm is `norm`, down to `clip_norm`."""
    # Looking at it is a synchronisation but on the CPU. So far from the bound, torch multiplies by exactly one.
    if norm.is_cpu and norm.item() + _EPSILON < 0.999 * clip_norm:
        return
    with torch.no_grad():
        torch._foreach_mul_(gradients, torch.clamp(clip_norm / (norm + _EPSILON), max=1.0))
