"""Data by name: what `data.source` may say beside an import path. The names stand in `names.py`; readers import lazily."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_mlspec.errors import DataError, did_you_mean
from pytest_mlspec.language.names import SOURCES, TABLE_FORMATS
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.protocol import Rows

_KEY = "data.source"


def load(use: Use, *, root: Path, target: str | None, drop: Sequence[str] = ()) -> Rows:
    """The rows of the source that `use` names; files are relative to `root`. Raises DataError."""
    from pytest_mlspec.recipe.rows import as_rows

    if use.use in SOURCES:
        from pytest_mlspec.sources import sklearn_datasets

        return as_rows(sklearn_datasets.load(use.use.removeprefix("sklearn.")), key=_KEY, name=use.use, drop=drop)
    if use.use.endswith(TABLE_FORMATS):
        from pytest_mlspec.sources import tables

        if target is None:
            raise DataError(f"{use.use} is a table, and no target is declared", key="data.target")
        table = tables.read(use.use, root=root, **use.arguments)
        if table.empty:
            raise DataError(f"{use.use} has 0 rows", key=_KEY)
        return as_rows(table, key=_KEY, name=use.use, target=target, drop=drop)
    if "/" in use.use or use.use.count("."):
        # pickles, and NumPy's and torch's files that hold them, run code when they are read
        raise DataError(
            f"{use.use!r} is not of a format that is read", key=_KEY, advice=f"formats: {', '.join(TABLE_FORMATS)}"
        )
    raise DataError(f"unknown source {use.use!r}", key=_KEY, advice=did_you_mean(use.use, SOURCES))
