"""The step of a fused optimiser of torch, to the last bit, without what torch does around its kernel.

For a small model that is a third of the time of `Optimizer.step`. One flat tensor for all parameters was tried instead: it is
no faster than lists of tensors, and breaks whatever else refers to a parameter's memory. Covered are Adam, AdamW and SGD as
`build_optimizer` makes them. Left to torch is the first step, which makes the optimiser's state, and a step that somebody has
put something around. Untested on CUDA.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

_Kernel = Callable[[], None]
_Group = Mapping[str, Any]


def take_fused_step(optimizer: Optimizer) -> bool:
    """Does what `optimizer.step()` does, by the same kernels on the same tensors; or does nothing, and returns False.

    All gradients must be dense, on one device and of one type.
    """
    kernel_of = _KERNELS.get(type(optimizer))
    if kernel_of is None or _is_surrounded(optimizer):
        return False
    kernels: list[_Kernel] = []
    for group in optimizer.param_groups:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not parameters:
            continue
        kernel = None if _is_unusual(group) else kernel_of(group, parameters, optimizer.state)
        if kernel is None:
            return False
        kernels.append(kernel)
    # What a scheduler of torch looks for, to warn when it is stepped before the optimiser.
    optimizer._opt_called = True  # type: ignore[attr-defined]
    with torch.no_grad():
        for kernel in kernels:
            kernel()
    return True


def _is_surrounded(optimizer: Optimizer) -> bool:
    """Whether a step is more than torch's own: by a hook, or another `step` (a scheduler's wrapper only takes notes)."""
    step = vars(optimizer).get("step")
    return bool(
        (step is not None and getattr(step, "__wrapped__", None) is not type(optimizer).step)
        or optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or _global_optimizer_pre_hooks
        or _global_optimizer_post_hooks
    )


def _is_unusual(group: _Group) -> bool:
    """Whether torch does not take the group by its fused kernel, or looks at something else before."""
    return (
        not group["fused"]
        or group["differentiable"]
        or group.get("capturable", False)
        or type(group["lr"]) is not float
    )


def _adam(group: _Group, parameters: list[Tensor], state: Mapping[Tensor, dict[str, Any]]) -> _Kernel | None:
    states = [state[parameter] for parameter in parameters]
    beta1, beta2 = group["betas"]
    if not all(states) or isinstance(beta1, Tensor) or isinstance(beta2, Tensor):
        return None
    kernel: Callable[..., None] = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
    steps = [of_one["step"] for of_one in states]

    def run() -> None:
        torch._foreach_add_(steps, 1)
        kernel(
            parameters,
            [parameter.grad for parameter in parameters],
            [of_one["exp_avg"] for of_one in states],
            [of_one["exp_avg_sq"] for of_one in states],
            [of_one["max_exp_avg_sq"] for of_one in states] if group["amsgrad"] else [],
            steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=group["amsgrad"],
            maximize=group["maximize"],
        )

    return run


def _sgd(group: _Group, parameters: list[Tensor], state: Mapping[Tensor, dict[str, Any]]) -> _Kernel | None:
    momenta = [state[parameter].get("momentum_buffer") for parameter in parameters] if group["momentum"] else []
    if any(momentum is None for momentum in momenta):
        return None
    kernel: Callable[..., None] = torch._fused_sgd_

    def run() -> None:
        kernel(
            parameters,
            [parameter.grad for parameter in parameters],
            momenta,
            lr=group["lr"],
            momentum=group["momentum"],
            weight_decay=group["weight_decay"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            is_first_step=False,
        )

    return run


_KERNELS: Mapping[type[Optimizer], Callable[..., _Kernel | None]] = {Adam: _adam, AdamW: _adam, SGD: _sgd}
