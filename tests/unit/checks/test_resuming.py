"""`resumes` is green only where an interrupted and resumed training equals an uninterrupted one to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pytest_mlspec.check import CHECKS, Status
from pytest_mlspec.checks.resuming import ResumesParams, resumes
from pytest_mlspec.evidence import Array
from pytest_mlspec.jobs import Resume, Train

from .made import training

DEFAULT = ResumesParams()
DRIFTED: dict[str, Any] = {"weights_digest": "w1", "predictions_digest": "p1"}


def test_an_equal_training_passes() -> None:
    """The summary names what was compared and where it was interrupted."""
    verdict = resumes(DEFAULT, training(), training(resumed_at=2))

    assert verdict.status is Status.PASSED
    assert verdict.summary == "losses of 4 steps, weights, predictions: equal to the last bit, resumed at step 2"


def test_state_that_was_not_restored_fails_at_the_first_step_after() -> None:
    """Both losses are shown; the advice names what save and restore leave out."""
    resumed = training(resumed_at=2, loss_S=Array.of([2.25, 1.5, 0.875, 0.5]), **DRIFTED)
    verdict = resumes(DEFAULT, training(), resumed)

    assert verdict.status is Status.FAILED
    assert (
        verdict.summary
        == "the resumed training differs from the uninterrupted one from step 3 (resumed at 2): loss 0.875 against 0.75"
    )
    assert verdict.facts[0] == "the final weights of the resumed training and the uninterrupted one differ"
    assert "moments of the optimizer" in verdict.advice[0]


def test_zero_grad_left_out_fails() -> None:
    """The gradients summed up before the interruption are lost by it, which shows a step later."""
    resumed = training(resumed_at=2, loss_S=Array.of([2.25, 1.5, 0.75, 0.125]), **DRIFTED)
    verdict = resumes(DEFAULT, training(), resumed)

    assert verdict.status is Status.FAILED
    assert "from step 4 (resumed at 2)" in verdict.summary
    assert "gradients that are not cleared" in verdict.advice[0]


def test_weights_that_differ_after_equal_losses_fail() -> None:
    """The last step changes weights that no loss has seen."""
    verdict = resumes(DEFAULT, training(), training(resumed_at=3, **DRIFTED))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "the final weights of the resumed training and the uninterrupted one differ"


def test_another_number_of_steps_fails() -> None:
    """An epoch that is begun again makes the training longer."""
    verdict = resumes(DEFAULT, training(), training(resumed_at=2, loss_S=Array.of([2.25, 1.5, 0.75, 0.25, 0.25])))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "the resumed training takes 5 steps, the uninterrupted one 4"


@pytest.mark.parametrize("step_that_differs", [0, 1])
def test_a_difference_before_the_interruption_is_not_blamed_on_it(step_that_differs: int) -> None:
    """Up to and with the last step before it, the training itself is not reproducible."""
    losses = [2.25, 1.5, 0.75, 0.25]
    losses[step_that_differs] = 3.0
    verdict = resumes(DEFAULT, training(), training(resumed_at=2, loss_S=Array.of(losses)))

    assert verdict.status is Status.FAILED
    assert "they differ before the interruption" in verdict.facts[0]
    assert verdict.advice == ("look at `reproducible` first",)


@pytest.mark.parametrize("at", [1, 3])
def test_the_first_and_the_last_step_may_be_the_interrupted_one(at: int) -> None:
    """One step before and one after it are enough."""
    assert resumes(DEFAULT, training(), training(resumed_at=at)).status is Status.PASSED


@pytest.mark.parametrize("at", [0, 4, 5, -1])
def test_an_interruption_outside_the_training_is_an_error(at: int) -> None:
    """Without a step on both sides nothing was resumed."""
    verdict = resumes(DEFAULT, training(), training(resumed_at=at))

    assert verdict.status is Status.ERROR
    assert verdict.summary == f"resumed at step {at} of 4: nothing before or nothing after it"


def test_a_training_that_was_not_interrupted_is_an_error() -> None:
    """The same training twice says nothing about resuming."""
    verdict = resumes(DEFAULT, training(), training(resumed_at=None))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "the training was not interrupted: it does not say at which step it resumed"


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        ({"steps": 0, "loss_S": Array.of([])}, "the resumed training took 0 of 4 steps"),
        (
            {"loss_S": Array.of([2.25, 1.5, float("nan"), 0.25])},
            "the resumed training: the loss of step 3 of 4 is nan",
        ),
        ({"losses": {"train": float("inf")}}, "the resumed training: the train loss at the end is inf"),
        (
            {"threads": 2},
            "not comparable: the uninterrupted one has threads 1, the resumed training has threads 2",
        ),
        ({"predictions_digest": ""}, "not comparable: the resumed training has no digest of the predictions"),
    ],
)
def test_what_cannot_be_compared_is_an_error(change: dict[str, Any], summary: str) -> None:
    """NaN, zero steps, other circumstances or a missing measurement each have their message."""
    verdict = resumes(DEFAULT, training(), training(**{"resumed_at": 2, **change}))

    assert verdict.status is Status.ERROR
    assert verdict.summary == summary


@pytest.mark.parametrize("at", [0.0, 1.0])
def test_the_interruption_lies_inside_the_training(at: float) -> None:
    """0 and 1 are refused where they are written."""
    with pytest.raises(ValidationError):
        ResumesParams(at=at)


def test_it_shares_the_uninterrupted_training() -> None:
    """Without `steps` it is the training that the other checks use."""
    assert CHECKS.find("resumes").needs(DEFAULT) == {"run": Train(), "resumed": Resume(at=0.5)}
