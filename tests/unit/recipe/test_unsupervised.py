"""What stands in the place of a target where none is learned, and that no fit sees one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError, MlspecError, RecipeError
from pytest_mlspec.recipe.packing import read_prepared, to_arrays
from pytest_mlspec.recipe.preparation import prepare_all
from pytest_mlspec.recipe.protocol import Examples, Prepared, Recipe, Rows
from pytest_mlspec.recipe.rows import as_loaded, no_targets
from pytest_mlspec.recipe.unsupervised import vocabulary_of

VALUES = np.arange(24, dtype=np.float32).reshape(12, 2)
IDS = np.array([[2, 3, 0], [3, 4, 5]] * 6)
LABELS = np.array(["a", "b", "c"] * 4, dtype=object)


def recipe(task: str, features: Any, targets: Any = None, **points: Any) -> Recipe:
    """Nine rows for training and three for the test, prepared as they are."""
    targets = no_targets(12) if targets is None else targets
    made = Recipe(
        task=task,
        load=lambda: Rows(features, targets, np.arange(12)),
        split=lambda rows: {"train": rows.take(np.arange(9)), "test": rows.take(np.arange(9, 12))},
        fit_prepare=lambda rows: None,
        prepare=lambda rows, _: Examples(np.asarray(rows.features), rows.targets, rows.index),
    )
    return replace(made, **points)


@pytest.mark.parametrize(("task", "features"), [("reconstruction", VALUES), ("language_model", IDS)])
def test_the_inputs_are_their_own_targets(task: str, features: Any) -> None:
    """The same array, which is not stored twice over either."""
    prepared = prepare_all(recipe(task, features)).prepared

    assert prepared.classes == ()
    assert prepared.splits["test"].targets is prepared.splits["test"].inputs
    assert not any(name.startswith("targets/") for name in to_arrays(prepared))


def test_a_target_of_the_source_reaches_no_fit() -> None:
    """Neither fit_prepare nor prepare sees it; metrics of a clustering do."""
    seen: list[tuple[int, ...]] = []

    def fit_prepare(rows: Rows) -> None:
        seen.append(rows.targets.shape)

    def prepare(rows: Rows, fitted: None) -> Examples:
        seen.append(rows.targets.shape)
        return Examples(np.asarray(rows.features), rows.targets, rows.index)

    prepared = prepare_all(recipe("clustering", VALUES, LABELS, fit_prepare=fit_prepare, prepare=prepare)).prepared

    assert seen == [(9, 0), (9, 0), (3, 0)]
    assert prepared.splits["test"].targets.tolist() == [0, 1, 2]
    assert prepared.classes == ()


def test_a_clustering_needs_no_classes() -> None:
    """Then there is nothing to compare with."""
    prepared = prepare_all(recipe("clustering", VALUES)).prepared

    assert prepared.splits["train"].targets.shape == (9, 0)


def with_targets(rows: Rows, fitted: None) -> tuple[Any, Any]:
    return rows.features, np.zeros(len(rows))


def by_name(rows: Rows, fitted: None) -> Examples:
    values = np.asarray(rows.features)
    return Examples({"a": values, "b": values}, rows.targets, rows.index)


@pytest.mark.parametrize(
    ("made", "kind", "message"),
    [
        (recipe("reconstruction", IDS), RecipeError, "of type int64, and a reconstruction needs measured numbers"),
        (recipe("language_model", VALUES), RecipeError, r"are \[9, 2\] of float32, and a language model needs ids"),
        (recipe("language_model", IDS[:, 0:1]), DataError, "row 0 has less than 2 tokens, so that there is none to"),
        (recipe("language_model", IDS * [[1, 0, 0]] * 6), DataError, "9 of 9 rows of split train"),
        (recipe("reconstruction", VALUES, prepare=with_targets), RecipeError, "prepare gives targets for split train"),
        (recipe("reconstruction", VALUES, prepare=by_name), RecipeError, "needs one array, and prepare gives 2: a, b"),
        (recipe("clustering", VALUES, np.array([None, *LABELS[1:]])), DataError, "row 0 has no target"),
        (recipe("clustering", VALUES, np.zeros(12)), DataError, "one class alone"),
    ],
)
def test_what_the_task_cannot_use_is_refused(made: Recipe, kind: type[MlspecError], message: str) -> None:
    """With the row, or the form that is needed."""
    with pytest.raises(kind, match=message):
        prepare_all(made)


@pytest.mark.parametrize("value", [pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), VALUES])
def test_a_loader_may_give_features_alone(value: Any) -> None:
    """Where none is learned."""
    rows = as_loaded(value, key="data.source", name="load", labelled=False)

    assert isinstance(rows, Rows)
    assert rows.targets.shape == (len(value), 0)
    assert rows.take(np.array([1])).targets.shape == (1, 0)
    with pytest.raises(RecipeError, match=r"load returned a (DataFrame, and no target is declared|ndarray)"):
        as_loaded(value, key="data.source", name="load")


def test_a_column_that_is_named_is_the_target_all_the_same() -> None:
    """It stands apart from the features."""
    table = pd.DataFrame({"a": [1.0, 2.0], "kind": ["x", "y"]})
    rows = as_loaded(table, key="data.source", name="load", target="kind", labelled=False)

    assert isinstance(rows, Rows)
    assert isinstance(rows.features, pd.DataFrame)
    assert rows.targets.tolist() == ["x", "y"]
    assert list(rows.features.columns) == ["a"]


class Kept:
    """Arrays as the store gives them back."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._arrays = arrays

    def array(self, name: str) -> Any:
        return self._arrays[name]


@pytest.mark.parametrize(
    "made",
    [recipe("reconstruction", VALUES), recipe("language_model", IDS), recipe("clustering", VALUES, LABELS)],
)
def test_prepared_examples_come_back_from_the_store(made: Recipe) -> None:
    """Equal, whatever stands in the place of a target."""
    prepared = prepare_all(made).prepared
    back = read_prepared(Kept(to_arrays(prepared)))  # type: ignore[arg-type]

    assert back.digest == prepared.digest
    np.testing.assert_array_equal(back.splits["test"].targets, prepared.splits["test"].targets)


def test_the_vocabulary_is_that_of_the_tokenizer_or_of_the_rows() -> None:
    """An id that no row holds may be in a vocabulary."""
    splits = {"train": Examples(IDS, IDS, np.arange(12)), "test": Examples(IDS + 2, IDS + 2, np.arange(12))}

    assert vocabulary_of(Prepared(splits, (), "")) == 8
    assert vocabulary_of(Prepared(splits, (), "", {"": (20,)})) == 20
