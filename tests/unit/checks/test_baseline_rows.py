"""`baseline`, row by row, on hand-made descriptions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks import baseline_rows
from pytest_mlspec.evidence import Description, GoldenRow

from .recorded import DESCRIPTION, HASHES

GONE = {"gone_at_most": 0.2, "edited_at_most": 0.01}


def with_rows(train: int, **changes: object) -> Description:
    splits = {**DESCRIPTION.splits, "train": replace(DESCRIPTION.splits["train"], rows=train, digest="other")}
    return replace(DESCRIPTION, splits=splits, order="other", **changes)  # type: ignore[arg-type]


def without(*gone: str) -> dict[str, GoldenRow]:
    return {key: row for key, row in DESCRIPTION.golden.items() if key not in gone}


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        (160, Status.FAILED),
        (639, Status.FAILED),
        (640, Status.PASSED),
        (1000, Status.PASSED),
        (1520, Status.PASSED),
        (1600, Status.FAILED),
    ],
)
def test_rows_are_counted(rows: int, status: Status) -> None:
    """A table that loses a fifth or is read twice is red, one that grows is not."""
    train, test = baseline_rows.counts(DESCRIPTION, with_rows(rows), at_least_share=0.8, at_most_share=1.9)

    assert (train.status, test.status) == (status, Status.PASSED)
    assert train.findings == (("baseline.rows",) if status is Status.FAILED else ())


def test_a_split_that_is_gone_or_new_is_red() -> None:
    """Whichever way round."""
    one = replace(DESCRIPTION, splits={"train": DESCRIPTION.splits["train"]})
    limits = {"at_least_share": 0.8, "at_most_share": 1.9}

    assert [each.status for each in baseline_rows.counts(DESCRIPTION, one, **limits)] == [Status.PASSED, Status.FAILED]
    assert [each.status for each in baseline_rows.counts(one, DESCRIPTION, **limits)] == [Status.PASSED, Status.FAILED]


def test_a_split_of_no_rows_cannot_be_compared() -> None:
    """An error, never a pass."""
    train, _ = baseline_rows.counts(with_rows(0), DESCRIPTION, at_least_share=0.8, at_most_share=1.9)

    assert train.status is Status.ERROR


def test_rows_edited_in_place_are_red_where_few_are_gone() -> None:
    """There are as many rows as before, and the others stand where they stood."""
    [edited] = baseline_rows.gone(DESCRIPTION, replace(DESCRIPTION, golden=without(HASHES[0])), **GONE)

    assert edited.status is Status.FAILED
    assert edited.findings == ("baseline.values",)


def test_rows_replaced_by_as_many_others_may_be_more() -> None:
    """A window that moves on: the others have other numbers now."""
    moved = {key: replace(row, place="ff") for key, row in without(HASHES[0]).items()}
    [replaced] = baseline_rows.gone(DESCRIPTION, replace(DESCRIPTION, golden=moved), **GONE)

    assert replaced.status is Status.PASSED


@pytest.mark.parametrize(("gone", "status"), [(2, Status.PASSED), (3, Status.FAILED)])
def test_rows_that_are_gone_are_counted(gone: int, status: Status) -> None:
    """Of a table that has another number of rows."""
    [verdict] = baseline_rows.gone(DESCRIPTION, with_rows(780, golden=without(*HASHES[:gone])), **GONE)

    assert verdict.status is status


def test_rows_beyond_the_highest_hash_of_now_are_not_gone() -> None:
    """Added rows with lower hashes take their places: nothing is known of them."""
    grown = with_rows(1600, golden=without(*HASHES[6:]), asked=6)

    assert list(baseline_rows.gone(DESCRIPTION, grown, **GONE)) == []


def test_other_data_have_none_of_the_golden_rows() -> None:
    """Where all of them should be there."""
    [verdict] = baseline_rows.gone(DESCRIPTION, with_rows(900, golden={}, asked=64), **GONE)

    assert verdict.status is Status.FAILED


def test_no_golden_rows_are_told() -> None:
    """Not passed over in silence."""
    [verdict] = baseline_rows.gone(replace(DESCRIPTION, golden={}), DESCRIPTION, **GONE)

    assert verdict.summary == "no golden rows are compared: none are recorded or wanted"


def test_rows_in_another_split_are_red_where_the_rows_are_the_same() -> None:
    """The same rows in the same order give the same draw, whatever its seed."""
    moved = {key: replace(row, splits=("test",)) for key, row in DESCRIPTION.golden.items()}

    [same] = baseline_rows.moved(DESCRIPTION, replace(DESCRIPTION, golden=moved), at_most_share=0.01)
    [others] = baseline_rows.moved(DESCRIPTION, with_rows(900, golden=moved), at_most_share=0.01)
    [of_source] = baseline_rows.moved(DESCRIPTION, with_rows(900, golden=moved, split_by="source"), at_most_share=0.01)

    assert (same.status, others.status, of_source.status) == (Status.FAILED, Status.PASSED, Status.FAILED)
    assert same.findings == ("baseline.moved",)


def test_prepared_rows_are_compared_where_the_training_rows_are_the_same() -> None:
    """A fit on other rows gives others."""
    changed = {key: replace(row, sketches={"": (-5.0, 1.0)}) for key, row in DESCRIPTION.golden.items()}

    [same] = baseline_rows.prepared(DESCRIPTION, replace(DESCRIPTION, golden=changed))
    [refitted] = baseline_rows.prepared(DESCRIPTION, with_rows(900, golden=changed))
    [unfitted] = baseline_rows.prepared(replace(DESCRIPTION, fits=False), with_rows(900, golden=changed, fits=False))

    assert (same.status, refitted.status, unfitted.status) == (Status.FAILED, Status.PASSED, Status.FAILED)
    assert same.findings == ("baseline.prepared",)


def test_prepared_rows_may_differ_by_rounding() -> None:
    """Of another processor, or of six digits in a file."""
    rounded = {
        key: replace(row, sketches={"": (row.sketches[""][0] + 5e-6, 1.0)}) for key, row in DESCRIPTION.golden.items()
    }

    assert [each.status for each in baseline_rows.prepared(DESCRIPTION, replace(DESCRIPTION, golden=rounded))] == []


def test_a_table_has_grown_where_all_recorded_rows_are_there() -> None:
    """By the share of the new ones."""
    assert baseline_rows.grown_by(DESCRIPTION, with_rows(1050)) == pytest.approx(0.2)
    assert baseline_rows.grown_by(DESCRIPTION, with_rows(1050, golden=without(HASHES[0]))) == 0
    assert baseline_rows.grown_by(DESCRIPTION, with_rows(700)) == 0
