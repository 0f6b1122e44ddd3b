"""One file of rows as columns: csv, tsv, jsonl and parquet, the first three also compressed with gzip."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from pytest_mlspec.errors import DataError

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")


def find(folder: Path, stem: str, *, key: str) -> Path | None:
    """The file `stem` in `folder`, of whichever format; None where there is none. Raises DataError where there are two."""
    names = [f"{stem}{ending}{packed}" for ending in ENDINGS for packed in ("", ".gz")]
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) > 1:
        told = " and ".join(file.name for file in found)
        raise DataError(f"{folder.name} holds {told}, which name the same rows", key=key, advice="keep one of them")
    return found[0] if found else None


def read(file: Path, *, key: str, texts: Collection[str] = ()) -> pd.DataFrame:
    """The rows of `file`. Cells of a table of text stay text, also `NA` and `null`; a column is numeric where all of it is,
    unless it stands in `texts`.

    Raises DataError for what cannot be read as that format.
    """
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        table = _table(content, Path(file.name.removesuffix(".gz")).suffix)
    except (ValueError, EOFError, OSError, pd.errors.ParserError) as error:
        line = str(error).strip().partition("\n")[0]
        raise DataError(f"{file.name} cannot be read: {line}", key=key) from None
    for column in table.columns.difference(list(texts)):
        table[column] = _numbers(table[column])
    return table


def _table(content: bytes, ending: str) -> pd.DataFrame:
    match ending:
        case ".parquet":
            return pd.read_parquet(io.BytesIO(content))
        case ".jsonl":
            lines = [
                (number, line) for number, line in enumerate(content.decode("utf-8").split("\n"), 1) if line.strip()
            ]
            return pd.DataFrame.from_records([_row(number, line) for number, line in lines])
        case _:
            sep = "\t" if ending == ".tsv" else ","
            text = io.StringIO(content.decode("utf-8"), newline="")
            return pd.read_csv(text, sep=sep, dtype=str, keep_default_na=False)


def _row(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"line {number} holds no object")
    return row


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    if not pd.api.types.is_string_dtype(column):
        return column
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column
