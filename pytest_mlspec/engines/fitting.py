"""A training of the engine torch as the core runs it: compiled, told of, profiled and saved on the way, as the spec asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.live import Live
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.engines.until_fitted import UntilFitted
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.jobs import Train
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.compilation import compiled, compiler_errors
from pytest_mlspec.training.history import History
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.loop import Evaluate, fit
from pytest_mlspec.training.nonfinite import NonFiniteError
from pytest_mlspec.training.profiling import Profiler
from pytest_mlspec.training.rotation import RotatingCheckpoints, Rotation
from pytest_mlspec.training.state import State

CHECKPOINTS = "checkpoints"
"""The folder of the checkpoints below that of a job."""

_NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9._=-]+")


def fitted(
    state: State,
    assembly: Assembly,
    splits: Splits,
    work: Work,
    *,
    declared: Train | None = None,
    ends: UntilFitted | None = None,
    until: int | None = None,
    machine: Machine | None = None,
) -> History:
    """Trains `state` to its end or to the step `until`; `declared` is the job, where it is a training from its beginning.

    `ends` says when one on a few batches has fitted them. Only a declared one is profiled; it writes checkpoints where it is
    the training that the spec declares, and not one that a check asks for.
    """
    if assembly.training.compile:
        _demand_own_forward(assembly)
        state.compiled = compiled(state.model)
    order = assembly.settings.order(len(assembly.examples), state.seed)
    live = Live(work.report, state, total_steps=assembly.total_steps, steps_per_epoch=order.steps_per_epoch)
    evaluate = splits.after_epoch(work.spec.train) if assembly.batches is None else _look(ends)
    checkpoints = None if declared is None else _checkpoints(declared, assembly, work)

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> None:
        live.on_epoch(epoch, metrics)
        if machine is not None:
            machine.sample()

    try:
        with compiler_errors(), assembly.training_source(state.seed) as rows:
            source = live.watched(rows)
            profiler = None if declared is None else _profiler(declared, state, assembly, work)
            with nullcontext() if profiler is None else profiler.watching():
                return fit(
                    state,
                    source if profiler is None else profiler.source(source),
                    settings=assembly.settings,
                    loss=assembly.loss,
                    training_step=assembly.recipe.training_step,
                    evaluate=evaluate if profiler is None else profiler.evaluate(evaluate),
                    on_epoch=on_epoch,
                    until=until,
                    checkpoints=checkpoints if profiler is None else profiler.checkpoints(checkpoints),
                    marks=None if profiler is None else profiler.begin_step,
                )
    except NonFiniteError as error:  # the core knows positions; users know the rows of their source
        index = assembly.examples.index[list(error.rows)].tolist()
        raise NonFiniteError(error.what, index, error.layer, advice=error.advice) from error


def _look(ends: UntilFitted | None) -> Evaluate | None:
    """What is done after each pass over a few batches: nothing is measured, and it may be the last one."""
    if ends is None:
        return None

    def look(state: State) -> dict[str, float]:
        state.stopped_early = ends.reason(state.step)
        return {}

    return look


def _profiler(job: Train, state: State, assembly: Assembly, work: Work) -> Profiler | None:
    if work.profiles is None:
        return None
    title = f"{work.spec.name}: {job.title}"
    name = _NOT_IN_A_FILE_NAME.sub("-", title).strip("-")
    return Profiler(state, work.profiles, name, title=title, total_steps=assembly.total_steps)


def _checkpoints(job: Train, assembly: Assembly, work: Work) -> RotatingCheckpoints | None:
    wanted = assembly.training.checkpoint
    if wanted is None or job.batches or job.steps or job.fresh or job.shuffled:
        return None
    rule = Rotation(wanted.steps, wanted.time, wanted.keep)
    return RotatingCheckpoints(rule, work.folder / CHECKPOINTS, best_by=assembly.settings.early_stop)


def _demand_own_forward(assembly: Assembly) -> None:
    """Raises RecipeError where it is not the core that calls the model."""
    if assembly.recipe.training_step is not None:
        raise RecipeError(
            "training_step calls the model itself, so the core cannot compile its forward",
            key="train.compile",
            advice="call torch.compile in the recipe, and remove this key",
        )
