"""Gates: one named quantity and a bound. A pure function from evidence to a verdict, like every check."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from statistics import fmean, stdev

from pytest_mlspec.check import Status, Verdict, at_least, at_most, errored, shown, within
from pytest_mlspec.checks.losses import below_floor
from pytest_mlspec.evidence import Evidence, Score, ScoreTable, TrainingRun
from pytest_mlspec.quantities import Quantity, Reading
from pytest_mlspec.statistics import wilson_interval

# Two scores that differ by less, relative to their size, differ by rounding: predictions come in single precision.
ROUNDING = 1e-6

REFERENCE = "reference"
"""The role of the evidence that `no_worse_than` compares with."""

_ABSENT = Score(None, 0, "was not measured")


@dataclass(frozen=True)
class Gate:
    """What one gate allows: `values` are one bound or the two of `within`, in the unit of the quantity.

    `by` belongs to `better_than`: by how much the model must beat the baseline, in the direction of the metric; with 0 by
    anything at all, and equal is not better. With `no_worse_than` it is how much worse the model may be.
    """

    quantity: Quantity
    kind: str
    values: tuple[float, ...] = ()
    by: float = 0.0


def judge(gate: Gate, evidence: Mapping[str, Evidence]) -> Verdict:
    """The verdict on the evidence of the gate's jobs: a TrainingRun, and a ScoreTable where the quantity has metrics.

    A measure reads what its own job gave, and with `no_worse_than` also the evidence of the role `REFERENCE`.

    Several of each, one for each fold or seed, are judged by their mean; `cv_std` by their standard deviation.
    """
    if gate.quantity.measure is not None:
        return _of_measure(gate, evidence)
    runs = [each for each in evidence.values() if isinstance(each, TrainingRun)]
    tables = [each for each in evidence.values() if isinstance(each, ScoreTable)]
    verdicts = [_of_one(gate, run, table) for run, table in zip_longest(runs, tables)]
    if len(runs) > 1:
        return _of_several(gate, verdicts).on(device=runs[0].device)
    return verdicts[0].on(seed=runs[0].seed).explained(*_how_it_ended(runs[0], verdicts[0]))


def _of_one(gate: Gate, run: TrainingRun, table: ScoreTable | None) -> Verdict:
    if table is not None:
        measured = [table.scores.get(request.key, _ABSENT) for request in gate.quantity.requests()]
        verdict = _of_scores(gate, measured, table)
    else:
        verdict = _of_loss(gate, run)
    return verdict.on(device=run.device)


def _of_measure(gate: Gate, evidence: Mapping[str, Evidence]) -> Verdict:
    readings = [gate.quantity.read(found) for role, found in evidence.items() if role != REFERENCE]
    verdicts = [_of_reading(gate, reading, evidence.get(REFERENCE)) for reading in readings]
    if len(verdicts) > 1:
        return _of_several(gate, verdicts)
    (run,) = (found for role, found in evidence.items() if role != REFERENCE)
    if not isinstance(run, TrainingRun):
        return verdicts[0]
    return verdicts[0].on(seed=run.seed, device=run.device).explained(*_how_it_ended(run, verdicts[0]))


def _of_reading(gate: Gate, reading: Reading, reference: Evidence | None) -> Verdict:
    if reading.missing:
        return Verdict(Status.SKIPPED, reading.missing)
    verdict = _bounded(gate, reading.value) if reference is None else _no_worse(gate, reading, reference)
    return verdict.on(n=reading.n, device=reading.device).explained(*reading.facts, advice=reading.advice)


def _no_worse(gate: Gate, reading: Reading, evidence: Evidence) -> Verdict:
    reference = gate.quantity.read(evidence)
    if reference.value is None or not math.isfinite(reference.value):
        found = reference.missing or ("it has none" if reference.value is None else f"it is {reference.value}")
        return errored(f"the value to compare with was not measured: {found}").explained(*reference.facts)
    sign = 1.0 if gate.quantity.higher_is_better else -1.0
    lead = None if reading.value is None else sign * (reading.value - reference.value)
    rounding = ROUNDING * abs(reference.value)
    verdict = at_least(lead, -gate.by - rounding, of="lead over the reference")
    if verdict.measured is None:
        return verdict
    unit = gate.quantity.unit
    allowed = f"no worse than {shown(reference.value, unit)}{f' by more than {gate.by:g}' if gate.by else ''}"
    assert reading.value is not None, "a lead was measured"
    summary = f"{shown(reading.value, unit)}, {allowed}"
    return replace(verdict, summary=summary, measured=reading.value, allowed=allowed, unit=unit).explained(
        *reference.facts
    )


def _of_several(gate: Gate, verdicts: Sequence[Verdict]) -> Verdict:
    values = [verdict.measured for verdict in verdicts if verdict.measured is not None]
    what = "folds" if gate.quantity.of_folds else "seeds"
    if len(values) < len(verdicts):
        number, first = next((number, each) for number, each in enumerate(verdicts, 1) if each.measured is None)
        return first.explained(f"{what.rstrip('s')} {number} of {len(verdicts)}")
    mean, deviation = fmean(values), stdev(values)
    if gate.quantity.kind == "cv_std":
        verdict, told = _bounded(gate, deviation), f"standard deviation over the {what}, mean {shown(mean)}"
    elif gate.kind == "better_than":
        verdict, told = (
            _leads(gate, mean, rounding=0.0),
            f"mean lead of the {what}, standard deviation {shown(deviation)}",
        )
    else:
        verdict, told = _bounded(gate, mean), f"mean of {len(values)} {what}, standard deviation {shown(deviation)}"
    rows = [verdict.n for verdict in verdicts if verdict.n is not None]
    counted = sum(rows) if gate.quantity.of_folds else (rows[0] if rows else None)
    each = ", ".join(shown(value) for value in values)
    return verdict.on(n=counted).explained(f"{told}; each: {each}")


def _of_loss(gate: Gate, run: TrainingRun) -> Verdict:
    # A loss of the wrong sign meets every upper bound. The floor is that of the training rows, so these are looked at.
    measured = {"before the first step": run.losses_before, "at the end": run.losses}
    training = {when: losses["train"] for when, losses in measured.items() if "train" in losses}
    split = gate.quantity.split
    verdict = below_floor(training, run.loss_floor) or _bounded(gate, run.losses.get(split))
    return verdict.on(n=run.rows if split == "train" else None)


def _of_scores(gate: Gate, measured: list[Score], table: ScoreTable) -> Verdict:
    for score in measured:
        if score.error:
            return replace(errored(score.error), advice=(score.advice,) if score.advice else ())
        if score.rows == 0:
            return errored("not measured: there is no row to measure it on")
    value = measured[0].value
    if gate.quantity.kind == "gap":
        train, test = (score.value for score in measured)
        value = None if train is None or test is None else train - test
        return _bounded(gate, value).on(n=measured[1].rows).explained(_pair("train", train), _pair("test", test))
    if gate.kind == "better_than":
        return _better_than(gate, measured[0], table)
    verdict = _bounded(gate, value).on(n=measured[0].rows)
    return verdict.explained(_interval(gate.quantity, measured[0]), _confused(gate.quantity, verdict, table))


def _better_than(gate: Gate, score: Score, table: ScoreTable) -> Verdict:
    (request,) = gate.quantity.requests(of="dummy")
    dummy = table.scores.get(request.key, _ABSENT)
    if dummy.error or dummy.value is None:
        return errored(f"the constant baseline has no value: {dummy.error or _ABSENT.error}")
    if score.value is None:
        return errored(_ABSENT.error)
    sign = 1.0 if gate.quantity.higher_is_better else -1.0
    verdict = _leads(
        gate, sign * (score.value - dummy.value), rounding=ROUNDING * max(abs(score.value), abs(dummy.value))
    )
    return verdict.on(n=score.rows).explained(
        f"the model reaches {shown(score.value)}, the constant baseline {shown(dummy.value)}",
        _interval(gate.quantity, score),
    )


def _leads(gate: Gate, lead: float, *, rounding: float) -> Verdict:
    verdict = at_least(lead, gate.by, of="lead over the constant baseline")
    if verdict.status is Status.PASSED and at_most(lead, rounding).status is Status.PASSED:
        return replace(
            verdict, status=Status.FAILED, summary="no better than the constant baseline", allowed="more than 0"
        )
    return verdict


def _bounded(gate: Gate, value: float | None) -> Verdict:
    unit = gate.quantity.unit
    match gate.kind:
        case "at_least":
            return at_least(value, gate.values[0], unit=unit)
        case "at_most":
            return at_most(value, gate.values[0], unit=unit)
        case _:
            return within(value, gate.values[0], gate.values[1], unit=unit)


def _interval(quantity: Quantity, score: Score) -> str:
    if quantity.metric is None or not quantity.metric.share or score.value is None or not 0 <= score.value <= 1:
        return ""
    low, high = wilson_interval(score.value, score.rows)
    return f"95 % interval of the measurement: {low:.3f} .. {high:.3f}"


def _confused(quantity: Quantity, verdict: Verdict, table: ScoreTable) -> str:
    worst = table.confused.get(quantity.split, ())
    if not verdict.status.red or quantity.where or not worst:
        return ""
    pairs = [f"{true} as {predicted} ({rows} row{'' if rows == 1 else 's'})" for true, predicted, rows in worst[:3]]
    return f"most confused: {', '.join(pairs)}"


def _how_it_ended(run: TrainingRun, verdict: Verdict) -> tuple[str, ...]:
    early = run.steps != run.planned_steps and run.stopped
    return (f"the training {run.stopped}",) if verdict.status is Status.FAILED and early else ()


def _pair(name: str, value: float | None) -> str:
    return "" if value is None else f"{name}: {shown(value)}"
