"""Steps for categories: texts, and numbers that `columns` names.

    one_hot    one column for each value seen in training; an unseen value sets none of them
    ordinal    the number of the value in sorted order; −1 for an unseen value, −2 for a missing one
    ids        int64 for embeddings: 0 is padding, 1 an unseen value, 2 … the values in sorted order

A missing category is a category of its own.

Shape letters: N rows, K columns of categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.recipe.prepare.frame import KEY, Frame

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Use
    from pytest_mlspec.recipe.protocol import NumpyArray

UNKNOWN = 1
"""The id of a value that the training rows do not hold; 0 is padding."""

FIRST_KNOWN = 2

# Above so many values one column for each is a mistake more often than a wish.
_MANY_VALUES = 1000


class OneHot:
    """One column of 0 and 1 for each value of a category."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Fits on every value; raises DataError for a column with too many of them."""
        from sklearn.preprocessing import OneHotEncoder

        arguments = {name: value for name, value in self._use.arguments.items() if name != "columns"}
        columns = _columns(self._use, frame)
        encoder = OneHotEncoder(**{"handle_unknown": "ignore", **arguments}, sparse_output=False)
        names: list[str] = []
        if columns:
            _fitted(encoder, frame, columns, self._use.use)
            limited = {"min_frequency", "max_categories"} & arguments.keys()
            for column, known in zip(columns, encoder.categories_, strict=True):
                if len(known) > _MANY_VALUES and not limited:
                    raise DataError(
                        f"the column {column!r} has {len(known)} values, and one_hot makes a column of each",
                        key=KEY,
                        advice=f"write {{use: one_hot, min_frequency: 20}}, or {{use: ids, columns: [{column}]}}",
                    )
            encoder.set_params(feature_name_combiner=_name)
            names = [str(name) for name in encoder.get_feature_names_out(columns)]
            encoder.set_params(feature_name_combiner="concat")
        self.learned = {"columns": columns, "encoder": encoder, "names": names}

    def transform(self, frame: Frame) -> Frame:
        """The frame with the new columns behind its numbers."""
        columns = self.learned["columns"]
        if not columns:
            return frame
        codes_NK = _encoded(self.learned["encoder"], frame, columns, self._use.use)
        return frame.without(columns).with_numbers(self.learned["names"], codes_NK)


class Ordinal:
    """One number for each category."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Fits on every value."""
        from sklearn.preprocessing import OrdinalEncoder

        arguments = {name: value for name, value in self._use.arguments.items() if name != "columns"}
        columns = _columns(self._use, frame)
        encoder = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2, **arguments
        )
        if columns:
            _fitted(encoder, frame, columns, self._use.use)
        self.learned = {"columns": columns, "encoder": encoder}

    def transform(self, frame: Frame) -> Frame:
        """The frame with the codes behind its numbers."""
        columns = self.learned["columns"]
        if not columns:
            return frame
        codes_NK = _encoded(self.learned["encoder"], frame, columns, self._use.use)
        return frame.without(columns).with_numbers(columns, codes_NK)


class Ids:
    """An id for each category; values that are rarer than `min_frequency` rows share the id of the unseen."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Counts the values of each column."""
        import pandas as pd

        least = self._use.arguments.get("min_frequency", 1)
        known: dict[str, list[str]] = {}
        has_missing: dict[str, bool] = {}
        for column in _columns(self._use, frame):
            counts = pd.Series(frame.text_of(column), dtype=object).value_counts(dropna=False)
            values = counts.index[counts >= least]
            known[column] = sorted(value for value in values if isinstance(value, str))
            has_missing[column] = len(values) > len(known[column])
        self.learned = {"known": known, "has_missing": has_missing}

    def transform(self, frame: Frame) -> Frame:
        """The frame with the ids in place of the categories."""
        import pandas as pd

        ids, vocabularies = dict(frame.ids), dict(frame.vocabularies)
        for column, values in self.learned["known"].items():
            missing = FIRST_KNOWN + len(values) if self.learned["has_missing"][column] else UNKNOWN
            id_of = {value: number for number, value in enumerate(values, start=FIRST_KNOWN)}
            texts = pd.Series(frame.text_of(column), dtype=object)
            found = texts.map(id_of).fillna(UNKNOWN).where(texts.notna(), missing)
            ids[column] = found.to_numpy(dtype="int64")
            vocabularies[column] = FIRST_KNOWN + len(values) + self.learned["has_missing"][column]
        return replace(frame.without(list(self.learned["known"])), ids=ids, vocabularies=vocabularies)


def _columns(use: Use, frame: Frame) -> list[str]:
    """The columns that the step works on: those declared, or all texts."""
    declared = use.arguments.get("columns")
    return list(frame.texts) if declared is None else [str(name) for name in declared]


def _values(frame: Frame, columns: Sequence[str]) -> NumpyArray:
    import numpy as np

    return np.stack([frame.text_of(column) for column in columns], axis=1)


def _fitted(encoder: Any, frame: Frame, columns: Sequence[str], name: str) -> None:
    try:
        encoder.fit(_values(frame, columns))
    except (TypeError, ValueError) as error:  # scikit-learn names the argument
        raise RecipeError(f"{name}: {error}".partition("\n")[0], key=KEY) from error


def _encoded(encoder: Any, frame: Frame, columns: Sequence[str], name: str) -> NumpyArray:
    try:
        codes_NK: NumpyArray = encoder.transform(_values(frame, columns))
    except ValueError as error:  # handle_unknown: error
        raise DataError(f"{name}: {error}".partition("\n")[0], key=KEY) from error
    return codes_NK


def _name(column: str, value: Any) -> str:
    return f"{column}={value}"
