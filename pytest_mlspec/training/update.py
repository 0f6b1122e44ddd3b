"""The second half of an optimiser step: from the gradients to the new parameters."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from pytest_mlspec.errors import TrainingError


def apply_update(optimizer: Optimizer, *, clip_norm: float | None = None) -> Tensor:
    """Clips the gradients to `clip_norm` and steps; the 2-norm of all gradients before clipping, still on the device."""
    parameters = parameters_of(optimizer)
    norm = gradient_norm(parameters)
    if clip_norm is not None:
        clip_grads_with_norm_(parameters, clip_norm, norm)
    optimizer.step()
    return norm


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """The parameters of all groups, in their order."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The 2-norm over the gradients of `parameters`; raises TrainingError where there is none."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        raise TrainingError(
            "no parameter of the optimizer has a gradient",
            key="model",
            advice="is the model detached from the loss, or the optimizer made for another model?",
        )
    # The norm of a sparse gradient, as of an embedding, is that of the values that it has.
    return get_total_norm([one.coalesce().values() if one.is_sparse else one for one in gradients])
