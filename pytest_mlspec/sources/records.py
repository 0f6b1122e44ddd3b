"""Records in JSON: JSON Lines (.jsonl, .ndjson) and arrays of objects (.json), read strictly.

Every record has the same keys, each key one kind of plain value: numbers, texts, or true and false; null is a missing value.
Refused with file and line: a key that stands twice, NaN and Infinity, nested values, a record that lacks a key.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, did_you_mean
from pytest_mlspec.sources.files import KEY, opened_text
from pytest_mlspec.sources.origins import Lines, Numbered, Table

if TYPE_CHECKING:
    import pandas as pd

_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}
_NESTED = (list, dict)
_INT64 = 2**63


def read(path: str, *, root: Path, columns: Sequence[str] = (), optional: Sequence[str] = ()) -> Table:
    """The records in the file at `path`, relative to `root`, as a table with a column for each key.

    `columns` names the keys to read, by default all; `optional` those that a record may lack: there it has a missing value.
    """
    with opened_text(path, root=root) as file:
        is_array = path.removesuffix(".gz").endswith(".json")
        found = _Columns(path, tuple(columns), frozenset(optional))
        for line, record in _of_array(file, path) if is_array else _of_lines(file, path):
            found.add(line, record)
    if not found.lines:
        raise DataError(f"{path} is empty" if not is_array else f"{path} has 0 rows", key=KEY)
    return found.table()


class _Columns:
    """The values of each key, in the order of the records, and the line of each record."""

    def __init__(self, path: str, columns: tuple[str, ...], optional: frozenset[str]) -> None:
        self.lines = array("q")
        self._path = path
        self._only = columns
        self._optional = optional
        self._values: dict[str, list[Any]] = {}

    def add(self, line: int, record: Any) -> None:
        """Takes the next record."""
        number = len(self.lines)
        self.lines.append(line)
        if not isinstance(record, dict):
            kind = _KINDS.get(type(record), "null")
            raise self._wrong(
                number, f"{kind}, and every record is an object", 'write it as in {"age": 30, "left": true}'
            )
        if not number:
            self._begin(record)
        elif not self._only and not self._values.keys() >= record.keys():
            new = next(key for key in record if key not in self._values)
            raise self._wrong(
                number,
                f"the key {new!r}, which no record before it has",
                f"write null where a value is missing, or `optional: [{new}]` beside `use`",
            )
        for key, values in self._values.items():
            if key in record:
                values.append(record[key])
            elif key in self._optional:
                values.append(None)
            else:
                raise self._wrong(
                    number,
                    f"no key {key!r}",
                    f"write null where a value is missing, or `optional: [{key}]` beside `use`;"
                    f" {did_you_mean(key, record)}",
                )

    def table(self) -> Table:
        """All records; raises DataError where a key has values of several kinds, or nested ones."""
        import pandas as pd

        found = {}
        for key in list(self._values):
            found[key] = self._column(key, self._values.pop(key))
        origin = Numbered(self._path) if self._shares_lines() else Lines(self._path, self.lines)
        return Table(pd.DataFrame(found), origin)

    def _shares_lines(self) -> bool:
        """True where two records stand on one line, which then names neither."""
        return any(line == following for line, following in pairwise(self.lines))

    def _begin(self, record: Mapping[str, Any]) -> None:
        names = self._only or (*record, *sorted(self._optional - record.keys()))
        for name in names:
            if name not in record and name not in self._optional:
                raise self._wrong(0, f"no key {name!r}", did_you_mean(name, record))
        self._values = {name: [] for name in names}

    def _column(self, key: str, values: list[Any]) -> pd.Series[Any]:
        import pandas as pd

        kinds = {_KINDS[kind] for kind in set(map(type, values)) if kind is not type(None)}
        if len(kinds) > 1 or kinds & {_KINDS[kind] for kind in _NESTED}:
            self._refuse(key, values)
        if not kinds:
            return pd.Series(values, dtype="float64")
        if kinds == {"text"}:
            return pd.Series(values, dtype="str")
        if kinds == {"a number"}:
            for number, value in enumerate(values):
                if type(value) is int and not -_INT64 <= value < _INT64:
                    raise self._wrong(number, f"{key!r} is a whole number of more than 64 bits", "quote it")
        return pd.Series(values)

    def _refuse(self, key: str, values: list[Any]) -> None:
        first: tuple[int, str] | None = None
        for number, value in enumerate(values):
            if value is None:
                continue
            kind = _KINDS[type(value)]
            if isinstance(value, _NESTED):
                raise self._wrong(
                    number,
                    f"{key!r} is {kind}, and a column holds plain values",
                    "read the other keys alone, `columns: [...]` beside `use`, or make columns in your own function",
                )
            if first is not None and first[1] != kind:
                raise self._wrong(
                    number,
                    f"{key!r} is {kind}, and {first[1]} in {self._shown(first[0])}",
                    "write one kind of value for a key; null where it is missing",
                )
            first = first or (number, kind)

    def _shown(self, number: int) -> str:
        return f"row {number}" if self._shares_lines() else f"line {self.lines[number]}"

    def _wrong(self, number: int, message: str, advice: str) -> DataError:
        row = f" row {number} (from 0):" if self._shares_lines() else ""
        return DataError(f"{self._path}:{self.lines[number]}:{row} {message}", key=KEY, advice=advice)


def _of_lines(file: IO[str], path: str) -> Iterator[tuple[int, Any]]:
    """The line and value of each record, one a line; an empty line may stand at the end alone."""
    blank = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            blank = blank or number
            continue
        if blank:
            raise DataError(f"{path}:{blank}: an empty line among the records", key=KEY, advice="remove it")
        yield number, _decoded(line.strip(), 0, path, number)[0]


def _of_array(file: IO[str], path: str) -> Iterator[tuple[int, Any]]:
    """The line and value of each record of `[{…}, {…}]`."""
    text = file.read()
    at, line = _next(text, 0), 1
    if not text[at:]:
        raise DataError(f"{path} is empty", key=KEY)
    line += text.count("\n", 0, at)
    if text[at] != "[":
        advice = "write [{…}, {…}], or one object a line in a file .jsonl"
        raise DataError(f"{path}:{line}: an array of records is needed", key=KEY, advice=advice)
    opening = True
    while True:
        before, at = at, _next(text, at + 1)
        line += text.count("\n", before, at)
        if opening and text[at : at + 1] == "]":
            break
        opening = False
        value, end = _decoded(text, at, path, line)
        yield line, value
        before, at = at, _next(text, end)
        line += text.count("\n", before, at)
        if text[at : at + 1] not in (",", "]"):
            raise DataError(f"{path}:{line}: ',' or ']' is needed after a record", key=KEY, advice="is the file cut?")
        if text[at] == "]":
            break
    rest = _next(text, at + 1)
    if text[rest:]:
        line += text.count("\n", at, rest)
        advice = "for one object a line, name the file .jsonl"
        raise DataError(f"{path}:{line}: text after the end of the array", key=KEY, advice=advice)


def _next(text: str, at: int) -> int:
    """The position of the next character that is no space."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


class _RefusedError(Exception):
    """What JSON allows, or Python's reader of it, and a record must not have."""


def _decoded(text: str, at: int, path: str, line: int) -> tuple[Any, int]:
    """The value that begins at `at`, and the position behind it."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        where = f"{path}:{line + text.count(chr(10), at, error.pos)}:{error.colno}"
        reason = error.msg.removesuffix(" starting at")
        raise DataError(
            f"{where}: no JSON: {reason[0].lower()}{reason[1:]}", key=KEY, advice="repair the record, or remove it"
        ) from None
    except _RefusedError as error:
        raise DataError(f"{path}:{line}: {error}", key=KEY, advice="write null where a value is missing") from None
    except RecursionError:
        raise DataError(f"{path}:{line}: nested too deeply", key=KEY) from None
    except ValueError:  # a number of thousands of digits
        raise DataError(f"{path}:{line}: a number that is too long", key=KEY) from None
    if at == 0 and text[0] != "[" and end < len(text):
        raise DataError(f"{path}:{line}: text after the record", key=KEY, advice="write one object a line")
    return value, end


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RefusedError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found


def _constant(name: str) -> Any:
    raise _RefusedError(f"{name}, which is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
