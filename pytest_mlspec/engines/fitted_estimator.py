"""A fitted estimator as a predictor: probabilities in the order of the prepared classes, labels, values or clusters.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines import predictions
from pytest_mlspec.engines.boosters import booster_of
from pytest_mlspec.engines.features import Features
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import FloatArray, Kind
from pytest_mlspec.errors import RecipeError
from pytest_mlspec.language.estimators import CLASSIFIERS
from pytest_mlspec.recipe.protocol import Examples, Inputs

# The probabilities of these come from another model than their decisions, so that the two may differ in a row.
_DECIDES_OTHERWISE = frozenset({"NuSVC", "SVC"})


@dataclass(frozen=True)
class FittedEstimator:
    """A fitted estimator; `seconds` is what the fit took, `notes` holds its warnings.

    `classes` is the number of classes, for a clustering of clusters, 0 where there are none; `row` is the shape of a row's
    values. `numbers` [C'] are the class numbers behind those that the estimator was given, where they were numbered anew.
    """

    estimator: Any
    kind: Kind
    classes: int
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    row: tuple[int, ...] = ()
    features: Features = field(default_factory=Features)
    numbers: NDArray[np.int64] | None = None

    @property
    def model(self) -> Any:
        """The fitted estimator or pipeline."""
        return self.estimator

    def __call__(self, inputs: Inputs) -> FloatArray:
        """Probabilities or labels [N, C], values [N, …] or clusters [N], for prepared inputs."""
        found = self._predicted(inputs)
        return predictions.checked(
            found, kind=self.kind, rows=len(found), classes=self.classes, source=self.name, key="model", row=self.row
        )

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """What the estimator itself predicts, in its own type; a cluster as one of several columns that is 1."""
        found = self._predicted(examples.inputs)
        # One column more, for the rows that no cluster takes: their number is -1.
        return np.eye(self.classes + 1)[found] if self.kind == "clusters" else found

    def precise(self) -> FittedEstimator:
        """The estimator itself: it computes in one precision."""
        return self

    @property
    def dtype(self) -> str:
        """The precision of the outputs; single, for an estimator from elsewhere, of which it is not known."""
        return "float64" if type(self.final).__module__.startswith("sklearn.") else "float32"

    @property
    def final(self) -> Any:
        """What decides: the last step of a pipeline, the best that a search has found, else the estimator."""
        return final_of(self.estimator)

    @property
    def name(self) -> str:
        """The class of what decides."""
        return type(self.final).__name__

    @property
    def columns(self) -> NDArray[np.int64]:
        """The class number of each column of what the estimator gives."""
        return self._numbered(np.asarray(self.estimator.classes_))

    def labels(self, inputs: Inputs, predicted: FloatArray) -> NDArray[np.int64] | None:
        """The class numbers [N] that it decides for, where that need not be the most probable one; None where it is.

        Raises RecipeError where its probabilities `predicted` [N, C] contradict that: most likely their columns are in another
        order than `classes_`.
        """
        if self.kind != "probabilities" or self._takes_the_most_probable():
            return None
        with from_outside(f"{self.name}.predict", key="model"):
            labels_N = self._numbered(np.asarray(self.estimator.predict(self.features(inputs))))
        most_probable_N = predicted.argmax(axis=1)
        if (labels_N == most_probable_N).mean() < 0.5 and (number := _contradicted(labels_N, predicted)) is not None:
            raise RecipeError(
                f"predict and predict_proba of {self.name} contradict each other: rows that it takes for class {number} have"
                f" a lower probability of that class than other rows; {int((labels_N == most_probable_N).sum())} of"
                f" {len(labels_N)} rows agree",
                key="model",
                advice="the columns of predict_proba must be in the order of classes_",
            )
        return None if np.array_equal(labels_N, most_probable_N) else labels_N

    def scores(self, inputs: Inputs) -> FloatArray | None:
        """The `decision_function` [N, C] of an estimator without probabilities; None where it has none of that shape."""
        if self.kind != "labels" or not hasattr(self.estimator, "decision_function"):
            return None
        with from_outside(f"{self.name}.decision_function", key="model"):
            found = np.asarray(self.estimator.decision_function(self.features(inputs)), dtype=np.float64)
        if found.ndim == 1:
            found = np.stack([-found, found], axis=1)
        columns = self.columns
        if found.shape != (len(found), len(columns)):
            return None
        scores_NC = np.full((len(found), self.classes), found.min(initial=0.0))
        scores_NC[:, columns] = found
        predictions.demand_finite(scores_NC, source=f"{self.name}.decision_function", key="model")
        return scores_NC

    def _predicted(self, inputs: Inputs) -> NDArray[Any]:
        features = self.features(inputs)
        with from_outside(f"{self.name}.predict", key="model"):
            if self.kind == "probabilities":
                found = np.asarray(self.estimator.predict_proba(features))
                self._demand_columns(found)
                # A class without a training row has no column.
                probabilities_NC = np.zeros((len(found), self.classes), dtype=found.dtype)
                probabilities_NC[:, self.columns] = found
                return probabilities_NC
            if self.row:
                return np.asarray(self.estimator.inverse_transform(self.estimator.transform(features)))
            found = np.asarray(self.estimator.predict(features))
        if self.kind == "values":
            return found
        return found.astype(np.int64) if self.kind == "clusters" else np.eye(self.classes)[self._numbered(found)]

    def _demand_columns(self, found: NDArray[Any]) -> None:
        """Raises RecipeError where probabilities have not one column for each of `classes_`: one would fill them all."""
        if found.shape != (len(found), len(self.columns)):
            raise RecipeError(
                f"{self.name}.predict_proba gives an array of shape {list(found.shape)},"
                f" expected {[len(found), len(self.columns)]}",
                key="model",
                advice="give one column for each of classes_",
            )

    def _numbered(self, found: NDArray[Any]) -> NDArray[np.int64]:
        """Labels [N] of the estimator as class numbers."""
        labels_N = found.reshape(-1).astype(np.int64)
        return labels_N if self.numbers is None else self.numbers[labels_N]

    def _takes_the_most_probable(self) -> bool:
        if booster_of(self.final) is not None:
            return True
        of_scikit_learn = type(self.final).__module__.startswith("sklearn.")
        return of_scikit_learn and self.name in CLASSIFIERS and self.name not in _DECIDES_OTHERWISE


def final_of(estimator: Any) -> Any:
    """The last step of a pipeline, the best that a search has found; else the estimator."""
    while True:
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def _contradicted(labels_N: NDArray[np.int64], probabilities_NC: FloatArray) -> int | None:
    """The first class whose rows have a lower probability of it than the others; None where there is none."""
    for number in np.unique(labels_N).tolist():
        own_N = labels_N == number
        of_class_N = probabilities_NC[:, number]
        if not own_N.all() and of_class_N[own_N].mean() < of_class_N[~own_N].mean():
            return int(number)
    return None
