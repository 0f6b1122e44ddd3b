"""The target as an exact linear function of columns is found, in as few columns as it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.evidence import Relation
from pytest_mlspec.probes.relation import exact_relation
from pytest_mlspec.probes.table import table_of
from pytest_mlspec.probes.telling import Target

RNG = np.random.default_rng(0)
COLUMNS: Mapping[str, Any] = {
    "casual": RNG.poisson(40, 600).astype(float),
    "registered": RNG.poisson(150, 600).astype(float),
    "seconds": 1.6e9 + 3600 * np.arange(600.0),
    "share": RNG.random(600),
    "town": RNG.choice(["north", "south"], 600),
}


def _found(target: Any, *, train: int = 480, classes: tuple[str, ...] = (), **more: Any) -> Relation | None:
    table = table_of({"all": pd.DataFrame({**COLUMNS, **more})})
    return exact_relation(table.columns, Target(np.asarray(target), classes, train))


def _rounded(relation: Relation | None) -> dict[str, float]:
    assert relation is not None
    return {**{name: round(slope, 6) for name, slope in relation.terms}, "": round(relation.constant, 3)}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (COLUMNS["casual"] + COLUMNS["registered"], {"casual": 1, "registered": 1, "": 0}),
        (COLUMNS["casual"] - 2.5 * COLUMNS["share"] + 3, {"casual": 1, "share": -2.5, "": 3}),
        (-0.25 * COLUMNS["registered"], {"registered": -0.25, "": 0}),
        (COLUMNS["seconds"] / 3600, {"seconds": round(1 / 3600, 6), "": 0}),
    ],
    ids=["a sum", "with a constant", "a scaled copy", "far from zero"],
)
def test_a_relation_is_found_with_its_numbers(target: Any, expected: dict[str, float]) -> None:
    """And no column that has no part in it."""
    assert _rounded(_found(target)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "target",
    [
        COLUMNS["casual"] + COLUMNS["registered"] + RNG.normal(size=600),
        COLUMNS["casual"] * COLUMNS["registered"],
        RNG.normal(size=600),
        np.where(np.arange(600) == 599, 0, COLUMNS["casual"]),
    ],
    ids=["with noise", "a product", "noise", "but for one row"],
)
def test_what_is_not_exact_is_no_relation(target: Any) -> None:
    """Not even one row may differ."""
    assert _found(target) is None


def test_rows_that_lack_a_value_take_no_part() -> None:
    """The others are enough."""
    casual = np.where(np.arange(600) % 10 == 0, np.nan, COLUMNS["casual"])
    target = COLUMNS["casual"] + COLUMNS["registered"]

    assert _rounded(_found(target, casual=casual)) == {"casual": 1, "registered": 1, "": 0}


def test_columns_that_together_give_the_class() -> None:
    """One column for each class, of which none tells the class alone."""
    classes = RNG.integers(0, 4, 600)
    columns: dict[str, Any] = {f"is_{number}": classes == number for number in range(4)}
    relation = _found(classes, classes=("a", "b", "c", "d"), **columns)

    assert relation is not None
    assert {name for name, _ in relation.terms} <= columns.keys()


def test_a_relation_of_many_columns_is_found() -> None:
    """More than are chosen one by one."""
    parts: dict[str, Any] = {f"part{number}": RNG.normal(size=600) for number in range(12)}
    relation = _found(sum(parts.values()), **parts)

    assert relation is not None
    assert [name for name, _ in relation.terms] == list(parts)


def test_too_few_rows_show_no_relation() -> None:
    """As many columns as rows fit anything."""
    assert _found(COLUMNS["casual"] + COLUMNS["registered"], train=50) is None


def test_a_constant_target_has_none() -> None:
    """It needs no column."""
    assert _found(np.ones(600)) is None
