"""Values that Python puts in the place of those of a spec, each by the path of its key: `{"train.epochs": 2}`."""

from __future__ import annotations

import copy
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import Place, Problem
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.load import dotted
from pytest_mlspec.language.matrix import path_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import Document, KeyPath

_PLAIN = (str, int, float, bool, type(None))
_FIXED = ("mlspec", "name", "matrix")
_LABEL = re.compile(r"[A-Za-z0-9._+-]{1,40}")
# A text that reads as a value of another type would go by the name of that.
_TEXT = re.compile(r"(?!(true|false|none)$)[A-Za-z]", re.IGNORECASE)
_LONGEST = 300


def overridden(document: Document, values: Mapping[str, Any], *, at: Place) -> tuple[Document, list[Problem]]:
    """The document with `values` in place, named after them, and the mistakes in them, which stand at `at`.

    A mapping that the file leaves out is made, so that the default of a key can be overridden; a name that stands for a
    mapping with `use`, such as `adamw`, becomes that mapping. Mistakes that only the models of the language can find come
    later, at `at` too.
    """
    data, places = copy.deepcopy(document.data), dict(document.places)
    problems: list[Problem] = []
    labels: dict[str, Any] = {}
    for written, value in values.items():
        told = _cannot_be(value) or _put(data, written, _plain(value))
        if isinstance(told, str):
            problems.append(Problem(at, written, told))
            continue
        places = {key: place for key, place in places.items() if key[: len(told)] != told} | {told: at}
        labels[written] = _plain(value)
    if not problems and values:
        data["name"] = _labelled(data["name"], labels)
    return replace(document, data=data, places=places), problems


def _put(data: dict[str, Any], written: str, value: Any) -> KeyPath | str:
    """Puts `value` at the key `written` and returns the path of what is new there; or says what is in the way."""
    path = path_of(data, written) or _new_path(data, written)
    if path[0] in _FIXED:
        return "this key cannot be overridden"
    around: Any = data
    made: KeyPath = ()
    for number, part in enumerate(path[:-1], 1):
        inner = around.get(part)
        if not isinstance(inner, dict):
            if not (inner is None or isinstance(inner, str)):
                return f"{dotted(path[:number])} holds {described(inner)}, and no keys"
            made = made or path[:number]
            inner = around[part] = {} if inner is None else {"use": inner}
        around = inner
    around[path[-1]] = value
    return made or path


def _new_path(data: dict[str, Any], written: str) -> tuple[str, ...]:
    """The path of a key that is not there, below the longest one that is; names of gates and tasks hold points themselves."""
    head, _, rest = written.partition(".")
    if head in ("gates", "mteb") and rest:
        return (head, rest)
    inner = data.get(head)
    return (head, *(_new_path(inner if isinstance(inner, dict) else {}, rest) if rest else ()))


def _labelled(name: str, values: Mapping[str, Any]) -> str:
    """The name of a spec with the values in which it differs; other values never have the same name."""
    plain, _, own = name.removesuffix("]").partition("[")
    label = ", ".join([*([own] if own else []), *(f"{path}={_label(value)}" for path, value in values.items())])
    return f"{plain}[{label if len(label) <= _LONGEST else _digest(label)}]"


def _label(value: Any) -> str:
    shown = str(value).lower() if isinstance(value, bool | None) else str(value)
    is_plain = isinstance(value, _PLAIN) and not (isinstance(value, str) and not _TEXT.match(value))
    return shown if is_plain and _LABEL.fullmatch(shown) else _digest(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]


def _cannot_be(value: Any) -> str:
    """Why `value` cannot stand in a spec; empty where it can."""
    match value:
        case float() if not math.isfinite(value):
            return f"{value} is not a finite number"
        case dict() if all(isinstance(key, str) for key in value):
            return next((why for inner in value.values() if (why := _cannot_be(inner))), "")
        case list() | tuple():
            return next((why for inner in value if (why := _cannot_be(inner))), "")
        case _ if type(value) in _PLAIN:
            return ""
    return f"an object of {type(value).__name__} cannot stand in a spec: write text, numbers, true, false, null, lists, mappings"


def _plain(value: Any) -> Any:
    """`value` as YAML would have given it."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
