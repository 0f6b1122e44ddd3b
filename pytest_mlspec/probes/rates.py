"""The rate of every step and the end of a training as they were declared, replayed without a step being taken.

A schedule by name, or a recipe's own, is stepped as the loop steps it, on a new optimiser whose parameters stay where they
are. One that goes by a metric is given those of the training.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LRScheduler,
    ReduceLROnPlateau,
)

from pytest_mlspec.engines.assembly import Assembly, assemble, early_stop_of
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.evidence import Array, DeclaredRates, StopRule, TrainingRun
from pytest_mlspec.jobs import ReplaySchedule
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.schedule import Schedule, build_schedule

# So far is looked beyond the end of a training: this many times its length, and of a long one so many steps, or its length.
_TIMES, _STEPS, _LEAST = 20, 20_000, 3
_NOTHING = Array.of(())
_OWNERS: Mapping[str, str] = {
    "lightning": "the module makes its schedule, in configure_optimizers",
    "keras": "the compiled model has a schedule of its own",
    "sentence_transformers": "the trainer makes its schedule",
    "transformers": "the Trainer makes its schedule",
}
_CYCLIC = (CosineAnnealingWarmRestarts, CyclicLR)


def replay_schedule(job: ReplaySchedule, work: Work) -> Result:
    """The declared rates of the training `job.of`."""
    spec = work.spec
    run = work.needed[job.of].evidence
    assert isinstance(run, TrainingRun)
    if not len(run.learning_rate_S):
        return Result(
            DeclaredRates(_NOTHING, _NOTHING, unknown="it keeps no rates, and no scheduler of torch was seen")
        )
    with from_outside("the schedule", key="train.schedule"):
        found = _declared(job, work, run)
    schedule = spec.train.schedule
    monitor = str(schedule.arguments.get("monitor", "val.loss")) if schedule is not None and found.is_adaptive else ""
    return Result(replace(found, stop=_stop_rule(spec), monitor=monitor))


def _declared(job: ReplaySchedule, work: Work, run: TrainingRun) -> DeclaredRates:
    engine = work.spec.train.engine.use
    own = work.recipe.schedule is not None
    if engine != "torch" and not (engine == "transformers" and own) and not job.use:
        return DeclaredRates(_NOTHING, _NOTHING, unknown=_OWNERS.get(engine, "the engine sets its rates"), is_free=True)
    assembly = assemble(work, steps=job.of.steps)
    state = assembly.new_state(run.seed)
    schedule, name = state.schedule, _name_of(work.spec, own=own)
    if job.use:
        schedule, name = _by_name(job, assembly, state.optimizer), job.use
    is_free = work.recipe.training_step is not None or "optimizer" in work.recipe.given
    if schedule is None:
        rate_S = np.full(assembly.total_steps, state.optimizer.param_groups[0]["lr"], dtype=np.float64)
        return DeclaredRates(Array.of(rate_S), _NOTHING, is_free=is_free)
    rates, beyond, refuses = _replayed(schedule, state.optimizer, assembly, run)
    return DeclaredRates(
        Array.of(rates),
        Array.of(beyond),
        refuses=refuses,
        schedule=name or type(schedule.scheduler).__name__,
        is_free=is_free,
        is_cyclic=_has(schedule.scheduler, _CYCLIC),
        is_adaptive=_has(schedule.scheduler, (ReduceLROnPlateau,)),
    )


def _name_of(spec: Spec, *, own: bool) -> str:
    schedule = spec.train.schedule
    return "" if own or schedule is None else schedule.use


def _by_name(job: ReplaySchedule, assembly: Assembly, optimizer: Optimizer) -> Schedule:
    for group in optimizer.param_groups:  # as it was before the recipe's own schedule was made
        group["lr"] = group.pop("initial_lr", group["lr"])
    an_epoch = assembly.settings.order(len(assembly.examples), 0).steps_per_epoch
    return build_schedule(
        job.use, dict(job.arguments), optimizer, total_steps=assembly.total_steps, steps_per_epoch=an_epoch
    )


def _has(scheduler: LRScheduler, kinds: tuple[type[Any], ...]) -> bool:
    """Whether a scheduler, or one of those that it is made of, is of these kinds."""
    return isinstance(scheduler, kinds) or any(_has(each, kinds) for each in getattr(scheduler, "_schedulers", ()))


def _replayed(
    schedule: Schedule, optimizer: Optimizer, assembly: Assembly, run: TrainingRun
) -> tuple[list[float], list[float], bool]:
    """The rates of the planned steps, those that would follow, and whether the schedule refuses to go further."""
    total = assembly.total_steps
    an_epoch = assembly.settings.order(len(assembly.examples), 0).steps_per_epoch
    rates: list[float] = []
    beyond: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no optimiser steps here, which torch warns of
        for step in range(total):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            schedule.after_step()
            epoch, position = divmod(step + 1, an_epoch)
            if position == 0 or step + 1 == total:
                number = epoch - 1 if position == 0 else epoch
                if number >= len(run.epochs_log):  # the training ended before
                    break
                schedule.after_epoch(run.epochs_log[number])
        if schedule.interval != "step" or len(rates) < total:
            return rates, [], False
        try:
            for _ in range(min(_TIMES * total, max(_LEAST * total, _STEPS))):
                schedule.scheduler.step()
                beyond.append(float(optimizer.param_groups[0]["lr"]))
        except Exception:  # OneCycleLR refuses to go beyond its length, and so may one of the team's own
            return rates, beyond, True
    return rates, beyond, False


def _stop_rule(spec: Spec) -> StopRule | None:
    rule = early_stop_of(spec.train)
    if rule is None:
        return None
    return StopRule(rule.monitor, rule.patience, rule.min_delta, rule.mode, rule.restore_best)
