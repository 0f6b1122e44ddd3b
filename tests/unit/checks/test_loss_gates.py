"""A gate on a loss is green only where that loss can mean something: a wrong sign meets every upper bound."""

from __future__ import annotations

from pytest_mlspec.check import Status
from pytest_mlspec.gates import Gate, judge
from pytest_mlspec.quantities import parse

from .made import training

AT_MOST_1 = Gate(parse("test.loss"), "at_most", (1.0,))


def test_passes_below_its_bound() -> None:
    """The test loss of the healthy run is 0.5."""
    verdict = judge(AT_MOST_1, {"run": training()})

    assert verdict.status is Status.PASSED
    assert verdict.summary == "0.5, at most 1"


def test_fails_above_its_bound() -> None:
    """1.5 is more than 1."""
    verdict = judge(AT_MOST_1, {"run": training(losses={"train": 1.25, "test": 1.5})})

    assert verdict.status is Status.FAILED
    assert verdict.summary == "1.5, at most 1"


def test_wrong_sign_is_an_error() -> None:
    """The negated loss of the test rows is far below the bound, and that of the training rows below what a loss can be."""
    run = training(losses_before={"train": -2.5, "test": -2.5}, losses={"train": -40.0, "test": -30.0})

    verdict = judge(AT_MOST_1, {"run": run})

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the training loss before the first step is -2.5, below 0, the lowest that it can be"
    assert "wrong sign" in verdict.advice[0]


def test_negative_loss_with_a_stated_floor() -> None:
    """A likelihood of values may be above 1, so its loss below 0: the recipe states how far."""
    run = training(losses_before={"train": 2.5, "test": 2.5}, losses={"train": -3.0, "test": -2.0}, loss_floor=-5.0)

    verdict = judge(AT_MOST_1, {"run": run})

    assert verdict.status is Status.PASSED


def test_engine_without_a_loss_before_the_first_step() -> None:
    """An estimator has no loss before it is fitted; its final one can be judged."""
    verdict = judge(AT_MOST_1, {"run": training(losses_before={})})

    assert verdict.status is Status.PASSED


def test_loss_that_is_missing_is_an_error() -> None:
    """A split without rows has no loss."""
    verdict = judge(AT_MOST_1, {"run": training(losses={"train": 0.125})})

    assert verdict.status is Status.ERROR
    assert verdict.summary == "was not measured, at most 1"


def test_loss_that_is_not_a_number_is_an_error() -> None:
    """NaN is neither below nor above a bound."""
    verdict = judge(AT_MOST_1, {"run": training(losses={"train": 0.125, "test": float("nan")})})

    assert verdict.status is Status.ERROR
    assert verdict.summary == "nan is not a finite number, at most 1"
