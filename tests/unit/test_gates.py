"""A gate is green only where its quantity was measured on rows and lies within the bound; red ones say why."""

from __future__ import annotations

import math

import pytest
from checks.made import training

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.evidence import Score, ScoreTable
from pytest_mlspec.gates import Gate, judge
from pytest_mlspec.quantities import parse

CONFUSED = {"test": (("8", "1", 7), ("3", "5", 2), ("4", "9", 1), ("2", "7", 1))}


def gate(name: str, kind: str = "at_least", *values: float, by: float = 0.0) -> Gate:
    return Gate(parse(name), kind, values, by)


def judged(gate: Gate, **scores: Score) -> Verdict:
    """The verdict where the score on test, on train, and that of the dummy are these."""
    name = gate.quantity.metric.name if gate.quantity.metric else ""
    keys = {"test": f"test.{name}", "train": f"train.{name}", "dummy": f"dummy:test.{name}"}
    table = ScoreTable({keys[which]: score for which, score in scores.items()}, CONFUSED)
    return judge(gate, {"run": training(), "scores": table})


@pytest.mark.parametrize(
    ("made", "value", "status", "summary"),
    [
        (gate("test.accuracy", "at_least", 0.9), 0.9, Status.PASSED, "0.9, at least 0.9"),
        (gate("test.accuracy", "at_least", 0.9), 0.8999, Status.FAILED, "0.8999, at least 0.9"),
        (gate("test.log_loss", "at_most", 0.25), 0.25, Status.PASSED, "0.25, at most 0.25"),
        (gate("test.log_loss", "at_most", 0.25), 0.3, Status.FAILED, "0.3, at most 0.25"),
        (gate("test.r2", "within", 0.3, 0.6), 0.45, Status.PASSED, "0.45, between 0.3 and 0.6"),
        (gate("test.r2", "within", 0.3, 0.6), 0.75, Status.FAILED, "0.75, between 0.3 and 0.6"),
    ],
)
def test_a_metric_is_held_to_its_bound(made: Gate, value: float, status: Status, summary: str) -> None:
    """The bound itself is allowed; rows, seed and device are told."""
    verdict = judged(made, test=Score(value, 360))

    assert (verdict.status, verdict.summary) == (status, summary)
    assert (verdict.n, verdict.seed, verdict.device) == (360, 0, "cpu")


@pytest.mark.parametrize(
    ("score", "summary", "advice"),
    [
        (Score(math.nan, 360), "nan is not a finite number, at least 0.9", ()),
        (Score(math.inf, 360), "inf is not a finite number, at least 0.9", ()),
        (Score(None, 360), "was not measured, at least 0.9", ()),
        (Score(0.95, 0), "not measured: there is no row to measure it on", ()),
        (Score(None, 0, "0 rows of split test have plan=x"), "0 rows of split test have plan=x", ()),
        (Score(None, 9, "there is no class 'a'", "known: b, c"), "there is no class 'a'", ("known: b, c",)),
    ],
)
def test_what_was_not_measured_is_an_error(score: Score, summary: str, advice: tuple[str, ...]) -> None:
    """With the reason, and what to do."""
    verdict = judged(gate("test.accuracy", "at_least", 0.9), test=score)

    assert (verdict.status, verdict.summary, verdict.advice) == (Status.ERROR, summary, advice)


def test_a_score_that_is_not_in_the_table_is_an_error() -> None:
    """Nothing stands for it."""
    verdict = judged(gate("test.accuracy", "at_least", 0.0))

    assert (verdict.status, verdict.summary) == (Status.ERROR, "was not measured")


def test_a_share_of_rows_is_told_with_its_interval() -> None:
    """It holds for metrics that count rows one by one, and for no other."""
    accuracy = judged(gate("test.accuracy", "at_least", 0.9), test=Score(0.931, 360))
    macro = judged(gate("test.f1_macro", "at_least", 0.9), test=Score(0.931, 360))

    assert accuracy.facts == ("95 % interval of the measurement: 0.900 .. 0.953",)
    assert macro.facts == ()


def test_a_red_metric_of_classes_tells_what_is_confused() -> None:
    """The three pairs with most rows; a green one does not, nor one that looks at a part of the rows."""
    red = judged(gate("test.f1_macro", "at_least", 0.9), test=Score(0.8, 360))
    green = judged(gate("test.f1_macro", "at_least", 0.9), test=Score(0.95, 360))
    selected = gate("test.f1_macro[plan=basic]", "at_least", 0.9)
    part = judge(selected, {"run": training(), "scores": ScoreTable({selected.quantity.name: Score(0.8, 9)}, CONFUSED)})

    assert red.facts == ("most confused: 8 as 1 (7 rows), 3 as 5 (2 rows), 4 as 9 (1 row)",)
    assert green.facts == ()
    assert (part.status, part.facts) == (Status.FAILED, ())


@pytest.mark.parametrize(("test_score", "status"), [(0.9375, Status.PASSED), (0.9, Status.FAILED)])
def test_a_gap_is_train_minus_test(test_score: float, status: Status) -> None:
    """Both are told."""
    verdict = judged(gate("gap.accuracy", "at_most", 0.0625), train=Score(1.0, 1437), test=Score(test_score, 360))

    assert verdict.status is status
    assert verdict.facts[:2] == ("train: 1", f"test: {test_score:g}")
    assert verdict.n == 360


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (Score(math.nan, 9), Score(0.5, 9)),
        (Score(0.5, 9), Score(math.nan, 9)),
        (Score(math.inf, 9), Score(math.inf, 9)),
        (Score(None, 9), Score(0.5, 9)),
        (Score(0.5, 9), Score(None, 0, "0 rows")),
        (Score(0.5, 0), Score(0.5, 9)),
    ],
)
def test_a_gap_needs_both_of_its_ends(train: Score, test: Score) -> None:
    """Otherwise it is an error, whatever the bound."""
    assert judged(gate("gap.accuracy", "at_most", 1.0), train=train, test=test).status is Status.ERROR


@pytest.mark.parametrize(
    ("name", "model", "dummy", "by", "status"),
    [
        ("test.accuracy", 0.75, 0.5, 0.25, Status.PASSED),
        ("test.accuracy", 0.74, 0.5, 0.25, Status.FAILED),
        ("test.accuracy", 0.51, 0.5, 0.0, Status.PASSED),
        ("test.accuracy", 0.4, 0.5, 0.0, Status.FAILED),
        ("test.log_loss", 0.25, 0.5, 0.25, Status.PASSED),
        ("test.log_loss", 0.75, 0.5, 0.0, Status.FAILED),
        ("test.root_mean_squared_error", 50.0, 75.0, 10.0, Status.PASSED),
    ],
)
def test_better_than_goes_in_the_direction_of_the_metric(
    name: str, model: float, dummy: float, by: float, status: Status
) -> None:
    """A loss is better when it is lower."""
    verdict = judged(gate(name, "better_than", by=by), test=Score(model, 360), dummy=Score(dummy, 360))

    assert verdict.status is status
    assert verdict.summary.startswith("lead over the constant baseline ")
    assert verdict.facts[0] == f"the model reaches {model:g}, the constant baseline {dummy:g}"


@pytest.mark.parametrize("value", [0.5, 0.5 + 1e-9])
def test_equal_is_not_better(value: float) -> None:
    """Nor is what rounding makes of it: a model that answers with the prior has no lead."""
    verdict = judged(gate("test.accuracy", "better_than"), test=Score(value, 360), dummy=Score(0.5, 360))

    assert (verdict.status, verdict.summary) == (Status.FAILED, "no better than the constant baseline")
    assert verdict.allowed == "more than 0"


@pytest.mark.parametrize(
    ("model", "dummy", "summary"),
    [
        (Score(0.9, 9), Score(None, 9, "0 rows"), "the constant baseline has no value: 0 rows"),
        (Score(0.9, 9), Score(None, 9), "the constant baseline has no value: was not measured"),
        (Score(None, 9), Score(0.5, 9), "was not measured"),
        (Score(math.nan, 9), Score(0.5, 9), "lead over the constant baseline nan is not a finite number, at least 0"),
        (Score(0.9, 9), Score(math.nan, 9), "lead over the constant baseline nan is not a finite number, at least 0"),
    ],
)
def test_better_than_needs_both(model: Score, dummy: Score, summary: str) -> None:
    """Neither a model without a score is better, nor one beside a baseline without a score."""
    verdict = judged(gate("test.accuracy", "better_than"), test=model, dummy=dummy)

    assert (verdict.status, verdict.summary) == (Status.ERROR, summary)


@pytest.mark.parametrize(
    ("made", "changes", "status", "summary"),
    [
        (gate("train.seconds", "at_most", 30), {"seconds": 30.0}, Status.PASSED, "30 s, at most 30 s"),
        (gate("train.seconds", "at_most", 30), {"seconds": 31.5}, Status.FAILED, "31.5 s, at most 30 s"),
        (
            gate("model.parameters", "at_most", 600),
            {},
            Status.FAILED,
            "650 parameters, at most 600 parameters",
        ),
        (
            gate("model.parameters", "at_most", 600),
            {"parameters": None},
            Status.SKIPPED,
            "the engine torch has no parameters that can be counted",
        ),
        (
            gate("train.seconds", "at_most", 30),
            {"seconds": math.nan},
            Status.ERROR,
            "nan is not a finite number, at most 30 s",
        ),
    ],
)
def test_values_of_the_run_have_their_unit(
    made: Gate, changes: dict[str, object], status: Status, summary: str
) -> None:
    """An engine that cannot tell makes an error."""
    verdict = judge(made, {"run": training(**changes)})

    assert (verdict.status, verdict.summary) == (status, summary)


def test_a_failed_gate_tells_of_a_training_that_stopped_early() -> None:
    """It is the first thing to look at; one that took all of its steps says nothing of it."""
    stopped = training(
        steps=2, planned_steps=4, stopped="stopped early at epoch 1: val.loss 0.5, patience 1", seconds=1.0
    )
    finished = training(stopped="finished 2 epochs", seconds=1.0)
    made = gate("train.seconds", "within", 10, 20)

    assert judge(made, {"run": stopped}).facts == (f"the training {stopped.stopped}",)
    assert judge(made, {"run": finished}).facts == ()
