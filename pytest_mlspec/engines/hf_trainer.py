"""A Trainer of Hugging Face as a job runs it: watched at every step, stopped, saved and resumed.

    Watched                 a mixin for the class of the Trainer: records loss and gradient norm of each step
    run(trainer, course)    trains, and gives the history

Shared by the engines transformers and sentence_transformers. What is recorded is what the Trainer works out itself, so the
training is the same without it. Data, model and losses are the engine's, and `hf_arguments.py` tells it what the spec says.

Shape letters: S optimiser steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback

from pytest_mlspec.engines.until_fitted import UntilFitted
from pytest_mlspec.errors import TrainingError
from pytest_mlspec.recipe.work import Report
from pytest_mlspec.training.early_stop import EarlyStop, Progress
from pytest_mlspec.training.history import SKIPPED_IN_A_ROW, History, Record
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.nonfinite import IN_FP16

# A training of many short steps is told of a few times a second, not a thousand times.
_SECONDS_BETWEEN_NEWS = 0.5
# Losses on a GPU wait there; one that is not finite is found within this many steps.
_STEPS_BETWEEN_READS = 100
_RECORD = "record.pt"

Evaluate = Callable[[], Mapping[str, float]]
"""Metrics of the model as it stands, measured after each epoch."""


class Watched:
    """A mixin before the class of a Trainer: every loss and gradient norm that it works out goes to `course`."""

    course: Course

    def training_step(self, *given: Any, **named: Any) -> Tensor:
        """The loss of a micro-batch, as the Trainer works it out; gradients are there afterwards."""
        loss: Tensor = super().training_step(*given, **named)  # type: ignore[misc]
        self.course.add_loss(loss)
        return loss

    def get_batch_samples(self, *given: Any, **named: Any) -> Any:
        """The micro-batches of the next step."""
        began = time.perf_counter()
        found = super().get_batch_samples(*given, **named)  # type: ignore[misc]
        self.course.record.add_seconds("fetch", time.perf_counter() - began)
        self.course.rows = sum(_rows(batch) for batch in found[0])
        return found

    # Private, and the one place where the norm before clipping can be had without a second pass over all gradients.
    def _get_grad_norm(self, *given: Any, **named: Any) -> Any:
        norm = super()._get_grad_norm(*given, **named)  # type: ignore[misc]
        self.course.gradient_norm = norm
        return norm


@dataclass
class Course:
    """How one training goes: what it is told to do, and how far it has come.

    It ends after the step `until`, where that is given, and is then saved. `evaluate` measures the metrics of an epoch, and
    `early_stop` looks at them; `after_step` is called after each step. `ends` says when a training on a few batches has fitted
    them. A resumed training goes on with `record` and
    `progress`.
    """

    report: Report
    evaluate: Evaluate | None = None
    early_stop: EarlyStop | None = None
    until: int | None = None
    machine: Machine | None = None
    after_step: Callable[[], None] | None = None
    ends: UntilFitted | None = None
    record: Record = field(default_factory=Record)
    progress: Progress = field(default_factory=Progress)
    stopped_early: str = ""
    gradient_norm: Any = None
    rows: int = 0
    losses: list[Tensor] = field(default_factory=list)

    def add_loss(self, loss: Tensor) -> None:
        """Takes in the loss of a micro-batch, its share of that of the step."""
        self.losses.append(loss)

    def end_step(self, learning_rate: float) -> None:
        """Takes in the step whose parts came before; waits for no device."""
        loss = self.losses[0] if len(self.losses) == 1 else torch.stack(self.losses).sum()
        norm = self.gradient_norm
        self.record.add_step(
            loss, norm if isinstance(norm, Tensor) else torch.tensor(float(norm)), learning_rate, self.rows
        )
        self.losses.clear()


class _Steering(TrainerCallback):
    """Tells `course` of the training, and the Trainer what it wants."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._told = -float("inf")
        self._began = 0.0
        self._learning_rate = 0.0
        self._scaled = False

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        self._began = time.perf_counter()
        self._scaled = bool(args.fp16)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        self._learning_rate = float(named["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        course, step = self._course, state.global_step
        course.end_step(self._learning_rate)
        if course.after_step is not None:
            course.after_step()
        if course.ends is not None:
            course.stopped_early = course.ends.reason(step)
            control.should_training_stop |= bool(course.stopped_early)
        if not 0 < course.record.pending < _STEPS_BETWEEN_READS:
            self._read()
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_NEWS:
            self._told = now
            self._report(state)
        if course.until is not None and step >= course.until:
            control.should_training_stop = True
            # at the end of an epoch, what is measured there belongs to it
            control.should_save = not _is_whole(state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        course = self._course
        self._read()
        ended = time.perf_counter()
        course.record.seconds_in_epoch += ended - self._began
        if not (_is_whole(state) or state.global_step >= state.max_steps):
            return
        metrics = course.record.end_epoch({} if course.evaluate is None else course.evaluate())
        course.record.add_seconds("evaluation", time.perf_counter() - ended)
        if course.machine is not None:
            course.machine.sample()
        if course.early_stop is not None:
            epoch = len(course.record.epochs_log) - 1
            course.progress.update(course.early_stop, metrics, epoch=epoch, model=named["model"])
            course.stopped_early = course.progress.reason(course.early_stop, metrics, epoch=epoch)
            control.should_training_stop |= bool(course.stopped_early)
        if course.until is not None and state.global_step >= course.until and not course.stopped_early:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        self._read()
        content = {"record": self._course.record.state_dict(), "progress": dict(vars(self._course.progress))}
        torch.save(content, Path(args.output_dir) / f"checkpoint-{state.global_step}" / _RECORD)

    def _read(self) -> None:
        record = self._course.record
        step = record.flush(scaled=self._scaled)
        if step is not None:
            raise _not_finite(record.losses[step], record.gradient_norms[step], step, scaled=self._scaled)

    def _report(self, state: Any) -> None:
        losses = self._course.record.losses
        epochs = int(state.num_train_epochs)
        news = {"epoch": min(int(state.epoch or 0) + 1, epochs), "epochs": epochs}
        news |= {"step": state.global_step, "steps": state.max_steps}
        self._course.report(news | ({"loss": losses[-1]} if losses else {}))


def run(trainer: Any, course: Course, *, resume_from: Path | None = None) -> History:
    """Trains, from the checkpoint at `resume_from` on where it is given; the model ends with its best weights.

    `trainer` has `Watched` among its classes. Raises TrainingError for a loss or gradient that is not finite, and where no
    step is taken.
    """
    trainer.course = course
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Steering(course))
    if resume_from is not None:
        content = torch.load(resume_from / _RECORD, weights_only=True)
        course.record = Record.restored(content["record"])
        course.progress = Progress(**content["progress"])
    trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
    taken, planned = trainer.state.global_step, trainer.state.max_steps
    if taken < 1:
        raise TrainingError("the training has no step", key="train")
    if taken >= planned or course.stopped_early:
        course.progress.restore_best(trainer.model)
    stopped = course.stopped_early or (
        f"paused after {taken} of {planned} steps"
        if taken < planned
        else f"finished {taken} steps"
        if trainer.args.max_steps > 0
        else f"finished {int(trainer.args.num_train_epochs)} epochs"
    )
    return course.record.history(stopped=stopped, best_epoch=course.progress.best_epoch)


def _rows(batch: Any) -> int:
    """The rows of a micro-batch: the length of its first tensor."""
    tensors = batch.values() if isinstance(batch, Mapping) else batch
    return next((len(each) for each in tensors if isinstance(each, Tensor) and each.dim()), 0)


def _is_whole(state: Any) -> bool:
    """True at the end of an epoch."""
    return float(state.epoch).is_integer()


def _not_finite(loss: float, gradient_norm: float, step: int, *, scaled: bool) -> TrainingError:
    if not math.isfinite(loss):
        what = f"loss is {loss} at step {step + 1}"
    else:
        in_a_row = f", the {SKIPPED_IN_A_ROW}th in a row" if scaled else ""
        what = f"gradient norm is {gradient_norm}, loss {loss:.4g}, at step {step + 1}{in_a_row}"
    advice = IN_FP16 if scaled else "look at the check `data`, lower the learning rate, or set clip_norm"
    return TrainingError(what, key="train", advice=advice)
