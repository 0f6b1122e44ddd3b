"""`overfit`: model, loss and optimiser together can fit one batch. It says nothing about other rows."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from pytest_mlspec.check import Params, Status, Verdict, at_least, at_most, check, errored, not_applicable, shown
from pytest_mlspec.checks.losses import Descent, descent, share_left, told
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Train

LEFT = 0.05
"""The share of the loss at initialisation, above the lowest possible loss, that may be left."""


# A low rate falls in the second half of the steps nearly as much as in the first, or by a good part of what is left; a training
# that cannot fit settles.
_STEADY = 0.5
_OF_WHAT_IS_LEFT = 0.3
_NOISE = 0.005
_WINDOWS = 20


class OverfitParams(Params):
    """`loss_floor` is the lowest value that the loss can take, null for the one that the engine states.

    With the default bound the training ends once it holds; with a bound of your own it takes all its steps.
    """

    steps: int | None = Field(None, ge=1)  # the most optimiser steps on one batch; None: 1,000
    loss_at_most: float | None = None  # loss units; None: 5 % of the loss at initialisation
    loss_floor: float | None = None


def _one_batch(params: OverfitParams) -> Train:
    own_bound = params.loss_at_most is not None or params.loss_floor is not None
    return Train(batches=1, steps=params.steps, until_left=None if own_bound else LEFT)


@check("overfit", needs=lambda p: {"run": _one_batch(p)})
def overfit(params: OverfitParams, run: TrainingRun) -> Verdict:
    """The model can drive the loss on one batch close to zero."""
    return _judged(params, run).on(n=run.steps, seed=run.seed, device=run.device)


def _judged(params: OverfitParams, run: TrainingRun) -> Verdict:
    loss_S = run.loss_S.values
    start = run.losses_before.get("train", float(loss_S[0]) if len(loss_S) else None)
    end = run.losses.get("train", float(loss_S[-1]) if len(loss_S) else None)
    levels = descent(run, start=start, end=end, floor=params.loss_floor)
    if isinstance(levels, Verdict):
        return levels
    share = share_left(levels.start, share=LEFT, floor=levels.floor)
    limit = share if params.loss_at_most is None else params.loss_at_most
    asked = params.steps or run.planned_steps
    missed = at_most(levels.end, limit).status is Status.FAILED
    if missed and at_least(run.steps, asked).status is Status.FAILED:
        return errored(f"{run.steps} of {asked} steps taken: too few to judge").explained(*told(run))
    if at_most(levels.start, limit).status is Status.PASSED:
        return errored(f"the loss starts at {shown(levels.start)}, already at most {shown(limit)}: nothing to overfit")
    if missed and (reason := _excused(run, levels.floor)):
        return not_applicable(reason).explained(*told(run))
    verdict = at_most(levels.end, limit, of="loss on one batch")
    if params.loss_at_most is None:
        above = f" above {shown(levels.floor)}" if levels.floor else ""
        verdict = replace(verdict, summary=f"{verdict.summary} ({LEFT * 100:g} % of its start{above})")
    verdict = verdict.explained(f"from {shown(levels.start)} to {shown(levels.end)} in {run.steps} steps")
    return _diagnosed(verdict, run, levels=levels, limit=limit) if verdict.status.red else verdict


def _excused(run: TrainingRun, floor: float) -> str:
    """Why a batch that is not fitted says nothing against the training; empty where it does."""
    if run.parameters is not None and at_least(run.parameters, run.rows).status is Status.FAILED:
        return f"{run.parameters} parameters cannot learn {run.rows} rows by heart"
    loss_S = run.loss_S.values
    share = len(loss_S) // _WINDOWS
    if not share:
        return ""
    middle = len(loss_S) // 2
    start, half, end = (
        float(part.mean()) for part in (loss_S[:share], loss_S[middle : middle + share], loss_S[-share:])
    )
    enough = max(_NOISE * abs(start), min(_STEADY * (start - half), _OF_WHAT_IS_LEFT * (half - floor)))
    if at_least(half - end, enough).status is Status.FAILED:
        return ""
    return f"the loss still falls after {run.steps} steps, with no end in sight: `overfit: {{steps: …}}` for more"


def _diagnosed(verdict: Verdict, run: TrainingRun, *, levels: Descent, limit: float) -> Verdict:
    loss_S = run.loss_S.values
    if len(loss_S) == 0:
        curve = ""
    elif at_most(float(loss_S[-1]), limit).status is Status.PASSED:
        curve = f"in training mode the last loss is {shown(float(loss_S[-1]))}: the batch looks different in evaluation mode"
    else:
        curve = f"the lowest loss of a step is {shown(float(loss_S.min()))}, at step {int(loss_S.argmin()) + 1}"
    rose = at_least(levels.end, levels.start).status is Status.PASSED
    causes = (
        "likely causes: a learning rate that is 0 or too high, or a loss of the wrong sign"
        if rose
        else "likely causes: a softmax or a ReLU before the loss, a rate too low for these steps, strong dropout, too few "
        "units, equal rows with different targets"
    )
    return verdict.explained(curve, *told(run), advice=causes)
