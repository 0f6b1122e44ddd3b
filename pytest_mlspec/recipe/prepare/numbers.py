"""Steps for numbers: scikit-learn's transformers, with its arguments.

    impute, standardize, min_max, robust_scale, quantile    each number for itself
    log1p                                                   log(1 + x), nothing is fitted
    PCA, PolynomialFeatures, …                              any transformer of `names.TRANSFORMERS`, all columns together

For steps of the first kind infinite values take no part in a fit and stay infinite, so that they are reported where they are
and not here; the last kind refuses what its transformer cannot take. Where a transformer draws at random and the spec gives
no `random_state`, it is 0.

Shape letters: N rows, F columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError, did_you_mean
from pytest_mlspec.language import names
from pytest_mlspec.recipe.columns import dense
from pytest_mlspec.recipe.prepare.frame import KEY, Frame

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Use
    from pytest_mlspec.recipe.protocol import NumpyArray


class EachNumber:
    """A transformer that works on each number for itself; `impute` may add columns that say where one was missing."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Fits on the finite values; raises DataError where a column has none."""
        import numpy as np

        columns = _columns(self._use, frame)
        values_NF = _taken(frame, columns)
        finite_NF = np.isfinite(values_NF)
        empty = np.flatnonzero(~finite_NF.any(axis=0))
        if len(empty):
            raise DataError(
                f"the column {columns[empty[0]]!r} has no value in the {len(frame)} training rows",
                key=KEY,
                advice="drop it from the features",
            )
        transformer = self._transformer(len(frame))
        if columns:
            _fitted(transformer, np.where(finite_NF, values_NF, np.nan), None, self._use.use)
        self.learned = {"columns": columns, "transformer": transformer}

    def transform(self, frame: Frame) -> Frame:
        """The frame with the numbers transformed in their places."""
        import numpy as np

        columns, transformer = self.learned["columns"], self.learned["transformer"]
        if not columns:
            return frame
        values_NF = _taken(frame, columns)
        infinite_NF = np.isinf(values_NF)
        has_infinite = bool(infinite_NF.any())
        found_NF = transformer.transform(np.where(infinite_NF, np.nan, values_NF) if has_infinite else values_NF)
        added_NF = found_NF[:, len(columns) :]
        if has_infinite:
            found_NF = np.where(infinite_NF, values_NF, found_NF[:, : len(columns)])
        frame = _put(frame, columns, found_NF[:, : len(columns)])
        if not added_NF.shape[1]:
            return frame
        of = transformer.indicator_.features_
        missing = [f"missing({columns[position]})" for position in of]
        return frame.with_numbers(missing, np.isnan(values_NF[:, of]).astype(np.float64))

    def _transformer(self, rows: int) -> Any:
        transformer = _made(names.PREPARATIONS[self._use.use].sklearn_class, self._use)
        if self._use.use == "impute" and "strategy" not in self._use.arguments:
            transformer.set_params(strategy="median")
        if self._use.use == "quantile":
            transformer.set_params(n_quantiles=min(transformer.n_quantiles, rows))
        return transformer


class AllNumbers:
    """A transformer of scikit-learn by its class name, which makes new columns of all numbers together."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Fits on the numbers, with the targets where the transformer takes them."""
        columns = _columns(self._use, frame)
        transformer = _made(self._use.use, self._use)
        if not columns:
            raise DataError(f"{self._use.use} finds no numbers", key=KEY, advice="write it after one_hot, or remove it")
        values_NF = self._checked(frame, columns, transformer)
        _fitted(transformer, values_NF, targets if targets.ndim == 1 else None, self._use.use)
        self.learned = {"columns": columns, "transformer": transformer, "names": self._names(transformer, columns)}

    def transform(self, frame: Frame) -> Frame:
        """The frame with the new columns behind the numbers that were not taken."""
        import numpy as np

        columns, transformer = self.learned["columns"], self.learned["transformer"]
        values_NF = self._checked(frame, columns, transformer)
        try:
            found = dense(transformer.transform(values_NF))
        except ValueError as error:
            raise DataError(f"{self._use.use}: {_first_line(error)}", key=KEY) from error
        found_NF = np.asarray(found, dtype=np.float64).reshape(len(frame), -1)
        made = self.learned["names"] or [f"{self._use.use.lower()}{number}" for number in range(found_NF.shape[1])]
        return frame.without(columns).with_numbers(made, found_NF)

    def _checked(self, frame: Frame, columns: Sequence[str], transformer: Any) -> NumpyArray:
        """The numbers of `columns`; raises DataError where one is not finite and the transformer takes none of that."""
        import numpy as np
        from sklearn.utils import get_tags

        values_NF = _taken(frame, columns)
        takes_nan = get_tags(transformer).input_tags.allow_nan
        bad_NF = np.isinf(values_NF) if takes_nan else ~np.isfinite(values_NF)
        if bad_NF.any():
            row, column = np.argwhere(bad_NF)[0]
            raise DataError(
                f"{frame.place(int(row))} has {values_NF[row, column]} in the column {columns[column]!r},"
                f" and {self._use.use} takes none",
                key=KEY,
                advice="write impute before it" if np.isnan(values_NF[row, column]) else "correct the row",
            )
        return values_NF

    def _names(self, transformer: Any, columns: Sequence[str]) -> list[str]:
        """What scikit-learn calls the new columns; none where it has no names for them."""
        import numpy as np

        try:
            return [str(name) for name in transformer.get_feature_names_out(np.array(columns, dtype=object))]
        except (AttributeError, ValueError):
            return []


class Log1p:
    """log(1 + x)."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Remembers the columns."""
        self.learned = {"columns": _columns(self._use, frame)}

    def transform(self, frame: Frame) -> Frame:
        """The frame with the logarithms in their places; raises DataError for a value that has none."""
        import numpy as np

        columns = self.learned["columns"]
        values_NF = _taken(frame, columns)
        bad = np.argwhere(values_NF <= -1)
        if len(bad):
            row, column = bad[0]
            raise DataError(
                f"{frame.place(int(row))} has {values_NF[row, column]:g} in the column {columns[column]!r}:"
                " log1p needs more than -1",
                key=KEY,
                advice="name the columns that it is meant for: {use: log1p, columns: […]}",
            )
        return _put(frame, columns, np.log1p(values_NF)) if columns else frame


def _columns(use: Use, frame: Frame) -> list[str]:
    """The columns that the step works on: those declared, or all numbers."""
    declared = use.arguments.get("columns")
    if declared is None:
        return list(frame.names)
    columns = [str(name) for name in declared]
    frame.where(columns)
    return columns


def _taken(frame: Frame, columns: Sequence[str]) -> NumpyArray:
    import numpy as np

    values_NF = frame.numbers if tuple(columns) == frame.names else frame.numbers[:, frame.where(columns)]
    return values_NF.astype(np.float64, copy=False)


def _put(frame: Frame, columns: Sequence[str], values_NF: NumpyArray) -> Frame:
    import numpy as np

    if tuple(columns) == frame.names:
        return replace(frame, numbers=values_NF)
    numbers_NF = frame.numbers.astype(np.float64)
    numbers_NF[:, frame.where(columns)] = values_NF
    return replace(frame, numbers=numbers_NF)


def _made(class_name: str, use: Use) -> Any:
    """A new transformer with the arguments of the spec."""
    kind = getattr(import_module(names.TRANSFORMERS[class_name]), class_name)
    given = {name: _as_argument(value) for name, value in use.arguments.items() if name != "columns"}
    known = kind().get_params(deep=False)
    for name in given:
        if name not in known:
            advice = did_you_mean(name, known)
            raise RecipeError(f"{use.use} takes no argument {name!r}", key=f"{KEY}.{name}", advice=advice)
    if "score_func" in known:
        from sklearn import feature_selection

        function = given.get("score_func")
        if function not in names.SCORE_FUNCTIONS:
            raise RecipeError(
                f"{use.use} needs a score_func",
                key=f"{KEY}.score_func",
                advice=f"one of: {', '.join(sorted(names.SCORE_FUNCTIONS))}",
            )
        given["score_func"] = getattr(feature_selection, str(function))
    if "random_state" in known:
        given.setdefault("random_state", 0)
    return kind(**given)


def _as_argument(value: Any) -> Any:
    """A list of a spec as the tuple that scikit-learn wants for a range."""
    return tuple(value) if isinstance(value, list) else value


def _fitted(transformer: Any, values_NF: NumpyArray, targets: NumpyArray | None, name: str) -> None:
    try:
        transformer.fit(values_NF, targets)
    except (TypeError, ValueError) as error:  # scikit-learn names the argument, or what the data lack
        raise RecipeError(f"{name}: {_first_line(error)}", key=KEY) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
