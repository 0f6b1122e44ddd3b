"""Which rows the watched steps used, and in which order: from the forwards of each step to a `RowUse`.

Rows are known by number where they enter a model as they were prepared. Where a loop changes each row always in the same way,
such as by a scale, they are strangers that come back in each pass: they can be counted and their order compared, but not told
apart by class. Where a row changes at random, nothing is told.

Shape letters: N rows, T draws in their order, C classes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.evidence import LostClass, RowUse
from pytest_mlspec.training.watch import Seen
from pytest_mlspec.training.watch_rows import RowFinder
from pytest_mlspec.training.watch_state import Forward

Numbers = NDArray[np.int64]

# An order is compared from so many rows on: fewer agree by chance.
_ROWS_OF_AN_ORDER = 8
# A pass of rows that are drawn without replacement goes at least so far before a row comes back.
_PASS = 0.5
_BATCHES, _DRAWS = 500, 50
# Rows of the source in their order rise with each draw, but from pass to pass.
_IN_ORDER = 0.9
# Rows that are changed always in the same way come back; a few of them may be equal to what was prepared.
_COMES_BACK, _FEW = 1.5, 0.1
_MOST = 0.5


@dataclass(frozen=True)
class Stream:
    """The rows of the steps in their order: `batches` of numbers, for each micro-batch; `step_rows` for each step.

    Each number stands for as many rows as `copies_N` says. `known`: the numbers are those of the rows; else they count strangers
    as they come. Of a stream of known rows, `strangers` tells how many others came between them. `keys_T` tell rows of two
    trainings apart.
    """

    batches: Sequence[Numbers]
    step_rows: Sequence[int]
    copies_N: Numbers
    known: bool
    strangers: int
    keys_T: Numbers

    @property
    def draws(self) -> Numbers:
        """All numbers in their order."""
        return np.concatenate(self.batches) if self.batches else np.empty(0, dtype=np.int64)


def stream_of(seen: Seen, finder: RowFinder, *, like: Stream | None = None) -> Stream | str:
    """The rows of the steps of `seen`; where they cannot be told, why. A stream `like` another one may be a part of a pass."""
    found = [[one.rows for one in step.forwards if one.rows is not None and one.recorded] for step in seen.steps]
    batches = [rows for step in found for rows in step]
    if not batches:
        return "what enters the model has not the form of the prepared rows"
    every_T = np.concatenate(batches)
    strange_T = every_T[every_T >= finder.all]
    strangers = len(np.unique(strange_T))
    known = int((every_T < finder.train).sum())
    copies_N = np.bincount(finder.first_N, minlength=finder.train)
    if known >= len(strange_T) if like is None else like.known:
        own = [[rows[rows < finder.train] for rows in step] for step in found]
        return Stream(*_without_empty(own), copies_N, True, strangers, every_T[every_T < finder.train])
    distinct = int((copies_N > 0).sum())
    changing = known > _FEW * len(every_T) or strangers > distinct or len(strange_T) < _COMES_BACK * strangers
    if like is None and changing:
        return "rows enter the model changed, and not always in the same way: augmented, or of another source"
    numbers = {number: place for place, number in enumerate(dict.fromkeys(strange_T.tolist()))}
    renamed = [
        [np.array([numbers[each] for each in rows.tolist() if each in numbers]) for rows in step] for step in found
    ]
    return Stream(*_without_empty(renamed), np.ones(distinct, dtype=np.int64), False, 0, strange_T)


def row_use(
    seen: Seen,
    finder: RowFinder,
    targets: NDArray[np.generic],
    classes: Sequence[str],
    *,
    given: int | None = None,
) -> RowUse:
    """What `seen` tells of the training rows, which have the `targets` [N] of these classes; steps were `given` so many."""
    stream = stream_of(seen, finder)
    if isinstance(stream, str):
        return RowUse(finder.train, unknown=stream)
    draws_T = stream.draws
    unused_N = stream.copies_N > 0
    unused_N[np.unique(draws_T)] = False
    if stream.known:
        unused_N[np.flatnonzero(seen.trained_N)] = False
    evaluated = _evaluated_apart(seen, finder, stream, unused_N)
    passes = list(_passes(draws_T, stream.copies_N))
    total = int(stream.copies_N.sum())
    replaced = float(np.mean(passes)) < _PASS * min(total, max(len(draws_T), 1))
    unused = max(0, int(stream.copies_N[unused_N].sum()) - evaluated - stream.strangers)
    sizes = Counter(map(len, stream.batches))
    [(batch_size, count)] = sizes.most_common(1)
    steps = Counter(stream.step_rows)
    use = RowUse(
        rows=finder.train,
        draws=len(draws_T),
        given=None if stream.strangers or len(stream.step_rows) < seen.count else given,
        unused=unused,
        unused_chance=None if replaced else _chance(total, unused, passes, of_any=True),
        held_out=evaluated,
        batches=len(stream.batches),
        batch_size=batch_size,
        batch_share=count / len(stream.batches),
        step_rows=steps.most_common(1)[0][0],
        in_order=float((np.diff(draws_T) >= 0).mean()) if stream.known and len(draws_T) > 1 else None,
    )
    use = replace(use, **_order(draws_T, stream, passes))
    if not (stream.known and classes and targets.ndim == 1):
        return use
    lost = _lost_classes(stream, unused_N[finder.first_N], targets, classes=classes, passes=passes)
    about_a_pass = _first(stream.batches, max(passes[0], total))
    return replace(use, lost_classes=lost, **_mixing([targets[batch] for batch in about_a_pass if len(batch) > 1]))


def entered_splits(seen: Seen, finder: RowFinder, names: Sequence[str]) -> dict[str, int]:
    """How many rows of each split entered a model, of the others of `finder`, which have these names; none where none did."""
    forwards = [*seen.forwards, *(one for step in seen.steps for one in step.forwards)]
    found = [one.rows for one in forwards if one.rows is not None]
    every_T = np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
    begins = [finder.train, *finder.ends]
    counts = np.searchsorted(every_T, begins[1:]) - np.searchsorted(every_T, begins[:-1])
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def is_one_order(first: Stream, second: Stream, *, changes: bool) -> bool | None:
    """Whether two trainings began with the same rows in the same order; None where that tells nothing.

    One batch a pass has no order, and rows in the order of the source are shuffled for no seed; `changes` says that the order
    changes between passes, so that they are not.
    """
    length = min(len(first.keys_T), len(second.keys_T))
    few = length < 2 * _ROWS_OF_AN_ORDER or min(len(first.batches), len(second.batches)) < 2
    if few or len(first.batches[0]) >= _MOST * (first.copies_N > 0).sum():
        return None
    if not changes and not (first.known and (np.diff(first.keys_T[:length]) >= 0).mean() < _IN_ORDER):
        return None
    return bool(np.array_equal(first.keys_T[:length], second.keys_T[:length]))


def _first(batches: Sequence[Numbers], rows: int) -> list[Numbers]:
    """The first batches, until they hold so many rows."""
    begins = np.cumsum([0, *map(len, batches[:_BATCHES])])
    return [batch for batch, begin in zip(batches, begins, strict=False) if begin < rows]


def _without_empty(steps: list[list[Numbers]]) -> tuple[list[Numbers], list[int]]:
    batches = [rows for step in steps for rows in step if len(rows)]
    return batches, [sum(map(len, step)) for step in steps if any(len(rows) for rows in step)]


def _evaluated_apart(seen: Seen, finder: RowFinder, stream: Stream, unused_N: NDArray[np.bool_]) -> int:
    """How many unused rows were evaluated: a validation split of the loop's own.

    Not where the rows that are used are evaluated too and fewer than a batch are left: then a batch was lost.
    """
    evaluated = [one.rows for one in seen.forwards if one.rows is not None and not _learns(one)]
    if not evaluated:
        return 0
    every_T = np.unique(np.concatenate(evaluated))
    if not stream.known:
        # Strangers. Exactly as many as other splits have are those; any others may be a split of the loop's own.
        apart = len(np.setdiff1d(every_T[every_T >= finder.all], stream.keys_T))
        return 0 if apart + finder.train in finder.ends else min(int(unused_N.sum()), apart)
    mark_N = np.zeros_like(unused_N)
    mark_N[every_T[every_T < finder.train]] = True
    apart = int(stream.copies_N[unused_N & mark_N].sum())
    used_N = (stream.copies_N > 0) & ~unused_N
    again = bool(used_N.any()) and float(mark_N[used_N].mean()) > _MOST
    return 0 if again and apart < max(map(len, stream.batches)) else apart


def _learns(forward: Forward) -> bool:
    return forward.training and forward.recorded


def _passes(draws_T: Numbers, copies_N: Numbers) -> Iterator[int]:
    """The lengths of stretches in which no row comes more often than it is there."""
    left: dict[int, int] = {}
    length = 0
    for number in draws_T.tolist():
        seen = left.get(number, 0)
        if seen >= copies_N[number]:
            yield length
            left, length, seen = {}, 0, 0
        left[number] = seen + 1
        length += 1
    yield length


def _chance(total: int, unused: int, passes: Sequence[int], *, of_any: bool) -> float:
    """log10 of the probability that `unused` rows are in none of the passes, each drawn from `total` without replacement.

    With `of_any` that of any rows, so many: a bound, the sum over all choices of them.
    """
    if not unused:
        return 0.0
    each = sum(_log_choices(total - unused, length) - _log_choices(total, length) for length in passes)
    return min(0.0, each + (_log_choices(total, unused) if of_any else 0.0)) / math.log(10)


def _log_choices(total: int, taken: int) -> float:
    taken = min(taken, total)
    return math.lgamma(total + 1) - math.lgamma(taken + 1) - math.lgamma(total - taken + 1)


def _order(draws_T: Numbers, stream: Stream, passes: Sequence[int]) -> dict[str, Any]:
    """Whether the passes over the rows had one order."""
    total = int((stream.copies_N > 0).sum())
    if max(map(len, stream.batches)) >= _MOST * total:
        return {"order_unknown": "a batch holds most of the rows"}
    period = _period(draws_T)
    if period is None:
        whole = sum(length >= _PASS * total for length in passes)
        return {"passes": whole} if whole > 1 else {"order_unknown": "the rows were not passed through twice"}
    first_P = draws_T[:period]
    later = [draws_T[begin : begin + period] for begin in range(period, len(draws_T), period)]
    compared = [each for each in later if len(each) >= _ROWS_OF_AN_ORDER]
    equal = sum(bool(np.array_equal(each, first_P[: len(each)])) for each in compared)
    return {"passes": len(compared) + 1, "repeated": equal}


def _period(draws_T: Numbers) -> int | None:
    """After how many draws the first rows come again in their order; None where they do not."""
    begin_K = draws_T[:_ROWS_OF_AN_ORDER]
    for at in np.flatnonzero(draws_T == draws_T[0]).tolist():
        if at >= _ROWS_OF_AN_ORDER and np.array_equal(draws_T[at : at + _ROWS_OF_AN_ORDER], begin_K):
            return int(at)
    return None


def _lost_classes(
    stream: Stream,
    unused_N: NDArray[np.bool_],
    targets: NDArray[np.generic],
    *,
    classes: Sequence[str],
    passes: Sequence[int],
) -> tuple[LostClass, ...]:
    lost = []
    for number, name in enumerate(classes):
        of_class_N = targets == number
        count = int(of_class_N.sum())
        if count > stream.strangers and unused_N[of_class_N].all():
            lost.append(LostClass(name, count, _chance(len(targets), count, passes, of_any=False)))
    return tuple(lost)


def _mixing(labels: Sequence[NDArray[np.generic]]) -> dict[str, Any]:
    """How often two rows of a batch are of one class: 0 as in batches drawn from these rows at random, 1 as in sorted ones."""
    if not labels:
        return {}
    every_T = np.concatenate(labels).astype(np.int64)
    ends = np.cumsum([len(batch) for batch in labels])[:-1]
    count = int(every_T.max()) + 1
    random = np.random.default_rng(0)
    found, most = _agreement(every_T, ends, count), _agreement(np.sort(every_T), ends, count)
    drawn = np.array([_agreement(random.permutation(every_T), ends, count) for _ in range(_DRAWS)])
    mean, deviation = float(drawn.mean()), float(drawn.std(ddof=1))
    if most <= mean or deviation == 0:
        return {}
    return {"same_class": (found - mean) / (most - mean), "same_class_sigmas": (found - mean) / deviation}


def _agreement(labels_T: NDArray[np.int64], ends: NDArray[np.int64], classes: int) -> float:
    """The share of pairs within a batch that are of one class, over all batches."""
    equal = pairs = 0
    for batch in np.split(labels_T, ends):
        counts_C = np.bincount(batch, minlength=classes)
        equal += int((counts_C * (counts_C - 1)).sum())
        pairs += len(batch) * (len(batch) - 1)
    return equal / pairs
