"""The folds of a cross-validation are scikit-learn's, over all rows but those of the test split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pytest_mlspec.errors import DataError
from pytest_mlspec.language.spec import Split
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.splitting import fold_of, split_rows, with_validation

FOLDS = range(4)


def _rows(count: int = 100, **columns: object) -> Rows:
    table = pd.DataFrame({"x": np.arange(count), "day": np.arange(count)[::-1], **columns})
    return Rows(table, np.arange(count) % 4, np.arange(count))


def _folds(split: Split, rows: Rows | None = None) -> list[dict[str, Rows]]:
    splits = split_rows(_rows() if rows is None else rows, split)
    return [fold_of(splits, split, number) for number in range(split.folds or 0)]


def test_every_row_outside_the_test_split_is_held_out_once() -> None:
    """And trains the model in every other fold."""
    split = Split(test=0.2, folds=4)
    untouched = set(split_rows(_rows(), split)["test"].index)
    folds = _folds(split)

    assert sorted(np.concatenate([fold["test"].index for fold in folds])) == sorted(set(range(100)) - untouched)
    assert all(not set(fold["train"].index) & set(fold["test"].index) for fold in folds)
    assert [len(fold["train"]) for fold in folds] == [60] * 4
    assert all(not untouched & set(fold["train"].index) for fold in folds)


def test_validation_rows_are_drawn_anew_in_each_fold() -> None:
    """With the share that they had of the rows outside the test split."""
    folds = _folds(Split(test=0.2, val=0.2, folds=4))

    assert [{name: len(rows) for name, rows in fold.items()} for fold in folds] == [
        {"train": 45, "val": 15, "test": 20}
    ] * 4


def test_stratified_folds_keep_the_shares_of_the_classes() -> None:
    """In every fold."""
    folds = _folds(Split(test=0.2, stratify=True, folds=4))

    assert [np.bincount(fold["test"].targets).tolist() for fold in folds] == [[5, 5, 5, 5]] * 4


def test_groups_stay_together_in_folds() -> None:
    """No group on both sides."""
    people = np.repeat(np.arange(20), 5)
    folds = _folds(Split(test=0.2, group="who", folds=4), _rows(who=people))

    assert all(not set(people[fold["train"].index]) & set(people[fold["test"].index]) for fold in folds)


def test_folds_in_time_look_forward_only() -> None:
    """Every training row is earlier than every held-out one."""
    folds = _folds(Split(test=0.2, time="day", folds=4))

    assert all(fold["train"].features["day"].max() < fold["test"].features["day"].min() for fold in folds)


def test_folds_are_a_function_of_the_seed() -> None:
    """Equal seeds, equal folds."""
    first, again, other = (_folds(Split(seed=seed, folds=4))[0]["test"].index.tolist() for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("split", "rows", "message"),
    [
        (Split(folds=100), _rows(), "80 rows make no 100 folds"),
        (Split(folds=50, stratify=True), _rows(), "50 folds cannot be stratified: the smallest class has 20 rows"),
        (Split(folds=9, group="who"), _rows(who=np.arange(100) % 5), "80 rows make no 9 folds"),
    ],
)
def test_too_few_rows_for_the_folds_are_an_error(split: Split, rows: Rows, message: str) -> None:
    """With what is missing."""
    with pytest.raises(DataError, match=message):
        _folds(split, rows)


def test_a_source_with_splits_gives_validation_rows_from_those_for_training() -> None:
    """The share is one of the training rows; the test rows stay as they are."""
    given = {"train": _rows(80), "test": _rows(20)}
    splits = split_rows(given, Split(val=0.25))

    assert {name: len(rows) for name, rows in splits.items()} == {"train": 60, "val": 20, "test": 20}
    assert splits["test"] is given["test"]
    assert split_rows(given, Split()) == given


def test_validation_rows_given_and_declared_are_an_error() -> None:
    """One of them would be ignored."""
    with pytest.raises(DataError, match="brings its own validation rows"):
        with_validation({"train": _rows(80), "val": _rows(20)}, Split(val=0.25))


def test_folds_of_given_splits_number_their_rows_anew() -> None:
    """Where the splits count from 0 each."""
    split = Split(folds=4)
    folds = [fold_of({"train": _rows(80), "val": _rows(20)}, split, number) for number in FOLDS]

    assert sorted(np.concatenate([fold["test"].index for fold in folds])) == list(range(100))
