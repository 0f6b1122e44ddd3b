"""How a team's own fit validated its model: what a watch saw, in terms of the task.

Shape letters: N rows, C classes, K numbers of a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_mlspec.engines import predictions
from pytest_mlspec.engines.predictions import FloatArray, Kind
from pytest_mlspec.evidence import Validations
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.training.validation_watch import ValidationWatch

# Of the largest answer: the same weights, whose rows were answered in batches of another size.
_SAME = 1e-4


def validations(
    watch: ValidationWatch, fitted: Any, examples: Examples, *, kind: Kind, classes: int
) -> Validations | None:
    """What `watch` saw of a fit that returned `fitted`, on the rows of `examples`.

    None where there is no validation, or the module is not found in what was returned, or its answers are none of the task.
    """
    module = next((each for each in (fitted, getattr(fitted, "model", None)) if isinstance(each, nn.Module)), None)
    if module is None or not watch.passes:
        return None
    answers_NK = watch.answers_of(module, examples.inputs)
    if answers_NK is None:
        return None
    every = [
        _told(outputs_NK, kind, classes) for outputs_NK in (*(each.outputs_NK for each in watch.passes), answers_NK)
    ]
    found = [each for each in every if each is not None]
    if len(found) < len(every):
        return None
    losses = [predictions.loss(each, examples.targets, kind) for each in found]
    scores = [_score(each, examples.targets, kind) for each in found]
    scale = float(np.abs(answers_NK).max()) or 1.0
    alike = [
        number
        for number, each in enumerate(watch.passes)
        if each.outputs_NK.shape == answers_NK.shape and np.abs(each.outputs_NK - answers_NK).max() <= _SAME * scale
    ]
    return Validations(
        losses=tuple(losses[:-1]),
        scores=tuple(scores[:-1]),
        kept=tuple(each.kept for each in watch.passes),
        returned=alike[-1] if alike else None,
        loss=losses[-1],
    )


def _told(outputs_NK: NDArray[np.float64], kind: Kind, classes: int) -> FloatArray | None:
    """Probabilities [N, C] or values [N] of the answers of a module; None where they have another form, or are not finite."""
    if not np.isfinite(outputs_NK).all():
        return None
    width = outputs_NK.shape[1]
    if kind == "values":
        return outputs_NK[:, 0] if width == 1 else None
    if width == classes:
        told = (outputs_NK >= 0).all() and np.allclose(outputs_NK.sum(axis=1), 1)
        return outputs_NK if told else _softmax(outputs_NK)
    if width == 1 and classes == 2:
        return _softmax(np.hstack([np.zeros_like(outputs_NK), outputs_NK]))
    return None


def _softmax(logits_NC: NDArray[np.float64]) -> FloatArray:
    return torch.from_numpy(logits_NC).softmax(dim=1).numpy()


def _score(predicted: FloatArray, targets: NDArray[Any], kind: Kind) -> float:
    if kind == "values":
        return -predictions.loss(predicted, targets, kind)
    return float((predicted.argmax(axis=1) == targets).mean())
