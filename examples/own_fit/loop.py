"""A team's whole training loop, from arrays to a fitted model. Only `load`, `fit` and `predict` are known outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sklearn.datasets import load_diabetes

from pytest_mlspec.recipe.protocol import Examples


@dataclass
class RidgeByGradientDescent:
    """Weights [F] and a bias; `history` holds the mean squared error of each pass over the training rows."""

    weights: np.ndarray
    bias: float
    history: list[float] = field(default_factory=list)


def load() -> tuple[np.ndarray, np.ndarray]:
    """442 patients: ten measurements each, and how far the disease has gone a year later."""
    features, target = load_diabetes(return_X_y=True)
    return features, target


def fit(examples: Mapping[str, Examples], *, seed: int, passes: int = 400, rate: float = 0.1) -> RidgeByGradientDescent:
    """Gradient descent on the squared error with a small ridge, from random weights."""
    inputs, targets = np.asarray(examples["train"].inputs), examples["train"].targets
    draw = np.random.default_rng(seed)
    model = RidgeByGradientDescent(draw.normal(scale=0.1, size=inputs.shape[1]), float(targets.mean()))
    for _ in range(passes):
        error = inputs @ model.weights + model.bias - targets
        model.history.append(float(np.mean(error**2)))
        model.weights -= rate * (2 * inputs.T @ error / len(error) + 1e-3 * model.weights)
        model.bias -= rate * 2 * float(error.mean())
    return model


def predict(model: RidgeByGradientDescent, inputs: np.ndarray) -> np.ndarray:
    """The predicted values [N] of inputs [N, 10]."""
    return np.asarray(inputs @ model.weights + model.bias)
