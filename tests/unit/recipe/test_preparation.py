from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError, MlspecError
from pytest_mlspec.evidence import Evidence
from pytest_mlspec.recipe.packing import digest_of, read_prepared, to_arrays
from pytest_mlspec.recipe.preparation import prepare_all
from pytest_mlspec.recipe.protocol import Examples, Recipe, Rows

LABELS = np.array(["c", "a", "b", "a"] * 5)


def _recipe(task: str = "multiclass", targets: Any = LABELS, **points: Any) -> Recipe:
    features = np.arange(40.0).reshape(20, 2)
    built: dict[str, Any] = {
        "task": task,
        "load": lambda: Rows(features, targets, np.arange(20)),
        "split": lambda rows: {"train": rows.take(np.arange(15)), "test": rows.take(np.arange(15, 20))},
        "fit_prepare": len,
        "prepare": lambda rows, fitted: Examples(rows.features, rows.targets, rows.index),
    }
    return Recipe(**{**built, **points})


class Kept:
    """A stored result made of arrays alone."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self._arrays = arrays

    @property
    def evidence(self) -> Evidence:
        raise NotImplementedError

    def array(self, name: str) -> Any:
        return self._arrays[name]

    def file(self, name: str) -> Path:
        raise NotImplementedError


def test_labels_become_numbers() -> None:
    """By their place among the sorted labels of all splits."""
    prepared = prepare_all(_recipe()).prepared

    assert prepared.classes == ("a", "b", "c")
    assert prepared.splits["test"].targets.tolist() == [0, 2, 0, 1, 0]
    assert prepared.splits["test"].targets.dtype == np.int64


def test_a_team_may_number_the_classes_itself() -> None:
    """The names follow from the rows, in the order of the numbers."""
    numbers = {"c": 0, "a": 1, "b": 2}

    def prepare(rows: Rows, fitted: Any) -> Any:
        return rows.features, [numbers[label] for label in rows.targets]

    prepared = prepare_all(_recipe(prepare=prepare)).prepared
    assert prepared.classes == ("c", "a", "b")
    assert prepared.splits["test"].targets.tolist() == [1, 0, 1, 2, 1]


def test_a_regression_has_values_in_single_precision() -> None:
    """Those of the rows, or what the team made of them."""
    values = np.arange(20.0)
    logs = _recipe("regression", values, prepare=lambda rows, _: (rows.features, np.log1p(rows.targets)))

    assert prepare_all(_recipe("regression", values)).prepared.splits["test"].targets.tolist() == [15, 16, 17, 18, 19]
    targets = prepare_all(logs).prepared.splits["test"].targets
    assert targets.dtype == np.float32
    assert targets[0] == pytest.approx(np.log(16))


def test_fit_prepare_sees_the_training_rows_alone() -> None:
    """No other split takes part."""
    assert prepare_all(_recipe()).fitted == 15


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda rows, _: None, "prepare returned a NoneType"),
        (lambda rows, _: (rows.features[1:], rows.targets), "14 rows made of 15"),
        (lambda rows, _: (rows.features, rows.targets[1:]), "14 targets of 15 rows of split train"),
        (lambda rows, _: (rows.features.astype("datetime64[s]"), rows.targets), "an array of datetime64"),
        (lambda rows, _: (np.array([{}] * len(rows)), rows.targets), "an array of object"),
        (lambda rows, _: Examples(rows.features, rows.targets, rows.index[::-1]), "in another order"),
        (lambda rows, _: (np.zeros((len(rows), len(rows))), rows.targets), "another form"),
        (
            lambda rows, _: (rows.features, np.full(len(rows), 5)),
            "row 0 of split train has the target 5: allowed are 0 … 2",
        ),
        (lambda rows, _: (rows.features, np.full(len(rows), -1)), "has the target -1"),
        (lambda rows, _: (rows.features, np.zeros(len(rows))), "targets of float64"),
        (lambda rows, _: (rows.features, np.zeros(len(rows), dtype=int)), "1 class numbers to 3 labels"),
    ],
)
def test_what_prepare_returns_must_fit(prepare: Any, message: str) -> None:
    """Each mistake has a message of its own."""
    with pytest.raises(MlspecError, match=message) as caught:
        prepare_all(_recipe(prepare=prepare))
    assert caught.value.key == "recipe.prepare"


def test_an_empty_split_is_an_error_before_anything_is_fitted() -> None:
    """The mean of nothing would be NaN."""

    def split(rows: Rows) -> Any:
        return {"train": rows, "test": rows.take(np.arange(0))}

    with pytest.raises(DataError, match="0 rows in split test"):
        prepare_all(_recipe(split=split, fit_prepare=lambda rows: 1 / 0))


def test_the_digest_is_that_of_the_examples() -> None:
    """Equal for equal examples; another value, type, order of rows or label changes it."""
    digest = prepare_all(_recipe()).prepared.digest
    single = _recipe(prepare=lambda rows, _: (rows.features.astype("float32"), rows.targets))
    moved = _recipe(prepare=lambda rows, _: (rows.features + 1e-12, rows.targets))
    renamed = _recipe(targets=np.char.replace(LABELS, "c", "d"))
    others = {prepare_all(recipe).prepared.digest for recipe in (single, moved, renamed)}

    assert prepare_all(_recipe()).prepared.digest == digest
    assert len(others | {digest}) == 4


@pytest.mark.parametrize(
    "inputs",
    [
        np.arange(40, dtype=np.float32).reshape(20, 1, 2),
        {"ids": np.arange(20), "a / strange = name": np.arange(20.0)},
        {"plan": np.array(["b", "a", np.nan, "é"] * 5, dtype=object), "age": np.arange(20.0)},
    ],
)
def test_examples_survive_the_store(inputs: Any) -> None:
    """As arrays of numbers alone; text too."""

    def prepare(rows: Rows, fitted: Any) -> Any:
        taken = (
            {name: part[rows.index] for name, part in inputs.items()}
            if isinstance(inputs, dict)
            else inputs[rows.index]
        )
        return taken, rows.targets

    prepared = prepare_all(_recipe(prepare=prepare)).prepared
    arrays = to_arrays(prepared)
    read = read_prepared(Kept(arrays))

    assert {array.dtype.kind for array in arrays.values()} <= set("fiub")
    assert read.classes == prepared.classes
    assert read.digest == prepared.digest == digest_of(read.splits, read.classes)
    assert type(read.splits["train"].inputs) is type(prepared.splits["train"].inputs)


def test_examples_lie_in_memory_as_stored_ones_do() -> None:
    """Arithmetic on them rounds alike, so a training on stored examples can be compared to the last bit."""
    recipe = _recipe(prepare=lambda rows, _: (np.asfortranarray(rows.features), rows.targets))
    inputs = prepare_all(recipe).prepared.splits["train"].inputs

    assert isinstance(inputs, np.ndarray)
    assert inputs.flags.c_contiguous


def test_text_is_read_back_with_its_missing_values() -> None:
    """As pandas marks them."""
    texts = np.array(["b", "a", np.nan, "c"] * 5, dtype=object)
    prepared = prepare_all(_recipe(prepare=lambda rows, _: ({"plan": texts[rows.index]}, rows.targets))).prepared
    inputs = read_prepared(Kept(to_arrays(prepared))).splits["train"].inputs

    assert isinstance(inputs, dict)
    assert inputs["plan"][:2].tolist() == ["b", "a"]
    assert pd.isna(inputs["plan"][2])


def test_a_frame_from_the_team_becomes_an_array() -> None:
    """Numbers need no names."""
    recipe = _recipe(prepare=lambda rows, _: (pd.DataFrame(rows.features), rows.targets))

    assert isinstance(prepare_all(replace(recipe)).prepared.splits["train"].inputs, np.ndarray)
