"""What a finished training of the engine torch gives back: its history, and its model measured on every split."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.predictions import FloatArray, digest
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.evidence import Array, Cost, TrainingRun
from pytest_mlspec.training.history import History
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.state import State
from pytest_mlspec.training.weights import weights_digest

# Above this share, the average is more of where the training began than a reader would think.
_START_OF_AVERAGE = 0.1


def measured(
    state: State,
    history: History,
    assembly: Assembly,
    splits: Splits,
    *,
    losses_before: Mapping[str, float],
    machine: Machine,
) -> tuple[TrainingRun, dict[str, FloatArray]]:
    """The run, and the predictions of the trained model for every split."""
    predictions = splits.predictions(state.evaluated)
    run = TrainingRun(
        engine="torch",
        seed=state.seed,
        device=assembly.device.name,
        device_reason=assembly.device.reason,
        threads=torch.get_num_threads(),
        steps=state.step,
        epochs=state.epoch,
        planned_steps=assembly.total_steps,
        rows=len(assembly.examples),
        parameters=sum(parameter.numel() for parameter in state.model.parameters() if parameter.requires_grad),
        stopped=history.stopped,
        best_epoch=history.best_epoch,
        loss_S=Array.of(history.loss_S),
        gradient_norm_S=Array.of(history.gradient_norm_S),
        learning_rate_S=Array.of(history.learning_rate_S),
        epochs_log=history.epochs_log,
        losses_before=losses_before,
        losses=splits.losses(state.evaluated),
        weights_digest=weights_digest(state.evaluated),
        predictions_digest=digest(predictions),
        examples_digest=assembly.prepared.digest,
        loss_floor=assembly.loss_floor,
        predictions=assembly.declared.kind,
        notes=(*assembly.notes(assembly.output_shape(state.evaluated)), *_notes(state)),
        seconds=float(history.seconds_E.sum()),
        hash_seed=os.environ.get("PYTHONHASHSEED", ""),
        skipped_steps=history.skipped_steps,
        update_ratio_U=Array.of(history.update_ratio_U),
        update_step_U=Array.of(history.update_step_U),
        cost=cost_of(history, machine),
    )
    return run, predictions


def _notes(state: State) -> list[str]:
    """What the training itself has to tell its reader."""
    notes = list(state.notes)
    if state.average is not None and (share := state.average.share_of_start(state.step)) > _START_OF_AVERAGE:
        notes.append(
            f"{share:.0%} of the average are the weights after the first of {state.step} steps: for so few steps,"
            " train.ema should be lower"
        )
    return notes


def cost_of(history: History, machine: Machine) -> Cost:
    """What the training took of its machine."""
    rows, seconds = int(history.rows_S.sum()), float(history.seconds_E.sum())
    utilisation = machine.utilisation
    return Cost(
        rows,
        rows / seconds if seconds else 0.0,
        history.phase_seconds,
        machine.peak_memory,
        machine.peak_device_memory,
        utilisation.share,
        utilisation.reason,
    )
