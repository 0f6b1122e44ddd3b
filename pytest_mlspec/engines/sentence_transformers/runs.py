"""Trainings of the engine sentence_transformers, whole, interrupted and resumed, and what each gives back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from pytest_mlspec.engines import hf_trainer
from pytest_mlspec.engines.generators import seed_of
from pytest_mlspec.engines.measured import cost_of
from pytest_mlspec.engines.sentence_transformers.losses import Measured, name_of
from pytest_mlspec.engines.sentence_transformers.trainer import WEIGHTS
from pytest_mlspec.engines.sentence_transformers.training import TextTraining, assemble
from pytest_mlspec.engines.until_fitted import until_fitted
from pytest_mlspec.errors import TrainingError
from pytest_mlspec.evidence import Array, ConstantPrediction, Interruption, TrainingRun
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.early_stop import EarlyStop
from pytest_mlspec.training.history import History
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.seeding import perturb
from pytest_mlspec.training.weights import save_weights, weights_digest

_CHECKPOINT = "checkpoint"


def train(job: Train | Resume, work: Work) -> Result:
    """Trains the encoder of `work`, from its checkpoint on for a `Resume`, and measures it before and after."""
    if isinstance(job, Resume) or job.fresh:
        perturb()  # what is not seeded or restored must show
    with TemporaryDirectory() as name:
        scratch = Path(name)
        parts = assemble(work, seed=seed_of(job, work), steps=job.steps, seeded=isinstance(job, Train))
        if isinstance(job, Train) and job.batches is not None:
            parts = parts.on_batches(job.batches, scratch, steps=job.steps)
        trainer = parts.trainer(scratch)
        measured = Measured(trainer, parts.splits, parts.training.batch_size)
        interruption, checkpoint = _saved(job, work)
        losses_before = interruption.losses_before if interruption else measured.losses()
        machine = Machine(parts.device.device)
        floor = work.recipe.loss_floor
        ends = until_fitted(job, loss=lambda: measured.loss("train"), start=losses_before["train"], floor=floor)
        evaluate, rule = _after_epoch(measured, parts), _early_stop(parts)
        course = hf_trainer.Course(work.report, evaluate, rule, machine=machine, ends=ends)
        history = hf_trainer.run(trainer, course, resume_from=checkpoint)
        losses, digest = measured.losses_and_digest()
    save_weights(parts.encoder, work.folder / WEIGHTS)
    run = _evidence(parts, history, planned=trainer.state.max_steps)
    return Result(
        replace(
            run,
            losses_before=losses_before,
            losses=losses,
            predictions_digest=digest,
            resumed_at=interruption.step if interruption else None,
            cost=cost_of(history, machine),
        )
    )


def interrupt(job: Interrupt, work: Work) -> Result:
    """Trains up to the step of the interruption and saves the state.

    Where the training ends by itself before that step, the share is taken of the steps that it takes.
    """
    losses_before, at, ended_at = _until(job, work, share_of=None)
    if ended_at < at:
        losses_before, at, _ = _until(job, work, share_of=ended_at)
    return Result(Interruption(at, losses_before))


def constant_prediction(work: Work) -> ConstantPrediction:
    """The loss of an encoder that gives every text the same embedding."""
    with TemporaryDirectory() as scratch:
        parts = assemble(work, seed=work.spec.train.seed)
        measured = Measured(parts.trainer(Path(scratch)), parts.splits, parts.training.batch_size)
        losses = measured.losses_of_constant(name_of(work.spec))
    held_out = {split: loss for split, loss in losses.items() if split != "train"}
    return ConstantPrediction(losses["train"], len(parts.splits["train"]), held_out=held_out)


def _until(job: Interrupt, work: Work, *, share_of: int | None) -> tuple[Mapping[str, float], int, int]:
    """The losses before, the step to save at, and the step at which the training ended."""
    parts = assemble(work, seed=work.spec.train.seed, steps=job.steps)
    trainer = parts.trainer(work.folder / _CHECKPOINT)
    measured = Measured(trainer, parts.splits, parts.training.batch_size)
    losses_before = measured.losses()
    at = _step_at(job.at, share_of or parts.steps)
    hf_trainer.run(trainer, hf_trainer.Course(work.report, _after_epoch(measured, parts), _early_stop(parts), until=at))
    return losses_before, at, trainer.state.global_step


def _saved(job: Train | Resume, work: Work) -> tuple[Interruption | None, Path | None]:
    """The interruption that a job resumes from, and its checkpoint."""
    if isinstance(job, Train):
        return None, None
    saved = work.needed[job.interrupted]
    assert isinstance(saved.evidence, Interruption)
    return saved.evidence, saved.file(f"{_CHECKPOINT}/checkpoint-{saved.evidence.step}/trainer_state.json").parent


def _step_at(share: float, steps: int) -> int:
    """The step, not the first and not the last, at this share of `steps`."""
    if steps < 2:
        raise TrainingError("a training of 1 step cannot be interrupted", key="train", advice="train for more steps")
    return min(max(1, round(share * steps)), steps - 1)


def _after_epoch(measured: Measured, parts: TextTraining) -> hf_trainer.Evaluate | None:
    """What is measured after each epoch: the loss of the validation split, without one that of the test split."""
    split = next((name for name in ("val", "test") if name in parts.splits), None)
    return None if split is None else lambda: {f"{split}.loss": measured.loss(split)}


def _early_stop(parts: TextTraining) -> EarlyStop | None:
    rule = parts.training.early_stop
    if rule is None:
        return None
    return EarlyStop(rule.monitor, rule.patience, rule.min_delta, "min", rule.restore_best)


def _evidence(parts: TextTraining, history: History, *, planned: int) -> TrainingRun:
    restricted = f"trained on {parts.batches} of its batches, at a constant rate" if parts.batches else ""
    learning = [parameter for parameter in parts.loss.parameters() if parameter.requires_grad]
    return TrainingRun(
        engine="sentence_transformers",
        seed=parts.seed,
        device=parts.device.name,
        device_reason=parts.device.reason,
        threads=torch.get_num_threads(),
        steps=len(history),
        epochs=len(history.epochs_log),
        planned_steps=planned,
        rows=len(parts.splits["train"]),
        parameters=sum(parameter.numel() for parameter in learning),
        stopped=history.stopped,
        best_epoch=history.best_epoch,
        loss_S=Array.of(history.loss_S),
        gradient_norm_S=Array.of(history.gradient_norm_S),
        learning_rate_S=Array.of(history.learning_rate_S),
        epochs_log=history.epochs_log,
        losses_before={},
        losses={},
        weights_digest=weights_digest(parts.encoder),
        predictions_digest="",
        examples_digest=parts.work.prepared.digest,
        loss_floor=parts.work.recipe.loss_floor,
        predictions="embeddings",
        notes=tuple(filter(None, (*parts.work.recipe.notes, *parts.work.prepared.notes, restricted))),
        seconds=float(history.seconds_E.sum()),
        hash_seed=os.environ.get("PYTHONHASHSEED", ""),
        skipped_steps=history.skipped_steps,
    )
