"""What optimiser steps do to every parameter: the gradient that reaches it, how far it moves, and what it does not forget.

The steps are the first of a new training: those of the loop (`take_step`, with the team's own `training_step`), or those that an
engine with a trainer of its own takes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import count, islice
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MeasurementError, TrainingError
from pytest_mlspec.evidence import Gradients, ParameterGradient
from pytest_mlspec.jobs import GradientFlow
from pytest_mlspec.probes.symmetry import Twins
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
        steps = steps_of(work, assembly, first)
        flow = _flow(steps, assembly.training.freeze)
        held = steps.held()
        poisoned, name = _effect_of_leftovers(steps)
    parameters = flow.parameters
    if held is not None:
        parameters = tuple(replace(each, rate=held.rates.get(each.name, 0.0)) for each in parameters)
    return Result(
        Gradients(
            parameters,
            poisoned,
            name,
            rows=sum(len(index) for step in first for index in step),
            steps=_STEPS,
            device=assembly.device.name,
            strangers=held.strangers if held else 0,
            repeated=held.repeated if held else (),
            update_ratio=flow.update_ratio,
            constant_start=flow.constant_start,
        )
    )


Look = Callable[[nn.Module], None]


@dataclass(frozen=True)
class Held:
    """What an optimiser holds: the rate of each parameter by name, those that it holds more than once, how many others."""

    rates: Mapping[str, float]
    repeated: tuple[str, ...]
    strangers: int


class Steps(Protocol):
    """The first steps of a training, which can be taken again and again."""

    def walk(self, begin: Look, after_step: Look) -> None:
        """Takes them with a new model and equal random states; `begin` sees it before, `after_step` after each of them."""

    def held(self) -> Held | None:
        """What the optimiser holds; None where the engine keeps it to itself."""


def steps_of(work: Work, assembly: Assembly, first: list[Step]) -> Steps:
    """The steps of a training on the rows `first`; of an engine with a trainer of its own, as many on the rows that it takes."""
    if work.spec.train.engine.use == "torch":
        return _Steps(assembly, assembly.source(assembly.examples), work.spec.train.seed, first).settled()
    return _OfEngine(work, len(first))


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
        held = {id(tensor) for group in state.optimizer.param_groups for tensor in group["params"]}
        is_strange = held.isdisjoint(map(id, state.model.parameters()))
        for batches in self.batches():
            try:
                self.take(state, batches)
            except TrainingError:
                if not is_strange:
                    raise
                # the loop refuses to step with an optimizer that sees no gradient; the model has got its own by then
            after_step(state.model)

    def held(self) -> Held:
        """What the optimiser of a new training holds."""
        state = self.new_state()
        names = {id(parameter): name for name, parameter in state.model.named_parameters()}
        groups = state.optimizer.param_groups
        counts = Counter(id(tensor) for group in groups for tensor in group["params"])
        # a schedule that begins at 0 keeps the rate that it goes up to beside it
        rates = {id(tensor): group.get("initial_lr", group["lr"]) for group in groups for tensor in group["params"]}
        return Held(
            rates={names[key]: float(rate) for key, rate in rates.items() if key in names},
            repeated=tuple(name for key, name in names.items() if counts[key] > 1),
            strangers=len(counts.keys() - names.keys()),
        )

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
    number: int

    def walk(self, begin: Look, after_step: Look) -> None:
        """Takes the steps."""
        engine = import_module(ENGINES.find(self.work.spec.train.engine.use).module)
        engine.take_steps(self.work, self.number, begin=begin, after_step=after_step)

    def held(self) -> None:
        """Nothing that is known: the trainer keeps its optimiser to itself."""


@dataclass(frozen=True)
class _Flow:
    """What the first steps do to each parameter, and to all of them; see `Gradients`."""

    parameters: tuple[ParameterGradient, ...]
    update_ratio: float | None
    constant_start: bool


def _flow(steps: Steps, freeze: tuple[str, ...]) -> _Flow:
    """The largest gradient of each parameter and its largest distance from the start, over the first steps."""
    models: list[nn.Module] = []
    seen: dict[str, _Seen] = {}

    def begin(model: nn.Module) -> None:
        models.append(model)
        for name, parameter in model.named_parameters():
            seen[name] = _Seen(parameter)

    def after_step(model: nn.Module) -> None:
        for name, parameter in model.named_parameters():
            seen[name].look_after_step(parameter)

    steps.walk(begin, after_step)
    [model] = models
    frozen = frozen_names(model, freeze)
    told = tuple(
        seen[name].told(name, parameter, frozen=name in frozen) for name, parameter in model.named_parameters()
    )
    learning = [(seen[name], parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    start = math.hypot(*(each.length for each, _ in learning))
    ratio = math.hypot(*(each.moved(parameter) for each, parameter in learning)) / start if start else None
    return _Flow(told, ratio, _begin_constant([each for each, parameter in learning if _has_units(parameter)]))


def _begin_constant(weights: list[_Seen]) -> bool:
    """Whether each of several weights begins with one value; not where they are zeros side by side, as in a linear model."""
    if len(weights) < 2 or not all(each.constant for each in weights):
        return False
    return any(each.length > 0 or not each.first_norm for each in weights)


def _has_units(parameter: Tensor) -> bool:
    return parameter.dim() >= 2 and min(parameter.shape[:2]) >= 2


class _Seen:
    """What is seen of one parameter: its gradients as backward delivers them, and how far it moves."""

    def __init__(self, parameter: Tensor) -> None:
        self._start = parameter.detach().clone()
        self.first_norm: float | None = None
        """The norm of the first gradient."""
        self._norm: float | None = None
        self._change = 0.0
        self._twins = Twins(parameter)
        self._reached: Tensor | None = None
        if parameter.requires_grad:
            # A hook sees the gradient as backward delivers it, before a step that clears at its end takes it away.
            parameter.register_hook(self._look)  # type: ignore[no-untyped-call]

    def _look(self, gradient: Tensor) -> None:
        if self.first_norm is None:
            self.first_norm = _norm(gradient)
        self._norm = _larger(0.0 if self._norm is None else self._norm, _norm(gradient))
        self._twins.look(gradient)
        if _is_half(self._start) and not gradient.is_sparse:
            reached = gradient.detach() != 0
            self._reached = reached if self._reached is None else self._reached | reached

    def look_after_step(self, parameter: Tensor) -> None:
        """Takes in where the parameter is now."""
        self._change = _larger(self._change, _difference(parameter, self._start))

    def told(self, name: str, parameter: Tensor, *, frozen: bool) -> ParameterGradient:
        """What was seen, when `parameter` is at its end."""
        lost = 0.0
        if self._reached is not None and self._reached.any():
            lost = float((parameter.detach() == self._start)[self._reached].float().mean())
        return ParameterGradient(
            name,
            parameter.numel(),
            parameter.requires_grad,
            self._norm,
            self._change,
            frozen=frozen,
            symmetric=self._twins.units,
            dtype=str(parameter.dtype).removeprefix("torch."),
            lost=lost,
            is_weight=parameter.dim() >= 2,
        )

    @property
    def constant(self) -> bool:
        """Whether every value is the same at the start."""
        return bool((self._start == self._start.flatten()[:1]).all())

    @property
    def length(self) -> float:
        """The norm of the values at the start."""
        return float(self._start.double().norm())

    def moved(self, parameter: Tensor) -> float:
        """The norm of the way from the start to where `parameter` is now."""
        return float((parameter.detach().double() - self._start.double()).norm())


def _is_half(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.float16, torch.bfloat16)


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
