"""The constant baseline of a task, fitted on the training rows: what a model predicts that looks at no input.

    classes           the shares of the classes, and the commonest one: DummyClassifier(prior)
    values            the mean, of each column where a row has several: DummyRegressor(mean)
    language_model    the frequencies of the tokens, whatever stands before

Shape letters: N rows, C classes, L positions of a text, V ids of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.recipe.protocol import Examples, Prepared
from pytest_mlspec.recipe.scoring import Predictions
from pytest_mlspec.recipe.unsupervised import PADDING, vocabulary_of

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

Dummy = Callable[[Examples], Predictions]
"""Gives its predictions for the rows of a split."""


def fitted_dummy(prepared: Prepared, task: str | None) -> Dummy:
    """The baseline of `task`; raises MeasurementError where it has none."""
    match task:
        case "clustering":
            raise MeasurementError("a clustering has no constant baseline")
        case "language_model":
            return Unigram.fitted(prepared).predictions
        case _:
            return _of_values(prepared) if not prepared.classes else _of_classes(prepared)


@dataclass(frozen=True)
class Unigram:
    """The frequencies of the predicted tokens of the training rows: `counts_V` by id."""

    counts_V: NumpyArray

    @classmethod
    def fitted(cls, prepared: Prepared) -> Unigram:
        """Counted on every token but the first of a text, which nothing predicts."""
        import numpy as np

        next_NL = prepared.splits["train"].targets[:, 1:]
        return cls(np.bincount(next_NL[next_NL != PADDING], minlength=vocabulary_of(prepared)))

    def entropy(self, smoothing: float = 0.0) -> float:
        """The lowest mean loss of a constant on the training rows, in nats; `smoothing` is that of the targets."""
        import numpy as np

        shares_V = (1 - smoothing) * self.counts_V / self.counts_V.sum() + smoothing / len(self.counts_V)
        shares_V = shares_V[shares_V > 0]
        return float(-(shares_V * np.log(shares_V)).sum())

    @property
    def loss_by_id(self) -> NumpyArray:
        """The loss of each id, in nats. Each counts once more than it was seen: one never seen has a finite loss too."""
        import numpy as np

        # padding is never predicted, so no share is kept for it
        losses_V: NumpyArray = -np.log((self.counts_V + 1) / (self.counts_V.sum() + len(self.counts_V) - 1))
        return losses_V

    def loss(self, ids_NL: NumpyArray, smoothing: float = 0.0) -> float:
        """The mean loss over the predicted tokens of some rows; `smoothing` is that of the targets."""
        next_NL = ids_NL[:, 1:]
        of_tokens = self.loss_by_id[next_NL[next_NL != PADDING]].mean()
        return float((1 - smoothing) * of_tokens + smoothing * self.loss_by_id.mean())

    def predictions(self, examples: Examples) -> Predictions:
        """The loss of each token but the first, and the commonest id."""
        import numpy as np

        losses_NL = self.loss_by_id[examples.targets[:, 1:]]
        commonest_NL = np.full(losses_NL.shape, float(self.counts_V.argmax()))
        return Predictions(tokens=np.stack([losses_NL, commonest_NL], axis=2))


def _of_values(prepared: Prepared) -> Dummy:
    import numpy as np

    mean = np.mean(prepared.splits["train"].targets, axis=0, dtype=np.float64)
    return lambda examples: Predictions(values=np.broadcast_to(mean, examples.targets.shape))


def _of_classes(prepared: Prepared) -> Dummy:
    import numpy as np
    from sklearn.dummy import DummyClassifier

    train = prepared.splits["train"]
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(train), 1)), train.targets)

    def predictions(examples: Examples) -> Predictions:
        nothing = np.zeros((len(examples), 1))
        probabilities_NC = np.zeros((len(examples), len(prepared.classes)))
        probabilities_NC[:, dummy.classes_] = dummy.predict_proba(nothing)
        return Predictions(labels=dummy.predict(nothing), probabilities=probabilities_NC)

    return predictions
