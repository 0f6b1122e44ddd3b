"""`gradients`: every parameter that should learn does, and a step uses no gradient but its own."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase

from pydantic import Field

from pytest_mlspec.check import (
    Names,
    Params,
    Status,
    Verdict,
    at_most,
    check,
    errored,
    failed,
    first_red,
    listed,
    passed,
)
from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.evidence import Gradients, ParameterGradient
from pytest_mlspec.jobs import GradientFlow


class GradientsParams(Params):
    """`frozen` names the parameters that should not learn, as patterns such as `encoder.*`; they may not move.

    Those that the spec freezes itself, under `train.freeze`, need not be named.

    `leftover_at_most` is how far gradients left over from before may carry a parameter, in its units: 0 demands equal bits.
    """

    frozen: Names = ()
    leftover_at_most: float = Field(0.0, ge=0)


@check("gradients", needs=lambda p: {"gradients": GradientFlow()})
def gradients(params: GradientsParams, gradients: Gradients) -> Verdict:
    """Every parameter that should learn gets a finite gradient and moves; gradients left over change nothing."""
    return _judged(params, gradients).on(n=gradients.rows, device=gradients.device)


def _judged(params: GradientsParams, measured: Gradients) -> Verdict:
    if measured.rows == 0 or measured.steps == 0:
        return errored(f"{measured.steps} steps on {measured.rows} rows: no gradient was measured")
    names = [parameter.name for parameter in measured.parameters]
    declared = {one.name for one in measured.parameters if one.frozen}
    for pattern in params.frozen:
        meant = {name for name in names if fnmatchcase(name, pattern)}
        if not meant:
            return errored(f"no parameter is called {pattern!r}").explained(advice=did_you_mean(pattern, names))
        declared |= meant
    frozen = [one for one in measured.parameters if one.name in declared]
    learning = [one for one in measured.parameters if one.name not in declared]
    if not any(one.trainable for one in learning):
        return errored(f"none of the {len(names)} parameters is trainable")
    scalars = sum(one.elements for one in learning)
    return first_red(
        passed(f"{len(learning)} parameters ({scalars} scalars) get a finite gradient and move"),
        *_faults(learning, measured.steps),
        *_frozen(frozen),
        _leftover(params, measured),
    )


def _faults(learning: list[ParameterGradient], steps: int) -> list[Verdict]:
    """One red verdict for each fault that some parameter has which should learn."""
    trainable = [one for one in learning if one.trainable]
    finite = [one for one in trainable if one.gradient_norm and math.isfinite(one.gradient_norm)]
    several = "a step" if steps == 1 else f"{steps} steps"
    idle = not any(one.change for one in learning)
    found = [
        (
            [one for one in trainable if one.gradient_norm is not None and not math.isfinite(one.gradient_norm)],
            "gradient not finite",
            "a logarithm or root of 0, a division by 0, or a learning rate that is too high?",
        ),
        (
            [one for one in trainable if one.gradient_norm is None],
            "no gradient",
            "a detached branch (detach, no_grad, argmax, .data, .item()), or a layer that is never called?",
        ),
        (
            [one for one in trainable if one.gradient_norm == 0],
            "gradient exactly 0",
            "dead units, weights that are all 0, or a branch multiplied by 0?",
        ),
        (
            [one for one in finite if one.change == 0],
            f"a gradient but no change in {several}",
            "is the learning rate 0, or does the schedule begin at 0?"
            if idle
            else "left out of the optimizer, or an update too small for the dtype?",
        ),
        (
            [one for one in finite if not math.isfinite(one.change)],
            f"value not finite after {several}",
            "is the learning rate too high?",
        ),
        (
            [one for one in learning if not one.trainable],
            "requires_grad false, not declared frozen,",
            "where that is meant: `train: {freeze: [MODULE]}`, or `gradients: {frozen: [PATTERN]}` for a model that does it",
        ),
    ]
    return [
        failed(
            f"{fault} for {len(which)} of {len(learning)} parameters: {listed(one.name for one in which)}"
        ).explained(advice=advice)
        for which, fault, advice in found
        if which
    ]


def _frozen(frozen: list[ParameterGradient]) -> list[Verdict]:
    moved = [one for one in frozen if one.change != 0]
    if moved:
        told = (
            f"declared frozen but moved: {len(moved)} of {len(frozen)} parameters: {listed(one.name for one in moved)}"
        )
        advice = "set requires_grad false on them, or take them out of the optimizer: weight decay moves them too"
        return [failed(told).explained(advice=advice)]
    return [passed(f"declared frozen and unmoved: {listed(one.name for one in frozen)}")] if frozen else []


def _leftover(params: GradientsParams, measured: Gradients) -> Verdict:
    verdict = at_most(
        measured.poisoned, params.leftover_at_most, of="gradients left over from before the step change it by"
    )
    where = f"the largest change is in {measured.poisoned_parameter}" if measured.poisoned_parameter else ""
    return verdict.explained(
        where if verdict.status is Status.FAILED else "", advice="is zero_grad called before backward in every step?"
    )
