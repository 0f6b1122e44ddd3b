"""Stopwatches: how long a call takes, and how much of that was its own.

Where other work keeps the processors busy, a call longer than a time slice is interrupted whenever it is made, and even the
shortest of many tells of the neighbours. Linux counts for each thread how long it could have run and had to wait; without
that time a call of 100 ms costs nearly the same beside four busy neighbours (`benchmarks/latency/results.md`). A call that
sleeps does not wait for a processor: its sleep is its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

Call = Callable[[], object]

_OF_THIS_THREAD = Path("/proc/thread-self/schedstat")


class Lap(NamedTuple):
    """One call: `wall` is its time in nanoseconds, `own` that without the waits for a processor.

    `asleep` is the part of the own time in which nothing of this process computed, 0 where nothing tells that.
    """

    wall: float
    own: float
    asleep: float = 0.0


class Stopwatch(Protocol):
    """Times one call after another, in one thread."""

    @property
    def tells_waits(self) -> bool:
        """False where nothing tells how long a call had to wait for a processor."""

    def lap(self, call: Call) -> Lap:
        """How long `call` takes."""


class SchedulerStopwatch:
    """Linux: the waits of one thread as the scheduler counts them in the open `file`; those of other threads are not seen.

    Where the call has threads of its own that compute, the thread may have waited for these: as much as they computed is its own.
    """

    tells_waits = True

    def __init__(self, file: int) -> None:
        self._file = file

    def lap(self, call: Call) -> Lap:
        """How long `call` takes; a little of what the reading of the count costs is in the own time of one that had to wait."""
        began, (waited, computed) = time.perf_counter_ns(), self._counts()
        call_began = time.perf_counter_ns()
        call()
        wall = time.perf_counter_ns() - call_began
        waited_now, computed_now = self._counts()
        # The outer times enclose the readings of the counts, so that no more is taken off than has passed.
        own = min(wall, time.perf_counter_ns() - began - (waited_now - waited))
        return Lap(wall, own, max(0, own - (computed_now - computed)))

    def _counts(self) -> tuple[int, int]:
        """How long this thread has waited but for its own threads, and what the whole process has computed."""
        of_all_threads = time.process_time_ns()
        of_other_threads = of_all_threads - time.thread_time_ns()
        return int(os.pread(self._file, 96, 0).split()[1]) - of_other_threads, of_all_threads


class WallStopwatch:
    """Any system: the time on the wall."""

    tells_waits = False

    def lap(self, call: Call) -> Lap:
        """How long `call` takes."""
        began = time.perf_counter_ns()
        call()
        wall = time.perf_counter_ns() - began
        return Lap(wall, wall)


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """The best one for what this thread does on the processor."""
    try:
        file = _OF_THIS_THREAD.open("rb", buffering=0)
    except OSError:
        yield WallStopwatch()
        return
    with file:
        # A kernel that does not count shows zeros; this thread has run for milliseconds at least.
        counts = not file.read().startswith(b"0 ")
        yield SchedulerStopwatch(file.fileno()) if counts else WallStopwatch()


def processors() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
