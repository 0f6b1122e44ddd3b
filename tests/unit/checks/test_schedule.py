"""`schedule` is green only where the rates are the declared ones, reach their end with the training, and it ends as declared."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.schedule import ScheduleParams, schedule
from pytest_mlspec.evidence import Array, DeclaredRates, SchedulerUse, StopRule, Validations

from .made import training

DEFAULT = ScheduleParams()
STEPS = 40
CONSTANT = [0.1] * STEPS
LINE = [0.1 * (STEPS - step) / STEPS for step in range(STEPS)]
EARLY = StopRule("val.loss", patience=2, min_delta=0.0, mode="min", restore_best=True)


def cosine(length: int, steps: int = STEPS) -> list[float]:
    return [0.05 * (1 + math.cos(math.pi * step / length)) for step in range(steps)]


def declared(rates: list[float], *, schedule: str = "linear", beyond: list[float] | None = None, **changes: Any) -> Any:
    found = DeclaredRates(Array.of(rates), Array.of(beyond or []), schedule=schedule)
    return replace(found, **changes)


def verdict_on(rates: list[float], wanted: Any, *, params: ScheduleParams = DEFAULT, **changes: Any) -> Verdict:
    run = training(learning_rate_S=Array.of(rates), steps=len(rates), planned_steps=len(rates), **changes)
    return schedule(params, run, wanted)


def of_fit(rates: list[float], **changes: Any) -> Verdict:
    use = SchedulerUse("CosineAnnealingLR", len(rates), len(rates), stepped_first=False, rate_S=Array.of(rates))
    unknown = declared([], schedule="", unknown="it keeps no rates", is_free=True)
    return verdict_on([], unknown, schedulers=(replace(use, **changes),))


def test_the_declared_rates_pass() -> None:
    """They are told."""
    verdict = verdict_on(LINE, declared(LINE))

    assert verdict.status is Status.PASSED
    assert verdict.summary == "the rate goes from 0.1 to 0.0025 in 40 steps, as linear declares"
    assert verdict.n == STEPS


def test_a_constant_rate_without_a_schedule_passes() -> None:
    """At once."""
    assert verdict_on(CONSTANT, declared(CONSTANT, schedule="")).summary == "the rate is 0.1 in each of 40 steps"


@pytest.mark.parametrize(
    ("rates", "wanted", "finding", "summary"),
    [
        (CONSTANT, declared(LINE), "schedule.constant", "the rate never changes: 0.1, and linear is declared"),
        (LINE, declared(CONSTANT, schedule=""), "schedule.trace", "the rate of step 2 is 0.0975, and a constant rate has 0.1"),
        ([*LINE[:20], *LINE[:20]], declared(LINE), "schedule.trace", "the rate of step 21 is 0.1, and linear has 0.05"),
        (
            [*LINE[::4], *[0.0] * 30],
            declared([*LINE[::4], *[0.0] * 30]),
            "schedule.length",
            "the rate is 0 in 30 of 40 steps",
        ),
        ([0.0] * 40, declared([0.0] * 40), "schedule.constant", "the rate is 0 in each of 40 steps"),
        (cosine(15), declared(cosine(15)), "schedule.length", "the rate falls to 0 at step 16 and rises again"),
        (
            cosine(80),
            declared(cosine(80), beyond=cosine(80, 400)[40:]),
            "schedule.length",
            "the rate is still 0.05196 at the last of 40 steps",
        ),
        (
            LINE[::-1],
            declared(LINE[::-1], beyond=[0.1 + step / 400 for step in range(400)]),
            "schedule.length",
            "the rate still rises at the last of 40 steps",
        ),
    ],
)  # fmt: skip
def test_each_fault_of_the_rates_fails(rates: list[float], wanted: Any, finding: str, summary: str) -> None:
    """With the name of what was found."""
    verdict = verdict_on(rates, wanted)

    assert verdict.status is Status.FAILED
    assert verdict.findings[0] == finding
    assert verdict.summary.startswith(summary)
    assert verdict.advice


DECAY = [0.1 * 0.99**step for step in range(900)]


@pytest.mark.parametrize(
    "wanted",
    [
        declared(DECAY[:STEPS], beyond=DECAY[STEPS:]),
        declared(LINE, beyond=[0.0] * 800),
        declared([0.1] * 20 + [0.01] * 20, beyond=[0.001] * 800),
        declared([0.1] * 40, beyond=[0.01] * 400 + [0.001] * 400),
        declared(cosine(10), is_cyclic=True),
        declared([*cosine(20, 20), *cosine(20, 20)]),
        declared([0.1] * 20 + [0.01] * 20, is_adaptive=True),
    ],
    ids=["decay", "ends at the end", "stairs", "stairs that begin later", "cyclic", "restarts", "plateau"],
)
def test_healthy_schedules_pass(wanted: Any) -> None:
    """A decay has no end, and stairs may end on any step."""
    assert verdict_on(wanted.rate_S.values.tolist(), wanted).status is Status.PASSED


def test_a_rate_that_rises_by_intent_passes() -> None:
    """The parameter says so."""
    assert verdict_on(cosine(12), declared(cosine(12)), params=ScheduleParams(cyclic=True)).status is Status.PASSED


def test_the_recipe_may_change_the_rate_itself() -> None:
    """Where no schedule is declared; a fact says so. A schedule that its step takes along is read after the step."""
    free = declared(CONSTANT, schedule="", is_free=True)
    later = [*LINE[1:], 0.0]

    assert "the recipe changes the rate itself" in verdict_on(LINE, free).facts[0]
    assert verdict_on(later, declared(LINE, is_free=True)).status is Status.PASSED
    assert verdict_on(later, declared(LINE)).findings == ("schedule.trace",)


def test_a_scheduler_of_an_own_fit_is_judged_by_what_was_seen() -> None:
    """That it is stepped, after the optimiser, and as long as the training."""
    assert of_fit(cosine(STEPS)).status is Status.PASSED
    assert of_fit(CONSTANT, steps=0).findings == ("schedule.constant",)
    assert of_fit(cosine(STEPS), stepped_first=True).findings == ("schedule.order",)
    assert of_fit(cosine(15)).findings == ("schedule.length",)
    assert of_fit(cosine(15), name="CyclicLR").status is Status.PASSED


def test_a_scheduler_that_counts_batches_where_the_optimizer_steps_once_for_several_fails() -> None:
    """One of another length may belong to a fit that ended early."""
    half = cosine(2 * STEPS)

    assert of_fit(half, length=2 * STEPS, backwards=2 * STEPS).findings == ("schedule.length",)
    assert of_fit(half, length=2 * STEPS, backwards=STEPS).status is Status.PASSED
    assert of_fit(half, length=2 * STEPS, backwards=2 * STEPS - 2).status is Status.PASSED
    assert of_fit(cosine(STEPS), length=STEPS, backwards=STEPS).status is Status.PASSED


LOSSES = (1.0, 0.6, 0.4, 0.5, 0.6)
KEPT = (True, True, True, False, False)


def chosen(**changes: Any) -> Verdict:
    """The verdict on a fit that kept the best weights, and returned them."""
    scores = tuple(1 - loss for loss in LOSSES)
    seen = Validations(LOSSES, scores, KEPT, returned=2, loss=LOSSES[2])
    unknown = declared([], schedule="", unknown="it keeps no rates", is_free=True)
    return verdict_on([], unknown, validations=replace(seen, **changes))


def test_kept_weights_are_returned() -> None:
    """Or whatever cannot be told, such as a mean of several."""
    assert chosen().status is Status.PASSED
    assert chosen().summary == "5 validations were followed"
    assert chosen(returned=None, loss=0.3).status is Status.PASSED


def test_kept_weights_that_are_not_returned_fail() -> None:
    """They were never loaded, or were no copy."""
    verdict = chosen(returned=4, loss=0.6)

    assert verdict.findings == ("schedule.best",)
    assert verdict.facts[0] == "what fit returns answers like the model of validation 5"


@pytest.mark.parametrize(
    "kept", [(False,) * 5, (True,) * 5, (False, True, False, True, False), (False, False, False, True, False)]
)
def test_the_last_weights_pass_where_the_best_ones_were_not_kept(kept: tuple[bool, ...]) -> None:
    """Copies after every epoch, or some of them, are no promise to return the best."""
    assert chosen(kept=kept, returned=4, loss=0.6).status is Status.PASSED


def test_the_worst_weights_fail() -> None:
    """A comparison that goes the wrong way; by another metric, some are better and some worse."""
    assert chosen(kept=(True, False, False, False, False), returned=0, loss=1.0).findings == ("schedule.early_stop",)
    assert (
        chosen(kept=(True, True, False, False, False), returned=1, loss=0.6, scores=(0.1, 0.9, 0.8, 0.8, 0.8)).status
        is Status.PASSED
    )


def test_an_engine_without_rates_is_not_applicable() -> None:
    """With its reason."""
    verdict = verdict_on([], declared([], schedule="", unknown="it keeps no rates"))

    assert verdict.status is Status.NOT_APPLICABLE
    assert verdict.summary == "it keeps no rates"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_rate_that_is_not_finite_is_an_error(bad: float) -> None:
    """Wherever it stands."""
    assert verdict_on([bad, *LINE[1:]], declared(LINE)).status is Status.ERROR
    assert verdict_on(LINE, declared([bad, *LINE[1:]])).status is Status.ERROR
    assert verdict_on(LINE, declared(LINE, beyond=[bad])).status is Status.ERROR


def ended(values: list[float], *, rule: StopRule = EARLY, planned: int = STEPS, final: float | None = None) -> Verdict:
    log = tuple({"train.loss": 1.0, "val.loss": value} for value in values)
    run = training(
        learning_rate_S=Array.of(CONSTANT),
        steps=STEPS,
        planned_steps=planned,
        epochs_log=log,
        losses={"train": 1.0, "val": min(values) if final is None else final},
    )
    return schedule(DEFAULT, run, declared(CONSTANT, schedule="", stop=rule))


def test_an_early_stop_as_declared_passes() -> None:
    """Of a training that it ends, and of one that it never ends."""
    assert ended([1.0, 0.5, 0.6, 0.7], planned=100).status is Status.PASSED
    assert ended([1.0, 0.5, 0.6]).status is Status.PASSED


@pytest.mark.parametrize(
    ("values", "planned", "summary"),
    [
        ([1.0, 0.5, 0.6, 0.7, 0.8], STEPS, "the training goes on to epoch 5, and early_stop ends it at 4"),
        ([1.0, 0.5], 100, "the training ends at epoch 2, and early_stop does not end it there"),
    ],
)
def test_another_end_than_declared_fails(values: list[float], planned: int, summary: str) -> None:
    """Too late or too early."""
    verdict = ended(values, planned=planned)

    assert verdict.findings == ("schedule.early_stop",)
    assert verdict.summary == summary


def test_a_larger_value_may_be_the_better_one() -> None:
    """And one that is better by less than `min_delta` is none."""
    rule = replace(EARLY, mode="max", restore_best=False)

    assert ended([0.5, 0.6, 0.7, 0.8], rule=rule).status is Status.PASSED
    assert ended([0.5, 0.6, 0.7, 0.8], rule=replace(rule, min_delta=0.3)).findings == ("schedule.early_stop",)


def test_gains_that_min_delta_leaves_out_fail() -> None:
    """A tenth of the first value is no noise; a hundredth may be."""
    rule = replace(EARLY, patience=1, min_delta=5.0)

    assert ended([0.5, 0.2], rule=rule, planned=100, final=0.5).findings == ("schedule.early_stop",)
    assert ended([0.5, 0.495], rule=replace(rule, min_delta=0.01), planned=100, final=0.5).status is Status.PASSED


def test_the_best_weights_must_be_the_last_ones() -> None:
    """Where the rule restores them."""
    verdict = ended([1.0, 0.5, 0.6], final=0.6)

    assert verdict.findings == ("schedule.best",)
    assert verdict.facts[0] == "it was 0.5 after epoch 2, the best of 3"
    assert ended([1.0, 0.5, 0.6], rule=replace(EARLY, restore_best=False), final=0.6).status is Status.PASSED
    assert ended([1.0, 0.5, 0.6], final=float("nan")).status is Status.ERROR


def test_the_test_split_chooses_nothing() -> None:
    """Neither the end nor the rate."""
    rule = replace(EARLY, monitor="test.loss")
    wanted = declared(CONSTANT, schedule="reduce_on_plateau", is_adaptive=True, monitor="test.loss")

    assert verdict_on(CONSTANT, declared(CONSTANT, schedule="", stop=rule)).findings == ("schedule.test_used",)
    assert verdict_on(CONSTANT, wanted).findings == ("schedule.test_used",)


def test_a_metric_that_was_not_measured_is_an_error() -> None:
    """The rule could not be replayed."""
    assert ended([1.0, float("nan")]).status is Status.ERROR
