"""Waiting for processes and files, never longer than a limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process ends within the time; one that nobody has reaped yet has ended."""
    return _within(seconds, lambda: not _runs(pid))


def pids_in(note: Path, seconds: float = 30.0) -> list[int]:
    """The pids in a file that a worker writes, once it is there."""
    assert _within(seconds, note.exists), f"{note} was not written within {seconds} s"

    return [int(word) for word in note.read_text().split()]


def most_at_a_time(intervals: Sequence[Mapping[str, float]]) -> int:
    """The greatest number of intervals that share a moment."""
    return max(sum(other["begin"] <= one["begin"] < other["end"] for other in intervals) for one in intervals)


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
