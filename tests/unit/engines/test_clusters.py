"""The loss of a clustering: the mean squared distance of a row to the centre of its cluster."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

from pytest_mlspec.engines.clusters import Centres

INPUTS = np.array([[0.0, 0.0], [2.0, 0.0], [10.0, 0.0], [10.0, 4.0]])
CENTRES = Centres.fitted(INPUTS, np.array([3, 3, 7, 7]))


def test_it_is_the_distance_to_the_mean_of_the_cluster() -> None:
    """1 for the first two rows, 4 for the others; numbers of clusters need not follow each other."""
    assert CENTRES.loss(INPUTS, np.array([3, 3, 7, 7])) == pytest.approx(2.5)


def test_a_constant_is_one_cluster() -> None:
    """The distance to the mean of all rows."""
    assert CENTRES.loss_of_constant(INPUTS) == pytest.approx(INPUTS.var(axis=0).sum())


@pytest.mark.parametrize("cluster", [-1, 5, 9])
def test_a_cluster_without_a_training_row_has_the_centre_of_all(cluster: int) -> None:
    """As noise has, or a component that no row was likeliest in."""
    assert CENTRES.loss(INPUTS, np.full(4, cluster)) == pytest.approx(CENTRES.loss_of_constant(INPUTS))


def test_for_kmeans_it_is_the_inertia_of_a_row() -> None:
    """What that minimises, divided by the rows."""
    inputs = load_iris().data
    model = KMeans(3, random_state=0).fit(inputs)

    assert Centres.fitted(inputs, model.labels_).loss(inputs, model.labels_) == pytest.approx(
        model.inertia_ / len(inputs)
    )
