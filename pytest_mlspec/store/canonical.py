"""One JSON text for every plain value, its SHA-256, and the first difference between two values in words.

The text is strict JSON although values may be NaN or infinite: such a float is written as `{"float": "nan"}`. Keys are
sorted, so equal values have equal texts. Plain means None, bool, int, float, str, sequences and mappings with text keys;
anything else raises TypeError, so that nothing is stored that cannot be read back.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def dump(value: Any, *, indent: int | None = None) -> str:
    """The canonical text of `value`.

    >>> dump({"b": (1, 2.0), "a": float("nan")})
    '{"a":{"float":"nan"},"b":[1,2.0]}'
    """
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        _encoded(value), sort_keys=True, allow_nan=False, ensure_ascii=False, indent=indent, separators=separators
    )


def parse(text: str | bytes) -> Any:
    """The value whose text `dump` wrote; raises ValueError where `text` is not strict JSON.

    >>> parse('{"a":{"float":"inf"}}')
    {'a': inf}
    """
    return json.loads(text, object_hook=_decoded, parse_constant=_refuse)


def digest(value: Any) -> str:
    """The SHA-256 of the canonical text of `value`, in hexadecimal."""
    return hashlib.sha256(dump(value).encode("utf-8", "surrogatepass")).hexdigest()


def first_difference(old: Any, new: Any) -> str | None:
    """Where two plain values differ first, in the order of their keys, in words; None where they are equal.

    >>> first_difference({"train": {"epochs": 10}}, {"train": {"epochs": 12}})
    'train.epochs: 10 -> 12'
    >>> first_difference({"packages": {"torch": "2.12"}}, {"packages": {"torch": "2.13"}})
    'package torch 2.12 -> 2.13'
    """
    found = _difference(old, new, ())
    if found is None:
        return None
    path, before, after = found
    if path[-2:-1] == ("packages",):
        return f"package {path[-1]} {_version(before)} -> {_version(after)}"
    return f"{'.'.join(path)}: {_shown(before)} -> {_shown(after)}"


_ABSENT = object()


def _difference(old: Any, new: Any, path: tuple[str, ...]) -> tuple[tuple[str, ...], Any, Any] | None:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        pairs = [(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in sorted({*old, *new})]
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        pairs = [(str(at), before, after) for at, (before, after) in enumerate(zip(old, new, strict=True))]
    elif _ABSENT in (old, new) or dump(old) != dump(new):
        return path, old, new
    else:
        return None
    inner = (_difference(before, after, (*path, name)) for name, before, after in pairs)
    return next((found for found in inner if found is not None), None)


def _version(value: Any) -> str:
    return "absent" if value is None or value is _ABSENT else str(value)


def _shown(value: Any) -> str:
    text = "absent" if value is _ABSENT else dump(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _encoded(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError(f"a key that is not text: {next(name for name in value if not isinstance(name, str))!r}")
        encoded = {name: _encoded(inner) for name, inner in value.items()}
        # a mapping that looks like the mark of a float keeps its own value in a list
        return {"float": [encoded["float"]]} if encoded.keys() == {"float"} else encoded
    if isinstance(value, list | tuple):
        return [_encoded(inner) for inner in value]
    return value


def _decoded(fields: dict[str, Any]) -> Any:
    if fields.keys() != {"float"}:
        return fields
    mark = fields["float"]
    return {"float": mark[0]} if isinstance(mark, list) else _NOT_FINITE[mark]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
