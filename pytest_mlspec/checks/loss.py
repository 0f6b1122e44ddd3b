"""`loss`: the loss is a mean over rows that count for themselves, and it falls as the outputs tell the targets.

Asked of the function that the training takes its steps on, with outputs put in the place of the model's. So nothing is
trained, and relations are held to rounding: the bounds below are no thresholds of quality. Of a team's own fit, the calls of
losses by name are judged as far as its first steps show them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
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
    within,
)
from pytest_mlspec.checks.loss_weights import misplaced_weights
from pytest_mlspec.evidence import LossAnswers, RowsOfLoss
from pytest_mlspec.evidence.losses import LossCalls
from pytest_mlspec.jobs import ProbeLoss

_LOGITS = frozenset({"cross_entropy", "focal", "multi_margin", "binary_cross_entropy_with_logits"})
_LAST: Mapping[str, str] = {
    "probabilities": "a softmax",
    "between 0 and 1": "a sigmoid",
    "never negative": "a ReLU",
}
# What may be left of the way down from outputs that tell nothing, where every target is told for certain.
_LEFT = 0.05
# A descent that ends among the targets tells nearly all of them, one of the wrong sign none, one of other targets as many as
# chance. Half of the rows, so that soft targets of a teacher may outvote some labels.
_TOLD = 0.5
# Pairs of values after a descent, in the order of their targets: half by chance, all where each goes to its own target.
_IN_ORDER = 0.9
_STILL = 1e-9
# Outputs twice as large have twice the cross-entropy, and four times the squared error; a loss with an upper bound tells nothing.
_GROWS = 1.5
# A sum of a batch and its copy is twice that of the batch; losses that compare rows change by less.
_SUM, _SUM_DRAWN = 1.5, 1.75


class LossParams(Params):
    """`coupled` allows a loss that compares the rows of a batch with each other, where nothing tells that it is meant.

    `uncounted` names classes that are left out by intent. `start_deviation` is the standard deviation of random logits (for a
    regression: in units of the root mean square of its targets) whose loss a new model may not exceed: those of usual
    initialisations stay below 2, and an output layer scaled by 50 gives more than 9. null leaves the start unjudged.
    """

    coupled: bool = False
    uncounted: Names = ()
    start_deviation: float | None = Field(4.0, gt=0)


@check("loss", needs=lambda p: {"answers": ProbeLoss(p.start_deviation or 4.0)})
def loss(params: LossParams, answers: LossAnswers) -> Verdict:
    """The loss is a mean over rows that count for themselves, and outputs that tell the targets bring it down."""
    return _judged(params, answers).on(n=answers.rows, device=answers.device)


def _judged(params: LossParams, answers: LossAnswers) -> Verdict:
    if at_least(answers.rows, 2).status is Status.FAILED:
        return errored(f"{answers.rows} rows: a loss is compared on at least 2")
    outputs = list(_outputs(answers))
    if answers.calls is not None:
        return _of_calls(answers, answers.calls, outputs)
    if answers.refused:
        seen = [*outputs, *_rows(params, answers)]
        red = [verdict for verdict in seen if verdict.status.red]
        return first_red(*red) if red else not_applicable(answers.refused)
    if not answers.finite or answers.counted is None:
        told = "was not asked for its gradient" if answers.finite else "or its gradient is not finite"
        return first_red(
            errored(f"{answers.subject} {told} for ordinary outputs").explained(
                advice="a logarithm or root of 0, or a division by a count that can be 0?", finding="loss.not_finite"
            ),
            *outputs,
        )
    asked = [
        *outputs,
        *_counted(params, answers),
        *_rows(params, answers),
        *_direction(params, answers),
        *_padding(answers),
        *_targets(answers),
        *misplaced_weights(answers),
        *_start(params, answers),
    ]
    holds = passed(f"{answers.subject} is a mean over rows, and falls as outputs tell the targets")
    if answers.draws:
        holds = passed(f"{answers.subject} is finite, and {answers.counted} of {answers.rows} rows count").explained(
            "its rows were not compared: it draws at random, as mixup does"
        )
    red = [verdict for verdict in asked if verdict.status.red]
    return first_red(*red).explained(*_facts(answers)) if red else holds.explained(*_facts(answers))


def _of_calls(answers: LossAnswers, calls: LossCalls, outputs: Iterable[Verdict]) -> Verdict:
    """The verdict on calls that were watched: the range of their outputs and the order of their class weights, where seen."""
    looked_at = [
        "outputs without bounds" if calls.ranged else "",
        "class weights in no wrong order" if answers.weights else "",
    ]
    told = " and ".join(each for each in looked_at if each)
    holds = passed(f"{answers.subject} is given {told}")
    if not told:
        holds = not_applicable(f"{answers.subject} in the team's own fit: {'; '.join(calls.notes)}")
    verdict = first_red(holds, *outputs, *misplaced_weights(answers))
    if verdict.status is Status.NOT_APPLICABLE:
        return verdict
    seen = f"{calls.count} calls with {calls.outputs} outputs in the first steps of the team's own fit; nothing else was asked"
    return verdict.explained(seen, *calls.notes)


def _facts(answers: LossAnswers) -> Iterator[str]:
    if answers.counted is not None and at_least(answers.counted, answers.rows).status is Status.FAILED:
        yield f"{answers.counted} of {answers.rows} rows count"
    if answers.of_rows is not None and at_most(answers.of_rows.coupled, answers.tolerance).status.red:
        yield "it compares the rows of a batch with each other"
    if answers.start is not None:
        yield f"a new model has a loss of {shown(answers.start.loss)}"


def _outputs(answers: LossAnswers) -> Iterator[Verdict]:
    """What the model's outputs stay within, against what the loss takes."""
    last = _LAST.get(answers.extent)
    if last and (answers.declared in _LOGITS or answers.takes_logits):
        always = "probabilities" if answers.extent == "probabilities" else f"always {answers.extent}"
        always = always.replace("always never", "never")
        yield failed(f"the outputs are {always}, and {answers.subject} takes logits").explained(
            "" if answers.calls else "whatever the parameters of the model are",
            advice=f"does the model end in {last}? Take it out: the loss has its own softmax or sigmoid",
            finding="loss.range" if answers.extent == "never negative" else "loss.probabilities",
        )
    if answers.declared == "nll" and answers.extent != "log-probabilities":
        yield failed("the outputs are no log-probabilities, and nll takes those").explained(
            advice="end the model in log_softmax, or declare cross_entropy", finding="loss.probabilities"
        )


def _start(params: LossParams, answers: LossAnswers) -> Iterator[Verdict]:
    start = answers.start
    if start is None or params.start_deviation is None:
        return
    if not all(map(math.isfinite, (start.of_random, start.of_larger))):
        return
    if at_most(start.of_random, 0).status is Status.PASSED:
        return
    if at_least(start.of_larger, _GROWS * start.of_random).status is Status.FAILED:
        return
    unit = "outputs" if answers.told == "values" else "logits"
    yield at_most(start.loss, start.of_random, of="loss of a new model").explained(
        f"the bound is the loss of random {unit} with a standard deviation of {shown(start.deviation)}",
        advice="are the weights of the last layer far too large, or the inputs not scaled?",
        finding="loss.start",
    )


def _rows(params: LossParams, answers: LossAnswers) -> Iterator[Verdict]:
    rows = answers.of_rows
    if answers.times_drawn is not None:
        yield _as_sum(at_most(answers.times_drawn, _SUM_DRAWN), answers.times_drawn)
    if rows is None:
        return
    slack = answers.tolerance
    coupled = at_most(rows.coupled, slack, of="change of the other rows' gradients by the replacement of a row")
    is_meant = coupled.status is Status.FAILED and (params.coupled or _leads_on(answers, rows))
    same = within(rows.times, 1 - slack, 1 + slack, of="times the loss of a batch that a batch and its copy have:")
    sums = same.status is Status.FAILED and at_least(rows.times, _SUM).status is Status.PASSED
    if sums:
        yield _as_sum(same, rows.times)
    elif same.status.red and not is_meant:
        yield _named(same, f"a batch and its copy have {shown(rows.times)} times the loss of the batch").explained(
            advice="does the loss compare the rows of a batch? Where that is meant: `loss: {coupled: true}`",
            finding="loss.mean",
        )
    if not sums and rows.of_halves is not None and coupled.status is Status.PASSED:
        verdict = at_most(rows.of_halves, _SUM)
        yield _named(verdict, f"a batch has {shown(rows.of_halves)} times the loss of its halves").explained(
            advice="a sum where a mean is needed: its gradient depends on the size of the batch", finding="loss.mean"
        )
    if coupled.status.red and not is_meant:
        over = (
            "a softmax or a mean goes over the batch: its axis is that of the classes, dim=1" if rows.over_batch else ""
        )
        yield _named(
            coupled, f"a row changes the gradients of other rows by {shown(rows.coupled)}, at most {shown(slack)}"
        ).explained(
            "as a share of the largest; each row of a mean counts for itself",
            advice=over
            or "does it broadcast outputs [N, 1] against targets [N], or compare rows? Where that is meant, as for a "
            "contrastive loss or in-batch negatives: `loss: {coupled: true}`",
            finding="loss.separable",
        )
    yield at_most(rows.reordered, slack, of="another order of the rows changes the loss by").explained(
        "as a share of it; each row of a mean counts for itself",
        advice="does it pair outputs with the targets of other rows?",
        finding="loss.separable",
    )


def _as_sum(verdict: Verdict, times: float) -> Verdict:
    return _named(verdict, f"a batch and its copy have {shown(times)} times the loss of the batch").explained(
        advice="a sum where a mean is needed: its gradient depends on the size of the batch", finding="loss.mean"
    )


def _named(verdict: Verdict, failure: str) -> Verdict:
    """`verdict` with `failure` in the place of what was measured, where it failed."""
    return replace(verdict, summary=failure) if verdict.status is Status.FAILED else verdict


def _leads_on(answers: LossAnswers, rows: RowsOfLoss) -> bool:
    """Whether a loss that compares rows leads to the targets all the same, as one of overlaps or of hard examples does."""
    if not answers.agreement or rows.over_batch or at_most(rows.reordered, answers.tolerance).status.red:
        return False
    return not _astray(answers)


def _counted(params: LossParams, answers: LossAnswers) -> Iterator[Verdict]:
    if answers.counted == 0:
        yield failed(
            f"none of {answers.rows} rows counts: the loss has no gradient with respect to the outputs"
        ).explained(
            advice="look for an argmax, a rounding, detach() or an integer division in the loss",
            finding="loss.no_gradient",
        )
        return
    left_out = [name for name in answers.uncounted if name not in params.uncounted]
    if left_out:
        yield failed(f"no row of class {listed(left_out)} counts in the loss").explained(
            advice="an index that is ignored, or a weight of 0? Where that is meant: `loss: {uncounted: [CLASS]}`",
            finding="loss.class_uncounted",
        )


def _astray(answers: LossAnswers) -> list[str]:
    """The classes, or `all`, whose targets a descent of the loss does not lead to."""
    least = _IN_ORDER if answers.told == "values" else _TOLD
    return [name for name, share in answers.agreement.items() if at_least(share, least).status.red]


def _direction(params: LossParams, answers: LossAnswers) -> Iterator[Verdict]:
    """Where outputs lie after a descent of the loss, and how low they bring it."""
    rows = answers.of_rows
    if params.coupled and rows is not None and at_most(rows.coupled, answers.tolerance).status is Status.FAILED:
        return  # the outputs of a contrastive loss are no logits
    wrong = _astray(answers)
    if wrong and answers.counted:
        worst = min(answers.agreement[name] for name in wrong)
        least = _IN_ORDER if answers.told == "values" else _TOLD
        of = {"values": "pairs in order", "tokens": "tokens told", "classes": f"class {listed(wrong, limit=3)} told"}
        verdict = at_least(worst, least)
        yield _named(
            verdict, f"the loss leads away from its targets ({of[answers.told]}: {verdict.summary})"
        ).explained(
            "a share of the targets, after outputs went down the gradient by themselves, without the model",
            advice="has the loss the wrong sign, other targets (shifted by one, of another row, cut to whole numbers), or the "
            "classes along another axis?",
            finding="loss.direction",
        )
    elif not wrong:
        yield from _floor(answers)


def _floor(answers: LossAnswers) -> Iterator[Verdict]:
    certain = answers.certain
    if certain is None or not all(map(math.isfinite, (certain.once, certain.twice, certain.undecided))):
        return
    settled = at_most(abs(certain.twice - certain.once), _STILL * abs(certain.undecided)).status is Status.PASSED
    rows = answers.of_rows
    is_coupled = rows is not None and at_most(rows.coupled, answers.tolerance).status is Status.FAILED
    has_own = is_coupled and certain.lowest is not None  # without a softmax before it, which bounds what is wrong
    # One that adds a constant, or never lets its value fall below one, is as good as without: it stops at its own lowest.
    floor = answers.floor if certain.lowest is None or is_coupled else max(answers.floor, certain.lowest)
    # One that smooths its targets rises again behind its lowest value.
    if settled and at_most(certain.twice, certain.undecided).status is Status.PASSED:
        allowed = floor + _LEFT * abs(certain.undecided - floor)
        yield _named(
            at_most(certain.twice, allowed),
            f"the loss stays at {shown(certain.twice)} where outputs tell every target, at most {shown(allowed)}",
        ).explained(
            f"outputs that tell nothing have {shown(certain.undecided)}",
            "each row stood twice in the batch" if is_coupled else "",
            advice="is a row's own pair, or its like, among its negatives? Mask them"
            if has_own
            else "a softmax or a sigmoid before a loss that has its own? Where the loss cannot fall further, state its "
            "`loss_floor` in the recipe",
            finding="loss.duplicates" if has_own else "loss.floor",
        )
    lowest = answers.floor - 10 * abs(certain.undecided - answers.floor)
    if not settled and at_least(certain.twice, lowest).status is Status.FAILED:
        yield failed(
            f"the loss falls without end: {shown(certain.once)}, then {shown(certain.twice)} as outputs grow"
        ).explained(
            advice="does a loss of log-probabilities (nll) get logits or probabilities?", finding="loss.unbounded"
        )
    elif settled and at_least(certain.twice, answers.floor - _LEFT * abs(certain.undecided)).status is Status.FAILED:
        yield failed(
            f"the loss falls to {shown(certain.twice)}, and the lowest that it can be is {shown(answers.floor)}"
        ).explained(
            advice="does nll get probabilities? A loss that can be lower needs its `loss_floor` stated in the recipe",
            finding="loss.unbounded",
        )


def _padding(answers: LossAnswers) -> Iterator[Verdict]:
    if answers.at_padding is not None:
        yield at_most(answers.at_padding, answers.tolerance, of="gradient of outputs at padding").explained(
            "as a share of the largest gradient",
            advice="leave padding out: ignore_index, or a mask",
            finding="loss.padding",
        )
    if answers.padded is not None:
        yield at_most(answers.padded, answers.tolerance, of="change of the loss by more padding").explained(
            "as a share of the loss",
            advice="divide by the number of tokens that count, and not by all positions",
            finding="loss.padding",
        )


def _targets(answers: LossAnswers) -> Iterator[Verdict]:
    rows = answers.of_rows
    is_coupled = rows is not None and at_most(rows.coupled, answers.tolerance).status is Status.FAILED
    if answers.unseen is None or is_coupled:
        return
    yield at_most(answers.unseen, _TOLD, of="share of targets whose small changes the loss does not see:").explained(
        "a target was changed by a hundredth of the usual deviation, or by 1 where all are whole",
        advice="are targets cut to whole numbers, divided as integers, or rounded to half precision?",
        finding="loss.truncated",
    )
