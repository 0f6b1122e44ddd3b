"""The constant baseline of each task, fitted on the training rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_mlspec.errors import MeasurementError
from pytest_mlspec.probes.dummy import Unigram, fitted_dummy
from pytest_mlspec.recipe.protocol import Examples, Prepared

IDS = np.array([[2, 3, 3, 0], [5, 3, 4, 4]])
HELD_OUT = np.array([[2, 1, 3, 0]])


def prepared(train: np.ndarray, test: np.ndarray, classes: tuple[str, ...] = ()) -> Prepared:
    """Rows whose inputs are their targets."""
    splits = {
        "train": Examples(train, train, np.arange(len(train))),
        "test": Examples(test, test, np.arange(len(test))),
    }
    return Prepared(splits, classes, "", {"": (6,)})


def test_tokens_have_the_frequencies_of_training() -> None:
    """3 stands three times in what is predicted, 4 twice; no first token, and no padding."""
    unigram = Unigram.fitted(prepared(IDS, HELD_OUT))

    assert unigram.counts_V.tolist() == [0, 0, 0, 3, 2, 0]
    assert unigram.entropy() == pytest.approx(-0.6 * math.log(0.6) - 0.4 * math.log(0.4))


def test_a_token_that_training_never_saw_has_a_finite_loss() -> None:
    """Each id counts once more than it was seen: of five ids but padding one in ten, and four in ten."""
    made = prepared(IDS, HELD_OUT)
    predictions = fitted_dummy(made, "language_model")(made.splits["test"])

    assert predictions.tokens is not None
    np.testing.assert_allclose(predictions.tokens[0, :2, 0], [math.log(10), -math.log(0.4)])
    assert predictions.tokens[..., 1].tolist() == [[3.0, 3.0, 3.0]]
    assert Unigram.fitted(made).loss(HELD_OUT) == pytest.approx((math.log(10) - math.log(0.4)) / 2)


def test_values_have_the_mean_of_each_column() -> None:
    """One for a regression, a row of them for a reconstruction of any shape."""
    train = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    made = prepared(train, train[:2])
    predictions = fitted_dummy(made, "reconstruction")(made.splits["test"])

    assert predictions.values is not None
    np.testing.assert_allclose(predictions.values, np.broadcast_to(train.mean(axis=0), (2, 3, 2)))


def test_classes_have_their_shares() -> None:
    """A class without a training row has none."""
    made = prepared(np.array([0, 0, 2]), np.array([1]), ("a", "b", "c"))
    predictions = fitted_dummy(made, "multiclass")(made.splits["test"])

    assert predictions.labels is not None
    assert predictions.probabilities is not None
    assert predictions.labels.tolist() == [0]
    np.testing.assert_allclose(predictions.probabilities, [[2 / 3, 0, 1 / 3]])


def test_a_clustering_has_none() -> None:
    """All rows in one cluster are no clustering."""
    with pytest.raises(MeasurementError, match="no constant baseline"):
        fitted_dummy(prepared(IDS, HELD_OUT), "clustering")
