"""Data by name: what `data.source` may say beside an import path. The names stand in `names.py`; readers import lazily.

    tables.py     CSV and TSV                      arrays.py    NumPy
    records.py    JSON Lines, and JSON             idx.py       the format of MNIST
    parquet.py    Parquet                          folders.py   a folder for each class: images.py and texts.py
    huggingface.py  data sets of Hugging Face      sklearn_datasets.py  what ships inside scikit-learn
    files.py      finds and opens;  origins.py  where rows stand

Every reader is a function `read(path, *, root, …)` that gives a table or rows, and raises DataError with file and line.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pytest_mlspec.errors import DataError, MlspecError, did_you_mean
from pytest_mlspec.language.names import FORMATS_IN_WORDS, SOURCES, format_of
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.protocol import Rows
from pytest_mlspec.sources.files import KEY


def load(
    use: Use,
    *,
    root: Path,
    target: str | None,
    drop: Sequence[str] = (),
    labelled: bool = True,
    key: str = KEY,
) -> Rows | dict[str, Rows]:
    """The rows of the source that `use` names, by split where it brings splits; files are relative to `root`.

    With `labelled` false the rows need no target; `key` is where the source stands in the spec. Raises DataError, and
    MissingExtraError where a reader is not installed.
    """
    from pytest_mlspec.recipe.rows import as_loaded

    try:
        found = _read(use, root)
    except MlspecError as error:
        error.key = f"{key}{error.key.removeprefix(KEY)}"
        raise
    return as_loaded(found, key=key, name=use.use, target=target, drop=drop, labelled=labelled)


def _read(use: Use, root: Path) -> Any:
    if use.use.startswith("sklearn.") and use.use in SOURCES:
        from pytest_mlspec.sources import sklearn_datasets

        return sklearn_datasets.load(use.use.removeprefix("sklearn."))
    if use.use == "huggingface":
        from pytest_mlspec.sources import huggingface

        return huggingface.read(root=root, **use.arguments)
    if (entry := format_of(use.use)) is not None:
        return import_module(f"{__name__}.{entry.reader}").read(use.use, root=root, **use.arguments)
    if "/" in use.use or use.use.count("."):
        # pickles, and torch's files that hold them, run code when they are read
        raise DataError(f"{use.use!r} is not of a format that is read", key=KEY, advice=FORMATS_IN_WORDS)
    raise DataError(f"unknown source {use.use!r}", key=KEY, advice=did_you_mean(use.use, SOURCES))
