"""Metrics on predictions, as gates and early stops compute them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, recall_score, roc_auc_score

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.quantities import METRICS
from pytest_mlspec.recipe.scoring import Predictions, metric_value

TARGETS_N = np.array([0, 1, 1, 0, 1, 0])
POSITIVE_N = np.array([0.2, 0.7, 0.4, 0.6, 0.9, 0.1])
PROBABILITIES_NC = np.stack([1 - POSITIVE_N, POSITIVE_N], axis=1)
SHARES_NC = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.8, 0.1, 0.1]])
CLASSES_N = np.array([0, 1, 2, 0, 1])
VALUES_N = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def score(name: str, probabilities_NC: NDArray[Any], targets_N: NDArray[Any], *, positive: int) -> float:
    """The metric `name` of a classifier whose class `positive` counts."""
    classes = tuple(str(number) for number in range(probabilities_NC.shape[1]))
    predictions = Predictions(probabilities_NC.argmax(axis=1), probabilities_NC)
    return metric_value(METRICS[name], targets_N, predictions, classes=classes, counted=positive)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if "binary" in metric.tasks])
def test_every_binary_metric_has_a_value(name: str) -> None:
    """None of them needs more than targets and probabilities."""
    assert math.isfinite(score(name, PROBABILITIES_NC, TARGETS_N, positive=1))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if "multiclass" in metric.tasks])
def test_every_multiclass_metric_has_a_value(name: str) -> None:
    """Also where a class is missing from the predicted labels."""
    assert math.isfinite(score(name, SHARES_NC, CLASSES_N, positive=2))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.reads == "values"])
def test_every_metric_of_values_has_a_value(name: str) -> None:
    """Positive values suit all of them."""
    assert math.isfinite(
        metric_value(METRICS[name], VALUES_N, Predictions(values=VALUES_N + 0.5), classes=(), counted=0)
    )


def test_the_positive_class_is_the_one_that_counts() -> None:
    """Recall, area and Brier score are those of the declared class, whichever number it has."""
    negative_N = TARGETS_N == 0

    assert score("recall", PROBABILITIES_NC, TARGETS_N, positive=0) == pytest.approx(
        recall_score(negative_N, POSITIVE_N < 0.5)
    )
    assert score("roc_auc", PROBABILITIES_NC, TARGETS_N, positive=0) == pytest.approx(
        roc_auc_score(negative_N, 1 - POSITIVE_N)
    )
    assert score("brier_score", PROBABILITIES_NC, TARGETS_N, positive=0) == pytest.approx(
        brier_score_loss(negative_N, 1 - POSITIVE_N)
    )


def test_an_undefined_metric_is_an_error() -> None:
    """One class alone has no area: there is no value to compare with."""
    with pytest.raises(MeasurementError, match="roc_auc is not defined"):
        score("roc_auc", PROBABILITIES_NC, np.ones(6, dtype=np.int64), positive=1)
