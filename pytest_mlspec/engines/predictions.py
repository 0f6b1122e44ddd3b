"""Predictions in the one form that every engine stores: checked, with their digest, and a loss where none is declared.

    kind            array                                                  loss
    probabilities   [N, C], rows that sum to 1                             log loss
    labels          [N, C], 1 for the predicted class, 0 for the others    share of wrong rows
    values          [N], or [N, …] in the shape of the inputs              mean squared error
    clusters        [N], the number of the cluster                         that of `clusters.py`
    tokens          [N, L - 1, 2], as `own_targets.py` says                the declared one

Beside probabilities, `labels/<split>` [N] holds the decisions of an estimator that need not be the most probable class; beside
labels, `scores/<split>` [N, C] what its `decision_function` ranks the rows by.

Shape letters: N rows, C classes, L positions of a text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.errors import RecipeError, TrainingError

FloatArray = NDArray[np.float64]
Kind = Literal["probabilities", "labels", "values", "clusters", "tokens"]

LABELS, SCORES = "labels", "scores"
"""Before the name of a split: what is stored beside its predictions."""

START_NOTE = "the loss before training is that of the best constant prediction"
"""What an engine notes that sees no model before its fit."""

# What a row of probabilities in single precision may lack of 1.
_SUM_TOLERANCE = 1e-4


def checked(
    outputs: Any, *, kind: Kind, rows: int, classes: int, source: str, key: str, row: tuple[int, ...] = ()
) -> FloatArray:
    """`outputs` as predictions for `rows` rows; `row` is the shape of the values of one.

    `source` names what made them, `key` where it stands in the spec. Raises RecipeError where shape or sums do not fit the
    kind, TrainingError where a value is not finite.
    """
    try:
        values = np.array(outputs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{source} gives a {type(outputs).__name__}, not an array of numbers", key=key) from error
    one_a_row = kind in ("values", "clusters")
    expected = (rows, *row) if one_a_row else (rows, classes)
    if values.shape == (rows, 1) and expected == (rows,):
        values = values[:, 0]
    if values.shape != expected:
        wanted = "the shape of the inputs" if row else "one value a row"
        wanted = wanted if one_a_row else f"the probabilities of {classes} classes"
        raise RecipeError(
            f"{source} gives an array of shape {list(values.shape)}, expected {list(expected)}: {wanted}", key=key
        )
    demand_finite(values, source=source, key=key)
    if not one_a_row:
        _check_sums(values, source, key)
    return values


def demand_finite(values: FloatArray, *, source: str, key: str) -> None:
    """Raises TrainingError where a prediction [N, …] is not finite."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise TrainingError(
            f"{source} gives {values[tuple(bad[0])]} for row {int(bad[0][0]) + 1} of {len(values)}",
            key=key,
            advice="look at the check `data`: is every input finite?",
        )


def _check_sums(probabilities_NC: FloatArray, source: str, key: str) -> None:
    sums_N = probabilities_NC.sum(axis=1)
    wrong = np.flatnonzero((np.abs(sums_N - 1) > _SUM_TOLERANCE) | (probabilities_NC.min(axis=1) < 0))
    if len(wrong):
        row = probabilities_NC[wrong[0]]
        raise RecipeError(
            f"{source} gives no probabilities: row {wrong[0]} sums to {row.sum():.6g}, its lowest value is {row.min():.6g}",
            key=key,
            advice="give the probability of each class; apply a softmax to logits",
        )


def as_arrays(predictions: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The predictions under the names that they are stored by: `predictions/<split>`."""
    return {f"predictions/{split}": values for split, values in predictions.items()}


def digest(predictions: Mapping[str, FloatArray]) -> str:
    """SHA-256 over name, shape and bytes of the predictions of every split: equal only for equal bits."""
    found = hashlib.sha256()
    for split, values in sorted(predictions.items()):
        found.update(f"{split} {values.dtype}{list(values.shape)}\n".encode())
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def loss(predicted: FloatArray, targets_N: NDArray[Any], kind: Kind) -> float:
    """The loss of predictions, mean over rows, as the table above defines it.

    Probabilities below the spacing of float64 at 1 count as that, as in `sklearn.metrics.log_loss`.
    """
    if kind == "values":
        return float(np.mean((predicted - targets_N) ** 2))
    of_target_N = predicted[np.arange(len(targets_N)), targets_N]
    if kind == "labels":
        return float(np.mean(1 - of_target_N))
    return float(-np.mean(np.log(np.clip(of_target_N, np.finfo(np.float64).eps, 1))))


def best_constant(targets_N: NDArray[Any], kind: Kind, classes: int) -> FloatArray:
    """The one prediction with the lowest loss: class shares [C], the commonest class [C], or the mean, [1] or of each column."""
    if kind == "values":
        return np.atleast_1d(np.mean(targets_N, axis=0, dtype=np.float64))
    shares_C = np.bincount(targets_N, minlength=classes) / len(targets_N)
    return np.eye(classes)[shares_C.argmax()] if kind == "labels" else shares_C


def loss_of_constant(constant: FloatArray, targets_N: NDArray[Any], kind: Kind) -> float:
    """The loss where every row gets the prediction `constant`, as `best_constant` returns it."""
    shape = targets_N.shape if kind == "values" else (len(targets_N), len(constant))
    return loss(np.broadcast_to(constant, shape), targets_N, kind)
