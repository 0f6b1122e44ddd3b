"""What optimiser steps do to every parameter: the gradient that reaches it, how far it moves, and what it does not forget.

The steps are the first of a new training: those of the loop (`take_step`, with the team's own `training_step`), or those that an
engine with a trainer of its own takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import count, islice
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import Gradients, ParameterGradient
from pytest_mlspec.jobs import GradientFlow
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.batches import Batch, Source, Step
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
        order = assembly.settings.order(len(assembly.examples), work.spec.train.seed)
        first = list(islice((step for epoch in count() for step in order.steps(epoch)), _STEPS))
        steps: Steps
        if work.spec.train.engine.use == "torch":
            steps = _Steps(assembly, assembly.source(assembly.examples), work.spec.train.seed, first).settled()
        else:
            steps = _OfEngine(work)
        parameters = _flow(steps, assembly.training.freeze)
        poisoned, name = _effect_of_leftovers(steps)
    rows = sum(len(index) for step in first for index in step)
    return Result(Gradients(parameters, poisoned, name, rows, _STEPS, assembly.device.name))


Look = Callable[[nn.Module], None]


class Steps(Protocol):
    """The first steps of a training, which can be taken again and again."""

    def walk(self, begin: Look, after_step: Look) -> None:
        """Takes them with a new model and equal random states; `begin` sees it before, `after_step` after each of them."""


def _at_least(assembly: Assembly, steps: int) -> Assembly:
    """The same training, long enough for a schedule to have `steps` steps."""
    length = max(assembly.total_steps, steps)
    return replace(assembly, settings=replace(assembly.settings, steps=length, epochs=None))


@dataclass(frozen=True)
class _Steps:
    """Those of the loop, on the rows `first`."""

    assembly: Assembly
    source: Source
    seed: int
    first: list[Step]
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
        return all(self.take(state, batches) for batches in self.batches())

    def walk(self, begin: Look, after_step: Look) -> None:
        """Takes the steps."""
        state = self.new_state()
        begin(state.model)
        for batches in self.batches():
            self.take(state, batches)
            after_step(state.model)

    def batches(self) -> Iterator[list[Batch]]:
        """The micro-batches of each step."""
        return ([self.source.fetch(index) for index in step] for step in self.first)

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


@dataclass(frozen=True)
class _OfEngine:
    """Those that the engine's own trainer takes."""

    work: Work

    def walk(self, begin: Look, after_step: Look) -> None:
        """Takes the steps."""
        engine = import_module(ENGINES.find(self.work.spec.train.engine.use).module)
        engine.take_steps(self.work, _STEPS, begin=begin, after_step=after_step)


def _flow(steps: Steps, freeze: tuple[str, ...]) -> tuple[ParameterGradient, ...]:
    """The largest gradient of each parameter and its largest distance from the start, over the first steps."""
    models: list[nn.Module] = []
    start: dict[str, Tensor] = {}
    norms: dict[str, float] = {}
    changes: dict[str, float] = {}

    def record(name: str, gradient: Tensor) -> None:
        norms[name] = _larger(norms.get(name, 0.0), _norm(gradient))

    def begin(model: nn.Module) -> None:
        models.append(model)
        start.update(_tensors(model))
        for name, parameter in model.named_parameters():
            changes[name] = 0.0
            if parameter.requires_grad:
                # A hook sees the gradient as backward delivers it, before a step that clears at its end takes it away.
                parameter.register_hook(partial(record, name))  # type: ignore[no-untyped-call]

    def after_step(model: nn.Module) -> None:
        for name, parameter in model.named_parameters():
            changes[name] = _larger(changes[name], _difference(parameter, start[name]))

    steps.walk(begin, after_step)
    [model] = models
    frozen = frozen_names(model, freeze)
    return tuple(
        ParameterGradient(
            name, parameter.numel(), parameter.requires_grad, norms.get(name), changes[name], frozen=name in frozen
        )
        for name, parameter in model.named_parameters()
    )


def _effect_of_leftovers(steps: Steps) -> tuple[float, str]:
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


def _several_steps(steps: Steps, *, poison: float | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of a new model at the start and after the steps, with `poison` in every gradient that one leaves."""
    start: dict[str, Tensor] = {}
    end: dict[str, Tensor] = {}

    def after_step(model: nn.Module) -> None:
        end.update(_tensors(model))
        for parameter in model.parameters():
            if poison is not None and parameter.grad is not None and parameter.grad.any():
                parameter.grad = torch.full_like(parameter, poison)

    steps.walk(lambda model: start.update(_tensors(model)), after_step)
    return start, end


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
