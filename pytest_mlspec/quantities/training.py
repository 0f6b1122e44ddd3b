"""What a training reports of itself: its time."""

from __future__ import annotations

from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.quantities.measures import NoSelectors, Reading, quantity


@quantity("train.seconds", unit="s", higher_is_better=False)
def seconds(of: NoSelectors, run: TrainingRun) -> Reading:
    """Wall-clock time of the training, preparation left out."""
    if not run.seconds:
        return Reading(None, missing=f"the engine {run.engine} reports no time of a training")
    return Reading(run.seconds)
