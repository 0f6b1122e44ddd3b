"""What a metric of the team's own `evaluate` should be: scikit-learn's, of the predictions that the training stored.

A name that leaves something open (the average of an `f1` of many classes, the class that is positive where none is declared)
may stand for any of its quantities. What a number is instead is looked for among the mistakes that are usually made.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.evidence import OwnMetric, TrainingRun
from pytest_mlspec.probes.evaluation_names import is_loss, is_negated, meant
from pytest_mlspec.probes.metric_mistakes import Scored, mistakes
from pytest_mlspec.probes.scores import Bench
from pytest_mlspec.quantities import METRICS, Metric
from pytest_mlspec.recipe.protocol import Examples, NumpyArray
from pytest_mlspec.recipe.scoring import Predictions, as_predictions, metric_value

Case = Literal["whole", "fewer"]

# Differences that other batches, single precision and a clamp of probabilities explain, relative to max(1, |metric|); of values
# that have a unit, relative to the metric itself.
_ALLOWED: Mapping[str, float] = {"labels": 1e-6, "probabilities": 1e-3, "values": 1e-4, "tokens": 1e-3}
# A decision between two classes that are so close may fall otherwise.
_CLOSE = 1e-5
_FEWEST_DECIMALS, _MOST_DECIMALS = 3, 6
_LOSSES = ("log_loss", "mean_squared_error", "mean_absolute_error")
# Its argument is no part of its name.
_OPEN = frozenset({"top_k_accuracy"})


def plainly_known(name: str, task: str) -> bool:
    """Whether the name of a metric says what it is."""
    return is_loss(name) or any(metric not in _OPEN for metric in meant(name, task))


@dataclass(frozen=True)
class Expected:
    """Holds the numbers of `evaluate` on `splits` against scikit-learn's.

    `fresh` answers anew, for a model that was fitted again; else the predictions are those that are stored.
    """

    bench: Bench
    splits: Mapping[str, Examples]
    run: TrainingRun
    fresh: Callable[[Any], NumpyArray] | None = None
    _read: dict[str, Predictions] = field(default_factory=dict, init=False, repr=False)

    def held(
        self, found: Mapping[str, float], split: str, positions_M: NumpyArray | None, case: Case
    ) -> Iterator[OwnMetric]:
        """Each number whose name is known, of the rows at `positions_M` of `split`, or of all of them."""
        task = self.bench.work.recipe.task
        for name, value in found.items():
            if plainly_known(name, task):
                yield self._held(name, -value if is_negated(name) else value, split, positions_M, case)

    def fewer(self, split: str) -> NumpyArray | None:
        """The rows of a part of `split`, worst answers last, so many that a short last batch has one; None for too few rows."""
        try:
            badness_N = self._badness(split)
        except MeasurementError:
            return None
        rows, batch = len(badness_N), self.bench.work.spec.train.batch_size
        size = rows - 1 - (rows - 2) % batch if rows > batch + 1 else rows - 1
        if size < 2:
            return None
        order_N = np.argsort(badness_N, kind="stable")
        # The first of each class stays, so that a metric that needs every class has them.
        targets_N = self.splits[split].targets
        kept = np.zeros(rows, dtype=bool)
        if self.bench.prepared.classes:
            kept[np.unique(targets_N, return_index=True)[1]] = True
        dropped = [position for position in order_N if not kept[position]][: rows - size]
        part: NumpyArray = order_N[~np.isin(order_N, dropped)]
        return part if len(part) == size else None

    def _held(self, name: str, value: float, split: str, positions_M: NumpyArray | None, case: Case) -> OwnMetric:
        rows = len(self.splits[split]) if positions_M is None else len(positions_M)
        try:
            scored = self.scored(split, positions_M)
            expected = list(self._candidates(name, split, scored, whole=positions_M is None))
        except MeasurementError as error:
            return OwnMetric(name, split, case, value, name, None, 0.0, rows, unscored=error.message)
        if not expected:
            return OwnMetric(name, split, case, value, name, None, 0.0, rows, unscored="it has no value on these rows")
        agreeing = [each for each in expected if _agrees(value, each[1], each[2], METRICS.get(each[0]))]
        metric, closest, allowed = agreeing[0] if agreeing else min(expected, key=lambda each: abs(each[1] - value))
        if agreeing:
            # Of one that is written in percent, or rounded, the plain value is told.
            return OwnMetric(name, split, case, closest, metric, closest, allowed, rows)
        like, mistake = "", ""
        of_loss = next(iter(self._loss), metric) if is_loss(name) else metric
        for other, what, kind in mistakes(
            of_loss, scored, {other: self._scored_or_none(other) for other in self.splits}, split, self._batch_sizes
        ):
            if _agrees(value, other, allowed, METRICS.get(of_loss)):
                like, mistake = what, kind
                break
        if is_loss(name) and not mistake:
            reason = "it is another loss than the declared one, which only the team knows"
            return OwnMetric(name, split, case, value, metric, None, 0.0, rows, unscored=reason)
        return OwnMetric(name, split, case, value, metric, closest, allowed, rows, like, mistake)  # type: ignore[arg-type]

    def scored(self, split: str, positions_M: NumpyArray | None = None) -> Scored:
        """The targets and predictions of rows of `split`."""
        predictions, targets_N = self._predictions(split), self.splits[split].targets
        if positions_M is not None:
            predictions, targets_N = predictions.take(positions_M), targets_N[positions_M]
        return Scored(targets_N, predictions, self.bench.prepared.classes, self._counted)

    def _scored_or_none(self, split: str) -> Scored | None:
        try:
            return self.scored(split)
        except MeasurementError:
            return None

    def _candidates(self, name: str, split: str, scored: Scored, *, whole: bool) -> Iterator[tuple[str, float, float]]:
        """The quantities that `name` may stand for: each with its value, and the difference that is allowed."""
        if is_loss(name) and whole and split in self.run.losses:
            loss = self.run.losses[split]
            yield "loss", loss, _ALLOWED["probabilities"] * max(1.0, abs(loss))
        known = meant(name, self.bench.work.recipe.task)
        for each in dict.fromkeys((*known, *(self._loss if is_loss(name) else ()))):
            metric = METRICS[each]
            for counted in self._positives if metric.per_class else (self._counted,):
                value = metric_value(
                    metric, scored.targets_N, scored.predictions, classes=scored.classes, counted=counted
                )
                yield each, value, _allowed(metric, value, scored)

    @cached_property
    def _loss(self) -> tuple[str, ...]:
        """The metric that the declared loss is, where one of them has its value on some split."""
        for split, loss in self.run.losses.items():
            scored = self._scored_or_none(split) if split in self.splits else None
            for metric in _LOSSES if scored is not None else ():
                value = scored.value(metric) if scored is not None else None
                if value is not None and abs(value - loss) <= _ALLOWED["probabilities"] * max(1.0, abs(loss)):
                    return (metric,)
        return ()

    @cached_property
    def _counted(self) -> int:
        return self.bench.positive if self.bench.prepared.classes else 0

    @property
    def _positives(self) -> tuple[int, ...]:
        """The classes that may count as positive: the declared one, or any of two."""
        task = self.bench.work.spec.task
        classes = len(self.bench.prepared.classes)
        undeclared = classes == 2 and (task is None or task.positive is None)
        return (self._counted, 1 - self._counted) if undeclared else (self._counted,)

    @property
    def _batch_sizes(self) -> tuple[int, ...]:
        return (
            self.bench.work.spec.train.batch_size,
            *(2**power for power in range(2, 12)),
            10,
            50,
            100,
            200,
            500,
            1000,
        )

    def _predictions(self, split: str) -> Predictions:
        """In the unit of the targets that `evaluate` is given; read, or made, once."""
        if split not in self._read:
            self._read[split] = self._predicted(split)
        return self._read[split]

    def _predicted(self, split: str) -> Predictions:
        examples = self.splits[split]
        if self.fresh is None:
            found = self.bench.predictions(split)
        else:
            found = as_predictions(self.fresh(examples.inputs), self.run.predictions, examples.inputs)
        source = self.bench.prepared.splits[split]
        if found.values is not None and not np.array_equal(source.targets, examples.targets):
            raise MeasurementError("its targets are scaled, and the stored predictions are not")
        return found

    def _badness(self, split: str) -> NumpyArray:
        """How badly each row is answered."""
        scored = self.scored(split)
        predictions, targets_N = scored.predictions, scored.targets_N
        if predictions.labels is not None:
            wrong_N = (predictions.labels != targets_N).astype(np.float64)
            if predictions.probabilities is not None:
                wrong_N = 2 * wrong_N - predictions.probabilities[np.arange(len(targets_N)), targets_N]
            return np.asarray(wrong_N)
        if predictions.values is None:
            raise MeasurementError("nothing tells which rows are answered badly")
        errors_N: NumpyArray = np.abs(predictions.values - targets_N).reshape(len(targets_N), -1).sum(axis=1)
        return errors_N


def _allowed(metric: Metric, value: float, scored: Scored) -> float:
    relative = _ALLOWED.get(metric.reads, _ALLOWED["probabilities"])
    if metric.reads != "labels":
        has_unit = metric.reads == "values" and metric.highest != 1.0
        return relative * (abs(value) if has_unit else max(1.0, abs(value)))
    probabilities = scored.predictions.probabilities
    close = 0
    if probabilities is not None and probabilities.shape[1] > 1:
        top = np.sort(probabilities, axis=1)[:, -2:]
        close = int((top[:, 1] - top[:, 0] < _CLOSE).sum())
    # One answer is one row of a share, and may be more of a mean over classes, one of which has few rows.
    weight = 1 if metric.share else len(scored.classes)
    return relative * max(1.0, abs(value)) + weight * close / len(scored.targets_N)


def _agrees(value: float, expected: float, allowed: float, metric: Metric | None) -> bool:
    """Whether a number is `expected`: as it is, rounded to three decimals or more, or in percent."""
    if abs(value - expected) <= allowed or _is_rounded(value, expected, _FEWEST_DECIMALS):
        return True
    is_share = metric is not None and metric.lowest >= -1 and metric.highest == 1.0
    if is_share and abs(value) > 1:
        return abs(value / 100 - expected) <= allowed or _is_rounded(value, 100 * expected, _FEWEST_DECIMALS - 2)
    return False


def _is_rounded(value: float, expected: float, fewest: int) -> bool:
    return any(round(expected, decimals) == value for decimals in range(fewest, _MOST_DECIMALS + 1))
