"""One optimiser step. The loop and every probe call `take_step`, so what a probe measures is what training does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, forward
from pytest_mlspec.training.losses import LossFunction, as_scalar, denominator
from pytest_mlspec.training.memory import divided, is_out_of_memory, shrink
from pytest_mlspec.training.nonfinite import NotFiniteError
from pytest_mlspec.training.state import State
from pytest_mlspec.training.update import apply_update, clear_gradients, gradient_norm, parameters_of

if TYPE_CHECKING:
    from pytest_mlspec.training.instruments import Clock

Precision = Literal["fp32", "bf16", "fp16"]
TrainingStep = Callable[[State, Batch], Any]
"""The user's step: returns the loss of the batch, and calls backward and `state.optimizer.step()` itself, or neither."""

_STEP = "recipe.training_step"
_LOSS = "train.loss"
_HALF: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
    demand_finite: bool = False,
    clock: Clock | None = None,
) -> StepResult:
    """Updates the parameters once, by the gradient of the mean loss over all rows of the micro-batches `batches`.

    Changes the model, the optimiser's and the scaler's state alone: counters, schedule and train/eval mode are the caller's.
    Whether a `training_step` owns backward and step is seen from what it does. Out of memory, the micro-batches of `state`
    become smaller. With `demand_finite`, a loss or norm that lies on the CPU and is not finite raises NotFiniteError before
    the update. Raises TrainingError where a `training_step` does one half of a step, returns no loss, or owns the step and
    yet is to be clipped, scaled or to accumulate.
    """
    if state.micro_rows is not None:
        batches = divided(batches, state.micro_rows)
    found: Tensor | StepResult | None = None
    try:
        found = compute_gradients(state, batches, loss=loss, training_step=training_step, precision=precision)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    if found is None:  # outside the handler, where the exception would hold the tensors of the step
        shrink(state, batches, owned=training_step is not None)
        return take_step(
            state,
            batches,
            loss=loss,
            clip_norm=clip_norm,
            precision=precision,
            demand_finite=demand_finite,
            clock=clock,
        )
    if isinstance(found, StepResult):
        _refuse_what_an_owner_does(state, clip_norm)
        if demand_finite and not (_may_be_finite(found.loss) and _may_be_finite(found.gradient_norm)):
            raise NotFiniteError(float(found.loss), float(found.gradient_norm))
        return found
    if demand_finite and not _may_be_finite(found):
        raise NotFiniteError(float(found))
    if clock is not None:
        clock.lap("forward and backward")
    norm = apply_update(
        state.optimizer, clip_norm=clip_norm, scaler=state.scaler, loss=found if demand_finite else None
    )
    if clock is not None:
        clock.lap("update")
    return StepResult(found, norm)


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
    has taken it on return, with the gradients that it found; that is the StepResult. Where the state has a scaler, the
    gradients are scaled, and the loss is not.
    """
    model = state.model if state.compiled is None else state.compiled
    scaler = state.scaler

    def backward(value: Tensor) -> None:
        (value if scaler is None else scaler.scale(value)).backward()  # type: ignore[no-untyped-call]

    def loss_of(batch: Batch) -> Tensor | StepResult:
        if training_step is not None:
            return _call_users_step(state, batch, training_step, precision)
        with _autocast(state.device, precision):
            value = loss(forward(model, batch), batch)
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
    clear_gradients(state.optimizer)
    if len(batches) == 1:
        backward(first)
        return first.detach()

    weights = [denominator(loss, batch) if training_step is None else len(batch) for batch in batches]
    total = sum(weights)
    mean = torch.zeros((), dtype=first.dtype, device=first.device)
    for number, batch in enumerate(batches):
        value = first if number == 0 else loss_of(batch)
        if isinstance(value, StepResult):
            raise TrainingError("training_step stepped the optimizer for some micro-batches of a step only", key=_STEP)
        part = value * weights[number] / total
        backward(part)
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


def _refuse_what_an_owner_does(state: State, clip_norm: float | None) -> None:
    """Raises TrainingError where a step that the team's code owns should have been clipped or scaled."""
    if clip_norm is not None:
        raise TrainingError(
            "training_step steps the optimizer itself, so clip_norm cannot be applied",
            key="train.clip_norm",
            advice="clip in training_step, or let it return the loss alone",
        )
    if state.scaler is not None:
        raise TrainingError(
            "training_step steps the optimizer itself, so its loss cannot be scaled for fp16",
            key="train.precision",
            advice="precision: bf16, which needs no scaling, or let training_step return the loss alone",
        )


def _may_be_finite(value: Tensor) -> bool:
    """False for a number on the CPU that is not finite; elsewhere, looking would be a synchronisation."""
    return not value.is_cpu or math.isfinite(value)


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    return nullcontext() if precision == "fp32" else torch.autocast(device.type, dtype=_HALF[precision])
