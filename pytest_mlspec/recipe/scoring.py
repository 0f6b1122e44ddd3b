"""One metric of scikit-learn on predictions: its value, or MeasurementError where it has none.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.quantities import Metric
from pytest_mlspec.recipe.unsupervised_scores import cluster_value, token_value

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import Inputs, NumpyArray

# What a row of probabilities in single precision may lack of 1.
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Predictions:
    """The predictions for some rows: `labels` [N], and `probabilities` [N, C] where the engine has them; or one of the others.

    `scores` [N, C] rank the rows by each class, where an engine has those in the place of probabilities.
    `values` [N, …], `clusters` [N] with the `inputs` that fall into them, or `tokens` [N, L - 1, 2].
    """

    labels: NumpyArray | None = None
    probabilities: NumpyArray | None = None
    scores: NumpyArray | None = None
    values: NumpyArray | None = None
    clusters: NumpyArray | None = None
    inputs: Inputs | None = None
    tokens: NumpyArray | None = None

    def take(self, positions: NumpyArray) -> Predictions:
        """Those of the rows at `positions`."""

        def taken(part: Any) -> Any:
            if isinstance(part, Mapping):
                return {name: values[positions] for name, values in part.items()}
            return None if part is None else part[positions]

        return Predictions(**{part.name: taken(getattr(self, part.name)) for part in fields(self)})


def as_predictions(
    outputs: NumpyArray,
    kind: str,
    inputs: Inputs,
    *,
    labels: NumpyArray | None = None,
    scores: NumpyArray | None = None,
) -> Predictions:
    """Stored predictions of a `kind` (`TrainingRun.predictions`), as metrics read them.

    `labels` [N] are the decisions where they need not be the most probable class, `scores` [N, C] what ranks the rows where
    there are no probabilities.
    """
    import numpy as np

    match kind:
        case "probabilities":
            return Predictions(labels=outputs.argmax(axis=1) if labels is None else labels, probabilities=outputs)
        case "labels":
            return Predictions(labels=outputs.argmax(axis=1), scores=scores)
        case "clusters":
            return Predictions(clusters=outputs.astype(np.int64), inputs=inputs)
        case "tokens":
            return Predictions(tokens=outputs)
        case _:
            return Predictions(values=outputs)


def metric_value(
    metric: Metric, targets_N: NumpyArray, predictions: Predictions, *, classes: tuple[str, ...], counted: int
) -> float:
    """The value of `metric`; `counted` is the number of the class that a metric of one class is about.

    `classes` is empty for a regression. Raises MeasurementError where scikit-learn gives no finite value, or only warns.
    """
    if predictions.clusters is not None and predictions.inputs is not None:
        return cluster_value(metric, targets_N, predictions.clusters, predictions.inputs)
    if predictions.tokens is not None:
        return token_value(metric, targets_N, predictions.tokens)
    if metric.reads == "values":
        if classes or predictions.values is None:
            raise MeasurementError(f"{metric.name} is a metric of values, and the targets are classes")
        # a row of a reconstruction has many: the metric is over all of them
        return _computed(metric, (targets_N.reshape(-1), predictions.values.reshape(-1)))
    if not classes:
        raise MeasurementError(f"{metric.name} is a metric of classes, and the targets are values")
    if metric.reads == "labels":
        if metric.per_class:
            return _computed(metric, (targets_N == counted, predictions.labels == counted), pos_label=True)
        return _computed(metric, (targets_N, predictions.labels))
    ranks = metric.ranks and predictions.scores is not None
    probabilities_NC = predictions.scores if ranks else _probabilities(predictions, metric)
    assert probabilities_NC is not None, "there are scores to rank by"
    if metric.per_class or metric.function == "brier_score_loss":
        is_counted_N = targets_N == counted
        if metric.per_class:
            _demand_both(is_counted_N, metric, classes[counted])
        return _computed(metric, (is_counted_N, probabilities_NC[:, counted]))
    if metric.function == "roc_auc_score":
        present = {int(number) for number in targets_N}
        absent = [label for number, label in enumerate(classes) if number not in present]
        if absent:
            raise MeasurementError(f"{metric.name} is not defined: no row has the class {absent[0]!r}")
    return _computed(metric, (targets_N, probabilities_NC), labels=list(range(len(classes))))


def _demand_both(is_counted_N: NumpyArray, metric: Metric, label: str) -> None:
    """Raises where a ranking has nothing to rank: all rows have the class, or none has."""
    count = int(is_counted_N.sum())
    if count in (0, len(is_counted_N)):
        held = f"all {count}" if count else f"none of the {len(is_counted_N)}"
        raise MeasurementError(f"{metric.name} is not defined: {held} rows have the class {label!r}")


def _probabilities(predictions: Predictions, metric: Metric) -> NumpyArray:
    """Rows of probabilities that sum to 1 in double precision; raises where the engine has none."""
    import numpy as np

    found = predictions.probabilities
    if found is None:
        raise MeasurementError(
            f"{metric.name} needs probabilities, and the model predicts labels alone",
            advice="wrap it in CalibratedClassifierCV, take an estimator with predict_proba, or gate a metric of labels",
        )
    sums_N = found.sum(axis=1, keepdims=True)
    wrong = np.flatnonzero((np.abs(sums_N - 1) > _SUM_TOLERANCE)[:, 0] | (found < 0).any(axis=1))
    if len(wrong):
        raise MeasurementError(
            f"the predictions are no probabilities: those of one row sum to {sums_N[wrong[0], 0]:.4g}, the lowest is"
            f" {found[wrong[0]].min():.4g}"
        )
    return np.asarray(found / sums_N)


def _computed(metric: Metric, arguments: tuple[Any, Any], **more: object) -> float:
    """The value that scikit-learn gives; raises MeasurementError where it has none."""
    import sklearn.metrics
    from sklearn.exceptions import UndefinedMetricWarning

    function: Callable[..., float] = getattr(sklearn.metrics, metric.function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", UndefinedMetricWarning)
        try:
            value = float(function(*arguments, **dict(metric.options), **more))
        except (UndefinedMetricWarning, ValueError) as error:
            raise MeasurementError(f"{metric.name} is not defined: {str(error).splitlines()[0]}") from error
    if not math.isfinite(value):
        raise MeasurementError(f"{metric.name} is {value}")
    return value
