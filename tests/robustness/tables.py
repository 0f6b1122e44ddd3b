"""A healthy table of 80 rows as the text of a CSV file, and the same with some lines changed."""

from __future__ import annotations

from collections.abc import Mapping

HEADER = "x,a,y"
LINES = [f"{number},{number * 37 % 101 / 7:.3f},{'no' if number % 3 else 'yes'}" for number in range(80)]


def table(changes: Mapping[int, str] | None = None, *, header: str = HEADER) -> str:
    """The table with other text in the lines of these numbers, counted from 1 as an editor does."""
    return "\n".join((changes or {}).get(number, line) for number, line in enumerate((header, *LINES), 1)) + "\n"


def with_targets(*values: object, last: object = None) -> str:
    """The table with these targets, over and over; `last` is that of the last line."""
    targets = [values[number % len(values)] for number in range(len(LINES))]
    targets[-1] = targets[-1] if last is None else last
    rows = (f"{line.rpartition(',')[0]},{target}" for line, target in zip(LINES, targets, strict=True))
    return "\n".join((HEADER, *rows)) + "\n"
