"""`evaluation`: what a team reports of its model is true, an evaluation changes nothing, and no part of the rows broke."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

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
    not_applicable,
    passed,
    shown,
)
from pytest_mlspec.evidence import Evaluation, OwnMetric, Slice
from pytest_mlspec.jobs import Evaluate
from pytest_mlspec.statistics import successes_by_chance

# What kernels of a GPU round otherwise from call to call, relative to the largest number; random changes are far larger.
_ROUNDING = 1e-4
_DISTINCT = 0.9
_SHARE_OF_A_PART = 0.05
# A part that was learned no better than it is answered is hard, and not broken.
_LOST = 0.3
_FEWEST_LEARNED = 20
_WORSE = 0.1
_FINITE = 1e300

_FINDINGS: Mapping[str, tuple[str, str]] = {
    "other_split": ("evaluation.other_split", "use the rows that evaluate is given, and no others"),
    "rows": (
        "evaluation.rows",
        "count every row that evaluate is given: no filter, no drop_last, no row left out on an exception",
    ),
    "batches": (
        "evaluation.batches",
        "weigh each batch by its rows, or collect all predictions and compute the metric once",
    ),
    "averaging": ("evaluation.averaging", "compute the metric that its name says, or give it the name of what it is"),
    "": (
        "evaluation.metric",
        "does evaluate score the model it is given, on all of the rows it is given, once over all of them? Where the name means "
        "something else here, as accuracy at a threshold of your own: `evaluation: {other: [NAME]}`",
    ),
}
_PARTS: Mapping[str, str] = {
    "gradients": "an evaluation that calls backward, without torch.no_grad?",
    "optimizer": "optimizer.step in the evaluation?",
    "schedule": "schedule.step in the evaluation?",
    "buffers": "a batch norm in training mode: model.eval() before the evaluation, model.train() after it",
    "requires_grad": "set requires_grad only where the model is made; torch.no_grad is enough for an evaluation",
}


class EvaluationParams(Params):
    """`other` names metrics of `evaluate` that mean something else here than scikit-learn's.

    `false_alarms` is the probability that any slice of a sound model is called broken by its answers.
    """

    other: Names = ()
    false_alarms: float = Field(1e-4, gt=0, lt=1)


@check("evaluation", needs=lambda p: {"evaluation": Evaluate()})
def evaluation(params: EvaluationParams, evaluation: Evaluation) -> Verdict:
    """The team's metrics are scikit-learn's on the same rows, an evaluation changes nothing, and no slice of the rows broke."""
    return _judged(params, evaluation).on(n=evaluation.rows, device=evaluation.device)


def _judged(params: EvaluationParams, found: Evaluation) -> Verdict:
    if not found.own and found.forward_changed is None and found.slices is None:
        return not_applicable("the recipe gives no evaluate, and there is neither a module nor a class to look at")
    if found.own and not found.failed and not found.metrics and not found.unknown:
        return errored("evaluate gave no metric")
    verdicts = [
        *_raised(found),
        *_changes(found),
        *_repeated(found),
        *_metrics(params, found),
        *_slices(params, found),
    ]
    verdict = first_red(passed(_summary(params, found)), *(each for each in verdicts if each.status.red))
    return verdict.explained(*_told(params, found))


def _summary(params: EvaluationParams, found: Evaluation) -> str:
    compared = {each.name for each in _compared(params, found)}
    parts = [f"{listed(sorted(compared))} as scikit-learn computes it"] if compared else []
    parts += ["an evaluation changes nothing"] if found.own or found.forward_changed is not None else []
    parts += [f"none of {len(found.slices)} slices broke"] if found.slices else []
    return ", ".join(parts) or "nothing was found"


def _compared(params: EvaluationParams, found: Evaluation) -> list[OwnMetric]:
    return [
        each
        for each in found.metrics
        if each.case in ("whole", "fewer") and each.name not in params.other and not each.unscored
    ]


def _raised(found: Evaluation) -> Iterator[Verdict]:
    for case, what in found.failed.items():
        if case.startswith("whole") or case == "again":
            yield failed(f"evaluate fails{' when it is called again' if case == 'again' else ''}: {what}").explained(
                finding="evaluation.fails"
            )


def _changes(found: Evaluation) -> Iterator[Verdict]:
    for who, changed in (("evaluate", found.changed), ("a forward in evaluation mode", found.forward_changed or {})):
        for part, names in changed.items():
            yield failed(f"{who} changes {part}: {listed(names)}").explained(
                advice=_PARTS.get(part, "an evaluation only reads: torch.no_grad, and no step of the optimizer"),
                finding="evaluation.changes",
            )


def _repeated(found: Evaluation) -> Iterator[Verdict]:
    words = {
        "inputs": ("rows are made at random for an evaluation too: they differ by", "augment training rows alone"),
        "outputs": (
            "the model answers the same rows otherwise in evaluation mode, by",
            "F.dropout(x, training=self.training)",
        ),
        "own": (
            "evaluate asks twice and the model answers otherwise, by",
            "model.eval() in evaluate, and no random change of its rows",
        ),
    }
    for part, difference in found.repeats.items():
        of, advice = words[part]
        bound = at_most(min(difference, 1e9), _ROUNDING, of=of, unit="of the largest")
        if bound.status.red:
            mode = "evaluate calls the model in training mode" if part == "own" and found.in_training else ""
            yield bound.explained(mode, advice=advice, finding="evaluation.repeat")


def _metrics(params: EvaluationParams, found: Evaluation) -> Iterator[Verdict]:
    told: set[str] = set()
    for each in found.metrics:
        if each.unscored or each.name in told or (each.name in params.other and each.case in ("whole", "fewer")):
            continue
        verdict = _metric(each, found)
        if verdict is not None:
            told.add(each.name)
            yield verdict


def _metric(each: OwnMetric, found: Evaluation) -> Verdict | None:
    name = f"{each.split}.{each.name}"
    if not math.isfinite(each.value) or each.expected is None:
        return at_most(each.value, _FINITE, of=f"{name} by evaluate")
    verdict = at_most(abs(each.value - each.expected), each.allowed, of=name)
    if not verdict.status.red:
        return None
    digits = next((n for n in range(4, 17) if shown(each.value, digits=n) != shown(each.expected, digits=n)), 4)
    ours, theirs = shown(each.expected, digits=digits), shown(each.value, digits=digits)
    if each.case in ("again", "order"):
        how = "on the same rows once more" if each.case == "again" else "on the same rows in another order"
        finding = "evaluation.repeat" if each.case == "again" else "evaluation.batches"
        advice = (
            "model.eval() in evaluate, and no random change of its rows"
            if each.case == "again"
            else "compute the metric once over all rows: a mean over batches depends on which rows stand in the last one"
        )
        summary = f"{name} {theirs} {how}, {ours} before"
        return replace(verdict, summary=summary, measured=each.value, allowed=ours).explained(
            advice=advice, finding=finding
        )
    mistake = each.mistake
    asked = ""
    if found.answered is not None and each.case == "whole" and each.split == found.split:
        fewer = at_least(found.answered, found.rows).status is Status.FAILED
        asked = f"it asked the model for {found.answered} rows, and was given {found.rows}"
        asked = asked if fewer or found.answered % found.rows else ""
        mistake = mistake or (("rows" if fewer else "other_split") if asked else "")
    finding, advice = _FINDINGS[mistake]
    part = " of the rows" if each.case == "fewer" else ""
    summary = f"{name} {theirs} by evaluate, {ours} by scikit-learn on {each.rows} rows"
    like = f"{theirs} is {each.like}" if each.like else ""
    on_part = f"seen on {each.rows}{part}, the worst answers last" if part else ""
    return replace(verdict, summary=summary, measured=each.value, allowed=f"{ours}, as scikit-learn gives").explained(
        like, on_part, asked, advice=advice, finding=finding
    )


def _slices(params: EvaluationParams, found: Evaluation) -> Iterator[Verdict]:
    slices = found.slices or ()
    for each in slices:
        same = _same_inside(each)
        if same:
            yield failed(f"slice {each.name} broke: {same}").explained(
                _answers(each), advice="what does the preparation make of these rows?", finding="evaluation.slice"
            )
            return
    for each in slices:
        by_chance = successes_by_chance(each.correct, of=each.rows, share=each.useless)
        if at_most(by_chance, params.false_alarms / len(slices)).status is Status.FAILED or not _was_learned(each):
            continue
        share = at_least(each.correct / each.rows, each.useless, of=f"slice {each.name} broke: right answers")
        yield share.explained(
            _answers(each),
            f"without a look at the rows so few would be right with a probability of {by_chance:.1g}",
            advice="how are rows of that part prepared, and what do their labels mean?",
            finding="evaluation.slice",
        )


def _same_inside(each: Slice) -> str:
    """What is the same for rows that were read as different, where the other rows are told apart."""
    large = at_least(each.rows, _SHARE_OF_A_PART * (each.rows + each.rest_rows)).status is Status.PASSED
    if each.raw < 2 or not large or at_least(each.raw / each.rows, _DISTINCT).status is Status.FAILED:
        return ""
    if each.inputs == 1 and at_least(each.rest_inputs, _DISTINCT).status is Status.PASSED:
        return f"its {each.raw} different rows are one input of the model"
    # A sure model may answer a whole class with exactly 1 and 0; one that does not see the rows is often wrong.
    worse = each.rest_correct / max(1, each.rest_rows) - each.correct / each.rows
    told_apart = at_least(each.rest_outputs, _DISTINCT).status is Status.PASSED
    if each.outputs == 1 and told_apart and at_least(worse, _WORSE).status is Status.PASSED:
        return f"its {each.raw} different rows have one answer"
    return ""


def _was_learned(each: Slice) -> bool:
    """Whether the model does much better on the same part of the training rows, and on the others of this split."""
    if at_least(each.train_rows, _FEWEST_LEARNED).status is Status.FAILED or not each.rest_rows:
        return False
    share, learned = each.correct / each.rows, each.train_correct / each.train_rows
    rest = each.rest_correct / each.rest_rows
    return at_least(min(learned, rest) - share, _LOST).status is Status.PASSED


def _answers(each: Slice) -> str:
    train = f", {each.train_correct} of {each.train_rows} of them in training" if each.train_rows else ""
    return f"{each.correct} of {each.rows} rows right, {each.rest_correct} of the {each.rest_rows} others{train}"


def _told(params: EvaluationParams, found: Evaluation) -> tuple[str, ...]:
    unscored = {each.name: each.unscored for each in found.metrics if each.unscored}
    unread = sorted(found.unknown)
    failures = {case: what for case, what in found.failed.items() if not case.startswith("whole") and case != "again"}
    return (
        *(f"{name} is not compared: {reason}" for name, reason in unscored.items()),
        f"not compared, for scikit-learn has no such name: {listed(unread)}" if unread else "",
        f"not compared, as declared: {listed(params.other)}" if params.other else "",
        *(
            f"not tried with {'another order' if case == 'order' else 'fewer rows'}: {what}"
            for case, what in failures.items()
        ),
        "" if found.own else "the recipe gives no evaluate: metrics are those of this package",
        *found.notes,
    )
