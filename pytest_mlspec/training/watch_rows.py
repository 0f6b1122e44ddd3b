"""Rows found again in what enters a model, by the bytes of their values.

A row is known by the 64-bit hash of its values in single precision, so a change of shape, type or device does not hide it, and
any change of its values does. Rows that are no rows of the splits get numbers of their own, the same for the same values: where
a loop scales its rows once, they still come back in each pass.

Shape letters: N rows of a split, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.int64]
"""Numbers of rows [B]: of the training split from 0, then of the other splits, then of rows that are in none."""

Values = NDArray[Any] | Mapping[str, NDArray[Any]]


class RowFinder:
    """Finds rows of `train` [N] and of `others` in tensors; equal rows are one, known by the number of the first.

    `ends` are the numbers behind the last row of each of the others, `train` and `all` those of the training rows and of all.
    """

    def __init__(self, train: Values, others: Iterable[Values] = ()) -> None:
        first = _most_telling(train)
        self.train = len(first)
        self.all = self.train
        self._width = int(np.prod(first.shape[1:]))
        self._ids = first.ndim == 2 and np.issubdtype(first.dtype, np.integer)
        self._numbers: dict[int, int] = {}
        self.first_N = np.array([self._numbers.setdefault(key, row) for row, key in enumerate(_hashes(first))])
        self.ends: list[int] = []
        for values in map(_most_telling, others):
            if int(np.prod(values.shape[1:])) == self._width:
                for key in _hashes(values):
                    self._numbers.setdefault(key, self.all)
                    self.all += 1
            self.ends.append(self.all)
        self._next = self.all

    def find(self, tensors: Iterable[Tensor]) -> Rows | None:
        """The numbers of the rows in the first tensor of their size; None where there is no such."""
        for tensor in tensors:
            if tensor.dim() and len(tensor) and self._fits(tensor):
                return np.array([self._number(key) for key in _hashes(tensor.detach().cpu())], dtype=np.int64)
        return None

    def _fits(self, tensor: Tensor) -> bool:
        """Whether its rows may be those of the splits. Of texts, a batch may have been cut to its longest."""
        if tensor.is_complex():
            return False
        if self._ids and tensor.dim() == 2 and not tensor.is_floating_point():
            return tensor.shape[1] <= self._width
        return tensor[0].numel() == self._width

    def _number(self, key: int) -> int:
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = self._next
            self._next += 1
        return found


def tensors_in(value: object) -> Iterable[Tensor]:
    """Every tensor in arguments of a call: in tuples, lists and mappings too."""
    match value:
        case Tensor():
            yield value
        case Mapping():
            for item in value.values():
                yield from tensors_in(item)
        case tuple() | list():
            for item in value:
                yield from tensors_in(item)


def _most_telling(values: Values) -> NDArray[Any]:
    """The array in which the most of the first rows differ: a mask tells rows apart less than ids do."""
    if not isinstance(values, Mapping):
        return values
    return max(values.values(), key=lambda array: (len(set(_hashes(array[:256]))), len(np.unique(array[:256]))))


def _hashes(values: NDArray[Any] | Tensor) -> list[int]:
    """A hash for each row; that of Python, which differs between processes, and is compared within one.

    Zeros at the end do not count: they pad texts.
    """
    single = values.to(torch.float32).numpy() if isinstance(values, Tensor) else values.astype(np.float32, copy=False)
    rows = np.ascontiguousarray(single).reshape(len(single), -1)
    width, data = rows.shape[1] * rows.itemsize, rows.tobytes()
    if not width:
        return [0] * len(rows)
    return [hash(data[begin : begin + width].rstrip(b"\0")) for begin in range(0, len(data), width)]
