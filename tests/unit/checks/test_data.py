"""`data` is red for anything that keeps the splits from being judged, finite or apart, and counts what it lets through."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import ValidationError

from pytest_mlspec.check import Status
from pytest_mlspec.checks.data import DataParams, data
from pytest_mlspec.evidence import DataProfile, Mixed, SplitProfile

from .made import DIGITS, profile

ALLOWED = DataParams()


def test_healthy_splits_pass_with_their_counts() -> None:
    """The summary counts rows, classes and shared rows."""
    verdict = data(ALLOWED, profile())

    assert verdict.status is Status.PASSED
    assert verdict.summary == "1437 train, 360 test rows, 10 classes, 0 shared"
    assert verdict.n == 1797


def test_a_regression_has_no_classes_to_count() -> None:
    """Without classes neither their number nor their presence is judged."""
    verdict = data(ALLOWED, profile(train=SplitProfile(rows=353), test=SplitProfile(rows=89)))

    assert verdict.status is Status.PASSED
    assert verdict.summary == "353 train, 89 test rows, 0 shared"


def test_test_rows_in_the_training_split_fail() -> None:
    """One shared row is more than the default allows; the message names the rows."""
    verdict = data(ALLOWED, profile(shared={"train/test": 1}, shared_examples={"train/test": (("row 3", "row 17"),)}))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "rows shared by train and test: 1, at most 0"
    assert verdict.facts == ("equal rows in train/test: row 3 = row 17",)


@pytest.mark.parametrize(("shared", "status"), [(5, Status.PASSED), (6, Status.FAILED)])
def test_shared_rows_may_reach_the_bound(shared: int, status: Status) -> None:
    """Exactly `shared_at_most` passes, one more fails."""
    verdict = data(DataParams(shared_at_most=5), profile(shared={"train/test": shared}))

    assert verdict.status is status


@pytest.mark.parametrize(("shared", "status"), [(36, Status.PASSED), (37, Status.FAILED)])
def test_shared_rows_may_be_a_share_of_the_second_split(shared: int, status: Status) -> None:
    """A tenth of 360 test rows."""
    verdict = data(DataParams(shared_at_most=0.1), profile(shared={"train/test": shared}))

    assert verdict.status is status
    assert f"rows shared by train and test: {shared}, at most 36" in (verdict.summary, *verdict.facts)


@pytest.mark.parametrize("bound", [-1, -0.5, 1.5, True, "3"])
def test_a_bound_is_a_number_of_rows_or_a_share(bound: Any) -> None:
    """A share is below 1, a number is whole."""
    with pytest.raises(ValidationError):
        DataParams(shared_at_most=bound)


def test_splits_that_were_not_compared_are_an_error() -> None:
    """No count of shared rows is not a count of 0."""
    verdict = data(ALLOWED, profile(shared={}))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "train and test were not compared for shared rows"


def test_the_order_of_a_pair_does_not_matter() -> None:
    """`test/train` compares the same splits as `train/test`."""
    assert data(ALLOWED, profile(shared={"test/train": 0})).status is Status.PASSED


def test_an_empty_split_is_an_error() -> None:
    """A split without rows leaves nothing to judge, whatever the other one holds."""
    verdict = data(ALLOWED, profile(test=SplitProfile(rows=0)))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "0 rows in split test"


def test_every_empty_split_is_named() -> None:
    """The first empty split is the summary, the other one a fact."""
    verdict = data(ALLOWED, profile(train=SplitProfile(rows=0), test=SplitProfile(rows=0)))

    assert verdict.status is Status.ERROR
    assert (verdict.summary, *verdict.facts) == ("0 rows in split train", "0 rows in split test")


def test_no_training_split_is_an_error() -> None:
    """The message names the splits that there are."""
    verdict = data(ALLOWED, DataProfile(splits={"test": SplitProfile(rows=9)}, shared={}, features=4, digest=""))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "no split called train: there is test"


def test_no_split_at_all_is_an_error() -> None:
    """Empty evidence is never green."""
    verdict = data(ALLOWED, DataProfile(splits={}, shared={}, features=0, digest=""))

    assert verdict.status is Status.ERROR
    assert verdict.summary == "no split called train: there is none"


def test_nulls_that_reach_the_model_fail() -> None:
    """Nulls that `prepare` does not impute are counted by column."""
    train = SplitProfile(rows=9, nulls={"age": 3, "plan": 1}, prepared_nonfinite={"age": 3})
    verdict = data(ALLOWED, profile(train=train, test=SplitProfile(rows=9)))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "nulls of train reach the model: age 3"
    assert "nullable" in verdict.advice[0]


def test_imputed_nulls_pass_and_are_reported() -> None:
    """Nulls of the raw rows are no fault where the prepared values are finite."""
    verdict = data(ALLOWED, profile(train=SplitProfile(rows=9, nulls={"age": 3}), test=SplitProfile(rows=9)))

    assert verdict.status is Status.PASSED
    assert verdict.facts == ("raw nulls of train: age 3",)


@pytest.mark.parametrize(
    ("params", "accepts_nulls"),
    [(ALLOWED, True), (DataParams(nullable=("age",)), False)],
    ids=["the model accepts nulls", "the column is nullable"],
)
def test_nulls_may_reach_a_model_that_takes_them(params: DataParams, accepts_nulls: bool) -> None:
    """Either the model or the spec allows it."""
    train = SplitProfile(rows=9, nulls={"age": 3}, prepared_nonfinite={"age": 3})
    verdict = data(params, profile(train=train, test=SplitProfile(rows=9), accepts_nulls=accepts_nulls))

    assert verdict.status is Status.PASSED


def test_a_nan_made_by_prepare_fails_even_where_nulls_are_accepted() -> None:
    """A column may hold as many missing values as it had before, and no more."""
    train = SplitProfile(rows=9, nulls={"age": 3}, prepared_nonfinite={"age": 4})
    verdict = data(ALLOWED, profile(train=train, test=SplitProfile(rows=9), accepts_nulls=True))

    assert verdict.status is Status.FAILED


def test_a_prepared_column_can_be_declared_nullable_by_its_own_name() -> None:
    """A transformer names its columns itself; what it makes of raw nulls can be allowed by that name."""
    train = SplitProfile(rows=9, nulls={"age": 3}, prepared_nonfinite={"log_age": 3})
    test = SplitProfile(rows=9)

    assert data(ALLOWED, profile(train=train, test=test)).status is Status.FAILED
    assert data(DataParams(nullable=("log_age",)), profile(train=train, test=test)).status is Status.PASSED


def test_prepared_values_that_are_not_finite_fail_without_raw_nulls() -> None:
    """The message blames `prepare`, since the raw rows are complete."""
    train = SplitProfile(rows=9, prepared_nonfinite={"log_income": 2})
    verdict = data(ALLOWED, profile(train=train, test=SplitProfile(rows=9)))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "prepared values of train are not finite: log_income 2"


def test_an_infinite_value_fails_even_in_a_nullable_column() -> None:
    """Only missing values can be declared; an infinite one in the raw rows is always a fault."""
    test = SplitProfile(rows=9, infinite={"age": 1}, prepared_nonfinite={"age": 1})
    verdict = data(DataParams(nullable=("age",)), profile(train=SplitProfile(rows=9), test=test, accepts_nulls=True))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "infinite values in test: age 1"


def test_a_target_that_is_not_finite_fails() -> None:
    """The message names the column and the rows."""
    train = SplitProfile(rows=9, target_nonfinite=2, examples={"price": ("prices.csv:4", "prices.csv:7")})
    verdict = data(ALLOWED, profile(train=train, test=SplitProfile(rows=9), target="price"))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "targets of train missing or not finite: 2, column 'price'"
    assert verdict.facts == ("first rows: price in prices.csv:4, prices.csv:7",)


@pytest.mark.parametrize(
    "split",
    [
        SplitProfile(rows=9, infinite={"age": 1}, examples={"age": ("row 4",)}),
        SplitProfile(rows=9, nulls={"age": 1}, prepared_nonfinite={"age": 1}, examples={"age": ("row 4",)}),
        SplitProfile(rows=9, prepared_nonfinite={"age": 1}, examples={"age": ("row 4",)}),
    ],
    ids=["infinite", "missing", "made by prepare"],
)
def test_values_that_are_not_finite_are_named_by_row(split: SplitProfile) -> None:
    """The first rows of each column."""
    assert "first rows: age in row 4" in data(ALLOWED, profile(test=split)).facts


def test_a_few_texts_among_numbers_fail() -> None:
    """They make a category of every number; the message counts them and names the first."""
    mixed = {"age": Mixed(texts=3, values=1000, examples=(("row 17", "n/a"), ("row 203", "old")))}
    verdict = data(ALLOWED, profile(mixed=mixed))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "3 of 1000 values in column age are text, the others numbers"
    assert verdict.facts == ("'n/a' in row 17, 'old' in row 203",)
    assert "na_values" in verdict.advice[0]


def test_a_column_may_be_declared_mixed() -> None:
    """The count stays among the facts."""
    verdict = data(DataParams(mixed=("age",)), profile(mixed={"age": Mixed(texts=3, values=1000)}))

    assert verdict.status is Status.PASSED
    assert verdict.facts == ("3 of 1000 values in column age are text, the others numbers",)


def test_constant_columns_and_identifiers_are_noted() -> None:
    """Neither is a fault."""
    verdict = data(ALLOWED, profile(constant=("0", "32"), identifiers=("customer_id",)))

    assert verdict.status is Status.PASSED
    assert verdict.facts == (
        "constant in train: 0, 32",
        "another value in every row: customer_id; an identifier, or dates for the step dates?",
    )


def test_class_shares_that_no_random_draw_gives_are_noted() -> None:
    """With the class whose share differs most."""
    train = SplitProfile(rows=1000, classes={"no": 900, "yes": 100})
    verdict = data(ALLOWED, profile(train=train, test=SplitProfile(rows=200, classes={"no": 120, "yes": 80})))

    assert verdict.status is Status.PASSED
    assert len(verdict.facts) == 1
    assert verdict.facts[0].startswith("class shares of test are not those of a random draw: p = ")
    assert verdict.facts[0].endswith(", 'no' 90.0% of train and 60.0%")


@pytest.mark.parametrize("split_by", ["group", "time"])
def test_class_shares_of_splits_that_are_no_draw_may_differ(split_by: Literal["group", "time"]) -> None:
    """Groups and years have shares of their own."""
    train = SplitProfile(rows=1000, classes={"no": 900, "yes": 100})
    test = SplitProfile(rows=200, classes={"no": 120, "yes": 80})

    assert data(ALLOWED, profile(train=train, test=test, split_by=split_by)).facts == ()


def test_duplicates_are_counted_where_no_bound_is_declared() -> None:
    """They are reported and never fail."""
    verdict = data(ALLOWED, profile(train=SplitProfile(rows=1437, duplicates=40, classes=DIGITS)))

    assert verdict.status is Status.PASSED
    assert "duplicates in train: 40" in verdict.facts


@pytest.mark.parametrize(("duplicates", "status"), [(40, Status.PASSED), (41, Status.FAILED)])
def test_duplicates_may_reach_a_declared_bound(duplicates: int, status: Status) -> None:
    """Exactly `duplicates_at_most` passes, one more fails."""
    train = SplitProfile(rows=1437, duplicates=duplicates, classes=DIGITS)

    assert data(DataParams(duplicates_at_most=40), profile(train=train)).status is status


def test_a_class_that_training_never_sees_fails() -> None:
    """The class and its rows are named."""
    verdict = data(ALLOWED, profile(train=SplitProfile(rows=2, classes={"no": 1, "yes": 1}), test=UNSEEN))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "rows of test with a class that train lacks: maybe 3"


def test_a_class_that_is_written_in_two_ways_fails() -> None:
    """One of them is a typing error, and the model would learn to repeat it."""
    train = SplitProfile(rows=9, classes={"yes": 4, "Yes ": 1, "no": 4})
    test = SplitProfile(rows=2, classes={"yes": 1, "no": 1})
    verdict = data(ALLOWED, profile(train=train, test=test))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "classes that differ in case or blanks alone: 'Yes ' 1, 'yes' 5"
    assert data(DataParams(alike=("Yes ",)), profile(train=train, test=test)).status is Status.PASSED


def test_letters_may_differ_in_case() -> None:
    """As in a set of handwritten letters."""
    letters = SplitProfile(rows=4, classes={"a": 2, "A": 2})

    assert data(ALLOWED, profile(train=letters, test=letters)).status is Status.PASSED


def test_one_class_alone_in_training_fails() -> None:
    """A constant target cannot be learned."""
    only = SplitProfile(rows=9, classes={"no": 9})
    verdict = data(ALLOWED, profile(train=only, test=only))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "one class alone in train: 'no'"


def test_every_fault_is_reported() -> None:
    """The first is the summary; the others follow as facts with their advice."""
    train = SplitProfile(rows=9, infinite={"a": 1}, target_nonfinite=1)
    verdict = data(ALLOWED, profile(train=train, test=SplitProfile(rows=9), shared={"train/test": 2}))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "targets of train missing or not finite: 1, column 'target'"
    assert verdict.facts == ("infinite values in train: a 1", "rows shared by train and test: 2, at most 0")
    assert len(verdict.advice) == 2


def test_a_list_of_columns_is_read_as_yaml_gives_it() -> None:
    """YAML gives a list; the params stay hashable."""
    params = DataParams.model_validate({"nullable": ["age", "plan"]})

    assert params.nullable == ("age", "plan")
    assert hash(params) == hash(DataParams(nullable=("age", "plan")))


UNSEEN = SplitProfile(rows=5, classes={"yes": 2, "maybe": 3})
