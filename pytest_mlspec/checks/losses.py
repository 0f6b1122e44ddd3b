"""The loss of a training, as far as it can be judged: an error for what was not measured, else the way that it fell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_mlspec.check import Status, Verdict, at_least, errored, shown
from pytest_mlspec.evidence import TrainingRun

# Rounding in float32 can carry a loss this share of its range below the floor; a wrong sign carries it much further.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Descent:
    """The way of the training loss from `start` to `end`, in units of the declared loss; it cannot lie below `floor`."""

    start: float
    end: float
    floor: float


def unsound(run: TrainingRun, *, called: str = "the training") -> Verdict | None:
    """The error of a training that took no step or met a loss that is not finite; None where it can be judged.

    An engine that plans no steps and has no weights to read, such as a tree ensemble, need not take any.
    """
    import numpy as np

    if run.steps == 0 and (run.planned_steps or run.weights_digest):
        return errored(f"{called} took 0 of {run.planned_steps} steps")
    loss_S = run.loss_S.values
    bad_S = np.flatnonzero(~np.isfinite(loss_S))
    if len(bad_S):
        return errored(f"{called}: the loss of step {bad_S[0] + 1} of {len(loss_S)} is {float(loss_S[bad_S[0]])}")
    for losses, when in ((run.losses_before, "before the first step"), (run.losses, "at the end")):
        for split, loss in losses.items():
            if not math.isfinite(loss):
                return errored(f"{called}: the {split} loss {when} is {loss}")
    return None


def descent(
    run: TrainingRun, *, start: float | None, end: float | None, floor: float | None = None
) -> Descent | Verdict:
    """The descent of the training loss, or the error that says why it cannot be judged.

    `floor` replaces the one that the engine states.
    """
    if error := unsound(run):
        return error
    if run.steps == 0:
        return errored("the training took 0 steps")
    if start is None or end is None:
        missing = "before the first step" if start is None else "at the end"
        return errored(f"the training loss {missing} was not measured")
    lowest = run.loss_floor if floor is None else floor
    if error := below_floor({"before the first step": start, "at the end": end}, lowest):
        return error
    return Descent(start, end, lowest)


def below_floor(losses: Mapping[str, float], floor: float) -> Verdict | None:
    """The error of a training loss lower than it can be, as one of the wrong sign is; `losses` by when they were measured."""
    slack = ROUNDING * max(1.0, abs(floor), *(abs(loss - floor) for loss in losses.values()))
    for when, loss in losses.items():
        if at_least(loss, floor - slack).status is Status.FAILED:
            return errored(
                f"the training loss {when} is {shown(loss)}, below {shown(floor)}, the lowest that it can be"
            ).explained(
                advice="has the loss the wrong sign? Does a language model see the tokens that it predicts? One that can be "
                "lower needs its loss_floor stated, here or by the recipe"
            )
    return None


def share_left(reference: float, *, share: float, floor: float) -> float:
    """The loss that is left when `share` of the way from `floor` up to `reference` remains.

    >>> share_left(2.0, share=0.25, floor=0.0), share_left(2.0, share=0.25, floor=1.0)
    (0.5, 1.25)
    """
    return floor + share * (reference - floor)


def told(run: TrainingRun) -> tuple[str, ...]:
    """What the engine told of the training, for the facts of a red verdict: why it stopped early, and its notes."""
    early = at_least(run.steps, run.planned_steps).status is Status.FAILED
    stopped = (f"it took {run.steps} of {run.planned_steps} steps: {run.stopped}",) if early and run.stopped else ()
    return (*stopped, *run.notes)
