"""The steps of a training and its length."""

from __future__ import annotations

from pytest_mlspec.diagnosis.suspects.suspect import Suspect

STEPS: tuple[Suspect, ...] = (
    Suspect(
        "leftover_gradients",
        "gradients of earlier steps are not cleared",
        {"gradients.leftover": 3, "loop.leftover": 3, "reference_step.leftover": 3},
        "zero_grad, before backward in every step",
    ),
    Suspect(
        "step_before_backward",
        "the optimiser steps on gradients of an earlier batch",
        {"loop.late": 3, "reference_step.late": 3, "reference_step.cleared": 3, "gradients.leftover": 1.5},
        "the order of backward and step",
    ),
    Suspect(
        "optimizer_rebuilt",
        "the optimiser loses its state on the way",
        {"loop.rebuilt": 3, "reference_step.state": 3, "resumes": 1},
        "an optimiser that is made, or its state cleared, in each epoch",
    ),
    Suspect(
        "other_update",
        "the update is not that of the declared optimiser",
        {"reference_step.update": 2, "reference_step.decay": 3, "reference_step.rate": 3, "gradients.groups": 3},
        "rate, weight decay and its groups, momentum",
    ),
    Suspect(
        "strong_decay",
        "weight decay outweighs learning",
        {"gradients.decay": 3, "reference_step.decay": 1, "converges": 1, "curve.underfitting": 1},
        "weight_decay of the optimiser",
    ),
    Suspect(
        "clipping",
        "gradients are clipped at another size than declared",
        {"reference_step.clip": 3, "reference_step.scale": 1},
        "clip after unscale_, before step",
    ),
    Suspect(
        "low_precision",
        "weights are kept in half precision and lose small updates",
        {"gradients.dtype": 3, "loop.dtype": 3},
        "keep weights in float32, and use autocast",
    ),
    Suspect(
        "average_not_updated",
        "what is evaluated is not what is trained",
        {"loop.not_trained": 3, "curve.stuck": 0.5, "converges": 1},
        "an average of the weights that is never updated, an old copy that is returned",
    ),
    Suspect(
        "schedule",
        "the learning rate does not follow its schedule",
        {"schedule.constant": 3, "schedule.trace": 3, "schedule.length": 3, "schedule.order": 3, "reproducible": 0},
        "scheduler.step, where it stands, and the number of steps that the scheduler was told",
    ),
    Suspect(
        "early_stop",
        "early stopping does not do what is declared",
        {"schedule.early_stop": 3, "schedule.short": 1},
        "patience, and whether the monitored value should fall or rise",
    ),
    Suspect(
        "best_not_restored",
        "the last weights are kept, not the best ones",
        {"schedule.best": 3},
        "what is restored when training ends",
    ),
    Suspect(
        "too_short",
        "the training is too short",
        {"curve.falling": 3, "schedule.short": 2, "converges": 1, "gate": 0.5},
        "the number of epochs",
        seen_by=("converges",),
    ),
    Suspect(
        "batch_size",
        "batches are not of the declared size",
        {"loop.batch_size": 3},
        "the loader, or the batches that the recipe gives",
    ),
    Suspect(
        "window_dropped",
        "the last batches of an epoch never reach a step",
        {"loop.window": 3, "loop.steps": 2},
        "the condition that ends an accumulation",
    ),
    Suspect(
        "rate_too_high",
        "the learning rate is too high",
        {"curve.diverging": 3, "curve.spike": 2, "training.not_finite": 2, "gradients.ratio": 2, "converges": 0.5},
        "the rate, and how it warms up",
    ),
    Suspect(
        "rate_too_low",
        "the learning rate is too low",
        {"curve.stuck": 2, "curve.falling": 1.5, "curve.no_rate": 3, "overfit": 0.5},
        "the rate, and what the schedule makes of it",
    ),
    Suspect(
        "not_finite",
        "a loss or gradient stops being a number",
        {"training.not_finite": 3, "gradients.not_finite": 3, "loss.not_finite": 2, "data.not_finite": 2},
        "inputs that are not finite, a logarithm of 0, a rate that is too high",
    ),
    Suspect(
        "overfitting",
        "the model learns its rows by heart",
        {"curve.overfitting": 3, "curve.memorised": 2, "gate": 0.5},
        "early stopping, regularisation, more rows",
    ),
    Suspect(
        "underfitting",
        "the model cannot express the task",
        {"curve.underfitting": 2, "overfit": 1, "converges": 0.5},
        "a larger model, less regularisation, better features",
    ),
    Suspect(
        "memory",
        "memory grows with every step",
        {"memory": 3, "cost.memory": 3},
        "losses or outputs that are kept with their graphs",
    ),
)
