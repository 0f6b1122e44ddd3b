"""`baseline`, column by column, on hand-made descriptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks import baseline_columns
from pytest_mlspec.checks.baseline_columns import Limits
from pytest_mlspec.evidence import ColumnDescription, Description, InputDescription, Values

from .recorded import COLUMNS, DESCRIPTION, uniform

LIMITS = Limits(0.1, 0.05)


def with_column(name: str, **changes: Any) -> Description:
    return replace(DESCRIPTION, columns={**COLUMNS, name: replace(COLUMNS[name], **changes)})


def red(verdicts: Iterable[Verdict]) -> list[str]:
    return [finding for verdict in verdicts if verdict.status.red for finding in verdict.findings]


def columns(now: Description, **named: Any) -> list[str]:
    return red(baseline_columns.columns(DESCRIPTION, now, LIMITS, **{"ignore": (), **named}))


def test_the_same_columns_are_silent() -> None:
    """Nothing to tell."""
    assert columns(DESCRIPTION) == []
    assert red(baseline_columns.schema(DESCRIPTION, DESCRIPTION, ignore=())) == []


@pytest.mark.parametrize("classes", [("yes", "no"), ("no",), ("no", "yes", "255")], ids=["order", "lost", "new"])
def test_other_classes_are_red(classes: tuple[str, ...]) -> None:
    """Their order too: outputs are read by number."""
    verdicts = baseline_columns.classes(DESCRIPTION, replace(DESCRIPTION, classes=classes))

    assert red(verdicts) == ["baseline.classes"]


@pytest.mark.parametrize("change", ["gone", "new", "renamed", "order"])
def test_other_columns_are_red(change: str) -> None:
    """By name and by place."""
    age, plan, joined = COLUMNS.items()
    found: dict[str, dict[str, ColumnDescription]] = {
        "gone": dict([age, joined]),
        "new": dict([age, plan, joined, ("more", age[1])]),
        "renamed": dict([age, plan, ("since", joined[1])]),
        "order": dict([plan, age, joined]),
    }
    verdicts = baseline_columns.schema(DESCRIPTION, replace(DESCRIPTION, columns=found[change]), ignore=())

    assert red(verdicts) == ["baseline.columns"]


def test_a_column_of_another_kind_is_red() -> None:
    """Numbers that came as texts."""
    verdicts = baseline_columns.schema(DESCRIPTION, with_column("age", kind="text"), ignore=())

    assert red(verdicts) == ["baseline.columns"]


def test_a_pattern_that_names_no_column_is_an_error() -> None:
    """A misspelt one would leave nothing out."""
    [verdict] = baseline_columns.schema(DESCRIPTION, DESCRIPTION, ignore=("agee",))

    assert verdict.status is Status.ERROR


def test_values_times_a_thousand_are_red() -> None:
    """And the factor is told."""
    now = with_column("age", values=uniform(900, high=100_000))
    verdicts = list(baseline_columns.columns(DESCRIPTION, now, LIMITS, ignore=()))

    assert red(verdicts) == ["baseline.values"]
    assert "the values are 1000 times as large" in verdicts[0].facts
    assert columns(now, ignore=("ag*",)) == []


@pytest.mark.parametrize(("high", "found"), [(105, []), (140, ["baseline.values"])])
def test_a_small_shift_is_none(high: float, found: list[str]) -> None:
    """However many rows show it."""
    many = replace(DESCRIPTION, columns={"age": replace(COLUMNS["age"], values=uniform(900_000))})
    now = with_column("age", values=uniform(900_000, high=high))

    assert red(baseline_columns.columns(many, now, LIMITS, ignore=())) == found


def test_few_rows_shift_by_chance() -> None:
    """The distance of two samples of 30 says nothing at one in a million."""
    few = replace(DESCRIPTION, columns={"age": replace(COLUMNS["age"], count=30, values=uniform(30))})
    now = with_column("age", count=30, values=uniform(30, high=140))

    assert red(baseline_columns.columns(few, now, LIMITS, ignore=())) == []


def test_missing_values_that_are_filled_are_red() -> None:
    """10 % were missing."""
    now = with_column("age", missing=0.0, values=replace(uniform(1000), common=0.0, common_share=0.1))

    assert columns(now) == ["baseline.nulls", "baseline.nulls"]


def test_a_category_that_doubles_is_red() -> None:
    """From 30 % to 60 %."""
    assert columns(with_column("plan", categories={"basic": 400, "gold": 600})) == ["baseline.values"]


def test_times_move_on() -> None:
    """They are not compared."""
    assert columns(with_column("joined", values=uniform(1000, low=500, high=600))) == []


def test_added_rows_may_go_on_where_the_others_ended() -> None:
    """A year more, a new category; not a thousand times as much."""
    year = with_column("age", count=1250, values=uniform(1125, high=130))
    category = with_column("plan", count=1250, categories={"basic": 700, "gold": 300, "trial": 250})
    grid = tuple(float(percent) if percent < 80 else 90_000.0 for percent in range(101))
    unit = with_column("age", count=1250, values=replace(uniform(1125), grid=grid))

    assert columns(year, grown=0.2) == columns(category, grown=0.2) == []
    assert columns(unit, grown=0.2) == ["baseline.values"]


def test_shares_of_classes_are_compared_by_split() -> None:
    """By chance alone they do not move as far."""
    train = replace(DESCRIPTION.splits["train"], classes={"no": 400, "yes": 400})
    now = replace(DESCRIPTION, splits={**DESCRIPTION.splits, "train": train})

    assert red(baseline_columns.targets(DESCRIPTION, now, LIMITS)) == ["baseline.class_shares"]


@pytest.mark.parametrize(
    ("classes", "found"),
    [
        ({"no": 700, "yes": 200}, ["baseline.class_shares"]),
        ({"no": 610, "yes": 200}, []),
        ({"no": 600, "yes": 240}, []),
        ({"no": 699, "yes": 201}, []),
        ({"no": 560, "yes": 200}, []),
    ],
    ids=["of the commonest", "a few, by chance", "of a rare one", "of both", "gone"],
)
def test_added_rows_that_are_all_of_a_common_class_are_red(classes: dict[str, int], found: list[str]) -> None:
    """Such as rows without a label, which were left out before."""
    train = replace(DESCRIPTION.splits["train"], classes=classes, rows=sum(classes.values()))
    now = replace(DESCRIPTION, splits={**DESCRIPTION.splits, "train": train})

    assert red(baseline_columns.added_classes(DESCRIPTION, now)) == found


def _with_inputs(**changes: Any) -> Description:
    given = InputDescription("float32", (3,), {"train": uniform(800), "test": uniform(200)}, (1.0, 1.0))
    return replace(DESCRIPTION, inputs={"": replace(given, **changes)})


@pytest.mark.parametrize(
    "changes",
    [{"dtype": "float64"}, {"shape": (4,)}, {"shape": (1, 3)}, {"values": {"train": uniform(800, high=1600)}}],
    ids=["dtype", "width", "axis", "scale"],
)
def test_what_enters_the_model_otherwise_is_red(changes: dict[str, Any]) -> None:
    """Its type, its shape, its values."""
    verdicts = baseline_columns.inputs(DESCRIPTION, _with_inputs(**changes), LIMITS, same_rows=True)

    assert red(verdicts) == ["baseline.prepared"]


def test_columns_of_other_rows_may_be_more() -> None:
    """A new category makes one; an axis is none."""
    wider = baseline_columns.inputs(DESCRIPTION, _with_inputs(shape=(4,)), LIMITS, same_rows=False)
    deeper = baseline_columns.inputs(DESCRIPTION, _with_inputs(shape=(1, 3)), LIMITS, same_rows=False)

    assert (red(wider), red(deeper)) == ([], ["baseline.prepared"])


def test_values_that_are_not_there_are_red() -> None:
    """A column of nothing is no equal distribution."""
    assert columns(with_column("age", missing=1.0, values=Values(0)))[0] == "baseline.nulls"
