"""Rows found again in what enters a model."""

from __future__ import annotations

import numpy as np
import torch

from pytest_mlspec.training.watch_rows import RowFinder, tensors_in

TRAIN = np.arange(12, dtype=np.float64).reshape(4, 3)
VAL = TRAIN + 100


def found(finder: RowFinder, *tensors: torch.Tensor) -> list[int]:
    rows = finder.find(tensors)
    assert rows is not None
    return [int(row) for row in rows]


def test_rows_are_found_whatever_their_type_and_shape() -> None:
    """In another order, in single precision, in the form of an image."""
    finder = RowFinder(TRAIN, [VAL])
    batch = torch.from_numpy(TRAIN[[2, 0]]).float()

    assert found(finder, batch) == [2, 0]
    assert found(finder, batch.view(2, 1, 3)) == [2, 0]
    assert found(finder, torch.zeros(2), batch) == [2, 0]


def test_rows_of_other_splits_and_strangers_have_numbers_of_their_own() -> None:
    """The same ones for the same values."""
    finder = RowFinder(TRAIN, [VAL])

    assert (finder.train, finder.all) == (4, 8)
    assert found(finder, torch.from_numpy(VAL[[3, 1]])) == [7, 5]
    assert found(finder, torch.from_numpy(TRAIN[:2] / 7)) == [8, 9]
    assert found(finder, torch.from_numpy(TRAIN[[1, 0]] / 7)) == [9, 8]


def test_equal_rows_are_one() -> None:
    """Known by the number of the first."""
    finder = RowFinder(TRAIN[[0, 1, 0, 2]])

    assert finder.first_N.tolist() == [0, 1, 0, 3]
    assert found(finder, torch.from_numpy(TRAIN[[0]])) == [0]


def test_what_has_another_size_is_no_row() -> None:
    """None of its tensors is one."""
    assert RowFinder(TRAIN).find([torch.zeros(2, 4), torch.zeros(()), torch.zeros(0, 3)]) is None


def test_texts_are_found_without_their_padding() -> None:
    """A batch is cut to its longest text."""
    ids = np.array([[5, 6, 0, 0], [7, 8, 9, 0], [5, 0, 0, 0]])
    finder = RowFinder({"mask": (ids > 0).astype(np.int64), "ids": ids})

    assert found(finder, torch.from_numpy(ids[[2, 0], :2])) == [2, 0]


def test_the_array_in_which_rows_differ_most_tells_them() -> None:
    """A mask is the same for many."""
    ids = np.arange(1, 13).reshape(4, 3)
    finder = RowFinder({"mask": np.ones_like(ids), "ids": ids})

    assert found(finder, torch.from_numpy(ids[[3]])) == [3]


def test_tensors_are_found_in_whatever_holds_them() -> None:
    """In the order of the arguments."""
    one, two, three = torch.zeros(1), torch.ones(1), torch.ones(2)

    assert [each.tolist() for each in tensors_in(((one, "text"), {"a": [two], "b": {"c": three}}))] == [
        [0.0],
        [1.0],
        [1.0, 1.0],
    ]
