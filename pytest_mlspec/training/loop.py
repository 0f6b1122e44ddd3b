"""The training loop. A training that was stopped, saved and restored continues as if it had never been stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.batches import EpochOrder, Source
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.history import History
from pytest_mlspec.training.losses import LossFunction
from pytest_mlspec.training.seeding import rng_state, set_rng_state
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import Precision, TrainingStep, take_step

Evaluate = Callable[[State], Mapping[str, float]]
OnEpoch = Callable[[int, Mapping[str, float]], None]

# A long epoch is read in pieces: a loss that is not finite is found within this many steps.
_STEPS_BETWEEN_READS = 1000
_ROWS_SHOWN = 20


@dataclass(frozen=True)
class LoopSettings:
    """How long and in what portions a training goes.

    The length is `steps` optimiser steps where given, over as many epochs as that takes, else `epochs`. A step sees
    `accumulate` micro-batches of `batch_size` rows. `clip_norm` bounds the 2-norm over all gradients. `precision` bf16 runs
    forward and loss under autocast, with parameters in single precision.
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

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, at least 1", key=f"train.{name}")
        if self.epochs is None and self.steps is None:
            raise TrainingError("neither epochs nor steps are given", key="train.epochs")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise TrainingError(f"clip_norm is {self.clip_norm}, more than 0", key="train.clip_norm")
        if self.precision not in ("fp32", "bf16"):
            raise TrainingError(f"precision is {self.precision!r}", key="train.precision", advice="fp32 or bf16")

    def order(self, rows: int, seed: int) -> EpochOrder:
        """The order of `rows` rows in a training with `seed`."""
        return EpochOrder(rows, self.batch_size, seed, self.accumulate, self.shuffle, self.drop_last)

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
) -> History:
    """Trains `state.model` from where `state` stands to the end, or to optimiser step `until`; returns the whole history.

    After each epoch, also a last one that `steps` cuts short, `evaluate` measures the metrics that early stopping and
    reduce_on_plateau look at, and `on_epoch` is told of them. Raises TrainingError where no step can be taken, and for a
    loss or gradient that is not finite.
    """
    order = settings.order(len(source), state.seed)
    total_steps = settings.total_steps(len(source))
    last_step = total_steps if until is None else min(until, total_steps)
    record = state.record
    if state.rng is not None:
        set_rng_state(state.rng)

    while state.step < last_step and not state.stopped_early:
        state.model.train()
        started = time.perf_counter()
        for step in order.steps(state.epoch)[state.position :]:
            result = take_step(
                state,
                [source.fetch(index) for index in step],
                loss=loss,
                training_step=training_step,
                clip_norm=settings.clip_norm,
                precision=settings.precision,
            )
            record.add_step(
                result.loss, result.gradient_norm, state.optimizer.param_groups[0]["lr"], sum(map(len, step))
            )
            state.step += 1
            state.position += 1
            if state.schedule is not None:
                state.schedule.after_step()
            if record.pending == _STEPS_BETWEEN_READS:
                _read(state, order)
            if state.step == last_step:
                break
        _read(state, order)  # the synchronisation of this epoch
        record.seconds_in_epoch += time.perf_counter() - started

        whole = state.position == order.steps_per_epoch
        if whole or state.step == total_steps:
            metrics = record.end_epoch({} if evaluate is None else evaluate(state))
            if settings.early_stop is not None:
                _look_at_early_stop(state, settings.early_stop, metrics)
            if state.schedule is not None:
                state.schedule.after_epoch(metrics)
            if on_epoch is not None:
                on_epoch(state.epoch, metrics)
        if whole:
            state.epoch += 1
            state.position = 0

    finished = state.step >= total_steps or bool(state.stopped_early)
    if finished:
        state.early_stop.restore_best(state.model)
    state.rng = rng_state()
    return record.history(
        stopped=_reason(state, settings, total_steps, finished=finished), best_epoch=state.early_stop.best_epoch
    )


class NonFiniteError(TrainingError):
    """A loss or gradient norm that is not finite. `rows` are the positions of the step's rows in the source."""

    def __init__(self, what: str, rows: Sequence[int]) -> None:
        more = f", … ({len(rows)} in all)" if len(rows) > _ROWS_SHOWN else ""
        super().__init__(
            f"{what}; rows {', '.join(map(str, rows[:_ROWS_SHOWN]))}{more}",
            advice="look at these rows, lower the learning rate, or set clip_norm",
        )
        self.what = what
        self.rows = tuple(rows)


def _read(state: State, order: EpochOrder) -> None:
    """Reads losses and gradient norms from the device; raises NonFiniteError at the first that is not finite."""
    step = state.record.flush()
    if step is None:
        return
    epoch, position = divmod(step, order.steps_per_epoch)
    rows = [row for index in order.steps(epoch)[position] for row in index.tolist()]
    loss, norm = state.record.losses[step], state.record.gradient_norms[step]
    what = f"gradient norm is {norm}, loss {loss:.4g}," if math.isfinite(loss) else f"loss is {loss}"
    raise NonFiniteError(f"{what} at step {step + 1} (epoch {epoch + 1})", rows)


def _look_at_early_stop(state: State, rule: EarlyStop, metrics: Mapping[str, float]) -> None:
    progress = state.early_stop
    progress.update(rule, metrics, epoch=state.epoch, model=state.model)
    if progress.bad_epochs >= rule.patience:
        state.stopped_early = (
            f"stopped early at epoch {state.epoch + 1}: {rule.monitor} {metrics[rule.monitor]:.4g},"
            f" best {progress.best_value:.4g} at epoch {(progress.best_epoch or 0) + 1}, patience {rule.patience}"
        )


def _reason(state: State, settings: LoopSettings, total_steps: int, *, finished: bool) -> str:
    if state.stopped_early:
        return state.stopped_early
    if not finished:
        return f"paused after {state.step} of {total_steps} steps"
    return f"finished {settings.epochs} epochs" if settings.steps is None else f"finished {total_steps} steps"
