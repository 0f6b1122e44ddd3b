"""What a training reports of itself: its time."""

from __future__ import annotations

from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.quantities.measures import NoSelectors, quantity


@quantity("train.seconds", unit="s", higher_is_better=False)
def seconds(of: NoSelectors, run: TrainingRun) -> float:
    """Wall-clock time of the training, preparation left out."""
    return run.seconds
