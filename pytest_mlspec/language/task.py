"""What is learned: declared, or following from the source or the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec

_OF_SOURCE: Mapping[str, str] = {
    "sklearn.breast_cancer": "binary",
    "sklearn.diabetes": "regression",
    "sklearn.digits": "multiclass",
    "sklearn.iris": "multiclass",
    "sklearn.wine": "multiclass",
}

_OF_LOSS: Mapping[str, str] = {
    "binary_cross_entropy": "binary",
    "binary_cross_entropy_with_logits": "binary",
    "huber": "regression",
    "l1": "regression",
    "mse": "regression",
    "poisson_nll": "regression",
    "smooth_l1": "regression",
}


def task_of(spec: Spec) -> str | None:
    """The task that is declared or follows from the source or the loss; None where only a word of the user can tell."""
    if spec.task is not None:
        return spec.task.use
    if spec.data is not None and spec.data.source is not None and spec.data.source.use in _OF_SOURCE:
        return _OF_SOURCE[spec.data.source.use]
    return _OF_LOSS.get(spec.train.loss.use) if spec.train.loss else None
