"""Watches any training with torch that runs inside a `with` block, whatever takes its steps, and changes nothing of it.

Torch's global hooks tell of each outermost call of a module and of each optimiser step; hooks on the parameters tell of each
gradient. What is kept are counts, the rows of the steps and small samples of the parameters. Not seen are optimisers that are
none of torch's, what a compiled module does inside, and other processes. Gradients by `torch.autograd.grad` are none that
arrive: they reach no `.grad`.

    watch_rows.py   which rows went in;  watch_state.py   what is remembered of modules, parameters and optimisers
    watch_precision.py   updates that half precision loses
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.module import (
    _global_forward_hooks_with_kwargs,
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from pytest_mlspec.training.watch_precision import HalfUpdates
from pytest_mlspec.training.watch_rows import RowFinder, tensors_in
from pytest_mlspec.training.watch_state import (
    Forward,
    Holder,
    Root,
    Step,
    Watched,
    is_zero,
    lasting_buffers,
    normalises_batches,
    remembers,
    sample,
)

# The order of rows is judged on so many steps, and buffers on so many evaluations: more would tell the same.
_STEPS, _FORWARDS, _COPIES = 5000, 2000, 20

AfterStep = Callable[[int], None]


@dataclass
class Seen:
    """What a training did.

    `steps` and `forwards` (those without gradients, or of rows outside the training split) are the first few thousand; the
    counts are of all. `leftover` steps used gradients from before the step before, as in the parameter `leftover_name`;
    `late` forwards had their gradients only after a step; `within_backward`: some steps were taken while gradients came in;
    `restarts` are the times at which an optimiser had forgotten what it knew of a parameter that it had stepped; `dropped`
    holds the backward passes of each window whose gradients were cleared and never stepped, `pending` those after the last
    step. `lost` are the shares of updates that a low precision swallowed. `single_rows` steps took batch statistics of one
    row. `trained_N` marks the rows of the training split that a step used, `draws` counts their uses.
    """

    steps: list[Step] = field(default_factory=list)
    count: int = 0
    forwards: list[Forward] = field(default_factory=list)
    roots: list[Root] = field(default_factory=list)
    parameters: list[Watched] = field(default_factory=list)
    holders: list[Holder] = field(default_factory=list)
    leftover: int = 0
    leftover_name: str = ""
    late: int = 0
    within_backward: bool = False
    restarts: int = 0
    dropped: list[int] = field(default_factory=list)
    pending: int = 0
    half: str = ""
    lost: tuple[float, ...] = ()
    single_rows: int = 0
    draws: int = 0
    unknown: int = 0
    trained_N: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))


class Watch:
    """Observes what runs inside its block; `seen` is what it saw. `after_step` is called with the number of steps so far."""

    def __init__(self, finder: RowFinder | None = None, *, after_step: AfterStep | None = None) -> None:
        self.seen = Seen(trained_N=np.zeros(0 if finder is None else finder.train, dtype=bool))
        self._finder = finder
        self._told = after_step
        self._handles: list[Any] = []
        self._roots: dict[int, Root] = {}
        self._watched: dict[int, Watched] = {}
        self._holders: WeakKeyDictionary[Optimizer, Holder] = WeakKeyDictionary()
        self._depth = 0
        self._buffers: dict[str, Tensor] | None = None
        self._copies = 0
        self._task = -1
        self._passing: list[Forward] = []
        self._pending: list[tuple[int, Forward]] = []
        self._stepping: list[Optimizer] = []
        self._updates = HalfUpdates()

    def __enter__(self) -> Watch:
        self._handles = [
            register_module_forward_pre_hook(self._before_forward),
            register_module_forward_hook(self._after_forward, with_kwargs=True, always_call=True),
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
            # torch 2.13 leaves this mark behind, and takes it for a hook that is still there.
            _global_forward_hooks_with_kwargs.pop(handle.id, None)
        self._handles.clear()
        self.seen.half, self.seen.lost = self._updates.dtype, tuple(self._updates.lost)
        self.seen.pending = len({task for task, forward in self._pending if forward.training})
        self._pending.clear()
        self._passing.clear()

    def steps_of(self, optimizer: Optimizer) -> int:
        """How many steps `optimizer` took."""
        holder = self._holders.get(optimizer)
        return 0 if holder is None else holder.steps

    # Modules

    def _before_forward(self, module: nn.Module, args: Any) -> None:
        self._depth += 1
        if self._depth > 1 or _is_hidden():
            return
        self._buffers = None
        if not module.training and self._copies < _COPIES and (lasting := lasting_buffers(module)):
            self._copies += 1
            self._buffers = {name: buffer.detach().clone() for name, buffer in lasting.items()}

    def _after_forward(self, module: nn.Module, args: Any, *rest: Any) -> None:
        self._depth = max(0, self._depth - 1)
        if len(rest) == 1:  # the forward raised: torch then passes no kwargs
            return
        kwargs, output = rest
        if self._depth or _is_hidden() or (root := self._root(module)) is None:
            return
        recorded = torch.is_grad_enabled()
        entered = list(tensors_in((args, kwargs)))
        rows = None if self._finder is None else self._finder.find(entered)
        count = next((len(tensor) for tensor in entered if tensor.dim()), 0)
        alone = count == 1 and recorded and normalises_batches(module)
        forward = Forward(root, module.training, recorded, rows, count, root.steps, self._changed(module), alone)
        if not (forward.training and recorded) or self._is_outside(forward):
            self._keep(forward)
        if recorded:
            root.start = root.start or {name: sample(one) for name, one in module.named_parameters()}
            for tensor in tensors_in(output):
                if tensor.requires_grad:
                    tensor.register_hook(partial(self._through, forward))  # type: ignore[no-untyped-call]

    def _root(self, module: nn.Module) -> Root | None:
        """What is known of a module that the training code calls; None where it has nothing to learn."""
        members = frozenset(map(id, module.parameters()))
        if not members:
            return None
        root = self._roots.get(id(module))
        if root is None:
            root = self._roots[id(module)] = Root(module)
            self.seen.roots.append(root)
        if root.members != members:
            root.refresh()
        if torch.is_grad_enabled():
            for name, parameter in module.named_parameters():
                self._watch(parameter, name)
        return root

    def _changed(self, module: nn.Module) -> tuple[str, ...]:
        """The buffers that the forward in evaluation mode, which has just ended, changed."""
        if self._buffers is None:
            return ()
        before, now = self._buffers, lasting_buffers(module)
        self._buffers = None
        return tuple(
            name
            for name, buffer in before.items()
            if name in now and now[name].shape == buffer.shape and not torch.equal(now[name], buffer)
        )

    def _is_outside(self, forward: Forward) -> bool:
        """Whether its rows are all of a split that is not trained on."""
        finder, rows = self._finder, forward.rows
        return bool(
            finder is not None
            and rows is not None
            and len(rows)
            and ((rows >= finder.train) & (rows < finder.all)).all()
        )

    def _keep(self, forward: Forward) -> None:
        if len(self.seen.forwards) < _FORWARDS:
            self.seen.forwards.append(forward)

    # Gradients

    def _watch(self, parameter: Tensor, name: str, *, provisional: bool = False) -> None:
        known = self._watched.get(id(parameter))
        if known is not None:
            if known.provisional and not provisional:
                known.name, known.provisional = name, False
            return
        if not (parameter.requires_grad and parameter.is_leaf):
            return
        watched = self._watched[id(parameter)] = Watched(parameter, name, provisional)
        self.seen.parameters.append(watched)
        self._handles.append(parameter.register_hook(partial(self._arriving, watched)))  # type: ignore[no-untyped-call]
        arrived = partial(self._arrived, watched)
        self._handles.append(parameter.register_post_accumulate_grad_hook(arrived))  # type: ignore[no-untyped-call]

    def _through(self, forward: Forward, gradient: Tensor) -> None:
        """A backward pass enters the graph of `forward`."""
        task = torch._C._current_graph_task_id()
        if task != self._task:
            self._task = task
            self._passing = []
        self._passing.append(forward)

    def _arriving(self, watched: Watched, gradient: Tensor) -> None:
        """A gradient comes to a parameter; what it finds there is still that of before."""
        found = watched.tensor.grad
        looks = watched.arrivals == 0 or watched.mixed or watched is self.seen.parameters[0]
        watched.found = found is not None and (not looks or not is_zero(found))

    def _arrived(self, watched: Watched, parameter: Tensor) -> None:
        if watched.arrivals == 0:
            watched.mixed = watched.found and watched.stepped
        elif not watched.found:
            watched.mixed = False
            self._drop(watched)
        watched.arrivals += 1
        watched.ever += 1
        for forward in self._passing:
            self._pending.append((self._task, forward))
            if not forward.used and forward.root.steps > forward.at_step:
                self.seen.late += 1
            forward.used = True
        self._passing = []

    def _drop(self, watched: Watched) -> None:
        """The gradients of `watched` were cleared without a step: so were those of the modules that it belongs to."""
        member = id(watched.tensor)
        cleared = [(task, one) for task, one in self._pending if task != self._task and member in one.root.members]
        if cleared:
            self.seen.dropped.append(len({task for task, _ in cleared}))
            gone = {id(one) for _, one in cleared}
            self._pending = [(task, one) for task, one in self._pending if id(one) not in gone]

    # Steps

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if any(one is optimizer for one in self._stepping):
            self._stepping.clear()  # its step before raised, and somebody went on
        self._stepping.append(optimizer)
        if len(self._stepping) > 1:
            return
        self.seen.within_backward |= torch._C._current_graph_task_id() != -1
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        holder = self._holder(optimizer, held)
        for number, parameter in enumerate(held):
            self._watch(parameter, f"{number} of {holder.name}", provisional=True)
        known = [self._watched[id(parameter)] for parameter in held if id(parameter) in self._watched]
        if not _has_closure(args, kwargs):
            left = next((one for one in known if one.is_left_from_before()), None)
            if left is not None:
                self._note_leftover(left)
        first = next((one for one in known if one.tensor.grad is not None), None)
        if first is not None:
            if first.had_state and first.holder == holder.members and not remembers(optimizer, first.tensor):
                self.seen.restarts += 1
            first.holder = holder.members
        for root in self.seen.roots:
            root.steps += not root.members.isdisjoint(holder.members)
        self._updates.before_step(optimizer)

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._stepping and self._stepping[-1] is optimizer:
            self._stepping.pop()
        if self._stepping:
            return
        holder = self._holders[optimizer]
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        known = [self._watched[id(parameter)] for parameter in held if id(parameter) in self._watched]
        mixed = next((one for one in known if one.mixed), None)
        if mixed is not None:
            self._note_leftover(mixed)
        holder.steps += 1
        holder.with_gradients += any(one.tensor.grad is not None or one.arrivals for one in known)
        for one in known:
            one.note_step()
            if one.holder:
                one.had_state = remembers(optimizer, one.tensor)
        self._updates.after_step()
        self._note_step(optimizer, holder)

    def _note_step(self, optimizer: Optimizer, holder: Holder) -> None:
        """Takes in which forwards the step rests on."""
        # A backward pass belongs to the first step that uses a gradient of it, with all modules that it went through.
        used = {task for task, one in self._pending if not one.root.members.isdisjoint(holder.members)}
        taken = [(task, one) for task, one in self._pending if task in used]
        self._pending = [(task, one) for task, one in self._pending if task not in used]
        seen = self.seen
        seen.count += 1
        for _, forward in taken:
            seen.single_rows += forward.alone
            self._note_rows(forward)
        if len(seen.steps) < _STEPS:
            rates = tuple(float(group["lr"]) for group in optimizer.param_groups if "lr" in group)
            seen.steps.append(Step(tuple(one for _, one in taken), len({task for task, _ in taken}), rates))
        if self._told is not None:
            self._told(seen.count)

    def _note_rows(self, forward: Forward) -> None:
        if self._finder is None or forward.rows is None:
            return
        trained = forward.rows[forward.rows < self._finder.train]
        self.seen.trained_N[trained] = True
        self.seen.draws += len(trained)
        self.seen.unknown += int((forward.rows >= self._finder.all).sum())

    def _note_leftover(self, watched: Watched) -> None:
        self.seen.leftover += 1
        self.seen.leftover_name = self.seen.leftover_name or watched.name

    def _holder(self, optimizer: Optimizer, held: list[Tensor]) -> Holder:
        members = frozenset(map(id, held))
        holder = self._holders.get(optimizer)
        if holder is None:
            holder = self._holders[optimizer] = Holder(members, type(optimizer).__name__)
            self.seen.holders.append(holder)
        holder.members |= members
        return holder


def _has_closure(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a step computes its gradients itself; the optimiser is the first of `args`."""
    return any(callable(each) for each in (*args[1:], *kwargs.values()))


def _is_hidden() -> bool:
    """Whether a call is none of the training code's: recomputed in a backward pass, traced by a compiler or a transform."""
    return (
        torch._C._current_graph_task_id() != -1
        or torch.compiler.is_compiling()
        or torch._C._functorch.peek_interpreter_stack() is not None
    )
