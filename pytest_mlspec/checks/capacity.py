"""`overfit`: model, loss and optimiser together can fit one batch. It says nothing about other rows."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from pytest_mlspec.check import Params, Status, Verdict, at_least, at_most, check, errored, shown
from pytest_mlspec.checks.losses import Descent, descent, share_left, told
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Train

LEFT = 0.05
"""The share of the loss at initialisation, above the lowest possible loss, that may be left."""


class OverfitParams(Params):
    """`loss_floor` is the lowest value that the loss can take, null for the one that the engine states."""

    steps: int | None = Field(None, ge=1)  # optimiser steps on one batch; None: as many as declared, 200 to 1,000
    loss_at_most: float | None = None  # loss units; None: 5 % of the loss at initialisation
    loss_floor: float | None = None


@check("overfit", needs=lambda p: {"run": Train(batches=1, steps=p.steps)})
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
    asked = params.steps or run.planned_steps
    if at_least(run.steps, asked).status is Status.FAILED:
        return errored(f"{run.steps} of {asked} steps taken: too few to judge").explained(*told(run))
    share = share_left(levels.start, share=LEFT, floor=levels.floor)
    limit = share if params.loss_at_most is None else params.loss_at_most
    if at_most(levels.start, limit).status is Status.PASSED:
        return errored(f"the loss starts at {shown(levels.start)}, already at most {shown(limit)}: nothing to overfit")
    verdict = at_most(levels.end, limit, of="loss on one batch")
    if params.loss_at_most is None:
        above = f" above {shown(levels.floor)}" if levels.floor else ""
        verdict = replace(verdict, summary=f"{verdict.summary} ({LEFT * 100:g} % of its start{above})")
    verdict = verdict.explained(f"from {shown(levels.start)} to {shown(levels.end)} in {run.steps} steps")
    return _diagnosed(verdict, run, levels=levels, limit=limit) if verdict.status.red else verdict


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
