"""Files of the project, found below its root directory and opened from Python: so what was read is recorded.

Readers in compiled code open files unseen; they are handed a file that is open already.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pytest_mlspec.errors import DataError

KEY = "data.source"


def find(path: str, *, root: Path) -> Path:
    """The file at `path`, relative to `root`; raises DataError where it is none, or lies outside, links followed."""
    full = _below(path, root)
    if not full.exists():
        raise DataError(f"there is no file {path!r} below the root directory {root}", key=KEY)
    if not full.is_file():
        raise DataError(f"{path!r} is not a file", key=KEY)
    return full


def find_folder(path: str, *, root: Path) -> Path:
    """The folder at `path`, relative to `root`; raises DataError where it is none, or lies outside, links followed."""
    full = _below(path, root)
    if not full.is_dir():
        there = "is not a folder" if full.exists() else f"is no folder below the root directory {root}"
        raise DataError(f"{path!r} {there}", key=KEY)
    return full


@contextmanager
def opened(path: str, *, root: Path) -> Iterator[IO[bytes]]:
    """The content of the file at `path`, unpacked where its name ends in .gz; raises DataError where it cannot be read."""
    full = find(path, root=root)
    try:
        stream: Any = gzip.open(full, "rb") if path.endswith(".gz") else full.open("rb")  # noqa: SIM115  (closed below)
        with stream as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        advice = "is the archive whole, and one of gzip?" if path.endswith(".gz") else ""
        raise DataError(f"{path} cannot be read: {reason}", key=KEY, advice=advice) from error


@contextmanager
def opened_text(path: str, *, root: Path) -> Iterator[IO[str]]:
    """The text of the file at `path`, line ends as they stand; raises DataError with the line where it is no UTF-8."""
    with opened(path, root=root) as file:
        try:
            with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
                yield text
        except UnicodeDecodeError as error:
            raise _not_utf8(path, root) from error


def _below(path: str, root: Path) -> Path:
    full = (root / path).resolve()
    if not full.is_relative_to(root.resolve()):
        raise DataError(f"{path!r} lies outside the root directory {root}", key=KEY)
    return full


def _not_utf8(path: str, root: Path) -> DataError:
    """Names the first line that is no UTF-8: a decoder of blocks knows only where its block stands."""
    before = 0
    with opened(path, root=root) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                message = f"{path}:{number}: not UTF-8 at byte {before + error.start}"
                return DataError(message, key=KEY, advice="save the file as UTF-8")
            before += len(line)
    return DataError(f"{path} is not UTF-8", key=KEY, advice="save the file as UTF-8")
