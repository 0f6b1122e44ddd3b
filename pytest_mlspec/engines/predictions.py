"""Predictions in the one form that every engine stores: checked, with their digest, and a loss where none is declared.

    kind            array                                                  loss
    probabilities   [N, C], rows that sum to 1                             log loss
    labels          [N, C], 1 for the predicted class, 0 for the others    share of wrong rows
    values          [N]                                                    mean squared error

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.errors import RecipeError, TrainingError

FloatArray = NDArray[np.float64]
Kind = Literal["probabilities", "labels", "values"]

START_NOTE = "the loss before training is that of the best constant prediction"
"""What an engine notes that sees no model before its fit."""

# What a row of probabilities in single precision may lack of 1.
_SUM_TOLERANCE = 1e-4


def checked(outputs: Any, *, kind: Kind, rows: int, classes: int, source: str, key: str) -> FloatArray:
    """`outputs` as predictions for `rows` rows.

    `source` names what made them, `key` where it stands in the spec. Raises RecipeError where shape or sums do not fit the
    kind, TrainingError where a value is not finite.
    """
    try:
        values = np.array(outputs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{source} gives a {type(outputs).__name__}, not an array of numbers", key=key) from error
    expected = (rows,) if kind == "values" else (rows, classes)
    if values.shape == (rows, 1) and kind == "values":
        values = values[:, 0]
    if values.shape != expected:
        wanted = "one value a row" if kind == "values" else f"the probabilities of {classes} classes"
        raise RecipeError(
            f"{source} gives an array of shape {list(values.shape)}, expected {list(expected)}: {wanted}", key=key
        )
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row = int(bad[0][0])
        raise TrainingError(
            f"{source} gives {values[tuple(bad[0])]} for row {row + 1} of {rows}",
            key=key,
            advice="look at the check `data`: is every input finite?",
        )
    if kind != "values":
        _check_sums(values, source, key)
    return values


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
    """The one prediction with the lowest loss on `targets_N`: class shares [C], the commonest class [C], or the mean [1]."""
    if kind == "values":
        return np.array([np.mean(targets_N, dtype=np.float64)])
    shares_C = np.bincount(targets_N, minlength=classes) / len(targets_N)
    return np.eye(classes)[shares_C.argmax()] if kind == "labels" else shares_C


def loss_of_constant(constant: FloatArray, targets_N: NDArray[Any], kind: Kind) -> float:
    """The loss where every row gets the prediction `constant`, as `best_constant` returns it."""
    rows = len(targets_N)
    predicted = np.full(rows, constant[0]) if kind == "values" else np.broadcast_to(constant, (rows, len(constant)))
    return loss(predicted, targets_N, kind)
