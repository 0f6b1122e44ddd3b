"""Stopwatches: the time on the wall, and what is left of it without waits for a processor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_mlspec.probes import stopwatch
from pytest_mlspec.probes.stopwatch import Lap, SchedulerStopwatch, WallStopwatch


class Counting(SchedulerStopwatch):
    """With the counts of a scheduler that is not asked."""

    def __init__(self, counts: Iterator[tuple[int, int]]) -> None:
        self._told = counts

    def _counts(self) -> tuple[int, int]:
        return next(self._told)


def nothing() -> None:
    """A call whose time is that of the clock."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nanoseconds as a stopwatch reads them: before the count, the call, behind it, and behind the second count."""
    readings = iter([1000, 1010, 1510, 1520])
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter_ns=lambda: next(readings)))


@pytest.mark.usefixtures("clock")
def test_a_call_that_never_waited_is_all_its_own() -> None:
    """What the reading of the count costs is no part of it."""
    assert Counting(iter([(7, 40), (7, 540)])).lap(nothing) == Lap(500, 500)


@pytest.mark.usefixtures("clock")
def test_what_a_call_waited_is_left_out() -> None:
    """Never more than has passed: the outer times are taken."""
    assert Counting(iter([(7, 40), (307, 260)])).lap(nothing) == Lap(500, 220)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("waited", "computed", "asleep"), [(0, 0, 500), (0, 100, 400), (300, 100, 120), (300, 500, 0)])
def test_a_call_sleeps_where_it_neither_computes_nor_waits(waited: int, computed: int, asleep: int) -> None:
    """Never for less than no time: the counts are read outside the call."""
    lap = Counting(iter([(7, 40), (7 + waited, 40 + computed)])).lap(nothing)

    assert lap.asleep == asleep


@pytest.mark.parametrize(("computed", "own"), [(0, 220), (250, 470), (300, 500), (900, 500)])
def test_a_wait_for_threads_of_its_own_is_no_neighbours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, computed: int, own: int
) -> None:
    """A call that waits for its own threads is as slow as they make it."""
    file = tmp_path / "schedstat"
    file.write_text("50 7 1\n")
    clocks = {
        "perf_counter_ns": iter([1000, 1010, 1510, 1520]),
        "process_time_ns": iter([60, 160 + computed]),
        "thread_time_ns": iter([50, 150]),
    }
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(**{name: clock.__next__ for name, clock in clocks.items()}))
    with file.open("rb") as opened:
        lap = SchedulerStopwatch(opened.fileno()).lap(lambda: file.write_text("50 307 2\n"))

    assert (lap.wall, lap.own) == (500, own)


def test_the_best_stopwatch_of_this_system_times_a_sleep() -> None:
    """A call that sleeps waits for nobody."""
    with stopwatch.stopwatch() as watch:
        lap = watch.lap(lambda: time.sleep(0.02))

    assert min(lap.wall, lap.own) >= 20e6
    assert lap.asleep >= (15e6 if watch.tells_waits else 0)


@pytest.mark.parametrize("content", [None, "0 0 0\n"])
def test_a_system_that_counts_no_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None) -> None:
    """Without the file, or with nothing in it, the time is that on the wall."""
    file = tmp_path / "schedstat"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(stopwatch, "_OF_THIS_THREAD", file)

    with stopwatch.stopwatch() as watch:
        lap = watch.lap(nothing)

    assert isinstance(watch, WallStopwatch)
    assert lap.wall == lap.own
