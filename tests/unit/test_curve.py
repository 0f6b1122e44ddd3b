"""What the history of a training looks like is told by name, with the figures that show it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.made import training

from pytest_mlspec.diagnosis import symptoms_of
from pytest_mlspec.evidence import Array, TrainingRun

STEPS = np.linspace(0.0, 1.0, 100)
FALLS = 2.3 * np.exp(-8 * STEPS)
NORMS = np.full(100, 0.5)


def run_of(loss: Any = FALLS, norm: Any = NORMS, **changes: Any) -> TrainingRun:
    """A training of 100 steps that begins at a loss of 2.3."""
    before = {"train": 2.3, "val": 2.3}
    changes = {"losses": {"train": 0.01, "val": 0.05}, "epochs_log": (), **changes}
    return training(loss_S=Array.of(loss), gradient_norm_S=Array.of(norm), losses_before=before, **changes)


def names(run: TrainingRun) -> list[str]:
    return [symptom.name for symptom in symptoms_of(run)]


LOG = ({"val.loss": 1.0}, {"val.loss": 0.4}, {"val.loss": 0.6}, {"val.loss": 0.9})


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (run_of(), []),
        (run_of(loss=np.full(100, 2.29)), ["curve.stuck"]),
        (run_of(loss=2.3 * np.exp(2 * STEPS)), ["curve.diverging"]),
        (run_of(loss=2.3 - STEPS), ["curve.falling"]),
        (run_of(loss=1.2 + np.exp(-20 * STEPS)), ["curve.underfitting"]),
        (run_of(norm=[*NORMS[:-1], 500.0]), ["curve.spike"]),
        (run_of(norm=np.zeros(100)), ["curve.no_gradient"]),
        (run_of(norm=np.exp(-20 * STEPS)), ["curve.faded"]),
        (run_of(learning_rate_S=Array.of(np.zeros(100))), ["curve.no_rate"]),
        (run_of(losses={"train": 0.001, "val": 4.0}), ["curve.memorised"]),
        (run_of(losses={"train": 0.3, "val": 0.9}, epochs_log=LOG), ["curve.overfitting"]),
    ],
    ids=lambda value: "-".join(value) or "healthy" if isinstance(value, list) else "run",
)
def test_a_trait_is_told_by_name(run: TrainingRun, expected: list[str]) -> None:
    """And a healthy training has none."""
    assert names(run) == expected


def test_the_figures_are_told_with_it() -> None:
    """So that a reader can judge for herself."""
    [symptom] = symptoms_of(run_of(losses={"train": 0.3, "val": 0.9}, epochs_log=LOG))

    assert symptom.told == "the val loss is lowest after epoch 2 of 4, 0.4, and ends at 0.9"


@pytest.mark.parametrize(
    "run",
    [
        run_of(loss=[2.3, 2.3, 2.3], norm=[0.0]),
        run_of(loss=[float("nan")] * 100, norm=[float("nan")] * 100),
        run_of(loss=[], norm=[], losses={}),
    ],
    ids=["short", "not finite", "none"],
)
def test_a_history_that_tells_nothing_has_no_traits(run: TrainingRun) -> None:
    """A few steps, or values that are no numbers: other claims tell of those."""
    assert names(run) == []


def test_a_floor_below_zero_counts_as_the_lowest_loss() -> None:
    """As that of a likelihood: falling from 2.3 to -5 of -5.1 is no underfitting."""
    assert names(run_of(loss=-5.0 + 7.3 * np.exp(-20 * STEPS), loss_floor=-5.1, losses={})) == []
