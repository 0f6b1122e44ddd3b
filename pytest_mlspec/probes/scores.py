"""`Scores`: metrics of stored predictions, computed by scikit-learn on exactly the rows that are asked for.

A metric that has no value (no rows, one class, a division by zero, a prediction that is not finite) is a score with its
reason, never a number. How a metric is called stands in `metric.py`.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_mlspec.errors import DataError, MeasurementError, StoreError, did_you_mean
from pytest_mlspec.evidence import Score, ScoreTable, TrainingRun
from pytest_mlspec.jobs import MetricRequest, Scores
from pytest_mlspec.language.task import task_of
from pytest_mlspec.probes.dummy import Dummy, fitted_dummy
from pytest_mlspec.quantities import METRICS
from pytest_mlspec.recipe.preparation import load_rows
from pytest_mlspec.recipe.protocol import Examples, Prepared, Rows
from pytest_mlspec.recipe.scoring import Predictions, as_predictions, metric_value
from pytest_mlspec.recipe.splitting import column_of
from pytest_mlspec.recipe.targets import label_text
from pytest_mlspec.recipe.work import Result, Stored, Work

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

_CONFUSIONS = 5
_SHOWN_VALUES = 20


def score(job: Scores, work: Work) -> Result:
    """The score of every request, and which classes are confused most on each split."""
    bench = Bench(work, work.prepared, work.needed[job.of], job.of.fold)
    scores = {request.key: bench.score(request) for request in job.requests}
    return Result(ScoreTable(scores, bench.confused()))


@dataclass(frozen=True)
class Bench:
    """What the metrics are computed from: the prepared rows, and the predictions that `stored` holds."""

    work: Work
    prepared: Prepared
    stored: Stored
    fold: int | None = None

    def score(self, request: MetricRequest) -> Score:
        """The metric of one request, or why it has no value."""
        rows = 0
        try:
            examples = self._examples(request.split)
            positions = self._positions(request)
            rows = len(positions)
            predictions = self._dummy(examples) if request.of == "dummy" else self.predictions(request.split)
            targets_N = examples.targets[positions]
            metric = METRICS[request.metric]
            counted = self._class_number(request) if self.prepared.classes else 0
            value = metric_value(
                metric, targets_N, predictions.take(positions), classes=self.prepared.classes, counted=counted
            )
        except (MeasurementError, DataError) as error:
            return Score(None, rows, error.message, error.advice)
        return Score(value, rows)

    def confused(self) -> dict[str, tuple[tuple[str, str, int], ...]]:
        """The pairs (true class, predicted class, rows) that are confused most, by split."""
        if not self.prepared.classes:
            return {}
        found: dict[str, tuple[tuple[str, str, int], ...]] = {}
        for split, examples in self.prepared.splits.items():
            try:
                predicted = self.predictions(split).labels
            except MeasurementError:  # the scores of that split say so
                continue
            assert predicted is not None, "a classification has labels"
            found[split] = _confused(examples.targets, predicted, self.prepared.classes)
        return found

    def predictions(self, split: str) -> Predictions:
        """The stored predictions of the model on a split, checked; raises MeasurementError."""
        import numpy as np

        examples = self._examples(split)
        try:
            outputs = np.asarray(self.stored.array(f"predictions/{split}"), dtype=np.float64)
        except StoreError:
            raise MeasurementError(f"the training stored no predictions for split {split}") from None
        run = self.stored.evidence
        assert isinstance(run, TrainingRun)
        _demand_finite(outputs, self._shape(examples, run.predictions), split, examples)
        beside = {name: self._beside(name, split, len(examples)) for name in ("labels", "scores")}
        return as_predictions(outputs, run.predictions, examples.inputs, **beside)

    def _beside(self, name: str, split: str, rows: int) -> NumpyArray | None:
        """An array [N, …] that some engines store beside the predictions on a split."""
        try:
            found = self.stored.array(f"{name}/{split}")
        except StoreError:
            return None
        if len(found) != rows:
            raise MeasurementError(f"{len(found)} {name} are stored for the {rows} rows of split {split}")
        return found

    def _shape(self, examples: Examples, kind: str) -> tuple[int, ...]:
        """The shape of predictions for `examples`."""
        match kind:
            case "clusters":
                return (len(examples),)
            case "tokens":
                return (len(examples), examples.targets.shape[1] - 1, 2)
            case "values":
                return (len(examples), *examples.targets.shape[1:])
            case _:
                return (len(examples), len(self.prepared.classes))

    @cached_property
    def positive(self) -> int:
        """The number of the class that a binary metric counts: the declared one, or the last."""
        task, classes = self.work.spec.task, self.prepared.classes
        if task is None or task.positive is None:
            return len(classes) - 1
        label = label_text(task.positive)
        if label not in classes:
            raise MeasurementError(f"there is no class {label!r}", advice=did_you_mean(label, classes))
        return classes.index(label)

    @cached_property
    def _raw_rows(self) -> Mapping[str, Rows]:
        return load_rows(self.work.recipe, fold=self.fold)

    @cached_property
    def _dummy(self) -> Dummy:
        return fitted_dummy(self.prepared, task_of(self.work.spec))

    def _examples(self, split: str) -> Examples:
        if split not in self.prepared.splits:
            known = ", ".join(self.prepared.splits)
            raise MeasurementError(f"there is no split {split!r}", advice=f"splits: {known}")
        return self.prepared.splits[split]

    def _positions(self, request: MetricRequest) -> NumpyArray:
        """The positions within the split of the rows that the request asks for."""
        import numpy as np

        examples = self._examples(request.split)
        chosen = np.ones(len(examples), dtype=bool)
        if request.where:
            rows = self._raw_rows.get(request.split)
            if rows is None or not np.array_equal(rows.index, examples.index):
                raise MeasurementError(
                    f"the rows of split {request.split} were others when they were loaded again",
                    advice="make load and split give the same rows in the same order each time: seed what they draw",
                )
            for column, value in request.where:
                chosen &= _matches(rows, column, value, request.split)
        if not chosen.any():
            asked = " and ".join(f"{column}={value}" for column, value in request.where)
            raise MeasurementError(f"0 rows of split {request.split}{f' have {asked}' if asked else ''}")
        return np.flatnonzero(chosen)

    def _class_number(self, request: MetricRequest) -> int:
        """The class that a metric of one class counts: the one asked for, the positive one, or the last."""
        classes, label = self.prepared.classes, request.class_label
        if label is None:
            return self.positive
        if label not in classes:
            raise MeasurementError(f"there is no class {label!r}", advice=did_you_mean(label, classes))
        return classes.index(label)


def _matches(rows: Rows, column: str, value: str, split: str) -> NumpyArray:
    """Which rows read `value` in a raw column; raises MeasurementError where none does, with the values that there are."""
    import numpy as np

    values = column_of(rows, column, key="gates")
    texts = np.array(
        [None if missing else label_text(each) for each, missing in zip(values.tolist(), values.isna(), strict=True)],
        dtype=object,
    )
    matching: NumpyArray = texts == value
    if not matching.any():
        known = sorted({text for text in texts.tolist() if text is not None})
        few = len(known) <= _SHOWN_VALUES
        advice = f"values: {', '.join(known)}" if few else did_you_mean(value, known)
        raise MeasurementError(f"0 rows of split {split} have {column}={value}", advice=advice)
    return matching


def _demand_finite(values: NumpyArray, shape: tuple[int, ...], split: str, examples: Examples) -> None:
    """Raises unless there is a finite prediction for each row, of each class where they are probabilities."""
    import numpy as np

    if values.shape != shape:
        raise MeasurementError(
            f"the predictions for split {split} have the shape {list(values.shape)}, and {list(shape)} is needed"
        )
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(bad):
        row = examples.index[bad[0]]
        raise MeasurementError(f"{len(bad)} predictions for split {split} are not finite, the first for row {row}")


def _confused(
    targets_N: NumpyArray, predicted_N: NumpyArray, classes: tuple[str, ...]
) -> tuple[tuple[str, str, int], ...]:
    import numpy as np

    counts_CC = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts_CC, (targets_N, predicted_N), 1)
    np.fill_diagonal(counts_CC, 0)
    order = np.argsort(-counts_CC, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(position), len(classes)) for position in order]
    return tuple(
        (classes[true], classes[other], int(counts_CC[true, other])) for true, other in pairs if counts_CC[true, other]
    )
