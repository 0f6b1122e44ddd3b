"""The learning rate of every step: torch's schedulers, each with a linear warm-up and stepped per step or per epoch.

During a warm-up of w steps, step k (from 0) has (k + 1) / (w + 1) of the scheduler's rate: no step is taken at rate zero,
and step w is the first at the full rate. A scheduler that goes by steps starts there; one that goes by epochs counts from the
beginning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from pytest_mlspec.errors import TrainingError, did_you_mean
from pytest_mlspec.language.names import SCHEDULE_ARGUMENTS, SCHEDULES, Interval, ScheduleName

_KEY = "train.schedule"
# Arguments that set the rates of all groups, where every other scheduler scales them.
_RATES = frozenset({"max_lr", "base_lr"})


class Schedule:
    """A scheduler of torch and when it steps. `monitor` is the metric of an epoch that ReduceLROnPlateau is given."""

    def __init__(
        self,
        scheduler: LRScheduler,
        *,
        interval: Interval = "step",
        total_steps: int | None = None,
        warmup_steps: int = 0,
        monitor: str | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.interval = interval
        self.monitor = monitor
        self._total_steps = total_steps
        self._warmup_steps = warmup_steps
        self._taken = 0
        self._rates = [group["lr"] for group in self._groups()]
        self._warm_up()

    def after_step(self) -> None:
        """Sets the rate of the next step. To be called after every optimiser step."""
        self._taken += 1
        if self._taken <= self._warmup_steps:
            self._warm_up()
        elif self.interval == "step" and self._taken != self._total_steps:
            # Not after the last step: OneCycleLR refuses to go beyond its length, and nobody reads that rate.
            self.scheduler.step()

    def after_epoch(self, metrics: Mapping[str, float]) -> None:
        """Sets the rate of the next epoch. To be called after the last `after_step` of every epoch.

        Raises TrainingError where `monitor` is not among the metrics, or is not finite.
        """
        if self.interval == "step":
            return
        self._restore_rates()
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(monitored(metrics, self.monitor or "train.loss", key=f"{_KEY}.monitor"))
        else:
            self.scheduler.step()
        self._rates = [group["lr"] for group in self._groups()]
        self._warm_up()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs. The rates in force are in the optimiser's own state."""
        return {"taken": self._taken, "rates": self._rates, "scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken."""
        self._taken = state["taken"]
        self._rates = list(state["rates"])
        self.scheduler.load_state_dict(state["scheduler"])

    def _groups(self) -> list[dict[str, Any]]:
        # Asked for each time: restoring an optimiser replaces them.
        return self.scheduler.optimizer.param_groups

    def _warm_up(self) -> None:
        """Sets the rate of step `_taken`, up to the first one after the warm-up."""
        if self._taken > self._warmup_steps or not self._warmup_steps:
            return
        share = (self._taken + 1) / (self._warmup_steps + 1)
        for group, rate in zip(self._groups(), self._rates, strict=True):
            group["lr"] = rate * share

    def _restore_rates(self) -> None:
        if self._taken <= self._warmup_steps:
            for group, rate in zip(self._groups(), self._rates, strict=True):
                group["lr"] = rate


def monitored(metrics: Mapping[str, float], name: str, *, key: str) -> float:
    """The finite value of the metric that a decision rests on; raises TrainingError where there is none."""
    if name not in metrics:
        raise TrainingError(f"{name} is monitored, but not measured", key=key, advice=did_you_mean(name, metrics))
    if not math.isfinite(metrics[name]):
        raise TrainingError(f"{name} is monitored, and is {metrics[name]}", key=key)
    return metrics[name]


def build_schedule(
    name: str, arguments: Mapping[str, Any], optimizer: Optimizer, *, total_steps: int, steps_per_epoch: int
) -> Schedule:
    """The schedule called `name` for a training of `total_steps` optimiser steps.

    `arguments` are torch's own, and `warmup`, `interval` and (for reduce_on_plateau) `monitor`. Where the scheduler needs
    the length of the training, it is filled in. Raises TrainingError where it cannot be made.
    """
    if name not in SCHEDULES:
        raise TrainingError(f"unknown schedule {name!r}", key=_KEY, advice=did_you_mean(name, SCHEDULES))
    entry = SCHEDULES[name]
    _refuse_unfit(name, entry, arguments)
    values = {**entry.defaults, **arguments}
    interval: Interval = values.pop("interval", entry.interval)
    monitor = values.pop("monitor", None)
    warmup_steps = _warmup_steps(values.pop("warmup", 0), total_steps)
    if entry.length is not None and entry.length not in values:
        epochs = math.ceil(total_steps / steps_per_epoch)
        values[entry.length] = total_steps - warmup_steps if interval == "step" else epochs
    values |= {name: _of_groups(values[name], optimizer) for name in _RATES & values.keys()}
    try:
        scheduler: LRScheduler = getattr(torch.optim.lr_scheduler, entry.torch_class)(optimizer, **values)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{name} cannot be made: {error}", key=_KEY) from error
    return Schedule(scheduler, interval=interval, total_steps=total_steps, warmup_steps=warmup_steps, monitor=monitor)


def _of_groups(rate: Any, optimizer: Optimizer) -> Any:
    """`rate`, which is that of the optimiser, in the proportion of each group's own; torch would give all groups the same."""
    whole, own = optimizer.defaults["lr"], [group["lr"] for group in optimizer.param_groups]
    scales = isinstance(rate, (int, float)) and whole > 0 and set(own) != {whole}
    return [rate * lr / whole for lr in own] if scales else rate


def _refuse_unfit(name: str, entry: ScheduleName, arguments: Mapping[str, Any]) -> None:
    allowed = entry.arguments | SCHEDULE_ARGUMENTS
    for argument in arguments:
        if argument not in allowed:
            raise TrainingError(
                f"{name} takes no argument {argument!r}", key=_KEY, advice=did_you_mean(argument, allowed)
            )
    missing = sorted(entry.required - set(arguments))
    if missing:
        raise TrainingError(f"{name} needs {', '.join(missing)}", key=_KEY)
    if arguments.get("interval", entry.interval) not in entry.intervals:
        raise TrainingError(f"{name} steps per {' or '.join(entry.intervals)}", key=f"{_KEY}.interval")


def _warmup_steps(warmup: int | float, total_steps: int) -> int:
    steps = round(warmup * total_steps) if isinstance(warmup, float) else warmup
    if not 0 <= steps < total_steps:
        raise TrainingError(
            f"a warm-up of {steps} steps, and the training has {total_steps}",
            key=f"{_KEY}.warmup",
            advice="make it shorter",
        )
    return steps
