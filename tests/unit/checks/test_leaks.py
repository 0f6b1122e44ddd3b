"""`data` is red for a column that tells the target, for an exact relation, and for rows that cross between splits."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.data import DataParams, data
from pytest_mlspec.evidence import Leaks, Relation, SplitProfile, Telling

from .made import profile

SUM = Relation((("casual", 1.0), ("registered", 1.0)))


def _told(*columns: Telling, relation: Relation | None = None, prepared: bool = False, **params: Any) -> Verdict:
    leaks = Leaks(1000, columns, relation, prepared)
    return data(DataParams(**params), profile(leaks=leaks, target="cnt"))


def test_columns_that_tell_little_pass() -> None:
    """The one that tells most is told."""
    verdict = _told(Telling("registered", 0.9434), Telling("hour", 0.4773))

    assert verdict.status is Status.PASSED
    assert verdict.facts == ("no column tells cnt alone; most of it registered: 0.9434",)


@pytest.mark.parametrize(("score", "status"), [(0.99, Status.PASSED), (0.9901, Status.FAILED)])
def test_a_score_may_reach_the_bound(score: float, status: Status) -> None:
    """The default allows 0.99, and no more."""
    assert _told(Telling("copy", score)).status is status


def test_a_score_that_is_no_number_is_an_error() -> None:
    """It is no pass."""
    assert _told(Telling("copy", float("nan"))).status is Status.ERROR


@pytest.mark.parametrize(
    ("how", "fact"),
    [
        ("same", "it is the target itself (1000 rows)"),
        ("monotone", "it rises or falls with the target in every row (1000 rows)"),
        ("limits", "limits on it part the classes in every row (1000 rows)"),
        ("values", "each of its values has one target (1000 rows)"),
        ("", "its nearest training value gives the target of other rows; 0 is a constant's score, 1 is without error"),
    ],
)
def test_a_column_that_tells_the_target_fails(
    how: Literal["same", "monotone", "limits", "values", ""], fact: str
) -> None:
    """The message names the column, says how it tells, and what to write."""
    verdict = _told(Telling("copy", 1.0, how), Telling("hour", 0.4))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "copy alone tells cnt: 1, at most 0.99"
    assert verdict.facts == (fact,)
    assert verdict.advice == (
        "leave it out: `data.drop: [copy]`; where the model will have it in time, `data: {telling: [copy]}` under checks",
    )


def test_a_column_that_the_team_prepared_cannot_be_dropped() -> None:
    """The advice leads to prepare."""
    assert _told(Telling("3", 1.0), prepared=True).advice[0].startswith("leave it out in prepare; ")


def test_a_column_may_be_declared_to_tell_the_target() -> None:
    """The highest of the others is told."""
    verdict = _told(Telling("yesterday", 1.0, "monotone"), Telling("hour", 0.4), telling=("yesterday",))

    assert verdict.status is Status.PASSED
    assert verdict.facts == ("no column tells cnt alone; most of it hour: 0.4",)


def test_an_exact_relation_fails() -> None:
    """It is written out, and the columns named in the advice."""
    verdict = _told(Telling("registered", 0.9434), relation=SUM)

    assert verdict.status is Status.FAILED
    assert verdict.summary == "cnt is exactly casual + registered"
    assert verdict.facts == ("in each of 1000 rows, up to rounding",)
    assert "`data.drop: [casual, registered]`" in verdict.advice[0]


@pytest.mark.parametrize(
    ("relation", "written"),
    [
        (Relation((("a", -1.0),)), "-a"),
        (Relation((("a", 2.0), ("b", -1.0)), 3.0), "2 * a - b + 3"),
        (Relation((("a", -0.5), ("b", 1.0000000001)), -0.25), "-0.5 * a + b - 0.25"),
        (
            Relation(tuple((f"c{number}", 1.0) for number in range(7))),
            "a linear function of c0, c1, c2, c3, c4, c5, … (7 in all)",
        ),
    ],
)
def test_a_relation_is_written_as_a_formula(relation: Relation, written: str) -> None:
    """Factors of 1 are left out; a long one is listed."""
    assert _told(relation=relation).summary == f"cnt is exactly {written}"


def test_one_column_of_a_relation_is_told_once() -> None:
    """A scaled copy is not reported as a column that tells the target, too."""
    verdict = _told(Telling("copy", 1.0, "monotone"), relation=Relation((("copy", 2.0),)))

    assert verdict.summary == "cnt is exactly 2 * copy"
    assert len(verdict.facts) == 1


def test_a_relation_with_a_declared_column_passes() -> None:
    """One of its columns is enough."""
    assert _told(relation=SUM, telling=("casual",)).status is Status.PASSED


def test_too_few_rows_are_told() -> None:
    """Nothing was looked for, and the verdict says so."""
    verdict = data(DataParams(), profile(leaks=Leaks(0)))

    assert verdict.facts == ("too few rows to see whether a column tells target",)


@pytest.mark.parametrize(("near", "status"), [(3, Status.PASSED), (4, Status.FAILED)])
def test_near_copies_may_be_one_in_a_hundred_rows(near: int, status: Status) -> None:
    """Of the 360 test rows; they are counted in any case."""
    verdict = data(DataParams(), profile(near={"train/test": near}, near_examples={"train/test": (("a:2", "a:9"),)}))

    assert verdict.status is status
    assert f"near copies of rows in train and test: {near}, at most 3" in (verdict.summary, *verdict.facts)


@pytest.mark.parametrize(("near", "status"), [(0, Status.PASSED), (1, Status.FAILED)])
def test_near_copies_may_reach_a_declared_bound(near: int, status: Status) -> None:
    """Here none."""
    verdict = data(
        DataParams(near_at_most=0),
        profile(near={"train/test": near}, near_examples={"train/test": (("row 2", "row 9"),)}),
    )

    assert verdict.status is status


def test_near_copies_name_their_rows() -> None:
    """As equal ones do."""
    verdict = data(
        DataParams(near_at_most=0), profile(near={"train/test": 1}, near_examples={"train/test": (("row 2", "row 9"),)})
    )

    assert verdict.summary == "near copies of rows in train and test: 1, at most 0"
    assert verdict.facts == ("nearly equal rows in train/test: row 2 = row 9",)
    assert verdict.advice[0].startswith("they differ by rounding, case or blanks alone")


def test_near_copies_that_were_not_looked_for_are_told() -> None:
    """A wide array is not searched."""
    assert data(DataParams(), profile(near={})).facts == ("near copies were not looked for: too many values",)


@pytest.mark.parametrize(
    ("split_by", "summary"),
    [
        ("group", "groups of user in train and test: 2, at most 0"),
        ("time", "rows of test before the last of train by user: 2, at most 0"),
    ],
)
def test_what_crosses_a_split_by_group_or_time_fails(split_by: Literal["group", "time"], summary: str) -> None:
    """Some of it is named."""
    found = profile(
        test=SplitProfile(rows=9),
        train=SplitProfile(rows=9),
        split_by=split_by,
        split_column="user",
        crossing={"train/test": 2},
        crossing_examples={"train/test": ("ann", "bob")},
    )
    verdict = data(DataParams(), found)

    assert verdict.status is Status.FAILED
    assert verdict.summary == summary
    assert verdict.facts == ("for example ann, bob",)


def test_a_split_that_keeps_groups_apart_passes() -> None:
    """And says nothing of them."""
    verdict = data(DataParams(), profile(split_by="group", split_column="user", crossing={"train/test": 0}))

    assert verdict.status is Status.PASSED
    assert verdict.facts == ()
