"""Tables in text files, CSV and TSV, read strictly: no row is dropped, no column renamed, no field moved.

A file is read twice, as a stream: once to hold each row against the header, which pandas would fill, shift or rename, and
once by pandas. So there is one copy of it in memory, and what pandas needs to make columns.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pytest_mlspec.errors import DataError, did_you_mean
from pytest_mlspec.sources.files import KEY, opened_text
from pytest_mlspec.sources.origins import Lines, Table

# Texts that mean a missing value: those of pandas.
_MISSING = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"]
_MISSING += ["<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
_SEPARATORS = ",;\t|"
# A text longer than this is taken for a quote that was not closed.
_LONGEST_FIELD = 1 << 24


def read(
    path: str,
    *,
    root: Path,
    sep: str | None = None,
    na_values: Sequence[str] = (),
    text: Sequence[str] = (),
    columns: Sequence[str] = (),
    names: Sequence[str] = (),
    quoting: str | None = None,
) -> Table:
    """The table in the file at `path`, relative to `root`; types are pandas' own.

    `sep` separates fields (by default a comma, or a tab for .tsv); `na_values` are texts that mean a missing value beside
    those that pandas knows; `text` names columns that are kept as they are written ("007" and "NA" stay), an empty field
    alone is missing there; `columns` are those to read, by default all; `names` gives the columns of a file without a header
    line; `quoting` none takes quotes as letters.
    Raises DataError with file and line where the file cannot be read as a table.
    """
    import pandas as pd

    form: dict[str, Any] = {
        "delimiter": sep or ("\t" if path.removesuffix(".gz").endswith(".tsv") else ","),
        "quoting": csv.QUOTE_NONE if quoting == "none" else csv.QUOTE_MINIMAL,
    }
    with opened_text(path, root=root) as file:
        header, lines = _checked(file, path, names, form)
    if not lines:
        raise DataError(f"{path} has 0 rows", key=KEY)
    used = list(columns or header)
    for asked in columns:
        if asked not in header:
            raise DataError(f"{path} has no column {asked!r}", key=f"{KEY}.columns", advice=did_you_mean(asked, header))
    for asked in text:
        if asked not in used:
            raise DataError(
                f"no column {asked!r} is read from {path}", key=f"{KEY}.text", advice=did_you_mean(asked, used)
            )
    with opened_text(path, root=root) as file:
        try:
            frame = pd.read_csv(
                file,
                **form,
                names=list(header) if names else None,
                header=None if names else 0,
                usecols=used,
                dtype=dict.fromkeys(text, "str"),
                na_values={name: [*na_values, *([""] if name in text else _MISSING)] for name in used},
                keep_default_na=False,
                low_memory=False,  # else the type of a column may change from block to block
            )
        except (ValueError, pd.errors.ParserError) as error:
            raise DataError(f"{path} cannot be read: {error}", key=KEY) from error
    return Table(frame[used], Lines(path, lines))


def _checked(file: IO[str], path: str, names: Sequence[str], form: dict[str, Any]) -> tuple[list[str], Sequence[int]]:
    """The header and the line at which each row begins.

    Raises where the header is unfit, or a row has more or fewer fields.
    """
    with _long_fields():
        rows = csv.reader(_without_nul(file, path), strict=True, **form)
        try:
            header = _header(rows, path, names)
            return header, _lines(rows, path, header, by_names=bool(names))
        except csv.Error as error:
            advice = "where quotes are letters like any other, write `quoting: none` beside `use`"
            raise DataError(f"{path}:{rows.line_num}: {error}", key=KEY, advice=advice) from None


def _header(rows: Any, path: str, names: Sequence[str]) -> list[str]:
    if names:
        return list(names)
    header: list[str] = next(rows, [])
    if not any(name.strip() for name in header) and not any(any(row) for row in rows):
        raise DataError(f"{path} is empty", key=KEY)
    other = next((mark for mark in _SEPARATORS if mark in header[0]), None) if len(header) == 1 else None
    if other is not None:
        shown = "\\t" if other == "\t" else other
        raise DataError(
            f"{path}:1: one column alone, {header[0]!r:.60}",
            key=KEY,
            advice=f'are its fields separated in another way? write {{use: {path}, sep: "{shown}"}}',
        )
    for number, name in enumerate(header, 1):
        if not name.strip():
            raise DataError(
                f"{path}:1: column {number} has no name",
                key=KEY,
                advice="name it; `data.drop` keeps it from the features",
            )
        if name in header[: number - 1]:
            raise DataError(
                f"{path}:1: the column {name!r} stands twice",
                key=KEY,
                advice="rename one; for a file without a header line, write `names: [...]` beside `use`",
            )
    return header


def _lines(rows: Any, path: str, header: Sequence[str], *, by_names: bool) -> Sequence[int]:
    first = before = rows.line_num
    lines: Sequence[int] | None = None  # the same distance all along, as long as that is so
    count = blank = 0
    for row in rows:
        if not row:
            blank = blank or before + 1
        elif blank or len(row) != len(header):
            line, fields = (blank, 0) if blank else (before + 1, len(row))
            needed = f"`names` has {len(header)}" if by_names else f"the header has {len(header)}"
            raise DataError(
                f"{path}:{line}: {fields} fields, and {needed}",
                key=KEY,
                advice="repair the line, or remove it; nothing is left out of itself",
            )
        else:
            if lines is None and before != first + count:
                lines = array("q", range(first + 1, first + count + 1))
            if isinstance(lines, array):
                lines.append(before + 1)
            count += 1
        before = rows.line_num
    return range(first + 1, first + count + 1) if lines is None else lines


def _without_nul(file: IO[str], path: str) -> Iterator[str]:
    """The lines of `file`; a character NUL, at which pandas would end a field, raises."""
    for number, line in enumerate(file, 1):
        if "\0" in line:
            advice = "is it a text file, saved as UTF-8?"
            raise DataError(f"{path}:{number}: a character NUL", key=KEY, advice=advice)
        yield line


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lets fields be as long as a document; the limit of the module csv is one for the whole process."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
