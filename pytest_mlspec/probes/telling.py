"""How well each column alone tells the target, on rows that it was not learned from.

What is learned from a column is as simple as can be: its nearest training value gives the target (for a regression, a
straight line between two neighbours). So the score understates what a column tells, and a high one is a fact.

Shape letters: N rows, M rows to predict, U distinct values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_mlspec.evidence import Telling
from pytest_mlspec.probes.table import Column

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# So many training rows, and rows outside the most common class, are the least that a score can rest on.
FEWEST_ROWS = 50
_FEWEST_OTHERS = 10
# Columns are scored on so many rows of each side first, and on all of them where they tell so much.
_SCREENED = 2_000
_PROMISING = 0.5
# The share of rows whose value occurs more than once, in a column of which its values are said to tell the target.
_REPEATED = 0.9
# Differences below this share of the usual deviation are those of rounding.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Target:
    """What is learned, by row: class numbers (int64) with their `classes`, or values (float64) without.

    The rows stand in random order, those that are trained on first: `train` of them.
    """

    values_N: NumpyArray
    classes: tuple[str, ...]
    train: int

    @property
    def enough(self) -> bool:
        """True where there are rows enough to say that a column tells the target."""
        import numpy as np

        train_N, other_N = self.values_N[: self.train], self.values_N[self.train :]
        if self.train < FEWEST_ROWS:
            return False
        if not self.classes:
            return bool(np.ptp(train_N) > 0)
        counts = np.bincount(train_N)
        common = counts.argmax()
        return bool(len(train_N) - counts[common] >= _FEWEST_OTHERS and (other_N != common).any())


def tell(column: Column, target: Target) -> Telling:
    """How well `column` tells `target`: 0 as well as a constant does, 1 without an error."""
    few = min(target.train, _SCREENED)
    score = _score(column, target, few, min(target.train + _SCREENED, len(target.values_N)))
    if score < _PROMISING:
        return Telling(column.name, score)
    how = _how(column, target)
    if how in ("same", "monotone", "limits"):
        return Telling(column.name, 1.0, how)
    if len(target.values_N) > 2 * few:
        score = _score(column, target, target.train, len(target.values_N))
    return Telling(column.name, score, how)


def usual_deviation(values_N: NumpyArray) -> float:
    """The median distance from the median, of the values that differ from it; 0 where none does."""
    import numpy as np

    distances_N = np.abs(values_N - np.median(values_N))
    distances_N = distances_N[distances_N > 0]
    return float(np.median(distances_N)) if len(distances_N) else 0.0


def _score(column: Column, target: Target, train: int, end: int) -> float:
    """The lower of two scores: on the held-out rows up to `end`, and on each half of the first `train` from the other."""
    import numpy as np

    values_N = _filled(column)
    is_number = column.is_number

    def predicted(learned: slice, asked: slice) -> NumpyArray:
        given, answers = values_N[learned], target.values_N[learned]
        if target.classes:
            return _nearest_class(given, answers, values_N[asked], is_number=is_number)
        return _interpolated(given, answers, values_N[asked], is_number=is_number)

    halves = slice(0, train // 2), slice(train // 2, train)
    scores = []
    within = np.concatenate([predicted(halves[1], halves[0]), predicted(*halves)])
    scores.append(_skill(within, target.values_N[:train], target.values_N[:train], bool(target.classes)))
    if end > target.train:
        held_out = slice(target.train, end)
        found = predicted(slice(0, train), held_out)
        scores.append(_skill(found, target.values_N[held_out], target.values_N[:train], bool(target.classes)))
    return max(0.0, min(scores))


def _skill(predicted_M: NumpyArray, truth_M: NumpyArray, train_N: NumpyArray, is_class: bool) -> float:
    """1 − the error over that of a constant: the most common class, or the mean, of the training rows."""
    import numpy as np

    if is_class:
        wrong, by_constant = (predicted_M != truth_M).sum(), (truth_M != np.bincount(train_N).argmax()).sum()
    else:
        wrong, by_constant = ((predicted_M - truth_M) ** 2).sum(), ((truth_M - train_N.mean()) ** 2).sum()
    return float(1 - wrong / by_constant) if by_constant else 0.0


def _nearest_class(given_N: NumpyArray, classes_N: NumpyArray, asked_M: NumpyArray, *, is_number: bool) -> NumpyArray:
    """The most frequent class of the nearest given value; for codes, of the same one, or of all where it was not given."""
    import numpy as np

    known_U, of_value_N = np.unique(given_N, return_inverse=True)
    classes = int(classes_N.max()) + 1
    pairs, counts = np.unique(of_value_N * classes + classes_N, return_counts=True)
    order = np.lexsort((counts, pairs // classes))
    most_U = np.empty(len(known_U), dtype=np.int64)
    most_U[pairs[order] // classes] = (
        pairs[order] % classes
    )  # the last assignment of a value is its most frequent class
    after_M = np.searchsorted(known_U, asked_M).clip(0, len(known_U) - 1)
    if not is_number:
        return np.where(known_U[after_M] == asked_M, most_U[after_M], np.bincount(classes_N).argmax())
    before_M = (after_M - 1).clip(0)
    nearer_M = np.where(asked_M - known_U[before_M] <= known_U[after_M] - asked_M, before_M, after_M)
    return most_U[nearer_M]


def _interpolated(given_N: NumpyArray, values_N: NumpyArray, asked_M: NumpyArray, *, is_number: bool) -> NumpyArray:
    """The mean of each given value, and between two of them a straight line; the mean of all for a code not given."""
    import numpy as np

    known_U, of_value_N = np.unique(given_N, return_inverse=True)
    means_U = np.bincount(of_value_N, weights=values_N) / np.bincount(of_value_N)
    at_M = np.searchsorted(known_U, asked_M).clip(0, len(known_U) - 1)
    found_M: NumpyArray = (
        np.interp(asked_M, known_U, means_U)
        if is_number
        else np.where(known_U[at_M] == asked_M, means_U[at_M], values_N.mean())
    )
    return found_M


def _filled(column: Column) -> NumpyArray:
    """The values, with one below all others in place of those that are missing: that a value is missing may tell as well."""
    import numpy as np

    values_N = column.values_N
    missing_N = np.isnan(values_N) if column.is_number else np.zeros(len(values_N), dtype=bool)
    if not missing_N.any():
        return values_N
    present = values_N[~missing_N]
    low, high = (present.min(), present.max()) if len(present) else (0.0, 0.0)
    return np.where(missing_N, low - (high - low) - 1.0, values_N)


def _how(column: Column, target: Target) -> Literal["same", "monotone", "limits", "values", ""]:
    """In which way the column tells every row, where it does."""
    import numpy as np

    values_N, truth_N = _filled(column), target.values_N
    if _is_same(column, target):
        return "same"
    order = np.lexsort((truth_N, values_N))
    steps, changes = np.diff(values_N[order]), np.diff(truth_N[order])
    if column.is_number and not target.classes:
        moves = steps > 0
        rising, falling = (changes[moves] > 0).all(), (changes[moves] < 0).all()
        if moves.sum() >= FEWEST_ROWS and not changes[~moves].any() and (rising or falling):
            return "monotone"
    if column.is_number and target.classes:
        runs = np.flatnonzero(changes != 0)
        if len(runs) + 1 == len(np.unique(truth_N)) and (steps[runs] > 0).all():
            return "limits" if len(np.unique(values_N)) > 2 * len(target.classes) else "values"
    _, of_value_N, counts_U = np.unique(values_N, return_inverse=True, return_counts=True)
    if not changes[steps == 0].any() and (counts_U[of_value_N] > 1).mean() >= _REPEATED:
        return "values"
    return ""


def _is_same(column: Column, target: Target) -> bool:
    import numpy as np

    if not target.classes:
        if not column.is_number or np.isnan(column.values_N).any():
            return False
        apart = np.abs(column.values_N - target.values_N).max()
        return bool(apart <= ROUNDING * usual_deviation(target.values_N))
    texts = list(_texts(column))
    return all(text == target.classes[number] for text, number in zip(texts, target.values_N, strict=True))


def _texts(column: Column) -> Iterator[str]:
    if column.texts is not None:
        yield from (column.texts[code] if code >= 0 else "" for code in column.values_N)
    else:
        yield from (str(int(value)) if value.is_integer() else str(value) for value in column.values_N.tolist())
