"""`reference_step`: a step of the team's code does what the spec declares of it.

The gradients are held against those of the declared loss, then the update against that of the declared optimiser, given equal
gradients: an optimiser such as Adam hides the scale of a loss. What differs and is a mistake whatever was meant, such as
gradients that were left over, fails; what may be meant fails only where something declares it otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pytest_mlspec.check import (
    Names,
    Params,
    Status,
    Verdict,
    at_most,
    check,
    errored,
    first_red,
    listed,
    not_applicable,
    passed,
    shown,
)
from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.evidence.steps import ComparedPart, StepComparison
from pytest_mlspec.jobs.steps import ReferenceStep

_PARTS = ("gradients", "clipping", "update")
_DECLARE_LOSS = (
    "where that is meant: declare it under `train.loss`, or say what the loss should be:"
    " `reference_step: {loss: {use: …}}`, a name with its arguments or your function (outputs, batch)"
)
_DECLARE_OPTIMIZER = "where that is meant: say what it should be: `reference_step: {optimizer: {use: …}}`"
_DECLARE_CLIPPING = "where that is meant: say the norm that it should be: `reference_step: {clip_norm: …}`"

# What is wrong whatever was meant: in words, the finding, the next step.
_MISTAKES: Mapping[str, tuple[str, str, str]] = {
    "leftover": ("gradients of earlier steps are added", "leftover", "call zero_grad before backward in every step"),
    "late": ("the step comes before backward", "late", "zero_grad, backward, step: in this order"),
    "cleared": ("gradients are cleared before the step", "cleared", "zero_grad, backward, step: in this order"),
    "ascends": ("the step climbs the loss", "sign", "is a minus missing, or one too many?"),
    "detached": (
        "a part of the model gets no gradient",
        "detached",
        "look for detach, no_grad, .data or .item() in the step",
    ),
    "not_unscaled": ("the scale of the loss stays in the gradients", "clip", "step by scaler.step(optimizer)"),
    "clipped_before_unscale": (
        "gradients are clipped while they are scaled",
        "clip",
        "scaler.unscale_(optimizer) before the clipping",
    ),
    "sum_for_mean": ("a sum in the place of a mean", "scale", "reduction='mean', or divide by the number of rows"),
    "mean_twice": ("the mean is divided by the rows again", "scale", "a loss that is a mean already needs no division"),
    "not_divided": (
        "micro-batches are added, not averaged",
        "accumulation",
        "divide the loss by the number of micro-batches",
    ),
    "backward_twice": ("backward comes more than once", "accumulation", "one backward for each micro-batch"),
    "micro_batches": (
        "micro-batches do not add up to the batch",
        "accumulation",
        "divide each sum by the count of the whole batch: rows, or tokens where lengths vary, not of its micro-batch",
    ),
    "rows_left_out": ("rows of the batch do not count", "rows", "look for a slice or a filter in the step"),
    "softmax_before": ("a softmax before the loss", "softmax", "the loss takes logits: leave the softmax out"),
    "sigmoid_before": ("a sigmoid before the loss", "softmax", "the loss takes logits: leave the sigmoid out"),
    "broadcast": (
        "shapes [N, 1] and [N] are broadcast",
        "broadcast",
        "squeeze the outputs, so that both sides have one shape",
    ),
    "truncated_targets": ("targets are rounded off", "truncated", "look for .long(), .int() or // on the targets"),
    "weights_reordered": ("class weights are in another order", "weights", "weights go by the numbers of the classes"),
    "weights_missing": ("the declared class weights are missing", "weights", "give the loss of the step its weight"),
    "padding_counted": ("padding counts in the loss", "padding", "ignore_index, or a mask"),
    "other_targets": ("rows are trained on other targets", "targets", "are rows and targets in the same order?"),
    "decay_twice": (
        "the weights are decayed twice",
        "decay",
        "weight_decay of the optimizer is one decay already: leave the other out",
    ),
    "stepped_twice": ("the optimizer steps twice", "update", "one optimizer.step() for each training step"),
    "state_lost": (
        "the optimizer forgets its state",
        "state",
        "is it made anew, or its state cleared, in the step?",
    ),
}
# What differs from what is declared, and may be meant.
_OTHERS: Mapping[str, tuple[str, str, str]] = {
    "soft_targets": ("soft targets: label smoothing, or a teacher", "gradients", _DECLARE_LOSS),
    "class_weights": ("class weights that are not declared", "weights", _DECLARE_LOSS),
    "rows_weighted": ("rows count differently", "gradients", _DECLARE_LOSS),
    "sum_of_outputs": ("a sum over the outputs of each row", "scale", _DECLARE_LOSS),
    "another_loss": ("another loss", "gradients", _DECLARE_LOSS),
    "penalty": ("a penalty on the weights is added", "extra", _DECLARE_LOSS),
    "other_rate": ("another learning rate", "rate", _DECLARE_OPTIMIZER),
    "other_decay": ("another weight decay", "decay", _DECLARE_OPTIMIZER),
    "other_settings": ("other settings of the optimizer", "update", _DECLARE_OPTIMIZER),
    "another_optimizer": ("another optimizer", "update", _DECLARE_OPTIMIZER),
    "decay_beside": ("a decay beside the optimizer", "decay", _DECLARE_OPTIMIZER),
    "other_norm": ("clipped to another norm", "clip", _DECLARE_CLIPPING),
    "not_clipped": ("the declared clipping is missing", "clip", _DECLARE_CLIPPING),
    "by_value": ("clipped by value, not by norm", "clip", _DECLARE_CLIPPING),
}
_UNNAMED: Mapping[str, tuple[str, str, str]] = {
    "gradients": ("another loss, or a further term", "gradients", _DECLARE_LOSS),
    "clipping": ("gradients are changed before the step", "clip", _DECLARE_CLIPPING),
    "update": ("another update", "update", _DECLARE_OPTIMIZER),
}
# A constraint on the weights has no place in a spec, so that none contradicts it.
_NEVER_WRONG = frozenset({"weights_changed"})


def _as_json(value: Any) -> Any:
    """A name or mapping as it would stand under `train`, as JSON; params stay hashable."""
    if isinstance(value, str) and not value.startswith("{"):
        value = {"use": value}
    if isinstance(value, Mapping):
        if not isinstance(value.get("use"), str):
            raise ValueError("write a name, or a mapping with the key `use`")
        return json.dumps(value, sort_keys=True)
    return value


Declared = Annotated[str | None, BeforeValidator(_as_json)]


class ReferenceStepParams(Params):
    """What no key of the spec can say, because the recipe gives it: `loss` and `optimizer` as under `train`, `clip_norm`.

    `leave_out` names parts that are not compared: gradients, clipping, update.
    """

    loss: Declared = None
    optimizer: Declared = None
    clip_norm: float | None = Field(None, gt=0)
    steps: int = Field(3, ge=2, le=50)
    leave_out: Names = ()


@check("reference_step", needs=lambda p: {"steps": ReferenceStep(p.loss, p.optimizer, p.clip_norm, p.steps)})
def reference_step(params: ReferenceStepParams, steps: StepComparison) -> Verdict:
    """A step of the team's code has the gradients of the declared loss, and the update of the declared optimizer."""
    return _judged(params, steps).on(n=steps.rows, device=steps.device)


def _judged(params: ReferenceStepParams, steps: StepComparison) -> Verdict:
    for name in params.leave_out:
        if name not in _PARTS:
            return errored(f"no part of a step is called {name!r}").explained(advice=did_you_mean(name, _PARTS))
    if not steps.rows or not steps.steps:
        return errored(f"{steps.steps} steps on {steps.rows} rows: nothing was compared")
    compared = [part for part in steps.parts if part.part not in params.leave_out]
    left_out = (*steps.left_out, *(f"{name}: left out by the spec" for name in params.leave_out))
    verdicts = [_of_part(part) for part in compared]
    red = [verdict for verdict in verdicts if verdict is not None and verdict.status.red]
    undeclared = tuple(_undeclared(part) for part, verdict in zip(compared, verdicts, strict=True) if verdict is None)
    why = tuple(dict.fromkeys((*undeclared, *left_out)))
    if red:
        return first_red(*red).explained(*(f"not compared: {text}" for text in why))
    equal = [verdict for verdict in verdicts if verdict is not None]
    if not equal:
        return not_applicable("; ".join(why) or "nothing of a step is the team's own")
    parts = list(
        dict.fromkeys(part.part for part, verdict in zip(compared, verdicts, strict=True) if verdict is not None)
    )
    told = [
        f"{part.part}: {part.reference}"
        for part, verdict in zip(compared, verdicts, strict=True)
        if verdict is not None
    ]
    holds = passed(f"{listed(parts)} as in the reference, over {steps.steps} steps in {steps.dtype}")
    return holds.explained(*told, *(verdict.summary for verdict in equal), *(f"not compared: {text}" for text in why))


def _of_part(part: ComparedPart) -> Verdict | None:
    """The verdict on one part; None where it differs from what nobody declared, and may be meant."""
    mistake = _MISTAKES.get(part.explained_by)
    words, finding, advice = mistake or _OTHERS.get(part.explained_by, _UNNAMED[part.part])
    differ = "gradients differ" if part.part == "gradients" else f"{part.part} differs"
    same = at_most(part.difference, part.tolerance, of=f"{differ} from {part.reference} by")
    if not same.status.red:
        return same
    may_be_meant = mistake is None and (part.declared == "implied" or part.explained_by in _NEVER_WRONG)
    if same.status is Status.FAILED and may_be_meant:
        return None
    verdict = at_most(part.difference, part.tolerance, of=f"{words}: {differ} by")
    return verdict.explained(*_facts(part), advice=advice, finding=f"reference_step.{finding}")


def _facts(part: ComparedPart) -> Iterator[str]:
    yield f"reference: {part.reference}"
    yield part.detail
    where = f"step {part.step}, most in {part.parameter}"
    together = ""
    if part.ratio is not None and part.cosine is not None:
        together = f"; all together {shown(part.ratio)} times as long, cosine {shown(part.cosine)}"
    yield f"{where}{together}"


def _undeclared(part: ComparedPart) -> str:
    words = _OTHERS.get(part.explained_by, _UNNAMED[part.part])[0]
    if part.part == "gradients":
        say = "`reference_step: {loss: …}`"
    else:
        say = "`reference_step: {optimizer: …}`" if part.part == "update" else "`reference_step: {clip_norm: …}`"
    detail = f" ({part.detail})" if part.detail else ""
    if part.explained_by in _NEVER_WRONG:
        return f"{part.part}: {part.detail or words}"
    are = "gradients are not those" if part.part == "gradients" else f"{part.part} is not that"
    return f"{are} of {part.reference}: {words}{detail}; say what it should be: {say}"
