"""The data sets that ship inside scikit-learn: nothing is fetched. Classes are scikit-learn's numbers."""

from __future__ import annotations

from pytest_mlspec.recipe.protocol import Rows

_IMAGES = frozenset({"digits"})


def load(name: str) -> Rows:
    """The rows of `sklearn.datasets.load_<name>`: a table with named columns, digits as an array [1797, 64]."""
    import numpy as np
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")(as_frame=name not in _IMAGES)
    return Rows(found.data, np.asarray(found.target), np.arange(len(found.target)))
