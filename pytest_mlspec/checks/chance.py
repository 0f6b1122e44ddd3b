"""`chance`: a model that is trained on shuffled targets knows nothing of those that were held out."""

from __future__ import annotations

import math

from pydantic import Field

from pytest_mlspec.check import Params, Status, Verdict, at_least, check, errored, not_applicable, shown
from pytest_mlspec.evidence import Agreement
from pytest_mlspec.jobs import ChanceScore, Train
from pytest_mlspec.statistics import agreement_by_chance, correlation_by_chance


class ChanceParams(Params):
    """`steps` replaces the length of the training on shuffled targets, in optimiser steps.

    `by_chance_at_least` is how unlikely an agreement has to be to count as a leak: it is the share of false alarms.
    """

    steps: int | None = Field(None, ge=1)
    by_chance_at_least: float = Field(1e-6, gt=0, lt=1)


@check("chance", needs=lambda p: {"agreement": ChanceScore(of=Train(steps=p.steps, shuffled=True))})
def chance(params: ChanceParams, agreement: Agreement) -> Verdict:
    """Trained on targets that were shuffled before the split, the model tells those of held-out rows by chance alone."""
    return _judged(params, agreement).on(n=agreement.rows)


def _judged(params: ChanceParams, measured: Agreement) -> Verdict:
    rows, split = measured.rows, measured.split
    if not rows:
        return errored(f"0 rows of {split} were scored")
    tests = [correlation_by_chance(each, rows) for each in measured.correlations]
    best = [correlation_by_chance(_highest(true, rows), rows) for true in measured.true or (rows // 2,) if tests]
    told = []
    if measured.correlations:
        told.append(f"highest rank correlation with shuffled targets {shown(max(measured.correlations))}")
    if measured.hits is not None:
        tests.append(agreement_by_chance(measured.hits, measured.predicted, measured.true))
        best.append(agreement_by_chance(rows, measured.true, measured.true))
        expected = sum(one * other for one, other in zip(measured.predicted, measured.true, strict=True)) / rows
        kind = "sides of the median" if measured.cut else "shuffled targets"
        told.append(f"{measured.hits} of {rows} {kind} told, {shown(expected)} by chance")
    if not tests:
        return errored("no agreement was measured")
    if at_least(min(best), params.by_chance_at_least / len(tests)).status is Status.PASSED:
        return not_applicable(f"too few rows: all {rows} of {split} might be told by chance")
    probability = min(1.0, len(tests) * min(tests))
    verdict = at_least(probability, params.by_chance_at_least, of="probability of the agreement by chance:")
    return verdict.explained(
        *told,
        f"trained on {measured.train_rows} rows for {measured.steps} steps",
        advice="the targets of held-out rows reach the features: is something selected, encoded or oversampled by the target"
        " in split, or before it? do it in fit_prepare, with the training rows alone",
        finding="chance.told",
    )


def _highest(true: int, rows: int) -> float:
    """The highest correlation that ranks can have with `true` rows of a class: all of them above the others."""
    return math.sqrt(3 * true * (rows - true)) / rows
