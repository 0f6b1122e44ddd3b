"""What comes out of the last step becomes what enters a model.

    numbers alone            one array: float32 [N, …] (float64 for scikit-learn); whole numbers that no step touched stay int64
    one text as ids alone    one array: int64 [N, L]
    ids and others           by name: numbers [N, F], categories int64 [N, K], each text int64 [N, L] under its column's name

Shape letters: N rows, F numbers of a row, K columns of categories, L ids of a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.prepare.frame import KEY, Frame

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import Inputs, NumpyArray

NUMBERS, CATEGORIES = "numbers", "categories"


def inputs_of(frame: Frame, dtype: str) -> Inputs:
    """The inputs that `frame` holds, numbers as `dtype`; raises DataError where something is no number yet."""
    import numpy as np

    for name in frame.texts:
        raise DataError(
            f"the column {name!r} still holds text after prepare",
            key=KEY,
            advice="add one_hot, ordinal, ids, tokenize or tokenizer, or drop it from the features",
        )
    for name in frame.times:
        raise DataError(f"the column {name!r} holds times", key=KEY, advice="add the step dates, or drop it")
    if not frame.ids:
        return _numbers(frame, dtype)
    texts = {name: ids for name, ids in frame.ids.items() if ids.ndim == 2}
    categories = [ids for ids in frame.ids.values() if ids.ndim == 1]
    if len(texts) == 1 and not categories and not frame.names:
        return next(iter(texts.values()))
    found: dict[str, NumpyArray] = {NUMBERS: _numbers(frame, dtype)} if frame.names else {}
    if categories:
        found[CATEGORIES] = np.stack(categories, axis=1)
    for name in texts:
        if name in (NUMBERS, CATEGORIES):
            raise DataError(
                f"a text cannot be called {name!r} beside other inputs", key=KEY, advice="rename the column"
            )
    return {**found, **texts}


def columns_of(frame: Frame, order: Sequence[str]) -> Inputs:
    """The columns by name in their `order`: numbers as float64, texts as objects with NaN where one is missing."""
    for name in frame.times:
        raise DataError(
            f"the column {name!r} holds times", key=KEY, advice="write `prepare: dates`, or drop it from the features"
        )
    place = {name: position for position, name in enumerate(frame.names)}
    return {name: frame.numbers[:, place[name]] if name in place else frame.texts[name] for name in order}


def vocabularies_of(frame: Frame) -> Mapping[str, tuple[int, ...]]:
    """How many ids each input of `inputs_of` has, by its name."""
    texts = {name: (frame.vocabularies[name],) for name, ids in frame.ids.items() if ids.ndim == 2}
    categories = tuple(frame.vocabularies[name] for name, ids in frame.ids.items() if ids.ndim == 1)
    if len(texts) == 1 and not categories and not frame.names:
        return {"": next(iter(texts.values()))}
    return {**({CATEGORIES: categories} if categories else {}), **texts}


def checked_vocabularies(
    splits: Sequence[Mapping[str, NumpyArray]], declared: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """How many ids each input of whole numbers has: as `declared`, where all ids are within; else one more than the highest.

    `splits` are the inputs by name. Inputs with negative numbers are no ids, and are left out.
    """
    import numpy as np

    found: dict[str, tuple[int, ...]] = {}
    for name, values in splits[0].items():
        if values.dtype.kind != "i":
            continue
        axis = 0 if name == CATEGORIES and values.ndim == 2 else None
        parts = [part[name] for part in splits]
        if min(int(part.min(initial=0)) for part in parts) < 0:
            continue
        highest = np.atleast_1d(np.max([part.max(axis=axis, initial=0) for part in parts], axis=0)).tolist()
        sizes = declared.get(name, ())
        fits = len(sizes) == len(highest) and all(size > most for size, most in zip(sizes, highest, strict=True))
        found[name] = sizes if fits else tuple(most + 1 for most in highest)
    return found


def _numbers(frame: Frame, dtype: str) -> NumpyArray:
    import numpy as np

    values = frame.numbers if frame.shape is None else frame.numbers.reshape(len(frame), *frame.shape)
    if values.dtype.kind == "i" and frame.shape is not None and dtype == "float32":
        return values.astype(np.int64, copy=False)
    with np.errstate(over="ignore"):  # what is too large for single precision becomes infinite, and is counted as such
        return values.astype(dtype, copy=False)
