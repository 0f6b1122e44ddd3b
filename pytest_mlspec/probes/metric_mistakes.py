"""What a metric that is wrong is instead: the mistakes that are usually made, each with the number that it would give.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.quantities import METRICS
from pytest_mlspec.recipe.protocol import NumpyArray
from pytest_mlspec.recipe.scoring import Predictions, metric_value

Kind = Literal["other_split", "rows", "batches", "averaging"]
Mistaken = tuple[float, str, Kind]

# Each batch costs a call of scikit-learn.
_MOST_BATCHES = 200
_CONFIDENT = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Scored:
    """The targets and predictions of some rows; `counted` is the class that a metric of one class is about."""

    targets_N: NumpyArray
    predictions: Predictions
    classes: tuple[str, ...]
    counted: int

    def take(self, positions: NumpyArray) -> Scored:
        """Those of the rows at `positions`."""
        return replace(self, targets_N=self.targets_N[positions], predictions=self.predictions.take(positions))

    def value(self, metric: str) -> float | None:
        """A metric of the rows; None where it has no value."""
        if not len(self.targets_N):
            return None
        try:
            return metric_value(
                METRICS[metric], self.targets_N, self.predictions, classes=self.classes, counted=self.counted
            )
        except MeasurementError:
            return None


def mistakes(
    metric: str, rows: Scored, splits: Mapping[str, Scored | None], split: str, batch_sizes: Sequence[int]
) -> Iterator[Mistaken]:
    """What `metric` of `rows`, which are of `split`, may have been taken for; the more telling before the others."""
    if metric not in METRICS:  # the declared loss: its value on rows of our choice is not stored
        return
    found: list[tuple[float | None, str, Kind]] = []
    for other, scored in splits.items():
        if scored is not None and (other != split or len(scored.targets_N) != len(rows.targets_N)):
            what = f"that of the split {other}" if other != split else f"that of the whole split {split}"
            found.append((scored.value(metric), what, "other_split"))
    found.extend((rows.value(other), other, "averaging") for other in _others(metric))
    for size in dict.fromkeys(batch_sizes):
        found.extend(_of_batches(metric, rows, size))
    found.extend(_of_fewer(metric, rows))
    yield from ((value, what, kind) for value, what, kind in found if value is not None)


def _others(metric: str) -> Iterator[str]:
    """Metrics of the same task that read the same."""
    one = METRICS[metric]
    yield from (
        name
        for name, other in METRICS.items()
        if name != metric and other.tasks & one.tasks and other.reads == one.reads
    )


def _of_batches(metric: str, rows: Scored, size: int) -> Iterator[tuple[float | None, str, Kind]]:
    count = len(rows.targets_N)
    if size >= count or count % size == 0 or count > size * _MOST_BATCHES:
        return
    values = [rows.take(np.arange(at, min(at + size, count))).value(metric) for at in range(0, count, size)]
    whole = [value for value in values if value is not None]
    if len(whole) == len(values):
        yield float(np.mean(whole)), f"the mean over batches of {size} rows, the last one short", "batches"
    yield rows.take(np.arange(count - count % size)).value(metric), f"that without the last {count % size} rows", "rows"


def _of_fewer(metric: str, rows: Scored) -> Iterator[tuple[float | None, str, Kind]]:
    if not rows.classes:
        return
    for number, label in enumerate(rows.classes):
        yield rows.take(np.flatnonzero(rows.targets_N != number)).value(metric), f"that without class {label}", "rows"
    probabilities_NC = rows.predictions.probabilities
    if probabilities_NC is None:
        return
    sure_N = probabilities_NC.max(axis=1)
    for limit in _CONFIDENT:
        what = f"that of the rows whose answer is surer than {limit}"
        yield rows.take(np.flatnonzero(sure_N > limit)).value(metric), what, "rows"
