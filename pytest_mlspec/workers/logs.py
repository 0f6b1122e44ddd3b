"""What is read of a worker's log: its last lines, and the warnings in it. The file itself keeps every line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_mlspec.store.environment import relative_to
from pytest_mlspec.tracebacks import users_stacks

LINES_SHOWN = 30
_END_BYTES = 32_000
_WARNINGS_WITHIN_BYTES = 1_000_000

# What Python's own `warnings` writes: the place, the category and the first line of the text.
_WARNING = re.compile(r"(?P<file>.+?):(?P<line>\d+): (?P<what>\w*Warning: .+)")


def log_end(path: str) -> str:
    """The last lines of a log, its stacks without our frames; empty where there is no log."""
    try:
        with Path(path).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _END_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(users_stacks(lines)[-LINES_SHOWN:])


def warnings_in(path: str, *, root: Path) -> Iterator[str]:
    """Each warning of Python in a log once, as `file:line: Category: text`, the file relative to `root` where it lies below."""
    try:
        with Path(path).open("rb") as log:
            text = log.read(_WARNINGS_WITHIN_BYTES).decode(errors="replace")
    except OSError:
        return
    found = (match for line in text.splitlines() if (match := _WARNING.fullmatch(line)))
    yield from dict.fromkeys(f"{relative_to(root, match['file'])}:{match['line']}: {match['what']}" for match in found)
