"""Tables in text files: CSV and TSV, plain or compressed with gzip, read strictly. No row is dropped, no column renamed."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_KEY = "data.source"


def read(path: str, *, root: Path, sep: str | None = None, na_values: Sequence[str] = ()) -> pd.DataFrame:
    """The table in the file at `path`, relative to `root`; types are pandas' own.

    `sep` separates fields (by default a comma, or a tab for .tsv); `na_values` are texts that mean a missing value beside
    those that pandas knows. Raises DataError with file and line where the file cannot be read as a table.
    """
    import pandas as pd

    separator = sep or ("\t" if path.removesuffix(".gz").endswith(".tsv") else ",")
    text = _text(path, root)
    _check_shape(text, path, separator)
    try:
        return pd.read_csv(io.StringIO(text), sep=separator, na_values=list(na_values), low_memory=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} cannot be read: {error}", key=_KEY) from error


def find(path: str, *, root: Path) -> Path:
    """The file at `path`, relative to `root`; raises DataError where it is none, or lies outside, links followed."""
    full = (root / path).resolve()
    if not full.is_relative_to(root.resolve()):
        raise DataError(f"{path!r} lies outside the root directory {root}", key=_KEY)
    if not full.exists():
        raise DataError(f"there is no file {path!r} below the root directory {root}", key=_KEY)
    if not full.is_file():
        raise DataError(f"{path!r} is not a file", key=_KEY)
    return full


def _text(path: str, root: Path) -> str:
    full = find(path, root=root)
    try:
        content = full.read_bytes()
        if path.endswith(".gz"):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: not UTF-8 at byte {error.start}", key=_KEY, advice="save the file as UTF-8"
        ) from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}", key=_KEY) from error


def _check_shape(text: str, path: str, separator: str) -> None:
    """Raises where the header is unfit, or a row has more or fewer fields: pandas would fill, shift or rename."""
    if not text.strip():
        raise DataError(f"{path} is empty", key=_KEY)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = next(rows)
        _check_header(header, path)
        blank = 0
        for row in rows:
            if not row:
                blank = blank or rows.line_num
            elif blank or len(row) != len(header):
                line, fields = (blank, 0) if blank else (rows.line_num, len(row))
                raise DataError(f"{path}:{line}: {fields} fields, and the header has {len(header)}", key=_KEY)
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num}: {error}", key=_KEY) from None


def _check_header(header: Sequence[str], path: str) -> None:
    for number, name in enumerate(header, 1):
        if not name.strip():
            raise DataError(
                f"{path}:1: column {number} has no name",
                key=_KEY,
                advice="name it; `data.drop` keeps it from the features",
            )
        if name in header[: number - 1]:
            raise DataError(f"{path}:1: the column {name!r} stands twice", key=_KEY)
