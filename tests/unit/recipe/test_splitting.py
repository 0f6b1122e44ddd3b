from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from pytest_mlspec.errors import DataError
from pytest_mlspec.language.spec import Split
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.recipe.splitting import split_rows


def _rows(count: int = 100, **columns: object) -> Rows:
    table = pd.DataFrame({"x": np.arange(count), **columns})
    return Rows(table, np.arange(count) % 4, np.arange(count))


def test_a_draw_has_exact_sizes_and_every_row_once() -> None:
    """Shares are of all rows."""
    splits = split_rows(_rows(101), Split(test=0.2, val=0.1))

    assert {name: len(rows) for name, rows in splits.items()} == {"train": 69, "val": 11, "test": 21}
    assert sorted(np.concatenate([rows.index for rows in splits.values()])) == list(range(101))


def test_a_share_is_not_rounded_up_by_a_rounding_error() -> None:
    """0.07 * 100 is a little more than 7."""
    assert len(split_rows(_rows(100), Split(test=0.07))["test"]) == 7


def test_the_test_split_is_that_of_scikit_learn() -> None:
    """The same seed draws the same rows as train_test_split."""
    _, expected = train_test_split(np.arange(97), test_size=0.2, random_state=5)

    assert split_rows(_rows(97), Split(seed=5))["test"].index.tolist() == expected.tolist()


def test_the_draw_is_a_function_of_the_seed() -> None:
    """Equal seeds, equal splits."""
    first, again, other = (split_rows(_rows(), Split(seed=seed))["test"].index.tolist() for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_stratify_keeps_the_shares_of_the_classes() -> None:
    """In the test and the validation split."""
    splits = split_rows(_rows(100), Split(test=0.2, val=0.2, stratify=True))

    assert np.bincount(splits["test"].targets).tolist() == [5, 5, 5, 5]
    assert np.bincount(splits["val"].targets).tolist() == [5, 5, 5, 5]


def test_a_class_too_small_to_stratify_is_an_error() -> None:
    """It is named, with the way out."""
    rows = Rows(np.zeros((10, 1)), np.array(["a"] * 9 + ["b"]), np.arange(10))

    with pytest.raises(
        DataError, match=r"test split cannot be stratified: 1 of 2 classes .* one row alone: b"
    ) as caught:
        split_rows(rows, Split(stratify=True))
    assert caught.value.advice == "stratify: false, or more rows of these classes"


def test_fewer_rows_than_classes_cannot_be_stratified() -> None:
    """scikit-learn's reason is told."""
    with pytest.raises(DataError, match=r"the test split cannot be stratified: .* number of classes = 4"):
        split_rows(_rows(12), Split(test=0.1, stratify=True))


def test_groups_stay_together() -> None:
    """No group has rows in two splits; the column may be one that is dropped from the features."""
    people = np.repeat(np.arange(20), 5)
    rows = Rows(np.zeros((100, 1)), np.zeros(100), np.arange(100), others=pd.DataFrame({"who": people}))
    splits = split_rows(rows, Split(test=0.2, val=0.1, group="who"))
    groups = [set(people[part.index]) for part in splits.values()]

    assert [len(group) for group in groups] == [14, 2, 4]
    assert len(set.union(*groups)) == 20


@pytest.mark.parametrize("kind", ["number", "date", "text"])
def test_the_latest_rows_come_last(kind: str) -> None:
    """By numbers, by dates, and by dates written as text."""
    days = pd.date_range("2026-01-01", periods=10)[::-1]
    column = {"number": range(10, 0, -1), "date": days, "text": days.strftime("%Y-%m-%d")}[kind]
    splits = split_rows(_rows(10, day=column), Split(test=0.2, val=0.1, time="day"))

    assert splits["test"].index.tolist() == [1, 0]
    assert splits["val"].index.tolist() == [2]
    assert splits["train"].index.tolist() == [9, 8, 7, 6, 5, 4, 3]


def test_text_that_is_no_date_is_refused() -> None:
    """It would sort as text, which is another order."""
    with pytest.raises(
        DataError, match=r"row 0 has '1/2/2026' in the column 'day': no date in ISO 8601 \(3 of 3 rows\)$"
    ):
        split_rows(_rows(3, day=["1/2/2026", "10/1/2025", "2/2/2026"]), Split(test=0.4, time="day"))


def test_a_missing_time_or_group_names_its_row() -> None:
    """A row without one belongs to no split."""
    with pytest.raises(DataError, match=r"row 1 has no 'day' \(1 of 3 rows\)"):
        split_rows(_rows(3, day=[1.0, None, 2.0]), Split(test=0.4, time="day"))
    with pytest.raises(DataError, match="row 2 has no 'who'"):
        split_rows(_rows(3, who=["a", "b", None]), Split(test=0.4, group="who"))


def test_an_unknown_column_gets_the_near_miss() -> None:
    """Among all raw columns."""
    with pytest.raises(DataError, match="no column 'dya'") as caught:
        split_rows(_rows(3, day=[1, 2, 3]), Split(time="dya"))
    assert (caught.value.key, caught.value.advice) == ("data.split.time", "did you mean 'day'?")
    with pytest.raises(DataError, match="no named columns"):
        split_rows(Rows(np.zeros((3, 1)), np.zeros(3), np.arange(3)), Split(time="day"))


def test_a_split_without_training_rows_is_an_error() -> None:
    """Before anything is trained."""
    with pytest.raises(DataError, match="0 rows in split train: 2 rows, 1 for test and 1 for val"):
        split_rows(_rows(2), Split(test=0.3, val=0.3))
    with pytest.raises(DataError, match="0 rows in split train: 1 groups"):
        split_rows(_rows(2, who=["a", "a"]), Split(group="who"))
