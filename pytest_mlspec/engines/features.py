"""How prepared inputs enter an estimator: an array as it is, columns by name as a DataFrame.

Where the estimator takes categories, a column of text becomes one, with the values of the training rows: what only other rows
hold is missing. CatBoost takes text itself, and none may be missing.

Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.language.estimators import CLASSIFIERS, PARTS_BY_NAME, REGRESSORS, TAKES_CATEGORIES
from pytest_mlspec.recipe.targets import label_text

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import Inputs, NumpyArray

_AS_NUMBERS = "leave `prepare` out, or write `prepare: standard`"
_MISSING = ""


@dataclass(frozen=True)
class Features:
    """How inputs enter one estimator: `categories` holds the known values of columns of such, `as_text` those left as text."""

    categories: Mapping[str, NumpyArray] = field(default_factory=dict)
    as_text: frozenset[str] = frozenset()

    @classmethod
    def of(cls, estimator: Any, inputs: Inputs) -> Features:
        """That of `estimator`, for what the training rows hold; raises where it takes numbers alone, and they hold text."""
        if not isinstance(inputs, Mapping):
            return cls()
        for name, values in inputs.items():
            if values.ndim != 1:
                raise RecipeError(
                    f"an estimator takes one array or columns, and prepare gives {name} [N, {values.shape[1]}] beside others",
                    key="data.prepare",
                    advice="write one_hot or ordinal in the place of ids",
                )
        texts = [name for name, values in inputs.items() if values.dtype.kind == "O"]
        package, kind = type(estimator).__module__.partition(".")[0], type(estimator).__name__
        if package == "catboost":
            given = estimator.get_params().get("cat_features") or ()
            unknown = [name for name in given if name not in inputs]
            if unknown:
                raise DataError(f"the features have no column {unknown[0]!r}", key="model.cat_features")
            of_text = estimator.get_params().get("text_features") or ()
            return cls(as_text=frozenset({*texts, *given}) - set(of_text))
        if {kind, f"{package}.{kind}"} & TAKES_CATEGORIES:
            return cls({name: _known(inputs[name]) for name in texts})
        alone = package == "sklearn" and not PARTS_BY_NAME & estimator.get_params(deep=False).keys()
        if texts and alone and kind in {**CLASSIFIERS, **REGRESSORS}:
            raise RecipeError(
                f"{kind} takes numbers, and the column {texts[0]!r} holds text", key="model", advice=_AS_NUMBERS
            )
        return cls()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are categories."""
        return (*self.categories, *sorted(self.as_text))

    def __call__(self, inputs: Inputs) -> Any:
        """What the estimator takes for `inputs`."""
        if not isinstance(inputs, Mapping):
            return inputs
        import pandas as pd

        columns: dict[str, Any] = {}
        for name, values in inputs.items():
            if name in self.categories:
                known = pd.Index(self.categories[name])
                columns[name] = pd.Categorical.from_codes(
                    known.get_indexer(pd.Index(values)), known
                )  # -1 is a missing value
            elif name in self.as_text:
                columns[name] = np.array(
                    [_MISSING if pd.isna(value) else label_text(value) for value in values], dtype=object
                )
            else:
                columns[name] = values
        return pd.DataFrame(columns)


def _known(values_N: NumpyArray) -> NumpyArray:
    import pandas as pd

    return np.array(sorted(set(values_N[~pd.isna(values_N)].tolist())), dtype=object)
