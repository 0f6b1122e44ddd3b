"""One optimiser step. The loop and every probe call `take_step`, so what a probe measures is what training does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, forward
from pytest_mlspec.training.losses import LossFunction, as_scalar, denominator
from pytest_mlspec.training.state import State
from pytest_mlspec.training.update import apply_update, gradient_norm, parameters_of

Precision = Literal["fp32", "bf16"]
TrainingStep = Callable[[State, Batch], Any]
"""The user's step: returns the loss of the batch, and calls backward and `state.optimizer.step()` itself, or neither."""

_STEP = "recipe.training_step"
_LOSS = "train.loss"


@dataclass(frozen=True, slots=True)
class StepResult:
    """`loss` and `gradient_norm` (before clipping) are scalars that are still on the device.

    `owned`: the user's code called backward and stepped the optimiser. The norm is then that of the gradients which its
    optimiser used, after whatever the code did to them.
    """

    loss: Tensor
    gradient_norm: Tensor
    owned: bool = False


def take_step(
    state: State,
    batches: Sequence[Batch],
    *,
    loss: LossFunction,
    training_step: TrainingStep | None = None,
    clip_norm: float | None = None,
    precision: Precision = "fp32",
) -> StepResult:
    """Updates the parameters once, by the gradient of the mean loss over all rows of the micro-batches `batches`.

    Changes the model and the optimiser's state alone: counters, schedule and train/eval mode are the caller's. Whether a
    `training_step` owns backward and step is seen from what it does. Raises TrainingError where it does one half of
    that, returns no loss, or owns the step and yet is to be clipped or to accumulate.
    """
    found = compute_gradients(state, batches, loss=loss, training_step=training_step, precision=precision)
    if isinstance(found, StepResult):
        if clip_norm is not None:
            raise TrainingError(
                "training_step steps the optimizer itself, so clip_norm cannot be applied",
                key="train.clip_norm",
                advice="clip in training_step, or let it return the loss alone",
            )
        return found
    return StepResult(found, apply_update(state.optimizer, clip_norm=clip_norm))


def compute_gradients(
    state: State,
    batches: Sequence[Batch],
    *,
    loss: LossFunction,
    training_step: TrainingStep | None = None,
    precision: Precision = "fp32",
) -> Tensor | StepResult:
    """Replaces the gradients by those of the mean loss over all rows of `batches`, and returns that loss.

    Exact for micro-batches of different sizes: each counts by its share of the rows. A `training_step` that owns the step
    has taken it on return, with the gradients that it found; that is the StepResult.
    """

    def loss_of(batch: Batch) -> Tensor | StepResult:
        if training_step is not None:
            return _call_users_step(state, batch, training_step, precision)
        with _autocast(state.device, precision):
            value = loss(forward(state.model, batch), batch)
        return _checked(value, "the loss function", _LOSS)

    first = loss_of(batches[0])
    if isinstance(first, StepResult):
        if len(batches) > 1:
            raise TrainingError(
                "training_step steps the optimizer itself, so gradients cannot be accumulated",
                key="train.accumulate",
                advice="accumulate: 1, or let training_step return the loss alone",
            )
        return first
    state.optimizer.zero_grad(set_to_none=True)
    if len(batches) == 1:
        first.backward()  # type: ignore[no-untyped-call]
        return first.detach()

    weights = [denominator(loss, batch) if training_step is None else len(batch) for batch in batches]
    total = sum(weights)
    mean = torch.zeros((), dtype=first.dtype, device=first.device)
    for number, batch in enumerate(batches):
        value = first if number == 0 else loss_of(batch)
        if isinstance(value, StepResult):
            raise TrainingError("training_step stepped the optimizer for some micro-batches of a step only", key=_STEP)
        part = value * weights[number] / total
        part.backward()  # type: ignore[no-untyped-call]
        mean += part.detach()
    return mean


def _call_users_step(
    state: State, batch: Batch, training_step: TrainingStep, precision: Precision
) -> Tensor | StepResult:
    """The loss that the user's step returns, still to be stepped on; or the result of the step that it has taken."""
    parameters = parameters_of(state.optimizer)
    before = [_version(parameter) for parameter in parameters]
    norms: list[Tensor] = []
    # The hook runs inside step(), so a zero_grad() right after it hides nothing.
    handle = state.optimizer.register_step_post_hook(lambda *_: norms.append(gradient_norm(parameters)))
    try:
        with _autocast(state.device, precision):
            returned = training_step(state, batch)
    finally:
        handle.remove()
    if returned is None:
        raise TrainingError("training_step returned nothing", key=_STEP, advice="return the loss of the batch")
    if norms:
        value = torch.as_tensor(returned, device=state.device) if isinstance(returned, float) else returned
        return StepResult(as_scalar(value, "training_step", _STEP).detach(), norms[-1], owned=True)
    if any(_is_written(parameter, *seen) for parameter, seen in zip(parameters, before, strict=True)):
        raise TrainingError(
            "training_step called backward(), but state.optimizer did not step",
            key=_STEP,
            advice="call state.optimizer.step() too, or return the loss alone; to accumulate, set train.accumulate",
        )
    return _checked(returned, "training_step", _STEP)


def _checked(value: Any, who: str, key: str) -> Tensor:
    """`value` as a scalar that backward can start from."""
    scalar = as_scalar(value, who, key)
    if not scalar.requires_grad:
        raise TrainingError(
            f"{who} returned a loss that does not depend on the model's parameters",
            key=key,
            advice="look for detach(), item(), no_grad() or an argmax between the model and the loss",
        )
    return scalar


def _version(parameter: Tensor) -> tuple[Tensor | None, int]:
    """The gradient of `parameter`, held so that no other can take its place unseen, and how often it was written."""
    return parameter.grad, -1 if parameter.grad is None else parameter.grad._version


def _is_written(parameter: Tensor, gradient: Tensor | None, version: int) -> bool:
    """Whether backward has written to the gradient of `parameter` since; clearing it does not count."""
    return parameter.grad is not None and (parameter.grad is not gradient or parameter.grad._version != version)


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()
