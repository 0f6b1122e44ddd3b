"""`resumes` is green only where an interrupted and resumed training equals an uninterrupted one to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_mlspec.check import CHECKS, Status, Verdict
from pytest_mlspec.checks.resuming import ResumesParams
from pytest_mlspec.checks.resuming import resumes as judge
from pytest_mlspec.evidence import Array, RoundTripped, TrainingRun
from pytest_mlspec.jobs import Resume, RoundTrip, Train

from .made import training

DEFAULT = ResumesParams()
OURS = RoundTripped(unasked="the recipe gives no save and restore of the team's own")
ROUND = RoundTripped(
    steps=3,
    compared=40,
    torn={"after 1 bytes": "", "after 90 bytes": ""},
    whole={"after 1 bytes": "the first", "after 90 bytes": "the second"},
)
DRIFTED: dict[str, Any] = {"weights_digest": "w1", "predictions_digest": "p1"}


def resumes(params: ResumesParams, run: TrainingRun, resumed: TrainingRun, checkpoint: RoundTripped = OURS) -> Verdict:
    """The verdict on a training whose checkpoints are written by its engine."""
    return judge(params, run, resumed, checkpoint)


def round_trip(params: ResumesParams = DEFAULT, **changes: Any) -> Verdict:
    """The verdict on an equal training, whose own checkpoints were tried with these results."""
    return judge(params, training(), training(resumed_at=2), replace(ROUND, **changes))


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
    assert CHECKS.find("resumes").needs(DEFAULT) == {
        "run": Train(),
        "resumed": Resume(at=0.5),
        "checkpoint": RoundTrip(),
    }


def test_a_sound_checkpoint_of_the_team_passes() -> None:
    """What was compared and how often a save was cut off is told."""
    verdict = round_trip()

    assert verdict.status is Status.PASSED
    assert verdict.summary.startswith("losses of 4 steps")
    assert verdict.facts == (
        "the team's own save and restore: 40 tensors and values compared",
        "cut off at 2 places, a save left a whole checkpoint each time",
    )


@pytest.mark.parametrize(
    ("changes", "summary", "advice"),
    [
        (
            {"lost": ("model.out.weight", "model.out.bias"), "outputs": 0.5},
            "2 of 40 tensors and values are not what they were after save and restore at step 3:"
            " model.out.weight, model.out.bias",
            "strict=False",
        ),
        (
            {"outputs": 0.5},
            "the outputs of the restored model differ after save and restore at step 3 by 0.5",
            "buffer",
        ),
        ({"outputs": float("nan")}, "the outputs of the restored model differ", "buffer"),
        (
            {"moved": ("model.out.bias",)},
            "what was saved moved with the training: one step later model.out.bias",
            "copy",
        ),
        (
            {"torn": {"after 1 bytes": "", "after 90 bytes": "restore raised EOFError"}},
            "a save that is cut off after 90 bytes leaves no whole checkpoint: restore raised EOFError",
            "os.replace",
        ),
        ({"failed": "restore raised KeyError: 'step'"}, "what was just saved cannot be restored: restore raised", ""),
        ({"compared": 0}, "nothing of a restored training was compared", ""),
    ],
)
def test_an_unsound_checkpoint_of_the_team_is_red(changes: dict[str, Any], summary: str, advice: str) -> None:
    """Before what the resumed training tells, with what to do."""
    verdict = round_trip(**changes)

    assert verdict.status.red
    assert verdict.summary.startswith(summary)
    assert advice in " ".join(verdict.advice)


def test_torn_files_may_be_left_out() -> None:
    """By a parameter, and then nothing is told of them."""
    verdict = round_trip(ResumesParams(torn=False), torn={"after 1 bytes": "restore raised EOFError"})

    assert verdict.status is Status.PASSED
    assert len(verdict.facts) == 1


def test_what_was_not_torn_is_told() -> None:
    """It is not passed in silence."""
    verdict = round_trip(torn={}, whole={}, not_torn="on darwin no process can be ended in the middle of a file")

    assert verdict.status is Status.PASSED
    assert verdict.facts[1] == (
        "not tried: a save that is cut off (on darwin no process can be ended in the middle of a file)"
    )
