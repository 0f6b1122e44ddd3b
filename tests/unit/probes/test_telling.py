"""A column that tells the target alone scores 1, or close to it; one that does not, far from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from pytest_mlspec.evidence import Telling
from pytest_mlspec.probes.table import table_of
from pytest_mlspec.probes.telling import Target, tell

RNG = np.random.default_rng(0)
VALUES = RNG.normal(10, 3, 500)
CLASSES = RNG.choice([0, 1, 2], size=500, p=[0.6, 0.3, 0.1])
NAMES = ("cat", "dog", "owl")


def _told(column: Any, target: Any, classes: tuple[str, ...] = ()) -> Telling:
    (single,) = table_of({"train": pd.DataFrame({"planted": column})}).columns
    return tell(single, Target(np.asarray(target), classes, 400))


@pytest.mark.parametrize(
    ("column", "how"),
    [
        (VALUES, "same"),
        (VALUES.astype(np.float32), "same"),
        (-VALUES, "monotone"),
        (np.exp(VALUES), "monotone"),
        (np.round(-VALUES, 1), ""),
        (np.where(np.arange(500) % 50, VALUES, np.nan) * 2, ""),
        (VALUES + 0.05 * RNG.normal(size=500), ""),
    ],
    ids=["the same", "single precision", "negated", "exponential", "rounded", "with gaps", "with noise"],
)
def test_a_column_that_tells_the_value(column: Any, how: str) -> None:
    """In whatever way."""
    told = _told(column, VALUES)

    assert told.how == how
    assert told.score > (0.95 if how == "" else 0.999)


@pytest.mark.parametrize(
    ("column", "how"),
    [
        ([NAMES[number] for number in CLASSES], "same"),
        (CLASSES, "values"),
        ([f"is a {NAMES[number]}" for number in CLASSES], "values"),
        (-10 * CLASSES + RNG.random(500), "limits"),
        (np.where(RNG.random(500) < 0.004, 0, CLASSES), ""),
    ],
    ids=["the same", "numbers", "texts", "limits", "few errors"],
)
def test_a_column_that_tells_the_class(column: Any, how: str) -> None:
    """In whatever way."""
    told = _told(column, CLASSES, NAMES)

    assert told.how == how
    assert told.score > 0.97


def test_what_is_missing_can_tell_the_class() -> None:
    """A date of death that only the dead have."""
    told = _told(np.where(CLASSES > 0, VALUES, np.nan), (CLASSES > 0).astype(int), ("alive", "dead"))

    assert told.score == 1


def test_each_value_of_a_category_with_one_price() -> None:
    """A regression on a list price."""
    plan = RNG.integers(0, 20, 500)
    told = _told([f"plan {number}" for number in plan], VALUES[plan])

    assert (told.score, told.how) == (1, "values")


@pytest.mark.parametrize("target", [(VALUES, ()), (CLASSES, NAMES)], ids=["values", "classes"])
@pytest.mark.parametrize(
    "column",
    [RNG.normal(size=500), np.arange(500), [f"row {number}" for number in range(500)], np.zeros(500), [None] * 500],
    ids=["noise", "numbers of rows", "names of rows", "constant", "nothing"],
)
def test_a_column_without_a_relation_scores_low(column: Any, target: tuple[Any, tuple[str, ...]]) -> None:
    """One with another value in every row is no proof, nor is an empty one."""
    assert _told(column, *target).score < 0.1


def test_numbers_of_rows_that_are_sorted_by_class_tell_it() -> None:
    """The file was sorted, and its row numbers are among the features."""
    order = RNG.permutation(500)

    assert _told(order, np.sort(CLASSES)[order], NAMES).how == "limits"


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_no_column_of_a_healthy_set_tells_its_class(name: str) -> None:
    """Not even the petals of irises, which tell one class of three."""
    found = getattr(datasets, f"load_{name}")()
    order = np.random.default_rng(1).permutation(len(found.target))
    target = Target(found.target[order], tuple(map(str, found.target_names)), int(0.8 * len(order)))
    columns = table_of({"train": found.data[order]}).columns

    assert max(tell(column, target).score for column in columns) < 0.97


@pytest.mark.parametrize(
    ("values", "classes", "train"),
    [
        (VALUES[:60], (), 49),
        (np.ones(500), (), 400),
        (np.repeat([0, 1], [391, 9]), ("no", "yes"), 400),
        (np.repeat([0, 1, 0], [300, 100, 100]), ("no", "yes"), 400),
    ],
    ids=["few rows", "a constant", "few of the other class", "none of the other class held out"],
)
def test_too_few_rows_say_nothing(values: Any, classes: tuple[str, ...], train: int) -> None:
    """A score on them would be chance."""
    assert not Target(values, classes, train).enough


def test_rows_enough() -> None:
    """Of values, and of more than one class on both sides."""
    assert Target(VALUES, (), 400).enough
    assert Target(CLASSES, NAMES, 400).enough
