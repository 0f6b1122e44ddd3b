"""The training loop. A training that was stopped, saved and restored continues as if it had never been stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import Batch, EpochOrder, Source
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.history import SKIPPED_IN_A_ROW, History
from pytest_mlspec.training.instruments import Clock, steps_between_samples
from pytest_mlspec.training.losses import LossFunction
from pytest_mlspec.training.memory import divided
from pytest_mlspec.training.nonfinite import IN_FP16, NO_LAYER, NonFiniteError, NotFiniteError, bad_rows, layer_of
from pytest_mlspec.training.sample import Sample
from pytest_mlspec.training.seeding import rng_state, set_rng_state
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import Precision, StepResult, TrainingStep, compute_gradients, take_step

Evaluate = Callable[[State], Mapping[str, float]]
OnEpoch = Callable[[int, Mapping[str, float]], None]

# Where losses wait on a device, a long epoch is read in pieces: one that is not finite is found within this many steps.
_STEPS_BETWEEN_READS = 1000


class Checkpoints(Protocol):
    """Is asked after every step whether the state should be saved, and saves it."""

    def is_due(self, state: State) -> bool:
        """Whether a checkpoint should be written now."""

    def save(self, state: State) -> None:
        """Writes one."""

    def after_epoch(self, state: State, metrics: Mapping[str, float]) -> None:
        """Is told of the metrics of the epoch that has just ended."""


@dataclass(frozen=True)
class LoopSettings:
    """How long and in what portions a training goes.

    The length is `steps` optimiser steps where given, over as many epochs as that takes, else `epochs`. A step sees
    `accumulate` micro-batches of `batch_size` rows; with `row_weights` [N] rows are drawn with replacement. `clip_norm` bounds
    the 2-norm over all gradients. `precision` bf16 and fp16 run forward and loss under autocast, with parameters in single
    precision.
    """

    batch_size: int
    epochs: int | None = None
    steps: int | None = None
    accumulate: int = 1
    clip_norm: float | None = None
    shuffle: bool = True
    drop_last: bool = False
    early_stop: EarlyStop | None = None
    precision: Precision = "fp32"
    row_weights: Tensor | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, at least 1", key=f"train.{name}")
        if self.epochs is None and self.steps is None:
            raise TrainingError("neither epochs nor steps are given", key="train.epochs")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise TrainingError(f"clip_norm is {self.clip_norm}, more than 0", key="train.clip_norm")
        if self.precision not in ("fp32", "bf16", "fp16"):
            raise TrainingError(f"precision is {self.precision!r}", key="train.precision", advice="fp32, bf16 or fp16")

    def order(self, rows: int, seed: int) -> EpochOrder:
        """The order of `rows` rows in a training with `seed`."""
        options = (self.accumulate, self.shuffle, self.drop_last, self.row_weights)
        return EpochOrder(rows, self.batch_size, seed, *options)

    def total_steps(self, rows: int) -> int:
        """The optimiser steps of a whole training on `rows` rows; raises TrainingError where that is none."""
        steps_per_epoch = self.order(rows, seed=0).steps_per_epoch
        total = steps_per_epoch * (self.epochs or 0) if self.steps is None else self.steps
        if total < 1 or steps_per_epoch < 1:
            kept = ", drop_last" if self.drop_last else ""
            raise TrainingError(
                f"the training has no step: {rows} rows, batches of {self.batch_size} x {self.accumulate}{kept},"
                f" epochs {self.epochs}, steps {self.steps}",
                key="train",
            )
        return total


def fit(
    state: State,
    source: Source,
    *,
    settings: LoopSettings,
    loss: LossFunction,
    training_step: TrainingStep | None = None,
    evaluate: Evaluate | None = None,
    on_epoch: OnEpoch | None = None,
    until: int | None = None,
    checkpoints: Checkpoints | None = None,
    marks: Callable[[], Clock] | None = None,
) -> History:
    """Trains `state.model` from where `state` stands to the end, or to optimiser step `until`; returns the whole history.

    After each epoch, also a last one that `steps` cuts short, `evaluate` measures the metrics that early stopping and
    reduce_on_plateau look at, and `on_epoch` is told of them. `marks` makes what is told of the phases of a step. In fp16, a
    step that the scaler leaves out counts like any other for the rows, the schedule and the average. Raises TrainingError
    where no step can be taken, and NonFiniteError for a loss or gradient that is not finite.
    """
    order = settings.order(len(source), state.seed)
    total_steps = settings.total_steps(len(source))
    last_step = total_steps if until is None else min(until, total_steps)
    record = state.record
    sampled_every = steps_between_samples(order.steps_per_epoch, total_steps)
    if state.rng is not None:
        set_rng_state(state.rng)
        state.rng = None  # from here on the global generators are the state

    def loss_again(batches: Sequence[Batch]) -> Tensor:
        """The loss of a step that is taken again up to its gradients, by the eager model."""
        state.compiled = None
        parts = batches if state.micro_rows is None else divided(batches, state.micro_rows)
        found = compute_gradients(state, parts, loss=loss, training_step=training_step, precision=settings.precision)
        return found.loss if isinstance(found, StepResult) else found

    def read() -> None:
        """Reads what waits on the device; raises NonFiniteError at the first that is not finite."""
        step = record.flush(scaled=state.scaler is not None)
        if step is not None:
            epoch, position = divmod(step, order.steps_per_epoch)
            [batches] = source.steps([order.steps(epoch)[position]], epoch)
            loss_read, norm_read = record.losses[step], record.gradient_norms[step]
            raise _explained(
                state, order, batches, step=step, loss=loss_read, gradient_norm=norm_read, loss_again=loss_again
            )

    while state.step < last_step and not state.stopped_early:
        state.model.train()
        started = asked = time.perf_counter()
        fetching = 0.0
        for batches in source.steps(order.steps(state.epoch)[state.position :], state.epoch):
            fetching += time.perf_counter() - asked
            sample = Sample(state) if (state.step + 1) % sampled_every == 0 else None
            try:
                result = take_step(
                    state,
                    batches,
                    loss=loss,
                    training_step=training_step,
                    clip_norm=settings.clip_norm,
                    precision=settings.precision,
                    demand_finite=True,
                    clock=sample if marks is None else marks(),
                )
            except NotFiniteError as found:
                raise _explained(
                    state,
                    order,
                    batches,
                    step=state.step,
                    loss=found.loss,
                    gradient_norm=found.gradient_norm,
                    loss_again=loss_again,
                ) from None
            record.add_step(
                result.loss, result.gradient_norm, state.optimizer.param_groups[0]["lr"], sum(map(len, batches))
            )
            if sample is not None:
                record.add_sample(state.step, sample.update_ratio(), sample.seconds)
            state.step += 1
            state.position += 1
            if state.average is not None:
                state.average.update(state.model, first=state.step == 1)
            if state.schedule is not None:
                state.schedule.after_step()
            if record.pending == _STEPS_BETWEEN_READS:
                read()
            if state.step == last_step:
                break
            if checkpoints is not None and state.position < order.steps_per_epoch and checkpoints.is_due(state):
                read()
                checkpoints.save(state)
            asked = time.perf_counter()
        read()  # the synchronisation of this epoch
        ended = time.perf_counter()
        record.seconds_in_epoch += ended - started
        record.add_seconds("fetch", fetching)

        whole = state.position == order.steps_per_epoch
        metrics = None
        if whole or state.step == total_steps:
            metrics = record.end_epoch({} if evaluate is None else evaluate(state))
            record.add_seconds("evaluation", time.perf_counter() - ended)
            if settings.early_stop is not None:
                look_at_early_stop(state, settings.early_stop, metrics)
            if state.schedule is not None:
                state.schedule.after_epoch(metrics)
            if on_epoch is not None:
                on_epoch(state.epoch, metrics)
        if whole:
            state.epoch += 1
            state.position = 0
        if metrics is not None and checkpoints is not None:
            checkpoints.after_epoch(state, metrics)

    finished = state.step >= total_steps or bool(state.stopped_early)
    if finished:
        state.early_stop.restore_best(state.evaluated)
    state.rng = rng_state()
    return record.history(
        stopped=_reason(state, settings, total_steps, finished=finished), best_epoch=state.early_stop.best_epoch
    )


def _explained(
    state: State,
    order: EpochOrder,
    batches: Sequence[Batch],
    *,
    step: int,
    loss: float,
    gradient_norm: float,
    loss_again: Callable[[Sequence[Batch]], Tensor],
) -> NonFiniteError:
    """What the user is told of a step whose `loss` or `gradient_norm` is not finite."""
    epoch = step // order.steps_per_epoch
    what = f"gradient norm is {gradient_norm}, loss {loss:.4g}," if math.isfinite(loss) else f"loss is {loss}"
    in_a_row = f", the {SKIPPED_IN_A_ROW}th in a row" if state.scaler is not None and math.isfinite(loss) else ""
    what = f"{what} at step {step + 1} (epoch {epoch + 1}){in_a_row}"
    if rows := bad_rows(batches):
        return NonFiniteError(what, rows, "the inputs or targets are not finite themselves")
    return NonFiniteError(
        what,
        [row for batch in batches for row in batch.index.tolist()],
        layer_of(state.model, lambda: loss_again(batches)) or NO_LAYER,
        **({} if state.scaler is None else {"advice": IN_FP16}),
    )


def look_at_early_stop(state: State, rule: EarlyStop, metrics: Mapping[str, float]) -> None:
    """Takes in the metrics of the epoch that has just ended; `state.stopped_early` says so where the rule ends the training."""
    progress = state.early_stop
    progress.update(rule, metrics, epoch=state.epoch, model=state.evaluated)
    state.stopped_early = progress.reason(rule, metrics, epoch=state.epoch)


def _reason(state: State, settings: LoopSettings, total_steps: int, *, finished: bool) -> str:
    if state.stopped_early:
        return state.stopped_early
    if not finished:
        return f"paused after {state.step} of {total_steps} steps"
    return f"finished {settings.epochs} epochs" if settings.steps is None else f"finished {total_steps} steps"
