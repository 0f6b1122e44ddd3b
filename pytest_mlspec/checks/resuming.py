"""`resumes`: a training that was interrupted, saved and restored ends as one that was not, to the last bit.

Where the recipe gives its own `save` and `restore`, these are what is used, and tried further: everything is back in a new
state, what was saved stays what it was, and a save that was cut off leaves one of two whole checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from pytest_mlspec.check import (
    Params,
    Status,
    Verdict,
    at_most,
    check,
    errored,
    failed,
    first_red,
    listed,
    passed,
    within,
)
from pytest_mlspec.checks.equality import compared, first_difference, incomparable, parting
from pytest_mlspec.evidence import RoundTripped, TrainingRun
from pytest_mlspec.jobs import Resume, RoundTrip, Train

REFERENCE = "the uninterrupted one"
SUBJECT = "the resumed training"

_WHOLE_OR_NOT_AT_ALL = (
    "write to a temporary file in the same directory, flush it to the disk (os.fsync), then os.replace it over the old one; "
    "with several files, write a new directory and rename that"
)


class ResumesParams(Params):
    """`at` is the share of the steps after which the training is interrupted; `steps` null is the declared length.

    `torn: false` where nothing ends a process that is saving, or something else keeps an older checkpoint.
    """

    at: float = Field(0.5, gt=0, lt=1)
    steps: int | None = Field(None, ge=1)
    torn: bool = True


def _needs(params: ResumesParams) -> dict[str, Train | Resume | RoundTrip]:
    return {
        "run": Train(steps=params.steps),
        "resumed": Resume(at=params.at, steps=params.steps),
        "checkpoint": RoundTrip(),
    }


@check("resumes", needs=_needs)
def resumes(params: ResumesParams, run: TrainingRun, resumed: TrainingRun, checkpoint: RoundTripped) -> Verdict:
    """A training that is interrupted and resumed equals an uninterrupted one to the last bit."""
    judged, of_checkpoint = _judged(run, resumed), list(_round_trip(params, checkpoint))
    plainer = [verdict for verdict in of_checkpoint if verdict.status.red]
    return (
        first_red(*plainer, judged)
        .on(n=run.steps, seed=run.seed, device=run.device)
        .explained(*_told(params, checkpoint))
    )


def _round_trip(params: ResumesParams, checkpoint: RoundTripped) -> Iterator[Verdict]:
    """What is wrong with the team's own save and restore, the plainest first: each explains those after it."""
    if checkpoint.unasked:
        return
    if checkpoint.failed:
        yield failed(f"what was just saved cannot be restored: {checkpoint.failed}").explained(
            advice="restore is given a new state, and the directory that save wrote to", finding="resumes.missing"
        )
        return
    if not checkpoint.compared:
        yield errored("nothing of a restored training was compared")
        return
    after = f"after save and restore at step {checkpoint.steps}"
    if checkpoint.lost:
        yield failed(
            f"{_counted(checkpoint.lost, checkpoint.compared)} not what {'it was' if len(checkpoint.lost) == 1 else 'they were'}"
            f" {after}: {listed(checkpoint.lost)}"
        ).explained(
            "the restored model gives other outputs" if at_most(checkpoint.outputs, 0).status.red else "",
            advice="save and restore all of it, strictly: load_state_dict(..., strict=False) hides what a file lacks; the"
            " optimizer, the schedule, state.step and state.epoch belong to it",
            finding="resumes.missing"
            if any(name.startswith("model.") for name in checkpoint.lost)
            else "resumes.state",
        )
        return
    yield at_most(checkpoint.outputs, 0, of=f"the outputs of the restored model differ {after} by").explained(
        advice="something that the model computes with is no parameter and no persistent buffer",
        finding="resumes.state",
    )
    if checkpoint.moved:
        yield failed(
            f"what was saved moved with the training: one step later {listed(checkpoint.moved)} are others"
        ).explained(
            advice="state_dict() gives the live tensors: copy them (copy.deepcopy), or write them to the directory at once",
            finding="resumes.alias",
        )
    wrong = {place: what for place, what in checkpoint.torn.items() if what} if params.torn else {}
    if wrong:
        place, what = next(iter(wrong.items()))
        yield failed(f"a save that is cut off {place} leaves no whole checkpoint: {what}").explained(
            f"so at {len(wrong)} of {len(checkpoint.torn)} places", advice=_WHOLE_OR_NOT_AT_ALL, finding="resumes.torn"
        )


def _told(params: ResumesParams, checkpoint: RoundTripped) -> tuple[str, ...]:
    if checkpoint.unasked or checkpoint.failed:
        return ()
    places = f"cut off at {len(checkpoint.torn)} places, a save left a whole checkpoint each time"
    untorn = f"not tried: a save that is cut off ({checkpoint.not_torn or 'it writes too little'})"
    whole = checkpoint.torn and not any(checkpoint.torn.values())
    return (
        f"the team's own save and restore: {checkpoint.compared} tensors and values compared",
        "" if not params.torn else places if whole else untorn if not checkpoint.torn else "",
    )


def _counted(names: tuple[str, ...], compared: int) -> str:
    return f"{len(names)} of {compared} tensors and values {'is' if len(names) == 1 else 'are'}"


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
            finding="reproducible.differs",
        )
    return difference.explained(
        advice="what save and restore may leave out: moments of the optimizer, the schedule or the epoch, the state of random "
        "generators, buffers; or gradients that are not cleared before a step",
        finding="resumes.differs",
    )
