"""Labels that almost all nearest neighbours contradict, among training rows and among those held out.

In most data some do: where classes overlap, where rare rows lie. How many is no fault by itself, so there is no bound on it;
but in a split that was drawn, training rows have no more of them than held-out ones, whatever the data are.

Shape letters: N rows, F numbers of a row, K neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlspec.evidence import Contradicted
from pytest_mlspec.recipe.packing import by_name

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import Examples, NumpyArray, Prepared, Rows

# Training rows that are looked at, and held-out ones; neighbours that are asked, and how many have to agree.
_MOST_ROWS = 2_000
_FEWEST_ROWS = 100
_NEIGHBOURS = 10
_AGREE = 9
_MOST_NUMBERS = 4_096
_EXAMPLES = 3


def contradicted(prepared: Prepared, train: Rows) -> Contradicted | None:
    """The counts; None without classes, with too few rows, or where the inputs are no few numbers, as ids are none."""
    examples = prepared.splits["train"]
    if not prepared.classes or examples.targets.ndim != 1 or not _are_numbers(examples):
        return None
    at = _some(len(examples), _MOST_ROWS)
    if len(at) < _FEWEST_ROWS:
        return None
    train_NF, labels_N = _numbers(examples.take(at)), examples.targets[at]
    middle_F, deviation_F = train_NF.mean(axis=0), train_NF.std(axis=0)
    scale_F = np.where(deviation_F > 0, deviation_F, 1.0)

    def scaled(rows_NF: NumpyArray) -> NumpyArray:
        found: NumpyArray = ((rows_NF - middle_F) / scale_F).astype(np.float32)
        return found

    known_NF = scaled(train_NF)
    against_N = _against(known_NF, labels_N, known_NF, labels_N, itself=True)
    held_out = [part for split, part in prepared.splits.items() if split != "train" and len(part)]
    others, others_against = 0, 0
    for part in held_out:
        rows = part.take(_some(len(part), _MOST_ROWS // len(held_out)))
        others += len(rows)
        others_against += int(_against(scaled(_numbers(rows)), rows.targets, known_NF, labels_N, itself=False).sum())
    first = at[against_N][:_EXAMPLES]
    names = tuple((train.place(int(place)), prepared.classes[int(examples.targets[place])]) for place in first)
    return Contradicted(len(at), int(against_N.sum()), others, others_against, names)


def _are_numbers(examples: Examples) -> bool:
    arrays = list(by_name(examples.inputs).values())
    numbers = sum(array[:1].size for array in arrays)
    return all(array.dtype.kind == "f" for array in arrays) and 0 < numbers <= _MOST_NUMBERS


def _numbers(examples: Examples) -> NumpyArray:
    """The numbers of each row [N, F], float64; a missing one is 0."""
    arrays = [array.reshape(len(examples), -1) for array in by_name(examples.inputs).values()]
    return np.nan_to_num(np.concatenate(arrays, axis=1).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _some(count: int, most: int) -> NumpyArray:
    found: NumpyArray = np.sort(np.random.default_rng(0).permutation(count)[:most])
    return found


def _against(
    rows_NF: NumpyArray, labels_N: NumpyArray, known_MF: NumpyArray, known_M: NumpyArray, *, itself: bool
) -> NumpyArray:
    """Whether almost all neighbours of a row, not `itself`, have one label, and the row another."""
    distances_NM = (known_MF**2).sum(axis=1) - 2 * rows_NF @ known_MF.T  # |row|² is the same for all
    if itself:
        np.fill_diagonal(distances_NM, np.inf)
    nearest_NK = np.argpartition(distances_NM, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    votes_NC = np.stack([(known_M[nearest_NK] == label).sum(axis=1) for label in np.unique(known_M)], axis=1)
    winner_N = np.unique(known_M)[votes_NC.argmax(axis=1)]
    found: NumpyArray = (votes_NC.max(axis=1) >= _AGREE) & (winner_N != labels_N)
    return found
