"""`overfit` is green only where the loss on one batch falls to a small part of its start, or below a stated loss."""

from __future__ import annotations

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks.overfit import OverfitParams, overfit
from pytest_mlspec.evidence import Array
from pytest_mlspec.jobs import Train

from .made import on_one_batch

DEFAULT = OverfitParams()


def test_a_model_that_fits_the_batch_passes() -> None:
    """The summary names the final loss and its bound, a fact the way there."""
    verdict = overfit(DEFAULT, on_one_batch())

    assert verdict.status is Status.PASSED
    assert verdict.summary == "loss on one batch 0.01562, at most 0.1 (5 % of its start)"
    assert verdict.facts == ("from 2 to 0.01562 in 200 steps",)
    assert verdict.n == 200


def test_a_softmax_before_cross_entropy_fails() -> None:
    """Such a loss of 10 classes cannot fall below 1.4612."""
    run = on_one_batch(loss_S=Array.of([2.3, *[1.4612] * 199]), losses_before={"train": 2.3}, losses={"train": 1.4612})
    verdict = overfit(DEFAULT, run)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "loss on one batch 1.461, at most 0.115 (5 % of its start)"
    assert verdict.facts == ("from 2.3 to 1.461 in 200 steps", "the lowest loss of a step is 1.461, at step 2")
    assert "softmax" in verdict.advice[0]


@pytest.mark.parametrize(("end", "status"), [(0.25, Status.PASSED), (0.2500001, Status.FAILED)])
def test_the_loss_may_reach_a_stated_bound(end: float, status: Status) -> None:
    """`loss_at_most` is in units of the loss."""
    assert overfit(OverfitParams(loss_at_most=0.25), on_one_batch(losses={"train": end})).status is status


@pytest.mark.parametrize(("end", "status"), [(0.05 * 2.0, Status.PASSED), (0.1000001, Status.FAILED)])
def test_the_loss_may_reach_five_percent_of_its_start(end: float, status: Status) -> None:
    """The default bound follows the loss at initialisation."""
    assert overfit(DEFAULT, on_one_batch(losses={"train": end})).status is status


@pytest.mark.parametrize(("end", "status"), [(0.55, Status.PASSED), (0.6, Status.FAILED)])
def test_five_percent_count_from_the_lowest_possible_loss(end: float, status: Status) -> None:
    """With label smoothing the loss cannot fall to 0: of 2.0 above a floor of 0.5, 0.575 is allowed."""
    assert overfit(DEFAULT, on_one_batch(losses={"train": end}, loss_floor=0.5)).status is status


def test_the_curve_stands_in_for_losses_that_were_not_measured_apart() -> None:
    """Without losses in evaluation mode, the first and last step are judged."""
    verdict = overfit(DEFAULT, on_one_batch(losses_before={}, losses={}))

    assert verdict.status is Status.PASSED
    assert verdict.facts == ("from 2 to 0.03125 in 200 steps",)


def test_a_batch_that_is_fitted_in_training_mode_alone_says_so() -> None:
    """Then dropout or batch statistics are to be looked at, not the capacity."""
    verdict = overfit(DEFAULT, on_one_batch(losses={"train": 1.5}))

    assert verdict.status is Status.FAILED
    assert verdict.facts[1] == "in training mode the last loss is 0.03125: the batch looks different in evaluation mode"


def test_a_loss_that_rises_has_other_causes() -> None:
    """A rate that is 0 or too high is named before the model."""
    verdict = overfit(DEFAULT, on_one_batch(losses={"train": 2.0}, loss_S=Array.of([2.0] * 200)))

    assert verdict.status is Status.FAILED
    assert "learning rate that is 0 or too high" in verdict.advice[0]


def test_too_few_steps_are_an_error() -> None:
    """A training that ended before it was asked to, for another reason than that it fits, says nothing."""
    verdict = overfit(DEFAULT, on_one_batch(steps=57, stopped="early_stop", losses={"train": 1.5}))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "57 of 200 steps taken: too few to judge"
    assert verdict.facts == ("it took 57 of 200 steps: early_stop",)


def test_a_training_may_end_once_it_fits() -> None:
    """Steps that it no longer needed are not missed."""
    verdict = overfit(DEFAULT, on_one_batch(steps=57, stopped="the loss on its batches is 0.01562, at most 0.1"))

    assert verdict.status is Status.PASSED
    assert verdict.facts == ("from 2 to 0.01562 in 57 steps",)


@pytest.mark.parametrize(
    "loss_S", [[2.0 - 0.004 * step for step in range(200)], [2.0 * 0.99**step for step in range(200)]]
)
def test_a_slow_learner_that_still_falls_is_no_alarm(loss_S: list[float]) -> None:
    """As much in the second half of its steps as in the first, or by a good part of what is left: its rate is low."""
    verdict = overfit(DEFAULT, on_one_batch(loss_S=Array.of(loss_S), losses={"train": loss_S[-1]}))

    assert verdict.status is Status.NOT_APPLICABLE
    assert "still falls after 200 steps" in verdict.summary


@pytest.mark.parametrize("end", [1.9, 2.0])
def test_a_training_that_settles_or_stands_still_fails(end: float) -> None:
    """It falls at first and no more, or never."""
    settles = Array.of([end + (2.0 - end) * 0.9**step for step in range(200)])

    assert overfit(DEFAULT, on_one_batch(loss_S=settles, losses={"train": end})).status is Status.FAILED


@pytest.mark.parametrize(("parameters", "status"), [(11, Status.NOT_APPLICABLE), (32, Status.FAILED)])
def test_fewer_parameters_than_rows_need_not_fit(parameters: int, status: Status) -> None:
    """A linear regression cannot learn a batch by heart."""
    settles = Array.of([2.0, *[1.0] * 199])
    run = on_one_batch(loss_S=settles, losses={"train": 1.0}, parameters=parameters, rows=32)

    assert overfit(DEFAULT, run).status is status


def test_zero_steps_are_an_error() -> None:
    """An empty curve is never green."""
    verdict = overfit(DEFAULT, on_one_batch(steps=0, loss_S=Array.of([]), losses={}, losses_before={}))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the training took 0 of 200 steps"


def test_no_loss_at_all_is_an_error() -> None:
    """Steps without any measured loss cannot be judged."""
    verdict = overfit(DEFAULT, on_one_batch(loss_S=Array.of([]), losses={}, losses_before={}))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the training loss before the first step was not measured"


def test_nothing_to_overfit_is_an_error() -> None:
    """A loss that begins within the bound shows nothing about the model."""
    at_zero = overfit(DEFAULT, on_one_batch(losses_before={"train": 0.0}, losses={"train": 0.0}))
    within = overfit(OverfitParams(loss_at_most=2.0), on_one_batch())

    assert (at_zero.status, within.status) == (Status.ERROR, Status.ERROR)
    assert within.summary == "the loss starts at 2, already at most 2: nothing to overfit"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_losses_that_are_not_finite_are_errors(value: float) -> None:
    """The step or the end is named."""
    step = overfit(DEFAULT, on_one_batch(loss_S=Array.of([2.0, *[value] * 199])))
    end = overfit(DEFAULT, on_one_batch(losses={"train": value}))

    assert (step.status, end.status) == (Status.ERROR, Status.ERROR)
    assert step.summary == f"the training: the loss of step 2 of 200 is {value}"
    assert end.summary == f"the training: the train loss at the end is {value}"


def test_a_loss_of_the_wrong_sign_is_an_error() -> None:
    """A loss that falls below its floor is not fitted but wrong."""
    verdict = overfit(DEFAULT, on_one_batch(losses={"train": -40.0}))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the training loss at the end is -40, below 0, the lowest that it can be"


def test_it_asks_for_one_batch() -> None:
    """The number of steps is the spec's to choose; with a bound of its own all of them are taken."""
    from pytest_mlspec.check import CHECKS

    needs = CHECKS.find("overfit").needs

    assert needs(DEFAULT) == {"run": Train(batches=1, until_left=0.05)}
    assert needs(OverfitParams(steps=30)) == {"run": Train(batches=1, steps=30, until_left=0.05)}
    assert needs(OverfitParams(loss_at_most=0.5)) == {"run": Train(batches=1)}
