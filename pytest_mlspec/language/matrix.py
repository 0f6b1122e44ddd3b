"""The `matrix` of a spec: one document for each combination of its values, with the values in the name."""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import Place, Problem
from pytest_mlspec.language import load
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.spec import is_name

if TYPE_CHECKING:
    from pytest_mlspec.language.load import Document, KeyPath

VARIANTS_AT_MOST = 1000

_FIXED = ("mlspec", "name", "matrix")
_LABEL = re.compile(r"[A-Za-z0-9._+-]{1,40}")


@dataclass(frozen=True)
class _Axis:
    """One key that varies: its path in the spec, and its values with what the name says of each."""

    written: str
    key: KeyPath
    values: list[Any]
    labels: list[str]


def variants(document: Document, problems: list[Problem]) -> Iterator[Document]:
    """The document itself, or one for each combination of its `matrix`.

    Mistakes in the matrix are added to `problems`; then the document follows without it, so that its others are found too.
    A mistake in a value that the matrix puts in is shown where the matrix holds it.
    """
    if "matrix" not in document.data:
        yield document
        return
    matrix = document.data["matrix"]
    plain = {key: value for key, value in document.data.items() if key != "matrix"}
    found = list(_mistakes(document, matrix, plain))
    problems += found
    if found:
        yield replace(document, data=plain)
        return
    axes = [_axis(written, values, plain, matrix) for written, values in matrix.items()]
    for numbers in itertools.product(*(range(len(axis.values)) for axis in axes)):
        data, places = copy.deepcopy(plain), dict(document.places)
        for axis, number in zip(axes, numbers, strict=True):
            _put(data, axis.key, copy.deepcopy(axis.values[number]))
            places |= _moved(document.places, ("matrix", axis.written, number), axis.key)
        label = ", ".join(
            f"{_short(axis, axes)}={axis.labels[number]}" for axis, number in zip(axes, numbers, strict=True)
        )
        if is_name(data.get("name")):
            data["name"] += f"[{label}]"
        yield replace(document, data=data, places=places)


def _mistakes(document: Document, matrix: Any, plain: Mapping[str, Any]) -> Iterator[Problem]:
    def problem(message: str, advice: str, *key: str | int) -> Problem:
        path: KeyPath = ("matrix", *key)
        return Problem(document.place(path), load.dotted(path), message, advice)

    such_as = "write {KEY PATH: [VALUE, …]}, such as {train.optimizer.lr: [1e-3, 3e-3]}"
    if not (isinstance(matrix, dict) and matrix):
        yield problem(f"key paths with lists of values are needed, not {described(matrix)}", such_as)
        return
    reached: dict[KeyPath, str] = {}
    for written, values in matrix.items():
        if not (isinstance(values, list) and values):
            yield problem(f"a list of values is needed, not {described(values)}", such_as, written)
            continue
        if twice := _twice(values):
            yield problem("a value stands twice", "remove one", written, twice)
        key = path_of(plain, written)
        if key is None:
            yield problem("the spec has no such key that this could vary", _nearest(plain, written), written)
        elif key[0] in _FIXED:
            yield problem("this key cannot vary", "remove it", written)
        else:
            for other, name in reached.items():
                if key[: len(other)] == other or other[: len(key)] == key:
                    yield problem(f"{name!r} varies too, and one holds the other", "write the values of one", written)
            reached[key] = written
    count = math.prod(len(values) for values in matrix.values() if isinstance(values, list))
    if count > VARIANTS_AT_MOST:
        yield problem(f"{count:,} variants, at most {VARIANTS_AT_MOST:,}", "vary fewer keys together")


def _twice(values: list[Any]) -> int | None:
    """The position of the first value that stands before too; 1 and true, or 1 and 1.0, are different values."""
    seen: list[str] = []
    for number, value in enumerate(values):
        if repr(value) in seen:
            return number
        seen.append(repr(value))
    return None


def path_of(data: Any, written: str) -> KeyPath | None:
    """The path of the key that `written` names with points; names that hold points themselves, such as gates', are found."""
    if not isinstance(data, dict):
        return None
    if written in data:
        return (written,)
    for name, inner in data.items():
        if written.startswith(f"{name}.") and (rest := path_of(inner, written[len(name) + 1 :])) is not None:
            return (name, *rest)
    return None


def _nearest(plain: Mapping[str, Any], written: str) -> str:
    """The next step: the nearest key, beside the one that is missing where the mapping that would hold it is there."""
    paths = list(_paths(plain))
    parent = written.rpartition(".")[0]
    within = f"{parent}." if parent in paths else ""
    beside = [path.removeprefix(within) for path in paths if path.startswith(within)]
    near = get_close_matches(written.removeprefix(within), beside, n=1)
    return f"did you mean {within + near[0]!r}?" if near else "write the key itself first, with a value"


def _paths(data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data.items():
        yield name
        if isinstance(value, dict):
            yield from (f"{name}.{path}" for path in _paths(value))


def _axis(written: str, values: list[Any], plain: Mapping[str, Any], matrix: Mapping[str, Any]) -> _Axis:
    key = path_of(plain, written)
    assert key is not None, "a matrix without mistakes reaches every key"
    labels = [_label(value) for value in values]
    if not all(map(_LABEL.fullmatch, labels)) or len(set(labels)) < len(labels):
        labels = [str(number + 1) for number in range(len(values))]
    return _Axis(written, key, values, labels)


def _label(value: object) -> str:
    """A value in a word, such as `0.001`, `64-32`, `adamw`; where that is no good, values go by their number."""
    match value:
        case {"use": str(use)}:
            return _label(use)
        case list():
            return "-".join(map(_label, value))
        case str():
            return re.split(r"[:/\\]", value)[-1]
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case _:
            return str(value)


def _short(axis: _Axis, axes: list[_Axis]) -> str:
    """The last name of a key, or all of its path where another key that varies ends the same or it would not do."""
    last = str(axis.key[-1])
    others = [str(other.key[-1]) for other in axes if other is not axis]
    name = axis.written if last in others else last
    return name if _LABEL.fullmatch(name) else str(axes.index(axis) + 1)


def _put(data: Any, key: KeyPath, value: object) -> None:
    for part in key[:-1]:
        data = data[part]
    data[key[-1]] = value


def _moved(places: Mapping[KeyPath, Place], source: KeyPath, target: KeyPath) -> Mapping[KeyPath, Place]:
    """The places below `source`, as those of `target`."""
    depth = len(source)
    return {(*target, *key[depth:]): place for key, place in places.items() if key[:depth] == source}
