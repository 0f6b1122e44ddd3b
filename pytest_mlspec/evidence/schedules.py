"""The learning rates and the end of a training: as they were declared, and as a team's own fit was seen to set them.

Shape letters: S optimiser steps, M steps beyond them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_mlspec.evidence.array import Array


@dataclass(frozen=True)
class StopRule:
    """An early stop as the spec declares it; `mode` says which values of `monitor` are better."""

    monitor: str
    patience: int
    min_delta: float
    mode: Literal["min", "max"]
    restore_best: bool


@dataclass(frozen=True)
class DeclaredRates:
    """The rate of every planned step as it was declared, and the rule that ends the training.

    `rate_S` is empty where nothing tells them: `unknown` then says why. `schedule` names the scheduler, empty where there is
    none. `beyond_M` are the rates that the schedule would have behind the last step, where it can be asked; `refuses`: it goes no
    further than those. `is_free`: the
    team's code may change the rate by itself. `is_cyclic`: it rises again by intent; `is_adaptive`: it goes by a metric, which
    is `monitor`.
    """

    rate_S: Array
    beyond_M: Array
    schedule: str = ""
    unknown: str = ""
    refuses: bool = False
    is_free: bool = False
    is_cyclic: bool = False
    is_adaptive: bool = False
    monitor: str = ""
    stop: StopRule | None = None


@dataclass(frozen=True)
class SchedulerUse:
    """A scheduler of torch in a team's own fit: its steps, those of its optimiser, and the rate of each of these.

    `stepped_first`: it was stepped before the optimiser was. `rate_S` is that of the first group of parameters. `length` is the
    number of steps that it was made for, where it tells one; `backwards` counts the backward passes of the fit.
    """

    name: str
    steps: int
    optimizer_steps: int
    stepped_first: bool
    rate_S: Array
    length: int | None = None
    backwards: int = 0


@dataclass(frozen=True)
class Validations:
    """How a team's own fit validated its model, one item for each pass over the validation split.

    `losses` and `scores` are worked out of the model's answers: log loss and accuracy, or the mean squared error and its
    negative. `kept`: the fit took a copy of the weights then. `returned` is the last pass whose answers the returned model
    gives, from 0; None where it gives others, or cannot be asked. `loss` is that of the returned model.
    """

    losses: tuple[float, ...]
    scores: tuple[float, ...]
    kept: tuple[bool, ...]
    returned: int | None
    loss: float
