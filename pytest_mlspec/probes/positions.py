"""Rows of ids [N, L] changed where a position should not matter: behind the end of a text, and behind the position that is asked.

Padding is told by the rows themselves: an id that stands at the ends of rows alone, at ends of several lengths.

Shape letters: N rows, L positions of a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pytest_mlspec.recipe.packing import by_name
from pytest_mlspec.recipe.protocol import Examples, NumpyArray, Prepared

# What tokenizers of transformers name their arrays of texts; those of a recipe stand in `Prepared.vocabularies`.
_OF_TOKENIZERS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_SHORTEST, _LEAST_LENGTHS = 4, 3
# A filter over so many words sees padding alone behind the end: one position less of it then changes nothing.
_WIDEST_FILTER = 5


@dataclass(frozen=True)
class Texts:
    """The inputs that are texts: `names` of the arrays [N, L], and where each text ends [N]; what is behind is padding."""

    names: tuple[str, ...]
    ends_N: NDArray[np.int64]
    length: int


def texts_in(examples: Examples, prepared: Prepared) -> Texts | None:
    """The texts among the inputs; None where there are none, or where no id stands at their ends alone."""
    inputs = by_name(examples.inputs)
    arrays = {
        name: values
        for name, values in inputs.items()
        if values.ndim == 2 and values.dtype.kind in "iub" and _is_text(name, prepared)
    }
    lengths = {values.shape[1] for values in arrays.values()}
    if len(lengths) != 1 or min(lengths) < _SHORTEST:
        return None
    [length] = lengths
    ends = [found for values in arrays.values() if (found := _ends(values)) is not None]
    if not ends:
        return None
    # a mask and the ids end at the same place, an array of zeros and ones for two sentences may end before
    ends_N = np.maximum.reduce(ends)
    behind = np.arange(length) >= ends_N[:, None]
    arrays |= {name: values for name, values in inputs.items() if name not in arrays and _is_mask(values, behind)}
    if any(len(np.unique(values[behind])) > 1 for values in arrays.values()):
        return None
    return Texts(tuple(arrays), ends_N, length)


def _is_mask(values: NumpyArray, behind: NDArray[np.bool_]) -> bool:
    """Whether `values` are 1, and 0 behind the end, in whatever type."""
    return values.shape == behind.shape and values.dtype.kind in "iubf" and bool((values == ~behind).all())


def _is_text(name: str, prepared: Prepared) -> bool:
    return name in _OF_TOKENIZERS or len(prepared.vocabularies.get(name, ())) == 1


def _ends(ids: NumpyArray) -> NDArray[np.int64] | None:
    """Where each row [N] ends, where one id stands behind the ends of rows alone; None where there is no such id."""
    last_N = ids[:, -1]
    for padding in np.unique(last_N).tolist():
        is_padding = ids == padding
        runs_N = np.where(is_padding.all(axis=1), ids.shape[1], is_padding[:, ::-1].argmin(axis=1))
        if (is_padding.sum(axis=1) == runs_N).all() and len(np.unique(runs_N)) >= _LEAST_LENGTHS:
            return np.asarray(ids.shape[1] - runs_N, dtype=np.int64)
    return None


def with_less_padding(examples: Examples, texts: Texts) -> tuple[Examples, Examples, NDArray[np.int64]] | None:
    """The rows with most padding, the same with less of it, and where each ends [N]; None where there is no padding.

    Less, and not more: a position beyond those that a model has kills a process on a GPU.
    """
    runs_N = texts.length - texts.ends_N
    chosen = np.flatnonzero((runs_N >= min(_WIDEST_FILTER + 1, int(runs_N.max()))) & (runs_N > 0) & (texts.ends_N > 0))
    if not len(chosen):
        return None
    rows = examples.take(chosen)
    inputs = by_name(rows.inputs)
    length = texts.length - max(1, int(runs_N[chosen].min()) - _WIDEST_FILTER)
    return rows, _with(rows, {name: inputs[name][:, :length] for name in texts.names}), texts.ends_N[chosen]


def with_other_ends(examples: Examples, name: str, at: int, ends_N: NDArray[np.int64]) -> Examples:
    """The rows with other ids of the same rows behind position `at`, up to where each ends."""
    ids = by_name(examples.inputs)[name]
    behind = (np.arange(ids.shape[1]) > at) & (np.arange(ids.shape[1]) < ends_N[:, None])
    known = np.unique(ids[np.arange(ids.shape[1]) < ends_N[:, None]])
    places = np.searchsorted(known, ids) + 1 + np.arange(ids.shape[1]) % max(1, len(known) - 1)
    return _with(examples, {name: np.where(behind, known[places % len(known)], ids)})


def _with(examples: Examples, changed: Mapping[str, NumpyArray]) -> Examples:
    """`examples` with some of their inputs changed, in the types that they had."""
    inputs = by_name(examples.inputs)
    typed = {name: values.astype(inputs[name].dtype) for name, values in changed.items()}
    if not isinstance(examples.inputs, Mapping):
        return replace(examples, inputs=next(iter(typed.values())))
    return replace(examples, inputs={**inputs, **typed})
