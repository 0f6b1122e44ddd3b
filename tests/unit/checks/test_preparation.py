"""`preparation` is red where prepared rows follow from more than the row and the training rows, and tells what it left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.preparation import PreparationParams, preparation
from pytest_mlspec.evidence import Comparison, FitSeen, Refitted, Scaled

ALIKE = tuple(Comparison(way, "test", 100, 0.0, 1e-4) for way in ("repeat", "part", "order", "alone", "again"))
HEALTHY = Refitted(rows={"train": 400, "test": 100}, comparisons=(Comparison("repeat", "train", 200, 0, 1e-4), *ALIKE))


def judged(measured: Refitted = HEALTHY, /, *, params: PreparationParams | None = None, **changes: Any) -> Verdict:
    return preparation(params or PreparationParams(), replace(measured, **changes))


def with_one(way: Any, apart: float, *, split: str = "test", **changes: Any) -> Refitted:
    """The healthy preparation with one comparison that found `apart`."""
    others = [one for one in HEALTHY.comparisons if (one.way, one.split) != (way, split)]
    one = Comparison(way, split, 100, apart, 1e-4, where="row 7, column age")
    return replace(HEALTHY, comparisons=(*others, replace(one, **changes)))


def test_rows_that_are_prepared_alike_pass() -> None:
    """The summary says in which ways they were prepared, and how many rows there are."""
    verdict = judged()

    assert verdict.status is Status.PASSED
    assert verdict.summary == (
        "prepared alike twice, without other rows, in another order, by itself, from the source on"
    )
    assert (verdict.n, verdict.findings) == (500, ())


@pytest.mark.parametrize(
    ("way", "told", "finding"),
    [
        ("repeat", "prepared twice, the same rows of test differ by 0.25, at most 0.0001", "preparation.repeat"),
        ("again", "loaded, split and fitted once more, the rows of test differ by 0.25", "preparation.moved"),
        ("part", "rows of test prepared without the others differ by 0.25", "preparation.rows"),
        ("order", "rows of test prepared in another order differ by 0.25", "preparation.rows"),
        ("alone", "a row of test prepared by itself differs by 0.25", "preparation.rows"),
        ("numbers", "under other row numbers the same rows of test differ by 0.25", "preparation.stale"),
    ],
)
def test_rows_that_differ_fail_with_what_was_compared(way: str, told: str, finding: str) -> None:
    """And with the value that differs most, the next step, and the name of the finding."""
    verdict = judged(with_one(way, 0.25))

    assert verdict.status is Status.FAILED
    assert verdict.summary.startswith(told)
    assert "row 7, column age" in verdict.facts[0]
    assert verdict.findings == (finding,)
    assert verdict.advice


@pytest.mark.parametrize(("apart", "status"), [(1e-4, Status.PASSED), (1.1e-4, Status.FAILED)])
def test_a_difference_may_reach_what_rounding_explains(apart: float, status: Status) -> None:
    """Exactly the tolerance passes."""
    assert judged(with_one("part", apart)).status is status


def test_the_tolerance_can_be_replaced() -> None:
    """By a share of the scale of a column."""
    assert judged(with_one("part", 0.01), params=PreparationParams(tolerance=0.02)).status is Status.PASSED


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_tolerance_is_a_finite_share(value: float) -> None:
    """Nothing below 0, no NaN."""
    with pytest.raises(ValidationError):
        PreparationParams(tolerance=value)


def test_a_difference_that_is_no_number_is_an_error() -> None:
    """Nothing that was not measured passes."""
    assert judged(with_one("part", float("nan"))).status is Status.ERROR


def test_a_value_that_is_missing_on_one_side_fails() -> None:
    """As are ids that differ: there is no distance between them."""
    verdict = judged(with_one("part", float("inf")))

    assert verdict.summary == (
        "rows of test prepared without the others differ altogether: in ids, or a value that is missing on one side"
    )
    assert verdict.facts == ("row 7, column age",)


def test_rows_that_cannot_be_prepared_alone_are_told_with_the_reason() -> None:
    """What the team's code raised, or the form that it gave."""
    verdict = judged(with_one("alone", float("inf"), told="float32 [1, 3] in the place of float32 [1, 8]"))

    assert verdict.summary == (
        "a row of test cannot be prepared by itself: float32 [1, 3] in the place of float32 [1, 8]"
    )


def test_what_draws_at_random_is_told_once() -> None:
    """The other comparisons of that split are spoilt by it."""
    measured = with_one("repeat", 0.5)
    spoilt = tuple(replace(one, apart=0.5) if one.split == "test" else one for one in measured.comparisons)
    verdict = judged(measured, comparisons=spoilt)

    assert verdict.findings == ("preparation.repeat",)


def test_training_rows_may_be_augmented() -> None:
    """Each preparation of them may differ; it is told."""
    verdict = judged(with_one("repeat", 0.5, split="train"))

    assert verdict.status is Status.PASSED
    assert "prepare draws at random for train: each preparation gives other training examples" in verdict.facts


def test_features_of_several_rows_can_be_declared() -> None:
    """What was not judged is told."""
    verdict = judged(with_one("part", 0.5), params=PreparationParams(row_wise=False))

    assert verdict.status is Status.PASSED
    assert "declared not row_wise" in verdict.facts[0]


def test_training_rows_that_depend_on_held_out_ones_fail() -> None:
    """What split computes of all rows has seen them."""
    verdict = judged(with_one("others", 0.1, split="train"))

    assert verdict.summary.startswith("the training rows differ with what stands in the held-out ones by 0.1")
    assert verdict.findings == ("preparation.fitted",)


def test_rows_that_move_to_another_split_fail() -> None:
    """A draw without a seed."""
    verdict = judged(moved={"train": 300, "test": 0})

    assert verdict.summary == "300 rows of train are in another split when the data are split once more"
    assert verdict.findings == ("preparation.moved",)


def test_a_transformer_that_learned_from_all_rows_fails_unless_declared() -> None:
    """The advice names the key."""
    seen = (FitSeen("StandardScaler", 500, "load"),)
    verdict = judged(fitted=seen)

    assert verdict.summary == "StandardScaler.fit has seen 500 rows in load, held-out ones among them"
    assert "fitted_on_all: [StandardScaler]" in verdict.advice[0]
    allowed = PreparationParams(fitted_on_all=("StandardScaler",))
    assert judged(fitted=seen, params=allowed).status is Status.PASSED


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("standardized", "mean 0 and deviation 1 over all rows, and not over train, in columns age"),
        ("limits", "limits 0 and 1 over all rows, and not over train, in columns age"),
    ],
)
def test_columns_scaled_over_all_rows_fail_unless_the_source_gives_them_so(how: Any, told: str) -> None:
    """Both are told; the parameter says which it is."""
    scaled = (Scaled("age", how, (0.25, 0.75)),)

    assert judged(scaled=scaled).summary == told
    assert judged(scaled=scaled).findings == ("preparation.fitted",)
    assert judged(scaled=scaled, params=PreparationParams(scaled_by_source=True)).status is Status.PASSED


def test_no_rows_are_an_error() -> None:
    """Nothing was prepared."""
    assert judged(rows={"train": 0}, comparisons=()).status is Status.ERROR


def test_without_held_out_rows_there_is_little_to_compare() -> None:
    """It passes, and says so."""
    verdict = judged(rows={"train": 400}, comparisons=(Comparison("repeat", "train", 200, 0.0, 1e-4),))

    assert verdict.summary == "no held-out rows to prepare"


def test_what_is_no_fault_is_told() -> None:
    """A cache by number, rows in no split, and what could not be asked."""
    verdict = judged(by_number=True, loaded=600, left_out=100, unmeasured=("split numbers its rows anew",))

    assert verdict.status is Status.PASSED
    assert verdict.facts == (
        "prepared rows follow the number of the row, and not what stands in it: are they read from a cache?",
        "100 of 600 loaded rows are in no split",
        "not measured: split numbers its rows anew",
    )
