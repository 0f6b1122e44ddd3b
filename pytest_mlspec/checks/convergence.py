"""`converges`: training learned something that the inputs tell, measured on whole splits in evaluation mode."""

from __future__ import annotations

import math
from dataclasses import replace

from pydantic import Field

from pytest_mlspec.check import Params, Status, Verdict, at_most, check, errored, failed, first_red, shown, within
from pytest_mlspec.checks.losses import ROUNDING, Descent, descent, share_left, told
from pytest_mlspec.evidence import ConstantPrediction, TrainingRun
from pytest_mlspec.jobs import ConstantLoss, Train

CONSTANT = "of the best constant prediction"


class ConvergesParams(Params):
    """How far the final loss must lie below its references, as a share of the way down to the lowest possible loss.

    `held_out_margin` null leaves the held-out loss unjudged. `loss_floor` is the lowest value that the loss can take,
    null for the one that the engine states.
    """

    margin: float = Field(0.1, gt=0, lt=1)
    # Tried on an MLP with 36 to 200 held-out rows. Labels shuffled and memorised: red for 87 to 100 % of 30 seeds at 5 %,
    # for 60 to 73 % at 0. Healthy, 15 seeds each: red for none on wine, breast cancer and diabetes, for 1 where a quarter
    # of the labels is noise, for 5 where the inputs tell almost nothing; with the last epoch alone, for all of both.
    held_out_margin: float | None = Field(0.05, ge=0, lt=1)
    loss_floor: float | None = None


@check("converges", needs=lambda p: {"run": Train(), "constant": ConstantLoss()})
def converges(params: ConvergesParams, run: TrainingRun, constant: ConstantPrediction) -> Verdict:
    """The final loss lies below its start and below that of the best constant prediction."""
    verdict = _judged(params, run, constant)
    facts = told(run) if verdict.status.red else ()
    return verdict.explained(*facts).on(n=run.rows, seed=run.seed, device=run.device)


def _judged(params: ConvergesParams, run: TrainingRun, constant: ConstantPrediction) -> Verdict:
    levels = descent(run, start=run.losses_before.get("train"), end=run.losses.get("train"), floor=params.loss_floor)
    if isinstance(levels, Verdict):
        return levels
    if not math.isfinite(constant.loss):
        return errored(f"the loss {CONSTANT} is {constant.loss}")
    rounding = ROUNDING * (levels.start - levels.floor)
    for reference, lowest, called in (
        (levels.start, levels.floor, "at the start"),
        (constant.loss, levels.floor + rounding, CONSTANT),
    ):
        if at_most(reference, lowest).status is Status.PASSED:
            nothing = f"the loss {called} is {shown(reference)}, the lowest is {shown(levels.floor)}: nothing to learn"
            return errored(nothing).explained(advice="has the loss the wrong sign, or is there only one target value?")
    learned = _against_constant(levels, constant, margin=params.margin)
    verdict = first_red(
        learned,
        _below(
            levels.end, levels.start, of="train loss", called="of the start", floor=levels.floor, margin=params.margin
        ),
        *_held_out(run, constant, levels=levels, margin=params.held_out_margin, learned=not learned.status.red),
    )
    # Batch statistics change the loss even where the rate is 0; and a rate that the optimizer keeps to itself reads as 0.
    idle = len(run.learning_rate_S) > 0 and not run.learning_rate_S.values.any()
    if levels.end == levels.start or (idle and verdict.status is Status.FAILED):
        return _stood_still(run, levels, idle=idle)
    return verdict


def _below(loss: float, reference: float, *, of: str, called: str, floor: float, margin: float) -> Verdict:
    verdict = at_most(loss, share_left(reference, share=1 - margin, floor=floor), of=of)
    down = f" on the way down to {shown(floor)}" if floor else ""
    return replace(
        verdict, summary=f"{verdict.summary} ({margin * 100:g} % below the {shown(reference)} {called}{down})"
    )


def _stood_still(run: TrainingRun, levels: Descent, *, idle: bool) -> Verdict:
    same = levels.end == levels.start
    how = f"still {shown(levels.end)}" if same else f"{shown(levels.end)}, at the start {shown(levels.start)},"
    return failed(f"train loss {how} after {run.steps} steps: no parameter moved").explained(
        "the loss is the same to the last bit" if same else "",
        "the learning rate was 0 in every step" if idle else "",
        advice="is the learning rate 0, or does the optimizer hold other parameters than the model?",
    )


def _against_constant(levels: Descent, constant: ConstantPrediction, *, margin: float) -> Verdict:
    verdict = _below(levels.end, constant.loss, of="train loss", called=CONSTANT, floor=levels.floor, margin=margin)
    if verdict.status is not Status.FAILED:
        return verdict
    highest = share_left(constant.loss, share=1 + margin, floor=levels.floor)
    if within(levels.end, levels.floor, highest).status is Status.PASSED:
        return verdict.explained(
            "the loss stays near that of the prior, the best constant prediction: the inputs told the model nothing",
            advice="are the labels shuffled against the rows, or the targets joined to the wrong rows? Else train longer, "
            "or at a higher rate",
        )
    return verdict.explained(advice="the loss ends above that of a constant: lower the learning rate or train longer")


def _held_out(
    run: TrainingRun, constant: ConstantPrediction, *, levels: Descent, margin: float | None, learned: bool
) -> tuple[Verdict, ...]:
    """The claim on the held-out split, which a model that memorised its rows fails, where every part of it was measured.

    It takes the lowest loss of all epochs: the final one of a healthy but overconfident model often lies above the constant.
    """
    split = next((name for name in ("val", "test") if name in run.losses and name in constant.held_out), None)
    logged = [epoch[f"{split}.loss"] for epoch in run.epochs_log if f"{split}.loss" in epoch]
    if split is None or margin is None or not logged:
        return ()
    reference = constant.held_out[split]
    if not all(math.isfinite(loss) for loss in (*logged, reference)):
        return (errored(f"the {split} loss of an epoch or of the best constant prediction is not finite"),)
    lowest = min(*logged, run.losses[split])
    verdict = _below(lowest, reference, of=f"lowest {split} loss", called=CONSTANT, floor=levels.floor, margin=margin)
    if verdict.status is not Status.FAILED:
        return (verdict,)
    if not learned:  # the training loss tells why already
        return (verdict,)
    return (
        verdict.explained(
            f"the {split} loss stays near that of the prior, the best constant prediction, while the training loss fell "
            f"from {shown(levels.start)} to {shown(levels.end)}: the model memorised its rows",
            advice="are the labels shuffled against the rows, or the held-out rows prepared in another way? "
            "Where the inputs tell little, state a smaller held_out_margin",
        ),
    )
