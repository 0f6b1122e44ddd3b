"""`capacity`: nothing in the trained model keeps it from expressing what its layers and its task promise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase

from pydantic import Field

from pytest_mlspec.check import (
    Names,
    Params,
    Status,
    Verdict,
    at_least,
    at_most,
    check,
    errored,
    failed,
    first_red,
    listed,
    passed,
    shown,
)
from pytest_mlspec.evidence import Capacity, Chain
from pytest_mlspec.jobs import ProbeCapacity

# What rounding leaves of an affine function, and of outputs that are all the same, relative to the largest output.
ROUNDING = {"float64": 1e-9, "float32": 1e-5}
_CLASSES = 3
# A gate of one unit or a few may be shut without harm; where it does harm, the outputs collapse.
_FEWEST_UNITS = 4
WORDS = {"ClampMin": "a clamp", "Hardtanh": "a hardtanh"}


class CapacityParams(Params):
    """`allow` names layers, as patterns such as `embed*`, that may be narrow, or enter the next one without an activation.

    `dead_at_most` is the share of the units behind one ReLU that may be 0 for every row: healthy networks were seen with less
    than a half. `outside_at_most` is the share of targets that no output can reach. `dropout_at_most` is a rate of dropout: 0.8
    is met where there are very many inputs, and 0.9 where somebody took it for the share that is kept.
    """

    allow: Names = ()
    dead_at_most: float = Field(0.95, ge=0, le=1)
    outside_at_most: float = Field(0.01, ge=0, le=1)
    dropout_at_most: float = Field(0.85, ge=0, le=1)


@check("capacity", needs=lambda p: {"model": ProbeCapacity()})
def capacity(params: CapacityParams, model: Capacity) -> Verdict:
    """No layer is lost: activations stand between layers, units are alive, outputs reach the targets and differ between rows."""
    return _judged(params, model).on(n=model.rows, device=model.device)


def _judged(params: CapacityParams, model: Capacity) -> Verdict:
    if at_least(model.rows, 2).status is Status.FAILED:
        return errored(f"{model.rows} rows: outputs cannot differ between fewer than 2")
    if not math.isfinite(model.spread):
        return errored(f"the outputs differ between rows by {model.spread}")
    verdict = first_red(
        passed(f"{model.layers} linear layers and convolutions, none of them lost"),
        *_chains(params, model),
        *_range(params, model),
        *_dead(params, model),
        *_narrow(params, model),
        *_collapsed(model),
        *_dropout(params, model),
    )
    return verdict.explained(model.unread, f"looked at in {model.dtype}")


def _chains(params: CapacityParams, model: Capacity) -> Iterator[Verdict]:
    chains = [each for each in model.chains if not _is_allowed(each, params.allow)]
    is_affine = (
        model.affine is not None
        and at_most(model.affine, ROUNDING[model.dtype]).status is Status.PASSED
        and not model.reconstructs
    )
    lost = [each for each in chains if is_affine or not each.narrow]
    if lost:
        pairs = listed(f"{each.first} and {each.second}{' (pooling alone)' if each.pooling else ''}" for each in lost)
        fact = "the whole model is an affine function of its inputs" if is_affine else ""
        yield failed(f"no activation between layers {pairs}").explained(
            fact,
            advice="put an activation between them, or name the first one under `capacity: {allow: […]}` where that is meant",
            finding="capacity.linear",
        )
    elif model.chains:
        yield passed(f"without an activation between them, as meant: {listed(each.first for each in model.chains)}")


def _is_allowed(chain: Chain, patterns: Names) -> bool:
    return any(_matches(name, patterns) for name in (chain.first, chain.second))


def _matches(name: str, patterns: Names) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _range(params: CapacityParams, model: Capacity) -> Iterator[Verdict]:
    if model.range is None:
        return
    word = WORDS.get(model.range.operation, f"a {model.range.operation.lower()}")
    if model.range.logits:
        yield failed(f"the outputs come from {word}, and the loss takes logits").explained(
            "the range of the outputs is bounded, that of logits is not",
            advice="remove the last activation, or declare the loss that takes its outputs",
            finding="capacity.range",
        )
    elif model.range.outside is not None:
        verdict = at_most(model.range.outside, params.outside_at_most, of=f"share of targets that {word} cannot reach")
        yield verdict.explained(
            advice="remove the last activation, or scale the targets into its range", finding="capacity.range"
        )


def _dead(params: CapacityParams, model: Capacity) -> Iterator[Verdict]:
    shares = {each.layer: each.dead / each.units for each in model.dead if each.units >= _FEWEST_UNITS}
    if not shares:
        return
    layer = max(shares, key=lambda name: shares[name])
    alive = params.dead_at_most if shares[layer] < 1 else min(params.dead_at_most, math.nextafter(1.0, 0.0))
    verdict = at_most(shares[layer], alive, of=f"share of units behind layer {layer} that are 0 for every row")
    yield verdict.explained(
        advice="a rate that is too high, a large negative bias, inputs that are not scaled: such units never learn again",
        finding="capacity.dead",
    )


def _narrow(params: CapacityParams, model: Capacity) -> Iterator[Verdict]:
    """A curve in the space of outputs cannot hold more than two classes apart as a task needs it."""
    if model.width != 1 or model.classes < _CLASSES or _matches(model.narrowest, params.allow):
        return
    yield failed(
        f"every output goes through the 1 number of layer {model.narrowest}, for {model.classes} classes"
    ).explained(
        advice="give that layer more units, or name it under `capacity: {allow: […]}` where that is meant",
        finding="capacity.narrow",
    )


def _collapsed(model: Capacity) -> Iterator[Verdict]:
    low = ROUNDING[model.dtype]
    verdict = at_least(model.spread, low, of="the outputs differ between rows by")
    if verdict.status.red:
        yield failed(f"the same output for all {model.rows} rows").explained(
            f"they differ by {shown(model.spread)} of the largest output",
            advice="dead units, a rate that is too high, a weight decay that is too large, or inputs that never arrive?",
            finding="capacity.collapsed",
        )


def _dropout(params: CapacityParams, model: Capacity) -> Iterator[Verdict]:
    if model.rates:
        name, rate = max(model.rates.items(), key=lambda each: each[1])
        yield at_most(rate, params.dropout_at_most, of=f"dropout {name} drops the share").explained(
            advice="the rate of dropout is the share that is dropped, not the one that is kept",
            finding="capacity.dropout",
        )
