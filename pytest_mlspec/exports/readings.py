"""How outputs become predictions, found from rows for which both are known.

An engine knows it from the loss, and that is the team's code where the loss is. A file that was exported has to be read without
it; so each way is tried on the answers of the model itself, whose predictions the training stored.

Shape letters: N rows, C classes, L positions of a text, V ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reading = Callable[[NDArray[Any]], NDArray[np.float64]]
"""From outputs [N, …] to predictions, as the training stores them."""

# What single precision and another batch size make of a probability or value, relative to the largest.
_ROUNDING = 1e-3


def found_reading(
    outputs: NDArray[Any], predictions: NDArray[Any], *, more: Mapping[str, Reading] | None = None
) -> Reading | None:
    """The way that turns `outputs` into `predictions`; None where none does. `more` are ways beside those of this file."""
    best: tuple[float, Reading] | None = None
    for reading in (*_READINGS, *(more or {}).values()):
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                given = reading(outputs)
            except ValueError:  # outputs of another shape than this way is for
                continue
        if given.shape != predictions.shape or not np.isfinite(given).all():
            continue
        error = float(np.abs(given - predictions).max(initial=0.0))
        if best is None or error < best[0]:
            best = (error, reading)
    scale = max(1.0, float(np.abs(predictions).max(initial=0.0)))
    return best[1] if best is not None and best[0] <= _ROUNDING * scale else None


def as_they_are(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities [N, C] or values [N, …]."""
    values = outputs.astype(np.float64)
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def softmax(logits_NC: NDArray[Any]) -> NDArray[np.float64]:
    """The probabilities of logits [N, C]."""
    shifted_NC = logits_NC.astype(np.float64) - logits_NC.max(axis=-1, keepdims=True)
    exponentials_NC = np.exp(shifted_NC)
    return np.asarray(exponentials_NC / exponentials_NC.sum(axis=-1, keepdims=True))


def _sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    return _share(1 / (1 + np.exp(-logits.astype(np.float64))))


def _share(positive: NDArray[Any]) -> NDArray[np.float64]:
    positive_N = positive.astype(np.float64).reshape(len(positive))
    return np.stack([1 - positive_N, positive_N], axis=1)


def _exponential(logarithms: NDArray[Any]) -> NDArray[np.float64]:
    return np.exp(as_they_are(logarithms))


_READINGS: Sequence[Reading] = (as_they_are, softmax, _sigmoid, _share, _exponential)


def next_tokens(ids_NL: NDArray[Any]) -> Reading:
    """From the logits of a language model [N, L, V] to the loss of each token but the first and the likeliest id there."""

    def read(logits_NLV: NDArray[Any]) -> NDArray[np.float64]:
        if logits_NLV.shape[:-1] != ids_NL.shape:
            raise ValueError(f"no logits of texts {ids_NL.shape}")
        before_NLV, next_NL = softmax(logits_NLV[:, :-1]), ids_NL[:, 1:].astype(np.int64)
        of_next_NL = np.take_along_axis(before_NLV, next_NL[..., None], axis=-1)[..., 0]
        return np.stack([-np.log(of_next_NL), before_NLV.argmax(axis=-1).astype(np.float64)], axis=2)

    return read


def as_probabilities(values: NDArray[Any], like: NDArray[Any]) -> NDArray[np.float64]:
    """Predictions of an exported model in the shape of the training's: one column is the probability of the second class."""
    if like.ndim == 2 and like.shape[1] == 2 and values.size == len(like):
        return _share(values)
    return as_they_are(values)
