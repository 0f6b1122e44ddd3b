"""What the history of a training looks like, as a reader of loss curves would name it.

Shape letters: S optimiser steps, W windows of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_mlspec.check import shown
from pytest_mlspec.evidence import TrainingRun

if TYPE_CHECKING:
    import numpy as np

_WINDOWS = 10
"""A curve is read in so many windows; one of fewer than twice as many steps is not."""

# Shares of the way from the loss at the start to the lowest possible one.
_STUCK = 0.05  # less than this was covered
_FALLING = 0.1  # more than this of the fall came in the last two windows
_LEARNED = 0.05  # less than this is left
_UNFIT = 0.5  # more than this is left

_ROSE = 1.5  # the last window over the lowest one
_SPIKE = 100.0  # a gradient norm over the median of its window
_FADED = 1e-4  # the norm of the last window over that of the first


class Symptom(NamedTuple):
    """One trait of a curve: its name, and the figures that show it."""

    name: str
    told: str


def symptoms_of(run: TrainingRun) -> Iterator[Symptom]:
    """The traits of a finished training; none where its history is too short to tell."""
    yield from _of_the_loss(run)
    yield from _of_the_gradient(run)
    yield from _of_held_out(run)


def _of_the_loss(run: TrainingRun) -> Iterator[Symptom]:
    start = run.losses_before.get("train", math.nan)
    loss_W = _windows(run.loss_S.values)
    reach = start - run.loss_floor
    if len(loss_W) == 0 or not (math.isfinite(reach) and reach > 0):
        return
    first, last, lowest = float(loss_W[0]), float(loss_W[-1]), float(loss_W.min())
    left = (last - run.loss_floor) / reach
    steps = len(run.loss_S)
    if last > _ROSE * lowest - run.loss_floor * (_ROSE - 1) and last > first:
        yield Symptom("curve.diverging", f"the training loss rises from {shown(lowest)} to {shown(last)}")
    elif (start - lowest) / reach < _STUCK:
        yield Symptom(
            "curve.stuck", f"the training loss stays near its start, {shown(start)}: {shown(last)} at the end"
        )
    elif left > _LEARNED and first > last and (float(loss_W[-3]) - last) > _FALLING * (first - last):
        yield Symptom("curve.falling", f"the training loss still falls when the {steps} steps end, at {shown(last)}")
    elif left > _UNFIT:
        yield Symptom("curve.underfitting", f"the training loss settles at {shown(last)}, {left:.0%} of its start")


def _of_the_gradient(run: TrainingRun) -> Iterator[Symptom]:
    import numpy as np

    norm_S = run.gradient_norm_S.values
    norm_W = _windows(norm_S)
    if len(norm_W) == 0 or not np.isfinite(norm_S).all():
        return
    usual_S = np.concatenate([np.full(len(part), np.median(part)) for part in np.array_split(norm_S, _WINDOWS)])
    largest = int(np.argmax(norm_S - _SPIKE * usual_S))
    if norm_S[largest] > _SPIKE * usual_S[largest] > 0:
        told = f"the gradient norm is {shown(float(norm_S[largest]))} at step {largest + 1}"
        yield Symptom("curve.spike", f"{told}, {shown(float(usual_S[largest]))} usually")
    if not norm_S.any():
        yield Symptom("curve.no_gradient", "the gradient is 0 in every step")
    elif float(norm_W[-1]) < _FADED * float(norm_W[0]):
        yield Symptom(
            "curve.faded", f"the gradient norm falls from {shown(float(norm_W[0]))} to {shown(float(norm_W[-1]))}"
        )
    rate_S = run.learning_rate_S.values
    if len(rate_S) and not rate_S.any():
        yield Symptom("curve.no_rate", "the learning rate is 0 in every step")


def _of_held_out(run: TrainingRun) -> Iterator[Symptom]:
    start = run.losses_before.get("train", math.nan)
    reach = start - run.loss_floor
    split = next((name for name in ("val", "test") if name in run.losses), None)
    if split is None or "train" not in run.losses or not (math.isfinite(reach) and reach > 0):
        return
    train, held_out = run.losses["train"], run.losses[split]
    logged = [epoch[key] for epoch in run.epochs_log if (key := f"{split}.loss") in epoch]
    learned = (train - run.loss_floor) / reach < _LEARNED
    if learned and held_out > start:
        yield Symptom(
            "curve.memorised", f"loss {shown(train)} on train and {shown(held_out)} on {split}: by heart alone"
        )
    elif len(logged) > 2 and logged[-1] > _ROSE * min(logged) and logged.index(min(logged)) < len(logged) - 1:
        best = logged.index(min(logged)) + 1
        yield Symptom(
            "curve.overfitting",
            f"the {split} loss is lowest after epoch {best} of {len(logged)}, {shown(min(logged))}, and ends at"
            f" {shown(logged[-1])}",
        )


def _windows(values_S: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Means over windows of equal length; none of a history that is too short or not finite."""
    import numpy as np

    if len(values_S) < 2 * _WINDOWS or not np.isfinite(values_S).all():
        return np.zeros(0)
    return np.array([part.mean() for part in np.array_split(values_S, _WINDOWS)])
