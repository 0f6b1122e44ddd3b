"""Hand-made evidence of healthy trainings, for tests to change one thing in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest_mlspec.evidence import (
    Array,
    ConstantPrediction,
    DataProfile,
    Gradients,
    Independence,
    ParameterGradient,
    SplitProfile,
    TrainingRun,
)

DIGITS = {str(digit): 36 for digit in range(10)}
"""Rows of each class in a split of 360 rows."""

HEALTHY_RUN = TrainingRun(
    engine="torch",
    seed=0,
    device="cpu",
    device_reason="no GPU",
    threads=1,
    steps=4,
    epochs=2,
    planned_steps=4,
    rows=1437,
    parameters=650,
    stopped="",
    best_epoch=None,
    loss_S=Array.of([2.25, 1.5, 0.75, 0.25]),
    gradient_norm_S=Array.of([2.0, 1.5, 1.0, 0.5]),
    learning_rate_S=Array.of([0.01, 0.01, 0.01, 0.01]),
    epochs_log=({"train.loss": 1.875, "test.loss": 1.0}, {"train.loss": 0.5, "test.loss": 0.5}),
    losses_before={"train": 2.5, "test": 2.5},
    losses={"train": 0.125, "test": 0.5},
    weights_digest="w0",
    predictions_digest="p0",
    examples_digest="e0",
    hash_seed="1",
)

PRIOR = ConstantPrediction(loss=2.0, rows=1437, outputs=(0.0,) * 10, held_out={"test": 2.0})

LAYERS = (
    ParameterGradient("hidden.weight", elements=640, trainable=True, gradient_norm=0.5, change=0.01),
    ParameterGradient("out.bias", elements=10, trainable=True, gradient_norm=0.25, change=0.01),
)


def training(**changes: Any) -> TrainingRun:
    """A healthy training of four steps, with `changes`."""
    return replace(HEALTHY_RUN, **changes)


def on_one_batch(**changes: Any) -> TrainingRun:
    """A training of 200 steps on one batch whose loss falls from 2.0 to 0.015625, with `changes`."""
    return replace(
        HEALTHY_RUN,
        **{
            "steps": 200,
            "planned_steps": 200,
            "rows": 64,
            "epochs_log": (),
            "loss_S": Array.of([2.0, 0.5, *[0.03125] * 198]),
            "losses_before": {"train": 2.0},
            "losses": {"train": 0.015625},
            **changes,
        },
    )


def profile(*, train: SplitProfile | None = None, test: SplitProfile | None = None, **changes: Any) -> DataProfile:
    """The profile of digits, 1437 rows for training and 360 for the test, with `changes`."""
    healthy = DataProfile(
        splits={
            "train": train or SplitProfile(rows=1437, classes=DIGITS),
            "test": test or SplitProfile(rows=360, classes=DIGITS),
        },
        shared={"train/test": 0},
        near={"train/test": 0},
        features=64,
        digest="e0",
    )
    return replace(healthy, **changes)


def flow(*parameters: ParameterGradient, **changes: Any) -> Gradients:
    """The gradients of two layers that learn, with `parameters` after them and `changes`."""
    return replace(
        Gradients(parameters=(*LAYERS, *parameters), poisoned=0.0, poisoned_parameter="", rows=64, steps=2), **changes
    )


def rows_of_a_batch(**changes: Any) -> Independence:
    """16 rows whose outputs agree up to rounding in float64, with `changes`."""
    return replace(
        Independence(
            rows=16,
            alone=2e-15,
            order=1e-15,
            repeat=0.0,
            scale=8.0,
            tolerance=1e-10,
            dtype="float64",
            worst_row=7,
        ),
        **changes,
    )
