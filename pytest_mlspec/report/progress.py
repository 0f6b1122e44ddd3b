"""Live progress of a job that takes longer than a moment: one line rewritten on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

QUIET_S = 2.0
"""On a terminal nothing is shown of a job before it has taken this long."""

REWRITTEN_AFTER_S = 0.1
"""The time between two states of a line that is rewritten."""

HELD_S = 1.0
"""Of several jobs that run, one is shown until it has told nothing for this long."""

BETWEEN_LINES_S = 30.0
"""The time before the first line, and between two, where a line cannot be rewritten."""


class ProgressLine:
    r"""Shows the latest news of the job that an item waits for.

    `write` takes text as it is. `columns` is the width of the terminal, whose line is rewritten with `\r`; None for a
    file or a pipe, which gets whole lines.
    """

    def __init__(
        self, write: Callable[[str], None], *, columns: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._columns = columns
        self._clock = clock
        self._next = clock() + (QUIET_S if columns else BETWEEN_LINES_S)
        self._width = 0
        self._title = ""
        self._heard = 0.0  # when the job of `_title` last told something

    def show(self, title: str, news: dict[str, Any]) -> None:
        """Shows `news` of the job `title`, where it is time for it and no other job is being shown."""
        now = self._clock()
        if self._columns is not None and title != self._title and now < self._heard + HELD_S:
            return
        self._title, self._heard = title, now
        if now < self._next:
            return
        text = f"{title}: {progress_text(news)}"
        if self._columns is None:
            self._write(f"\n{text}\n")
            self._next = now + BETWEEN_LINES_S
            return
        text = text[: self._columns - 1]  # a line that wraps could not be rewritten
        start = "\r" if self._width else "\n"  # the first one leaves what stands on the line
        self._write(start + text.ljust(self._width))
        self._width = len(text)
        self._next = now + REWRITTEN_AFTER_S

    def clear(self) -> None:
        """Takes the line away."""
        if self._width:
            self._write(f"\r{' ' * self._width}\r")
            self._width = 0


def progress_text(news: dict[str, Any]) -> str:
    """The news of a job in a few words.

    >>> progress_text({"epoch": 3, "epochs": 10, "loss": 0.21})
    'epoch 3 of 10, loss 0.21'
    """
    parts = []
    for name in ("epoch", "step"):
        if name in news:
            total = news.get(f"{name}s")
            parts.append(f"{name} {news[name]}" + (f" of {total}" if total else ""))
    parts += [f"{name} {value:.4g}" for name, value in news.items() if isinstance(value, float)]
    return ", ".join(parts) or "running"
