"""The rows of the task embedding: the columns that `data.columns` names, and what enters the training by their roles.

Texts go to the model as they stand: it tokenizes them itself. Shape letters: N rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, did_you_mean
from pytest_mlspec.language.embedding import FORMS, TEXTS, form_of
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.recipe.protocol import Examples, Rows
from pytest_mlspec.recipe.targets import label_text

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

_KEY = "data.columns"


def by_role(points: Mapping[str, Callable[..., Any]], spec: Spec) -> dict[str, Any]:
    """The points of a recipe, so that its rows hold the columns of `spec` alone, and enter the training by their roles."""
    columns = {str(role): column for role, column in spec.data.columns.items()} if spec.data is not None else {}
    load = points["load"]
    return {
        **{name: point for name, point in points.items() if name != "datasets"},
        "load": lambda: of_columns(load(), columns),
        "fit_prepare": lambda train_rows: None,
        "prepare": lambda rows, fitted: examples_of(rows, columns),
    }


def of_columns(loaded: Rows | Mapping[str, Rows], columns: Mapping[str, str]) -> Rows | dict[str, Rows]:
    """The rows with the columns that have a role as their features, in the order of the roles, and all others beside them.

    Raises DataError where there is no such column.
    """
    if not isinstance(loaded, Rows):
        return {split: _of_columns(rows, columns) for split, rows in loaded.items()}
    return _of_columns(loaded, columns)


def examples_of(rows: Rows, columns: Mapping[str, str]) -> Examples:
    """What enters the training, by role: texts and labels as text, missing ones NaN, and scores as numbers.

    Raises DataError where a text is no text, or a score no number.
    """
    inputs = {role: _values(rows, role, columns[role]) for role in _ordered(columns)}
    return Examples(inputs, rows.targets, rows.index)


def demand_complete(examples: Examples, split: str) -> None:
    """Raises DataError where a text, score or label of a split is missing: no loss could take it."""
    import pandas as pd

    assert isinstance(examples.inputs, Mapping), "examples of pairs go by role"
    for role, values_N in examples.inputs.items():
        missing_N = pd.isna(values_N)
        if missing_N.any():
            raise DataError(
                f"row {examples.index[int(missing_N.argmax())]} of split {split} has no {role}: {int(missing_N.sum())} of"
                f" {len(examples)} rows",
                key=f"{_KEY}.{role}",
                advice="leave these rows out in your own load, or complete them",
            )


def _of_columns(rows: Rows, columns: Mapping[str, str]) -> Rows:
    import pandas as pd

    if not isinstance(rows.features, pd.DataFrame):
        raise DataError("the rows have no named columns", key=_KEY, advice="return a DataFrame")
    table = rows.features
    for role, column in columns.items():
        if column not in table.columns:
            known = [str(name) for name in table.columns]
            raise DataError(
                f"the rows have no column {column!r}", key=f"{_KEY}.{role}", advice=did_you_mean(column, known)
            )
    kept = [columns[role] for role in _ordered(columns)]
    beside = table.drop(columns=kept)
    others = beside if rows.others is None else pd.concat([beside, rows.others], axis="columns")
    return replace(rows, features=table[kept], others=others)


def _ordered(columns: Mapping[str, str]) -> tuple[str, ...]:
    form = form_of(columns)
    assert form is not None, "the rules of the language let known forms alone through"
    return FORMS[form]


def _values(rows: Rows, role: str, column: str) -> NumpyArray:
    import numpy as np
    import pandas as pd

    raw = pd.Series(rows.features[column])
    missing_N = raw.isna().to_numpy()
    if role == "score":
        numbers: NumpyArray = pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float32, na_value=np.nan)
        _refuse(np.isnan(numbers) & ~missing_N, rows, column, "a score is a number")
        return numbers
    values: list[Any] = raw.tolist()
    if role in TEXTS:
        _refuse(
            np.array([not isinstance(value, str) for value in values], dtype=bool) & ~missing_N,
            rows,
            column,
            "an embedding is that of a text",
        )
    texts = [np.nan if missing else label_text(value) for value, missing in zip(values, missing_N, strict=True)]
    return np.array(texts, dtype=object)


def _refuse(wrong_N: NumpyArray, rows: Rows, column: str, why: str) -> None:
    if wrong_N.any():
        first = int(wrong_N.argmax())
        raise DataError(
            f"{rows.place(first)} has {list(rows.features[column])[first]!r:.60} in the column {column!r}: {why}"
            f" ({int(wrong_N.sum())} of {len(rows)} rows)",
            key=_KEY,
        )
