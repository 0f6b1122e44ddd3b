"""A file of the project with the name of a module of Python's standard library: one of the two hides the other.

Most such files do no harm, so none is refused: the file is named where an exception looks like its doing.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class Shadow(NamedTuple):
    """A file of the project and the module of the standard library whose name it has."""

    name: str
    file: Path


def shadow_behind(error: BaseException, python_path: Sequence[str]) -> Shadow | None:
    """The file on `python_path` that explains `error`; None where there is none.

    It does where the exception passed through it while it was imported, and where a name was not found in it, or in the
    module of the standard library that was loaded in its place.
    """
    shadows = list(_shadows(python_path))
    for each in _chain(error) if shadows else ():
        passed = {frame.filename for frame in traceback.extract_tb(each.__traceback__)}
        asked = _asked_module(each)
        for shadow in shadows:
            if str(shadow.file) in passed or shadow.name == asked:
                return shadow
    return None


def _shadows(python_path: Sequence[str]) -> Iterator[Shadow]:
    for folder in map(Path, python_path):
        for name in sorted(sys.stdlib_module_names):
            for file in (folder / f"{name}.py", folder / name / "__init__.py"):
                if file.is_file():
                    yield Shadow(name, file)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and what caused it."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__context__, each.__cause__]


def _asked_module(error: BaseException) -> str | None:
    """The top-level module in which `error` says that a name or a module was not found."""
    if isinstance(error, ImportError):
        name = error.name
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        name = error.obj.__name__
    else:
        return None
    return name.partition(".")[0] if name else None
