"""`export`: a trained model, written in a format and loaded without the team's code, answers as the model itself does."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

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
    shown,
)
from pytest_mlspec.evidence import Difference, Parity
from pytest_mlspec.formats import EMPTY, FORMATS, TEXTS
from pytest_mlspec.jobs import Export, LoadExport

# What a budget of the metric is by default, for formats that round weights.
_ROUNDED_DROP = 0.01
_TRAINING_MODE = (
    "export the trained model in evaluation mode: model.eval(), and look at its outputs for the same rows twice"
)


class ExportParams(Params):
    """`to` names formats, or is `own` for that of the recipe's own export; an output may differ by `atol` + `rtol` · |output|.

    `opset` is that of ONNX, null for the writer's own choice. `metric` is held within `metric_drop`, null for rounding alone, and
    for 0.01 in formats of 8 bits, whose outputs are held by nothing else. `gives: predictions` where the team's own export
    ends in what the predictions are, such as a softmax. `empty_batch: true` demands that an empty batch works, `one_length: true`
    no other length of texts than that of the prepared rows.
    """

    to: Annotated[Names, Field(min_length=1)] = ("onnx",)
    opset: int | None = Field(None, ge=1)
    rtol: float = Field(1e-4, ge=0, lt=1)
    atol: float = Field(1e-5, ge=0)
    metric: str = ""
    metric_drop: float | None = Field(None, ge=0)
    gives: Literal["outputs", "predictions"] = "outputs"
    empty_batch: bool = False
    one_length: bool = False


def _needs(params: ExportParams) -> dict[str, LoadExport]:
    return {
        name: LoadExport(_export(name, params.opset), rtol=params.rtol, metric=params.metric, gives=params.gives)
        for name in params.to
    }


def _export(name: str, opset: int | None) -> Export:
    has_opsets = (
        name in FORMATS and FORMATS.find(name).has_opsets
    )  # `own` is none, and finds its format when it is written
    return Export(name, opset if has_opsets else None)


@check("export", needs=_needs)
def export(params: ExportParams, **formats: Parity) -> Verdict:
    """An exported model loads in a fresh process and gives the outputs, decisions and metric of the trained one."""
    return first_red(*(_judged(params, parity) for parity in formats.values()))


def _judged(params: ExportParams, parity: Parity) -> Verdict:
    """The verdict on one format."""
    judged = {name: each for name, each in parity.differences.items() if _is_judged(name, params)}
    if not judged:
        return errored(f"{parity.format}: nothing was compared")
    refused = {name: each for name, each in judged.items() if each.error}
    verdicts = [_refused(parity, refused)] if refused else []
    compared = {name: each for name, each in judged.items() if not each.error}
    if parity.exact and compared:
        verdicts += [_outputs(params, parity, compared), _decisions(parity, compared)]
    verdicts += [_metric(params, parity)] if parity.metric else []
    if not (parity.exact or parity.metric):
        verdicts += [_held_by_nothing(parity)]
    return first_red(*verdicts).on(n=parity.rows).explained(*_told(params, parity))


def _held_by_nothing(parity: Parity) -> Verdict:
    return errored(
        f"{parity.format}: its outputs are rounded, and there is no metric that tells whether too much"
    ).explained(advice=f"export to onnx, and gate what rounding may cost: export.{parity.format}.difference")


def _is_judged(case: str, params: ExportParams) -> bool:
    if case == EMPTY:
        return params.empty_batch
    return not (params.one_length and case.startswith(TEXTS))


def _refused(parity: Parity, refused: dict[str, Difference]) -> Verdict:
    name, first = next(iter(refused.items()))
    others = [f"{name}: {each.error}" for name, each in list(refused.items())[1:]]
    verdict = failed(f"{parity.format}: {name}: {first.error}").explained(*others)
    if name.startswith(TEXTS):
        advice = "where every text has the length of the prepared rows, write one_length: true"
        return verdict.explained(advice=advice, finding="export.length")
    advice = "export with a dynamic axis for the rows, such as dynamic_shapes of torch.export"
    return verdict.explained(advice=advice, finding="export.batch")


def _outputs(params: ExportParams, parity: Parity, compared: dict[str, Difference]) -> Verdict:
    """The case whose outputs differ most, among those that differ by more than is allowed where there are such."""
    red = [name for name, each in compared.items() if at_most(each.excess, params.atol).status.red]
    name = max(red or compared, key=lambda name: _or_infinite(compared[name].absolute))
    worst = compared[name]
    verdict = at_most(worst.excess, params.atol)
    allowed = f"at most {shown(params.atol)} + {shown(params.rtol)} · |output|"
    if worst.absolute is None or verdict.status is Status.ERROR:
        return errored(f"{parity.format}: the outputs for {name} were not compared")
    summary = f"{parity.format}: outputs differ by {shown(worst.absolute)} ({name}), {allowed}"
    row = f"the worst is row {worst.worst_row} of {worst.rows}; the largest output is {shown(worst.scale)}"
    verdict = replace(verdict, summary=summary, measured=worst.absolute, allowed=allowed)
    facts = (parity.hint, row) if verdict.status.red else ()
    advice = (
        _TRAINING_MODE if "training mode" in parity.hint else "is it the model that was trained, with its last weights?"
    )
    finding = "export.repeat" if advice == _TRAINING_MODE else "export.outputs"
    return verdict.explained(*facts, advice=advice, finding=finding)


def _decisions(parity: Parity, compared: dict[str, Difference]) -> Verdict:
    name = max(compared, key=lambda name: compared[name].decisions)
    of = f"{parity.format}: decisions that are others ({name}, {compared[name].rows} rows):"
    return at_most(compared[name].decisions, 0, of=of).explained(finding="export.decisions")


def _metric(params: ExportParams, parity: Parity) -> Verdict:
    """The metric of the exported model, held against that of the model itself."""
    if parity.score is None or parity.reference_score is None:
        return errored(f"{parity.format}: {parity.metric} was not measured: {parity.unscored}")
    drop = parity.reference_score - parity.score if parity.higher_is_better else parity.score - parity.reference_score
    budget = params.metric_drop if params.metric_drop is not None else (0.0 if parity.exact else _ROUNDED_DROP)
    verdict = at_most(drop, budget + (_rounding(params, parity) if parity.exact else 0.0))
    allowed = f"at most {shown(budget)} worse{' but for rounding' if parity.exact else ''}"
    values = f"{shown(parity.score)} for the model's {shown(parity.reference_score)}"
    summary = f"{parity.format}: {parity.metric} is {values}, {allowed}"
    return replace(verdict, summary=summary, allowed=allowed).explained(finding="export.metric")


def _rounding(params: ExportParams, parity: Parity) -> float:
    """What rounding explains of a metric: as much as of an output, and decisions between scores that are equal but for it."""
    ties = max((each.ties for each in parity.differences.values()), default=0)
    return params.rtol * max(1.0, abs(parity.reference_score or 0.0)) + ties / max(1, parity.rows)


def _told(params: ExportParams, parity: Parity) -> tuple[str, ...]:
    """What a reader should know of a format beside its verdict."""
    empty = parity.differences.get(EMPTY)
    of_empty = f"an empty batch is refused: {empty.error}" if empty and empty.error and not params.empty_batch else ""
    changed = {name: each.decisions for name, each in parity.differences.items() if each.decisions}
    of_rounded = ", ".join(f"{count} of {parity.differences[name].rows} ({name})" for name, count in changed.items())
    opset = "" if parity.opset is None else f", opset {parity.opset}"
    return (
        f"{parity.format}: {parity.size} bytes{opset}, loaded with {parity.loaded_with}",
        "" if parity.exact or not changed else f"decisions that are others: {of_rounded}",
        of_empty,
        *parity.notes,
    )


def _or_infinite(value: float | None) -> float:
    return float("inf") if value is None else value
