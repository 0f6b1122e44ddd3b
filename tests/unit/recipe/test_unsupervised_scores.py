"""Metrics of clusters and of tokens: those of scikit-learn, or none where they would mean nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.quantities import CLUSTERING, METRICS
from pytest_mlspec.recipe.scoring import Predictions, as_predictions, metric_value

DRAW = np.random.default_rng(0)
INPUTS = DRAW.random((12, 3))
CLUSTERS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 1])
CLASSES = np.array([0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0])
IDS = np.array([[2, 3, 4], [3, 4, 0]])
LOSSES, LIKELIEST = [[0.5, 1.0], [2.0, 99.0]], [[3.0, 5.0], [4.0, 7.0]]
TOKENS = np.stack([LOSSES, LIKELIEST], axis=2)
OF_CLUSTERS = sorted(name for name, metric in METRICS.items() if metric.tasks == CLUSTERING)


def score(name: str, clusters: Any = CLUSTERS, targets: Any = CLASSES, inputs: Any = INPUTS) -> float:
    predictions = as_predictions(np.asarray(clusters, dtype=np.float64), "clusters", inputs)
    return metric_value(METRICS[name], targets, predictions, classes=(), counted=0)


@pytest.mark.parametrize("name", OF_CLUSTERS)
def test_every_metric_of_clusters_is_that_of_scikit_learn(name: str) -> None:
    """On the classes, or on the prepared inputs; and within the range that is stated."""
    first = {"clusters": CLASSES, "inputs": INPUTS}[METRICS[name].reads]
    value = score(name)

    assert value == pytest.approx(getattr(metrics, METRICS[name].function)(first, CLUSTERS))
    assert METRICS[name].lowest <= value <= METRICS[name].highest


@pytest.mark.parametrize("name", OF_CLUSTERS)
@pytest.mark.parametrize(
    ("clusters", "message"),
    [(np.zeros(12), "all rows are in one cluster"), (np.arange(12), "each of the 12 rows is a cluster of its own")],
)
def test_clusters_that_tell_nothing_have_no_score(name: str, clusters: Any, message: str) -> None:
    """Completeness of one cluster is 1, and so is homogeneity of as many as rows: neither is a number here."""
    with pytest.raises(MeasurementError, match=message):
        score(name, clusters)


def test_agreement_needs_classes() -> None:
    """Without a target there are none."""
    with pytest.raises(MeasurementError, match="compares with classes, and the rows have none"):
        score("v_measure_score", targets=np.empty((12, 0)))


def test_distances_need_numbers() -> None:
    """A column of text has none; columns by name count together."""
    columns = {name: INPUTS[:, position] for position, name in enumerate("abc")}

    assert score("silhouette_score", inputs=columns) == pytest.approx(score("silhouette_score"))
    with pytest.raises(MeasurementError, match="the prepared column 'plan' holds text"):
        score("silhouette_score", inputs={**columns, "plan": np.array(["x"] * 12, dtype=object)})


def test_perplexity_is_over_the_predicted_tokens() -> None:
    """Padding does not count, nor does the first token."""
    predictions = as_predictions(TOKENS, "tokens", IDS)

    assert metric_value(METRICS["perplexity"], IDS, predictions, classes=(), counted=0) == pytest.approx(
        math.exp((0.5 + 1.0 + 2.0) / 3)
    )
    assert metric_value(METRICS["token_accuracy"], IDS, predictions, classes=(), counted=0) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("ids", "tokens", "message"),
    [
        (IDS, TOKENS + np.array([800.0, 0.0]), "perplexity is inf"),
        (IDS * [[1, 0, 0]], TOKENS, "there is no token to predict"),
    ],
)
def test_a_perplexity_that_is_no_number_is_an_error(ids: Any, tokens: Any, message: str) -> None:
    """A bound on it would be broken or met by nothing."""
    with pytest.raises(MeasurementError, match=message):
        metric_value(METRICS["perplexity"], ids, Predictions(tokens=tokens), classes=(), counted=0)


def test_a_reconstruction_is_measured_over_all_values() -> None:
    """As one column, whatever the shape of a row."""
    values = INPUTS.reshape(12, 3, 1)
    predictions = as_predictions(values + 0.1 * np.sign(DRAW.random(values.shape) - 0.5), "values", INPUTS)

    assert metric_value(METRICS["mean_absolute_error"], values, predictions, classes=(), counted=0) == pytest.approx(
        0.1
    )
    assert metric_value(METRICS["r2"], values, predictions, classes=(), counted=0) == pytest.approx(
        1 - 0.01 / INPUTS.var(), rel=1e-5
    )


def test_rows_are_taken_from_every_part() -> None:
    """Inputs by name among them."""
    predictions = as_predictions(CLUSTERS.astype(np.float64), "clusters", {"a": INPUTS})
    taken = predictions.take(np.array([3, 1]))

    assert taken.clusters is not None
    assert isinstance(taken.inputs, dict)
    assert taken.clusters.tolist() == [0, 1]
    np.testing.assert_array_equal(taken.inputs["a"], INPUTS[[3, 1]])
