"""What optimiser steps do to every parameter: the gradient that reaches it, how far it moves, and what it does not forget.

The steps are those of the loop (`take_step`, with the team's own `training_step`) on the first batches of a new training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice

import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import Gradients, ParameterGradient
from pytest_mlspec.jobs import GradientFlow
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.batches import Batch, Source
from pytest_mlspec.training.parameters import frozen_names
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import take_step

# More than one, because a layer whose weights start at zero blocks the gradient of those before it in the first step.
_STEPS = 3
_POISON = 1e3
# Two equal steps may differ by this share of their update, as kernels of a GPU do; beyond it, nothing can be compared.
_NOISE = 1e-3
_ABOVE_NOISE = 10


def gradient_flow(job: GradientFlow, work: Work) -> Result:
    """Measures a few steps from initialisation; raises MeasurementError where two equal steps do not give equal results."""
    with from_outside("the probe of gradients", key="model"):
        assembly = _at_least(assemble(work), _STEPS)
        steps = _Steps(assembly, assembly.source(assembly.examples), work.spec.train.seed).settled()
        parameters = _flow(steps)
        poisoned, name = _effect_of_leftovers(steps)
    rows = sum(len(index) for step in steps.indices(_STEPS) for index in step)
    return Result(Gradients(parameters, poisoned, name, rows, _STEPS, assembly.device.name))


def _at_least(assembly: Assembly, steps: int) -> Assembly:
    """The same training, long enough for a schedule to have `steps` steps."""
    length = max(assembly.total_steps, steps)
    return replace(assembly, settings=replace(assembly.settings, steps=length, epochs=None))


@dataclass(frozen=True)
class _Steps:
    """The first steps of a training."""

    assembly: Assembly
    source: Source
    seed: int
    scale: float | None = None

    def settled(self) -> _Steps:
        """The same steps in fp16 at a scale of the loss at which all of them are taken; in other precisions these.

        A training finds that scale by leaving out its first steps, which says nothing against its gradients.
        """
        state = self.new_state()
        if state.scaler is None:
            return self
        scale = state.scaler.get_scale()
        while scale >= 1 and not self._all_taken(scale):
            scale /= 2
        return replace(self, scale=scale)

    def _all_taken(self, scale: float) -> bool:
        state = replace(self, scale=scale).new_state()
        return all(self.take(state, batches) for batches in self.batches(_STEPS))

    def indices(self, number: int) -> Iterator[tuple[Tensor, ...]]:
        """The row numbers of the micro-batches of the first `number` steps."""
        order = self.assembly.settings.order(len(self.source), self.seed)
        return islice((step for epoch in count() for step in order.steps(epoch)), number)

    def batches(self, number: int) -> Iterator[list[Batch]]:
        """The micro-batches of the first `number` steps."""
        return ([self.source.fetch(index) for index in step] for step in self.indices(number))

    def new_state(self) -> State:
        """A training at its beginning, with the generators as they then are."""
        state = self.assembly.new_state(self.seed)
        if self.scale is not None:
            state.scaler = GradScaler(state.device.type, init_scale=self.scale)
        return state

    def take(self, state: State, batches: list[Batch]) -> bool:
        """One step of the loop; false for one with a gradient that is not finite, which a scaler leaves out."""
        state.model.train()
        result = take_step(
            state,
            batches,
            loss=self.assembly.loss,
            training_step=self.assembly.recipe.training_step,
            clip_norm=self.assembly.settings.clip_norm,
            precision=self.assembly.settings.precision,
        )
        state.step += 1
        state.position += 1
        if state.schedule is not None:
            state.schedule.after_step()
        return bool(result.gradient_norm.isfinite())


def _flow(steps: _Steps) -> tuple[ParameterGradient, ...]:
    """The largest gradient of each parameter and its largest distance from the start, over the first steps."""
    state = steps.new_state()
    parameters = dict(state.model.named_parameters())
    start = _tensors(state.model)
    norms: dict[str, float] = {}
    changes = dict.fromkeys(parameters, 0.0)

    def record(name: str, gradient: Tensor) -> None:
        norms[name] = _larger(norms.get(name, 0.0), _norm(gradient))

    # A hook sees the gradient as backward delivers it, before a step that clears at its end takes it away.
    hooks = [
        parameter.register_hook(partial(record, name))  # type: ignore[no-untyped-call]
        for name, parameter in parameters.items()
        if parameter.requires_grad
    ]
    for batches in steps.batches(_STEPS):
        steps.take(state, batches)
        for name, parameter in parameters.items():
            changes[name] = _larger(changes[name], _difference(parameter, start[name]))
    for hook in hooks:
        hook.remove()
    frozen = frozen_names(state.model, steps.assembly.training.freeze)
    return tuple(
        ParameterGradient(
            name, parameter.numel(), parameter.requires_grad, norms.get(name), changes[name], frozen=name in frozen
        )
        for name, parameter in parameters.items()
    )


def _effect_of_leftovers(steps: _Steps) -> tuple[float, str]:
    """How far gradients left over from the steps before carry the next ones, and the tensor that they carry furthest.

    What a step leaves in `.grad` is replaced by a large constant, after every step: some clear in each second one only. A
    step that clears at its end leaves nothing, and nothing is then put there: the next step would be misled by what can
    never be found.
    """
    before, clean = _several_steps(steps, poison=None)
    _, again = _several_steps(steps, poison=None)
    _, poisoned = _several_steps(steps, poison=_POISON)
    noise = max(_difference(again[name], tensor) for name, tensor in clean.items())
    update = max(_difference(before[name], tensor) for name, tensor in clean.items())
    if noise > _NOISE * update:
        raise MeasurementError(
            f"two equal steps with equal random states differ by {noise:.3g}: what leftover gradients do cannot be told",
            advice="look for a generator without the seed in the training step; see the check `reproducible`",
        )
    furthest = max(clean, key=lambda name: _difference(poisoned[name], clean[name]))
    effect = _difference(poisoned[furthest], clean[furthest])
    return (effect, furthest) if effect > _ABOVE_NOISE * noise else (0.0, "")


def _several_steps(steps: _Steps, *, poison: float | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of a new model at the start and after the steps, with `poison` in every gradient that one leaves."""
    state = steps.new_state()
    start = _tensors(state.model)
    for batches in steps.batches(_STEPS):
        steps.take(state, batches)
        for parameter in state.model.parameters():
            if poison is not None and parameter.grad is not None and parameter.grad.any():
                parameter.grad = torch.full_like(parameter, poison)
    return start, _tensors(state.model)


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the parameters and buffers by name."""
    return {name: tensor.detach().clone() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def _difference(first: Tensor, second: Tensor) -> float:
    """Max |first − second|, infinite where one of them is not a number and the other is."""
    if first.numel() == 0:
        return 0.0
    difference = (first.detach().double() - second.detach().double()).abs()
    same = (first == second) | (first.isnan() & second.isnan())
    return float(torch.where(same, 0.0, difference.nan_to_num(nan=math.inf)).max())


def _norm(gradient: Tensor) -> float:
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return float(values.detach().norm())


def _larger(first: float, second: float) -> float:
    """The larger one; the one that is not a number, where there is such."""
    return first if math.isnan(first) or first > second else second
