"""`resumes`: a training that was interrupted, saved and restored ends as one that was not, to the last bit."""

from __future__ import annotations

from pydantic import Field

from pytest_mlspec.check import Params, Status, Verdict, at_most, check, errored, passed, within
from pytest_mlspec.checks.equality import compared, first_difference, incomparable, parting
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Resume, Train

REFERENCE = "the uninterrupted one"
SUBJECT = "the resumed training"


class ResumesParams(Params):
    """`at` is the share of the steps after which the training is interrupted; `steps` null is the declared length."""

    at: float = Field(0.5, gt=0, lt=1)
    steps: int | None = Field(None, ge=1)


@check("resumes", needs=lambda p: {"run": Train(steps=p.steps), "resumed": Resume(at=p.at, steps=p.steps)})
def resumes(params: ResumesParams, run: TrainingRun, resumed: TrainingRun) -> Verdict:
    """A training that is interrupted and resumed equals an uninterrupted one to the last bit."""
    return _judged(run, resumed).on(n=run.steps, seed=run.seed, device=run.device)


def _judged(run: TrainingRun, resumed: TrainingRun) -> Verdict:
    if error := incomparable(run, resumed, reference=REFERENCE, subject=SUBJECT):
        return error
    if resumed.resumed_at is None:
        return errored("the training was not interrupted: it does not say at which step it resumed")
    if within(resumed.resumed_at, 1, run.steps - 1).status is not Status.PASSED:
        return errored(f"resumed at step {resumed.resumed_at} of {run.steps}: nothing before or nothing after it")
    at = resumed.resumed_at
    difference = parting(run, resumed, reference=REFERENCE, subject=SUBJECT, mark=f" (resumed at {at})")
    if difference is None:
        return passed(f"{compared(run)}: equal to the last bit, resumed at step {at}")
    step = first_difference(run, resumed)
    if step is not None and at_most(step, at).status is Status.PASSED:
        return difference.explained(
            "they differ before the interruption: two trainings with this seed are not equal at all",
            advice="look at `reproducible` first",
        )
    return difference.explained(
        advice="what save and restore may leave out: moments of the optimizer, the schedule or the epoch, the state of random "
        "generators, buffers; or gradients that are not cleared before a step"
    )
