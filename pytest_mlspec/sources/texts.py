"""Texts in files: a text a line, or a file each; UTF-8. The rows are a table with the one column `text`."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.errors import DataError
from pytest_mlspec.sources.files import KEY, opened_text
from pytest_mlspec.sources.origins import Lines, Table

if TYPE_CHECKING:
    import pandas as pd


def read(path: str, *, root: Path, skip_blank: bool = False) -> Table:
    """The lines of the file at `path`, relative to `root`, each a text; empty ones are an error, or skipped."""
    import pandas as pd

    texts: list[str] = []
    lines = array("q")
    blank = 0
    with opened_text(path, root=root) as file:
        for number, line in enumerate(file, 1):
            text = line.rstrip("\r\n")
            if not text.strip():
                blank = blank or number
                continue
            if blank and not skip_blank:
                advice = "every line is a row: remove it, or write `skip_blank: true` beside `use`"
                raise DataError(f"{path}:{blank}: an empty line among the texts", key=KEY, advice=advice)
            texts.append(text)
            lines.append(number)
    if not texts:
        raise DataError(f"{path} is empty", key=KEY)
    return Table(pd.DataFrame({"text": pd.Series(texts, dtype="str")}), Lines(path, lines))


def read_files(paths: Sequence[str], root: Path) -> pd.DataFrame:
    """The text of each file at `paths`, relative to `root`; raises DataError that names an empty one."""
    import pandas as pd

    texts = []
    for path in paths:
        with opened_text(path, root=root) as file:
            text = file.read()
        if not text.strip():
            raise DataError(f"{path} is empty", key=KEY, advice="every file is a row: remove it")
        texts.append(text)
    return pd.DataFrame({"text": pd.Series(texts, dtype="str")})
