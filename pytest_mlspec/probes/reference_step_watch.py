"""A step of the team's code, watched from outside: calls of the model, gradients, weights around the update.

Nothing of the step is replaced. What the declared loss would have done is worked out on the outputs that the step itself got,
and carried to the parameters by the same forward once more, with its weights, buffers and random states: so rows changed at
random, dropout and statistics of the batch are the same on both sides.

Shape letters: N rows, C outputs of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.seeding import RandomState, rng_state, set_rng_state

Tensors = dict[str, Tensor]
"""Tensors by the name of their parameter."""


@dataclass
class Forward:
    """A call of the model whose outputs can learn. `gradient` is what backward brought to the outputs, in `deliveries` parts."""

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    buffers: Tensors
    random: RandomState
    precision: tuple[bool, torch.dtype]
    outputs: Any = None
    gradient: Tensor | None = None
    deliveries: int = 0

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors that entered."""
        return [value for value in (*self.arguments, *self.keywords.values()) if isinstance(value, Tensor)]


@dataclass
class Taken:
    """One step on `batch`. `before` and `after` are the weights around the whole of it.

    `leftover` are the gradients that stood before the step, `delivered` what backward brought in it, `brought` what of that had
    come when the optimiser stepped, all three of the scaled loss; `used` is what it stepped on, unscaled. `scale` is that of
    the loss; `at_unscale` is the norm of what stood when the scale was taken from the gradients. `settings` are those of each
    parameter's group when the optimiser stepped, `settings_before` when the step began. `closure`: the gradients were worked
    out inside the optimiser's step; `broken_off`: an update came before any backward, which then failed. `begin` is the call
    of the model as a whole that the step would have made of its batch.
    """

    batch: Batch
    begin: Forward
    before: Tensors
    leftover: Tensors
    settings_before: dict[str, dict[str, Any]]
    forwards: list[Forward] = field(default_factory=list)
    delivered: Tensors = field(default_factory=dict)
    brought: Tensors = field(default_factory=dict)
    used: dict[str, Tensor | None] = field(default_factory=dict)
    scale: float = 1.0
    at_unscale: float | None = None
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    stepped_from: Tensors = field(default_factory=dict)
    stepped_to: Tensors = field(default_factory=dict)
    after: Tensors = field(default_factory=dict)
    updates: int = 0
    forwards_between: bool = False
    closure: bool = False
    broken_off: bool = False
    references: list[Reference | str] = field(default_factory=list)

    @property
    def learning(self) -> list[Forward]:
        """The calls that backward came to, or all where it came to none."""
        return [forward for forward in self.forwards if forward.gradient is not None] or self.forwards

    def forget_gradients(self) -> None:
        """Frees what a comparison of updates does not need."""
        for tensors in (self.leftover, self.delivered, self.brought):
            tensors.clear()
        self.forwards.clear()
        self.references.clear()

    @property
    def in_parts(self) -> bool:
        """Whether the step calls parts of the model, and never the model."""
        return not self.forwards


@dataclass
class Reference:
    """What a declared loss would have brought to the outputs [N, …] of a step, and from there to the parameters."""

    outputs: Tensor
    of_outputs: Tensor
    of_parameters: Tensors


LossOfOutputs = Callable[[Taken, Tensor], Tensor]
"""The declared loss of all outputs of a step. Raises MlspecError where they do not fit it."""


class Watch:
    """Watches the steps that are taken inside `step()`; `losses` are the declared ones.

    Before the first step every gradient is 0, so that a step that comes before its backward can be taken at all.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, losses: list[LossOfOutputs]) -> None:
        self.model = model
        self.taken: list[Taken] = []
        self._optimizer = optimizer
        self._losses = losses
        self._now: Taken | None = None
        self._forwards_at_update = 0
        learns = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        self.parameters = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and id(parameter) in learns
        }
        for parameter in self.parameters.values():
            parameter.grad = torch.zeros_like(parameter)

    @contextmanager
    def step(self, batch: Batch) -> Iterator[None]:
        """What is done inside is one step on `batch`."""
        leftover = {name: _dense(one.grad) for name, one in self.parameters.items() if one.grad is not None}
        self._now = now = Taken(batch, self._whole(batch), self._weights(), leftover, self._settings())
        handles = [
            self.model.register_forward_pre_hook(self._enters, with_kwargs=True),
            self.model.register_forward_hook(self._leaves),
            self._optimizer.register_step_pre_hook(self._will_step),
            self._optimizer.register_step_post_hook(self._has_stepped),
            *(one.register_hook(self._delivers(name)) for name, one in self.parameters.items()),  # type: ignore[no-untyped-call]
        ]
        try:
            with _scalers(self._scales, self._unscales):
                yield
        except Exception as error:
            # Backward cannot go through weights that a step has changed since the forward.
            late = now.updates == 1 and not now.closure and bool(now.forwards) and not now.delivered
            now.broken_off = late and "inplace operation" in str(error)
            if not now.broken_off:
                raise
        finally:
            for handle in handles:
                handle.remove()
            self._now = None
        now.after = self._weights()
        self.taken.append(now)

    def _whole(self, batch: Batch) -> Forward:
        buffers = _buffers(self.model)
        by_name = isinstance(batch.inputs, dict)
        arguments = () if by_name else (batch.inputs,)
        keywords = batch.inputs if isinstance(batch.inputs, dict) else {}
        return Forward(arguments, keywords, buffers, rng_state(), self._precision())

    def _precision(self) -> tuple[bool, torch.dtype]:
        kind = next(self.model.parameters()).device.type
        return torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    def _scales(self, scaler: GradScaler) -> None:
        if self._now is not None:
            self._now.scale = scaler.get_scale()

    def _unscales(self, optimizer: Optimizer) -> None:
        if self._now is not None and optimizer is self._optimizer and self._now.at_unscale is None:
            self._now.at_unscale = self._norm_of_gradients()

    def _norm_of_gradients(self) -> float:
        norms = [_dense(one.grad).double().norm() for one in self.parameters.values() if one.grad is not None]
        return float(torch.stack(norms).norm()) if norms else 0.0

    def _enters(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if self._now is None or module is not self.model or not torch.is_grad_enabled():
            return
        buffers = _buffers(module)
        self._now.forwards.append(Forward(_kept(arguments), _kept(keywords), buffers, rng_state(), self._precision()))

    def _leaves(self, module: nn.Module, arguments: tuple[Any, ...], outputs: Any) -> None:
        if self._now is None or module is not self.model or not torch.is_grad_enabled() or not self._now.forwards:
            return
        forward = self._now.forwards[-1]
        if not isinstance(outputs, Tensor):
            forward.outputs = outputs
            return
        forward.outputs = outputs.detach().clone()
        if outputs.requires_grad:
            outputs.register_hook(self._brought_to(forward))  # type: ignore[no-untyped-call]

    def _brought_to(self, forward: Forward) -> Callable[[Tensor], None]:
        def brought(gradient: Tensor) -> None:
            forward.gradient = _dense(gradient) if forward.gradient is None else forward.gradient + _dense(gradient)
            forward.deliveries += 1

        return brought

    def _delivers(self, name: str) -> Callable[[Tensor], None]:
        def delivers(gradient: Tensor) -> None:
            if self._now is not None:
                so_far = self._now.delivered.get(name)
                self._now.delivered[name] = _dense(gradient) if so_far is None else so_far + _dense(gradient)

        return delivers

    def _will_step(self, optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        now = self._now
        assert now is not None, "the hooks are there inside a step alone"
        if now.updates:
            now.forwards_between |= len(now.forwards) > self._forwards_at_update
            return
        self._forwards_at_update = len(now.forwards)
        # the wrapped `step` of torch hands itself over as the first argument
        given = [*arguments[1:], *keywords.values()] if arguments and arguments[0] is optimizer else [*arguments]
        now.closure = any(callable(value) for value in given)
        now.used = {name: None if one.grad is None else _dense(one.grad) for name, one in self.parameters.items()}
        now.brought = dict(now.delivered)
        # A fused optimiser takes the scale from the gradients itself.
        scale = getattr(optimizer, "grad_scale", None)
        if scale is not None:
            now.at_unscale = self._norm_of_gradients() if now.at_unscale is None else now.at_unscale
            now.used = {name: None if one is None else one / scale for name, one in now.used.items()}
        now.settings = self._settings()
        now.stepped_from = self._weights()
        # Nothing that is done here belongs to the step.
        self._now = None
        random = rng_state()
        now.references = [_reference(self.model, self.parameters, now, loss) for loss in self._losses]
        set_rng_state(random)
        self._now = now

    def _has_stepped(self, optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        assert self._now is not None, "the hooks are there inside a step alone"
        self._now.updates += 1
        if self._now.updates == 1:
            self._now.stepped_to = self._weights()

    def _weights(self) -> Tensors:
        return {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    def _settings(self) -> dict[str, dict[str, Any]]:
        return settings_of(self._optimizer, self.parameters)


def settings_of(optimizer: Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """The arguments of each parameter's group, such as its rate."""
    groups = {
        id(parameter): {key: value for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    return {name: groups[id(parameter)] for name, parameter in parameters.items() if id(parameter) in groups}


def _reference(model: nn.Module, parameters: Mapping[str, nn.Parameter], taken: Taken, loss: LossOfOutputs) -> Any:
    """What `loss` would have brought; in words, why that cannot be told."""
    forwards = taken.learning
    if not forwards:
        forward = taken.begin
        try:
            forward.outputs = _again(model, forward).detach()
        except Exception as error:  # a model that is no single function of its inputs
            return f"the training step never calls the model as a whole, which gives {type(error).__name__}"
        forwards = [forward]
    if not all(isinstance(forward.outputs, Tensor) for forward in forwards):
        kind = type(forwards[0].outputs).__name__
        return f"the model returns a {kind} in training: which part of it the declared loss sees cannot be told"
    if len({forward.outputs.shape[1:] for forward in forwards}) > 1 or not forwards[0].outputs.dim():
        return "the model is called several times in a step, for outputs of different shapes"
    outputs = torch.cat([forward.outputs for forward in forwards]).requires_grad_()
    try:
        with torch.enable_grad():
            value = loss(taken, outputs)
            [of_outputs] = torch.autograd.grad(value, [outputs])
    except MlspecError as error:
        return error.message
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        return f"the declared loss cannot take the outputs of the step: {error}"
    sizes = [len(forward.outputs) for forward in forwards]
    totals: Tensors = {}
    for forward, part in zip(forwards, torch.split(of_outputs, sizes), strict=True):
        again = _again(model, forward)
        if not torch.equal(again.detach(), forward.outputs):
            return "the model is called with other weights than those that are updated, or is random beyond the seeds"
        found = torch.autograd.grad(again, list(parameters.values()), part, allow_unused=True)
        for name, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                totals[name] = totals.get(name, 0) + _dense(gradient)
    return Reference(outputs.detach(), of_outputs, totals)


def _again(model: nn.Module, forward: Forward) -> Tensor:
    """The outputs of a call once more; the buffers are afterwards those that they were."""
    kind = next(model.parameters()).device.type
    enabled, dtype = forward.precision
    places = [
        (module._buffers, name, f"{prefix}.{name}".lstrip("."), buffer)
        for prefix, module in model.named_modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        # Others take their places: the graph of the step may need those that there are, unwritten.
        for holder, name, full, _ in places:
            if full in forward.buffers:
                holder[name] = forward.buffers[full].clone()
        set_rng_state(forward.random)
        with torch.enable_grad(), torch.autocast(kind, dtype=dtype, enabled=enabled):
            outputs: Tensor = model(*forward.arguments, **forward.keywords)
    finally:
        for holder, name, _, buffer in places:
            holder[name] = buffer
    return outputs


def _buffers(model: nn.Module) -> Tensors:
    """Copies of the buffers, by every name that they have."""
    return {name: buffer.clone() for name, buffer in model.named_buffers(remove_duplicate=False)}


@contextmanager
def _scalers(scales: Callable[[GradScaler], None], unscales: Callable[[Optimizer], None]) -> Iterator[None]:
    """Tells of every loss that a scaler scales, and every optimiser from whose gradients it takes the scale."""
    scale, unscale = GradScaler.scale, GradScaler.unscale_

    def watched_scale(self: GradScaler, outputs: Any) -> Any:
        scaled = scale(self, outputs)
        if self.is_enabled():
            scales(self)
        return scaled

    def watched_unscale(self: GradScaler, optimizer: Optimizer) -> None:
        if self.is_enabled():
            unscales(optimizer)
        unscale(self, optimizer)

    GradScaler.scale = watched_scale  # type: ignore[method-assign]
    GradScaler.unscale_ = watched_unscale  # type: ignore[method-assign]
    try:
        yield
    finally:
        GradScaler.scale = scale  # type: ignore[method-assign]
        GradScaler.unscale_ = unscale  # type: ignore[method-assign]


def _kept(values: Any) -> Any:
    """`values` as they are now: a step may write into its inputs."""
    match values:
        case Tensor():
            return values.detach().clone()
        case dict():
            return {name: _kept(value) for name, value in values.items()}
        case tuple():
            return tuple(_kept(value) for value in values)
    return values


def _dense(gradient: Tensor) -> Tensor:
    return gradient.detach().to_dense() if gradient.is_sparse else gradient.detach().clone()
