"""The loss of a clustering: how far rows lie from the centre of their cluster, as the mean squared distance.

It is defined for every clusterer that tells the cluster of a row, whatever it minimises itself. Centres are those of the
training rows; a cluster that none of them is in has the centre of all.

Shape letters: N rows, F columns, K clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.engines.predictions import FloatArray

NOTE = (
    "the loss is the mean squared distance of a row to the centre of its cluster, before training to that of all rows"
)
"""What the engine notes of the losses of a clustering."""


@dataclass(frozen=True)
class Centres:
    """The mean of the training rows of each cluster, [K, F], and that of all of them, [F]; `numbers_K` are the clusters."""

    numbers_K: NDArray[np.int64]
    of_clusters_KF: FloatArray
    of_all_F: FloatArray

    @classmethod
    def fitted(cls, inputs_NF: FloatArray, clusters_N: NDArray[np.int64]) -> Centres:
        """The centres of training rows."""
        numbers_K, of_row_N = np.unique(clusters_N, return_inverse=True)
        sums_KF = np.zeros((len(numbers_K), inputs_NF.shape[1]))
        np.add.at(sums_KF, of_row_N, inputs_NF)
        return cls(numbers_K, sums_KF / np.bincount(of_row_N)[:, None], inputs_NF.mean(axis=0))

    def loss(self, inputs_NF: FloatArray, clusters_N: NDArray[np.int64]) -> float:
        """The mean squared distance of rows to the centre of their cluster."""
        at_N = np.clip(np.searchsorted(self.numbers_K, clusters_N), 0, len(self.numbers_K) - 1)
        is_known_N = self.numbers_K[at_N] == clusters_N
        centres_NF = np.where(is_known_N[:, None], self.of_clusters_KF[at_N], self.of_all_F)
        return float(((inputs_NF - centres_NF) ** 2).sum(axis=1).mean())

    def loss_of_constant(self, inputs_NF: FloatArray) -> float:
        """The mean squared distance of rows to the centre of all training rows: that of one cluster."""
        return float(((inputs_NF - self.of_all_F) ** 2).sum(axis=1).mean())
