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
    `lost_at_most` is the share of a parameter in 16 bits that may have a gradient and stay where it is; `ratio_at_most` how far
    the first steps may carry the parameters, as a multiple of where they begin; `spread_at_most` how many times the gradients of
    one weight may be those of another, per value.
    """

    frozen: Names = ()
    leftover_at_most: float = Field(0.0, ge=0)
    lost_at_most: float = Field(0.02, ge=0, le=1)
    ratio_at_most: float = Field(1000.0, gt=0)
    spread_at_most: float = Field(1e9, ge=1)


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
    slow = [one for one in learning if one.rate and one.gradient_norm and not one.change]
    return first_red(
        passed(f"{len(learning)} parameters ({scalars} scalars) get a finite gradient and move").explained(
            f"the update of {len(slow)} is too small to show in {measured.steps} steps: {_named(slow)}" if slow else ""
        ),
        *_faults(learning, measured),
        *_symmetric(learning, measured),
        *_held_twice(measured),
        *_lost(params, learning),
        *_sizes(params, learning, measured),
        *_frozen(frozen),
        _leftover(params, measured),
    )


def _faults(learning: list[ParameterGradient], measured: Gradients) -> list[Verdict]:
    """One red verdict for each fault that some parameter has which should learn."""
    trainable = [one for one in learning if one.trainable]
    finite = [one for one in trainable if one.gradient_norm and math.isfinite(one.gradient_norm)]
    several = "a step" if measured.steps == 1 else f"{measured.steps} steps"
    idle = not any(one.change for one in learning)
    found = [
        (
            "not_finite",
            [one for one in trainable if one.gradient_norm is not None and not math.isfinite(one.gradient_norm)],
            "gradient not finite",
            "a logarithm or root of 0, a division by 0, or a learning rate that is too high?",
        ),
        (
            "no_gradient",
            [one for one in trainable if one.gradient_norm is None],
            "no gradient",
            "a detached branch (detach, no_grad, argmax, .data, .item()), or a layer that is never called?",
        ),
        (
            "zero",
            [one for one in trainable if one.gradient_norm == 0],
            "gradient exactly 0",
            "dead units, weights that are all 0, or a branch multiplied by 0?",
        ),
        (
            "stale" if measured.strangers else "unmoved",
            [one for one in finite if one.change == 0 and (idle or not one.rate)],
            f"a gradient but no change in {several}",
            _why_unmoved(measured, idle=idle),
        ),
        (
            "not_finite",
            [one for one in finite if not math.isfinite(one.change)],
            f"value not finite after {several}",
            "is the learning rate too high?",
        ),
        (
            "frozen",
            [one for one in learning if not one.trainable],
            "requires_grad false, not declared frozen,",
            "where that is meant: `train: {freeze: [MODULE]}`, or `gradients: {frozen: [PATTERN]}` for a model that does it",
        ),
    ]
    return [
        failed(f"{fault} for {len(which)} of {len(learning)} parameters: {_named(which)}").explained(
            advice=advice, finding=f"gradients.{finding}"
        )
        for finding, which, fault, advice in found
        if which
    ]


def _why_unmoved(measured: Gradients, *, idle: bool) -> str:
    if measured.strangers:
        return (
            f"the optimizer holds {measured.strangers} tensors that are no parameters of the model: make it after the model "
            "is wrapped, copied or moved"
        )
    if idle:
        return "is the learning rate 0, or does the schedule begin at 0?"
    return "left out of the optimizer, or an update too small for the dtype?"


def _symmetric(learning: list[ParameterGradient], measured: Gradients) -> list[Verdict]:
    """Red where the units of a layer begin equal and are told the same."""
    which = [one for one in learning if one.trainable and one.symmetric and one.gradient_norm is not None]
    if which:
        worst = max(which, key=lambda one: one.symmetric)
        told = (
            f"units that begin equal and learn the same in {len(which)} of {len(learning)} parameters: {_named(which)}"
        )
        fact = f"each of the {worst.symmetric} units of {worst.name} has a twin, and they stay equal for ever"
    elif measured.constant_start:
        told, fact = "every weight begins constant, so that units begin equal", ""
    else:
        return []
    advice = "begin with random weights: with zeros or a constant, a layer of any width is worth a few units"
    return [failed(told).explained(fact, advice=advice, finding="gradients.symmetric")]


def _held_twice(measured: Gradients) -> list[Verdict]:
    if not measured.repeated:
        return []
    told = f"held twice by the optimizer: {len(measured.repeated)} parameters: {listed(measured.repeated)}"
    advice = "each parameter in one group, once: a step moves one that stands twice by two updates"
    return [failed(told).explained(advice=advice, finding="gradients.groups")]


def _lost(params: GradientsParams, learning: list[ParameterGradient]) -> list[Verdict]:
    """Red for parameters in 16 bits that swallow updates, the one that loses most in front."""
    half = [one for one in learning if one.trainable and one.dtype in ("float16", "bfloat16") and one.gradient_norm]
    if not half:
        return []
    worst = max(half, key=lambda one: one.lost)
    verdict = at_most(worst.lost, params.lost_at_most, of=f"share of {worst.name} whose updates {worst.dtype} loses:")
    return [
        verdict.explained(
            f"{len(half)} of {len(learning)} parameters are kept in {worst.dtype}" if verdict.status.red else "",
            advice="keep the weights in float32 and compute in autocast: `train: {precision: bf16}`",
            finding="gradients.dtype",
        )
    ]


def _sizes(params: GradientsParams, learning: list[ParameterGradient], measured: Gradients) -> list[Verdict]:
    """Red where gradients vanish or explode from one weight to another, or a few steps carry the parameters far away."""
    found = []
    sizes = {
        one: one.gradient_norm / math.sqrt(one.elements)
        for one in learning
        if one.is_weight and one.trainable and one.gradient_norm and math.isfinite(one.gradient_norm)
    }
    if sizes:
        least, most = min(sizes, key=lambda one: sizes[one]), max(sizes, key=lambda one: sizes[one])
        spread = at_most(
            sizes[most] / sizes[least],
            params.spread_at_most,
            of=f"gradients vanish: those of {most.name} are larger than those of {least.name} by a factor of",
        )
        found.append(
            spread.explained(
                advice="an activation that saturates, many layers without a norm, or a scale that is far from 1?",
                finding="gradients.norms",
            )
        )
    if measured.update_ratio is not None and math.isfinite(measured.update_ratio):
        ratio = at_most(
            measured.update_ratio,
            params.ratio_at_most,
            of=f"{measured.steps} steps carry the parameters away from their start, by that times",
        )
        found.append(ratio.explained(advice="is the learning rate too high?", finding="gradients.ratio"))
    return [verdict for verdict in found if verdict.status.red]


def _named(which: list[ParameterGradient]) -> str:
    return listed(one.name for one in which)


def _frozen(frozen: list[ParameterGradient]) -> list[Verdict]:
    moved = [one for one in frozen if one.change != 0]
    if moved:
        told = (
            f"declared frozen but moved: {len(moved)} of {len(frozen)} parameters: {listed(one.name for one in moved)}"
        )
        advice = "set requires_grad false on them, or take them out of the optimizer: weight decay moves them too"
        return [failed(told).explained(advice=advice, finding="gradients.frozen")]
    return [passed(f"declared frozen and unmoved: {listed(one.name for one in frozen)}")] if frozen else []


def _leftover(params: GradientsParams, measured: Gradients) -> Verdict:
    verdict = at_most(
        measured.poisoned, params.leftover_at_most, of="gradients left over from before the step change it by"
    )
    where = f"the largest change is in {measured.poisoned_parameter}" if measured.poisoned_parameter else ""
    return verdict.explained(
        where if verdict.status is Status.FAILED else "",
        advice="is zero_grad called before backward in every step?",
        finding="gradients.leftover",
    )
