"""The rows of the task embedding: columns by their roles, texts as they stand, scores as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.pairs import demand_complete, examples_of, of_columns
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.rows import no_targets

PAIR = {"positive": "a", "anchor": "q"}


def rows(**columns: Any) -> Rows:
    table = pd.DataFrame(columns)
    return Rows(table, no_targets(len(table)), np.arange(len(table)))


def test_columns_without_a_role_stand_beside_the_features() -> None:
    """A split may still go by them; equal pairs are equal rows."""
    found = of_columns(rows(id=[1, 2], a=["x", "y"], q=["u", "v"]), PAIR)

    assert isinstance(found, Rows)
    assert isinstance(found.features, pd.DataFrame)
    assert list(found.features.columns) == ["q", "a"]
    assert found.others is not None
    assert list(found.others.columns) == ["id"]


def test_each_split_of_a_source_keeps_its_columns() -> None:
    """A source may bring its splits."""
    part = rows(a=["x"], q=["u"])
    found = of_columns({"train": part, "test": part}, PAIR)

    assert isinstance(found, dict)
    assert set(found) == {"train", "test"}


def test_what_enters_the_training_goes_by_role() -> None:
    """In the order in which losses take it."""
    found = examples_of(rows(q=["u"], a=["x"]), PAIR)

    assert isinstance(found.inputs, dict)
    assert [(role, values.tolist()) for role, values in found.inputs.items()] == [
        ("anchor", ["u"]),
        ("positive", ["x"]),
    ]


def test_scores_are_numbers_and_labels_texts() -> None:
    """Whatever the file writes them as."""
    columns = {"first": "a", "second": "b", "score": "s"}
    scored = examples_of(rows(a=["x"], b=["y"], s=["0.5"]), columns)
    labelled = examples_of(rows(a=["x"], b=[3.0]), {"text": "a", "label": "b"})

    assert isinstance(scored.inputs, dict)
    assert isinstance(labelled.inputs, dict)
    assert scored.inputs["score"].tolist() == [0.5]
    assert labelled.inputs["label"].tolist() == ["3"]


def test_a_column_that_is_not_there_is_told_with_the_nearest() -> None:
    """At its role."""
    with pytest.raises(DataError, match="the rows have no column 'q'") as caught:
        of_columns(rows(a=["x"], qq=["u"]), PAIR)
    assert (caught.value.key, caught.value.advice) == ("data.columns.anchor", "did you mean 'qq'?")


@pytest.mark.parametrize(
    ("columns", "table", "message"),
    [
        (PAIR, {"q": ["u", "v"], "a": ["x", 3]}, "row 1 has 3 in the column 'a': an embedding is that of a text"),
        ({"first": "a", "second": "b", "score": "s"}, {"a": ["x"], "b": ["y"], "s": ["high"]}, "a score is a number"),
    ],
)
def test_what_is_no_text_or_no_score_is_told(columns: dict[str, str], table: dict[str, Any], message: str) -> None:
    """With its row."""
    with pytest.raises(DataError, match=message):
        examples_of(rows(**table), columns)


def test_a_missing_text_is_counted_and_refused_by_a_training() -> None:
    """The check `data` sees it; no loss could take it."""
    found = examples_of(rows(q=["u", None], a=["x", "y"]), PAIR)

    with pytest.raises(DataError, match="row 1 of split train has no anchor: 1 of 2 rows"):
        demand_complete(found, "train")
