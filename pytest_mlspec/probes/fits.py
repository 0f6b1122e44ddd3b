"""Transformers of scikit-learn and imbalanced-learn that learn from rows while the team's own code runs, as it runs.

What they learn from is seen by the calls of `fit` alone: what was computed by hand is left to other measurements.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

_METHODS = frozenset({"fit", "fit_transform", "fit_resample", "partial_fit"})
_FAMILIES = (
    "sklearn.preprocessing",
    "sklearn.feature_selection",
    "sklearn.feature_extraction",
    "sklearn.decomposition",
    "sklearn.cross_decomposition",
    "sklearn.impute",
    "sklearn.manifold",
    "imblearn.over_sampling",
    "imblearn.combine",
)
# What learns nothing of the values, or a list of categories and words alone.
_HARMLESS = frozenset(
    {"LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer", "OrdinalEncoder", "OneHotEncoder", "FunctionTransformer"}
    | {"Normalizer", "Binarizer", "PolynomialFeatures", "CountVectorizer", "HashingVectorizer", "FeatureHasher"}
    | {"DictVectorizer", "KBinsDiscretizer"}  # bins of a target are what a split may be stratified by
)


@dataclass(frozen=True)
class Learned:
    """What a transformer is called, the most rows that it learned from at once, and whether it draws new ones."""

    name: str
    rows: int
    resamples: bool


Fits = dict[int, Learned]
"""By the identity of the transformer."""


@contextmanager
def watched_fits() -> Iterator[Fits]:
    """Collects the transformers that learn inside the block, in this thread."""
    found: Fits = {}
    kept: list[Any] = []  # no identity is used twice while its owner is kept

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or frame.f_code.co_name not in _METHODS:
            return
        values = frame.f_locals
        names = frame.f_code.co_varnames
        fitted = values.get("self")
        if len(names) < 2 or not (name := _learner(fitted)):
            return
        kept.append(fitted)
        earlier = found[id(fitted)].rows if id(fitted) in found else 0
        rows = max(earlier, _rows(values.get(names[1])))
        found[id(fitted)] = Learned(name, rows, frame.f_code.co_name == "fit_resample")

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield found
    finally:
        sys.setprofile(before)


def _learner(fitted: object) -> str:
    """The name of the transformer that `fitted` is; empty where it is none of those that learn."""
    for kind in type(fitted).__mro__:
        if kind.__module__.startswith(_FAMILIES):
            return "" if kind.__name__ in _HARMLESS or kind.__name__.startswith("_") else kind.__name__
    return ""


def _rows(values: Any) -> int:
    shape = getattr(values, "shape", None)
    if shape:
        return int(shape[0])
    return len(values) if hasattr(values, "__len__") else 0
