"""Leaks are looked for where the model would see them: in the raw features, or in what the team's own preparation gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.evidence import Leaks, Telling
from pytest_mlspec.probes.leaks import find_leaks
from pytest_mlspec.recipe.preparation import Loaded
from pytest_mlspec.recipe.protocol import Examples, Inputs, Prepared, Rows

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(300, 2))
CLASSES = RNG.integers(0, 2, 300)
VALUES = RNG.normal(50, 9, 300)


def _loaded(features: Any, targets: Any, *, inputs: Any = None, classes: tuple[str, ...] = ()) -> Loaded:
    """200 rows for training, 40 for validation, 60 for the test."""
    whole = Rows(features, np.asarray(targets), np.arange(300))
    numbers = {"train": np.arange(200), "val": np.arange(200, 240), "test": np.arange(240, 300)}
    rows = {name: whole.take(taken) for name, taken in numbers.items()}
    found = Examples(features if inputs is None else inputs, np.asarray(targets), np.arange(300))
    splits = {name: found.take(taken) for name, taken in numbers.items()}
    return Loaded(rows, None, Prepared(splits, classes, "d"))


def test_the_raw_columns_are_scored_by_name() -> None:
    """The highest first, and all rows count."""
    table = pd.DataFrame({"noise": NOISE[:, 0], "copy": -VALUES})
    leaks = find_leaks(_loaded(table, VALUES, inputs=NOISE), prepared=False)

    assert leaks.rows == 300
    assert leaks.columns[0] == Telling("copy", 1.0, "monotone")
    assert leaks.columns[1].column == "noise"
    assert leaks.relation is not None
    assert leaks.relation.terms[0][0] == "copy"


def test_columns_of_an_array_go_by_their_place() -> None:
    """The class is its third column."""
    leaks = find_leaks(_loaded(np.c_[NOISE, CLASSES], CLASSES, classes=("no", "yes")), prepared=False)

    assert leaks.columns[0] == Telling("2", 1.0, "values")


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        (np.c_[NOISE, CLASSES], "2"),
        ({"noise": NOISE, "flag": CLASSES}, "flag"),
        ({"all": np.c_[NOISE, CLASSES]}, "all[2]"),
    ],
    ids=["an array", "by name", "an array by name"],
)
def test_what_the_team_prepares_is_looked_at_in_place_of_the_raw_columns(inputs: Inputs, name: str) -> None:
    """It brought the class in."""
    leaks = find_leaks(_loaded(NOISE, CLASSES, inputs=inputs, classes=("no", "yes")), prepared=True)

    assert leaks.prepared
    assert leaks.columns[0] == Telling(name, 1.0, "values")


def test_a_column_that_the_team_leaves_out_is_no_leak() -> None:
    """The raw rows have it, the model does not."""
    leaks = find_leaks(_loaded(np.c_[NOISE, VALUES], VALUES, inputs=NOISE), prepared=True)

    assert leaks.columns[0].score < 0.1
    assert leaks.relation is None


def test_targets_that_are_not_finite_take_no_part() -> None:
    """They are a fault of their own, and hide no leak."""
    targets = np.where(np.arange(300) == 7, np.inf, VALUES)
    leaks = find_leaks(_loaded(np.c_[NOISE, VALUES], targets), prepared=False)

    assert (leaks.rows, leaks.columns[0]) == (299, Telling("2", 1.0, "same"))
    assert leaks.relation is not None
    assert dict(leaks.relation.terms) == {"2": pytest.approx(1.0)}


def test_one_class_says_nothing() -> None:
    """Every column tells it."""
    assert find_leaks(_loaded(NOISE, np.zeros(300, int), classes=("no",)), prepared=False) == Leaks(0)
