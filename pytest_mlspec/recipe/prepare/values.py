"""Fitted values as JSON and arrays, and back. Nothing is pickled, and reading runs no code that the files name.

    taken_apart(value, arrays) -> JSON       fills `arrays` with the arrays that the JSON refers to
    put_together(JSON, arrays) -> value      the same to the bit, with the same types

Plain values stand as they are; every other is a mapping with one key that says what it is. Arrays keep their order in memory,
because a product of matrices rounds otherwise in the other. Transformers of scikit-learn are
their class, from a fixed table, and their attributes. Whatever else a value may be raises UnstorableError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language import names

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

_OTHER_CLASSES = {
    "sklearn.compose": "ColumnTransformer",
    "sklearn.feature_extraction.text": "CountVectorizer TfidfTransformer TfidfVectorizer",
    "sklearn.pipeline": "FeatureUnion Pipeline",
    "sklearn.preprocessing": "KernelCenterer OneHotEncoder OrdinalEncoder",
}
CLASSES: Mapping[str, str] = {
    **names.TRANSFORMERS,
    **{name: module for module, classes in _OTHER_CLASSES.items() for name in classes.split()},
}
"""The classes of scikit-learn whose objects can be stored, with their modules."""

# Generators that only fitting draws from.
_OF_THE_FIT = frozenset({"random_state_", "_random_state"})

_DTYPE_KINDS = "fiubUSO"


class UnstorableError(MlspecError):
    """A value that cannot be stored without pickling it."""


def taken_apart(value: Any, arrays: dict[str, NumpyArray]) -> Any:
    """`value` as JSON; arrays of numbers are added to `arrays`, under the names that the JSON holds."""
    import numpy as np

    match value:
        case None | bool() | str():
            return value
        case np.generic() if value.dtype.kind in "fiub":
            return {"scalar": _added(np.asarray(value), arrays)}
        case int():
            return value
        case float():
            return value if math.isfinite(value) else {"float": repr(value)}
        case list():
            return [taken_apart(item, arrays) for item in value]
        case tuple():
            return {"tuple": [taken_apart(item, arrays) for item in value]}
        case Mapping():
            pairs = [[taken_apart(key, arrays), taken_apart(item, arrays)] for key, item in value.items()]
            return {"mapping": pairs}
        case slice():
            return {"slice": [taken_apart(part, arrays) for part in (value.start, value.stop, value.step)]}
        case np.dtype() if value.kind in _DTYPE_KINDS:
            return {"dtype": value.str}
        case type() if issubclass(value, np.generic) and np.dtype(value).kind in _DTYPE_KINDS:
            return {"type": np.dtype(value).str}
        case np.ndarray() if value.dtype.kind in "fiub":
            by_column = value.flags.f_contiguous and not value.flags.c_contiguous
            return {"transposed" if by_column else "array": _added(value.T if by_column else value, arrays)}
        case np.ndarray() if value.dtype.kind in "OU":
            items = [taken_apart(item, arrays) for item in value.ravel().tolist()]
            return {"objects": [value.dtype.str, list(value.shape), items]}
    return _thing(value, arrays)


def put_together(stored: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    """The value that `taken_apart` made `stored` of; raises ValueError, KeyError or TypeError for what it never makes."""
    match stored:
        case None | bool() | str() | int() | float():
            return stored
        case list():
            return [put_together(item, arrays) for item in stored]
        case dict() if len(stored) == 1:
            ((kind, content),) = stored.items()
            return _READERS[kind](content, arrays)
    raise ValueError(f"{stored!r:.60} is no stored value")


def _thing(value: Any, arrays: dict[str, NumpyArray]) -> Any:
    """An object of one of the few classes that are more than numbers and text."""
    from scipy import interpolate, sparse

    kind = type(value)
    if isinstance(value, (sparse.csr_matrix, sparse.csr_array)):
        parts = [_added(part, arrays) for part in (value.data, value.indices, value.indptr)]
        return {"csr": [parts, list(value.shape), isinstance(value, sparse.sparray)]}
    if kind is interpolate.BSpline:
        parts = [taken_apart(part, arrays) for part in (value.t, value.c, value.k, value.extrapolate, value.axis)]
        return {"spline": parts}
    if callable(value) and getattr(value, "__name__", None) in names.SCORE_FUNCTIONS:
        return {"score_function": value.__name__}
    if kind.__module__.startswith("sklearn.") and kind.__name__ in CLASSES:
        attributes = {name: item for name, item in vars(value).items() if name not in _OF_THE_FIT}
        return {"object": [kind.__name__, taken_apart(attributes, arrays)]}
    raise UnstorableError(f"a {kind.__name__} cannot be stored without pickling it", key="data.prepare")


def _added(array: NumpyArray, arrays: dict[str, NumpyArray]) -> str:
    name = str(len(arrays))
    arrays[name] = array
    return name


def _tuple(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    return tuple(put_together(item, arrays) for item in content)


def _mapping(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    return {put_together(key, arrays): put_together(item, arrays) for key, item in content}


def _slice(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    return slice(*_tuple(content, arrays))


def _dtype(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    import numpy as np

    found = np.dtype(content)
    if found.kind not in _DTYPE_KINDS:
        raise ValueError(f"{content!r} is no type of numbers or text")
    return found


def _objects(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    import numpy as np

    dtype, shape, items = content
    flat = np.empty(len(items), dtype=_dtype(dtype, arrays))
    flat[:] = [put_together(item, arrays) for item in items]
    return flat.reshape(shape)


def _csr(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    from scipy import sparse

    parts, shape, is_array = content
    make = sparse.csr_array if is_array else sparse.csr_matrix
    return make(tuple(arrays[name] for name in parts), shape=tuple(shape))


def _spline(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    from scipy.interpolate import BSpline

    return BSpline(*_tuple(content, arrays))


def _score_function(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    if content not in names.SCORE_FUNCTIONS:
        raise ValueError(f"{content!r:.60} is no score function")
    return getattr(import_module("sklearn.feature_selection"), content)


def _object(content: Any, arrays: Mapping[str, NumpyArray]) -> Any:
    name, attributes = content
    found = object.__new__(getattr(import_module(CLASSES[name]), name))
    found.__dict__.update(put_together(attributes, arrays))
    return found


_READERS: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "float": lambda content, arrays: float(content),
    "scalar": lambda content, arrays: arrays[content][()],
    "array": lambda content, arrays: arrays[content],
    "transposed": lambda content, arrays: arrays[content].T,
    "tuple": _tuple,
    "mapping": _mapping,
    "slice": _slice,
    "dtype": _dtype,
    "type": lambda content, arrays: _dtype(content, arrays).type,
    "objects": _objects,
    "csr": _csr,
    "spline": _spline,
    "score_function": _score_function,
    "object": _object,
}
