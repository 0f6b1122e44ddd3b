"""Sees the schedulers of torch in any training that runs inside a `with` block, and changes nothing of it.

Torch's global hook tells of each optimiser step. A scheduler is found among what refers to its optimiser when that has taken
its first steps: it wraps the optimiser's `step`, which tells whether there is one at all.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import register_optimizer_step_pre_hook

# What torch's schedulers call the number of their steps.
_LENGTHS = ("T_max", "total_steps", "total_iters")
# One that is made after so many steps is not looked for: to look costs a walk over all objects.
_LOOKED_AT = (1, 2)


@dataclass
class Scheduled:
    """A scheduler and the rates of the steps of its optimiser; `stepped_first`: it was stepped before the optimiser was."""

    scheduler: LRScheduler
    stepped_first: bool
    begun_at: int
    rates: list[float] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How often it was stepped while it was seen."""
        return int(self.scheduler.last_epoch) - self.begun_at

    @property
    def length(self) -> int | None:
        """How many steps it was made for, where it tells one number."""
        found = next((getattr(self.scheduler, name) for name in _LENGTHS if hasattr(self.scheduler, name)), None)
        return found if isinstance(found, int) else None


class SchedulerWatch:
    """Observes what runs inside its block: `seen` are the schedulers of optimisers that step, `backwards` counts passes."""

    def __init__(self) -> None:
        self.seen: list[Scheduled] = []
        self.backwards = 0
        self._backward = torch.autograd.backward
        self._rates: dict[int, list[float]] = {}
        self._optimizers: list[Optimizer] = []
        self._handle: Any = None

    def __enter__(self) -> SchedulerWatch:
        self._handle = register_optimizer_step_pre_hook(self._before_step)
        torch.autograd.backward = self._counting(self._backward)  # that of a tensor calls it too
        return self

    def __exit__(self, *_: object) -> None:
        torch.autograd.backward = self._backward
        self._handle.remove()
        self._optimizers.clear()

    def _counting(self, backward: Callable[..., None]) -> Callable[..., None]:
        def counted(*args: Any, **kwargs: Any) -> None:
            self.backwards += 1
            backward(*args, **kwargs)

        return counted

    def _before_step(self, optimizer: Optimizer, *_: Any) -> None:
        rates = self._rates.get(id(optimizer))
        if rates is None:
            rates = self._rates[id(optimizer)] = []
            self._optimizers.append(optimizer)  # its id stays its own
        rates.append(float(optimizer.param_groups[0]["lr"]))
        if len(rates) in _LOOKED_AT and hasattr(optimizer.step, "_wrapped_by_lr_sched"):
            self._look(optimizer, rates)

    def _look(self, optimizer: Optimizer, rates: list[float]) -> None:
        known = {id(each.scheduler) for each in self.seen}
        found = [each for each in _referring(optimizer) if id(each) not in known]
        inner = {id(part) for each in found for part in getattr(each, "_schedulers", ())}
        for scheduler in found:
            if id(scheduler) not in inner:
                stepped = len(rates) == 1 and getattr(scheduler, "_step_count", 1) > 1
                begun = 0 if len(rates) == 1 else int(scheduler.last_epoch)
                self.seen.append(Scheduled(scheduler, stepped, begun, rates))


def _referring(optimizer: Optimizer) -> list[LRScheduler]:
    """The schedulers of `optimizer`."""
    owners: list[Any] = []
    for found in gc.get_referrers(optimizer):
        # an object's attributes may lie in a dict of their own
        owners += gc.get_referrers(found) if isinstance(found, dict) else [found]
    unique = {id(each): each for each in owners if isinstance(each, LRScheduler)}
    return [each for each in unique.values() if each.optimizer is optimizer]
