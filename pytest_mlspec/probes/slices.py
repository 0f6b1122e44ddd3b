"""How the model does on parts of a split: the rows of a class, of a value of a raw column, of one input.

An aggregate hides a part that broke. Two things tell one: rows that were read as different and are all the same where they
enter the model, or where it answers; and answers worse than those of somebody who has not seen the rows.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlspec.errors import DataError, MeasurementError
from pytest_mlspec.evidence import Slice
from pytest_mlspec.probes.copies import row_numbers
from pytest_mlspec.probes.scores import Bench
from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.preparation import load_rows
from pytest_mlspec.recipe.protocol import Examples, NumpyArray, Rows
from pytest_mlspec.recipe.splitting import column_names, column_of

if TYPE_CHECKING:
    import pandas as pd

# A column with more values than that is no grouping, and a slice of less rows tells nothing.
_MOST_VALUES = 30
_FEWEST_ROWS = 8
_MOST_COLUMNS = 50
# Above so many raw values rows are not counted: images and long texts as arrays.
_MOST_NUMBERS = 20_000_000


@dataclass(frozen=True)
class _Part:
    """One split: which rows are right, what is different about them, and their raw rows where they can be told."""

    targets_N: NumpyArray
    right_N: NumpyArray
    rows: Rows | None
    raw_N: NumpyArray | None = None
    inputs_N: NumpyArray | None = None
    outputs_N: NumpyArray | None = None


def slices_of(bench: Bench) -> tuple[tuple[Slice, ...] | None, str]:
    """The slices of the test split (else validation), and its name; None where there is neither, or no answer to read."""
    split = next((name for name in ("test", "val") if len(bench.prepared.splits.get(name, ()))), "")
    if not split:
        return None, ""
    try:
        raw = _raw(bench)
        test, train = _part(bench, split, raw), _part(bench, "train", raw, counts=False)
    except MeasurementError:
        return None, split
    shares_C = np.bincount(train.targets_N, minlength=len(bench.prepared.classes)) / max(1, len(train.targets_N))
    found = [
        _slice(name, (test, chosen_N), (train, in_train_N), shares_C)
        for name, chosen_N, in_train_N in _chosen(test, train, bench.prepared.classes)
        if _FEWEST_ROWS <= chosen_N.sum() < len(chosen_N)
    ]
    return tuple(found), split


def _raw(bench: Bench) -> Mapping[str, Rows]:
    """The raw rows by split; none where they were others when they were loaded again."""
    try:
        found = load_rows(bench.work.recipe, fold=bench.fold)
    except DataError:
        return {}
    same = all(
        name in found and np.array_equal(found[name].index, examples.index)
        for name, examples in bench.prepared.splits.items()
    )
    return found if same else {}


def _part(bench: Bench, split: str, raw: Mapping[str, Rows], *, counts: bool = True) -> _Part:
    examples, rows = bench.prepared.splits[split], raw.get(split)
    predictions = bench.predictions(split)
    if predictions.labels is None or examples.targets.ndim != 1:
        raise MeasurementError("the answers are no classes")
    right_N = predictions.labels == examples.targets
    if not counts or rows is None or _numbers(rows) > _MOST_NUMBERS:
        return _Part(examples.targets, right_N, rows)
    outputs = predictions.probabilities if predictions.probabilities is not None else predictions.scores
    return _Part(
        examples.targets,
        right_N,
        rows,
        raw_N=row_numbers({split: rows})[split],
        inputs_N=_distinct(examples),
        outputs_N=None if outputs is None else _numbered([outputs]),
    )


def _numbers(rows: Rows) -> int:
    return int(np.prod(np.shape(rows.features)))


def _distinct(examples: Examples) -> NumpyArray | None:
    arrays = list(by_name(examples.inputs).values())
    return _numbered(arrays) if all(array.dtype.kind in "biuf" for array in arrays) else None


def _numbered(arrays: list[Any]) -> NumpyArray:
    """A number for each row, equal where all arrays are."""
    import pandas as pd

    rows = [np.ascontiguousarray(array.reshape(len(array), -1)) for array in arrays]
    keys = np.array([b"".join(part[row].tobytes() for part in rows) for row in range(len(rows[0]))], dtype=object)
    numbers: NumpyArray = pd.factorize(keys)[0]
    return numbers


def _chosen(test: _Part, train: _Part, classes: tuple[str, ...]) -> Iterator[tuple[str, NumpyArray, NumpyArray]]:
    """The name of each slice, and which rows of both parts are in it."""
    for number, label in enumerate(classes):
        yield f"class {label}", test.targets_N == number, train.targets_N == number
    if test.inputs_N is not None:
        commonest = np.bincount(test.inputs_N).argmax()
        yield "one input", test.inputs_N == commonest, np.zeros(len(train.targets_N), dtype=bool)
    if test.rows is None or train.rows is None:
        return
    for column in column_names(test.rows)[:_MOST_COLUMNS]:
        values, in_train = (_texts(part.rows, column) for part in (test, train) if part.rows is not None)
        counts = values.value_counts()
        if 1 < len(counts) <= _MOST_VALUES:
            for value in counts.index:
                yield f"{column}={value}", (values == value).to_numpy(), (in_train == value).to_numpy()


def _texts(rows: Rows, column: str) -> pd.Series[str]:
    return column_of(rows, column, key="data").reset_index(drop=True).map(str)


def _slice(
    name: str, of_test: tuple[_Part, NumpyArray], of_train: tuple[_Part, NumpyArray], shares_C: NumpyArray
) -> Slice:
    """The slice `name`: which rows of each part are in it."""
    (test, chosen_N), (train, in_train_N) = of_test, of_train
    rest_N = ~chosen_N
    targets_M = test.targets_N[chosen_N]
    drawn = float(shares_C[targets_M].mean())
    constant = float((targets_M == shares_C.argmax()).mean())
    return Slice(
        name=name,
        rows=int(chosen_N.sum()),
        correct=int(test.right_N[chosen_N].sum()),
        useless=min(drawn, constant),
        rest_rows=int(rest_N.sum()),
        rest_correct=int(test.right_N[rest_N].sum()),
        train_rows=int(in_train_N.sum()),
        train_correct=int(train.right_N[in_train_N].sum()),
        raw=_count(test.raw_N, chosen_N),
        inputs=_count(test.inputs_N, chosen_N),
        outputs=_count(test.outputs_N, chosen_N),
        rest_inputs=_count(test.inputs_N, rest_N) / max(1, _count(test.raw_N, rest_N)),
        rest_outputs=_count(test.outputs_N, rest_N) / max(1, _count(test.raw_N, rest_N)),
    )


def _count(numbers_N: NumpyArray | None, chosen_N: NumpyArray) -> int:
    return 0 if numbers_N is None else len(np.unique(numbers_N[chosen_N]))
