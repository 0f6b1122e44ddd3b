"""Where rows stand, for messages: a line of a file, a place in a file without lines, a file of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from pytest_mlspec.recipe.protocol import NumpyArray, Origin


@dataclass(frozen=True)
class Table:
    """A table as it was read, and where its rows stand; `pixels` [N, …] are images, which no column can hold."""

    frame: pd.DataFrame
    origin: Origin
    pixels: NumpyArray | None = None


@dataclass(frozen=True)
class Lines:
    """Rows of a text file; `lines` holds the line at which each begins, counted from 1.

    >>> Lines("data/churn.csv", range(2, 100))(0)
    'data/churn.csv:2'
    """

    path: str
    lines: Sequence[int]

    def __call__(self, number: int) -> str:
        """The file and line of the row with this number."""
        return f"{self.path}:{self.lines[number]}"


@dataclass(frozen=True)
class Numbered:
    """Rows of a file without lines.

    >>> Numbered("data/churn.parquet")(0)
    'row 0 (from 0) of data/churn.parquet'
    """

    path: str

    def __call__(self, number: int) -> str:
        """The number of the row and the file."""
        return f"row {number} (from 0) of {self.path}"


@dataclass(frozen=True)
class Files:
    """Rows that have a file each."""

    paths: Sequence[str]

    def __call__(self, number: int) -> str:
        """The file of the row with this number."""
        return self.paths[number]
