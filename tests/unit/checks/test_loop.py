"""`loop` on hand-made traces: passes, fails, at the limit, NaN, empty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.loop import LoopParams, loop
from pytest_mlspec.diagnosis.suspects import SUSPECTS
from pytest_mlspec.evidence import LoopTrace, LostClass, RowUse

ROWS = RowUse(
    rows=448,
    draws=1344,
    given=1344,
    unused_chance=0.0,
    passes=3,
    batches=21,
    same_class=0.01,
    same_class_sigmas=1.0,
    batch_size=64,
    batch_share=1.0,
    step_rows=64,
)
TRACE = LoopTrace("torch", ROWS, steps=21, whole=False, expected=21, declared_batch=64)


def of_rows(**changes: Any) -> LoopTrace:
    return replace(TRACE, rows=replace(ROWS, **changes))


def judged(trace: LoopTrace, **params: Any) -> Verdict:
    return loop(LoopParams(**params), trace)


def test_a_healthy_loop_passes() -> None:
    """The number of steps is told."""
    verdict = judged(TRACE)

    assert (verdict.status, verdict.n, verdict.facts) == (Status.PASSED, 21, ())
    assert verdict.summary == "the first 21 steps use their own gradients, and evaluation changes nothing"


@pytest.mark.parametrize(
    ("changes", "finding", "summary"),
    [
        ({"leftover": 20}, "leftover", "steps on gradients left over from before: 20, at most 0"),
        ({"late": 21}, "late", "batches whose backward came after the step: 21, at most 0"),
        (
            {"dropped": 3, "accumulated": 4},
            "window",
            "accumulated windows that reach no step of their own: 3, at most 0",
        ),
        ({"restarts": 2}, "rebuilt", "times at which the optimizer forgot its state: 2, at most 1"),
        ({"unheld": ("a.weight",)}, "not_in_optimizer", "in no optimizer that steps: 1 parameters: a.weight"),
        ({"stale": ("Net",), "idle": ("Adam",)}, "stale", "no parameter of Net is in an optimizer that steps"),
        ({"idle": ("Adam",)}, "stale", "Adam steps parameters that never get a gradient"),
        ({"stands": "Average"}, "not_trained", "Average, which is evaluated, has the weights of the start"),
        ({"half": "bfloat16", "lost": 0.5}, "dtype", "share of updates lost in bfloat16 weights: 0.5, at most 0.1"),
        ({"steps": 42}, "steps", "optimizer steps: 42, between 21 and 21"),
        ({"steps": 20}, "steps", "optimizer steps: 20, between 21 and 21"),
        ({"single_rows": 1}, "batch_of_one", "steps in which a batch norm saw one row: 1, at most 0"),
        ({"changed": ("mean",)}, "evaluation", "buffers that a forward in evaluation mode changes: 1, at most 0"),
        (
            {"evaluation_backward": 3},
            "evaluation",
            "forwards on other splits that brought the parameters gradients: 3, at most 0",
        ),
        ({"evaluation_in_training": 3}, "evaluation", "evaluations in training mode: 3, at most 0"),
    ],
)
def test_what_the_loop_does_wrong_is_told(changes: dict[str, Any], finding: str, summary: str) -> None:
    """With a finding that the table of suspects knows, and advice."""
    verdict = judged(replace(TRACE, **changes))

    assert (verdict.status, verdict.summary, verdict.findings) == (Status.FAILED, summary, (f"loop.{finding}",))
    assert verdict.advice
    assert any(f"loop.{finding}" in suspect.told_by for suspect in SUSPECTS)


@pytest.mark.parametrize(
    ("changes", "finding", "summary"),
    [
        (
            {"unused": 50, "unused_chance": -80.0},
            "rows_unseen",
            "training rows that reach no step: 50 rows, at most 0 rows",
        ),
        (
            {"draws": 1209},
            "rows_unseen",
            "rows of the batches that enter the model: 1209 rows, at least 1344 rows",
        ),
        (
            {"unused": 7, "unused_chance": -1.0, "repeated": 2},
            "rows_unseen",
            "training rows that reach no step: 7 rows, at most 0 rows",
        ),
        (
            {"lost_classes": (LostClass("9", 40, -60.0),)},
            "class_unseen",
            "no row of class 9 reaches a step: 40 rows",
        ),
        (
            {"same_class": 0.9, "same_class_sigmas": 90.0},
            "sorted",
            "rows of a batch share a class: sortedness 0.9, at most 0.8",
        ),
        ({"repeated": 2}, "same_order", "3 of 3 passes over the rows have one order"),
        ({"equal_for_seeds": True}, "same_order_of_seeds", "seed 1 gives the rows the order of seed 0"),
        ({"batch_size": 1, "step_rows": 1}, "batch_size", "rows of a batch: 1, 64 declared"),
        ({"batch_size": 448, "step_rows": 448}, "batch_size", "rows of a batch: 448, 64 declared"),
    ],
)
def test_what_happens_to_rows_is_told(changes: dict[str, Any], finding: str, summary: str) -> None:
    """With a finding that the table of suspects knows, and advice."""
    verdict = judged(of_rows(**changes))

    assert (verdict.status, verdict.summary, verdict.findings[0]) == (Status.FAILED, summary, f"loop.{finding}")
    assert verdict.advice
    assert any(f"loop.{finding}" in suspect.told_by for suspect in SUSPECTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"unused": 3, "unused_chance": -8.9},
        {"unused": 90, "unused_chance": None},
        {"lost_classes": (LostClass("rare", 2, -1.5),)},
        {"given": None, "draws": 900},
        {"same_class": 0.8, "same_class_sigmas": 90.0},
        {"same_class": 0.9, "same_class_sigmas": 2.0},
        {"same_class": None, "same_class_sigmas": None},
        {"repeated": 1},
        {"passes": 1},
        {"equal_for_seeds": False},
        {"batch_size": 16},
        {"rows": 10, "batch_size": 10, "step_rows": 10},
        {"batch_size": 1, "step_rows": 64},
        {"batch_size": 3, "step_rows": 3, "batch_share": 0.3},
    ],
)
def test_what_may_come_by_chance_passes(changes: dict[str, Any]) -> None:
    """At the limit, or where nothing is known."""
    assert judged(of_rows(**changes)).status is Status.PASSED


@pytest.mark.parametrize(
    "changes", [{"restarts": 1}, {"half": "bfloat16", "lost": 0.1}, {"expected": None, "steps": 5}]
)
def test_the_limit_passes(changes: dict[str, Any]) -> None:
    """One second phase, the share of lost updates that is allowed, and a length that nothing declares."""
    assert judged(replace(TRACE, **changes)).status is Status.PASSED


def test_no_step_is_an_error() -> None:
    """Nothing was watched."""
    assert judged(replace(TRACE, steps=0)).status is Status.ERROR


@pytest.mark.parametrize("lost", [None, float("nan")])
def test_a_share_that_was_not_measured_is_an_error(lost: float | None) -> None:
    """Half precision was seen, and what it loses was not."""
    verdict = judged(replace(TRACE, half="bfloat16", lost=lost))

    assert (verdict.status, verdict.findings) == (Status.ERROR, ("loop.dtype",))


def test_classes_that_could_not_be_compared_are_an_error() -> None:
    """NaN is no share."""
    assert judged(of_rows(same_class=float("nan"), same_class_sigmas=1.0)).status is Status.ERROR


def test_rows_that_are_not_known_are_a_note() -> None:
    """And the rest is judged."""
    unknown = replace(TRACE, rows=RowUse(448, unknown="augmented"))

    assert judged(unknown).facts == ("which rows the steps use is not judged: augmented",)
    assert judged(replace(unknown, leftover=2)).status is Status.FAILED


def test_an_order_that_is_meant_is_not_judged() -> None:
    """By the check, by the spec, or because the rows are split by time."""
    trace = of_rows(repeated=2)
    unmixed = of_rows(same_class=0.9, same_class_sigmas=90.0)

    assert judged(trace, shuffled=False).status is Status.PASSED
    assert judged(replace(trace, shuffled=False)).status is Status.PASSED
    assert judged(replace(trace, in_time=True)).status is Status.PASSED
    assert judged(replace(unmixed, in_time=True)).status is Status.PASSED
    assert judged(replace(unmixed, shuffled=False)).status is Status.FAILED


@pytest.mark.parametrize(
    ("in_order", "status"), [(447 / 448, Status.PASSED), (445 / 448, Status.FAILED), (0.5, Status.FAILED)]
)
def test_a_split_by_time_excuses_the_order_of_the_rows_alone(in_order: float, status: Status) -> None:
    """Rows sorted by class, or in a shuffled order that repeats, have not the order of time."""
    for rows in (of_rows(repeated=2), of_rows(same_class=0.9, same_class_sigmas=90.0)):
        trace = replace(rows, in_time=True, rows=replace(rows.rows, in_order=in_order))

        assert judged(trace).status is status


def test_a_batch_larger_than_the_split_is_red() -> None:
    """Rows are shuffled into it; a step on all rows in their order is meant, a small split or a declared size too."""
    at_once = of_rows(batch_size=448, batch_share=1.0, in_order=0.5, order_unknown="a batch holds most of the rows")
    at_once = replace(at_once, declared_batch=None)

    assert judged(at_once).findings == ("loop.batch_size",)
    assert judged(at_once, full_batch=True).status is Status.PASSED
    assert judged(replace(at_once, declared_batch=448)).status is Status.PASSED
    assert judged(replace(at_once, rows=replace(at_once.rows, in_order=447 / 448))).status is Status.PASSED
    assert judged(replace(at_once, rows=replace(at_once.rows, rows=200, batch_size=200))).status is Status.PASSED


def test_rows_of_the_test_split_in_a_training_are_red() -> None:
    """Whatever is chosen by them."""
    verdict = judged(replace(TRACE, entered={"test": 90}))

    assert (verdict.status, verdict.findings) == (Status.FAILED, ("loop.test_used",))


def test_what_is_meant_is_not_judged() -> None:
    """Rows left out, and parameters that no optimiser holds."""
    assert judged(of_rows(unused=50, unused_chance=-80.0), every_row=False).status is Status.PASSED
    assert judged(replace(TRACE, unheld=("a.weight",)), not_optimized=("a.*",)).status is Status.PASSED


def test_every_fault_is_told() -> None:
    """The first in the summary, the others among the facts."""
    verdict = judged(replace(TRACE, leftover=20, restarts=5))

    assert verdict.findings == ("loop.leftover", "loop.rebuilt")
    assert "times at which the optimizer forgot its state: 5, at most 1" in verdict.facts
