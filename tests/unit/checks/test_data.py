"""`data` is red for anything that keeps the splits from being judged, finite or apart, and counts what it lets through."""

from __future__ import annotations

import pytest

from pytest_mlspec.check import Status
from pytest_mlspec.checks.data import DataParams, data
from pytest_mlspec.evidence import DataProfile, SplitProfile

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
    verdict = data(ALLOWED, profile(shared={"train/test": 1}, shared_examples={"train/test": ((3, 17),)}))

    assert verdict.status is Status.FAILED
    assert verdict.summary == "rows shared by train and test: 1, at most 0"
    assert verdict.facts == ("equal rows, by their numbers in train/test: 3 = 17",)


@pytest.mark.parametrize(("shared", "status"), [(5, Status.PASSED), (6, Status.FAILED)])
def test_shared_rows_may_reach_the_bound(shared: int, status: Status) -> None:
    """Exactly `shared_at_most` passes, one more fails."""
    verdict = data(DataParams(shared_at_most=5), profile(shared={"train/test": shared}))

    assert verdict.status is status


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
    """The message names the column."""
    verdict = data(
        ALLOWED, profile(train=SplitProfile(rows=9, target_nonfinite=2), test=SplitProfile(rows=9), target="price")
    )

    assert verdict.status is Status.FAILED
    assert verdict.summary == "targets of train missing or not finite: 2, column 'price'"


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
