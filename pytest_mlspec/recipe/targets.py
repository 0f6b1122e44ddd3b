"""Targets become numbers: classes by their place among all labels, values as float32. Labels are shown as text."""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.protocol import Rows

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

_KEY = "data.target"
# Above so many rows, classes that half of the rows have for themselves are no classes.
_FEW_ROWS = 20
# So many numbers that are not whole are values.
_MANY_VALUES = 50
# What losses of torch leave out unless they are told otherwise, and other libraries with them.
_LEFT_OUT = -100
_ONE_CLASS = "is data.target the right column, and are the rows of the other class in the source?"


@dataclass(frozen=True)
class Labels:
    """The labels of a classification in the order of their numbers: sorted, numbers as numbers."""

    labels: tuple[Any, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The labels as text."""
        return tuple(label_text(label) for label in self.labels)

    def encode(self, targets: NumpyArray) -> NumpyArray:
        """The class number, int64, of each label."""
        import numpy as np

        numbers_by_label = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers_by_label[label] for label in targets.tolist()], dtype=np.int64)


def find_labels(splits: Mapping[str, Rows], task: str) -> Labels:
    """The labels of every split; raises DataError where they are no classes of `task`."""
    found: set[Any] = set()
    for name, rows in splits.items():
        refuse_missing(rows, name)
        found.update(rows.targets.tolist())
    are_numbers = all(isinstance(label, numbers.Real) for label in found)
    labels = sorted(found, key=None if are_numbers else label_text)
    texts = [label_text(label) for label in labels]
    column = next(iter(splits.values())).target_name
    rows_in_all = sum(map(len, splits.values()))
    for one, other in pairwise(sorted(texts)):
        if one == other:
            raise DataError(f"the column {column!r} holds the label {one!r} as a number and as text", key=_KEY)
    if task == "binary" and len(labels) != 2:
        raise DataError(
            f"the column {column!r} has {len(labels)} class{'' if len(labels) == 1 else 'es'}, and the task binary needs 2:"
            f" {_shown(texts)}{_rarest(splits) if len(labels) > 2 else ''}",
            key=_KEY,
            advice=_too_many(splits, texts) if len(labels) > 2 else _ONE_CLASS,
        )
    if len(labels) < 2:
        raise DataError(f"the column {column!r} has one class alone: {_shown(texts)}", key=_KEY, advice=_ONE_CLASS)
    if _LEFT_OUT in found:
        raise DataError(
            f"the column {column!r} has the class {_LEFT_OUT}, which losses leave out: {_where(splits, _LEFT_OUT)}",
            key=_KEY,
            advice="leave these rows out in your own load, or give the class another number",
        )
    measured = len(labels) > _MANY_VALUES and any(
        isinstance(label, float) and not label.is_integer() for label in labels
    )
    if measured or (rows_in_all > _FEW_ROWS and len(labels) > rows_in_all / 2):
        raise DataError(
            f"the column {column!r} has {len(labels)} classes in {rows_in_all} rows",
            key=_KEY,
            advice="is it a regression? then write `task: regression`",
        )
    return Labels(tuple(labels))


def as_values(rows: Rows, split: str) -> NumpyArray:
    """The targets of a regression as float32; raises DataError where one is missing or no number."""
    import numpy as np

    refuse_missing(rows, split)
    if rows.targets.dtype.kind not in "fiub":
        for position, value in enumerate(rows.targets.tolist()):
            if not isinstance(value, numbers.Real):
                raise DataError(
                    f"{rows.place(position)} has {value!r} in the column {rows.target_name!r}, and a regression needs numbers",
                    key=_KEY,
                    advice="correct the row; for names of classes, write `task: binary` or `task: multiclass`",
                )
    with np.errstate(over="ignore"):  # a target beyond single precision becomes infinite, and is counted as such
        return rows.targets.astype(np.float64).astype(np.float32)


def refuse_missing(rows: Rows, split: str) -> None:
    """Raises DataError where a row has no target."""
    import pandas as pd

    missing = pd.isna(rows.targets)
    if missing.any():
        raise DataError(
            f"{rows.place(int(missing.argmax()))} has no target: the column {rows.target_name!r} is empty in {missing.sum()}"
            f" of {len(rows)} rows of split {split}",
            key=_KEY,
            advice="repair the rows, or leave them out in your own load",
        )


def label_text(label: Any) -> str:
    """A label, or a value of a column, as a spec writes it.

    >>> label_text(3.0), label_text(True), label_text("basic")
    ('3', 'True', 'basic')
    """
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def _rarest(splits: Mapping[str, Rows]) -> str:
    """The label of the fewest rows with their number, and where the first of them stands."""
    counts = Counter(label for rows in splits.values() for label in rows.targets.tolist())
    label = min(counts, key=lambda each: (counts[each], label_text(each)))
    return f"; the rarest is {_quoted(label_text(label))}, {_where(splits, label)}"


def _too_many(splits: Mapping[str, Rows], texts: list[str]) -> str:
    """What to do about more than two labels: some written in two ways, in one split or by splits, or another task."""
    for one, other in combinations(texts, 2):
        if one.strip().casefold() == other.strip().casefold():
            return f"are {one!r} and {other!r} the same class? write them alike in the source"
    by_split = {name: sorted(map(label_text, set(rows.targets.tolist()))) for name, rows in splits.items()}
    if all(len(found) <= 2 for found in by_split.values()):
        shown = "; ".join(f"{name} has {', '.join(found)}" for name, found in by_split.items())
        return f"write the labels alike in all splits: {shown}"
    return "task: multiclass, or a regression?"


def _where(splits: Mapping[str, Rows], label: Any) -> str:
    """In how many rows a label stands, and in which first."""
    found = [
        (rows, position)
        for rows in splits.values()
        for position, each in enumerate(rows.targets.tolist())
        if each == label
    ]
    rows, first = found[0]
    return f"{len(found)} row{'' if len(found) == 1 else 's'}, the first is {rows.place(first)}"


def _shown(texts: list[str]) -> str:
    return ", ".join(map(_quoted, texts[:10])) + (", …" if len(texts) > 10 else "")


def _quoted(text: str) -> str:
    """`text`, in quotes where it would be misread without."""
    return text if text == text.strip() != "" else repr(text)
