"""The tasks that learn from no target: none reaches a fit, and what stands in its place is made of the prepared inputs.

    reconstruction    the inputs themselves, as numbers
    language_model    the ids themselves; the loss compares each with the output of the position before it
    embedding         nothing, [N, 0]: what belongs to a text stands beside it (`pairs.py`)
    clustering        the class numbers of the column that `data.target` names, for metrics alone; [N, 0] without one

Shape letters: N rows, L positions of a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.recipe.protocol import Examples, Prepared, Rows
from pytest_mlspec.recipe.rows import no_targets
from pytest_mlspec.recipe.targets import find_labels

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

_KEY = "data.prepare"
PADDING = 0
"""The id that stands behind the end of a text; it is nothing to predict."""


def without_targets(rows: Rows) -> Rows:
    """The rows as a fit may see them."""
    return replace(rows, targets=no_targets(len(rows)))


def vocabulary_of(prepared: Prepared) -> int:
    """The number of ids of a language model: that of its tokenizer, or one more than the highest id of all rows."""
    known = prepared.vocabularies.get("")
    return known[0] if known else 1 + max(int(rows.targets.max(initial=1)) for rows in prepared.splits.values())


def with_own_targets(found: Mapping[str, Examples], rows: Mapping[str, Rows], task: str) -> dict[str, Examples]:
    """The prepared examples with what the task compares predictions with.

    Raises RecipeError where the inputs are of another form than the task needs, or `prepare` made targets.
    """
    for name, part in found.items():
        if part.targets.shape != (len(part), 0):
            raise RecipeError(
                f"prepare gives targets for split {name}, and the task {task} learns from none",
                key="recipe.prepare",
                advice="return the targets of the rows that it is given",
            )
    match task:
        case "reconstruction":
            return {name: replace(part, targets=_values(part)) for name, part in found.items()}
        case "language_model":
            return {name: replace(part, targets=_ids(part, name)) for name, part in found.items()}
        case "embedding":
            return dict(found)
        case _:
            return _with_labels(found, rows)


def _with_labels(found: Mapping[str, Examples], rows: Mapping[str, Rows]) -> dict[str, Examples]:
    if any(part.targets.ndim != 1 for part in rows.values()):
        return dict(found)
    labels = find_labels(rows, "clustering")
    return {name: replace(part, targets=labels.encode(rows[name].targets)) for name, part in found.items()}


def _values(examples: Examples) -> NumpyArray:
    """The inputs as numbers of a floating-point type; the same array, where they are that."""
    import numpy as np

    inputs = _single(examples, "reconstruction")
    if inputs.dtype.kind == "f":
        return inputs
    raise RecipeError(
        f"the prepared inputs are of type {np.dtype(inputs.dtype)}, and a reconstruction needs measured numbers",
        key=_KEY,
        advice="encode categories with one_hot, and text in your own code",
    )


def _ids(examples: Examples, split: str) -> NumpyArray:
    """The ids [N, L]; raises DataError where a row has no token that follows another."""
    import numpy as np

    inputs = _single(examples, "language_model")
    if inputs.dtype.kind not in "iu" or inputs.ndim != 2:
        raise RecipeError(
            f"the prepared inputs are {list(inputs.shape)} of {inputs.dtype}, and a language model needs ids [rows, length]",
            key=_KEY,
            advice="write prepare: {use: tokenize, length: 32}",
        )
    short = np.flatnonzero((inputs != PADDING).sum(axis=1) < 2)
    if len(short):
        raise DataError(
            f"row {examples.index[short[0]]} has less than 2 tokens, so that there is none to predict: {len(short)} of"
            f" {len(inputs)} rows of split {split}",
            key="data.source",
            advice="join these rows to others, or leave them out in your own load",
        )
    return inputs


def _single(examples: Examples, task: str) -> NumpyArray:
    if isinstance(examples.inputs, Mapping):
        raise RecipeError(
            f"the task {task} needs one array, and prepare gives {len(examples.inputs)}: {', '.join(examples.inputs)}",
            key=_KEY,
        )
    return examples.inputs
