"""`loop`: what the loop around the steps does with rows, gradients, optimisers and evaluation.

The claims on rows and their order are those of `loop_rows.py`.
"""

from __future__ import annotations

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
    within,
)
from pytest_mlspec.checks.loop_rows import row_verdicts
from pytest_mlspec.evidence import LoopTrace
from pytest_mlspec.jobs import WatchLoop

# An optimiser made anew once may belong to a second phase of the training.
_RESTARTS = 1


class LoopParams(Params):
    """What of the loop is meant otherwise.

    `shuffled` false: rows come in one order on purpose, as in time. `every_row` false: some rows are left out on purpose.
    `full_batch`: every step of a fit of the team's own takes all rows on purpose.
    `not_optimized` names parameters that get gradients and are in no optimiser on purpose, as patterns such as `encoder.*`.
    `lost_updates_at_most` is the share of updates that weights in half precision may swallow.
    """

    shuffled: bool = True
    every_row: bool = True
    full_batch: bool = False
    not_optimized: Names = ()
    lost_updates_at_most: float = Field(0.1, ge=0, le=1)


@check("loop", needs=lambda p: {"trace": WatchLoop()})
def loop(params: LoopParams, trace: LoopTrace) -> Verdict:
    """Every row reaches a step, in an order that changes; steps use their own gradients; evaluation changes nothing."""
    return _judged(params, trace).on(n=trace.steps, seed=trace.seed, device=trace.device)


def _judged(params: LoopParams, trace: LoopTrace) -> Verdict:
    if at_least(trace.steps, 1).status is not Status.PASSED:
        return errored("no step was seen").explained(
            advice="is the optimiser one of torch's, and does the loop step it?"
        )
    watched = f"{trace.steps} steps" if trace.whole else f"the first {trace.steps} steps"
    verdict = first_red(
        passed(f"{watched} use their own gradients, and evaluation changes nothing"),
        *_gradients(trace),
        *_optimizers(params, trace),
        *row_verdicts(trace, shuffled=params.shuffled, every_row=params.every_row, full_batch=params.full_batch),
        *_length(trace),
        *_evaluation(trace),
    )
    return verdict.explained(*trace.notes)


def _none(count: int, told: str, *, finding: str, advice: str, facts: str = "") -> list[Verdict]:
    """One red verdict where `count` is more than 0."""
    verdict = at_most(count, 0, of=told)
    if verdict.status is Status.PASSED:
        return []
    return [verdict.explained(facts if verdict.status is Status.FAILED else "", advice=advice, finding=finding)]


def _gradients(trace: LoopTrace) -> list[Verdict]:
    return [
        *_none(
            trace.leftover,
            "steps on gradients left over from before:",
            facts=f"as in {trace.leftover_name}" if trace.leftover_name else "",
            advice="call zero_grad before backward, in every step",
            finding="loop.leftover",
        ),
        *_none(
            trace.late,
            "batches whose backward came after the step:",
            advice="call backward before step: such a step uses the gradients of an earlier batch",
            finding="loop.late",
        ),
        *_none(
            trace.dropped,
            "accumulated windows that reach no step of their own:",
            facts=f"a step takes {trace.accumulated} backward passes; what is left at the end of an epoch is lost",
            advice="step after the last batch of an epoch too, whatever is left of the window",
            finding="loop.window",
        ),
    ]


def _optimizers(params: LoopParams, trace: LoopTrace) -> list[Verdict]:
    found: list[Verdict] = []
    unheld = [name for name in trace.unheld if not any(fnmatchcase(name, one) for one in params.not_optimized)]
    if unheld:
        found.append(
            failed(f"in no optimizer that steps: {len(unheld)} parameters: {listed(unheld)}").explained(
                "they get gradients and do not move",
                advice="give them to the optimizer; where that is not meant, requires_grad_(False),"
                " or `loop: {not_optimized: [PATTERN]}`",
                finding="loop.not_in_optimizer",
            )
        )
    if trace.stale or trace.idle:
        told = (
            f"no parameter of {listed(trace.stale)} is in an optimizer that steps"
            if trace.stale
            else f"{listed(trace.idle)} steps parameters that never get a gradient"
        )
        found.append(
            failed(told).explained(
                f"{listed(trace.idle)} steps parameters that never get a gradient"
                if trace.stale and trace.idle
                else "",
                advice="make the optimizer after the model is wrapped, copied or moved, of the model that is trained",
                finding="loop.stale",
            )
        )
    restarts = at_most(trace.restarts, _RESTARTS, of="times at which the optimizer forgot its state:")
    if restarts.status is not Status.PASSED:
        found.append(
            restarts.explained(
                "its moments begin at 0 again",
                advice="make the optimizer once, before the epochs",
                finding="loop.rebuilt",
            )
        )
    if trace.stands:
        found.append(
            failed(f"{trace.stands}, which is evaluated, has the weights of the start").explained(
                "other weights were trained",
                advice="update the average of the weights after each step, or return the model that was trained",
                finding="loop.not_trained",
            )
        )
    if trace.half:
        lost = at_most(trace.lost, params.lost_updates_at_most, of=f"share of updates lost in {trace.half} weights:")
        found.append(lost.explained(advice="keep weights in float32, and use autocast", finding="loop.dtype"))
    return found


def _length(trace: LoopTrace) -> list[Verdict]:
    found: list[Verdict] = []
    if trace.expected is not None:
        verdict = within(trace.steps, trace.expected, trace.expected, of="optimizer steps:")
        if verdict.status is not Status.PASSED:
            found.append(
                verdict.explained(
                    f"the loop gave {trace.expected} batches to step on",
                    advice="step the optimizer once for each call of training_step",
                    finding="loop.steps",
                )
            )
    found += _none(
        trace.single_rows,
        "steps in which a batch norm saw one row:",
        advice="drop_last, or another batch size: the statistics of one row say nothing",
        finding="loop.batch_of_one",
    )
    return found


def _evaluation(trace: LoopTrace) -> list[Verdict]:
    return [
        *_none(
            len(trace.changed),
            "buffers that a forward in evaluation mode changes:",
            facts=listed(trace.changed),
            advice="let a buffer change in training mode alone: `if self.training`",
            finding="loop.evaluation",
        ),
        *_none(
            trace.evaluation_backward,
            "forwards on other splits that brought the parameters gradients:",
            advice="evaluate under torch.no_grad(), and call no backward there",
            finding="loop.evaluation",
        ),
        *_none(
            trace.evaluation_in_training,
            "evaluations in training mode:",
            facts="dropout is on there, and batch norm takes in rows that are not trained on",
            advice="call model.eval() before an evaluation, and model.train() after it",
            finding="loop.evaluation",
        ),
    ]
