"""`schedule`: the learning rate goes as declared over the whole training, and the training ends as declared.

Nothing is trained for it: the rates that the training had are held against the declared ones, and against themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

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
    not_applicable,
    passed,
    shown,
)
from pytest_mlspec.checks.rates import SAME, ahead, is_constant, replayed
from pytest_mlspec.checks.schedule_fits import none_left, own_fit_told, own_fit_verdicts, rises_again
from pytest_mlspec.evidence import DeclaredRates, StopRule, TrainingRun
from pytest_mlspec.jobs import ReplaySchedule, Train

# A loss that is measured again, in another order of sums.
_AGAIN = 1e-3
# A gain of a monitored metric, as a share of its first value, that nobody calls too small to count.
_GAIN = 0.1


class ScheduleParams(Params):
    """`use` declares a schedule by name, with its `arguments`, where the spec has none: that of a `training_step` that steps it.

    `cyclic` says that the rate of a team's own schedule falls and rises again by intent.
    """

    use: str = ""
    arguments: Mapping[str, str | int | float | bool] = {}
    cyclic: bool = False


@check(
    "schedule",
    needs=lambda p: {"run": Train(), "declared": ReplaySchedule(p.use, tuple(sorted(p.arguments.items())))},
)
def schedule(params: ScheduleParams, run: TrainingRun, declared: DeclaredRates) -> Verdict:
    """The rate of every step is the declared one, reaches its end with the training, and the training ends as declared."""
    return _judged(params, run, declared).on(n=run.steps, seed=run.seed, device=run.device)


def _judged(params: ScheduleParams, run: TrainingRun, declared: DeclaredRates) -> Verdict:
    rates = [float(rate) for rate in run.learning_rate_S.values]
    if not (rates or run.schedulers or run.validations or declared.stop):
        return not_applicable(declared.unknown or f"the engine {run.engine} keeps no rates")
    bad = next((step for step, rate in enumerate(rates) if not math.isfinite(rate)), None)
    if bad is not None:
        return errored(f"the rate of step {bad + 1} is {rates[bad]}")
    asked = [
        *(_trace(rates, declared) if rates else ()),
        *(_shape(params, rates, declared) if rates else ()),
        *own_fit_verdicts(run, cyclic=params.cyclic),
        *_end(run, declared),
    ]
    red = [verdict for verdict in asked if verdict.status.red]
    return first_red(*red) if red else passed(_told(rates, run, declared)).explained(*_facts(rates, declared))


def _facts(rates: Sequence[float], declared: DeclaredRates) -> Iterator[str]:
    if rates:
        yield declared.unknown
    if rates and declared.is_free and not declared.schedule and not declared.unknown and not is_constant(rates):
        yield "no schedule is declared: the recipe changes the rate itself"


def _told(rates: Sequence[float], run: TrainingRun, declared: DeclaredRates) -> str:
    if not rates:
        return own_fit_told(run) or "the training ends as declared"
    if is_constant(rates):
        return f"the rate is {shown(rates[0])} in each of {len(rates)} steps"
    as_declared = f", as {declared.schedule} declares" if declared.schedule and len(declared.rate_S) else ""
    return f"the rate goes from {shown(rates[0])} to {shown(rates[-1])} in {len(rates)} steps{as_declared}"


def _trace(rates: Sequence[float], declared: DeclaredRates) -> Iterator[Verdict]:
    """The rates of the training beside the declared ones."""
    wanted = [float(rate) for rate in declared.rate_S.values]
    if not wanted or (not declared.schedule and declared.is_free):
        return
    highest = max(map(abs, wanted)) or 1.0
    apart = _apart(rates, wanted, highest)
    # A step of the team's own that steps the scheduler too is read after it has.
    if (
        declared.is_free
        and len(wanted) > 1
        and at_most(max(_apart(rates, wanted[1:], highest)), SAME).status is Status.PASSED
    ):
        return
    step = max(range(len(apart)), key=lambda each: apart[each])
    verdict = at_most(apart[step], SAME)
    if verdict.status is not Status.FAILED:
        if verdict.status.red:
            yield verdict
        return
    first = next(number for number, each in enumerate(apart) if at_most(each, SAME).status.red)
    name = declared.schedule or "a constant rate"
    if is_constant(rates):
        yield failed(f"the rate never changes: {shown(rates[0])}, and {name} is declared").explained(
            f"step {step + 1} should have {shown(wanted[step])}",
            advice="is the scheduler stepped, and does it hold the optimiser that steps?",
            finding="schedule.constant",
        )
        return
    yield failed(
        f"the rate of step {first + 1} is {shown(rates[first])}, and {name} has {shown(wanted[first])}"
    ).explained(
        f"{sum(at_most(each, SAME).status.red for each in apart)} of {len(apart)} steps have another rate than declared",
        advice="is the scheduler stepped once for each optimiser step, and by nobody else?",
        finding="schedule.trace",
    )


def _apart(rates: Sequence[float], wanted: Sequence[float], highest: float) -> list[float]:
    """How far each rate is from the wanted one, as a share of the highest."""
    return [abs(rate - want) / highest for rate, want in zip(rates, wanted, strict=False)]


def _shape(params: ScheduleParams, rates: Sequence[float], declared: DeclaredRates) -> Iterator[Verdict]:
    """Whether the schedule has the length of the training, whoever made it."""
    wanted = [float(rate) for rate in declared.rate_S.values]
    planned = wanted if declared.schedule and wanted else list(rates)
    beyond = [float(rate) for rate in declared.beyond_M.values]
    if not all(map(math.isfinite, (*planned, *beyond))):
        yield errored("a declared rate is not finite")
        return
    if declared.is_adaptive:
        return
    again = [] if params.cyclic or declared.is_cyclic else list(rises_again(planned))
    yield from again or none_left(planned)
    if again or params.cyclic or declared.is_cyclic:
        return
    found = ahead(planned, beyond, refuses=declared.refuses)
    if found is not None:
        still = "still rises" if found.highest else f"is still {shown(planned[-1])}"
        yield failed(f"the rate {still} at the last of {len(planned)} steps").explained(
            f"the schedule reaches {shown(found.rate)} at step {found.step + 1}",
            advice="was the scheduler told more steps than the training has, such as micro-batches in the place of steps?",
            finding="schedule.length",
        )


def _end(run: TrainingRun, declared: DeclaredRates) -> Iterator[Verdict]:
    """When the training ended, and with which weights, by the declared rule and the metrics of its epochs."""
    rule = declared.stop
    for monitor, key in ((rule.monitor if rule else "", "early_stop"), (declared.monitor, "schedule")):
        if monitor.startswith("test."):
            yield failed(f"{key} goes by {monitor}: the test split chooses the model").explained(
                advice="monitor a metric of val", finding="schedule.test_used"
            )
    if rule is None or not run.epochs_log:
        return
    values = [epoch.get(rule.monitor, math.nan) for epoch in run.epochs_log]
    if not all(map(math.isfinite, values)):
        yield errored(f"early_stop goes by {rule.monitor}, which was not measured after every epoch")
        return
    stops, best = replayed(rule, values)
    ended = len(values)
    is_whole = at_least(run.steps, run.planned_steps).status is Status.PASSED
    if stops is not None and at_least(stops, ended).status is Status.FAILED:
        yield failed(f"the training goes on to epoch {ended}, and early_stop ends it at {stops}").explained(
            _rule_told(rule), advice="does the trainer know the rule?", finding="schedule.early_stop"
        )
    elif stops is not None and (gain := _gain_left_out(rule, values, best)) is not None:
        yield failed(f"early_stop ends the training at epoch {ended}, and {rule.monitor} still got better").explained(
            gain, _rule_told(rule), advice="is min_delta in the units of the metric?", finding="schedule.early_stop"
        )
    elif not is_whole and stops is None:
        yield failed(f"the training ends at epoch {ended}, and early_stop does not end it there").explained(
            _rule_told(rule), run.stopped, advice="what else ends the training?", finding="schedule.early_stop"
        )
    split, _, metric = rule.monitor.partition(".")
    if rule.restore_best and metric == "loss" and split != "train" and split in run.losses:
        slack = _AGAIN * max(abs(values[best]), 1e-6)
        yield from _best(rule, run.losses[split], values, best=best, slack=slack)


def _gain_left_out(rule: StopRule, values: Sequence[float], best: int) -> str | None:
    """The epoch that is better than the one that counts as the best, by far more than `min_delta` is there for; None for none."""
    sign = 1 if rule.mode == "max" else -1
    top = max(range(len(values)), key=lambda epoch: sign * values[epoch])
    gain = at_most(sign * (values[top] - values[best]), _GAIN * abs(values[0]))
    if gain.status is Status.PASSED:
        return None
    return (
        f"it was {shown(values[top])} after epoch {top + 1}, and {shown(values[best])} after epoch {best + 1}, "
        "which counts as the best"
    )


def _best(rule: StopRule, final: float, values: Sequence[float], *, best: int, slack: float) -> Iterator[Verdict]:
    verdict = at_most(abs(final - values[best]), slack)
    if verdict.status is Status.FAILED:
        yield failed(f"the best weights were not restored: {rule.monitor} is {shown(final)}").explained(
            f"it was {shown(values[best])} after epoch {best + 1}, the best of {len(values)}",
            advice="restore_best promises the weights of the best epoch: what changes them after it?",
            finding="schedule.best",
        )
    elif verdict.status.red:
        yield verdict


def _rule_told(rule: StopRule) -> str:
    return f"{rule.monitor}, {rule.mode}, patience {rule.patience}, min_delta {shown(rule.min_delta)}"
