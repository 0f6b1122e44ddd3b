"""Exported models: how each format of `formats.py` is written and read. Nothing heavy is imported before one is used.

Where the recipe gives `export`, the team's own files are read instead of those that a writer made (`subject.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_mlspec.errors import MeasurementError, MlspecError
from pytest_mlspec.formats import FORMATS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Named: TypeAlias = "Mapping[str, NDArray[Any]]"
"""What enters a model, by name: the empty one where there is one array alone, `0`, `1`, … where it takes several by position."""

Opened: TypeAlias = "Callable[[Named], np.ndarray[Any, Any]]"
"""An exported model: what enters it as arrays of the same rows, and its outputs for them."""

_DAMAGED = "is the file whole? Export it again"


def open_export(name: str, path: Path, *, threads: int = 1) -> Opened:
    """The exported model in `path`, without the team's code; it computes on the CPU with so many threads.

    Raises MlspecError for a format that needs the team's code, MeasurementError where the file cannot be read,
    MissingExtraError where the package that reads it is not installed.
    """
    format_ = FORMATS.find(name)
    if not format_.alone:
        raise MlspecError(f"{name} holds weights alone: no call can be made without the team's own model")
    open_file: Callable[..., Opened] = import_module(format_.reader).open_file
    try:
        return open_file(path, threads=threads)
    except MlspecError:
        raise
    except Exception as error:  # each library has exceptions of its own for a file that it cannot read
        raise MeasurementError(f"{path.name} cannot be loaded: {first_line(error)}", advice=_DAMAGED) from error


def first_line(error: Exception) -> str:
    """The type of an exception and the first line of what it says."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}{f': {line}' if line else ''}"
