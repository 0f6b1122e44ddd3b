"""`serving`: what raw rows are answered with is what the training reported, however the rows are brought."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from pytest_mlspec.check import (
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
    shown,
)
from pytest_mlspec.evidence import Difference, Served
from pytest_mlspec.jobs import Serve

# What the rounding of single precision explains, as a share of the largest output.
_ROUNDING = 1e-4
# A metric around 0 that differs by less differs by rounding.
_METRIC_AROUND_ZERO = 1e-6

_CASES: Mapping[str, tuple[str, str]] = {
    "whole": (
        "the whole split",
        "does predict prepare a row as the training did, with the weights of this model and its order of classes?",
    ),
    "again": ("the same rows once more", "is the model in evaluation mode in predict, and does predict keep a state?"),
    "alone": ("a row alone", "a mean, a scaling or a fit over the rows of the request?"),
    "order": ("rows in another order", "are answers put to rows by their position?"),
    "columns": ("columns in another order", "take the columns by name: rows[COLUMNS]"),
    "json": (
        "a row as JSON brings it",
        "JSON has no 3.0 and no NaN, but 3 and null: set the types of the columns in predict",
    ),
    "missing": ("a row with a value less", "impute in predict with what the training rows gave"),
}


Case = Literal["again", "alone", "order", "columns", "json", "missing", "calls", "reload"]


class ServingParams(Params):
    """`of` is the serving path: the team's `predict`, or an exported form behind the stored preparation.

    `without` names cases that are no requests of this service: again, alone, order, columns, json, missing; and what it may
    do: `calls` of the model for each row, `reload` it for each request. `tolerance` is the
    largest difference of two outputs, in their units; null for what rounding explains. `metric_tolerance` is the share by which
    a metric may be another one. `golden` is a file of raw rows with their expected outputs, relative to the root;
    `golden_tolerance` is a share of the largest of these.
    """

    of: Literal["predict", "onnx", "onnx_int8", "onnx_int8_static", "torch_export", "torchscript", "skops"] = "predict"
    without: Annotated[tuple[Case, ...], Field(strict=False)] = ()
    tolerance: float | None = Field(None, ge=0)
    metric_tolerance: float = Field(1e-3, ge=0)
    golden: str | None = Field(None, min_length=1)
    golden_tolerance: float = Field(0.05, gt=0)


@check("serving", needs=lambda p: {"served": Serve(form=p.of, golden=p.golden)})
def serving(params: ServingParams, served: Served) -> Verdict:
    """Raw rows are answered with what the training reported: alone, in any order, as JSON brings them; so is every metric."""
    return _judged(params, served).on(n=served.rows, device=served.device)


def _judged(params: ServingParams, served: Served) -> Verdict:
    whole = served.differences.get("whole")
    if whole is None or served.rows == 0:
        return errored("no row was served, and nothing compared")
    if not (math.isfinite(whole.scale) and whole.scale > 0):
        return errored(f"the largest output is {whole.scale:g}: no difference could be seen")
    allowed = _ROUNDING * whole.scale if params.tolerance is None else params.tolerance
    asked = [name for name in _CASES if name in served.differences and name not in params.without]
    verdict = first_red(
        *_metrics(params, served),
        *(
            _judged_case(name, served.differences[name], allowed, of_labels=served.answers == "labels")
            for name in asked
        ),
        *_golden(params, served),
        *_graph(served),
        *_cost(params, served),
    )
    mixed_up = ", ".join(served.permuted)
    if mixed_up and verdict.status.red:  # what differs follows from it
        others = (each for each in verdict.findings if each not in ("serving.whole", "serving.metric"))
        verdict = replace(verdict, findings=("serving.classes", *others))
    return verdict.explained(
        f"the classes are mixed up: in their places {mixed_up} are served" if mixed_up else "",
        *(f"{name} is not compared: {reason}" for name, reason in served.unscored.items()),
        *served.notes,
    )


def _metrics(params: ServingParams, served: Served) -> Iterator[Verdict]:
    for name, (ours, reported) in served.scores.items():
        slack = max(params.metric_tolerance * abs(reported), _METRIC_AROUND_ZERO)
        verdict = at_most(abs(ours - reported), slack, of=f"{name} as served and as reported differ by")
        if verdict.status is Status.ERROR:
            yield verdict
            continue
        digits = next((n for n in range(3, 17) if shown(ours, digits=n) != shown(reported, digits=n)), 3)
        summary = f"{name} {shown(reported, digits=digits)} reported, {shown(ours, digits=digits)} served"
        told = replace(
            verdict, summary=summary, measured=ours, allowed=f"{shown(reported, digits=digits)}, as reported"
        )
        yield told.explained(finding="serving.metric")


def _judged_case(name: str, difference: Difference, allowed: float, *, of_labels: bool) -> Verdict:
    what, advice = _CASES[name]
    if difference.error:
        return failed(f"{what}: {difference.error}").explained(advice=advice, finding=f"serving.{name}")
    if of_labels:
        verdict = at_most(difference.decisions, 0, of=f"{what}: another label is served for", unit="rows")
        where = f"the first is row {difference.worst_row}" if difference.decisions else ""
    else:
        which = f"one of {difference.rows}" if name == "missing" else f"row {difference.worst_row}"
        verdict = at_most(difference.absolute, allowed, of=f"{what}: {which} differs by")
        where = (
            f"{difference.decisions} of {difference.rows} rows are decided otherwise" if difference.decisions else ""
        )
    return verdict.explained(where if verdict.status.red else "", advice=advice, finding=f"serving.{name}")


def _golden(params: ServingParams, served: Served) -> Iterator[Verdict]:
    if params.golden is None:
        return
    found = served.golden
    if found is None:
        yield errored(f"{params.golden} is not there: nothing was compared with it").explained(
            advice=f"golden.json in the folder of the evidence holds what is served now: look at it, copy it to {params.golden}"
        )
        return
    if found.error:
        yield failed(f"golden rows: {found.error}").explained(finding="serving.golden")
        return
    if not (math.isfinite(found.scale) and found.scale > 0):
        yield errored(
            f"{params.golden}: the largest expected output is {found.scale:g}, so no difference could be seen"
        )
        return
    verdict = at_most(
        found.absolute,
        params.golden_tolerance * found.scale,
        of=f"golden rows: row {_counted(found.worst_row)} differs by",
    )
    yield verdict.explained(
        advice=f"where the new outputs are right, remove {params.golden}, run again, and copy the new one",
        finding="serving.golden",
    )


def _counted(row: int | None) -> int:
    """The number of a row of a file, counted from 1."""
    return 0 if row is None else row + 1


def _graph(served: Served) -> Iterator[Verdict]:
    if served.records_gradients:
        yield failed(
            "gradients are recorded while predict serves: its model answers with tensors of a graph"
        ).explained(
            advice="call the model under torch.no_grad() or torch.inference_mode()", finding="serving.gradients"
        )


def _cost(params: ServingParams, served: Served) -> Iterator[Verdict]:
    """Red where the calls of a model grow with the rows, one by one, or each request loads it again."""
    if len(served.calls) > 1 and "calls" not in params.without:
        (few_rows, few), *_, (many_rows, many) = served.calls
        grows = at_least(many - few, max(1, many_rows - few_rows)).status is Status.PASSED
        if grows and at_least(few, few_rows).status is Status.PASSED:
            yield failed(f"a call of the model for each row: {many} calls for {many_rows} rows").explained(
                f"{few} calls for {few_rows} rows",
                advice="call the model once for the rows of a request; where they cannot be stacked: `without: [calls]`",
                finding="serving.calls",
            )
    if served.reloaded and "reload" not in params.without:
        yield failed(f"each request loads {listed(served.reloaded)} again").explained(
            advice="load it once, and keep it: in the module, or beside the model", finding="serving.reload"
        )
