"""`schedule`, a fit of the team's own: its schedulers, and which of the weights that it validated it returns.

And the two claims on the form of a schedule that hold whoever made it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_mlspec.check import Status, Verdict, at_least, at_most, failed, shown
from pytest_mlspec.checks.rates import climb, steps_at_nothing
from pytest_mlspec.evidence import SchedulerUse, TrainingRun, Validations

# So many steps at a rate of nothing are the two ends of a schedule.
_ENDS = 0.02
_CYCLIC = ("CyclicLR", "CosineAnnealingWarmRestarts", "ReduceLROnPlateau")
# Who keeps the best weights does so where a pass is the best so far; by another metric than ours, nearly always.
_KEEPS_THE_BEST = 0.75
# Returned weights that are worse than others by less may have been chosen by another metric.
_WORSE = 0.25


def own_fit_verdicts(run: TrainingRun, *, cyclic: bool) -> Iterator[Verdict]:
    """The verdicts on the schedulers and validations that were seen in a fit of the team's own."""
    for use in run.schedulers:
        yield from _scheduler(use, cyclic=cyclic)
    if run.validations is not None:
        yield from _chosen(run.validations)


def own_fit_told(run: TrainingRun) -> str:
    """What was looked at of such a fit; nothing where there is none."""
    names = ", ".join(use.name for use in run.schedulers)
    validated = f"{len(run.validations.losses)} validations were followed" if run.validations is not None else ""
    return ", ".join(told for told in (f"{names} stepped with its optimiser" if names else "", validated) if told)


def _scheduler(use: SchedulerUse, *, cyclic: bool) -> Iterator[Verdict]:
    if use.steps == 0:
        yield failed(f"{use.name} is never stepped in {use.optimizer_steps} optimiser steps").explained(
            advice="call scheduler.step() after optimizer.step()", finding="schedule.constant"
        )
        return
    if use.stepped_first:
        yield failed(f"{use.name} is stepped before the optimiser: the first rate is never used").explained(
            "torch warns of this order",
            advice="call optimizer.step(), then scheduler.step()",
            finding="schedule.order",
        )
    is_accumulating = at_least(use.optimizer_steps, use.backwards).status is Status.FAILED
    if is_accumulating and use.length == use.backwards and use.steps <= use.optimizer_steps:
        yield failed(f"{use.name} is made for {use.length} steps, and stepped {use.steps} times").explained(
            f"there are {use.backwards} backward passes, and {use.optimizer_steps} steps of the optimiser",
            advice="count steps of the optimiser, not batches, where gradients are accumulated",
            finding="schedule.length",
        )
    rates = [float(rate) for rate in use.rate_S.values]
    if not rates or not all(map(math.isfinite, rates)):
        return
    again = [] if cyclic or use.name in _CYCLIC else list(rises_again(rates))
    yield from again or none_left(rates)


def _chosen(seen: Validations) -> Iterator[Verdict]:
    """Whether the weights that were kept, or are the best, are those that are returned."""
    last = len(seen.losses) - 1
    kept = [number for number, is_kept in enumerate(seen.kept) if is_kept]
    if seen.returned is None:  # such as a mean of several weights
        return
    if kept and kept[-1] != seen.returned and _keeps_the_best(seen):
        at = kept[-1]
        yield failed(f"the weights kept after validation {at + 1} of {last + 1} are not those returned").explained(
            f"what fit returns answers like the model of validation {seen.returned + 1}",
            f"val loss {shown(seen.losses[at])}, and {shown(seen.loss)} of what fit returns",
            advice="load the kept weights at the end; state_dict() gives the live tensors: keep a deep copy of it",
            finding="schedule.best",
        )
        return
    if seen.returned == last or not seen.kept[seen.returned]:
        return
    best = min(range(last + 1), key=lambda number: seen.losses[number])
    worse = at_most(seen.loss, (1 + _WORSE) * seen.losses[best])
    if (
        worse.status is Status.FAILED
        and at_least(seen.scores[seen.returned], seen.scores[best]).status is Status.FAILED
    ):
        yield failed(
            f"the weights of validation {seen.returned + 1} of {last + 1} are returned, and others are better"
        ).explained(
            f"val loss {shown(seen.loss)}, and {shown(seen.losses[best])} after validation {best + 1}",
            advice="does the comparison go the right way: lower losses, higher scores?",
            finding="schedule.early_stop",
        )


def _keeps_the_best(seen: Validations) -> bool:
    """Whether weights are kept where a validation is the best so far, and hardly anywhere else."""
    by_loss = _records([-loss for loss in seen.losses])
    by_score = _records(seen.scores)
    agree = max(sum(map(bool.__eq__, seen.kept, records)) for records in (by_loss, by_score))
    return at_least(agree / len(seen.kept), _KEEPS_THE_BEST).status is Status.PASSED


def _records(values: Sequence[float]) -> list[bool]:
    """Where a value is higher than all before it."""
    return [all(value > before for before in values[:number]) for number, value in enumerate(values)]


def none_left(rates: Sequence[float]) -> Iterator[Verdict]:
    """Steps at a rate of nothing, which change nothing."""
    highest = max(rates)
    if at_most(highest, 0).status is Status.PASSED:
        yield failed(f"the rate is {shown(highest)} in each of {len(rates)} steps").explained(
            advice="is the learning rate 0?", finding="schedule.constant"
        )
        return
    none = steps_at_nothing(rates)
    if at_most(len(none), max(2, math.ceil(_ENDS * len(rates)))).status is Status.FAILED:
        yield failed(f"the rate is 0 in {len(none)} of {len(rates)} steps").explained(
            f"step {none[0] + 1} is the first of them",
            advice="was the scheduler told too few steps, epochs in the place of steps, or is it stepped too often?",
            finding="schedule.length",
        )


def rises_again(rates: Sequence[float]) -> Iterator[Verdict]:
    """A rate that has fallen, and climbs in the end: beyond the length of its schedule."""
    found = climb(rates)
    if found is not None:
        yield failed(f"the rate falls to {shown(found.low)} at step {found.step + 1} and rises again").explained(
            f"to {shown(found.high)}, of {shown(max(rates))} at most, in {len(rates)} steps",
            advice="was the scheduler told fewer steps than the training has, such as T_max in epochs? Where the rate rises "
            "by intent: `schedule: {cyclic: true}`",
            finding="schedule.length",
        )
