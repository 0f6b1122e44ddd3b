"""The callback that sees every step of a fit: it keeps the history, stops early, and ends a training to be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.keras.rows import Rows
from pytest_mlspec.engines.live import Live
from pytest_mlspec.engines.until_fitted import UntilFitted
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.training.batches import forward
from pytest_mlspec.training.loop import Evaluate, look_at_early_stop
from pytest_mlspec.training.nonfinite import NO_LAYER, NonFiniteError, bad_rows, layer_of
from pytest_mlspec.training.seeding import set_rng_state
from pytest_mlspec.training.state import State
from pytest_mlspec.training.update import gradient_norm


class LeftError(Exception):
    """Raised out of a fit at the step or the end of the epoch at which it was to be left."""


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Watches one fit of `state`. It leaves the fit after the step `until`, or at the end of the epoch with `one_epoch`."""

    def __init__(
        self,
        model: Any,
        assembly: Assembly,
        *,
        rows: Rows,
        state: State,
        live: Live,
        evaluate: Evaluate | None,
        after_step: Callable[[], None],
        after_epoch: Callable[[], None],
        ends: UntilFitted | None,
        until: int | None,
        one_epoch: bool,
    ) -> None:
        super().__init__()
        self._model = model
        self._assembly = assembly
        self._rows = rows
        self._state = state
        self._live = live
        self._evaluate = evaluate
        self._after_step = after_step
        self._after_epoch = after_epoch
        self._ends = ends
        self._until = until
        self._one_epoch = one_epoch
        self._batch: int | None = None
        self._loss: Tensor | None = None
        self._rate = 0.0
        self._started = 0.0
        self._first_step = 0

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        """The loss of the model, which is noted where a step is being taken; one that is not finite ends the training."""
        loss = type(self._model).compute_loss(self._model, *arguments, **named)
        if self._batch is not None:
            self._loss = loss.detach()
            if loss.is_cpu and not math.isfinite(loss.item()):
                raise self._not_finite(f"loss is {loss.item()}", self._batch)
        return loss

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Puts the generators of a training back that is taken up between epochs: the loader of an epoch draws from them."""
        self._first_step = self._state.step
        if self._state.position == 0:
            self._restore_generators()

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Puts them back in one that is taken up within an epoch, and reads the rate of the step."""
        self._live.on_step()
        self._restore_generators()
        self._batch, self._loss = batch, None
        self._rate = float(keras.ops.convert_to_tensor(self._model.optimizer.learning_rate))
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Takes in the step."""
        state = self._state
        if self._loss is None:
            raise RecipeError(
                f"train_step of {type(self._model).__name__} does not call compute_loss",
                key="model",
                advice="work the loss out with self.compute_loss(x, y, y_pred, sample_weight)",
            )
        norm = gradient_norm([variable.value for variable in self._model.trainable_variables])
        if norm.is_cpu and not math.isfinite(norm.item()):
            raise self._not_finite(f"gradient norm is {norm.item()}", batch)
        self._batch = None
        state.record.seconds_in_epoch += time.perf_counter() - self._started
        state.record.add_step(self._loss, norm, self._rate, len(self._rows.index(batch)))
        state.step += 1
        state.position += 1
        self._after_step()
        if self._ends is not None:
            state.stopped_early = self._ends.reason(state.step)
        if state.step == self._assembly.total_steps or state.stopped_early:
            self._model.stop_training = True
        elif state.step == self._until and state.position < self._rows.steps_per_epoch:
            raise LeftError

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Measures the epoch, and stops where the rule of the spec says so."""
        state, rule = self._state, self._assembly.settings.early_stop
        step = state.record.flush()
        if step is not None:
            loss, norm = state.record.losses[step], state.record.gradient_norms[step]
            what = f"gradient norm is {norm}" if math.isfinite(loss) else f"loss is {loss}"
            raise self._not_finite(what, step - self._first_step)
        began = time.perf_counter()
        metrics = state.record.end_epoch({} if self._evaluate is None else self._evaluate(state))
        state.record.add_seconds("evaluation", time.perf_counter() - began)
        if rule is not None:
            look_at_early_stop(state, rule, metrics)
        self._live.on_epoch(state.epoch, metrics)
        self._after_epoch()
        if state.position == self._rows.steps_per_epoch:
            state.epoch += 1
            state.position = 0
        if state.stopped_early:
            self._model.stop_training = True
        elif state.step < self._assembly.total_steps and (self._one_epoch or state.step == self._until):
            raise LeftError

    def _restore_generators(self) -> None:
        if self._state.rng is not None:
            set_rng_state(self._state.rng)
            self._state.rng = None

    def _not_finite(self, what: str, number: int) -> NonFiniteError:
        """What the user is told of the step with that number since the epoch was taken up."""
        state, assembly = self._state, self._assembly
        what = f"{what} at step {self._first_step + number + 1} (epoch {state.epoch + 1})"
        batch, index = self._rows.batch(number), assembly.examples.index
        if rows := bad_rows([batch]):
            return NonFiniteError(what, index[rows].tolist(), "the inputs or targets are not finite themselves")

        def loss_again() -> Tensor:
            with torch.enable_grad():
                loss = assembly.loss(forward(state.model, batch), batch)
                loss.backward()  # type: ignore[no-untyped-call]
            return loss

        layer = layer_of(state.model, loss_again) or NO_LAYER
        return NonFiniteError(what, index[self._rows.index(number)].tolist(), layer)
