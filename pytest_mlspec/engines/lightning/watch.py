"""The callback that sees every step of a Trainer: it keeps the history, stops early, and ends a training to be resumed.

What it keeps goes into Lightning's checkpoint together with the states of the random generators, which Lightning leaves out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.lightning.rows import TrainingRows
from pytest_mlspec.engines.live import Live
from pytest_mlspec.engines.until_fitted import UntilFitted
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.training.batches import Source, forward
from pytest_mlspec.training.early_stop import Progress
from pytest_mlspec.training.history import Record
from pytest_mlspec.training.loop import Evaluate, look_at_early_stop
from pytest_mlspec.training.nonfinite import IN_FP16, NO_LAYER, NonFiniteError, bad_rows, layer_of
from pytest_mlspec.training.seeding import rng_state, set_rng_state
from pytest_mlspec.training.state import State
from pytest_mlspec.training.update import gradient_norm, parameters_of

_PROGRESS = ("step", "epoch", "position", "stopped_early")


class InterruptedTrainingError(Exception):
    """Raised out of a Trainer at the step at which the training was to be left."""


class Watch(Callback):
    """Watches one training. `evaluate` measures after each epoch; `begin`, `after_step` and `after_epoch` are called then.

    `ends` says when a training on a few batches has fitted them. After the step `until` it raises InterruptedTrainingError;
    `checkpoint` is written before, where it is given.
    """

    def __init__(
        self,
        assembly: Assembly,
        source: Source,
        *,
        seed: int,
        live: Callable[[State], Live],
        evaluate: Evaluate | None,
        begin: Callable[[], None],
        after_step: Callable[[], None],
        after_epoch: Callable[[], None],
        ends: UntilFitted | None = None,
        until: int | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.rows = TrainingRows(assembly, source, lambda: self.state, seed)
        self._assembly = assembly
        self._seed = seed
        self._live_of = live
        self._evaluate = evaluate
        self._begin = begin
        self._after_step = after_step
        self._after_epoch = after_epoch
        self._ends = ends
        self._until = until
        self._checkpoint = checkpoint
        self._state: State | None = None
        self._live: Live | None = None
        self._saved: Mapping[str, Any] | None = None
        self._losses: list[tuple[float | Tensor, int]] = []
        self._norm = torch.zeros(())
        self._rate = 0.0
        self._has_loss = False
        self._started = 0.0

    @property
    def state(self) -> State:
        """The training as far as it has come; there is one from the moment when its optimiser is made."""
        assert self._state is not None, "the training has begun"
        return self._state

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs beside what Lightning keeps."""
        state = self.state
        return {
            "progress": {name: getattr(state, name) for name in _PROGRESS},
            "early_stop": dict(vars(state.early_stop)),
            "record": state.record.state_dict(),
            "rng": rng_state(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what `state_dict` gave; the state is made of it when the training begins."""
        self._saved = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins the history, or goes on with the restored one."""
        optimizer = next(iter(trainer.optimizers), None)
        if optimizer is None or not parameters_of(optimizer):  # Lightning takes one without parameters for none
            raise RecipeError("configure_optimizers gives no optimizer", key="model")
        state = State(pl_module, optimizer, None, self._seed, self._assembly.device.device)
        if self._saved is not None:
            state.early_stop = Progress(**self._saved["early_stop"])
            state.record = Record.restored(self._saved["record"])
            for name, value in self._saved["progress"].items():
                setattr(state, name, value)
            state.rng = self._saved["rng"]
        self._state, self._live = state, self._live_of(state)
        if self._assembly.batches is not None:
            _hold_rates(trainer)
        self._begin()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Puts the generators back before the first batch of a resumed training draws from them."""
        assert self._live is not None
        self._live.on_step()
        if self.state.rng is not None:
            set_rng_state(self.state.rng)
            self.state.rng = None
        self._has_loss = False
        self._started = time.perf_counter()

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Ends the training where the loss is not finite, before any weight is changed by it."""
        self._has_loss = True
        if loss.is_cpu and not math.isfinite(loss.item()):
            raise self._not_finite(f"loss is {loss.item()}")

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Reads the norm of the gradients, before Lightning clips them, and the rate of the step."""
        if not self._has_loss:
            return
        self._norm = gradient_norm(parameters_of(optimizer))
        self._rate = optimizer.param_groups[0]["lr"]
        if self._norm.is_cpu and not self._is_scaled and not math.isfinite(self._norm.item()):
            raise self._not_finite(f"gradient norm is {self._norm.item()}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes in a step, once all its batches have been seen."""
        state = self.state
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if not isinstance(loss, Tensor):
            raise RecipeError(
                f"training_step of {type(pl_module).__name__} gave no loss for a batch",
                key="model",
                advice="return the loss of every batch",
            )
        # Lightning divides each loss by the number of batches of a step.
        self._losses.append((loss * trainer.accumulate_grad_batches, len(self.rows.batches[len(self._losses)])))
        state.record.seconds_in_epoch += time.perf_counter() - self._started
        if trainer.global_step == state.step:
            return
        rows = sum(count for _, count in self._losses)
        mean = torch.as_tensor(sum(value * count for value, count in self._losses) / rows)
        state.record.add_step(mean.detach(), self._norm.detach(), self._rate, rows)
        self._losses.clear()
        state.step += 1
        state.position += 1
        self._after_step()
        if self._ends is not None:
            state.stopped_early = self._ends.reason(state.step)
            trainer.should_stop |= bool(state.stopped_early)
        if state.step == self._until:
            if self._checkpoint is not None:
                trainer.save_checkpoint(self._checkpoint)
            raise InterruptedTrainingError

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measures the epoch, and stops where the rule of the spec says so."""
        state, rule = self.state, self._assembly.settings.early_stop
        step = state.record.flush(scaled=self._is_scaled)
        if step is not None:
            loss, norm = state.record.losses[step], state.record.gradient_norms[step]
            what = f"gradient norm is {norm}" if math.isfinite(loss) else f"loss is {loss}"
            raise self._not_finite(what, step=step)
        began = time.perf_counter()
        metrics = state.record.end_epoch({} if self._evaluate is None else self._evaluate(state))
        state.record.add_seconds("evaluation", time.perf_counter() - began)
        if rule is not None:
            look_at_early_stop(state, rule, metrics)
            trainer.should_stop |= bool(state.stopped_early)  # the module may have asked for its end
        assert self._live is not None
        self._live.on_epoch(state.epoch, metrics)
        self._after_epoch()
        if state.position == len(self.rows.steps(state.epoch)):
            state.epoch += 1
            state.position = 0

    @property
    def _is_scaled(self) -> bool:
        return self._assembly.settings.precision == "fp16"

    def _not_finite(self, what: str, *, step: int | None = None) -> NonFiniteError:
        """What the user is told; the layer is looked for in a forward and the declared loss of its outputs."""
        state, assembly = self.state, self._assembly
        batches = self.rows.batches if step is None else self.rows.at(step)
        at = state.step if step is None else step
        what = f"{what} at step {at + 1} (epoch {state.epoch + 1})"
        index = assembly.examples.index
        if rows := bad_rows(batches):
            return NonFiniteError(what, index[rows].tolist(), "the inputs or targets are not finite themselves")
        rows = [row for batch in batches for row in batch.index.tolist()]

        def loss_again() -> Tensor:
            with torch.enable_grad():
                loss = assembly.loss(forward(state.model, batches[0]), batches[0])
                loss.backward()  # type: ignore[no-untyped-call]
            return loss

        layer = layer_of(state.model, loss_again) or NO_LAYER
        advice = {"advice": IN_FP16} if self._is_scaled else {}
        return NonFiniteError(what, index[rows].tolist(), layer, **advice)


def _hold_rates(trainer: Trainer) -> None:
    """Leaves every rate at what it is without the module's schedulers: a warm-up has lowered it already."""
    if not trainer.lr_scheduler_configs:
        return
    trainer.strategy.lr_scheduler_configs = []
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.get("max_lr", group.get("initial_lr", group["lr"]))
